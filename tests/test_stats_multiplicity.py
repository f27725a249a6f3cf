"""Adjusted p-values: published families, closure, and the laws of every method."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from suite.stats import ADJUSTMENTS, adjust

BH_1995 = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
    0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000,
]  # fmt: skip
SIX_DATASETS = [0.168, 0.297, 0.357, 0.019, 0.218, 0.001]  # Dror et al. 2017

methods = pytest.mark.parametrize("method", sorted(ADJUSTMENTS))


def families() -> list[NDArray[np.float64]]:
    generator = np.random.default_rng(0)
    return [generator.uniform(0, 1, m) ** 3 for m in (1, 2, 3, 5, 8, 13)]


@pytest.mark.parametrize(
    ("method", "rejected"), [("bonferroni", 3), ("holm", 3), ("hommel", 3), ("benjamini-hochberg", 4)]
)
def test_rejections_of_benjamini_and_hochberg_1995(method: str, rejected: int) -> None:
    assert np.count_nonzero(adjust(BH_1995, method) <= 0.05) == rejected


def test_adjusted_values_of_benjamini_and_hochberg_1995() -> None:
    expected = [0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.0638571]
    assert adjust(BH_1995, "benjamini-hochberg")[:6] == pytest.approx(expected, abs=1e-7)
    assert adjust(BH_1995, "hommel")[3] == pytest.approx(0.095)


def test_adjusted_values_of_six_datasets() -> None:
    assert adjust(SIX_DATASETS, "hommel") == pytest.approx([0.357, 0.357, 0.357, 0.095, 0.357, 0.006])
    assert np.flatnonzero(adjust(SIX_DATASETS, "holm") <= 0.05).tolist() == [5]


def closure(p: NDArray[np.float64], simes: bool) -> list[float]:
    """Return for each hypothesis the largest p over all intersections that hold it: closed testing."""

    def intersection(members: tuple[int, ...]) -> float:
        ordered, size = np.sort(p[list(members)]), len(members)
        return float(min((size * ordered / np.arange(1, size + 1)).min() if simes else size * ordered[0], 1.0))

    subsets = [c for size in range(1, p.size + 1) for c in itertools.combinations(range(p.size), size)]
    return [max(intersection(subset) for subset in subsets if index in subset) for index in range(p.size)]


@pytest.mark.parametrize(("method", "simes"), [("holm", False), ("hommel", True)])
def test_step_method_is_the_closure_of_its_global_test(method: str, simes: bool) -> None:
    for p in families()[:-1]:
        assert adjust(p, method) == pytest.approx(closure(p, simes))


def test_each_method_is_at_least_as_powerful_as_the_one_before() -> None:
    for p in families():
        chain = [adjust(p, name) for name in ("bonferroni", "holm", "hommel", "benjamini-hochberg")]
        for weaker, stronger in itertools.pairwise(chain):
            assert np.all(stronger <= weaker + 1e-15)


@methods
def test_adjustment_follows_its_hypothesis(method: str) -> None:
    for p in families():
        order = np.random.default_rng(1).permutation(p.size)
        assert np.array_equal(adjust(p[order], method), adjust(p, method)[order])


@methods
def test_adjustment_never_lowers_p_nor_exceeds_1(method: str) -> None:
    for p in families():
        adjusted = adjust(p, method)
        assert np.all(adjusted >= p) and np.all(adjusted <= 1.0)


@methods
def test_adjustment_keeps_the_order_and_ties(method: str) -> None:
    for p in families():
        repeated = np.r_[p, p]
        adjusted = adjust(repeated, method)
        assert np.all(np.diff(adjusted[np.argsort(repeated, kind="stable")]) >= 0.0)
        assert np.array_equal(adjusted[: p.size], adjusted[p.size :])


@methods
def test_a_smaller_p_never_raises_any_adjusted_p(method: str) -> None:
    for p in families():
        lowered = p.copy()
        lowered[0] /= 2
        assert np.all(adjust(lowered, method) <= adjust(p, method) + 1e-15)


@methods
def test_a_family_of_one_needs_no_adjustment_and_of_none_has_none(method: str) -> None:
    assert adjust([0.03], method).tolist() == [0.03]
    assert adjust([], method).size == 0


@methods
def test_input_is_not_changed(method: str) -> None:
    p = np.array(SIX_DATASETS)
    adjust(p, method)
    assert p.tolist() == SIX_DATASETS


@methods
@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1])
def test_what_is_no_p_value_is_refused(method: str, wrong: float) -> None:
    with pytest.raises(ValueError, match=f"got {wrong}"):
        adjust([0.1, wrong], method)


def test_unknown_method_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'benjamini-hochberg'"):
        adjust([0.1], "benjamini_hochberg")
