"""What a study runs, trial by trial; whoever wants to watch is an observer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from suite.records import Progress, RunRecord
from suite.spec import StudySpec
from suite.storage import StudyFolder
from suite.trial import Watch, ignore, run_trial
from suite.trial_spec import MethodSpec, Phase, Scalar, Scale, TrialSpec

UNTOUCHED = "untouched"
"""Stands where a method stands in the record of a checkpoint before fine-tuning."""


class Observer(Protocol):
    """Watches runs without deciding anything."""

    def started(self, spec: TrialSpec) -> None:
        """A run begins (or goes on after an interruption)."""

    def progressed(self, spec: TrialSpec, progress: Progress) -> None:
        """A run has reached a validation point."""

    def finished(self, record: RunRecord, folder: Path) -> None:
        """A run has ended and its record is on disk."""

    def stood(self, record: RunRecord, folder: Path) -> None:
        """A run had already ended in an earlier session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """What it takes to run any trial of a study."""

    study: StudySpec
    folder: StudyFolder
    hub_root: Path | None
    observers: Sequence[Observer]

    def run(self, spec: TrialSpec, watch: Watch = ignore) -> RunRecord:
        """Run a trial unless its record is already there."""
        there = self.folder.run(spec)
        done = self.folder.finished(spec)
        if done is not None:
            for observer in self.observers:
                observer.stood(done, there)
            return done
        for observer in self.observers:
            observer.started(spec)

        def see(progress: Progress) -> str | None:
            for observer in self.observers:
                observer.progressed(spec, progress)
            return watch(progress)

        record = run_trial(spec, there, hub_root=self.hub_root, watch=see)
        for observer in self.observers:
            observer.finished(record, there)
        return record


@dataclass(frozen=True, slots=True)
class Work:
    """A run that one worker does."""

    name: str
    """The same for every worker of the study."""
    run: Callable[[], RunRecord]


@dataclass(frozen=True, slots=True)
class Best:
    """The best configuration tuning found for one (scale, method)."""

    scale: Scale
    method: MethodSpec
    hyperparameters: dict[str, Scalar]
    learning_rate: float
    number: int
    """Its Optuna trial."""
    selection: float
    """Its source-language validation metric: a biased estimate, never reported as a result."""


def tuning_spec(
    study: StudySpec, scale: Scale, method: str, hyperparameters: dict[str, Scalar], learning_rate: float, number: int
) -> TrialSpec:
    """A tuning trial: every trial trains on the tuning seed, so configurations differ in nothing else."""
    return _spec(study, "tune", scale, method, hyperparameters, learning_rate, study.tune.seed, number)


def refit_spec(study: StudySpec, best: Best, seed: int) -> TrialSpec:
    """A refit of the best configuration on a fresh seed."""
    return _spec(study, "refit", best.scale, best.method.name, best.hyperparameters, best.learning_rate, seed, None)


def untouched_spec(study: StudySpec, scale: Scale) -> TrialSpec:
    """A look at a checkpoint before fine-tuning."""
    return _spec(study, "checkpoint", scale, UNTOUCHED, {}, 0.0, 0, None)


def _spec(
    study: StudySpec,
    phase: Phase,
    scale: Scale,
    method: str,
    hyperparameters: dict[str, Scalar],
    learning_rate: float,
    seed: int,
    number: int | None,
) -> TrialSpec:
    return TrialSpec(
        study=study.name,
        phase=phase,
        scale=scale,
        method=method,
        hyperparameters=hyperparameters,
        learning_rate=learning_rate,
        seed=seed,
        number=number,
        task=study.task,
        train=study.train,
        evaluation=study.evaluation,
        alignment=study.alignment,
        select_on=study.tune.select_on,
        metric=study.tune.metric,
    )


def refit_specs(study: StudySpec, bests: Sequence[Best], scales: Sequence[Scale]) -> Iterator[TrialSpec]:
    """Every look at an untouched checkpoint, and every best configuration on every seed.

    Scale by scale, as scales share nothing; within a scale seed by seed, so that what is there at any time is paired.
    """
    for scale in scales:
        yield untouched_spec(study, scale)
        for seed in study.refit.seeds:
            for best in bests:
                if best.scale.name == scale.name:
                    yield refit_spec(study, best, seed)
