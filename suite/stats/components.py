"""Mean squares of a seeds-by-items layout, its variance components, and how they combine to one variance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from suite.stats.checks import Matrix, Vector, as_matrix

Stack = NDArray[np.float64]
"""Matrices of one shape, [L, S seeds, n items]."""

# Sums of the same numbers in another order differ by rounding: such a tie must not decide the degrees of freedom.
TIE = 1.0 - 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSquares:
    """The two-way analysis of variance of a matrix [S seeds, n items] with one value per cell."""

    seed: float
    """n * sample variance of the seed means; S - 1 degrees of freedom."""
    item: float
    """S * sample variance of the item means; n - 1 degrees of freedom."""
    residual: float
    """What neither explains; (S - 1)(n - 1) degrees of freedom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceComponents:
    """Variances of the random parts of one score, in squared score units; none is negative."""

    seed: float
    item: float
    residual: float

    def __post_init__(self) -> None:
        if not min(self.seed, self.item, self.residual) >= 0.0:
            raise ValueError(f"variance components must not be negative; got {self}; set a negative estimate to 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One independent estimate of a part of a variance, with the degrees of freedom behind it."""

    variance: float
    degrees_of_freedom: float


def term(variance: float, degrees_of_freedom: float) -> Term:
    """Return a `Term`; the short form for formulas that list several."""
    return Term(variance=variance, degrees_of_freedom=degrees_of_freedom)


def sample_variance(values: Vector) -> float:
    """Return the unbiased variance of at least two values; exactly 0 where all are equal."""
    # Measured from the first value: the mean of equal values may round to another, which would leave a trace of spread.
    return float((values - values[0]).var(ddof=1))


def mean_squares(scores_SI: Matrix) -> MeanSquares:
    """Return the mean squares of a checked matrix [S, n] with S, n >= 2.

    Source: two-way layout without replication; the formulas of Clark 1973 for the quasi-F.
    """
    n_seeds, n_items = scores_SI.shape
    scores_SI = scores_SI - scores_SI[0, 0]  # so that a constant matrix leaves exact zeros, not rounding errors
    return MeanSquares(
        seed=n_items * sample_variance(scores_SI.mean(axis=1)),
        item=n_seeds * sample_variance(scores_SI.mean(axis=0)),
        residual=float(residual_squares(scores_SI[None])[0]),
    )


def residual_squares(scores_LSI: Stack) -> Vector:
    """Return the residual mean square of every matrix of a stack [L, S, n], [L]."""
    _, n_seeds, n_items = scores_LSI.shape
    scores_LSI = scores_LSI - scores_LSI[:, :1, :1]
    seed_means_LS, item_means_LI = scores_LSI.mean(axis=2), scores_LSI.mean(axis=1)
    means_L = seed_means_LS.mean(axis=1)
    residual_LSI = scores_LSI - seed_means_LS[:, :, None] - item_means_LI[:, None] + means_L[:, None, None]
    return np.asarray(np.square(residual_LSI).sum(axis=(1, 2)) / ((n_seeds - 1) * (n_items - 1)))


def variance_components(scores_SI: ArrayLike) -> VarianceComponents:
    """Return the seed, item and residual variances behind a matrix [seeds, items]; negative estimates become 0.

    Raises:
        ValueError: a matrix with fewer than two seeds or items, or not finite.

    Source: method of moments, E MS_seed = n var_seed + var_residual and E MS_item = S var_item + var_residual.
    """
    matrix = as_matrix(scores_SI, "scores")
    squares = mean_squares(matrix)
    n_seeds, n_items = matrix.shape
    return VarianceComponents(
        seed=max(squares.seed - squares.residual, 0.0) / n_items,
        item=max(squares.item - squares.residual, 0.0) / n_seeds,
        residual=squares.residual,
    )


def combine(
    *, seeds: Sequence[Term], items: Sequence[Term], residuals: Sequence[Sequence[Term]]
) -> tuple[float, float]:
    """Return the variance of a crossed estimate and its Satterthwaite degrees of freedom.

    `seeds` are the terms of the seed means (one, or one per arm), `items` one term per stratum, `residuals` the terms
    of each stratum's residual, which is contained once in the seeds' terms and once in the stratum's item term:

        V = max(sum seeds, sum residuals) + sum over strata of max(item - residual, 0)

    Each maximum says that a variance component is not negative. With one stratum this is (MS_s + MS_i - MS_e) / (S n),
    or MS_i / (S n) where MS_s < MS_e, or MS_s / (S n) where MS_i < MS_e, or MS_e / (S n) where both are. A variance of
    exactly 0 keeps the seeds' degrees of freedom.

    Source: Satterthwaite 1946; equal to lmerTest on balanced data away from the boundary.
    """
    blurs = [total(stratum) for stratum in residuals]
    seedless = total(seeds) < sum(blurs) * TIE
    signed = [(float(not seedless), seed) for seed in seeds]
    for item, residual, blur in zip(items, residuals, blurs, strict=True):
        itemless = item.variance < blur * TIE
        # +1 from each maximum whose residual side won, -1 from each subtraction that took place: at most one remains.
        sign = float(seedless) - float(not itemless)
        signed += [(float(not itemless), item), *((sign, part) for part in residual)]
    variance = max(sum(sign * part.variance for sign, part in signed), 0.0)
    if variance == 0.0:
        return 0.0, sum(seed.degrees_of_freedom for seed in seeds)
    return variance, variance**2 / sum((sign * part.variance) ** 2 / part.degrees_of_freedom for sign, part in signed)


def total(terms: Sequence[Term]) -> float:
    """Return the sum of the variances."""
    return sum(part.variance for part in terms)
