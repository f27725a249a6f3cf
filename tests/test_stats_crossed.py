"""The crossed test against lmerTest, against the closed form, and at its edges."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats as peer

from suite.stats import (
    Estimate,
    crossed,
    crossed_paired,
    crossed_unpaired,
    macro_parallel,
    pigeonhole_variance,
    variance_components,
)
from suite.stats.components import mean_squares, residual_squares

Matrix = NDArray[np.float64]


def toy() -> tuple[Matrix, Matrix]:
    """Return treatment and baseline [4 seeds, 12 items] of the deterministic toy, whose lmerTest results are frozen."""
    m, s, i = np.meshgrid(range(2), range(4), range(12), indexing="ij")
    y = (
        0.1 * m
        + ((37 * i) % 17) / 17 * 0.5
        + (((5 * s + 3 * m) * 7) % 11) / 11 * 0.3
        + ((11 * i + 5 * m * i) % 7) / 7 * 0.2
        + ((13 * i + 29 * s + 31 * m * (s + 1) * (i + 1)) % 19) / 19 * 0.2
    )
    return y[1], y[0]


def scores(
    generator: np.random.Generator, *, seeds: int = 5, items: int = 30, seed: float = 1.0, item: float = 1.0
) -> Matrix:
    """Draw a matrix with the given standard deviations of seed and item effects and a residual of 1."""
    return (
        generator.normal(0, 1, (seeds, items))
        + generator.normal(0, seed, (seeds, 1))
        + generator.normal(0, item, (1, items))
    )


def closed_form(d: Matrix) -> tuple[float, float]:
    """Return (V, nu) by the textbook formulas with their fallbacks, written out term by term."""
    n_seeds, n_items = d.shape
    squares = mean_squares(d)
    ms_s, ms_i, ms_e = squares.seed, squares.item, squares.residual
    if ms_s < ms_e and ms_i < ms_e:
        return ms_e / d.size, (n_seeds - 1) * (n_items - 1)
    if ms_s < ms_e:
        return ms_i / d.size, n_items - 1
    if ms_i < ms_e:
        return ms_s / d.size, n_seeds - 1
    numerator = ms_s + ms_i - ms_e
    parts = ms_s**2 / (n_seeds - 1) + ms_i**2 / (n_items - 1) + ms_e**2 / ((n_seeds - 1) * (n_items - 1))
    return numerator / d.size, numerator**2 / parts


def assert_same_test(first: Estimate, second: Estimate) -> None:
    for name in ("estimate", "standard_error", "degrees_of_freedom", "p", "low", "high"):
        assert getattr(first, name) == pytest.approx(getattr(second, name), rel=1e-9, abs=1e-14), name


def test_paired_toy_equals_lmertest() -> None:
    treatment, baseline = toy()
    result = crossed([treatment - baseline])
    assert result.estimate == pytest.approx(0.1569064707, abs=1e-9)
    assert result.standard_error == pytest.approx(0.0804045228, abs=1e-9)
    assert result.statistic == pytest.approx(1.9514632, abs=1e-7)
    assert result.degrees_of_freedom == pytest.approx(3.0919581, abs=1e-7)
    assert result.p == pytest.approx(0.1433290, abs=1e-7)


def test_unpaired_toy_equals_lmertest() -> None:
    treatment, baseline = toy()
    result = crossed_unpaired([treatment], [baseline])
    assert result.estimate == pytest.approx(0.1569064707, abs=1e-9)
    assert result.standard_error == pytest.approx(0.0659523921, abs=1e-9)
    assert result.statistic == pytest.approx(2.3790869, abs=1e-7)


def test_without_item_noise_the_unpaired_form_is_welchs_test_of_the_seeds() -> None:
    generator = np.random.default_rng(13)
    treatment, baseline = (generator.normal(0, sd, (5, 1)) for sd in (2.0, 0.3))
    result = crossed_unpaired([np.repeat(treatment, 6, axis=1)], [np.repeat(baseline, 6, axis=1)])
    oracle = peer.ttest_ind(treatment[:, 0], baseline[:, 0], equal_var=False)
    assert (result.statistic, result.degrees_of_freedom, result.p) == pytest.approx(
        (oracle.statistic, oracle.df, oracle.pvalue), rel=1e-9
    )


def test_unpaired_size_stays_near_nominal_where_one_methods_runs_vary_more() -> None:
    generator = np.random.default_rng(14)

    def null() -> Estimate:
        shared = generator.normal(0, 1, (1, 40))
        arms = [scores(generator, seeds=3, items=40, seed=sd, item=0.3) + shared for sd in (1.0, 0.1)]
        return crossed_unpaired([arms[0]], [arms[1]])

    rejected = np.mean([null().p < 0.05 for _ in range(2000)])
    # Pooled variances reject 10 %; 3 seeds leave a little above nominal.
    assert rejected < 0.08


def test_toy_has_the_frozen_bootstrap_variance() -> None:
    treatment, baseline = toy()
    assert pigeonhole_variance(treatment - baseline) == pytest.approx(0.005078959918887915, rel=1e-12)


def test_unpaired_toy_has_the_frozen_mean_squares() -> None:
    treatment, baseline = toy()
    arms = [mean_squares(treatment), mean_squares(baseline)]
    assert sum(arm.seed for arm in arms) / 2 == pytest.approx(0.1022452903, abs=1e-9)
    assert mean_squares(treatment - baseline).item / 2 == pytest.approx(0.0055560188, abs=1e-9)
    assert sum(arm.residual for arm in arms) / 2 == pytest.approx(0.0034080766, abs=1e-9)


@pytest.mark.parametrize(("seed", "item"), [(1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_one_stratum_equals_the_closed_form_in_every_branch(seed: float, item: float) -> None:
    generator = np.random.default_rng(11)
    branches = set()
    for _ in range(40):
        d = scores(generator, seeds=4, items=9, seed=seed, item=item)
        squares = mean_squares(d)
        branches.add((squares.seed < squares.residual, squares.item < squares.residual))
        variance, degrees_of_freedom = closed_form(d)
        result = crossed([d])
        assert result.standard_error**2 == pytest.approx(variance, rel=1e-12)
        assert result.degrees_of_freedom == pytest.approx(degrees_of_freedom, rel=1e-12)
    assert (seed == 0.0, item == 0.0) in branches


def test_p_and_interval_are_those_of_students_t() -> None:
    result = crossed([scores(np.random.default_rng(1)) + 0.5], confidence=0.9)
    t = peer.t(result.degrees_of_freedom)
    assert result.p == pytest.approx(2 * t.sf(abs(result.statistic)), rel=1e-12)
    assert result.high - result.estimate == pytest.approx(t.ppf(0.95) * result.standard_error, rel=1e-12)


def test_strata_follow_the_formula_for_items_of_their_own() -> None:
    generator = np.random.default_rng(2)
    strata = [scores(generator, items=n) for n in (12, 20, 7)]
    weights = np.array([0.5, 0.3, -0.8])
    seed_values = sum(w * d.mean(axis=1) for w, d in zip(weights, strata, strict=True))
    variance = np.var(seed_values, ddof=1) / 5
    for w, d in zip(weights, strata, strict=True):
        variance += w**2 * (d.mean(axis=0).var(ddof=1) / d.shape[1] - mean_squares(d).residual / d.size)
    result = crossed(strata, weights)
    assert result.standard_error**2 == pytest.approx(variance, rel=1e-12)
    assert result.estimate == pytest.approx(float(np.mean(seed_values)), rel=1e-12)
    assert (result.n_seeds, result.n_items) == (5, 39)


def test_equal_weights_are_the_default() -> None:
    strata = [scores(np.random.default_rng(seed)) for seed in (3, 4)]
    assert crossed(strata) == crossed(strata, [0.5, 0.5])


def test_a_weight_scales_the_effect_and_not_its_significance() -> None:
    d = scores(np.random.default_rng(5)) + 0.4
    once, twice = crossed([d]), crossed([d], [2.0])
    assert twice.estimate == pytest.approx(2 * once.estimate)
    assert twice.standard_error == pytest.approx(2 * once.standard_error)
    assert twice.p == pytest.approx(once.p)


def test_duplicating_a_parallel_language_does_not_shrink_the_standard_error() -> None:
    d = scores(np.random.default_rng(6))
    assert_same_test(crossed([macro_parallel([d, d, d])]), crossed([d]))


def test_no_number_of_languages_averages_the_seeds_away() -> None:
    generator = np.random.default_rng(7)
    seed_effects = generator.normal(0, 1, (5, 1))
    strata = [generator.normal(0, 0.1, (5, 20)) + seed_effects for _ in range(50)]
    floor = float(seed_effects.std(ddof=1)) / np.sqrt(5)
    assert crossed(strata).standard_error == pytest.approx(floor, rel=0.05)


def test_difference_in_differences_on_shared_items_is_taken_per_item() -> None:
    generator = np.random.default_rng(8)
    clean = scores(generator, item=5.0)
    adversarial = clean + generator.normal(0.2, 0.1, clean.shape)
    shared = crossed([macro_parallel([adversarial, clean], [1.0, -1.0])])
    assert_same_test(shared, crossed([adversarial - clean]))
    assert shared.standard_error < crossed([adversarial, clean], [1.0, -1.0]).standard_error / 5


def test_paired_arms_are_the_test_of_their_differences() -> None:
    generator = np.random.default_rng(9)
    treatment, baseline = scores(generator), scores(generator)
    assert_same_test(crossed_paired([treatment], [baseline]), crossed([treatment - baseline]))


def test_paired_arms_report_the_correlation_of_their_seeds() -> None:
    treatment, baseline = toy()
    expected = np.corrcoef(treatment.mean(axis=1), baseline.mean(axis=1))[0, 1]
    assert crossed_paired([treatment], [baseline]).seed_correlation == pytest.approx(expected)
    assert crossed_unpaired([treatment], [baseline]).seed_correlation is None


def test_unequal_arms_keep_their_own_variances() -> None:
    generator = np.random.default_rng(10)
    treatment, baseline = scores(generator, seeds=4), scores(generator, seeds=7)
    within = [np.var(arm.mean(axis=1), ddof=1) / len(arm) for arm in (treatment, baseline)]
    items = np.var(treatment.mean(axis=0) - baseline.mean(axis=0), ddof=1) / 30
    residuals = [mean_squares(arm).residual / arm.size for arm in (treatment, baseline)]
    variance = sum(within) + items - sum(residuals)
    spread = sum(
        part**2 / degrees
        for part, degrees in zip([*within, items, *residuals], [3, 6, 29, 3 * 29, 6 * 29], strict=True)
    )
    result = crossed_unpaired([treatment], [baseline])
    assert result.standard_error**2 == pytest.approx(variance, rel=1e-12)
    assert result.degrees_of_freedom == pytest.approx(variance**2 / spread, rel=1e-12)
    assert result.n_seeds == 4


def test_unpaired_strata_reduce_to_one_stratum() -> None:
    generator = np.random.default_rng(12)
    treatment, baseline = scores(generator), scores(generator)
    other = np.zeros((5, 8))
    alone = crossed_unpaired([treatment], [baseline])
    assert_same_test(alone, crossed_unpaired([treatment, other], [baseline, other], [1.0, 0.0]))


def test_equal_strata_that_cancel_have_no_effect_however_their_means_round() -> None:
    result = crossed([np.full((5, 10), 0.1), np.full((5, 7), 0.1)], [1.0, -1.0])
    assert (result.estimate, result.p, result.statistic) == (0.0, 1.0, 0.0)
    arms = [np.full((5, 10), 0.1), np.full((5, 7), 0.1)]
    assert crossed_unpaired(arms, arms, [0.3, -0.7]).p == 1.0


def test_a_small_effect_beside_large_strata_stays_an_effect() -> None:
    result = crossed([np.full((5, 10), 0.1 + 1e-12), np.full((5, 7), 0.1)], [1.0, -1.0])
    assert result.estimate == pytest.approx(1e-12, rel=1e-3)


@pytest.mark.parametrize("paired", [True, False])
def test_no_difference_at_all_has_p_1_and_no_interval(paired: bool) -> None:
    same = [np.full((3, 4), 0.7)]
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        result = crossed_paired(same, same) if paired else crossed_unpaired(same, same)
    assert (result.p, result.statistic, result.low, result.high, result.mde) == (1.0, 0.0, 0.0, 0.0, 0.0)
    assert result.degrees_of_freedom == (2 if paired else 4)
    assert result.seed_correlation is None


@pytest.mark.parametrize("shape", [(3, 4), (5, 7), (10, 13)])
@pytest.mark.parametrize("constant", [-0.1, -0.7, -1 / 3, -1e-3])
def test_a_constant_difference_is_certain_in_this_sample(shape: tuple[int, int], constant: float) -> None:
    result = crossed([np.full(shape, constant)])
    assert (result.p, result.statistic, result.low) == (0.0, -np.inf, result.high)
    assert result.high == pytest.approx(constant)


def test_residual_noise_alone_never_looks_like_certainty() -> None:
    d = 1.0 + np.array([[0.5, -0.5, 0.5, -0.5], [-0.5, 0.5, -0.5, 0.5]])  # both means constant, cells are not
    result = crossed([d])
    assert result.standard_error > 0.0
    assert result.degrees_of_freedom == 3


@pytest.mark.parametrize(
    ("strata", "weights", "words"),
    [
        ([np.zeros((1, 5))], None, "at least 2 seeds.*got 1.*train more seeds"),
        ([np.zeros((5, 1))], None, "at least 2 items.*got 1.*score more items"),
        ([np.zeros(5)], None, r"\[seeds, items\]; got shape \(5,\)"),
        ([], None, "at least one stratum"),
        ([np.zeros((3, 4)), np.zeros((2, 4))], None, r"share their seeds; got \[3, 2\]"),
        ([np.zeros((3, 4))], [0.5, 0.5], "got 2 for 1"),
        ([np.zeros((3, 4))], [0.0], "not all be zero"),
        ([np.array([[1.0, np.nan], [0.0, 1.0]])], None, r"finite; got nan at \[0, 1\]"),
    ],
)
def test_unfit_strata_are_refused(strata: list[Matrix], weights: list[float] | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        crossed(strata, weights)


def test_arms_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="same items; got 4 and 5"):
        crossed_paired([np.zeros((3, 4))], [np.zeros((3, 5))])
    with pytest.raises(ValueError, match="pair one to one; got 3 and 2"):
        crossed_paired([np.zeros((3, 4))], [np.zeros((2, 4))])
    with pytest.raises(ValueError, match="same strata; got 1 and 2"):
        crossed_unpaired([np.zeros((3, 4))], [np.zeros((3, 4))] * 2)
    with pytest.raises(ValueError, match="share their items"):
        macro_parallel([np.zeros((3, 4)), np.zeros((3, 5))])


def test_variance_components_recover_what_was_drawn() -> None:
    components = variance_components(scores(np.random.default_rng(13), seeds=300, items=300, seed=2.0, item=0.5))
    assert components.seed == pytest.approx(4.0, rel=0.25)
    assert components.item == pytest.approx(0.25, rel=0.25)
    assert components.residual == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize(("seed", "item"), [(0.0, 1.0), (0.3, 1.0), (1.0, 0.3)])
def test_size_stays_near_nominal_whichever_component_dominates(seed: float, item: float) -> None:
    generator = np.random.default_rng(14)
    rejections = np.mean([crossed([scores(generator, seed=seed, item=item)]).p < 0.05 for _ in range(600)])
    assert 0.02 <= rejections <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)


def test_size_stays_near_nominal_over_strata_that_share_seeds() -> None:
    generator = np.random.default_rng(15)

    def null() -> Estimate:
        seed_effects = generator.normal(0, 0.4, (5, 1))
        return crossed([scores(generator, items=n, seed=0.2) + seed_effects for n in (10, 20, 40)])

    rejections = np.mean([null().p < 0.05 for _ in range(400)])
    assert 0.02 <= rejections <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_strata_in_one_pass_say_what_each_says_alone() -> None:
    generator = np.random.default_rng(16)
    strata = [scores(generator, items=30) for _ in range(4)]
    alone = [mean_squares(d).residual for d in strata]
    assert residual_squares(np.stack(strata)).tolist() == alone
    # Columns first in memory, a stratum is taken by itself: the same up to rounding.
    apart = crossed([np.asfortranarray(d) for d in strata])
    assert crossed(strata).standard_error == pytest.approx(apart.standard_error, rel=1e-12)
