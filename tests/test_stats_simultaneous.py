"""Max-t over languages: the plain t test for one, no price for copies, Sidak's for strangers, and its size."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats as peer

from suite.stats import Simultaneous, bonferroni, max_t, max_t_each

Matrix = NDArray[np.float64]


def languages(
    generator: np.random.Generator,
    *,
    count: int = 6,
    seeds: int = 5,
    items: int = 200,
    seed: float = 0.1,
    shared: float = 0.7,
) -> Matrix:
    """Draw differences [L, S, n]: a residual of 1, item effects of .5, and seed effects with correlation `shared`."""
    seed_effects = np.sqrt(shared) * generator.normal(0, seed, (1, seeds, 1))
    seed_effects = seed_effects + np.sqrt(1 - shared) * generator.normal(0, seed, (count, seeds, 1))
    item_effects = generator.normal(0, 0.35, (1, 1, items)) + generator.normal(0, 0.35, (count, 1, items))
    return np.asarray(seed_effects + item_effects + generator.normal(0, 1, (count, seeds, items)))


def family(d: Matrix | list[Matrix], *, confidence: float = 0.95, resamples: int = 4000, seed: int = 1) -> Simultaneous:
    return max_t(d, generator=np.random.default_rng(seed), resamples=resamples, confidence=confidence)


@pytest.mark.parametrize("dominant", ["seeds", "items"])
@pytest.mark.parametrize("t", [0.5, 2.0, 2.5, 3.0])
def test_one_language_is_the_plain_t_test(dominant: str, t: float) -> None:
    generator = np.random.default_rng(0)
    sd = (1.0, 1e-3) if dominant == "seeds" else (0.0, 1.0)
    d = generator.normal(0, sd[0], (5, 1)) + generator.normal(0, sd[1], (1, 300)) + generator.normal(0, 1e-4, (5, 300))
    d -= d.mean()
    result = family([d + t * family([d]).estimates[0].standard_error])
    plain = result.estimates[0]
    assert plain.statistic == pytest.approx(t, rel=1e-6)
    assert result.adjusted_p[0] == pytest.approx(plain.p, abs=1e-3)
    assert result.low[0] == pytest.approx(plain.low, abs=0.02 * plain.standard_error)
    assert result.level == pytest.approx(0.05, abs=1e-3)


def test_between_seeds_and_items_one_language_is_never_below_the_plain_t_test() -> None:
    generator = np.random.default_rng(1)
    for _ in range(20):
        result = family(languages(generator, count=1, seed=0.2) + 0.3, resamples=400)
        assert result.adjusted_p[0] >= result.estimates[0].p


def test_copies_of_a_language_cost_nothing() -> None:
    d = languages(np.random.default_rng(2), count=1) + 0.1
    one, many = family(d), family(np.repeat(d, 10, axis=0))
    assert many.adjusted_p == one.adjusted_p * 10
    assert many.low == pytest.approx(one.low * 10)
    assert many.high == pytest.approx(one.high * 10)


def test_strangers_cost_what_sidak_says() -> None:
    # Items alone differ, and those of one language say nothing of another's.
    d = np.random.default_rng(3).normal(0, 1, (8, 1, 2000)) + np.zeros((8, 2, 2000))
    d += (2.6 - d.mean(axis=(1, 2)) * np.sqrt(2000))[:, None, None] / np.sqrt(2000)
    result = family(d, resamples=20_000)
    for estimate, adjusted in zip(result.estimates, result.adjusted_p, strict=True):
        sidak = 1 - (1 - estimate.p) ** 8
        assert adjusted == pytest.approx(sidak, abs=4 * np.sqrt(sidak / 20_000) + 0.002)
    assert result.level == pytest.approx(1 - 0.95 ** (1 / 8), rel=0.08)


def test_adjusted_p_lies_between_the_p_of_one_and_bonferronis() -> None:
    d = languages(np.random.default_rng(4), seed=1.0) + np.linspace(0, 30, 6)[:, None, None]
    result = family(d)
    shares = [m.mean(axis=1).var(ddof=1) / 5 / e.standard_error**2 for m, e in zip(d, result.estimates, strict=True)]
    assert min(shares) > 0.95
    p = np.array([e.p for e in result.estimates])
    assert np.all(np.array(result.adjusted_p) >= p)
    assert np.all(np.array(result.adjusted_p) <= bonferroni(np.minimum(1.2 * p, 1.0)))
    assert 0.05 / 6 <= result.level <= 0.05


def test_far_beyond_the_resamples_p_is_bonferronis() -> None:
    d = languages(np.random.default_rng(5), seed=0.0) + 3.0
    assert max(family(d, resamples=100).adjusted_p) < 1e-3


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_interval_excludes_zero_exactly_where_adjusted_p_is_at_most_alpha(confidence: float) -> None:
    generator = np.random.default_rng(6)
    verdicts = set()
    for _ in range(8):
        d = languages(generator) + np.linspace(0, 0.6, 6)[:, None, None]
        result = family(d, confidence=confidence, resamples=500)
        for p, low, high in zip(result.adjusted_p, result.low, result.high, strict=True):
            assert (p <= 1 - confidence) == (not low <= 0.0 <= high)
            verdicts.add(p <= 1 - confidence)
    assert verdicts == {True, False}


def test_order_of_languages_and_sign_of_the_effect_do_not_matter() -> None:
    d = languages(np.random.default_rng(7)) + 0.2
    order = [3, 1, 5, 0, 2, 4]
    result = family(d)
    assert family(d[order]).adjusted_p == tuple(result.adjusted_p[i] for i in order)
    mirrored = family(-d)
    assert mirrored.adjusted_p == result.adjusted_p
    assert mirrored.low == pytest.approx([-high for high in result.high])


def test_same_generator_same_result() -> None:
    d = languages(np.random.default_rng(8))
    assert family(d, resamples=300) == family(d.copy(), resamples=300)
    assert family(d, resamples=300) != family(d, resamples=300, seed=2)


def test_languages_may_have_items_of_their_own() -> None:
    generator = np.random.default_rng(9)
    strata = [languages(generator, count=1, items=n)[0] for n in (50, 200)]
    result = max_t(strata, items="separate", generator=generator, resamples=500)
    assert [e.n_items for e in result.estimates] == [50, 200] and len(result.adjusted_p) == 2


def test_languages_without_spread_stand_aside() -> None:
    d = np.zeros((3, 4, 5))
    d[1] = 0.25
    d[2] = np.random.default_rng(10).normal(0, 1, (4, 5))
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        result = family(d, resamples=200)
    alone = family(d[2:], resamples=200)
    assert result.adjusted_p[:2] == (1.0, 0.0)
    assert result.adjusted_p[2] == pytest.approx(alone.adjusted_p[0], abs=0.01)
    assert (result.low[1], result.high[1]) == (0.25, 0.25)


def test_the_critical_value_is_students_at_the_level_where_seeds_dominate() -> None:
    d = np.random.default_rng(11).normal(0, 1, (3, 5, 1)) + np.random.default_rng(12).normal(0, 1e-5, (3, 5, 100))
    result = family(d)
    assert result.critical == pytest.approx([float(peer.t(4).ppf(1 - result.level / 2))] * 3, rel=1e-3)


@pytest.mark.parametrize("seed", [0.05, 0.2], ids=["items dominate", "both matter"])
def test_a_false_claim_anywhere_has_the_stated_probability(seed: float) -> None:
    generator = np.random.default_rng(13)
    false = [
        min(max_t(languages(generator, seed=seed), generator=generator, resamples=500).adjusted_p) <= 0.05
        for _ in range(300)
    ]
    assert np.mean(false) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_a_confidence_outside_0_and_1_is_refused() -> None:
    with pytest.raises(ValueError, match=r"confidence must lie strictly between 0 and 1; got 1\.5"):
        family(np.zeros((2, 3, 4)), confidence=1.5)


def test_families_tested_together_say_what_each_says_alone() -> None:
    families = [languages(np.random.default_rng(n)) for n in (20, 21)]
    together = max_t_each(families, generator=np.random.default_rng(1), resamples=400)
    assert together == [family(d, resamples=400) for d in families]
