"""Tests over seeds against published data, scipy and enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats as peer

from suite.stats import paired_t, seed_correlation, sign_flip, superiority_paired, superiority_unpaired, welch_t
from suite.stats import seeds as module

ZEA_MAYS = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]  # Darwin, in Fisher 1935 section 21
SLEEP = (  # Student 1908, R `sleep`: hours gained under two drugs by the same ten patients
    np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]),
    np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]),
)
FIVE = (np.array([70.1, 71.3, 69.8, 70.9, 71.0]), np.array([71.9, 72.4, 70.8, 72.2, 71.6]))


def test_sleep_data_paired_t() -> None:
    result = paired_t(SLEEP[0] - SLEEP[1])
    assert result.statistic == pytest.approx(-4.062128, abs=1e-6)
    assert result.degrees_of_freedom == 9
    assert result.p == pytest.approx(0.00283289, abs=1e-8)


def test_zea_mays_paired_t() -> None:
    result = paired_t(ZEA_MAYS)
    assert result.statistic == pytest.approx(2.147987, abs=1e-6)
    assert result.p == pytest.approx(0.0497029, abs=1e-7)


def test_five_against_five_paired_and_welch() -> None:
    assert paired_t(FIVE[0] - FIVE[1]).p == pytest.approx(0.00411803, abs=1e-8)
    assert welch_t(*FIVE).p == pytest.approx(0.0198439, abs=1e-7)


def test_welch_equals_scipy_on_arms_of_unequal_size() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(0, 1, 4), generator.normal(0.5, 3, 9)
    expected = peer.ttest_ind(first, second, equal_var=False)
    result = welch_t(first, second, confidence=0.9)
    assert (result.statistic, result.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert result.degrees_of_freedom == pytest.approx(expected.df)
    interval = expected.confidence_interval(0.9)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))


def test_zea_mays_sign_flip_is_fishers_count() -> None:
    assert sign_flip(ZEA_MAYS) == pytest.approx(1726 / 32768, rel=1e-12)


def test_sleep_data_sign_flip_equals_coin() -> None:
    assert sign_flip(np.rint(10 * (SLEEP[0] - SLEEP[1]))) == pytest.approx(0.00390625, rel=1e-12)


def test_five_seeds_never_reach_five_percent() -> None:
    assert sign_flip(np.rint(10 * (FIVE[1] - FIVE[0]))) == pytest.approx(0.0625, rel=1e-12)
    assert sign_flip([1000, 2000, 3000, 4000, 5000]) == pytest.approx(0.0625, rel=1e-12)


def test_sign_flip_equals_enumeration() -> None:
    generator = np.random.default_rng(1)
    for _ in range(20):
        d = generator.integers(-6, 7, size=9)
        sums = [abs(int(np.dot(signs, d))) for signs in itertools.product((-1, 1), repeat=9)]
        assert sign_flip(d) == pytest.approx(np.mean(np.array(sums) >= abs(d.sum())), rel=1e-12)


def test_sign_flip_of_ones_is_the_binomial_test_deep_into_the_tail() -> None:
    d = np.r_[np.ones(900), -np.ones(20), np.zeros(4000)]
    assert sign_flip(d) == pytest.approx(peer.binomtest(20, 920).pvalue, rel=1e-9)
    assert 0.0 < sign_flip(d) < 1e-200


@pytest.mark.parametrize("drift", [0.0, 0.1, 0.6, 2.0])
@pytest.mark.parametrize("most", [1, 5, 30])
def test_the_fast_way_to_the_sign_flip_changes_no_digit_that_counts(
    drift: float, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    d = np.rint(np.random.default_rng(3).normal(drift, most / 3, 900)).clip(-most, most)
    ways = []
    for cost in (0, 1 << 40):
        monkeypatch.setattr(module, "_COST_OF_POINT", cost)
        ways.append(sign_flip(d))
    assert ways[0] == pytest.approx(ways[1], rel=1e-11)


def test_sign_flip_does_not_depend_on_order_sign_or_unit() -> None:
    generator = np.random.default_rng(2)
    d = generator.integers(-50, 60, size=12)
    assert sign_flip(-d) == pytest.approx(sign_flip(d))
    assert sign_flip(generator.permutation(d)) == pytest.approx(sign_flip(d))
    assert sign_flip(1_000_000 * d) == pytest.approx(sign_flip(d))


def test_sign_flip_of_numbers_beyond_64_bits_is_that_of_their_ratios() -> None:
    assert sign_flip([1e19, 1e19, -1e19]) == sign_flip([1, 1, -1]) == 1.0
    assert sign_flip([1e20, 1e20, 1e20, 2e20]) == sign_flip([1, 1, 1, 2]) == pytest.approx(0.125)


def test_sign_flip_of_nothing_is_1() -> None:
    assert sign_flip([0, 0, 0]) == 1.0


def test_sign_flip_refuses_rates_and_sums_too_large_for_its_table() -> None:
    with pytest.raises(ValueError, match=r"whole numbers; got 0\.5"):
        sign_flip([1.0, 0.5])
    with pytest.raises(ValueError, match="got 100000001"):
        sign_flip([100_000_000, 1])


def test_superiority_counts_seeds_won() -> None:
    assert superiority_paired([1, 2, 3, 4], [0, 2, 5, 1]) == (1 + 0.5 + 0 + 1) / 4
    assert superiority_paired([1, 2], [2, 1]) == 0.5


def test_superiority_unpaired_is_mann_whitney_u() -> None:
    generator = np.random.default_rng(3)
    first, second = generator.integers(0, 9, 5), generator.integers(0, 9, 7)
    assert superiority_unpaired(first, second) == pytest.approx(peer.mannwhitneyu(first, second).statistic / 35)
    assert superiority_unpaired(first, second) + superiority_unpaired(second, first) == pytest.approx(1.0)


def test_seed_correlation_equals_numpy_and_is_none_where_undefined() -> None:
    assert seed_correlation(*FIVE) == pytest.approx(np.corrcoef(*FIVE)[0, 1])
    assert seed_correlation([1, 2], [3, 4]) is None
    assert seed_correlation([1, 2, 3], [0.7, 0.7, 0.7]) is None


def test_one_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 values; got 1"):
        paired_t([1.0])
    with pytest.raises(ValueError, match="baseline needs at least 2"):
        welch_t([1.0, 2.0], [1.0])
