"""A multilingual encoder with one linear layer on its pooled or single states: what methods and evaluation run."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suite.batch import Batch, mean_by_text
from suite.methods.interface import site_layer
from suite.models.encoder import FAMILIES, Dropout, NoDropout, PackedEncoder, StepDropout
from suite.models.hooked import HookedEncoder
from suite.models.rewriting import Rewriter
from suite.seeding import Streams
from suite.trial_spec import Pooling

if TYPE_CHECKING:
    from suite.kinds.kind import Kind


def run_encoder(model: Any) -> PackedEncoder | HookedEncoder:
    """The fastest way this project knows to run a Hugging Face encoder."""
    packed = model.config.model_type in FAMILIES and model.config.hidden_act == "gelu"
    return PackedEncoder(model) if packed else HookedEncoder(model)


class Classifier(nn.Module):
    """Encoder and head. The head starts from N(0, 0.02^2), drawn from the stream `init`."""

    def __init__(self, model: Any, labels: int, streams: Streams, kind: Kind, pooling: Pooling = "mean") -> None:
        super().__init__()
        self.kind = kind
        self.pooling = pooling
        self.encoder = model
        self.head = nn.Linear(int(model.config.hidden_size), kind.outputs(labels))
        with torch.no_grad():
            self.head.weight.normal_(0, 0.02, generator=streams.torch("init"))
            self.head.bias.zero_()
        self.trained_words: nn.Parameter | None = None
        self.runner = run_encoder(model)
        self.depth = int(model.config.num_hidden_layers)

    def train_words(self, rows: int | None) -> None:
        """Train the first `rows` word embeddings (all by default, none with 0): those that occur in the training texts.

        Without weight decay a row that never occurs has no gradient and never moves, so leaving it out of the optimiser
        changes no number and saves its share of every update. The trained rows are a view of the table, which stays
        whole and up to date.
        """
        table = self.encoder.get_input_embeddings().weight
        table.requires_grad_(False)
        rows = table.shape[0] if rows is None else rows
        self.trained_words = nn.Parameter(table.detach()[:rows]) if rows else None

    def logits(self, batch: Batch) -> Tensor:
        """Outputs of the head without dropout: [B, C], or [T, C] where every token is asked."""
        return Pass(self, NoDropout(), {}).predict(batch)

    def text_vectors(self, batch: Batch) -> Tensor:
        """Mean-pooled vectors of every text at every layer, embedding output first: [layers + 1, B, D]."""
        states = self.runner.hidden_states(batch, NoDropout())
        return torch.stack([mean_by_text(state, batch) for state in states])


@dataclass(slots=True)
class Pass:
    """A classifier with the dropout masks of one training step (or none): what a method is handed."""

    classifier: Classifier
    dropout: Dropout
    units: dict[str, float]
    """Mean hidden norm by site of the untouched checkpoint (see `measure_unit`)."""
    rewriter: Rewriter | None = None
    words_VD: Tensor | None = None
    """Word embeddings that are trained; none looks words up in the whole table."""
    products: torch.dtype | None = None
    """Type of the encoder's matrix products; none is that of the weights, which all states are in between."""

    def enter(self, batch: Batch, site: str) -> Tensor:
        """Hidden states at a site, [T, D]."""
        layer = site_layer(site, self.classifier.depth)
        with self._autocast():
            hidden_TD = self.classifier.runner.enter(batch, layer, self.dropout, self.words_VD)
        return hidden_TD.to(self.classifier.head.weight.dtype)

    def finish(self, batch: Batch, hidden_TD: Tensor, site: str) -> Tensor:
        """Outputs of the head from hidden states at a site: [B, C], or [T, C] where every token is asked."""
        classifier = self.classifier
        layer = site_layer(site, classifier.depth)
        runner, pooling = classifier.runner, None if classifier.kind.per_token else classifier.pooling
        with self._autocast():
            finish = runner.finish_first if pooling == "first" else runner.finish
            read = finish(batch, hidden_TD, layer, self.dropout)
        read = read.to(classifier.head.weight.dtype)
        if pooling == "mean":
            read = mean_by_text(read, batch)
        kept = self.dropout(read, classifier.depth, "pooled")
        return F.linear(kept, classifier.head.weight, classifier.head.bias)

    def loss(self, batch: Batch, hidden_TD: Tensor, site: str) -> Tensor:
        """The task's loss, a scalar, from hidden states at a site."""
        return self.classifier.kind.loss(self.finish(batch, hidden_TD, site), batch)

    def predict(self, batch: Batch) -> Tensor:
        """Outputs of the head."""
        return self.finish(batch, self.enter(batch, "embeddings"), "embeddings")

    def radius_unit(self, site: str) -> float:
        """Mean L2 norm at a site of the untouched checkpoint."""
        if site not in self.units:
            raise ValueError(
                f"the mean norm at site {site!r} was not measured; known: {', '.join(self.units) or 'none'}"
            )
        return self.units[site]

    def _autocast(self) -> AbstractContextManager[object]:
        if self.products is None:
            return nullcontext()
        return torch.autocast(self.classifier.head.weight.device.type, self.products)

    def rewrite(self, batch: Batch, rng: np.random.Generator, *, neighbours: int, copies: int) -> Batch:
        """The batch with words replaced by synonyms."""
        if self.rewriter is None:
            raise ValueError("this classifier was loaded without synonym sets; data augmentation needs them")
        return self.rewriter.rewrite(batch, rng, neighbours=neighbours, copies=copies)


def measure_unit(classifier: Classifier, batch: Batch, site: str) -> float:
    """Mean L2 norm over the non-special tokens of a batch of the hidden states at a site."""
    with torch.inference_mode():
        hidden_TD = classifier.runner.enter(batch, site_layer(site, classifier.depth), NoDropout())
        return float(torch.linalg.vector_norm(hidden_TD[~batch.special_T].double(), dim=1).mean())


def training_pass(
    classifier: Classifier,
    rate: float,
    streams: Streams,
    step: int,
    units: dict[str, float],
    rewriter: Rewriter | None,
    products: torch.dtype | None = None,
) -> Pass:
    """The classifier as a method sees it at one update."""
    return Pass(classifier, StepDropout(rate, streams, step), units, rewriter, classifier.trained_words, products)
