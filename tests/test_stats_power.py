"""Power and planning against R pwr, scipy's noncentral t and the reference planning table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as peer

from suite.stats import (
    VarianceComponents,
    crossed,
    crossed_variance,
    detection_power,
    minimum_detectable_effect,
    seeds_needed,
)
from suite.stats.power import Pairing


def test_pwr_paired_with_five_seeds() -> None:
    # pwr prints 1.682001: its root finder stops at 1.2e-4; statsmodels has 1.6819971, exact arithmetic 1.6819970.
    assert minimum_detectable_effect(1 / math.sqrt(5), 4) == pytest.approx(1.682001, abs=5e-6)
    assert minimum_detectable_effect(1 / math.sqrt(5), 4) == pytest.approx(1.681996966, abs=1e-9)


def test_pwr_unpaired_with_five_seeds() -> None:
    assert minimum_detectable_effect(math.sqrt(2 / 5), 8) == pytest.approx(2.024439, abs=1e-6)


@pytest.mark.parametrize(
    ("seeds", "paired", "unpaired"),
    [
        (3, 3.26, 3.07),
        (4, 2.13, 2.38),
        (5, 1.68, 2.02),
        (6, 1.44, 1.80),
        (8, 1.16, 1.51),
        (10, 1.00, 1.33),
        (20, 0.66, 0.91),
    ],
)
def test_detectable_effect_by_number_of_seeds(seeds: int, paired: float, unpaired: float) -> None:
    assert minimum_detectable_effect(seeds**-0.5, seeds - 1) == pytest.approx(paired, abs=0.006)
    assert minimum_detectable_effect((2 / seeds) ** 0.5, 2 * seeds - 2) == pytest.approx(unpaired, abs=0.006)


@pytest.mark.parametrize("degrees_of_freedom", [0.4, 1.0, 3.1, 8.0, 50.0, 5009.0])
@pytest.mark.parametrize("ratio", [0.0, 0.5, 2.8, 5.0])
def test_power_is_both_tails_of_scipys_noncentral_t(degrees_of_freedom: float, ratio: float) -> None:
    critical = peer.t.ppf(0.975, degrees_of_freedom)
    noncentral = peer.nct(degrees_of_freedom, ratio) if ratio else peer.t(degrees_of_freedom)
    expected = noncentral.sf(critical) + noncentral.cdf(-critical)
    assert detection_power(2 * ratio, 2.0, degrees_of_freedom) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("degrees_of_freedom", [0.34, 1.0, 2.0, 4.2, 30.0, 1e4, 1e7])
@pytest.mark.parametrize("wanted", [0.06, 0.5, 0.8, 0.99])
def test_power_at_the_detectable_effect_is_the_power_asked_for(degrees_of_freedom: float, wanted: float) -> None:
    effect = minimum_detectable_effect(0.3, degrees_of_freedom, power=wanted)
    assert detection_power(effect, 0.3, degrees_of_freedom) == pytest.approx(wanted, rel=1e-9)


def test_power_rises_with_the_effect_from_alpha_to_1() -> None:
    powers = [detection_power(effect, 1.0, 4.0) for effect in np.linspace(0, 60, 200)]
    assert powers[0] == pytest.approx(0.05)
    assert np.all(np.diff(powers) >= -1e-12)
    assert powers[-1] == pytest.approx(1.0)


def test_nothing_to_detect_where_chance_or_certainty_suffices() -> None:
    assert minimum_detectable_effect(0.0, 4.0) == 0.0
    assert minimum_detectable_effect(1.0, 4.0, power=0.04) == 0.0


@pytest.mark.parametrize(
    ("run_sd", "points"),
    [(0.3, (2.72, 2.22, 1.90, 1.74)), (0.8, (3.46, 2.65, 2.12, 1.86)), (1.5, (5.13, 3.66, 2.70, 2.18))],
)
def test_planning_table_of_two_thousand_items(run_sd: float, points: tuple[float, ...]) -> None:
    components = VarianceComponents(seed=(run_sd / 100) ** 2, item=0.25**2, residual=0.35**2)
    for seeds, expected in zip((3, 5, 10, 20), points, strict=True):
        variance, degrees_of_freedom = crossed_variance(components, seeds, 2000, seeds="unpaired")
        effect = 100 * minimum_detectable_effect(math.sqrt(variance), degrees_of_freedom)
        assert effect == pytest.approx(expected, abs=0.011)


def test_planned_variance_is_what_the_crossed_test_finds_on_average() -> None:
    generator = np.random.default_rng(0)
    components = VarianceComponents(seed=0.5, item=2.0, residual=1.0)

    def draw() -> float:
        d = generator.normal(0, 1, (6, 30)) + generator.normal(0, 0.5**0.5, (6, 1)) + generator.normal(0, 2**0.5, 30)
        return crossed([d]).standard_error ** 2

    planned, _ = crossed_variance(components, 6, 30)
    assert np.mean([draw() for _ in range(400)]) == pytest.approx(planned, rel=0.1)


@pytest.mark.parametrize("seeds", ["paired", "unpaired"])
def test_seeds_needed_are_the_fewest_that_suffice(seeds: Pairing) -> None:
    components = VarianceComponents(seed=0.015**2, item=0.1**2, residual=0.35**2)
    needed = seeds_needed(0.02, components, 2000, seeds=seeds)

    def reach(n_seeds: int) -> float:
        variance, degrees_of_freedom = crossed_variance(components, n_seeds, 2000, seeds=seeds)
        return minimum_detectable_effect(math.sqrt(variance), degrees_of_freedom)

    assert reach(needed) <= 0.02 < reach(needed - 1)


def test_items_bound_what_any_number_of_seeds_detects() -> None:
    components = VarianceComponents(seed=0.0, item=0.25, residual=0.0)
    with pytest.raises(ValueError, match=r"30 seeds on 100 items detect no less than 0\.14.*add items"):
        seeds_needed(0.01, components, 100, most=30)


def test_unfit_plans_are_refused() -> None:
    components = VarianceComponents(seed=0.1, item=0.1, residual=0.1)
    with pytest.raises(ValueError, match="at least 2 seeds"):
        crossed_variance(components, 1, 100)
    with pytest.raises(ValueError, match="must not be 0"):
        seeds_needed(0.0, components, 100)
    with pytest.raises(ValueError, match="degrees of freedom must be positive; got 0"):
        minimum_detectable_effect(1.0, 0.0)
    with pytest.raises(ValueError, match="standard error must be positive; got -1"):
        minimum_detectable_effect(-1.0, 4.0)
    with pytest.raises(ValueError, match="must not be negative"):
        VarianceComponents(seed=-0.1, item=0.1, residual=0.1)


@pytest.mark.parametrize(("degrees", "alpha"), [(0.5, 0.001), (1 / 3, 0.01)])
def test_fewer_than_one_degree_of_freedom_detect_at_once_what_is_found_that_often(degrees: float, alpha: float) -> None:
    smallest = minimum_detectable_effect(1.0, degrees, alpha=alpha)
    rng = np.random.default_rng(0)
    scales = np.sqrt(rng.chisquare(degrees, 200_000) / degrees)
    found = np.mean(np.abs(smallest + rng.normal(size=200_000)) > peer.t.isf(alpha / 2, degrees) * scales)
    assert found == pytest.approx(0.8, abs=0.005)
