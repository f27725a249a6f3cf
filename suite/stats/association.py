"""Does a change of alignment go with a change of transfer? Between languages, and within a language over seeds."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from suite.naming import unknown
from suite.stats.checks import Vector, as_pair

Indices = NDArray[np.intp]
Cells = NDArray[np.float64]

CORRELATIONS = ("pearson", "spearman")


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """How transfer moves with alignment, with a permutation p that respects what is shared."""

    unit: Literal["language", "seed"]
    slope: float
    """Transfer per unit of alignment, least squares through the centred cells."""
    correlation: float
    method: str
    p: float
    """Two-sided."""
    permutations: int
    """Arrangements looked at, the observed one included."""
    exact: bool
    """True where these were all there are."""
    n_scales: int
    n_seeds: int
    n_languages: int


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """Return the product-moment correlation of two vectors [n].

    Raises:
        ValueError: different lengths, fewer than two values, no spread, or values not finite.
    """
    left, right = as_pair(x, y, ("x", "y"), least=2)
    return _moments(left - left.mean(), right - right.mean())[1]


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Return the rank correlation of two vectors [n]; ties share their mean rank.

    Raises:
        ValueError: different lengths, fewer than two values, no spread, or values not finite.
    """
    left, right = as_pair(x, y, ("x", "y"), least=2)
    return pearson(ranks(left), ranks(right))


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Return the ranks 1..n of all values, in their shape; ties share their mean rank."""
    array = np.asarray(values, dtype=np.float64)
    _, inverse, counts = np.unique(array, return_inverse=True, return_counts=True)
    mean_ranks: Vector = np.cumsum(counts) - (counts - 1) / 2.0
    return mean_ranks[inverse].reshape(array.shape)


def between_languages(
    alignment: ArrayLike,
    transfer: ArrayLike,
    *,
    generator: np.random.Generator,
    permutations: int = 9999,
    method: str = "pearson",
) -> Association:
    """Relate the languages' mean changes, each model scale's own mean removed; the language is the unit.

    Both arrays are [seeds, languages] or [scales, seeds, languages] of treatment minus baseline at matched seeds.
    Language labels are permuted jointly for all scales: a language is one observation however often it was measured.
    All L! arrangements are taken if there are no more than `permutations`. With "spearman" the centred cells' ranks
    correlate; the slope stays in score units. Languages are not randomised: this describes, and is never evidence of
    mediation.

    Raises:
        ValueError: arrays that differ in shape, fewer than three languages, no spread, or an unknown method.

    Source: simulated size 4 % where correlating all cells rejects 49 to 96 %.
    """
    if method not in CORRELATIONS:
        raise ValueError(unknown("correlation", method, CORRELATIONS))
    x_KSL, y_KSL = _as_cells(alignment, transfer)
    _, n_seeds, n_languages = x_KSL.shape
    if n_languages < 3:
        raise ValueError(f"a between-language slope needs at least 3 languages; got {n_languages}; add languages")
    x_KL, y_KL = (_centre(cells.mean(axis=1), axis=1) for cells in (x_KSL, y_KSL))
    slope, correlation = _moments(x_KL, y_KL)
    if method == "spearman":
        x_KL, y_KL = (_centre(ranks(cells), axis=None) for cells in (x_KL, y_KL))
        correlation = _moments(x_KL, y_KL)[1]
    orders_BL, exact = _arrangements(n_languages, 1, permutations, generator)
    statistics_B = np.einsum("kl,kbl->b", x_KL, y_KL[:, orders_BL[:, 0]])
    p = _permutation_p(statistics_B, x_KL, y_KL, exact)
    return Association(
        unit="language",
        slope=slope,
        correlation=correlation,
        method=method,
        p=p,
        permutations=len(orders_BL) + (not exact),
        exact=exact,
        n_scales=len(x_KSL),
        n_seeds=n_seeds,
        n_languages=n_languages,
    )


def within_languages(
    alignment: ArrayLike, transfer: ArrayLike, *, generator: np.random.Generator, permutations: int = 9999
) -> Association:
    """Relate the seeds' changes around each (scale, language) mean; the seed is the unit.

    Arrays as in `between_languages`. Seeds are permuted within a scale, jointly for all its languages, because one
    checkpoint serves them all. All (S!)^K arrangements are taken if there are no more than `permutations`.

    Raises:
        ValueError: arrays that differ in shape, fewer than three seeds, or no spread over seeds.

    Source: Mundlak's within estimator; simulated size 5.7 to 6 %.
    """
    x_KSL, y_KSL = _as_cells(alignment, transfer)
    n_scales, n_seeds, n_languages = x_KSL.shape
    if n_seeds < 3:
        raise ValueError(f"a within-language slope needs at least 3 seeds; got {n_seeds}; train more seeds")
    x_KSL, y_KSL = _centre(x_KSL, axis=1), _centre(y_KSL, axis=1)
    slope, correlation = _moments(x_KSL, y_KSL)
    orders_BKS, exact = _arrangements(n_seeds, n_scales, permutations, generator)
    # products_Ktu: seed t's alignment against seed u's transfer, summed over languages; a permutation picks u for t.
    products_Ktu = np.einsum("ktl,kul->ktu", x_KSL, y_KSL)
    picked_BKS = products_Ktu[np.arange(n_scales)[:, None], np.arange(n_seeds)[None, :], orders_BKS]
    p = _permutation_p(picked_BKS.sum(axis=(1, 2)), x_KSL, y_KSL, exact)
    return Association(
        unit="seed",
        slope=slope,
        correlation=correlation,
        method="pearson",
        p=p,
        permutations=len(orders_BKS) + (not exact),
        exact=exact,
        n_scales=n_scales,
        n_seeds=n_seeds,
        n_languages=n_languages,
    )


def _as_cells(alignment: ArrayLike, transfer: ArrayLike) -> tuple[Cells, Cells]:
    arrays = [np.asarray(values, dtype=np.float64) for values in (alignment, transfer)]
    if arrays[0].shape != arrays[1].shape or arrays[0].ndim not in (2, 3):
        raise ValueError(
            "alignment and transfer must both be [seeds, languages] or [scales, seeds, languages]; "
            f"got {arrays[0].shape} and {arrays[1].shape}; keep the cells that both have"
        )
    for name, values in zip(("alignment", "transfer"), arrays, strict=True):
        if not np.isfinite(values).all():
            raise ValueError(
                f"{name} must be finite; got {np.count_nonzero(~np.isfinite(values))} NaN or infinite cells"
            )
    first, second = (values if values.ndim == 3 else values[None] for values in arrays)
    return first, second


def _centre(cells: Cells, *, axis: int | None) -> Cells:
    """Return the cells minus their mean over an axis, spread below rounding error set to exactly 0."""
    centred = cells - cells.mean(axis=axis, keepdims=True)
    rounding = 8.0 * np.finfo(np.float64).eps * float(np.abs(cells).max(initial=0.0))
    return np.where(np.abs(centred) <= rounding, 0.0, centred)


def _moments(x: Cells, y: Cells) -> tuple[float, float]:
    """Return slope and correlation of centred cells."""
    across, spread_x, spread_y = (float((a * b).sum()) for a, b in ((x, y), (x, x), (y, y)))
    if not (spread_x and spread_y):
        raise ValueError(
            f"an association needs spread in both; got sums of squares {spread_x:.3g} and {spread_y:.3g}; "
            "leave out the metric that does not vary"
        )
    return across / spread_x, min(1.0, max(-1.0, across / math.sqrt(spread_x) / math.sqrt(spread_y)))


def _arrangements(size: int, groups: int, limit: int, generator: np.random.Generator) -> tuple[Indices, bool]:
    """Return orders [B, groups, size]: all of them, the identity included, if at most `limit`; else `limit` drawn."""
    if math.factorial(size) ** groups <= limit:
        every = list(itertools.permutations(range(size)))
        return np.array(list(itertools.product(every, repeat=groups)), dtype=np.intp), True
    identity = np.broadcast_to(np.arange(size, dtype=np.intp), (limit, groups, size))
    return generator.permuted(identity, axis=-1), False


def _permutation_p(statistics_B: Vector, x: Cells, y: Cells, exact: bool) -> float:
    """Return the share of arrangements as extreme as the observed one, which joins those drawn.

    Source: Phipson & Smyth 2010: (r + 1) / (B + 1).
    """
    observed = abs(float((x * y).sum()))
    # Sums of the same terms in another order differ by rounding only: they are ties, not less extreme.
    slack = 1e-12 * math.sqrt(float((x * x).sum()) * float((y * y).sum()))
    extreme = int(np.count_nonzero(np.abs(statistics_B) >= observed - slack))
    return extreme / statistics_B.size if exact else (extreme + 1) / (statistics_B.size + 1)
