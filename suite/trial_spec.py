"""What one run is: task, scale, method, recipe, what is measured; and `TrialSpec`, enough of it to run alone.

The laws are in the constructors. Nothing here trains, loads data or imports torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from suite.canonical import ADDED, digest, to_json
from suite.evaluation_spec import EvaluationSpec
from suite.law import STRICT, law

Scalar = bool | int | float | str
Phase = Literal["checkpoint", "tune", "refit"]
Metric = Literal["accuracy", "macro_f1", "entity_f1", "token_accuracy", "f1", "exact_match", "map_at_20", "margin_p1"]
"""What a run is measured by; `suite.scores` defines them, and a task's kind says which fit."""
Pooling = Literal["mean", "first"]
"""What a head reads of a text: the mean of its last states, or the last state of its first token."""


def names_a_folder(name: str) -> bool:
    """Whether a name is safe as that of a folder."""
    plain = bool(name) and name[0] != "." and all(c.isalnum() or c in "-_." for c in name)
    return plain and len(name.encode()) <= LONGEST_NAME


LONGEST_NAME = 80
"""Bytes. A run's folder is named by its scale and its method, and by 60 more; file systems take 255."""
FOLDER_LAW = f"name is letters, digits, '-', '_' and inner '.', at most {LONGEST_NAME} bytes, as it names a folder; got"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """An interval to tune over: `low <= high`; `log` samples the logarithm and needs `low > 0`."""

    __pydantic_config__ = STRICT

    low: int | float
    high: int | float
    log: bool = False

    def __post_init__(self) -> None:
        law(math.isfinite(self.low) and math.isfinite(self.high), f"a range is finite, got {self.low}..{self.high}")
        law(self.low <= self.high, f"low <= high must hold, got low = {self.low}, high = {self.high}")
        law(
            not self.log or self.low > 0,
            f"log = true needs low > 0, got low = {self.low}; raise low or drop log",
        )


Value = bool | int | float | str | Range | tuple[Scalar, ...]
"""A hyperparameter as written in a study: fixed, an interval (`Range`) or a list of choices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """What is learnt and where it is tested."""

    __pydantic_config__ = STRICT

    name: str
    """An entry of `suite.tasks.TASKS`, or `package.module:function`."""
    source: str = "en"
    targets: tuple[str, ...]
    train_examples: int | None = None
    """At most this many source-language training examples, of each task that trains; none means all."""
    train_on: str | None = field(default=None, metadata=ADDED)
    """The task whose training set trains and whose validation set selects; none is the task's own, or where it has
    none, the one that its catalogue entry names."""
    intermediate: str | None = field(default=None, metadata=ADDED)
    """A task of the same kind whose training set trains before (Phang et al. 2018), as Social IQa does before COPA."""
    validation_examples: int | None = None
    test_examples: int | None = None
    """At most this many reported examples per language."""
    synonyms: str | None = None
    """JSON file of synonym sets for data augmentation (word to list of words); none takes the nearest whole words in
    the encoder's own embedding table."""

    def __post_init__(self) -> None:
        law(len(self.targets) > 0, "targets names at least one language")
        law(len(set(self.targets)) == len(self.targets), f"targets are distinct, got {list(self.targets)}")
        law(
            self.source not in self.targets,
            f"source is not among the targets (zero-shot), got {self.source!r} in both",
        )
        for name in ("train_examples", "validation_examples", "test_examples"):
            count = getattr(self, name)
            law(count is None or count >= 2, f"{name} is at least 2, got {count}")

    @property
    def languages(self) -> tuple[str, ...]:
        """Source first, then targets in the order of the study."""
        return (self.source, *self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """One model scale: a checkpoint and how many of its layers are kept."""

    __pydantic_config__ = STRICT

    name: str
    checkpoint: str
    """`me5-small-q4` (embedded), a local directory, or a hub id."""
    revision: str | None = None
    """Commit hash of a hub checkpoint; required for a hub id, so that the study stays what it was."""
    layers: int | None = None
    """Keep the first so many transformer layers; none keeps all."""
    prefix: str = ""
    """Put before every text, such as E5's `query: `."""
    learning_rate: float | Range | None = None
    """Replaces `train.learning_rate` at this scale."""

    def __post_init__(self) -> None:
        law(names_a_folder(self.name), f"{FOLDER_LAW} {self.name!r}")
        law(self.layers is None or self.layers >= 1, f"layers is at least 1, got {self.layers}")
        _check_learning_rate(self.learning_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSpec:
    """A training method and its hyperparameters; which names it takes is its function's signature."""

    __pydantic_config__ = STRICT

    name: str
    parameters: dict[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.parameters.items():
            if isinstance(value, tuple):
                law(len(value) > 0, f"{name} lists at least one choice, got none")
                # By type as well: 1, 1.0 and true are equal in Python.
                different = len({(type(choice), choice) for choice in value}) == len(value)
                law(different, f"{name} lists distinct choices, got {list(value)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSpec:
    """The fine-tuning recipe, the same for every method of a study."""

    __pydantic_config__ = STRICT

    epochs: int = 3
    intermediate_epochs: int | None = field(default=None, metadata=ADDED)
    """Epochs on `task.intermediate`; none is as many as `epochs`."""
    batch_size: int = 32
    micro_batch: int | None = field(default=None, metadata=ADDED)
    """Items of one forward pass; gradients add up until the batch is whole. None passes all of it at once."""
    precision: Literal["fp32", "bf16"] = field(default="fp32", metadata=ADDED)
    """Of the encoder's matrix products in training; weights, moments, losses and evaluation are fp32."""
    learning_rate: float | Range
    """Peak rate of the encoder; linear warm-up, then linear decay to 0."""
    head_learning_rate: float | Literal["encoder"] = 1e-3
    """Peak rate of the classification layer; `encoder` is the encoder's own, as scale or trial have it."""
    warmup: float = 0.1
    """Share of the updates spent warming up, 0 to 1."""
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    dropout: float = 0.1
    max_length: int = 128
    """Tokens kept of a text, special tokens included."""
    pooling: Pooling = field(default="mean", metadata=ADDED)
    """What the head reads of a text: the mean of its last states as in E5, or its first token's as in BERT."""
    train_embeddings: bool = True
    """Whether the word-embedding table is trained; robust methods perturb its output either way."""
    validations: int = 4
    """How often the source-language validation metric is measured during a run; the pruner's curve."""

    def __post_init__(self) -> None:
        _check_learning_rate(self.learning_rate)
        for name in ("epochs", "batch_size", "validations"):
            law(getattr(self, name) >= 1, f"{name} is at least 1, got {getattr(self, name)}")
        law(
            self.intermediate_epochs is None or self.intermediate_epochs >= 1,
            f"intermediate_epochs is at least 1, got {self.intermediate_epochs}",
        )
        law(self.micro_batch is None or self.micro_batch >= 1, f"micro_batch is at least 1, got {self.micro_batch}")
        law(self.max_length >= 4, f"max_length is at least 4 tokens, got {self.max_length}")
        law(0 <= self.dropout < 1, f"dropout is at least 0 and below 1, got {self.dropout}")
        law(0 <= self.warmup <= 1, f"warmup is 0 to 1, got {self.warmup}")
        law(self.weight_decay >= 0, f"weight_decay is not negative, got {self.weight_decay}")
        law(self.clip_norm > 0, f"clip_norm is positive, got {self.clip_norm}")
        head = self.head_learning_rate
        law(isinstance(head, str) or head > 0, f'head_learning_rate is positive, or "encoder", got {head}')


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentSpec:
    """Which alignment statistics are measured, on how much parallel text."""

    __pydantic_config__ = STRICT

    metrics: tuple[str, ...] = (
        "csls_p1",
        "csls_p1_forward",
        "csls_p1_backward",
        "cosine_p1",
        "cosine_p1_forward",
        "cosine_p1_backward",
        "cosine_gap",
        "linear_cka",
        "mutual_knn",
        "isoscore",
        "hubness",
    )
    """Entries of `suite.alignment.ALIGNMENT`; the first is the headline `alignment/mean`."""
    pairs: int = 500
    """At most this many translation pairs per language."""

    def __post_init__(self) -> None:
        law(len(set(self.metrics)) == len(self.metrics), f"metrics are distinct, got {list(self.metrics)}")
        law(self.pairs >= 20, f"pairs is at least 20 for retrieval to mean anything, got {self.pairs}")


class _Digested:
    """Room for a digest that was worked out: a thousand runs are asked for their names tens of times each."""

    __slots__ = ("_digest",)
    _digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec(_Digested):
    """One training run, or one look at an untouched checkpoint: enough to run, alone."""

    __pydantic_config__ = STRICT

    study: str
    phase: Phase
    scale: Scale
    method: str
    """An entry of `suite.methods.METHODS`; `untouched` in the phase `checkpoint`."""
    hyperparameters: dict[str, Scalar]
    """The method's own, all fixed."""
    learning_rate: float
    seed: int
    number: int | None = None
    """The Optuna trial's number in the phase `tune`."""
    task: TaskSpec
    train: TrainSpec
    evaluation: EvaluationSpec
    alignment: AlignmentSpec
    select_on: Literal["validation", "test"] = "validation"
    metric: Metric = "accuracy"

    def __post_init__(self) -> None:
        law(names_a_folder(self.study), f"study {FOLDER_LAW} {self.study!r}")
        # `package.module:function` names a folder too, whose colon is its own.
        law(names_a_folder(self.method.replace(":", ".", 1)), f"method {FOLDER_LAW} {self.method!r}")

    @property
    def digest(self) -> str:
        """SHA-256 over every field: two trials with one digest are the same run."""
        try:
            return self._digest
        except AttributeError:
            object.__setattr__(self, "_digest", digest(to_json(self)))
            return self._digest

    @property
    def head_learning_rate(self) -> float:
        """Peak rate of the classification layer."""
        named = self.train.head_learning_rate
        return self.learning_rate if isinstance(named, str) else named

    @property
    def run_id(self) -> str:
        """Names the run's folder: readable first, unique last."""
        return f"{self.phase}-{self.scale.name}-{self.method}-seed{self.seed}-{self.digest[:12]}"


def _check_learning_rate(rate: float | Range | None) -> None:
    lowest = rate.low if isinstance(rate, Range) else rate
    law(lowest is None or lowest > 0, f"learning_rate is positive, got {lowest}")
