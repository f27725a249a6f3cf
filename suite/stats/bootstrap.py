"""The two-way (seeds x items) pigeonhole bootstrap, for metrics such as macro-F1 that are no mean over items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from suite.stats.checks import Items, Matrix, Vector, are_shared, as_matrix
from suite.stats.components import sample_variance
from suite.stats.estimate import Estimate, infer

SeedStatistic = Callable[[Matrix], Matrix]
"""Maps integer item weights [B, n] (as float64, each row summing to n) to one value per resample and seed [B, S]."""

_Stratum = TypeVar("_Stratum")

# 2^19 weights of 4 bytes are 2 MiB: rows enough for the matrix product to run at full speed, still near the cache.
_WEIGHTS_PER_BLOCK = 1 << 19
# 2^14 counters of 8 bytes are 128 KiB: counted in the near caches, and many short rows in one go.
_DRAWS_AT_ONCE = 1 << 14
# Whole numbers below 2^24 add up in float32 without rounding, in whatever order.
_EXACT_IN_FLOAT32 = 1 << 24


def pigeonhole(
    statistic: SeedStatistic,
    n_items: int,
    *,
    generator: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """Test the mean over seeds of a per-seed statistic of the items, with seeds and items both resampled.

    `statistic` gives, for item weights [B, n], the effect of every seed [B, S]: for instance the macro-F1 of the
    treatment minus that of the baseline at the same seed, each from its weighted confusion matrix. A macro-average over
    parallel languages is taken inside it. Metrics of summed counts have `counted_paired`, which needs no function of
    weights.

    Raises:
        ValueError: fewer than two seeds, items or resamples, or a statistic that is not finite or of the wrong shape.

    Source: Owen 2007; Sellam et al. 2022 (Multi-Bootstrap); see `calibrate` for the variance and Student's t.
    """
    seed_values_S = _evaluate(statistic, np.ones((1, _at_least_two(n_items, "items"))))[0]
    n_seeds = _at_least_two(seed_values_S.size, "seeds")
    replicates_B = pigeonhole_replicates(statistic, n_seeds, n_items, generator=generator, resamples=resamples)
    return calibrate(replicates_B, seed_values_S, [n_items], confidence=confidence)


def calibrate(
    replicates_B: Vector,
    seed_values_S: Vector,
    sizes: Sequence[int],
    *,
    confidence: float = 0.95,
    correlation: float | None = None,
) -> Estimate:
    """Return the t-calibrated estimate behind pigeonhole replicates of the mean of `seed_values_S`.

    The bootstrap variance is inflated by S / (S - 1) and the interval uses Student's t: percentile intervals are too
    narrow at few seeds (11 % false positives at 5). Satterthwaite degrees of freedom weigh the seeds' share of the
    variance, S - 1, against the remainder, which has at least those of the smallest stratum, min n_l - 1.

    Source: the inflation undoes the factor 1 - 1/S of the seed part; Satterthwaite 1946.
    """
    n_seeds = seed_values_S.size
    variance = sample_variance(replicates_B) * n_seeds / (n_seeds - 1)
    from_seeds = min(sample_variance(seed_values_S) / n_seeds, variance)
    spread = from_seeds**2 / (n_seeds - 1) + (variance - from_seeds) ** 2 / (min(sizes) - 1)
    return infer(
        float(seed_values_S.mean()),
        variance,
        variance**2 / spread if spread else n_seeds - 1,
        test="pigeonhole-bootstrap-t",
        n_seeds=n_seeds,
        n_items=sum(sizes),
        confidence=confidence,
        seed_correlation=correlation,
    )


def pigeonhole_replicates(
    statistic: SeedStatistic, n_seeds: int, n_items: int, *, generator: np.random.Generator, resamples: int
) -> Vector:
    """Return `resamples` values of the seed-weighted mean of `statistic`, seeds and items drawn independently.

    The same generator state gives the same values whatever the size of the blocks worked on.

    Raises:
        ValueError: fewer than two seeds, items or resamples, or a statistic that is not finite or of the wrong shape.
    """
    _at_least_two(n_items, "items")
    seed_weights_BS = draw_seeds(n_seeds, generator=generator, resamples=resamples)
    values, start = [], 0
    for weights_BI in _item_weights(n_items, generator, resamples):
        weights_BS = seed_weights_BS[start : start + len(weights_BI)]
        values_BS = _evaluate(statistic, weights_BI.astype(np.float64))
        if values_BS.shape != weights_BS.shape:
            raise ValueError(
                f"the statistic must return [resamples, seeds] = {weights_BS.shape}; got {values_BS.shape}; "
                "keep one column per seed"
            )
        values.append((weights_BS * values_BS).sum(axis=1) / n_seeds)
        start += len(weights_BI)
    return np.concatenate(values)


def draw_seeds(n_seeds: int, *, generator: np.random.Generator, resamples: int) -> Matrix:
    """Return how often each seed is drawn [B, S], each row summing to S: drawn once, shared by all languages.

    Raises:
        ValueError: fewer than two seeds or resamples.
    """
    rows, size = _at_least_two(resamples, "resamples"), _at_least_two(n_seeds, "seeds")
    return _draw_weights(rows, size, generator).astype(np.float64)


def group_by_items(strata: Sequence[_Stratum], items: Items | Sequence[int]) -> list[list[_Stratum]]:
    """Return the languages that are resampled together: all of them where they share their items, else each alone.

    Numbers instead of a word say it language by language: those of one number share their items.

    Raises:
        ValueError: an unknown word for `items`, or another number of numbers than of languages.
    """
    if not isinstance(items, str):
        groups: dict[int, list[_Stratum]] = {}
        for number, stratum in zip(items, strata, strict=True):
            groups.setdefault(number, []).append(stratum)
        return list(groups.values())
    return [list(strata)] if are_shared(items) else [[stratum] for stratum in strata]


def weighted_totals(columns_NC: ArrayLike, *, generator: np.random.Generator, resamples: int) -> Iterator[Matrix]:
    """Yield blocks [b, C] of `resamples` rows in all: the sums of each column over n items drawn with replacement.

    All columns share the draws, so one matrix product serves every language, seed and count. Sums of whole numbers
    below 2^24 are exact: they depend neither on the size of the blocks nor on the number of threads.
    """
    for (totals_BC,) in joint_totals([columns_NC], generator=generator, resamples=resamples):
        yield totals_BC


def joint_totals(
    families: Sequence[ArrayLike], *, generator: np.random.Generator, resamples: int
) -> Iterator[list[Matrix]]:
    """Yield `weighted_totals` of several arrays [n, C] of the same n items, drawn once for all of them."""
    narrow = [_narrow(np.asarray(columns_NC)) for columns_NC in families]
    for weights_BI in _item_weights(len(narrow[0]), generator, resamples):
        yield [(weights_BI @ columns_NC).astype(np.float64, copy=False) for columns_NC in narrow]


def pigeonhole_variance(scores_SI: ArrayLike) -> float:
    """Return the exact variance of the pigeonhole bootstrap of the mean of a matrix [S seeds, n items].

    Raises:
        ValueError: a matrix with fewer than two seeds or items, or not finite.

    Source: Owen 2007, theorem 2, written for centred scores; not inflated.
    """
    centred_SI = as_matrix(scores_SI, "scores")
    centred_SI = centred_SI - centred_SI.mean()
    n_seeds, n_items = centred_SI.shape
    seeds = (1.0 - 1.0 / n_items) * np.square(centred_SI.mean(axis=1)).sum() / n_seeds**2
    items = (1.0 - 1.0 / n_seeds) * np.square(centred_SI.mean(axis=0)).sum() / n_items**2
    return float(seeds + items + np.square(centred_SI).sum() / (n_seeds * n_items) ** 2)


def _item_weights(n_items: int, generator: np.random.Generator, resamples: int) -> Iterator[NDArray[np.float32]]:
    block = max(1, _WEIGHTS_PER_BLOCK // n_items)
    for start in range(0, resamples, block):
        yield _draw_weights(min(block, resamples - start), n_items, generator)


def _draw_weights(rows: int, size: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Return how often each of `size` units is drawn in `size` draws with replacement, one resample a row."""
    weights_BU = np.empty((rows, size), dtype=np.float32)
    step = max(1, _DRAWS_AT_ONCE // size)
    offsets_B = np.arange(step)[:, None] * size
    for start in range(0, rows, step):
        block_BU = weights_BU[start : start + step]
        drawn_BU = generator.integers(size, size=block_BU.shape)
        drawn_BU += offsets_B[: len(block_BU)]
        block_BU[:] = np.bincount(drawn_BU.ravel(), minlength=block_BU.size).reshape(block_BU.shape)
    return weights_BU


def _narrow(columns_NC: NDArray[np.generic]) -> NDArray[np.float32] | NDArray[np.float64]:
    """Return the columns as float32 where every resampled sum is exact in it, else as float64."""
    wide_NC = columns_NC.astype(np.float64, copy=False)
    largest = len(wide_NC) * np.abs(wide_NC).max(initial=0.0)
    whole = np.issubdtype(columns_NC.dtype, np.integer) or bool((wide_NC == np.rint(wide_NC)).all())
    return wide_NC.astype(np.float32) if whole and largest < _EXACT_IN_FLOAT32 else wide_NC


def _evaluate(statistic: SeedStatistic, weights_BI: Matrix) -> NDArray[np.float64]:
    values = np.asarray(statistic(weights_BI), dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(
            f"the statistic must return [resamples, seeds]; got shape {values.shape}; keep one column per seed"
        )
    if not np.isfinite(values).all():
        raise ValueError(
            "the statistic must be finite in every resample; got NaN or infinity; define it for absent classes"
        )
    return values


def _at_least_two(size: int, unit: str) -> int:
    if size < 2:
        raise ValueError(f"the pigeonhole bootstrap needs at least 2 {unit}; got {size}; add {unit}")
    return size
