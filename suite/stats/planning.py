"""Planning from finished runs: what each number of seeds detects, what an effect needs, when seeds stop helping."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from suite.stats.checks import Matrix, Vector, as_level, as_strata, as_weights, check_items
from suite.stats.components import VarianceComponents, mean_squares, sample_variance
from suite.stats.power import Pairing, crossed_variance, detection_power, minimum_detectable_effect, seeds_needed
from suite.stats.spread import MOST_SEEDS

# More seeds stop helping where the detectable effect is within a tenth of its limit.
_NEAR_LIMIT = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedsNeeded:
    """The fewest seeds per arm that find an effect, or why no number of them does."""

    effect: float
    seeds: int | None
    reason: str | None
    """One line where `seeds` is None."""

    def __post_init__(self) -> None:
        if (self.seeds is None) == (self.reason is None):
            raise ValueError(f"either seeds or the reason for none; got {self.seeds} and {self.reason!r}; drop one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a design detects by its number of seeds; effects are in score units (0.021 is 2.1 points)."""

    components: VarianceComponents
    n_items: int
    pairing: Pairing
    power: float
    alpha: float
    effects: tuple[float, ...]
    seeds: tuple[int, ...]
    detectable: tuple[float, ...]
    """Smallest effect found with the wanted power, one per entry of `seeds`."""
    powers: tuple[tuple[float, ...], ...]
    """Probability to find an effect: a row per entry of `effects`, a column per entry of `seeds`."""
    needed: tuple[SeedsNeeded, ...]
    """One per entry of `effects`."""
    limit: float
    """Smallest effect that any number of seeds finds on so many items; 0 where items add no noise of their own."""
    enough_seeds: int | None
    """Seeds at which `detectable` is within 10 % of `limit`; None where a thousand are not enough."""


def plan(
    components: VarianceComponents,
    n_items: int,
    *,
    pairing: Pairing,
    effects: Sequence[float],
    seeds: Sequence[int],
    power: float = 0.8,
    alpha: float = 0.05,
) -> Plan:
    """Return what the crossed test on `n_items` items detects with each number of seeds per arm.

    Components as `crossed_variance` takes them for the pairing; `components_of` and `components_of_arms` take them
    from finished runs.

    Raises:
        ValueError: no variance at all, effects that are not positive, seeds that do not rise from at least 2, fewer
            than two items, or power or alpha that do not satisfy 0 < alpha < power < 1.
    """
    if not max(components.seed, components.item, components.residual) > 0.0:
        raise ValueError(f"a plan needs some variance; got {components}; take components from runs that differ")
    check_plan(effects, seeds, power, alpha)
    precisions = [_precision(components, count, n_items, pairing) for count in seeds]
    limit = minimum_detectable_effect(math.sqrt(components.item / n_items), n_items - 1, power=power, alpha=alpha)
    find = partial(_needed, components=components, n_items=n_items, pairing=pairing, power=power, alpha=alpha)
    return Plan(
        components=components,
        n_items=n_items,
        pairing=pairing,
        power=power,
        alpha=alpha,
        effects=tuple(effects),
        seeds=tuple(seeds),
        detectable=tuple(minimum_detectable_effect(*known, power=power, alpha=alpha) for known in precisions),
        powers=tuple(tuple(detection_power(e, *known, alpha=alpha) for known in precisions) for e in effects),
        needed=tuple(find(effect, limit=limit) for effect in effects),
        limit=limit,
        enough_seeds=find(_NEAR_LIMIT * limit, limit=limit).seeds,
    )


def components_of(strata: Sequence[ArrayLike], weights: ArrayLike | None = None) -> tuple[VarianceComponents, int]:
    """Return the variance components behind `crossed` on the same strata, and the number of items they refer to.

    Strata [S, n_l] of paired differences and weights as in `crossed`; translations are joined by `macro_parallel`
    first. `crossed_variance` of both results at the S seen is the squared standard error of `crossed`: the plan starts
    from what was measured. With several strata the items are those of all, in the shares they have, and the degrees of
    freedom count them as one sample. Plan with pairing "paired".

    Raises:
        ValueError: whatever `crossed` refuses.

    Source: the variance in `components.combine`, solved for its seed, item and residual parts.
    """
    matrices = as_strata(strata, "strata")
    weights_L = as_weights(weights, len(matrices))
    squares = [mean_squares(matrix) for matrix in matrices]
    return _join(
        sample_variance(_seed_values(matrices, weights_L)),
        items=[part.item / len(matrices[0]) for part in squares],
        blurs=[part.residual / len(matrices[0]) for part in squares],
        residuals=[part.residual for part in squares],
        sizes=[matrix.shape[1] for matrix in matrices],
        weights_L=weights_L,
    )


def components_of_arms(
    treatment: Sequence[ArrayLike], baseline: Sequence[ArrayLike], weights: ArrayLike | None = None
) -> tuple[VarianceComponents, int]:
    """Return the variance components behind `crossed_unpaired` on the same arms, and their number of items.

    Seed and residual components are those of one arm, averaged over both; the item component is that of the arms'
    per-item difference. With as many seeds in each arm, `crossed_variance` at that number is the squared standard error
    of `crossed_unpaired`. Plan with pairing "unpaired".

    Raises:
        ValueError: whatever `crossed_unpaired` refuses.
    """
    arms = as_strata(treatment, "treatment"), as_strata(baseline, "baseline")
    check_items(*arms)
    weights_L = as_weights(weights, len(arms[0]))
    residuals = [[mean_squares(matrix).residual for matrix in pair] for pair in zip(*arms, strict=True)]
    return _join(
        sum(sample_variance(_seed_values(arm, weights_L)) for arm in arms) / 2.0,
        items=[sample_variance(left.mean(axis=0) - right.mean(axis=0)) for left, right in zip(*arms, strict=True)],
        blurs=[sum(part / len(arm[0]) for part, arm in zip(pair, arms, strict=True)) for pair in residuals],
        residuals=[sum(pair) / 2.0 for pair in residuals],
        sizes=[matrix.shape[1] for matrix in arms[0]],
        weights_L=weights_L,
    )


def _join(
    seed_variance: float,
    *,
    items: Sequence[float],
    blurs: Sequence[float],
    residuals: Sequence[float],
    sizes: Sequence[int],
    weights_L: Vector,
) -> tuple[VarianceComponents, int]:
    """Return components on the items of all strata; `blurs` are what residuals add to the variances `items`."""
    total = sum(sizes)
    # A stratum adds w^2 variance / n_l to the variance of the effect; on `total` items that reads share * variance.
    shares_L = weights_L**2 * total / np.asarray(sizes, dtype=np.float64)
    residual = float(shares_L @ np.asarray(residuals))
    item = float(shares_L @ np.maximum(np.asarray(items) - np.asarray(blurs), 0.0))
    seed = max(seed_variance - residual / total, 0.0)
    return VarianceComponents(seed=seed, item=item, residual=residual), total


def _seed_values(matrices: Sequence[Matrix], weights_L: Vector) -> Vector:
    values = np.zeros(len(matrices[0]))
    for matrix, weight in zip(matrices, weights_L, strict=True):
        values += weight * matrix.mean(axis=1)
    return values


def _precision(components: VarianceComponents, n_seeds: int, n_items: int, pairing: Pairing) -> tuple[float, float]:
    variance, degrees_of_freedom = crossed_variance(components, n_seeds, n_items, seeds=pairing)
    return math.sqrt(variance), degrees_of_freedom


def _needed(
    effect: float,
    *,
    limit: float,
    components: VarianceComponents,
    n_items: int,
    pairing: Pairing,
    power: float,
    alpha: float,
) -> SeedsNeeded:
    precision = _precision(components, MOST_SEEDS, n_items, pairing)
    if minimum_detectable_effect(*precision, power=power, alpha=alpha) <= effect:
        count = seeds_needed(effect, components, n_items, seeds=pairing, power=power, alpha=alpha, most=MOST_SEEDS)
        return SeedsNeeded(effect=effect, seeds=count, reason=None)
    reason = f"more than {MOST_SEEDS} seeds per arm would be needed; make runs vary less"
    if effect <= limit:
        reason = f"{n_items} items alone blur it: no number of seeds detects less than {limit:.4g}; add items"
    return SeedsNeeded(effect=effect, seeds=None, reason=reason)


def check_plan(effects: Sequence[float], seeds: Sequence[int], power: float, alpha: float) -> None:
    """Refuse what no plan can answer.

    Raises:
        ValueError: effects that are not positive, seeds that do not rise from at least 2, or power or alpha that do not
            satisfy 0 < alpha < power < 1.
    """
    if not as_level(alpha, "alpha") < as_level(power, "power"):
        raise ValueError(
            f"power must exceed alpha; got {power} and {alpha}; chance alone rejects with probability alpha"
        )
    wrong = [effect for effect in effects if not 0.0 < effect < math.inf]
    if wrong:
        raise ValueError(f"effects to detect must be positive; got {wrong[0]}; a two-sided test has no direction")
    if not seeds or seeds[0] < 2 or any(low >= high for low, high in pairwise(seeds)):
        raise ValueError(f"numbers of seeds must rise from at least 2; got {list(seeds)}; for example 3, 5, 10")
