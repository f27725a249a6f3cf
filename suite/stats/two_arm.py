"""`TESTS`: the tests that take two score matrices and return an `Estimate`; an entry here is held to their laws."""

from __future__ import annotations

from typing import Protocol

from numpy.typing import ArrayLike

from suite.naming import unknown
from suite.stats.checks import Matrix, as_matrix, as_pair, check_items
from suite.stats.crossed import crossed_paired, crossed_unpaired
from suite.stats.estimate import Estimate
from suite.stats.seeds import paired_t, seed_correlation, welch_t


class TwoArmTest(Protocol):
    """Compares treatment [S, n] with baseline [S, n]; items are shared, and so are seeds where the test pairs them."""

    def __call__(self, treatment_SI: ArrayLike, baseline_SI: ArrayLike, /, *, confidence: float = 0.95) -> Estimate:
        """Return the effect of the treatment; raise ValueError for arms that do not fit."""
        ...


def _crossed_paired(treatment_SI: ArrayLike, baseline_SI: ArrayLike, /, *, confidence: float = 0.95) -> Estimate:
    return crossed_paired([treatment_SI], [baseline_SI], confidence=confidence)


def _crossed_unpaired(treatment_SI: ArrayLike, baseline_SI: ArrayLike, /, *, confidence: float = 0.95) -> Estimate:
    return crossed_unpaired([treatment_SI], [baseline_SI], confidence=confidence)


def _seed_t(treatment_SI: ArrayLike, baseline_SI: ArrayLike, /, *, confidence: float = 0.95) -> Estimate:
    treatment, baseline = _arms(treatment_SI, baseline_SI)
    left_S, right_S = as_pair(treatment.mean(axis=1), baseline.mean(axis=1), ("treatment", "baseline"))
    correlation = seed_correlation(left_S, right_S)
    return paired_t(left_S - right_S, confidence=confidence, n_items=treatment.shape[1], correlation=correlation)


def _seed_welch(treatment_SI: ArrayLike, baseline_SI: ArrayLike, /, *, confidence: float = 0.95) -> Estimate:
    treatment, baseline = _arms(treatment_SI, baseline_SI)
    return welch_t(treatment.mean(axis=1), baseline.mean(axis=1), confidence=confidence, n_items=treatment.shape[1])


TESTS: dict[str, TwoArmTest] = {
    "crossed-paired": _crossed_paired,  # seeds and items random, seeds shared: the default
    "crossed-unpaired": _crossed_unpaired,  # seeds and items random, seeds not shared
    "seed-t": _seed_t,  # seeds random, these items only
    "seed-welch": _seed_welch,  # seeds random and not shared, these items only
}


def find_test(name: str) -> TwoArmTest:
    """Return the named entry of `TESTS`.

    Raises:
        ValueError: an unknown name.
    """
    if name not in TESTS:
        raise ValueError(unknown("test", name, TESTS))
    return TESTS[name]


def _arms(treatment_SI: ArrayLike, baseline_SI: ArrayLike) -> tuple[Matrix, Matrix]:
    treatment, baseline = as_matrix(treatment_SI, "treatment"), as_matrix(baseline_SI, "baseline")
    check_items([treatment], [baseline])
    return treatment, baseline
