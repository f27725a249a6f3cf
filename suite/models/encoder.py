"""The forward pass of BERT-family encoders on packed tokens: same weights, same numbers, no padding.

The Hugging Face model keeps its parameters (so it saves and loads like any other); this module only computes. Linear
layers run on the packed [T, D] matrix, attention on blocks of similar length, and dropout masks come from bits that are
drawn 8 to a word: on CPUs PyTorch's own dropout draws serially and costs a third of a step at these sizes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suite.batch import Batch, Group
from suite.models.attention import Blocks, attend, attend_and_drop, join_heads, split_by_group, split_heads
from suite.models.trained_layer import Masks, TrainedLayer, weights_of
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


Place = tuple[int, str, torch.Size]
"""What a dropout mask belongs to: a layer, a place in it, and the shape of what is there."""


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
        self.masks: dict[Place, Tensor] = {}

    def __call__(self, x: Tensor, layer: int, place: str) -> Tensor:
        """Return `x` times the mask of this layer and place."""
        mask = self.mask((layer, place, x.shape), x)
        return x if mask is None else x * mask

    def mask(self, place: Place, like: Tensor) -> Tensor | None:
        """The mask of a place on the device of `like`: 0, or what the rest is scaled by; none where nothing drops."""
        if self.threshold == 0:
            return None
        if place not in self.masks:
            self.masks[place] = self._draw(place, like)
        return self.masks[place]

    def prepare(self, places: Iterable[Place], like: Tensor) -> None:
        """Draw masks that will be asked for: one after another takes half the time that it takes between products."""
        for place in places:
            self.mask(place, like)

    def _draw(self, place: Place, like: Tensor) -> Tensor:
        layer, name, shape = place
        key = self.streams.key("dropout", self.step, layer, name)
        words = np.random.SFC64(key).random_raw((shape.numel() + 7) // 8)
        bits = torch.from_numpy(words.view(np.uint8)[: shape.numel()]).view(shape).to(like.device)
        # In bfloat16 a rate of 0.1 would scale by 1.109 instead of 1.113.
        mask = torch.empty(shape, dtype=torch.promote_types(like.dtype, torch.float32), device=like.device)
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
        if isinstance(dropout, StepDropout):
            for index in range(start, stop):
                dropout.prepare((place for kind in self._places(index, x_TD.shape, batch) for place in kind), x_TD)
        for index in range(start, stop):
            x_TD = self.layer(index, x_TD, batch, dropout)
        return x_TD

    def _places(self, index: int, shape: torch.Size, batch: Batch) -> tuple[list[Place], list[Place]]:
        """Where a layer drops something: of its states, and of the scores of each attention block."""
        groups = [torch.Size((group.rows, self.heads, group.length, group.length)) for group in batch.groups]
        scores: list[Place] = [(index, f"scores{number}", size) for number, size in enumerate(groups)]
        return [(index, "attention", shape), (index, "ffn", shape)], scores

    def embed(self, words_TD: Tensor, batch: Batch, dropout: Dropout) -> Tensor:
        """Add positions and segments, normalise: the input of the first layer, [T, D]."""
        table = self.model.embeddings
        types = table.token_type_embeddings.weight
        typed = types[0] if batch.types_T is None else F.embedding(batch.types_T, types)
        position = F.embedding(batch.position_T + self.first_position, table.position_embeddings.weight)
        return dropout(_norm(words_TD + typed + position, table.LayerNorm), -1, "embeddings")

    def layer(self, index: int, x_TD: Tensor, batch: Batch, dropout: Dropout) -> Tensor:
        """One post-norm transformer layer, [T, D] to [T, D]."""
        if isinstance(dropout, StepDropout) and not torch.is_autocast_enabled(x_TD.device.type):
            return self._trained_layer(index, x_TD, batch, dropout)
        return self._feed(index, x_TD, self._attend(index, x_TD, batch, dropout), dropout)

    def _trained_layer(self, index: int, x_TD: Tensor, batch: Batch, dropout: StepDropout) -> Tensor:
        """The same numbers in fewer operations, where all products are of one type."""
        of_states, of_scores = self._places(index, x_TD.shape, batch)
        blocks = Blocks(batch.groups, [dropout.mask(place, x_TD) for place in of_scores], self.heads)
        masks = Masks(*(dropout.mask(place, x_TD) for place in of_states))
        layer = self.layers[index]
        out: Tensor = TrainedLayer.apply(  # type: ignore[no-untyped-call]  # torch's is
            x_TD, blocks, masks, layer.output.LayerNorm.eps, *weights_of(layer)
        )
        return out

    def _feed(self, index: int, x: Tensor, attended: Tensor, dropout: Dropout) -> Tensor:
        """What a layer does to each state alone, once it has attended: [N, D] to [N, D]."""
        block = self.layers[index]
        out = block.attention.output
        x = _norm(x + dropout(_linear(attended, out.dense), index, "attention"), out.LayerNorm)
        inner = F.gelu(_linear(x, block.intermediate.dense))
        return _norm(x + dropout(_linear(inner, block.output.dense), index, "ffn"), block.output.LayerNorm)

    def _attend(self, index: int, x_TD: Tensor, batch: Batch, dropout: Dropout) -> Tensor:
        this = self.layers[index].attention.self
        qkv, outs = _projected(x_TD, this.query, this.key, this.value), []
        for number, (group, block) in enumerate(zip(batch.groups, split_by_group(qkv, batch), strict=True)):
            q, k, v = split_heads(block, group, 3, self.heads).unbind(0)
            outs.append(join_heads(_mixed(q, k, v, group, dropout, index, number), group))
        return torch.cat(outs) if len(outs) > 1 else outs[0]

    def _attend_first(self, index: int, first_BD: Tensor, x_TD: Tensor, batch: Batch, dropout: Dropout) -> Tensor:
        """What the first token of every text attends to, [B, D]."""
        this = self.layers[index].attention.self
        q_BD, kv = _linear(first_BD, this.query), _projected(x_TD, this.key, this.value)
        firsts, outs = torch.split(q_BD, [group.rows for group in batch.groups]), []
        for number, (group, block, q_RD) in enumerate(
            zip(batch.groups, split_by_group(kv, batch), firsts, strict=True)
        ):
            k, v = split_heads(block, group, 2, self.heads).unbind(0)
            q = q_RD.view(group.rows, self.heads, 1, -1)
            outs.append(_mixed(q, k, v, group, dropout, index, number).reshape(group.rows, -1))
        return torch.cat(outs) if len(outs) > 1 else outs[0]


def _mixed(q: Tensor, k: Tensor, v: Tensor, group: Group, dropout: Dropout, index: int, number: int) -> Tensor:
    """Scaled dot-product attention of one block, each `[R, H, L, d]`."""
    if not isinstance(dropout, StepDropout):
        return attend(q, k, v, group)
    size = torch.Size((*q.shape[:3], k.shape[2]))
    return attend_and_drop(q, k, v, group, dropout.mask((index, f"scores{number}", size), q))


def _linear(x: Tensor, layer: nn.Linear) -> Tensor:
    return F.linear(x, layer.weight, layer.bias)


def _projected(x_TD: Tensor, *parts: nn.Linear) -> Tensor:
    """Several projections side by side, [T, parts x D].

    One product: its backward is one product too, instead of one and a sum for each.
    """
    return F.linear(x_TD, torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts]))


def _norm(x: Tensor, layer: nn.LayerNorm) -> Tensor:
    return F.layer_norm(x, layer.normalized_shape, layer.weight, layer.bias, layer.eps)
