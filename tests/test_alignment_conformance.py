"""The laws of alignment metrics: being in `ALIGNMENT` holds an entry to them and to its own declaration."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor

from suite.alignment import ALIGNMENT, AlignmentMetric, Invariance, Pair, measure

Change = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

ROWS, DIMENSION = 150, 16
generator = torch.Generator().manual_seed(1)


def gaussian(*shape: int) -> Tensor:
    """Independent normal numbers in double precision, so that invariances hold to many digits."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def rotation() -> Tensor:
    """A random orthogonal matrix."""
    orthogonal_DD: Tensor = torch.linalg.qr(gaussian(DIMENSION, DIMENSION)).Q
    return orthogonal_DD


# Anisotropic in location and in spread, as encoders are; the noise leaves two thirds of the rows to retrieval.
SPREAD_D = torch.linspace(0.3, 1.5, DIMENSION, dtype=torch.float64)
SOURCE_ND = gaussian(ROWS, DIMENSION) * SPREAD_D + 0.8
ALIGNED_ND = SOURCE_ND + 0.8 * gaussian(ROWS, DIMENSION) * SPREAD_D + 0.2 * gaussian(1, DIMENSION)
# Outliers, each in one language only and at right angles to the other's: rows that nothing retrieves.
SOURCE_ND[:3] += torch.tensor([3.0, -3.0] * (DIMENSION // 2))
ALIGNED_ND[3:6] += torch.tensor([3.0, 3.0, -3.0, -3.0] * (DIMENSION // 4))
UNRELATED_ND = gaussian(ROWS, DIMENSION) * SPREAD_D + 0.8
ONE_DD, OTHER_DD = rotation(), rotation()
ONE_1D, OTHER_1D = gaussian(1, DIMENSION), gaussian(1, DIMENSION)
ORDER_N = torch.randperm(ROWS, generator=generator)

CHANGES: dict[Invariance, Change] = {
    "scale": lambda x, y: (3.7 * x, 3.7 * y),
    "scale-each": lambda x, y: (3.7 * x, 0.2 * y),
    "rotation": lambda x, y: (x @ ONE_DD, y @ ONE_DD),
    "rotation-each": lambda x, y: (x @ ONE_DD, y @ OTHER_DD),
    "offset": lambda x, y: (x + ONE_1D, y + ONE_1D),
    "offset-each": lambda x, y: (x + ONE_1D, y + OTHER_1D),
    "row-order": lambda x, y: (x[ORDER_N], y[ORDER_N]),
}

every_metric = pytest.mark.parametrize("metric", ALIGNMENT.values(), ids=ALIGNMENT.keys())
every_metric_with_an_optimum = pytest.mark.parametrize(
    "name", [name for name, metric in ALIGNMENT.items() if metric.optimum is not None]
)
# These compare which row translates which; the probe and the single-language statistics see the languages as wholes.
every_metric_of_translations = pytest.mark.parametrize(
    "name",
    [name for name, metric in ALIGNMENT.items() if metric.optimum is not None and name != "language_probe"]
    + ["cosine_gap", "cosine_gap_centred", "margin_score"],
)


def test_there_are_metrics_and_changes_to_hold_them_to() -> None:
    assert len(ALIGNMENT) >= 30
    assert set(CHANGES) == set(get_args(Invariance))


@every_metric
def test_is_callable_with_defaults_and_returns_a_finite_float(metric: AlignmentMetric) -> None:
    value = metric(SOURCE_ND, ALIGNED_ND)
    assert type(value) is float
    assert math.isfinite(value)


@every_metric_with_an_optimum
def test_a_language_is_perfectly_aligned_with_itself(name: str) -> None:
    assert ALIGNMENT[name](SOURCE_ND, SOURCE_ND.clone()) == pytest.approx(ALIGNMENT[name].optimum, abs=1e-9)


@every_metric_of_translations
def test_translations_beat_unrelated_rows_and_lose_to_equal_ones(name: str) -> None:
    metric = ALIGNMENT[name]
    sign = 1 if metric.higher_is_better else -1
    equal, translated, unrelated = (sign * metric(SOURCE_ND, y_ND) for y_ND in (SOURCE_ND, ALIGNED_ND, UNRELATED_ND))
    assert equal > translated > unrelated


@every_metric
@pytest.mark.parametrize("invariance", CHANGES)
def test_declares_exactly_what_leaves_it_unchanged(metric: AlignmentMetric, invariance: Invariance) -> None:
    """A count of rows may agree by chance after a change that moves it, so that two changes are tried."""
    before = metric(SOURCE_ND, ALIGNED_ND)
    once = CHANGES[invariance](SOURCE_ND, ALIGNED_ND)
    values = [metric(*once), metric(*CHANGES[invariance](*once))]
    unchanged = values == [pytest.approx(before, abs=1e-6)] * 2
    assert unchanged == (invariance in metric.invariances)


@every_metric
def test_what_holds_for_each_language_holds_for_both(metric: AlignmentMetric) -> None:
    each = {name.removesuffix("-each") for name in metric.invariances if name.endswith("-each")}
    assert each <= metric.invariances
    assert not metric.centred or "offset-each" in metric.invariances


@every_metric
@pytest.mark.parametrize("exponent", [-40, -20, 20])
def test_small_and_large_features_measure_as_any(metric: AlignmentMetric, exponent: int) -> None:
    """Powers of two scale exactly: in float32, norms of 1e-12, 1e-6 and 1e6 give the value of norms of 1."""
    x_ND, y_ND = SOURCE_ND.float(), ALIGNED_ND.float()
    scaled = metric(torch.ldexp(x_ND, torch.tensor(exponent)), torch.ldexp(y_ND, torch.tensor(exponent)))
    assert scaled == pytest.approx(metric(x_ND, y_ND), rel=1e-6, abs=1e-9)


@every_metric
def test_never_writes_to_its_input(metric: AlignmentMetric) -> None:
    x_ND, y_ND = SOURCE_ND.clone().requires_grad_(), ALIGNED_ND.clone()
    metric(x_ND, y_ND)
    assert torch.equal(x_ND, SOURCE_ND)
    assert torch.equal(y_ND, ALIGNED_ND)


@every_metric
def test_same_vectors_same_value(metric: AlignmentMetric) -> None:
    state = torch.get_rng_state()
    assert metric(SOURCE_ND, ALIGNED_ND) == metric(SOURCE_ND.clone(), ALIGNED_ND.clone())
    assert torch.equal(torch.get_rng_state(), state)


def test_measuring_together_equals_measuring_apart() -> None:
    together = measure(SOURCE_ND, ALIGNED_ND)
    assert together == {name: metric(SOURCE_ND, ALIGNED_ND) for name, metric in ALIGNMENT.items()}


def test_the_order_of_metrics_does_not_matter() -> None:
    """No metric writes to what it shares with the others."""
    names = list(ALIGNMENT)
    assert measure(SOURCE_ND, ALIGNED_ND, names[::-1]) == measure(SOURCE_ND, ALIGNED_ND, names)


@pytest.mark.parametrize("name", [name for name in ALIGNMENT if f"{name}_forward" in ALIGNMENT])
def test_directions_average_and_exchange_with_the_languages(name: str) -> None:
    values = measure(SOURCE_ND, ALIGNED_ND, [name, f"{name}_forward", f"{name}_backward"])
    assert values[name] == pytest.approx((values[f"{name}_forward"] + values[f"{name}_backward"]) / 2)
    assert values[f"{name}_backward"] == ALIGNMENT[f"{name}_forward"](ALIGNED_ND, SOURCE_ND)


def test_a_pair_may_be_asked_for_anything_in_any_order() -> None:
    pair = Pair.of(SOURCE_ND, ALIGNED_ND)
    once = [metric.function(pair) for metric in ALIGNMENT.values()]
    assert [metric.function(pair) for metric in ALIGNMENT.values()] == once
