"""What an experiment of a given size can detect: noncentral-t power, smallest detectable effect, seeds needed."""

from __future__ import annotations

import math
from typing import Literal

from scipy.special import chdtri, nctdtr, nctdtrinc, stdtrit

from suite.stats.checks import as_level
from suite.stats.components import VarianceComponents, combine, term

Pairing = Literal["paired", "unpaired"]

# 2^-48: bisection stops at a relative width of 4e-15.
_HALVINGS = 48
# Taking a unit of noise for nothing beside as many is off by its square, 1e-8; less than one degree of freedom goes so.
_BEYOND_NOISE = 1e4


def detection_power(effect: float, standard_error: float, degrees_of_freedom: float, *, alpha: float = 0.05) -> float:
    """Return the probability that a two-sided t test of size `alpha` rejects when the true effect is `effect`.

    `effect` and `standard_error` share one unit (for example accuracy points); the result lies in [alpha, 1].

    Raises:
        ValueError: a standard error or degrees of freedom that are not positive, or alpha outside (0, 1).

    Source: noncentral t with noncentrality |effect| / standard_error, both tails counted, as in R `pwr` (strict).
    """
    _check_precision(standard_error, degrees_of_freedom)
    return _rejection(abs(effect) / standard_error, degrees_of_freedom, _critical(degrees_of_freedom, alpha))


def minimum_detectable_effect(
    standard_error: float, degrees_of_freedom: float, *, power: float = 0.8, alpha: float = 0.05
) -> float:
    """Return the smallest effect that a two-sided t test of size `alpha` finds with probability `power`.

    In the unit of `standard_error`; 0 when that is 0, or when chance alone rejects that often (power <= alpha).

    Raises:
        ValueError: a negative standard error, degrees of freedom not positive, or power or alpha outside (0, 1).

    Source: the inverse of `detection_power` in the noncentrality, by bisection below the one-tailed solution.
    """
    if standard_error == 0.0 or as_level(power, "power") <= as_level(alpha, "alpha"):
        return 0.0
    _check_precision(standard_error, degrees_of_freedom)
    return standard_error * _noncentrality(degrees_of_freedom, power, alpha)


def crossed_variance(
    components: VarianceComponents, n_seeds: int, n_items: int, *, seeds: Pairing = "paired"
) -> tuple[float, float]:
    """Return the expected variance of a planned design's mean difference, and its Satterthwaite degrees of freedom.

    `n_seeds` counts seeds per arm. For "paired" the components are those of the paired differences; for "unpaired" the
    seed and residual components are those of one arm, and the item component that of the arms' per-item difference.
    Both arms are planned alike, which gives their seeds 2(S - 1) degrees of freedom; arms that turn out to differ have
    fewer, down to S - 1.

    Raises:
        ValueError: fewer than two seeds or items.

    Source: expected mean squares of the crossed layout put into Satterthwaite 1946.
    """
    if min(n_seeds, n_items) < 2:
        raise ValueError(f"a design needs at least 2 seeds and 2 items; got {n_seeds} and {n_items}; plan more")
    arms = 1 if seeds == "paired" else 2
    residual = arms * components.residual / (n_seeds * n_items)
    seed_degrees = arms * (n_seeds - 1)
    return combine(
        seeds=[term(arms * components.seed / n_seeds + residual, seed_degrees)],
        items=[term(components.item / n_items + residual, n_items - 1)],
        residuals=[[term(residual, seed_degrees * (n_items - 1))]],
    )


def seeds_needed(
    effect: float,
    components: VarianceComponents,
    n_items: int,
    *,
    seeds: Pairing = "paired",
    power: float = 0.8,
    alpha: float = 0.05,
    most: int = 1000,
) -> int:
    """Return the fewest seeds per arm with which the crossed test finds `effect` with probability `power`.

    Raises:
        ValueError: an effect of zero, or one that `most` seeds do not reach because the items alone blur it.
    """
    if effect == 0.0:
        raise ValueError("the effect to detect must not be 0; got 0; state the smallest difference that matters")
    smallest = math.inf
    for n_seeds in range(2, most + 1):
        variance, degrees_of_freedom = crossed_variance(components, n_seeds, n_items, seeds=seeds)
        smallest = minimum_detectable_effect(math.sqrt(variance), degrees_of_freedom, power=power, alpha=alpha)
        if smallest <= abs(effect):
            return n_seeds
    raise ValueError(
        f"{most} seeds on {n_items} items detect no less than {smallest:.4g}; asked for {abs(effect):.4g}; add items"
    )


def _noncentrality(degrees_of_freedom: float, power: float, alpha: float) -> float:
    critical = _critical(degrees_of_freedom, alpha)
    # Beside effects as large as these a unit of noise is nothing: only the estimate of its size is left to chance. The
    # series of the noncentral t would take hours over them.
    without_noise = critical * math.sqrt(float(chdtri(degrees_of_freedom, 1.0 - power)) / degrees_of_freedom)
    if without_noise > _BEYOND_NOISE:
        return without_noise
    low, high = 0.0, float(nctdtrinc(degrees_of_freedom, 1.0 - power, critical))
    # The opposite tail adds power, so the two-tailed answer lies below; the inverse itself is good to 1e-6 only.
    high *= 1.0 + 1e-4
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _rejection(middle, degrees_of_freedom, critical) < power else (low, middle)
    return high


def _critical(degrees_of_freedom: float, alpha: float) -> float:
    return float(stdtrit(degrees_of_freedom, 1.0 - as_level(alpha, "alpha") / 2.0))


def _rejection(noncentrality: float, degrees_of_freedom: float, critical: float) -> float:
    below, opposite = (float(nctdtr(degrees_of_freedom, noncentrality, side)) for side in (critical, -critical))
    # The series turns into NaN instead of 0 where a tail has fallen below 1e-90.
    return 1.0 - (0.0 if math.isnan(below) else below) + (0.0 if math.isnan(opposite) else opposite)


def _check_precision(standard_error: float, degrees_of_freedom: float) -> None:
    if not standard_error > 0.0:
        raise ValueError(f"the standard error must be positive; got {standard_error}; no variance means no power curve")
    if not degrees_of_freedom > 0.0:
        raise ValueError(f"degrees of freedom must be positive; got {degrees_of_freedom}; add seeds or items")
