"""Adjusted p-values for a family of hypotheses: compare each with alpha as if it stood alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from suite.naming import unknown
from suite.stats.checks import Vector, as_vector


def bonferroni(p: ArrayLike) -> Vector:
    """Return m p, at most 1: controls the family-wise error under any dependence."""
    values = as_p_values(p)
    return np.minimum(values * values.size, 1.0)


def holm(p: ArrayLike) -> Vector:
    """Return Holm's step-down p-values: family-wise error under any dependence, never weaker than Bonferroni.

    Source: Holm 1979: max over j <= i of (m - j + 1) p_(j).
    """
    values = as_p_values(p)
    order = np.argsort(values, kind="stable")
    stepped = values[order] * np.arange(values.size, 0, -1)
    return _restore(np.minimum(np.maximum.accumulate(stepped), 1.0), order)


def hommel(p: ArrayLike) -> Vector:
    """Return Hommel's p-values: family-wise error under positive dependence, never weaker than Holm.

    Source: Hommel 1988 as the closure of Simes tests, in the algorithm of Wright 1992, figure 1.
    """
    values = as_p_values(p)
    order = np.argsort(values, kind="stable")
    ordered, size = values[order], values.size
    adjusted = ordered.copy()
    for count in range(size, 1, -1):
        split = size - count + 1
        simes = float((count * ordered[split:] / np.arange(2, count + 1)).min())
        adjusted[split:] = np.maximum(adjusted[split:], simes)
        adjusted[:split] = np.maximum(adjusted[:split], np.minimum(simes, count * ordered[:split]))
    return _restore(np.minimum(adjusted, 1.0), order)


def benjamini_hochberg(p: ArrayLike) -> Vector:
    """Return step-up p-values that control the false discovery rate under positive dependence.

    Source: Benjamini & Hochberg 1995: min over j >= i of m p_(j) / j.
    """
    values = as_p_values(p)
    order = np.argsort(values, kind="stable")
    stepped = values[order] * values.size / np.arange(1, values.size + 1)
    return _restore(np.minimum(np.minimum.accumulate(stepped[::-1])[::-1], 1.0), order)


ADJUSTMENTS: dict[str, Callable[[ArrayLike], Vector]] = {
    "bonferroni": bonferroni,
    "holm": holm,
    "hommel": hommel,
    "benjamini-hochberg": benjamini_hochberg,
}


def adjust(p: ArrayLike, method: str) -> Vector:
    """Return the p-values of one family adjusted by the named method, in the order given.

    Raises:
        ValueError: an unknown method, or values that are NaN or outside [0, 1].
    """
    if method not in ADJUSTMENTS:
        raise ValueError(unknown("adjustment", method, ADJUSTMENTS))
    return ADJUSTMENTS[method](p)


def as_p_values(p: ArrayLike) -> Vector:
    """Return a vector of p-values; an empty family is allowed.

    Raises:
        ValueError: values that are NaN or outside [0, 1].
    """
    values = as_vector(p, "p", least=0)
    wrong = values[(values < 0.0) | (values > 1.0)]
    if wrong.size:
        raise ValueError(f"a p-value lies in [0, 1]; got {wrong[0]}; pass p-values, not statistics")
    return values


def _restore(ordered: Vector, order: NDArray[np.intp]) -> Vector:
    result = np.empty_like(ordered)
    result[order] = ordered
    return result
