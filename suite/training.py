"""Fine-tuning: one loop for every method, resumable at any validation point to the bit-identical end."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
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
from suite.schedule import Schedule, part_streams, validation_points
from suite.scores import METRICS
from suite.seeding import Streams
from suite.trial_spec import TrialSpec

PRODUCTS: dict[str, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16}
"""Type of the encoder's matrix products by `train.precision`; none is that of the weights."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """A training set, and what replaces its words."""

    train: Encoded
    rewriter: Rewriter | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """The updates on one training set: they begin with fresh moments, and have a warm-up and a decay of their own."""

    lesson: Lesson
    schedule: Schedule
    start: int
    """Updates before it."""


@dataclass(slots=True)
class Fit:
    """One fine-tuning run: the model, its optimiser and how far it has come."""

    spec: TrialSpec
    classifier: Classifier
    lesson: Lesson
    validation: Encoded
    units: dict[str, float]
    trained_rows: int | None = None
    """Word embeddings that occur in the training texts, which come first in the table; none takes them all."""
    intermediate: Lesson | None = None
    """What is learnt before (Phang et al. 2018)."""
    step: int = 0
    curve: list[tuple[int, str, float]] = field(default_factory=list)
    streams: Streams = field(init=False)
    stages: tuple[Stage, ...] = field(init=False)
    optimiser: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        recipe = self.spec.train
        self.streams = Streams(self.spec.seed)
        self.stages = tuple(self._stages())
        rows = self.trained_rows if recipe.weight_decay == 0 else None
        self.classifier.train_words(rows if recipe.train_embeddings else 0)
        self.optimiser = _optimiser(self.classifier, self.spec)

    def _stages(self) -> Iterator[Stage]:
        recipe, start = self.spec.train, 0
        if self.intermediate is not None:
            streams = Streams(self.streams.key("order", "intermediate"))
            schedule = self._schedule(self.intermediate, recipe.intermediate_epochs or recipe.epochs, streams)
            yield Stage(lesson=self.intermediate, schedule=schedule, start=start)
            start = schedule.steps
        schedule = self._schedule(self.lesson, recipe.epochs, self.streams)
        yield Stage(lesson=self.lesson, schedule=schedule, start=start)

    def _schedule(self, lesson: Lesson, epochs: int, streams: Streams) -> Schedule:
        recipe = self.spec.train
        return Schedule(
            examples=len(lesson.train),
            batch_size=recipe.batch_size,
            epochs=epochs,
            warmup=recipe.warmup,
            streams=streams,
        )

    @property
    def steps(self) -> int:
        """Updates in all."""
        return self.stages[-1].start + self.stages[-1].schedule.steps

    def run(self) -> Iterator[Progress]:
        """Train to the end, yielding at every validation point.

        Raises:
            FloatingPointError: the loss or its gradient stopped being finite; names the update.
        """
        points = validation_points(self.steps, self.spec.train.validations)
        sums: dict[str, float] = {}
        since = self.step
        while self.step < self.steps:
            for name, value in self._update().items():
                sums[name] = sums.get(name, 0.0) + value
            if self.step in points:
                means = {metric_name("train", k): v / (self.step - since) for k, v in sums.items()}
                yield self._measure(means)
                sums, since = {}, self.step

    def _update(self) -> dict[str, float]:
        stage = next(stage for stage in reversed(self.stages) if self.step >= stage.start)
        if self.step == stage.start:
            self.optimiser.state.clear()  # a run of its own would begin without moments
        batches = self._micro_batches(stage)
        weights = [self.classifier.kind.weight(batch) for batch in batches]
        means: dict[str, float] = {}
        for part, (batch, weight) in enumerate(zip(batches, weights, strict=True)):
            share = weight / sum(weights)
            for name, value in self._add_gradient(batch, stage.lesson.rewriter, part, share).items():
                means[name] = means.get(name, 0.0) + share * value
        loss, norm = means.pop("loss"), _clip(self.classifier, self.spec.train.clip_norm)
        for name, number in (("loss", loss), ("gradient's norm", norm)):
            if not math.isfinite(number):
                raise FloatingPointError(f"the {name} is {number} at update {self.step + 1} of {self.steps}")
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * stage.schedule.rate(self.step - stage.start)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return {"loss": loss, "gradient_norm": norm, **means}

    def _micro_batches(self, stage: Stage) -> list[Batch]:
        """The batch of the update to come, in parts that each go through the model at once."""
        items, train = stage.schedule.items(self.step - stage.start), stage.lesson.train
        size = self.spec.train.micro_batch or len(items)
        device = self.classifier.head.weight.device
        parts = np.split(items, range(size, len(items), size))
        return [train.rows.batch(train.rows.rows_of(part), train.labels, device=device) for part in parts]

    def _add_gradient(self, batch: Batch, rewriter: Rewriter | None, part: int, share: float) -> dict[str, float]:
        """Add a part's share of the batch's gradient; returns the part's own loss and diagnostics."""
        recipe, streams = self.spec.train, part_streams(self.streams, part)
        products = PRODUCTS[recipe.precision]
        view = training_pass(self.classifier, recipe.dropout, streams, self.step, self.units, rewriter, products)
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
        return Progress(step=self.step, steps=self.steps, metrics=metrics)

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
    rates = [(encoder, spec.learning_rate), (head, spec.head_learning_rate)]
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
