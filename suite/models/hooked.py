"""Any other Hugging Face encoder on packed tokens: padded for its own forward pass, entered by embeddings or a hook.

Slower than `suite.models.encoder` (padding is computed, layers below a hidden site are run again), but it asks nothing
of the architecture except a `ModuleList` of layers: DistilBERT, DeBERTa, ELECTRA, ModernBERT and their kind.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suite.batch import Batch
from suite.models.encoder import Dropout, StepDropout


class HookedEncoder:
    """Runs a Hugging Face encoder behind the same calls as `PackedEncoder`."""

    def __init__(self, model: Any) -> None:
        self.model = model
        depth = int(model.config.num_hidden_layers)
        lists = [m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == depth]
        if not lists:
            raise ValueError(
                f"{model.config.model_type!r} has no ModuleList of its {depth} layers; it cannot be entered"
            )
        self.layers = lists[0]
        self.drops = [m for m in model.modules() if isinstance(m, nn.Dropout)]

    def enter(self, batch: Batch, layer: int | None, dropout: Dropout, table_VD: Tensor | None = None) -> Tensor:
        """Word embeddings (no layer) or the output of a layer, [T, D]."""
        words_TD = F.embedding(batch.ids_T, self.model.get_input_embeddings().weight if table_VD is None else table_VD)
        if layer is None:
            return words_TD
        return _unpad(self._run(words_TD, batch, dropout)[layer], batch)

    def finish(self, batch: Batch, hidden_TD: Tensor, layer: int | None, dropout: Dropout) -> Tensor:
        """The last hidden states, [T, D], from those at a site."""
        if layer is None:
            return _unpad(self._run(hidden_TD, batch, dropout)[-1], batch)
        if layer == len(self.layers):  # The last state has passed the final norm already, where there is one.
            return hidden_TD
        with torch.no_grad():
            words_TD = self.model.get_input_embeddings()(batch.ids_T)
        padded = _pad(hidden_TD, batch)
        handle = self.layers[layer].register_forward_pre_hook(lambda _m, inputs: (padded, *inputs[1:]))
        try:
            return _unpad(self._run(words_TD, batch, dropout)[-1], batch)
        finally:
            handle.remove()

    def finish_first(self, batch: Batch, hidden_TD: Tensor, layer: int | None, dropout: Dropout) -> Tensor:
        """The last hidden state of every text's first token, [B, D], from those at a site."""
        return self.finish(batch, hidden_TD, layer, dropout).index_select(0, batch.first_B)

    def hidden_states(self, batch: Batch, dropout: Dropout) -> list[Tensor]:
        """Embedding output and every layer's output, each [T, D]."""
        words_TD = self.model.get_input_embeddings()(batch.ids_T)
        return [_unpad(state, batch) for state in self._run(words_TD, batch, dropout)]

    def _run(self, words_TD: Tensor, batch: Batch, dropout: Dropout) -> tuple[Tensor, ...]:
        """All hidden states of a padded forward pass.

        The model's own dropout takes the rate of the step and is seeded alike in every pass of a step.
        """
        self.model.train(isinstance(dropout, StepDropout) and dropout.threshold > 0)
        extra = {} if batch.types_T is None else {"token_type_ids": _pad(batch.types_T[:, None], batch)[..., 0]}
        with torch.random.fork_rng(devices=[]):
            if isinstance(dropout, StepDropout):
                for drop in self.drops:
                    drop.p = dropout.threshold / 256
                torch.manual_seed(dropout.streams.key("dropout", dropout.step) >> 65)
            out = self.model(
                inputs_embeds=_pad(words_TD, batch),
                attention_mask=_real(batch).to(torch.int64),
                output_hidden_states=True,
                **extra,
            )
        hidden: tuple[Tensor, ...] = out.hidden_states
        return hidden


def _real(batch: Batch) -> Tensor:
    return torch.arange(max(batch.lengths), device=batch.ids_T.device)[None, :] < batch.lengths_B[:, None]


def _pad(x_TD: Tensor, batch: Batch) -> Tensor:
    padded = x_TD.new_zeros(len(batch), max(batch.lengths), x_TD.shape[1])
    return padded.index_put((batch.sentence_T, batch.position_T), x_TD)


def _unpad(x_BLD: Tensor, batch: Batch) -> Tensor:
    return x_BLD[batch.sentence_T, batch.position_T]
