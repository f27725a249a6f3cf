"""The forward pass of BERT-family encoders on packed tokens: same weights, same numbers, no padding.

The Hugging Face model keeps its parameters (so it saves and loads like any other); this module only computes. Linear
layers run on the packed [T, D] matrix, attention on blocks of similar length, and dropout masks come from bits that are
drawn 8 to a word: on CPUs PyTorch's own dropout draws serially and costs a third of a step at these sizes.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suite.batch import Batch, Group
from suite.seeding import Streams

FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert")
"""Model types whose layers are post-norm BERT layers under the same attribute names."""


class Dropout(Protocol):
    """Zeroes a share of the entries; the same place in the same step always gets the same mask."""

    def __call__(self, x: Tensor, layer: int, place: str) -> Tensor:
        """Return `x` with a share of entries zeroed and the rest scaled up."""


class NoDropout:
    """Evaluation: nothing is dropped."""

    def __call__(self, x: Tensor, layer: int, place: str) -> Tensor:
        """Return `x`."""
        return x


class StepDropout:
    """Dropout of one training step: masks are drawn once and shared by all passes of the step.

    Sharing is what makes an ascent step point at the loss that is then minimised (FreeLB, Zhu et al. 2020, section
    3.3), and what makes strength 0 equal standard training bit for bit. The rate is rounded to 1/256,
    and never to all.
    """

    def __init__(self, rate: float, streams: Streams, step: int) -> None:
        self.threshold = min(255, round(rate * 256))
        self.scale = 256 / (256 - self.threshold)
        self.streams = streams
        self.step = step
        self.masks: dict[tuple[int, str, torch.Size], Tensor] = {}

    def __call__(self, x: Tensor, layer: int, place: str) -> Tensor:
        """Return `x` times the mask of this layer and place."""
        if self.threshold == 0:
            return x
        key = (layer, place, x.shape)
        if key not in self.masks:
            self.masks[key] = self._draw(x, layer, place)
        return x * self.masks[key]

    def _draw(self, x: Tensor, layer: int, place: str) -> Tensor:
        key = self.streams.key("dropout", self.step, layer, place)
        words = np.random.SFC64(key).random_raw((x.numel() + 7) // 8)
        bits = torch.from_numpy(words.view(np.uint8)[: x.numel()]).view(x.shape).to(x.device)
        # In bfloat16 a rate of 0.1 would scale by 1.109 instead of 1.113.
        mask = torch.empty_like(x, dtype=torch.promote_types(x.dtype, torch.float32), requires_grad=False)
        return torch.ge(bits, self.threshold, out=mask).mul_(self.scale)


class PackedEncoder:
    """Runs a BERT-family model layer by layer on packed tokens."""

    def __init__(self, model: Any) -> None:
        config = model.config
        if config.model_type not in FAMILIES or config.hidden_act != "gelu":
            raise ValueError(f"packed layers are those of {', '.join(FAMILIES)} with gelu, got {config.model_type!r}")
        self.model = model
        self.layers = list(model.encoder.layer)
        self.heads = int(config.num_attention_heads)
        # RoBERTa counts positions from padding_idx + 1.
        self.first_position = 0 if config.model_type == "bert" else int(config.pad_token_id) + 1

    def enter(self, batch: Batch, layer: int | None, dropout: Dropout, table_VD: Tensor | None = None) -> Tensor:
        """Word embeddings (no layer), or the output of a layer (0 is the embedding output), [T, D].

        Words are looked up in `table_VD`, by default in the model's own table.
        """
        table_VD = self.model.embeddings.word_embeddings.weight if table_VD is None else table_VD
        words_TD = F.embedding(batch.ids_T, table_VD)
        return (
            words_TD if layer is None else self._layers(self.embed(words_TD, batch, dropout), 0, layer, batch, dropout)
        )

    def finish(self, batch: Batch, hidden_TD: Tensor, layer: int | None, dropout: Dropout) -> Tensor:
        """The last hidden states, [T, D], from those at a site."""
        if layer is None:
            hidden_TD, layer = self.embed(hidden_TD, batch, dropout), 0
        return self._layers(hidden_TD, layer, len(self.layers), batch, dropout)

    def finish_first(self, batch: Batch, hidden_TD: Tensor, layer: int | None, dropout: Dropout) -> Tensor:
        """The last hidden state of every text's first token, [B, D], from those at a site.

        It needs keys and values of all tokens, but no other token's query nor feed-forward network: of the last
        layer's 12 D^2 multiplications a token, 2 D^2 are left.
        """
        if layer is None:
            hidden_TD, layer = self.embed(hidden_TD, batch, dropout), 0
        last = len(self.layers) - 1
        if layer > last:
            return hidden_TD.index_select(0, batch.first_B)
        below_TD = self._layers(hidden_TD, layer, last, batch, dropout)
        first_BD = below_TD.index_select(0, batch.first_B)
        return self._feed(last, first_BD, self._attend_first(last, first_BD, below_TD, batch, dropout), dropout)

    def hidden_states(self, batch: Batch, dropout: Dropout) -> list[Tensor]:
        """Embedding output and every layer's output, each [T, D]."""
        states = [self.enter(batch, 0, dropout)]
        for index in range(len(self.layers)):
            states.append(self.layer(index, states[-1], batch, dropout))
        return states

    def _layers(self, x_TD: Tensor, start: int, stop: int, batch: Batch, dropout: Dropout) -> Tensor:
        for index in range(start, stop):
            x_TD = self.layer(index, x_TD, batch, dropout)
        return x_TD

    def embed(self, words_TD: Tensor, batch: Batch, dropout: Dropout) -> Tensor:
        """Add positions and segments, normalise: the input of the first layer, [T, D]."""
        table = self.model.embeddings
        types = table.token_type_embeddings.weight
        typed = types[0] if batch.types_T is None else F.embedding(batch.types_T, types)
        position = F.embedding(batch.position_T + self.first_position, table.position_embeddings.weight)
        return dropout(_norm(words_TD + typed + position, table.LayerNorm), -1, "embeddings")

    def layer(self, index: int, x_TD: Tensor, batch: Batch, dropout: Dropout) -> Tensor:
        """One post-norm transformer layer, [T, D] to [T, D]."""
        return self._feed(index, x_TD, self._attend(index, x_TD, batch, dropout), dropout)

    def _feed(self, index: int, x: Tensor, attended: Tensor, dropout: Dropout) -> Tensor:
        """What a layer does to each state alone, once it has attended: [N, D] to [N, D]."""
        block = self.layers[index]
        out = block.attention.output
        x = _norm(x + dropout(_linear(attended, out.dense), index, "attention"), out.LayerNorm)
        inner = F.gelu(_linear(x, block.intermediate.dense))
        return _norm(x + dropout(_linear(inner, block.output.dense), index, "ffn"), block.output.LayerNorm)

    def _attend(self, index: int, x_TD: Tensor, batch: Batch, dropout: Dropout) -> Tensor:
        this = self.layers[index].attention.self
        parts = (this.query, this.key, this.value)
        # One product of [T, D] x [D, 3D]: its backward is one product too, instead of three and two sums.
        qkv = F.linear(x_TD, torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts]))
        blocks = zip(batch.groups, _by_group(qkv, batch), strict=True)
        outs = [self._attend_group(block, group, index, n, dropout) for n, (group, block) in enumerate(blocks)]
        return torch.cat(outs) if len(outs) > 1 else outs[0]

    def _attend_first(self, index: int, first_BD: Tensor, x_TD: Tensor, batch: Batch, dropout: Dropout) -> Tensor:
        """What the first token of every text attends to, [B, D]."""
        this = self.layers[index].attention.self
        q_BD = _linear(first_BD, this.query)
        kv = F.linear(
            x_TD, torch.cat([this.key.weight, this.value.weight]), torch.cat([this.key.bias, this.value.bias])
        )
        firsts, outs = torch.split(q_BD, [group.rows for group in batch.groups]), []
        for number, (group, block, q_RD) in enumerate(zip(batch.groups, _by_group(kv, batch), firsts, strict=True)):
            k, v = self._heads(block, group, 2)
            q = q_RD.view(group.rows, self.heads, 1, -1)
            outs.append(_attention(q, k, v, group, dropout, index, number).reshape(group.rows, -1))
        return torch.cat(outs) if len(outs) > 1 else outs[0]

    def _heads(self, block: Tensor, group: Group, parts: int) -> tuple[Tensor, ...]:
        """Queries, keys and values of a group, or the last two: [T, parts x D] to [rows, heads, L, D / heads] each."""
        if group.pad_BL is not None:
            block = _Pad.apply(block, group.pad_BL, group.slots_T)  # type: ignore[no-untyped-call]
        return block.view(group.rows, group.length, parts, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)

    def _attend_group(self, block: Tensor, group: Group, index: int, number: int, dropout: Dropout) -> Tensor:
        q, k, v = self._heads(block, group, 3)
        mixed = _attention(q, k, v, group, dropout, index, number)
        flat = mixed.transpose(1, 2).reshape(group.rows * group.length, -1)
        return flat if group.slots_T is None else flat.index_select(0, group.slots_T)


def _by_group(x_TnD: Tensor, batch: Batch) -> tuple[Tensor, ...]:
    """The tokens of every attention block.

    The backward pass of a split joins the gradients; of slices each would fill a matrix of the whole with zeros.
    """
    return torch.split(x_TnD, [group.stop - group.start for group in batch.groups])


def _attention(q: Tensor, k: Tensor, v: Tensor, group: Group, dropout: Dropout, index: int, number: int) -> Tensor:
    """Scaled dot-product attention of one block, each `[rows, heads, L, D / heads]`; padding is never attended to."""
    if isinstance(dropout, NoDropout):
        mask = None if group.hide_BL is None else ~group.hide_BL[:, None, None, :]
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    scores = torch.matmul(q * (1 / math.sqrt(q.shape[-1])), k.transpose(-1, -2))
    if group.hide_BL is not None:
        scores = scores.masked_fill_(group.hide_BL[:, None, None, :], float("-inf"))
    return torch.matmul(dropout(scores.softmax(-1), index, f"scores{number}"), v)


class _Pad(torch.autograd.Function):
    """Packed tokens to a padded block; what stands in the padding is some real token, which the mask hides.

    Because the mask hides it, no gradient reaches the padding, so the backward pass is the reverse selection instead of
    PyTorch's scatter-add.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, pad_BL: Tensor, slots_T: Tensor) -> Tensor:
        ctx.save_for_backward(slots_T)
        return x.index_select(0, pad_BL)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad.index_select(0, ctx.saved_tensors[0]), None, None


def _linear(x: Tensor, layer: nn.Linear) -> Tensor:
    return F.linear(x, layer.weight, layer.bias)


def _norm(x: Tensor, layer: nn.LayerNorm) -> Tensor:
    return F.layer_norm(x, layer.normalized_shape, layer.weight, layer.bias, layer.eps)
