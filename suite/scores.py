"""Classification metrics on label arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


def accuracy(labels_N: Labels, predicted_N: Labels) -> float:
    """Share of correct predictions, 0 to 1."""
    return float(np.mean(labels_N == predicted_N))


def macro_f1(labels_N: Labels, predicted_N: Labels) -> float:
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN), 0 to 1.

    The classes are those that occur among labels or predictions, as in scikit-learn's `f1_score(average="macro")`; a
    prediction of -1 (a vote that abstained) is of no class and a miss for its label's.
    """
    made_N = predicted_N[predicted_N >= 0]
    size = int(max(labels_N.max(), predicted_N.max())) + 1
    hits = np.bincount(labels_N[labels_N == predicted_N], minlength=size)
    both = np.bincount(labels_N, minlength=size) + np.bincount(made_N, minlength=size)
    return float(np.mean(2 * hits[both > 0] / both[both > 0]))


METRICS: dict[str, Callable[[Labels, Labels], float]] = {"accuracy": accuracy, "macro_f1": macro_f1}
