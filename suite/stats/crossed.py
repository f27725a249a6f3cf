"""The crossed seed-by-item test (quasi-F): does the treatment beat the baseline for new seeds and new items?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from suite.stats.checks import Matrix, Vector, as_parallel, as_strata, as_weights, check_items
from suite.stats.components import Stack, Term, residual_squares, sample_variance, term
from suite.stats.estimate import Estimate, infer
from suite.stats.seeds import seed_correlation
from suite.stats.spread import Spread

# Sums of a few terms, and means of many by pairwise summation, are off by less than this many last digits.
_ROUNDINGS = 4


def crossed(
    strata: Sequence[ArrayLike],
    weights: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
    correlation: float | None = None,
) -> Estimate:
    """Test a weighted sum of mean differences whose seeds are paired, with seeds and items random.

    Each stratum is a matrix [S, n_l] of per-seed, per-item differences (treatment minus baseline). All strata share
    their seeds; items are independent between strata. The estimate is sum_l w_l mean(d_l); equal weights 1/L by
    default, so one matrix is one language and several are a macro-average over languages with texts of their own.
    Weights (1, -1) give a difference in differences over different items. Where the strata are the same items, such as
    translations, average them first with `macro_parallel`.
    `correlation` is passed on to the result as its `seed_correlation`.

    Raises:
        ValueError: fewer than two seeds or items, unequal seeds, weights that do not match, or values not finite.

    Source: Clark 1973 (quasi-F) with Satterthwaite 1946; see `components.combine` for negative components. With one
    stratum equal to lmerTest on `d ~ 1 + (1|seed) + (1|item)`.
    """
    matrices = as_strata(strata, "strata")
    weights_L = as_weights(weights, len(matrices))
    seed_values_S, spread = _spread(matrices, weights_L)
    n_seeds = len(seed_values_S)
    sizes = [abs(float(w * matrix.mean())) for matrix, w in zip(matrices, weights_L, strict=True)]
    variance, degrees_of_freedom = spread.at(n_seeds)
    return infer(
        _effect(float(seed_values_S.mean()), sizes),
        variance,
        degrees_of_freedom,
        test="crossed-paired",
        n_seeds=n_seeds,
        n_items=_count_items(matrices),
        confidence=confidence,
        seed_correlation=correlation,
    )


def crossed_paired(
    treatment: Sequence[ArrayLike],
    baseline: Sequence[ArrayLike],
    weights: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
) -> Estimate:
    """Test treatment against baseline where row s of both arms is one seed: `crossed` on the differences.

    Strata [S, n_l] as in `crossed`, one list per arm. The result carries the arms' correlation over seeds.

    Raises:
        ValueError: arms that differ in strata, seeds or items, and whatever `crossed` refuses.
    """
    left, right = as_strata(treatment, "treatment"), as_strata(baseline, "baseline")
    check_items(left, right)
    weights_L = as_weights(weights, len(left))
    correlation = seed_correlation(_seed_values(left, weights_L), _seed_values(right, weights_L))
    differences = [arm - other for arm, other in zip(left, right, strict=True)]
    return crossed(differences, weights_L, confidence=confidence, correlation=correlation)


def crossed_unpaired(
    treatment: Sequence[ArrayLike],
    baseline: Sequence[ArrayLike],
    weights: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
) -> Estimate:
    """Test treatment against baseline where the arms' seeds have nothing in common, on the same items.

    Strata [S_arm, n_l], one list per arm; the arms may differ in seeds. Each keeps its own seed and residual variance
    and the degrees of freedom behind it, as in Welch's test: one method's runs may vary more than the other's.

    Raises:
        ValueError: arms that differ in strata or items, fewer than two seeds or items, or values not finite.

    Source: Welch 1947 in `crossed`. With one stratum and equal seeds effect and standard error are those of lmerTest on
    `y ~ method + (1|item) + (1|item:method) + (1|run)`, whose degrees of freedom take the arms' variances for equal.
    """
    arms = as_strata(treatment, "treatment"), as_strata(baseline, "baseline")
    check_items(*arms)
    weights_L = as_weights(weights, len(arms[0]))
    values, spread = _spread_of_arms(arms, weights_L)
    variance, degrees_of_freedom = spread.at(spread.n_seeds)
    return infer(
        _effect(float(values[0].mean() - values[1].mean()), [float(abs(arm_S.mean())) for arm_S in values]),
        variance,
        degrees_of_freedom,
        test="crossed-unpaired",
        n_seeds=min(map(len, values)),
        n_items=_count_items(arms[0]),
        confidence=confidence,
    )


def spread_of(strata: Sequence[ArrayLike], weights: ArrayLike | None = None) -> Spread:
    """Return what the variance of `crossed` on the same strata is made of: precision at other numbers of seeds.

    Raises:
        ValueError: whatever `crossed` refuses.
    """
    matrices = as_strata(strata, "strata")
    return _spread(matrices, as_weights(weights, len(matrices)))[1]


def spread_of_arms(
    treatment: Sequence[ArrayLike], baseline: Sequence[ArrayLike], weights: ArrayLike | None = None
) -> Spread:
    """Return what the variance of `crossed_unpaired` on the same arms is made of.

    Raises:
        ValueError: whatever `crossed_unpaired` refuses.
    """
    arms = as_strata(treatment, "treatment"), as_strata(baseline, "baseline")
    check_items(*arms)
    return _spread_of_arms(arms, as_weights(weights, len(arms[0])))[1]


def macro_parallel(strata: Sequence[ArrayLike], weights: ArrayLike | None = None) -> Matrix:
    """Return sum_l w_l d_l as one matrix [S, n] for strata that are the same n items, such as translations.

    Equal weights 1/L by default (the macro-average over languages); weights (1, -1) give the per-item difference
    between a perturbed subset and its clean originals. `crossed` on the result keeps the items shared, as they are.

    Raises:
        ValueError: strata of different shapes, weights that do not match, or values not finite.
    """
    matrices = as_parallel(strata, "strata")
    return _weighted_sum(matrices, as_weights(weights, len(matrices)))


def _spread(matrices: Sequence[Matrix], weights_L: Vector) -> tuple[Vector, Spread]:
    """Return the effect of every seed and the terms of the effect's variance."""
    stacks = _stacks(matrices)
    seed_values_S = _weighted_sum([means_S for stack in stacks for means_S in stack.mean(axis=2)], weights_L)
    item_means = [means_I for stack in stacks for means_I in stack.mean(axis=1)]
    n_seeds = len(seed_values_S)
    return seed_values_S, Spread(
        n_seeds=n_seeds,
        n_items=_count_items(matrices),
        seeds=(term(sample_variance(seed_values_S) / n_seeds, n_seeds - 1),),
        items=tuple(_mean_term(means_I, w) for means_I, w in zip(item_means, weights_L, strict=True)),
        residuals=tuple((part,) for part in _residual_terms(stacks, weights_L)),
    )


def _spread_of_arms(arms: tuple[Sequence[Matrix], Sequence[Matrix]], weights_L: Vector) -> tuple[list[Vector], Spread]:
    """Return the mean of every seed of either arm and the terms of the variance of their difference."""
    values = [_seed_values(arm, weights_L) for arm in arms]
    item_differences = [left.mean(axis=0) - right.mean(axis=0) for left, right in zip(*arms, strict=True)]
    residuals = zip(*(_residual_terms(_stacks(arm), weights_L) for arm in arms), strict=True)
    return values, Spread(
        n_seeds=min(map(len, values)),
        n_items=_count_items(arms[0]),
        seeds=tuple(term(sample_variance(arm_S) / len(arm_S), len(arm_S) - 1) for arm_S in values),
        items=tuple(_mean_term(mean_I, w) for mean_I, w in zip(item_differences, weights_L, strict=True)),
        residuals=tuple(residuals),
    )


def _seed_values(matrices: Sequence[Matrix], weights_L: Vector) -> Vector:
    return _weighted_sum([matrix.mean(axis=1) for matrix in matrices], weights_L)


def _weighted_sum(arrays: Sequence[NDArray[np.float64]], weights_L: Vector) -> NDArray[np.float64]:
    # Term by term rather than by a matrix product, which may round equal columns differently.
    result = np.zeros_like(arrays[0])
    for array, weight in zip(arrays, weights_L, strict=True):
        result += weight * array
    return result


def _effect(effect: float, sizes: Sequence[float]) -> float:
    """Return the effect, 0 where it is no more than what rounding leaves of terms of these sizes that cancel."""
    return effect if abs(effect) > _ROUNDINGS * np.finfo(np.float64).eps * sum(sizes) else 0.0


def _mean_term(item_means_I: Vector, weight: float) -> Term:
    n_items = len(item_means_I)
    return term(float(weight**2) * sample_variance(item_means_I) / n_items, n_items - 1)


def _residual_terms(stacks: Sequence[Stack], weights_L: Vector) -> list[Term]:
    squares = [(float(square), stack.shape[1:]) for stack in stacks for square in residual_squares(stack)]
    return [
        term(float(weight**2) * square / (n_seeds * n_items), (n_seeds - 1) * (n_items - 1))
        for (square, (n_seeds, n_items)), weight in zip(squares, weights_L, strict=True)
    ]


def _stacks(matrices: Sequence[Matrix]) -> list[Stack]:
    """Return strata of one shape as one array [L, S, n], else each as an array of its own."""
    # Only row by row in memory: sums over other layouts run in another order, and so would round otherwise.
    alike = len({matrix.shape for matrix in matrices}) == 1 and all(matrix.flags.c_contiguous for matrix in matrices)
    return [np.stack(matrices)] if alike and len(matrices) > 1 else [matrix[None] for matrix in matrices]


def _count_items(matrices: Sequence[Matrix]) -> int:
    return sum(matrix.shape[1] for matrix in matrices)
