"""Laws of training on another task first: two runs one after the other, in one that can be resumed anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from test_training import finish, same, weights
from tiny import make_fit, make_labelled, make_rewriter, make_trial

from suite.canonical import to_json
from suite.plan import plan
from suite.probe import TIMED, WARM, _update_seconds
from suite.study_file import load_study
from suite.training import Fit, Lesson
from suite.trial_spec import Scalar, TaskSpec, TrialSpec

FIRST = 40
"""Examples of the first task: 3 updates an epoch, where the other's 64 are 4."""


def two_stages(spec: TrialSpec) -> Fit:
    """A run that learns made-up texts of its own before."""
    fit, train = make_fit(spec), make_labelled(FIRST, seed=11)
    before = Lesson(train=train, rewriter=make_rewriter(train))
    return Fit(spec, fit.classifier, fit.lesson, fit.validation, fit.units, fit.trained_rows, before)


METHODS: dict[str, dict[str, Scalar]] = {
    "standard": {},
    "adversarial": {"radius": 0.3},
    "random-perturbation": {"noise": 0.3},
    "data-augmentation": {"neighbours": 2},
}


@pytest.mark.parametrize("epochs", [None, 1, 3])
def test_updates_are_those_of_both_stages(epochs: int | None) -> None:
    fit = two_stages(make_trial(epochs=2, intermediate_epochs=epochs, validations=5))
    first, then = fit.stages
    assert (first.start, then.start) == (0, 3 * (epochs or 2)) and fit.steps == then.start + 8
    items = np.concatenate([first.schedule.items(step) for step in range(3)])
    assert sorted(items) == list(range(FIRST)), "an epoch of the first task"
    points = [progress.step for progress in fit.run()]
    assert points[-1] == fit.steps and len(points) == 5


def test_the_second_stage_is_a_run_of_its_own_from_the_firsts_weights() -> None:
    """With fresh moments, its own order, warm-up and decay; only what is drawn by update goes on, such as dropout."""
    spec = make_trial(dropout=0.0, validations=1)
    whole, alone = two_stages(spec), make_fit(spec)
    while whole.step < whole.stages[1].start:
        whole._update()
    with torch.no_grad():
        for name, value in alone.classifier.named_parameters():
            value.copy_(weights(whole)[name])
    for ours, theirs in zip(finish(whole).classifier.parameters(), finish(alone).classifier.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_what_is_learnt_before_changes_what_is_learnt_then() -> None:
    spec = make_trial()
    assert not any(
        torch.equal(weights(finish(two_stages(spec)))[name], value)
        for name, value in weights(finish(make_fit(spec))).items()
        if name.startswith("head")
    )


def test_the_second_stage_sees_what_a_run_without_the_first_sees() -> None:
    spec = make_trial()
    whole, alone = two_stages(spec), make_fit(spec)
    for step in range(alone.steps):
        ours = whole.stages[1].schedule
        assert np.array_equal(ours.items(step), alone.stages[0].schedule.items(step))
        assert ours.rate(step) == alone.stages[0].schedule.rate(step)


def test_the_estimated_cost_times_updates_of_every_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    fit, update = two_stages(make_trial()), Fit._update
    seen: list[int] = []

    def watched(fit: Fit) -> dict[str, float]:
        seen.append(fit.step)
        return update(fit)

    monkeypatch.setattr(Fit, "_update", watched)
    assert all(_update_seconds(fit, stage) > 0 for stage in fit.stages)
    assert seen == [stage.start + number for stage in fit.stages for number in range(WARM + TIMED)]


@pytest.mark.parametrize("method", METHODS)
def test_a_run_stopped_in_either_stage_ends_alike(method: str, tmp_path: Path) -> None:
    spec = make_trial(method, METHODS[method], validations=7)
    whole, stopped, path = finish(two_stages(spec)), two_stages(spec), tmp_path / "checkpoint"
    at = []
    for progress in stopped.run():
        stopped.save(path)
        again = two_stages(spec)
        assert again.load(path)
        assert same(finish(again), whole), f"resumed at update {progress.step}"
        at.append(progress.step)
    assert whole.stages[1].start in at, "the place between the stages is one of them"


def test_older_records_keep_their_names() -> None:
    task = to_json(TaskSpec(name="xcopa", targets=("et",)))
    assert "intermediate" not in task and "intermediate_epochs" not in to_json(make_trial().train)


REFUSED = {
    'intermediate = "sqa"': r"unknown task 'sqa'",
    'intermediate = "copa"': r"another task than the one learnt then, got 'copa'",
    'intermediate = "xnli"': r"is a multiple choice task like 'copa', got 'xnli' \(classification\)",
    'intermediate = "xcopa"': r"task 'xcopa'.*train",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_cannot_be_learnt_before_is_refused_in_one_line(line: str, tmp_path: Path) -> None:
    source = (Path(__file__).parent.parent / "studies" / "xcopa-me5.toml").read_text()
    path = tmp_path / "study.toml"
    path.write_text(source.replace("[task]\n", f"[task]\n{line}\n"))
    with pytest.raises(ValueError, match=REFUSED[line]) as refused:
        plan(load_study(path))
    assert "\n" not in str(refused.value)


def test_epochs_of_no_task_are_refused(tmp_path: Path) -> None:
    source = (Path(__file__).parent.parent / "studies" / "xcopa-me5.toml").read_text()
    path = tmp_path / "study.toml"
    path.write_text(source.replace("[train]\n", "[train]\nintermediate_epochs = 2\n"))
    with pytest.raises(ValueError, match=r"train\.intermediate_epochs are of task\.intermediate"):
        plan(load_study(path))
