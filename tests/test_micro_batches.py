"""Laws of the forms a training step can take: in parts, and with matrix products in bfloat16."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_method_conformance import settings as strong
from tiny import CLASSES, examples_of, make_encoder, make_fit, make_rows, make_trial
from torch import Tensor

from suite.batch import Batch
from suite.kinds import KINDS, Encoded
from suite.methods import METHODS, Loss, Method, StepStreams, resolve_method
from suite.methods.interface import Model
from suite.methods.standard import standard
from suite.models.classifier import Classifier, Pass
from suite.models.encoder import StepDropout
from suite.models.predict import predict_logits
from suite.schedule import part_streams
from suite.seeding import Streams
from suite.study_file import load_study
from suite.training import Fit, Lesson, _clip
from suite.trial_spec import TrainSpec

ROOT = Path(__file__).resolve().parent.parent
PRECISIONS = ("fp32", "bf16")
BY_NAME = pytest.mark.parametrize("name", METHODS)
BY_KIND = pytest.mark.parametrize("kind", ["bert", "distilbert", "deberta-v2"])


def finish(fit: Fit) -> Fit:
    for _ in fit.run():
        pass
    return fit


def tensors(fit: Fit) -> dict[str, Tensor]:
    """Weights and the optimiser's moments."""
    states = fit.optimiser.state_dict()["state"]
    moments = {f"{place}/{key}": value for place, state in states.items() for key, value in state.items()}
    return {name: value.detach().clone() for name, value in [*fit.classifier.named_parameters(), *moments.items()]}


def same(a: Fit, b: Fit) -> bool:
    """Bit for bit: weights, moments and curve."""
    one, two = tensors(a), tensors(b)
    assert one.keys() == two.keys()
    return all(torch.equal(two[name], value) for name, value in one.items()) and (a.curve, a.step) == (b.curve, b.step)


def gradient(fit: Fit) -> tuple[dict[str, Tensor], dict[str, float]]:
    """The gradient that the first update hands the optimiser, and what the update reports."""
    found: dict[str, Tensor] = {}

    def take(*_: Any) -> None:
        grads = ((name, p.grad) for name, p in fit.classifier.named_parameters())
        found.update({name: grad.clone() for name, grad in grads if grad is not None})

    with fit.optimiser.register_step_pre_hook(take):
        reported = fit._update()
    return found, reported


def close(one: dict[str, Tensor], two: dict[str, Tensor], tolerance: float) -> bool:
    """Whether two gradients differ by less than so much of their norm."""
    assert one.keys() == two.keys()
    size = torch.stack([g.norm() for g in one.values()]).norm()
    return bool(torch.stack([(two[name] - g).norm() for name, g in one.items()]).norm() < tolerance * size)


# A batch in one part


def update_whole(fit: Fit) -> float:
    """An update as it is defined: one pass over the whole batch, drawn from the run's own streams."""
    rows = fit.lesson.train.rows.rows_of(fit.stages[-1].schedule.items(fit.step))
    batch = fit.lesson.train.rows.batch(rows, fit.lesson.train.labels)
    dropout = StepDropout(fit.spec.train.dropout, fit.streams, fit.step)
    view = Pass(fit.classifier, dropout, fit.units, fit.lesson.rewriter, fit.classifier.trained_words)
    method = resolve_method(fit.spec.method).loss
    loss = method(batch, view, StepStreams(fit.streams, fit.step), **fit.spec.hyperparameters)
    loss.value.backward()  # type: ignore[no-untyped-call]  # torch's is
    _clip(fit.classifier, fit.spec.train.clip_norm)
    for group in fit.optimiser.param_groups:
        group["lr"] = group["peak"] * fit.stages[-1].schedule.rate(fit.step)
    fit.optimiser.step()
    fit.optimiser.zero_grad(set_to_none=True)
    fit.step += 1
    return float(loss.value.detach())


@BY_NAME
@BY_KIND
@pytest.mark.parametrize("micro_batch", [None, 16, 100])
def test_a_batch_in_one_part_is_one_pass_over_it_bit_for_bit(name: str, kind: str, micro_batch: int | None) -> None:
    spec = make_trial(name, strong(name), micro_batch=micro_batch, epochs=1, weight_decay=0.01)
    fit, plain = make_fit(spec, kind), make_fit(spec, kind)
    for _ in range(fit.steps):
        assert fit._update()["loss"] == update_whole(plain)
    assert same(fit, plain)


# A batch in several parts


@BY_KIND
@pytest.mark.parametrize("micro_batch", [1, 3, 8])
def test_gradients_of_parts_add_up_to_that_of_the_batch(kind: str, micro_batch: int) -> None:
    """Parts of unequal size too: the last of 16 in threes holds one text."""
    recipe: dict[str, Any] = {"dropout": 0.0, "clip_norm": 1e9}
    whole, said = gradient(make_fit(make_trial(**recipe), kind))
    parts, told = gradient(make_fit(make_trial(micro_batch=micro_batch, **recipe), kind))
    assert close(whole, parts, 1e-6)
    assert told == pytest.approx(said, rel=1e-6)


def asked(kind: str) -> Encoded:
    """Texts of unequal length with what a kind asks of them: a label, tags of some tokens, a span, one of two."""
    rng = np.random.default_rng(5)
    lengths = rng.integers(4, 20, 64)
    rows = make_rows(lengths.tolist(), seed=5)
    labels, targets = rng.integers(CLASSES, size=64), rng.integers(CLASSES, size=len(rows.ids))
    if kind == "token classification":
        tags = np.where(rows.special | (rng.random(len(rows.ids)) < 0.5), -100, targets)
        tags[rows.offsets[:-1] + 1] = 0
        rows = dataclasses.replace(rows, targets=tags)
    if kind == "question answering":
        ends = np.zeros_like(rows.ids)
        ends[rows.offsets[:-1] + 1], ends[rows.offsets[:-1] + 2] = 1, 2
        rows = dataclasses.replace(rows, targets=ends)
    if kind == "multiple choice":
        rows, labels = dataclasses.replace(rows, rows_per_item=2), np.tile([0, 1], 32)
    return Encoded(examples=examples_of(labels), rows=rows, labels=labels)


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if not kind.embeds])
def test_gradients_of_parts_add_up_in_every_kind_of_task(kind: str) -> None:
    """A part counts by the terms of its loss: parts hold unequal numbers of items, and of words."""
    found = []
    for micro_batch in (None, 3):
        spec = make_trial(micro_batch=micro_batch, dropout=0.0, clip_norm=1e9)
        classifier = Classifier(make_encoder("bert"), CLASSES, Streams(1), KINDS[kind])
        found.append(gradient(Fit(spec, classifier, Lesson(train=asked(kind)), asked(kind), {})))
    (whole, said), (parts, told) = found
    assert close(whole, parts, 1e-6)
    assert told == pytest.approx(said, rel=1e-6)


def test_what_is_clipped_is_the_gradient_of_the_batch() -> None:
    recipe: dict[str, Any] = {"dropout": 0.0, "clip_norm": 0.01}
    whole, _ = gradient(make_fit(make_trial(**recipe)))
    parts, told = gradient(make_fit(make_trial(micro_batch=5, **recipe)))
    assert told["gradient_norm"] > 0.01 and close(whole, parts, 1e-6)


@BY_NAME
def test_diagnostics_are_the_batchs(name: str) -> None:
    """The radius is every part's own; the share of zero gradients is a mean over parts."""
    one, many = (make_fit(make_trial(name, strong(name), micro_batch=m))._update() for m in (None, 5))
    assert one.keys() == many.keys() and list(one)[:2] == ["loss", "gradient_norm"]
    for key in {"radius", "sigma"} & one.keys():
        assert many[key] == pytest.approx(one[key])


def test_schedule_and_head_do_not_depend_on_the_parts() -> None:
    one, many = (make_fit(make_trial(micro_batch=m)) for m in (None, 3))
    assert torch.equal(one.classifier.head.weight, many.classifier.head.weight)
    assert one.stages[0].schedule == many.stages[0].schedule


def drawn(batch: Batch, model: Model, streams: StepStreams) -> Loss:
    """Standard training that reports the first number of two of its streams."""
    noise, words = (float(streams.numpy(purpose).random()) for purpose in ("noise", "augment"))
    DRAWN.append((streams.step, noise, words))
    return standard(batch, model, streams)


DRAWN: list[tuple[int, float, float]] = []
DRAWING = Method(loss=drawn, strength=None)


def test_every_part_of_every_update_has_draws_of_its_own_whatever_the_parts_hold() -> None:
    def draws(**recipe: Any) -> list[tuple[int, float, float]]:
        DRAWN.clear()
        finish(make_fit(make_trial(f"{__name__}:DRAWING", **recipe)))
        return list(DRAWN)

    halves, eighths, whole = draws(micro_batch=8), draws(micro_batch=2), draws()
    assert len({noise for _, noise, _ in eighths}) == len({words for _, _, words in eighths}) == len(eighths) == 64
    assert halves == [draw for i in range(0, 64, 8) for draw in eighths[i : i + 2]]
    assert whole == halves[::2]


def test_every_part_drops_units_of_its_own() -> None:
    masks = [StepDropout(0.5, part_streams(Streams(1), part), 0)(torch.ones(8, 32), 0, "ffn") for part in range(4)]
    assert not any(torch.equal(masks[i], masks[j]) for i in range(4) for j in range(i))


# Bfloat16


def test_dropout_of_a_bfloat16_tensor_scales_what_is_left_exactly() -> None:
    kept = StepDropout(0.1, Streams(1), 0)(torch.ones(64, 64, dtype=torch.bfloat16), 0, "ffn")
    assert set(kept.unique().tolist()) == {0.0, torch.tensor(256 / 230).item()}


@BY_NAME
@BY_KIND
def test_a_bfloat16_step_is_near_the_fp32_one(name: str, kind: str) -> None:
    """Products keep 8 bits: 2^-8 each, some more over three layers."""
    at = {"site": "hidden:1"} if METHODS[name].site else {}
    fits = [make_fit(make_trial(name, strong(name, 0.1) | at, precision=p, clip_norm=1e9), kind) for p in PRECISIONS]
    (exact, said), (rough, told) = map(gradient, fits)
    assert told["loss"] == pytest.approx(said["loss"], rel=2e-3) and told["loss"] != said["loss"]
    assert close(exact, rough, 0.03)


@BY_KIND
def test_weights_moments_gradients_and_states_stay_fp32(kind: str) -> None:
    seen: list[Tensor] = []
    fit = make_fit(make_trial(precision="bf16"), kind)
    grads, _ = gradient(fit)
    batch = fit.lesson.train.rows.batch(np.arange(4), fit.lesson.train.labels)
    view = Pass(fit.classifier, StepDropout(0.1, Streams(1), 0), fit.units, products=torch.bfloat16)
    for site in ("embeddings", "hidden:0", "hidden:2"):
        seen += [view.enter(batch, site), view.finish(batch, view.enter(batch, site), site)]
    assert {t.dtype for t in [*seen, *grads.values(), *tensors(fit).values()]} == {torch.float32}


def test_products_are_bfloat16() -> None:
    """The states differ from fp32's by what bfloat16 loses: more than fp32 would, less than a bit of 8."""
    fit = make_fit(make_trial())
    batch = fit.lesson.train.rows.batch(np.arange(8), fit.lesson.train.labels)
    exact, rough = (
        Pass(fit.classifier, StepDropout(0.0, Streams(1), 0), {}, products=p).enter(batch, "hidden:1")
        for p in (None, torch.bfloat16)
    )
    assert 1e-4 < float((exact - rough).detach().norm() / exact.detach().norm()) < 2**-7


def test_evaluation_is_fp32_whatever_the_training() -> None:
    fit = finish(make_fit(make_trial(precision="bf16")))
    plain = dataclasses.replace(fit.spec, train=dataclasses.replace(fit.spec.train, precision="fp32"))
    again = Fit(plain, fit.classifier, fit.lesson, fit.validation, fit.units)
    outputs = predict_logits(fit.classifier, fit.validation.rows)
    assert np.array_equal(outputs, predict_logits(again.classifier, fit.validation.rows))
    with torch.autocast("cpu", torch.bfloat16):
        assert not np.array_equal(outputs, predict_logits(fit.classifier, fit.validation.rows))


def test_training_in_bfloat16_learns_what_can_be_learnt() -> None:
    fit = make_fit(make_trial(epochs=25, learning_rate=5e-3, validations=2, precision="bf16", micro_batch=8))
    losses = [progress.metrics["train/loss"] for progress in fit.run()]
    assert losses[-1] < 0.3
    assert (predict_logits(fit.classifier, fit.lesson.train.rows).argmax(1) == fit.lesson.train.labels).mean() > 0.95


# Both, resumed, deterministic


@BY_NAME
@pytest.mark.parametrize(("kind", "precision"), [("bert", "fp32"), ("bert", "bf16"), ("distilbert", "bf16")])
def test_a_run_in_parts_that_is_resumed_ends_where_the_uninterrupted_one_does(
    name: str, kind: str, precision: str, tmp_path: Path
) -> None:
    spec = make_trial(name, strong(name), micro_batch=6, precision=precision, epochs=1, validations=4)
    whole = finish(make_fit(spec, kind))
    stopped = make_fit(spec, kind)
    for progress in stopped.run():
        stopped.save(tmp_path / "checkpoint")
        again = make_fit(spec, kind)
        assert again.load(tmp_path / "checkpoint") and again.step == progress.step
        assert same(finish(again), whole), f"resumed at update {progress.step} of {progress.steps}, within the epoch"


def test_a_checkpoint_of_another_precision_or_other_parts_is_not_continued(tmp_path: Path) -> None:
    fit = make_fit(make_trial(micro_batch=4))
    next(fit.run())
    fit.save(tmp_path / "checkpoint")
    for recipe in ({}, {"micro_batch": 8}, {"micro_batch": 4, "precision": "bf16"}):
        assert not make_fit(make_trial(**recipe)).load(tmp_path / "checkpoint")


@BY_KIND
def test_deterministic_algorithms_suffice(kind: str) -> None:
    torch.use_deterministic_algorithms(True)
    try:
        spec = make_trial("adversarial", {"radius": 0.3}, micro_batch=6, precision="bf16", epochs=1)
        assert same(*(finish(make_fit(spec, kind)) for _ in range(2)))
    finally:
        torch.use_deterministic_algorithms(False)


# The study file


def test_digests_are_what_they_were_before_parts_and_precision_could_be_chosen() -> None:
    """The values are frozen: were they to change, no finished run would be found again."""
    assert load_study(ROOT / "studies" / "quickstart.toml").digest == QUICKSTART
    assert make_trial().digest == make_trial(micro_batch=None, precision="fp32").digest == TINY
    assert len({make_trial(**recipe).digest for recipe in ({}, {"micro_batch": 4}, {"precision": "bf16"})}) == 3


QUICKSTART = "7bdd683a55cefbb21eaa2cdbeaba7cc6d7a41068f5d6a9617317e89958c2840e"
TINY = "e8be8604a5a6ce3b5eb9dc5bb649ab588b7982f66d8bc97f72ff0c840266b75f"


def test_a_part_holds_an_item_and_a_precision_is_a_known_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="micro_batch is at least 1, got 0"):
        TrainSpec(learning_rate=1e-3, micro_batch=0)
    text = (ROOT / "studies" / "quickstart.toml").read_text(encoding="utf-8")
    (tmp_path / "quickstart.toml").write_text(text.replace("[train]", '[train]\nprecision = "fp16"'), encoding="utf-8")
    with pytest.raises(ValueError, match=r"train\.precision: should be 'fp32' or 'bf16', got 'fp16'"):
        load_study(tmp_path / "quickstart.toml")
