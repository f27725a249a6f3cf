"""McNemar's test: do these two checkpoints differ on such items? Not: does one method beat the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, betaincinv, ndtri

from suite.stats.checks import as_level

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """Two classifiers on the same n items, compared by the items that only one of them gets right."""

    n: int
    treatment_only: int
    baseline_only: int
    exact_p: float
    """Two-sided binomial; conservative."""
    mid_p: float
    """Exact less half the observed point's probability: the recommended one."""
    difference: float
    """Accuracy of the treatment minus that of the baseline."""
    difference_newcombe: Interval
    difference_wald: Interval
    odds_ratio: float | None
    """treatment_only / baseline_only; infinite if only the latter is 0, None if both are."""
    odds_interval: Interval
    confidence: float


def tabulate(treatment_correct: ArrayLike, baseline_correct: ArrayLike) -> NDArray[np.int64]:
    """Return the table [[both right, only the treatment], [only the baseline, neither]] of two boolean vectors [n].

    Of two matrices [S, n] it returns one table per row, [S, 2, 2].

    Raises:
        ValueError: arms of different shape, or values other than 0 and 1.
    """
    arms = [np.asarray(arm) for arm in (treatment_correct, baseline_correct)]
    if arms[0].shape != arms[1].shape or arms[0].ndim not in (1, 2):
        raise ValueError(
            f"both arms must score the same items; got shapes {arms[0].shape} and {arms[1].shape}; align by id"
        )
    for arm in arms:
        fit = (arm == 0) | (arm == 1)
        if not fit.all():
            raise ValueError(f"correctness must be 0 or 1; got {arm[~fit][0]}; compare with the label first")
    treatment, baseline = (arm.astype(bool) for arm in arms)
    cells = [treatment & baseline, treatment & ~baseline, ~treatment & baseline, ~treatment & ~baseline]
    counts = np.stack([np.count_nonzero(cell, axis=-1) for cell in cells], axis=-1)
    return counts.astype(np.int64).reshape(*treatment.shape[:-1], 2, 2)


def mcnemar(table: ArrayLike, *, confidence: float = 0.95) -> McNemar:
    """Test a table [[both right, only the treatment], [only the baseline, neither]] of counts.

    Without discordant items both p are 1, the odds ratio is None and its interval [0, inf].

    Raises:
        ValueError: not a 2x2 table of non-negative whole numbers with at least one item, or a bad confidence.

    Source: Fagerland, Lydersen & Laake 2013 (mid-p); Newcombe 1998, method 8 (difference); Clopper & Pearson 1934
    (odds ratio).
    """
    (both, treatment_only), (baseline_only, neither) = _counts(table)
    n = both + treatment_only + baseline_only + neither
    z = float(ndtri((1.0 + as_level(confidence, "confidence")) / 2.0))
    odds = treatment_only / baseline_only if baseline_only else math.inf if treatment_only else None
    return McNemar(
        n=n,
        treatment_only=treatment_only,
        baseline_only=baseline_only,
        exact_p=exact_p(treatment_only, baseline_only),
        mid_p=mid_p(treatment_only, baseline_only),
        difference=(treatment_only - baseline_only) / n,
        difference_newcombe=_newcombe(both, treatment_only, baseline_only, neither, z),
        difference_wald=_wald(treatment_only, baseline_only, n, z),
        odds_ratio=odds,
        odds_interval=_odds_interval(treatment_only, baseline_only, 1.0 - confidence),
        confidence=confidence,
    )


def exact_p(treatment_only: int, baseline_only: int) -> float:
    """Return the two-sided exact p of two discordant counts: min(1, 2 P(Bin(b + c, 1/2) <= min(b, c)))."""
    return min(1.0, 2.0 * _at_most(min(treatment_only, baseline_only), treatment_only + baseline_only))


def mid_p(treatment_only: int, baseline_only: int) -> float:
    """Return the two-sided mid-p of two discordant counts; 1 without any.

    Source: Fagerland et al. 2013: 2 F(k) - f(k), and 1 - f(k) / 2 where the counts are equal.
    """
    fewer, discordant = min(treatment_only, baseline_only), treatment_only + baseline_only
    if discordant == 0:
        return 1.0
    if treatment_only == baseline_only:
        return 1.0 - (_at_most(fewer, discordant) - _at_most(fewer - 1, discordant)) / 2.0
    # 2 F(k) - f(k) = F(k) + F(k - 1), which loses no digits in the tail.
    return _at_most(fewer, discordant) + _at_most(fewer - 1, discordant)


def _at_most(successes: int, trials: int) -> float:
    return float(bdtr(float(successes), trials, 0.5)) if successes >= 0 else 0.0


def _counts(table: ArrayLike) -> list[list[int]]:
    cells = np.asarray(table)
    if cells.shape != (2, 2):
        raise ValueError(f"McNemar needs a 2x2 table; got shape {cells.shape}; build it with `tabulate`")
    whole = np.issubdtype(cells.dtype, np.integer) or np.all(cells == np.rint(cells))
    if not (whole and (cells >= 0).all() and cells.sum() > 0):
        raise ValueError(f"the table must hold counts, at least one item; got {cells.tolist()}; pass counts, not rates")
    return [[int(cell) for cell in row] for row in cells.tolist()]


def _wald(treatment_only: int, baseline_only: int, n: int, z: float) -> Interval:
    gap = treatment_only - baseline_only
    margin = z * math.sqrt(max(treatment_only + baseline_only - gap**2 / n, 0.0)) / n
    return gap / n - margin, gap / n + margin


def _newcombe(both: int, treatment_only: int, baseline_only: int, neither: int, z: float) -> Interval:
    """Return the square-and-add interval of Wilson limits, corrected by the phi coefficient of the table."""
    n = both + treatment_only + baseline_only + neither
    right = both + treatment_only, both + baseline_only
    margins = math.prod(float(count) * (n - count) for count in right)
    phi = (both * neither - treatment_only * baseline_only) / math.sqrt(margins) if margins else 0.0
    rates = [count / n for count in right]
    (low_t, high_t), (low_b, high_b) = (_wilson(rate, n, z) for rate in rates)
    gap = (treatment_only - baseline_only) / n
    return (
        gap - _square_and_add(rates[0] - low_t, high_b - rates[1], phi),
        gap + _square_and_add(high_t - rates[0], rates[1] - low_b, phi),
    )


def _square_and_add(first: float, second: float, phi: float) -> float:
    return math.sqrt(max(first**2 - 2.0 * phi * first * second + second**2, 0.0))


def _wilson(rate: float, n: int, z: float) -> Interval:
    shrink = 1.0 + z**2 / n
    middle = (rate + z**2 / (2 * n)) / shrink
    margin = z * math.sqrt(rate * (1.0 - rate) / n + z**2 / (4 * n**2)) / shrink
    return middle - margin, middle + margin


def _odds_interval(treatment_only: int, baseline_only: int, alpha: float) -> Interval:
    """Return the Clopper-Pearson interval of b / (b + c), mapped to odds."""
    low = float(betaincinv(treatment_only, baseline_only + 1, alpha / 2.0)) if treatment_only else 0.0
    high = float(betaincinv(treatment_only + 1, baseline_only, 1.0 - alpha / 2.0)) if baseline_only else 1.0
    return low / (1.0 - low), high / (1.0 - high) if high < 1.0 else math.inf
