"""The laws every entry of `TESTS` obeys; a new entry is held to them by being entered."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from suite.stats import TESTS, TwoArmTest, find_test

Matrix = NDArray[np.float64]

pytestmark = pytest.mark.parametrize("name", sorted(TESTS))


def arms(generator: np.random.Generator, effect: float = 0.0, seeds: int = 6, items: int = 40) -> tuple[Matrix, Matrix]:
    """Draw treatment and baseline: items share difficulty, each arm has its own seeds, items react a little."""
    difficulty = generator.normal(0, 1, items)
    treatment, baseline = (
        difficulty
        + generator.normal(0, 0.3, (seeds, 1))
        + generator.normal(0, 0.2, items)
        + generator.normal(0, 0.5, (seeds, items))
        for _ in range(2)
    )
    return treatment + effect, baseline


@pytest.fixture
def test(name: str) -> TwoArmTest:
    return find_test(name)


def test_estimate_is_the_difference_of_means(test: TwoArmTest) -> None:
    treatment, baseline = arms(np.random.default_rng(0), effect=0.3)
    assert test(treatment, baseline).estimate == pytest.approx(treatment.mean() - baseline.mean())


def test_result_says_which_test_and_on_what(name: str, test: TwoArmTest) -> None:
    result = test(*arms(np.random.default_rng(0)))
    assert (result.test, result.n_seeds, result.n_items, result.confidence) == (name, 6, 40, 0.95)


def test_nothing_differs_from_itself(test: TwoArmTest) -> None:
    treatment, _ = arms(np.random.default_rng(1))
    result = test(treatment, treatment)
    assert (result.p, result.estimate, result.statistic) == (1.0, 0.0, 0.0)
    assert result.low <= 0.0 <= result.high


def test_swapping_the_arms_negates_the_effect_and_keeps_p(test: TwoArmTest) -> None:
    treatment, baseline = arms(np.random.default_rng(2), effect=0.2)
    forth, back = test(treatment, baseline), test(baseline, treatment)
    assert (back.estimate, back.low, back.high) == pytest.approx((-forth.estimate, -forth.high, -forth.low))
    assert back.p == pytest.approx(forth.p)
    assert back.mde == pytest.approx(forth.mde)


@pytest.mark.parametrize("axis", [0, 1], ids=["seed", "item"])
def test_order_does_not_matter(test: TwoArmTest, axis: int) -> None:
    treatment, baseline = arms(np.random.default_rng(3), effect=0.2)
    order = np.random.default_rng(4).permutation(treatment.shape[axis])
    before, after = test(treatment, baseline), test(treatment.take(order, axis), baseline.take(order, axis))
    assert after.p == pytest.approx(before.p, rel=1e-9)
    assert after.standard_error == pytest.approx(before.standard_error, rel=1e-9)


def test_same_input_same_result(test: TwoArmTest) -> None:
    treatment, baseline = arms(np.random.default_rng(5))
    assert test(treatment, baseline) == test(treatment.copy(), baseline.copy())


def test_inputs_are_not_changed(test: TwoArmTest) -> None:
    treatment, baseline = arms(np.random.default_rng(5))
    before = treatment.copy(), baseline.copy()
    test(treatment, baseline)
    assert np.array_equal(treatment, before[0]) and np.array_equal(baseline, before[1])


def test_unit_of_the_score_does_not_matter(test: TwoArmTest) -> None:
    treatment, baseline = arms(np.random.default_rng(6), effect=0.2)
    fraction, points = test(treatment, baseline), test(100 * treatment, 100 * baseline)
    assert points.p == pytest.approx(fraction.p)
    assert (points.estimate, points.high, points.mde) == pytest.approx(
        (100 * fraction.estimate, 100 * fraction.high, 100 * fraction.mde)
    )


def test_a_shift_of_the_treatment_moves_the_interval_and_not_its_width(test: TwoArmTest) -> None:
    treatment, baseline = arms(np.random.default_rng(7))
    here, there = test(treatment, baseline), test(treatment + 3.0, baseline)
    assert (there.low, there.high) == pytest.approx((here.low + 3.0, here.high + 3.0))


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_interval_excludes_zero_exactly_where_p_is_below_alpha(test: TwoArmTest, confidence: float) -> None:
    generator = np.random.default_rng(8)
    verdicts = set()
    for effect in np.linspace(0.0, 1.0, 11):
        result = test(*arms(generator, effect=float(effect)), confidence=confidence)
        assert (result.p < 1 - confidence) == (not result.low <= 0.0 <= result.high)
        verdicts.add(result.p < 1 - confidence)
    assert verdicts == {True, False}


def test_zeros_and_ones_are_scores_like_any_other(test: TwoArmTest) -> None:
    treatment, baseline = (arm > 0 for arm in arms(np.random.default_rng(9)))
    assert test(treatment, baseline) == test(treatment.astype(float), baseline.astype(float))


def test_identical_runs_give_no_warning_and_no_nan(test: TwoArmTest) -> None:
    constant = np.full((4, 5), 0.7)  # no dyadic fraction: its mean rounds
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        result = test(constant, constant)
    assert (result.p, result.low, result.high, result.mde) == (1.0, 0.0, 0.0, 0.0)
    numbers = [value for value in dataclasses.asdict(result).values() if isinstance(value, float)]
    assert np.isfinite(numbers).all()


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (9,)], ids=["one seed", "one item", "one axis"])
def test_too_little_is_refused(test: TwoArmTest, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"at least 2|\[seeds, items\]"):
        test(np.ones(shape), np.ones(shape))


def test_missing_scores_are_refused(test: TwoArmTest) -> None:
    treatment, baseline = arms(np.random.default_rng(10))
    treatment[2, 3] = np.nan
    with pytest.raises(ValueError, match=r"treatment.*finite; got nan at \[2, 3\]"):
        test(treatment, baseline)


def test_items_must_match(test: TwoArmTest) -> None:
    with pytest.raises(ValueError, match="same items; got 4 and 5"):
        test(np.ones((3, 4)), np.ones((3, 5)))


def test_size_is_near_nominal_and_a_large_effect_is_found(test: TwoArmTest) -> None:
    generator = np.random.default_rng(11)
    draws, nominal = 800, 0.05
    size = np.mean([test(*arms(generator)).p < nominal for _ in range(draws)])
    # Four standard errors: one false alarm in 16,000, and the draws are seeded besides.
    assert abs(size - nominal) < 4 * np.sqrt(nominal * (1 - nominal) / draws)
    assert test(*arms(generator, effect=2.0)).p < 1e-3


def test_the_stated_detectable_effect_is_detected_four_times_in_five(test: TwoArmTest) -> None:
    generator = np.random.default_rng(12)
    effect = float(np.median([test(*arms(generator)).mde for _ in range(60)]))
    found = np.mean([test(*arms(generator, effect=effect)).p < 0.05 for _ in range(400)])
    assert 0.7 < found < 0.9


def test_name_is_found_and_a_typo_is_answered(name: str) -> None:
    assert find_test(name) is TESTS[name]
    with pytest.raises(ValueError, match=f"[Kk]nown: .*{name}"):
        find_test(name + "x")


def test_importing_is_light(name: str) -> None:
    program = (
        f"import sys, suite.stats as s; assert {name!r} in s.TESTS; "
        "assert not {'pandas', 'torch', 'scipy.stats', 'scipy.optimize'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
