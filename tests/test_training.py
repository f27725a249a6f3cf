"""Laws of fine-tuning: a pure function of its trial, whether it is run once, twice or in pieces."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from test_method_conformance import settings as strong
from tiny import make_classifier, make_fit, make_labelled, make_trial

from suite.batch import Batch
from suite.checkpoint import content
from suite.methods import METHODS, Loss, Method, StepStreams
from suite.methods.interface import Model
from suite.methods.standard import standard
from suite.models.predict import predict_logits
from suite.schedule import Schedule, validation_points
from suite.scores import accuracy
from suite.seeding import Streams
from suite.training import Fit, _clip, _optimiser

FEW = settings(deadline=None, derandomize=True, max_examples=60)
BY_NAME = pytest.mark.parametrize("name", METHODS)


def finish(fit: Fit) -> Fit:
    for _ in fit.run():
        pass
    return fit


def weights(fit: Fit) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in fit.classifier.named_parameters()}


def same(a: Fit, b: Fit) -> bool:
    """Bit for bit: weights, moments and curve."""
    one, two = ({**weights(fit), **moments(fit)} for fit in (a, b))
    assert one.keys() == two.keys()
    return all(torch.equal(two[name], value) for name, value in one.items()) and (a.curve, a.step) == (b.curve, b.step)


def moments(fit: Fit) -> dict[str, torch.Tensor]:
    states = fit.optimiser.state_dict()["state"]
    return {f"{place}/{key}": value.clone() for place, state in states.items() for key, value in state.items()}


# One run


@BY_NAME
def test_two_runs_are_bit_identical_whatever_the_global_random_state(name: str) -> None:
    fits = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 (the state that must not matter)
        fits.append(finish(make_fit(make_trial(name, strong(name)))))
    assert same(*fits)


def test_another_seed_trains_another_model() -> None:
    a, b = (finish(make_fit(make_trial(seed=seed))) for seed in (1, 2))
    assert not any(
        torch.equal(weights(a)[name], value) for name, value in weights(b).items() if name.startswith("head")
    )


def test_training_learns_what_can_be_learnt() -> None:
    fit = make_fit(make_trial(epochs=25, learning_rate=5e-3, validations=5))
    before = weights(fit)
    losses = [progress.metrics["train/loss"] for progress in fit.run()]
    assert losses[0] > 0.9 and losses[-1] < 0.3
    assert accuracy(fit.lesson.train.labels, predict_logits(fit.classifier, fit.lesson.train.rows).argmax(1)) > 0.95
    moved = {name for name, value in weights(fit).items() if not torch.equal(value, before[name])}
    assert moved == set(before)


def test_the_curve_holds_means_since_the_last_point_and_the_validation_metric() -> None:
    fit, twin = (make_fit(make_trial("adversarial", {"radius": 0.3}, validations=4)) for _ in range(2))
    seen = list(fit.run())
    assert [progress.step for progress in seen] == [2, 4, 6, 8] and {progress.steps for progress in seen} == {8}
    for progress in seen:
        updates = [twin._update() for _ in range(2)]
        score = accuracy(twin.validation.labels, predict_logits(twin.classifier, twin.validation.rows).argmax(1))
        assert progress.metrics["validation.accuracy/en"] == score
        assert progress.metrics.keys() - {"validation.accuracy/en"} == {f"train/{name}" for name in updates[0]}
        for name in updates[0]:
            assert progress.metrics[f"train/{name}"] == pytest.approx(np.mean([u[name] for u in updates]))
    assert fit.curve == [(p.step, name, value) for p in seen for name, value in p.metrics.items()]


def test_the_metric_is_the_one_that_is_selected_on() -> None:
    spec = dataclasses.replace(make_trial(), metric="macro_f1")
    assert {name for _, name, _ in finish(make_fit(spec)).curve if "/en" in name} == {"validation.macro_f1/en"}


@BY_NAME
def test_at_one_seed_every_method_sees_the_same_head_and_the_same_rows(name: str) -> None:
    fit, standard_fit = make_fit(make_trial(name, strong(name), learning_rate=0.1)), make_fit(make_trial())
    assert torch.equal(fit.classifier.head.weight, standard_fit.classifier.head.weight)
    for step in range(fit.steps):
        assert np.array_equal(fit.stages[-1].schedule.items(step), standard_fit.stages[-1].schedule.items(step))


# Interruptions


@BY_NAME
@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_a_resumed_run_ends_where_the_uninterrupted_one_does(name: str, kind: str, tmp_path: Path) -> None:
    spec = make_trial(name, strong(name), validations=4, weight_decay=0.01)
    whole = finish(make_fit(spec, kind))
    stopped = make_fit(spec, kind)
    for progress in stopped.run():
        stopped.save(tmp_path / "checkpoint")
        again = make_fit(spec, kind)
        assert again.load(tmp_path / "checkpoint") and again.step == progress.step
        assert same(finish(again), whole), f"resumed at update {progress.step}"
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_a_run_resumed_twice_ends_alike(tmp_path: Path) -> None:
    spec, path = make_trial("random-perturbation", {"noise": 0.3}), tmp_path / "checkpoint"
    for _ in range(4):
        fit = make_fit(spec)
        fit.load(path)
        next(fit.run())
        fit.save(path)
    assert same(fit, finish(make_fit(spec)))


def test_frozen_embeddings_are_checkpointed_with_the_rest(tmp_path: Path) -> None:
    spec = make_trial(train_embeddings=False)
    fit, again = make_fit(spec), make_fit(spec)
    next(fit.run())
    fit.save(tmp_path / "checkpoint")
    assert again.load(tmp_path / "checkpoint") and same(finish(again), finish(make_fit(spec)))


def rewrite(path: Path, **changes: Any) -> None:
    """Change the tensors or the metadata of a checkpoint, by itself sound; a tensor of none is dropped."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        meta = dict(file.metadata())
    tensors = load_file(path)
    for key, value in changes.items():
        if isinstance(value, str):
            meta[key] = value
        elif value is None:
            tensors.pop(key)
        else:
            tensors[key] = value
    save_file(tensors, path, metadata={**meta, "content": str(changes.get("content", content(tensors, meta)))})


def flip(path: Path, share: float) -> None:
    """Turn over one bit, at a share of the file's length."""
    data = bytearray(path.read_bytes())
    data[int(share * len(data))] ^= 1
    path.write_bytes(data)


SPOILT = {
    "absent": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "torn": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "noise": lambda path: path.write_bytes(b"\xff" * 5000),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "with a bit flipped in a weight": lambda path: flip(path, 0.5),
    "with a bit flipped in a moment": lambda path: flip(path, 0.99),
    "with a bit flipped in the header": lambda path: flip(path, 0.001),
    "of another trial": lambda path: rewrite(path, digest="0" * 64),
    "without metadata": lambda path: save_file(load_file(path), path),
    "with a broken curve": lambda path: rewrite(path, curve="[[1, 2", content="stale"),
    "with a broken step": lambda path: rewrite(path, step="two", content="stale"),
    "without a weight": lambda path: rewrite(path, **{"weight/head.bias": None}),
    "of another vocabulary": lambda path: rewrite(
        path, **{"weight/encoder.embeddings.word_embeddings.weight": torch.zeros(5, 32)}
    ),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_checkpoint_that_cannot_be_used_is_as_if_there_were_none(spoil: Any, tmp_path: Path) -> None:
    path, spec = tmp_path / "checkpoint", make_trial()
    fit = make_fit(spec)
    next(fit.run())
    fit.save(path)
    spoil(path)
    again = make_fit(spec)
    before = weights(again)
    assert not again.load(path) and again.step == 0 and again.curve == []
    assert all(torch.equal(value, before[name]) for name, value in weights(again).items())


def test_a_save_that_fails_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    path, fit = tmp_path / "checkpoint", make_fit(make_trial())
    next(fit.run())
    fit.save(path)
    before = path.read_bytes()
    path.chmod(0o444)
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        fit.save(tmp_path / "taken")
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint", "taken"]


# When numbers stop being finite


def explode(batch: Batch, model: Model, streams: StepStreams, *, step: int) -> Loss:
    """Standard training whose gradient is not a number at one update, while its loss is one."""
    loss = standard(batch, model, streams)
    if streams.step != step:
        return loss
    return Loss(value=loss.value + (loss.value * 0).sqrt())


EXPLODING = Method(loss=explode, strength=None)


def test_a_loss_that_is_not_finite_stops_the_run_at_its_update() -> None:
    fit = make_fit(make_trial())
    fit._update()
    with torch.no_grad():
        fit.classifier.head.weight[0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match="the loss is nan at update 2 of 8"):
        finish(fit)


@pytest.mark.parametrize("step", [0, 7])
def test_a_gradient_that_is_not_finite_stops_the_run_before_it_spoils_a_weight(step: int) -> None:
    fit = make_fit(make_trial(f"{__name__}:EXPLODING", {"step": step}))
    with pytest.raises(FloatingPointError, match=f"the gradient's norm is nan at update {step + 1} of 8"):
        finish(fit)
    assert all(torch.isfinite(value).all() for value in weights(fit).values())


def test_a_learning_rate_beyond_reason_is_a_floating_point_error() -> None:
    with pytest.raises(FloatingPointError, match="at update"):
        finish(make_fit(make_trial(learning_rate=1e30)))


# The schedule


def make_schedule(examples: int, batch_size: int, epochs: int, warmup: float = 0.1, seed: int = 0) -> Schedule:
    return Schedule(examples=examples, batch_size=batch_size, epochs=epochs, warmup=warmup, streams=Streams(seed))


SCHEDULES = st.builds(
    make_schedule,
    examples=st.integers(1, 50),
    batch_size=st.integers(1, 20),
    epochs=st.integers(1, 4),
    warmup=st.floats(0, 1),
    seed=st.integers(0, 5),
)


@FEW
@given(SCHEDULES)
def test_every_epoch_is_a_permutation_of_its_own(schedule: Schedule) -> None:
    per = schedule.steps_per_epoch
    assert schedule.steps == per * schedule.epochs
    epochs = [np.concatenate([schedule.items(e * per + i) for i in range(per)]) for e in range(schedule.epochs)]
    assert all(sorted(epoch.tolist()) == list(range(schedule.examples)) for epoch in epochs)
    if schedule.examples > 20:
        assert len({tuple(epoch.tolist()) for epoch in epochs}) == schedule.epochs
    assert all(len(schedule.items(i)) == schedule.batch_size for i in range(per - 1))


@FEW
@given(SCHEDULES)
def test_the_learning_rate_rises_to_its_peak_and_falls_towards_zero(schedule: Schedule) -> None:
    rates = np.array([schedule.rate(step) for step in range(schedule.steps)])
    peak = int(rates.argmax())
    assert (rates > 0).all() and (rates <= 1 + 1e-12).all() and rates.max() == pytest.approx(1)
    assert (np.diff(rates[: peak + 1]) > 0).all() and (np.diff(rates[peak:]) <= 1e-12).all()
    assert schedule.rate(schedule.steps) == 0


def test_the_learning_rate_at_its_ends() -> None:
    schedule = make_schedule(100, 1, 1, warmup=0.1)
    assert [schedule.rate(step) for step in (0, 9, 10, 55, 99, 100)] == pytest.approx([0.1, 1, 1, 0.5, 1 / 90, 0])
    flat = make_schedule(100, 1, 1, warmup=0.0)
    assert [flat.rate(step) for step in (0, 50, 99)] == pytest.approx([1, 0.5, 0.01])


@FEW
@given(SCHEDULES, st.integers(1, 30))
def test_validation_points_increase_and_end_at_the_end(schedule: Schedule, count: int) -> None:
    points = validation_points(schedule.steps, count)
    assert points == sorted(set(points)) and points[0] >= 1 and points[-1] == schedule.steps
    assert len(points) == min(count, schedule.steps)


def test_the_optimiser_follows_the_schedule() -> None:
    fit = make_fit(make_trial(learning_rate=0.004, head_learning_rate=0.02, warmup=0.25))
    for step in range(fit.steps):
        fit._update()
        rates = {group["peak"]: group["lr"] for group in fit.optimiser.param_groups}
        assert rates == pytest.approx({peak: peak * fit.stages[-1].schedule.rate(step) for peak in (0.004, 0.02)})


# The optimiser


def test_every_parameter_is_in_one_group_and_only_matrices_decay() -> None:
    classifier = make_classifier()
    groups = _optimiser(classifier, make_trial(weight_decay=0.1, head_learning_rate=0.5)).param_groups
    placed = {id(p): group for group in groups for p in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(placed) == len(list(classifier.parameters()))
    for name, parameter in classifier.named_parameters():
        group = placed[id(parameter)]
        assert group["weight_decay"] == (0.1 if parameter.dim() > 1 else 0.0), name
        assert group["peak"] == (0.5 if name.startswith("head") else 1e-3), name


def test_a_head_at_the_encoders_rate_follows_it_at_every_scale_and_trial() -> None:
    for rate in (2e-5, 3e-5):
        groups = _optimiser(
            make_classifier(), make_trial(learning_rate=rate, head_learning_rate="encoder")
        ).param_groups
        assert {group["peak"] for group in groups} == {rate}


@pytest.mark.parametrize("bound", [0.01, 1.0, 1e6])
def test_clipping_is_pytorchs(bound: float) -> None:
    ours, theirs = make_classifier(), make_classifier()
    data = make_labelled(8)
    for model in (ours, theirs):
        model.logits(data.rows.batch(np.arange(8), data.labels)).square().sum().backward()
    norm = _clip(ours, bound)
    wanted = torch.nn.utils.clip_grad_norm_(theirs.parameters(), bound)
    assert norm == pytest.approx(float(wanted), rel=1e-5)
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert a.grad is not None and b.grad is not None
        assert torch.allclose(a.grad, b.grad, rtol=1e-4, atol=1e-8), name


@pytest.mark.parametrize("name", ["standard", "adversarial"])
def test_frozen_embeddings_stay_as_they_were(name: str) -> None:
    fit = make_fit(make_trial(name, strong(name), train_embeddings=False, weight_decay=0.1, learning_rate=0.01))
    before = weights(fit)
    finish(fit)
    still = {key for key, value in weights(fit).items() if torch.equal(value, before[key])}
    assert still == {"encoder.embeddings.word_embeddings.weight"}


@pytest.mark.parametrize("method", ["standard", "adversarial"])
def test_words_that_never_occur_in_training_need_no_optimiser(method: str) -> None:
    """Only rows of the training texts in the optimiser, or the whole table: the same weights."""
    parameters = {"radius": 0.05} if method == "adversarial" else {}
    whole = make_fit(make_trial(method, parameters, seed=3))
    rows = int(whole.lesson.train.rows.ids.max()) + 1
    part = make_fit(make_trial(method, parameters, seed=3))
    part = Fit(part.spec, part.classifier, part.lesson, part.validation, part.units, trained_rows=rows)
    table = part.classifier.encoder.get_input_embeddings().weight
    assert rows < table.shape[0], "some words occur in evaluation only"
    for fit in (whole, part):
        list(fit.run())
    assert part.classifier.trained_words is not None
    assert part.classifier.trained_words.data_ptr() == table.data_ptr(), "trained rows are the table's own"
    for (name, a), (_, b) in zip(
        whole.classifier.encoder.named_parameters(), part.classifier.encoder.named_parameters(), strict=True
    ):
        # Clipping sums squares in another order; everything else is the same arithmetic.
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6, msg=name)
