"""Fine-tuning: one loop for every method, resumable at any validation point to the bit-identical end."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from suite.batch import Batch
from suite.checkpoint import read_checkpoint, write_checkpoint
from suite.kinds import Encoded
from suite.methods import StepStreams, resolve_method
from suite.models.classifier import Classifier, training_pass
from suite.models.predict import predict_logits
from suite.models.rewriting import Rewriter
from suite.naming import metric_name
from suite.records import Progress
from suite.scores import METRICS
from suite.seeding import Streams
from suite.trial_spec import TrialSpec

PRODUCTS: dict[str, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16}
"""Type of the encoder's matrix products by `train.precision`; none is that of the weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Which items each update sees, and its learning rate: a pure function of the seed and the recipe."""

    examples: int
    batch_size: int
    epochs: int
    warmup: float
    streams: Streams

    @property
    def steps_per_epoch(self) -> int:
        """Updates per epoch; the last batch may be smaller."""
        return math.ceil(self.examples / self.batch_size)

    @property
    def steps(self) -> int:
        """Updates in all."""
        return self.epochs * self.steps_per_epoch

    def items(self, step: int) -> NDArray[np.int64]:
        """Items of update `step` (from 0): every epoch is a fresh permutation."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = _permutation(self.streams, epoch, self.examples)
        return order[place * self.batch_size : (place + 1) * self.batch_size]

    def rate(self, step: int) -> float:
        """Share of the peak learning rate at update `step`: linear warm-up, then linear decay to 0."""
        warm = math.ceil(self.warmup * self.steps)
        if step < warm:
            return (step + 1) / warm
        return (self.steps - step) / max(1, self.steps - warm)

    def validation_points(self, count: int) -> list[int]:
        """Updates after which the validation metric is measured; the last is the end."""
        return sorted({max(1, round(self.steps * (i + 1) / count)) for i in range(count)})


def part_streams(streams: Streams, part: int) -> Streams:
    """The random streams of one part of a batch (from 0), in which each of its updates has its own place.

    The first part's are the run's own, so that a batch in one part draws what it always did.
    """
    return streams if part == 0 else Streams(streams.key("order", "part", part))


@lru_cache(maxsize=2)
def _permutation(streams: Streams, epoch: int, examples: int) -> NDArray[np.int64]:
    return streams.numpy("order", epoch).permutation(examples)


@dataclass(slots=True)
class Fit:
    """One fine-tuning run: the model, its optimiser and how far it has come."""

    spec: TrialSpec
    classifier: Classifier
    train: Encoded
    validation: Encoded
    units: dict[str, float]
    rewriter: Rewriter | None = None
    trained_rows: int | None = None
    """Word embeddings that occur in the training texts, which come first in the table; none takes them all."""
    step: int = 0
    curve: list[tuple[int, str, float]] = field(default_factory=list)
    streams: Streams = field(init=False)
    schedule: Schedule = field(init=False)
    optimiser: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        recipe = self.spec.train
        self.streams = Streams(self.spec.seed)
        self.schedule = Schedule(
            examples=len(self.train),
            batch_size=recipe.batch_size,
            epochs=recipe.epochs,
            warmup=recipe.warmup,
            streams=self.streams,
        )
        rows = self.trained_rows if recipe.weight_decay == 0 else None
        self.classifier.train_words(rows if recipe.train_embeddings else 0)
        self.optimiser = _optimiser(self.classifier, self.spec)

    def run(self) -> Iterator[Progress]:
        """Train to the end, yielding at every validation point.

        Raises:
            FloatingPointError: the loss or its gradient stopped being finite; names the update.
        """
        points = self.schedule.validation_points(self.spec.train.validations)
        sums: dict[str, float] = {}
        since = self.step
        while self.step < self.schedule.steps:
            for name, value in self._update().items():
                sums[name] = sums.get(name, 0.0) + value
            if self.step in points:
                means = {metric_name("train", k): v / (self.step - since) for k, v in sums.items()}
                yield self._measure(means)
                sums, since = {}, self.step

    def _update(self) -> dict[str, float]:
        batches = self._micro_batches()
        weights = [self.classifier.kind.weight(batch) for batch in batches]
        means: dict[str, float] = {}
        for part, (batch, weight) in enumerate(zip(batches, weights, strict=True)):
            share = weight / sum(weights)
            for name, value in self._add_gradient(batch, part, share).items():
                means[name] = means.get(name, 0.0) + share * value
        loss, norm = means.pop("loss"), _clip(self.classifier, self.spec.train.clip_norm)
        for name, number in (("loss", loss), ("gradient's norm", norm)):
            if not math.isfinite(number):
                raise FloatingPointError(f"the {name} is {number} at update {self.step + 1} of {self.schedule.steps}")
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * self.schedule.rate(self.step)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return {"loss": loss, "gradient_norm": norm, **means}

    def _micro_batches(self) -> list[Batch]:
        """The batch of the update to come, in parts that each go through the model at once."""
        items = self.schedule.items(self.step)
        size = self.spec.train.micro_batch or len(items)
        rows, device = self.train.rows, self.classifier.head.weight.device
        parts = np.split(items, range(size, len(items), size))
        return [rows.batch(rows.rows_of(part), self.train.labels, device=device) for part in parts]

    def _add_gradient(self, batch: Batch, part: int, share: float) -> dict[str, float]:
        """Add a part's share of the batch's gradient; returns the part's own loss and diagnostics."""
        recipe, streams = self.spec.train, part_streams(self.streams, part)
        products = PRODUCTS[recipe.precision]
        view = training_pass(self.classifier, recipe.dropout, streams, self.step, self.units, self.rewriter, products)
        method = resolve_method(self.spec.method).loss
        loss = method(batch, view, StepStreams(streams, self.step), **self.spec.hyperparameters)
        (share * loss.value).backward()  # type: ignore[no-untyped-call]  # torch's is
        return {"loss": float(loss.value.detach()), **loss.diagnostics}

    def _measure(self, means: dict[str, float]) -> Progress:
        kind = self.classifier.kind
        metric = kind.selects_by(self.spec.metric)
        outputs = predict_logits(self.classifier, self.validation.rows)
        score = METRICS[metric](kind.decode(self.validation, outputs))
        name = metric_name(self.spec.select_on, self.spec.task.source, metric=metric)
        metrics = {**means, name: score}
        self.curve += [(self.step, key, value) for key, value in metrics.items()]
        return Progress(step=self.step, steps=self.schedule.steps, metrics=metrics)

    def save(self, path: Path) -> None:
        """Write weights, optimiser moments, position and curve, atomically."""
        meta = {"digest": self.spec.digest, "step": str(self.step), "curve": json.dumps(self.curve)}
        write_checkpoint(path, dict(_state(self.classifier, self.optimiser)), meta)

    def load(self, path: Path) -> bool:
        """Continue from a checkpoint of this very trial; false when there is none that can be used."""
        found = read_checkpoint(path)
        if found is None:
            return False
        tensors, meta = found
        if meta["digest"] != self.spec.digest or not _fits(self.classifier, tensors):
            return False
        _restore(self.classifier, self.optimiser, tensors)
        self.step = int(meta["step"])
        self.curve = [(int(step), str(name), float(value)) for step, name, value in json.loads(meta["curve"])]
        return True


def _optimiser(classifier: Classifier, spec: TrialSpec) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019), fused; biases and layer norms are not decayed."""
    encoder = [p for p in classifier.encoder.parameters() if p.requires_grad]
    encoder += [] if classifier.trained_words is None else [classifier.trained_words]
    head = list(classifier.head.parameters())
    rates = [(encoder, spec.learning_rate), (head, spec.train.head_learning_rate)]
    groups: list[dict[str, Any]] = []
    for parameters, peak in rates:
        for decayed in (True, False):
            chosen = [p for p in parameters if (p.dim() > 1) == decayed]
            decay = spec.train.weight_decay if decayed else 0.0
            groups.append({"params": chosen, "peak": peak, "lr": peak, "weight_decay": decay})
    return torch.optim.AdamW([g for g in groups if g["params"]], fused=True)


def _clip(classifier: nn.Module, bound: float) -> float:
    """Scale the gradients down to a global L2 norm of at most `bound`; returns the norm before."""
    grads = [p.grad for p in classifier.parameters() if p.grad is not None]
    norm = float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads))))
    if norm > bound:
        torch._foreach_mul_(grads, bound / norm)
    return norm


def _state(classifier: Classifier, optimiser: torch.optim.AdamW) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in classifier.named_parameters():
        yield f"weight/{name}", parameter.detach().clone()  # trained words share memory with the table
        for key, moment in optimiser.state.get(parameter, {}).items():
            yield f"{key}/{name}", moment


def _fits(classifier: Classifier, tensors: dict[str, Tensor]) -> bool:
    """Whether every weight is there in its shape: texts that changed since have trimmed the vocabulary otherwise."""
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    return all(shapes.get(f"weight/{name}") == p.shape for name, p in classifier.named_parameters())


def _restore(classifier: Classifier, optimiser: torch.optim.AdamW, tensors: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in classifier.named_parameters():
            parameter.copy_(tensors.pop(f"weight/{name}"))
            moments = {
                key.partition("/")[0]: value.to(parameter.device, copy=True)
                for key, value in tensors.items()
                if key.partition("/")[2] == name
            }
            if moments:
                optimiser.state[parameter] = moments
