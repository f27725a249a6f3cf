"""What a run leaves behind and what a comparison claims: frozen records that survive a round trip through JSON.

Everything after training reads these; `load(save(record)) == record`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from suite.canonical import to_json
from suite.evaluation_spec import CLEAN
from suite.ownership import partial_of
from suite.trial_spec import TrialSpec, names_a_folder

State = Literal["complete", "pruned", "failed"]
_STRICT = ConfigDict(extra="forbid", strict=True)

RECORD = "record.json"
"""File of what a run was and measured; its presence is what makes a run finished."""
CHECKPOINT = "checkpoint.safetensors"
"""File of a run under way; none once it has ended."""
ATTACKED = "attacked.parquet"
"""File of the texts that the attack on words found, beside the predictions."""

IDS = ("example_id", "base_id", "language", "subset")
"""Columns that say which example a prediction is of."""
PREDICTION_COLUMNS = {
    **dict.fromkeys(IDS, "string"),
    "label": "int32",
    "predicted": "int32",
    "gold_probability": "float32",
    "certified_radius": "float32",
    "answer": "string",
    "hits": "int32",
    "made": "int32",
    "wanted": "int32",
    "right": "int32",
    "tokens": "int32",
    "f1": "float32",
    "exact_match": "float32",
    "average_precision": "float32",
    "margin_hit": "int32",
}
"""Columns of `predictions.parquet`, one row per example, with their types; a task's kind says which it has beside the
ids (`suite.kinds`).

`base_id` is the clean item that a perturbed one derives from, and the example's own id otherwise. Labels are indices
into the task's labels, -1 where a vote abstains; `certified_radius` is an L2 radius in embedding space, null except for
`smoothed`. `answer` is the predicted span, or the predicted tags with spaces between. `hits`, `made` and `wanted` count
entities predicted rightly, predicted, and there; `right` and `tokens` words tagged rightly, and all.
`average_precision` is of the 20 nearest candidates; `margin_hit` is 1 where the nearest by margin is the right one.
"""


def prediction_columns(of_kind: Iterable[str]) -> tuple[str, ...]:
    """Columns of a table of predictions of some kind of task, in the order of `PREDICTION_COLUMNS`."""
    wanted = {*IDS, *of_kind}
    return tuple(name for name in PREDICTION_COLUMNS if name in wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A moment of training: what the pruner and the live curves see."""

    step: int
    """Updates done."""
    steps: int
    """Updates in all."""
    metrics: dict[str, float]
    """Metric name (`suite.naming` grammar) to value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One metric on one subset in one language."""

    __pydantic_config__ = _STRICT

    task: str
    subset: str
    metric: str
    language: str
    value: float
    """0 to 1."""
    n: int
    """Examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairScore:
    """One metric on the pairs of a subset whose texts are in two languages."""

    __pydantic_config__ = _STRICT

    task: str
    subset: str
    metric: str
    first: str
    """Language of the first texts, whose score on the subset it is a part of."""
    second: str
    """Language of the second texts."""
    value: float
    """0 to 1."""
    n: int
    """Pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentScore:
    """One alignment statistic at one layer between the source and one language."""

    __pydantic_config__ = _STRICT

    metric: str
    layer: int
    """0 is the embedding output, k the output of transformer layer k."""
    language: str
    value: float
    n: int
    """Translation pairs."""
    text: str
    """Where the pairs come from, such as `cldr` or `sib200`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A data input of a run: what it is, how much of it, and the digest of its content."""

    __pydantic_config__ = _STRICT

    name: str
    split: str
    language: str
    subset: str
    n: int
    fingerprint: str
    """SHA-256 over ids, texts and labels in order."""
    source: str
    """Repository or package with its version."""
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """All that decides a run's numbers besides its spec."""

    __pydantic_config__ = _STRICT

    suite_version: str
    commit: str | None
    """Commit of the code, none outside a checkout."""
    dirty: bool | None
    packages: dict[str, str]
    """Distribution to version, of what can move a number."""
    python: str
    platform: str
    cpu: str
    device: str
    threads: int
    checkpoint_fingerprint: str
    parameters: int
    """Trained and frozen parameters after trimming."""
    vocabulary: int
    """Tokens kept of the checkpoint's vocabulary."""
    datasets: tuple[Dataset, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run: what was asked, how it ended, what was measured."""

    __pydantic_config__ = _STRICT

    spec: TrialSpec
    state: State
    reason: str = ""
    """Why a run was pruned or failed; empty when complete."""
    selection: float | None
    """Source-language validation metric of the final model; none where nothing was trained."""
    scores: tuple[Score, ...] = ()
    pairs: tuple[PairScore, ...] = ()
    """The study's metric by both languages, where a subset joins two; means over first texts are in `scores`."""
    alignment: tuple[AlignmentScore, ...] = ()
    curve: tuple[tuple[int, str, float], ...] = ()
    """(step, metric name, value) in the order measured."""
    predictions: str | None = None
    """File name of the per-example predictions, beside the record."""
    provenance: Provenance | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall seconds by stage: `load`, `train`, `evaluate`, `align`, `total`."""
    warnings: tuple[str, ...] = ()
    """What makes a number suspect: a constant predictor, a zero gradient at a positive radius, ..."""
    started: str = ""
    """UTC, ISO 8601."""

    def __post_init__(self) -> None:
        if self.state == "complete" and self.reason:
            raise ValueError(f"a complete run has no reason, got {self.reason!r}")
        if self.state != "complete" and not self.reason:
            raise ValueError(f"a {self.state} run says why, got an empty reason")
        if self.predictions is not None and not names_a_folder(self.predictions):
            raise ValueError(f"predictions lie beside their record, got {self.predictions!r}")

    @property
    def run_id(self) -> str:
        """Name of the run's folder."""
        return self.spec.run_id

    def by_language(self, subset: str = CLEAN, metric: str | None = None) -> dict[str, float]:
        """Language to score on a subset, source first; the study's metric unless another is named."""
        wanted = metric or self.spec.metric
        return {s.language: s.value for s in self.scores if s.subset == subset and s.metric == wanted}

    def source_score(self, subset: str = CLEAN, metric: str | None = None) -> float:
        """Score in the source language; KeyError when the subset has none there."""
        return self.by_language(subset, metric)[self.spec.task.source]

    def zero_shot_mean(self, subset: str = CLEAN, metric: str | None = None) -> float:
        """Mean over the target languages in which the subset is defined; never includes the source."""
        scores = self.by_language(subset, metric)
        targets = [scores[language] for language in self.spec.task.targets if language in scores]
        if not targets:
            raise ValueError(f"subset {subset!r} has no score in any target language of run {self.run_id}")
        return sum(targets) / len(targets)

    def transfer_gap(self, subset: str = CLEAN, metric: str | None = None) -> float:
        """Source score minus zero-shot mean."""
        return self.source_score(subset, metric) - self.zero_shot_mean(subset, metric)

    @property
    def subsets(self) -> tuple[str, ...]:
        """Subsets measured, in order, `clean` first."""
        return tuple(dict.fromkeys(s.subset for s in self.scores))


_RECORD = TypeAdapter(RunRecord)


def write_atomically(path: Path, data: bytes) -> None:
    """Write so that a reader sees the old content or the whole new one, even after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(path)
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def save_record(record: RunRecord, folder: Path) -> Path:
    """Write `record.json` into the run's folder; its presence is what makes a run finished."""
    path = folder / RECORD
    write_atomically(path, (json.dumps(to_json(record), indent=1, ensure_ascii=False) + "\n").encode())
    return path


def load_record(path: Path) -> RunRecord:
    """Read a record; ValueError names the file and what is wrong with it."""
    return parse_record(path.read_bytes(), path)


def parse_record(data: bytes, path: Path) -> RunRecord:
    """The record that a file holds; ValueError names the file and what is wrong with it."""
    try:
        return _RECORD.validate_json(data)
    except ValidationError as error:
        raise ValueError(f"{path} is not a run record: {_fault(error)}; delete it to run it again") from None


def _fault(error: ValidationError) -> str:
    """The first thing wrong with a file, and where in it."""
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]


def load_records(folders: Iterable[Path]) -> list[RunRecord]:
    """Every record in the given run folders, in order; folders without one are unfinished runs and are skipped."""
    return [load_record(f / RECORD) for f in folders if (f / RECORD).is_file()]
