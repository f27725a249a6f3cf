"""Max-t over languages: p-values and intervals that hold for all languages at once and use how they move together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from suite.stats.checks import Items, Matrix, Vector, as_level, as_strata
from suite.stats.components import sample_variance
from suite.stats.crossed import crossed
from suite.stats.estimate import Estimate
from suite.stats.joint import Strata, joint_replicates_each

# Levels are halved in log space between 1 and 1e-200, below which the quantiles of t overflow: 460 / 2^60 is 4e-16.
_HALVINGS = 60
_SMALLEST_LEVEL = 1e-200


@dataclass(frozen=True, slots=True, kw_only=True)
class Simultaneous:
    """A family of L languages tested together; all tuples are in the order given."""

    estimates: tuple[Estimate, ...]
    """The crossed test of each language on its own, not adjusted."""
    adjusted_p: tuple[float, ...]
    """Two-sided; below alpha = 1 - confidence exactly where the simultaneous interval excludes 0."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    """All L true effects lie in their intervals at once with probability `confidence`."""
    critical: tuple[float, ...]
    """Half-widths of the intervals in standard errors."""
    level: float
    """What each language is tested at so that the family errs with probability alpha: from alpha / L up to alpha."""
    confidence: float
    resamples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tails:
    """What Student's t of one language is made of."""

    share: float
    """Of the variance: what the seeds' means show, at most 1."""
    seed_degrees: int
    item_degrees: int

    def critical(self, level: float) -> float:
        """Return the two-sided critical value of the studentised effect at a level in (0, 1]."""
        seeds, items = (float(-stdtrit(degrees, level / 2.0)) for degrees in (self.seed_degrees, self.item_degrees))
        return self.share * seeds + (1.0 - self.share) * items

    def p(self, statistic: float) -> float:
        """Return the level at which |statistic| is critical; 1 at 0, and 0 below 1e-200."""
        low, high = np.log(_SMALLEST_LEVEL), 0.0
        if self.critical(_SMALLEST_LEVEL) <= abs(statistic):
            return 0.0
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if self.critical(np.exp(middle)) <= abs(statistic) else (middle, high)
        return float(np.exp(high))


def max_t(
    differences: Strata,
    *,
    items: Items = "shared",
    generator: np.random.Generator,
    resamples: int = 10_000,
    confidence: float = 0.95,
) -> Simultaneous:
    """Test every language's mean difference so that any false claim in the family has probability alpha.

    `differences` as in `joint_replicates`: [L, S, n], or one matrix [S, n_l] per language; seeds are paired.

    1. Each language is studentised by its crossed standard error: t_l = estimate / sqrt(V_l).
    2. Student's t is calibrated by what V_l is made of: the critical value at a level is r q(S - 1) + (1 - r) q(n - 1),
       with q the quantiles of t and r the seeds' share of V_l. Inverted, it gives p_l. The Satterthwaite t of
       `crossed` agrees where seeds or items dominate; between them, at the small levels a family needs, it rejects too
       often (2.6 times at level .0033 with 5 seeds that make up .9 of V), because seeds that differ little by chance
       bring both a small V_l and many degrees of freedom.
    3. How the languages move together comes from the joint bootstrap: |deviation from the estimate| of each resample
       becomes its rank within its language, from 1 / B for the largest, and the smallest rank over languages is kept.
       Ranks need neither the inflation S / (S - 1) nor a standard error: both are factors of a whole column.
    4. The adjusted p of a language is the share of resamples whose smallest rank is at most p_l, at least p_l and at
       most L p_l (Bonferroni); the intervals are those at the level where it would be alpha.

    Raises:
        ValueError: whatever `joint_replicates` and `crossed` refuse, or a confidence outside (0, 1).

    Source: Westfall & Young 1993, single-step min-p, which is max-t where languages share their degrees of freedom;
    step 2 Cochran & Cox 1957, section 4.14.
    """
    families = [differences]
    return max_t_each(families, items=items, generator=generator, resamples=resamples, confidence=confidence)[0]


def max_t_each(
    families: Sequence[Strata],
    *,
    items: Items = "shared",
    generator: np.random.Generator,
    resamples: int = 10_000,
    confidence: float = 0.95,
) -> list[Simultaneous]:
    """Return `max_t` of every family, what each gives alone with this generator: seeds and items are drawn once.

    Raises:
        ValueError: families that differ in seeds, languages or items, and whatever `max_t` refuses.
    """
    as_level(confidence, "confidence")
    checked = [as_strata(list(family), "differences") for family in families]
    found = joint_replicates_each(checked, items=items, generator=generator, resamples=resamples)
    return [_max_t(*family, confidence) for family in zip(checked, found, strict=True)]


def _max_t(strata: Sequence[Matrix], replicates_BL: Matrix, confidence: float) -> Simultaneous:
    estimates = tuple(crossed([matrix], confidence=confidence) for matrix in strata)
    tails = [_tails(matrix, estimate) for matrix, estimate in zip(strata, estimates, strict=True)]
    p_L = np.array([tail.p(estimate.statistic) for tail, estimate in zip(tails, estimates, strict=True)])
    smallest_B = _smallest_ranks(_deviations(replicates_BL, estimates))
    level = _level(smallest_B, 1.0 - confidence, len(strata))
    critical = tuple(tail.critical(level) for tail in tails)
    margins = [c * estimate.standard_error for c, estimate in zip(critical, estimates, strict=True)]
    return Simultaneous(
        estimates=estimates,
        adjusted_p=tuple(_adjust(p_L, smallest_B).tolist()),
        low=tuple(estimate.estimate - margin for estimate, margin in zip(estimates, margins, strict=True)),
        high=tuple(estimate.estimate + margin for estimate, margin in zip(estimates, margins, strict=True)),
        critical=critical,
        level=level,
        confidence=confidence,
        resamples=len(replicates_BL),
    )


def _tails(matrix: Matrix, estimate: Estimate) -> _Tails:
    n_seeds, n_items = matrix.shape
    from_seeds = sample_variance(matrix.mean(axis=1)) / n_seeds
    variance = estimate.standard_error**2
    return _Tails(
        share=min(from_seeds / variance, 1.0) if variance else 1.0, seed_degrees=n_seeds - 1, item_degrees=n_items - 1
    )


def _deviations(replicates_BL: Matrix, estimates: Sequence[Estimate]) -> Matrix:
    """Return |replicate - estimate| as shares of each language's largest, to 9 digits; 0 without any spread."""
    deviations_BL = np.abs(replicates_BL - [estimate.estimate for estimate in estimates])
    # Where there is no spread, resamples differ by rounding alone; nor shall rounding break a tie elsewhere.
    deviations_BL[:, [estimate.standard_error == 0.0 for estimate in estimates]] = 0.0
    largest_L = deviations_BL.max(axis=0)
    return np.asarray(np.rint(deviations_BL / np.where(largest_L, largest_L, 1.0) * 1e9) / 1e9)


def _smallest_ranks(deviations_BL: Matrix) -> Vector:
    """Return, sorted, the smallest over languages of the rank of each resample's deviation, as a share of resamples."""
    resamples = len(deviations_BL)
    ranks_BL = np.empty_like(deviations_BL)
    # Ties keep the order of resamples, the same in every language, so that equal languages stay equal.
    order_BL = np.argsort(-deviations_BL, axis=0, kind="stable")
    np.put_along_axis(ranks_BL, order_BL, np.arange(1.0, resamples + 1.0)[:, None] / resamples, axis=0)
    ranks_BL[:, deviations_BL.max(axis=0) == 0.0] = 1.0  # a language without any spread never stands out
    return np.sort(ranks_BL.min(axis=1))


def _adjust(p_L: Vector, smallest_B: Vector) -> Vector:
    # Phipson & Smyth 2010: the sample itself counts as one more resample, so that no share is 0.
    share_L = (np.searchsorted(smallest_B, p_L, side="right") + 1.0) / (smallest_B.size + 1.0)
    return np.clip(share_L, p_L, np.minimum(p_L.size * p_L, 1.0))


def _level(smallest_B: Vector, alpha: float, n_languages: int) -> float:
    """Return the level below which a p is adjusted to at most alpha: the inverse of `_adjust`."""
    allowed = int(np.floor(alpha * (smallest_B.size + 1.0) + 1e-9)) - 1
    found = float(smallest_B[allowed]) if allowed >= 0 else 0.0
    return min(max(found, alpha / n_languages), alpha)
