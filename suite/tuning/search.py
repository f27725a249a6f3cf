"""The tuning of one (scale, method): numbered trials that any worker may run, and the best of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import numpy as np
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from suite.canonical import digest, to_json
from suite.naming import metric_name
from suite.records import Progress, RunRecord
from suite.running import Best, Runner, Work, tuning_spec
from suite.texts import selection_metric
from suite.trial_spec import MethodSpec, Scale
from suite.tuning.patient import spare
from suite.tuning.sampler import Generations, NumberedSampler
from suite.tuning.service import has_storage, open_storage
from suite.tuning.space import LEARNING_RATE, draw, search_space

RUN_ID, REASON = "run_id", "reason"


def open_study(runner: Runner, scale: Scale, method: MethodSpec, storage: BaseStorage | None = None) -> optuna.Study:
    """The Optuna study of one (scale, method), made on first use.

    Its name ends in a digest of all that decides its trials, so a changed study file starts a fresh one, while more
    trials, another storage or other refit seeds go on with what is there.
    """
    study = runner.study
    decisive = {
        "task": to_json(study.task),
        "scale": to_json(scale),
        "method": to_json(method),
        "train": to_json(study.train),
        "tune": {k: v for k, v in to_json(study.tune).items() if k not in ("trials", "storage")},
    }
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if study.tune.pruner == "median":
        pruner = optuna.pruners.MedianPruner(n_startup_trials=study.tune.startup_trials, n_min_trials=3)
    return optuna.create_study(
        study_name=f"{study.name}/{scale.name}/{method.name}/{digest(decisive)[:8]}",
        storage=storage or open_storage(study.tune.storage, runner.folder),
        sampler=NumberedSampler(study.tune.seed, _generations(runner)),
        pruner=pruner,
        direction="maximize",
        load_if_exists=True,
    )


def _generations(runner: Runner) -> Generations:
    return Generations(runner.study.tune.startup_trials, runner.study.tune.generation)


class Search:
    """The trials of one (scale, method), as one process sees them."""

    def __init__(self, runner: Runner, scale: Scale, method: MethodSpec, storage: BaseStorage | None = None) -> None:
        self.runner = runner
        self.scale = scale
        self.method = method
        self.study = open_study(runner, scale, method, storage)
        self.space = search_space(runner.study, scale, method)
        self.generations = _generations(runner)
        self._left = list(range(runner.study.tune.trials))
        self._best: Best | None = None
        self._ended: dict[int, str] | None = None

    def left(self) -> list[int]:
        """Numbers of the budget's trials that have not ended."""
        if self._left:
            trials = self.study.get_trials(deepcopy=False)
            self._left = [n for n in self._left if n >= len(trials) or not trials[n].state.is_finished()]
        return self._left

    def ended(self) -> dict[int, str]:
        """Run ids by number, of the trials that had ended when this process first asked."""
        if self._ended is None:
            trials = self.study.get_trials(deepcopy=False)[: self.runner.study.tune.trials]
            self._ended = {t.number: str(t.user_attrs[RUN_ID]) for t in trials if RUN_ID in t.user_attrs}
        return self._ended

    def works(self) -> Iterator[Work]:
        """The trials that may be run by now: those whose earlier generations have ended."""
        left = self.left()
        for number in left:
            if self.generations.start(number) <= left[0]:
                yield Work(f"{self.study.study_name}/{number}", partial(self.run, number))

    def lost(self) -> Iterator[Work]:
        """Trials that had ended before this process came and have no record in this home: deleted, or elsewhere."""
        for number, run_id in self.ended().items():
            if not self.runner.folder.has_record(run_id):
                yield Work(f"{self.study.study_name}/{number}", partial(self.run, number))

    def run(self, number: int) -> RunRecord:
        """Run a trial, or go on with one whose worker is gone: same parameters, same seed, from its last checkpoint."""
        trial, curve = self._begin(number)
        drawn = draw(trial, self.space)
        rate = float(drawn.pop(LEARNING_RATE))
        spec = tuning_spec(self.runner.study, self.scale, self.method.name, drawn, rate, number)
        told = set(curve)
        record = self.runner.run(spec, lambda progress: self._judge(trial, curve, told, progress))
        with suppress(UpdateFinishedTrialError):  # by a worker that had been taken for dead, with the same result
            self._complete(trial, told, record)
            trial.set_user_attr(RUN_ID, record.run_id)
            if record.reason:
                trial.set_user_attr(REASON, record.reason)
            self._tell(number, record)
        return record

    def _begin(self, number: int) -> tuple[optuna.Trial, dict[int, float]]:
        """The trial of a number, which is made where it is missing, and the points of its curve so far."""
        while len(trials := self.study.get_trials(deepcopy=False)) <= number:
            self.study.enqueue_trial({})
        there = trials[number]
        if there.state is TrialState.WAITING:
            self.study._storage.set_trial_state_values(there._trial_id, TrialState.RUNNING)
        return optuna.Trial(self.study, there._trial_id), dict(there.intermediate_values)

    def _complete(self, trial: optuna.Trial, told: set[int], record: RunRecord) -> None:
        """Report what the storage has not of a run's curve: it ended before this process, or the storage was away."""
        for step, name, value in record.curve:
            if name == self._selected_by and step not in told:
                trial.report(value, step)

    @property
    def _selected_by(self) -> str:
        """Name of the metric that configurations are chosen by."""
        study = self.runner.study
        metric = selection_metric(study.task, study.tune.metric)
        return metric_name(study.tune.select_on, study.task.source, metric=metric)

    def _judge(self, trial: optuna.Trial, curve: dict[int, float], told: set[int], progress: Progress) -> str | None:
        """Feed the pruner the source-language validation curve; a reason when it stops the trial.

        Training does not wait for the storage: the pruner sees what is in memory, and points are reported at the end.
        """
        step, value = progress.step, progress.metrics[self._selected_by]
        if step not in told and spare(self.study._storage, partial(_report, trial, value, step)):
            told.add(step)
        curve[step] = value
        if step < progress.steps and self._should_stop(trial.number, {s: v for s, v in curve.items() if s <= step}):
            return f"below the median of earlier trials after {step} of {progress.steps} updates ({value:.4f})"
        return None

    def _should_stop(self, number: int, curve: dict[int, float]) -> bool:
        """Whether the pruner stops a trial, from its curve up to now and the trials of earlier generations."""
        so_far = optuna.trial.create_trial(state=TrialState.RUNNING, intermediate_values=curve)
        return self.study.pruner.prune(self.generations.seen(self.study, number), so_far)

    def _tell(self, number: int, record: RunRecord) -> None:
        if record.state == "complete" and record.selection is not None:
            self.study.tell(number, record.selection, skip_if_finished=True)
        else:
            state = TrialState.PRUNED if record.state == "pruned" else TrialState.FAIL
            self.study.tell(number, state=state, skip_if_finished=True)

    def best(self) -> Best:
        """The best complete trial; the earliest of equals.

        Raises:
            ValueError: tuning has not been run to its end, or no trial completed.
        """
        if self._best is None:
            self._best = self._find_best()
        return self._best

    def _find_best(self) -> Best:
        wanted, left = self.runner.study.tune.trials, self.left()
        what = f"{self.scale.name} {self.method.name}"
        if left:
            ended = f"{wanted - len(left)} of {wanted} tuning trials have ended"
            raise ValueError(f"{what}: {ended}; run `suite tune` first")
        complete = self._complete_trials()
        if not complete:
            raise ValueError(self.barren())
        values = np.array([t.value for t in complete], dtype=float)
        return self._as_best(complete[int(values.argmax())], float(values.max()))

    def barren(self) -> str:
        """Why there will be no best configuration: every trial has ended and none completed; empty otherwise."""
        if self._best is not None or self.left() or self._complete_trials():
            return ""
        what = f"{self.scale.name} {self.method.name}"
        return f"{what}: none of {self.runner.study.tune.trials} tuning trials completed; widen the ranges"

    def _complete_trials(self) -> list[FrozenTrial]:
        trials = self.study.get_trials(deepcopy=False)[: self.runner.study.tune.trials]
        return [trial for trial in trials if trial.state is TrialState.COMPLETE]

    def _as_best(self, winner: FrozenTrial, selection: float) -> Best:
        chosen = {name: winner.params.get(name, value) for name, value in self.space.items()}
        return Best(
            scale=self.scale,
            method=self.method,
            learning_rate=float(chosen.pop(LEARNING_RATE)),
            hyperparameters=chosen,
            number=winner.number,
            selection=selection,
        )


def _report(trial: optuna.Trial, value: float, step: int) -> None:
    with suppress(UpdateFinishedTrialError):  # by a worker that took this one for dead
        trial.report(value, step)


def best(runner: Runner, scale: Scale, method: MethodSpec, storage: BaseStorage | None = None) -> Best:
    """The best configuration of one (scale, method); ValueError while tuning has not ended."""
    return Search(runner, scale, method, storage).best()


def trial_run_ids(runner: Runner, scale: Scale, method: MethodSpec, storage: BaseStorage | None = None) -> list[str]:
    """Run ids of every tuning trial that has ended, by number; empty when none was started."""
    if not has_storage(runner.study.tune.storage, runner.folder):
        return []
    trials = open_study(runner, scale, method, storage).get_trials(deepcopy=False)
    return [str(t.user_attrs[RUN_ID]) for t in trials if RUN_ID in t.user_attrs]
