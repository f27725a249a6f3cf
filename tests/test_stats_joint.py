"""The joint bootstrap against its closed form, language by language and between languages."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from suite.stats import bootstrap as module
from suite.stats import joint_replicates, joint_replicates_each, pigeonhole_replicates, pigeonhole_variance
from suite.stats.checks import Items

Matrix = NDArray[np.float64]

RESAMPLES = 20_000
KINDS: tuple[Items, ...] = ("shared", "separate")


def differences(generator: np.random.Generator, languages: int = 3, seeds: int = 5, items: int = 40) -> Matrix:
    """Draw differences of correctness, -1, 0 or 1: seeds and items matter, and are shared by the languages."""
    effects = generator.normal(0, 0.5, (seeds, 1)) + generator.normal(0, 0.5, (1, items))
    return np.asarray(np.clip(np.rint(effects + generator.normal(0, 0.6, (languages, seeds, items))), -1, 1))


def draw(d_LSN: Matrix | list[Matrix], items: Items = "shared", resamples: int = RESAMPLES, seed: int = 1) -> Matrix:
    return joint_replicates(d_LSN, items=items, generator=np.random.default_rng(seed), resamples=resamples)


@pytest.mark.parametrize("items", KINDS)
def test_every_language_has_the_closed_forms_variance_and_its_own_mean(items: Items) -> None:
    d = differences(np.random.default_rng(0))
    replicates = draw(d, items)
    assert replicates.shape == (RESAMPLES, 3)
    for column, matrix in zip(replicates.T, d, strict=True):
        variance = pigeonhole_variance(matrix)
        assert np.var(column) == pytest.approx(variance, rel=4 * np.sqrt(2 / RESAMPLES))
        assert np.mean(column) == pytest.approx(matrix.mean(), abs=4 * np.sqrt(variance / RESAMPLES))


def test_one_language_is_the_pigeonhole_bootstrap_of_its_mean() -> None:
    d = differences(np.random.default_rng(2))[0]
    alone = pigeonhole_replicates(
        lambda weights_BI: weights_BI @ d.T / d.shape[1], 5, 40, generator=np.random.default_rng(1), resamples=200
    )
    assert draw([d], resamples=200)[:, 0] == pytest.approx(alone, rel=1e-12)


def test_parallel_languages_move_as_their_sum_does() -> None:
    d = differences(np.random.default_rng(3), languages=2)
    replicates = draw(d)
    assert draw([d[0] + d[1]])[:, 0] == pytest.approx(replicates.sum(axis=1), abs=1e-12)
    assert np.array_equal(*draw(np.stack([d[0], d[0]])).T)


def test_separate_languages_share_their_seeds_and_nothing_else() -> None:
    d = differences(np.random.default_rng(4))[0]
    replicates = draw([d, d], "separate")
    # Given the seeds' weights w, both columns have the mean sum_s w_s mean_s / S: its variance is their covariance.
    covariance = np.square(d.mean(axis=1) - d.mean()).sum() / 5**2
    spread = pigeonhole_variance(d) / np.sqrt(RESAMPLES)
    assert np.cov(replicates.T)[0, 1] == pytest.approx(covariance, abs=5 * spread)
    assert not np.array_equal(*replicates.T)


def test_separate_languages_may_differ_in_their_items() -> None:
    generator = np.random.default_rng(5)
    strata = [differences(generator, items=n)[0] for n in (10, 50)]
    for column, matrix in zip(draw(strata, "separate").T, strata, strict=True):
        assert np.var(column) == pytest.approx(pigeonhole_variance(matrix), rel=4 * np.sqrt(2 / RESAMPLES))


@pytest.mark.parametrize("items", KINDS)
@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_blocks_change_no_bit_of_whole_numbers(items: Items, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    d = differences(np.random.default_rng(6))
    whole = draw(d, items, resamples=101)
    monkeypatch.setattr(module, "_WEIGHTS_PER_BLOCK", 40 * rows)
    monkeypatch.setattr(module, "_DRAWS_AT_ONCE", 13 * rows)
    assert np.array_equal(draw(d, items, resamples=101), whole)
    assert draw(d / 3, items, resamples=101) == pytest.approx(whole / 3, abs=1e-15)


def test_threads_change_no_bit_of_whole_numbers() -> None:
    limits = pytest.importorskip("threadpoolctl").threadpool_limits
    d = differences(np.random.default_rng(7), languages=15, items=1000)
    with limits(1):
        one = draw(d, resamples=300)
    with limits(2):
        assert np.array_equal(draw(d, resamples=300), one)


def test_numbers_too_large_for_float32_lose_nothing() -> None:
    d = differences(np.random.default_rng(8))
    large = d * 9_999_991 + 1  # a prime: products do not fit into the 24 bits of a float32
    assert draw(large, resamples=50) == pytest.approx(draw(d, resamples=50) * 9_999_991 + 1, rel=1e-14)


@pytest.mark.parametrize(
    ("d", "items", "words"),
    [
        ([np.zeros((3, 4)), np.zeros((3, 5))], "shared", r"share their items; got shapes \(3, 4\) and \(3, 5\)"),
        ([np.zeros((3, 4)), np.zeros((2, 4))], "separate", r"share their seeds; got \[3, 2\]"),
        ([np.zeros((1, 4))], "shared", "at least 2 seeds"),
        ([np.full((3, 4), np.nan)], "shared", "finite; got nan"),
        ([np.zeros((3, 4))], "sharde", "did you mean 'shared'"),
        ([], "shared", "at least one stratum"),
    ],
)
def test_unfit_differences_are_refused(d: list[Matrix], items: Items, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        joint_replicates(d, items=items, generator=np.random.default_rng(0), resamples=10)


def test_one_resample_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 resamples; got 1"):
        draw(np.zeros((2, 3, 4)), resamples=1)


@pytest.mark.parametrize("items", KINDS)
@pytest.mark.parametrize("scale", [1.0, 1 / 3])
def test_families_drawn_together_get_what_each_gets_alone(items: Items, scale: float) -> None:
    families = [scale * differences(np.random.default_rng(n)) for n in (7, 8, 9)]
    together = joint_replicates_each(families, items=items, generator=np.random.default_rng(1), resamples=101)
    for family, replicates in zip(families, together, strict=True):
        assert np.array_equal(replicates, draw(family, items, resamples=101))


def test_families_of_other_shapes_are_refused() -> None:
    families = [differences(np.random.default_rng(7), seeds=seeds) for seeds in (5, 6)]
    with pytest.raises(ValueError, match="one shape"):
        joint_replicates_each(families, generator=np.random.default_rng(1), resamples=10)
