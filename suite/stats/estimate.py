"""What every test hands back: an effect, its precision, p-value and interval, and what it could have detected."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

from suite.stats.checks import as_level
from suite.stats.power import minimum_detectable_effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An effect (treatment minus baseline) in score units, with everything a table row needs."""

    estimate: float
    standard_error: float
    statistic: float
    """t = estimate / standard_error; 0 when both are 0, infinite when only the standard error is."""
    degrees_of_freedom: float
    p: float
    """Two-sided, not adjusted for multiplicity."""
    low: float
    high: float
    confidence: float
    n_seeds: int
    """Seeds per arm; of the smaller arm where they differ."""
    n_items: int
    """Items over all strata; 1 where each seed yields one number."""
    test: str
    seed_correlation: float | None
    """Pearson correlation of the two arms over shared seeds; None where seeds are unpaired or it is undefined."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.p <= 1.0:
            raise ValueError(f"p must lie in [0, 1]; got {self.p}; check the variance and degrees of freedom")
        if not self.low <= self.estimate <= self.high:
            raise ValueError(f"the interval must hold the estimate; got {self.estimate} in [{self.low}, {self.high}]")

    @property
    def mde(self) -> float:
        """Smallest true effect found with 80 % power at alpha = 1 - confidence, given this precision."""
        return minimum_detectable_effect(self.standard_error, self.degrees_of_freedom, alpha=1.0 - self.confidence)


def infer(
    effect: float,
    variance: float,
    degrees_of_freedom: float,
    *,
    test: str,
    n_seeds: int,
    n_items: int,
    confidence: float = 0.95,
    seed_correlation: float | None = None,
) -> Estimate:
    """Return the `Estimate` of an effect whose squared standard error is `variance`, by Student's t.

    No variance at all is taken as the limit of t: a zero effect has p = 1 and interval [0, 0]; any other effect has an
    infinite statistic, p = 0 and an interval of one point, and its mde is 0: the sample shows no noise to measure by.

    Raises:
        ValueError: a negative or NaN variance, degrees of freedom not positive, or a confidence outside (0, 1).
    """
    if not (math.isfinite(effect) and 0.0 <= variance < math.inf and degrees_of_freedom > 0.0):
        raise ValueError(
            f"an effect needs a finite value, a variance >= 0 and degrees of freedom > 0; got {effect}, {variance}, "
            f"{degrees_of_freedom}; check the scores for overflow"
        )
    standard_error = math.sqrt(variance)
    statistic = _ratio(effect, standard_error)
    margin = standard_error * float(stdtrit(degrees_of_freedom, (1.0 + as_level(confidence, "confidence")) / 2.0))
    return Estimate(
        estimate=effect,
        standard_error=standard_error,
        statistic=statistic,
        degrees_of_freedom=degrees_of_freedom,
        p=min(1.0, 2.0 * float(stdtr(degrees_of_freedom, -abs(statistic)))),
        low=effect - margin,
        high=effect + margin,
        confidence=confidence,
        n_seeds=n_seeds,
        n_items=n_items,
        test=test,
        seed_correlation=seed_correlation,
    )


def _ratio(effect: float, standard_error: float) -> float:
    if standard_error:
        return effect / standard_error
    return math.copysign(math.inf, effect) if effect else 0.0
