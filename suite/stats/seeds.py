"""Tests whose unit is the seed: one number per run, or a sum of whole-number differences."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, gammaln

from suite.stats.checks import Vector, as_pair, as_vector
from suite.stats.components import sample_variance
from suite.stats.estimate import Estimate, infer

Whole = NDArray[np.int64]

# The table of null probabilities holds one float per possible sum: 2^24 of them are 128 MiB.
_LARGEST_SUM = 1 << 24

# A point of the characteristic function costs about as much as 64 multiplications of the plain convolution.
_COST_OF_POINT = 64
# Halvings of the tilt: only its neighbourhood matters, not its digits.
_HALVINGS = 24


def paired_t(
    differences: ArrayLike, *, confidence: float = 0.95, n_items: int = 1, correlation: float | None = None
) -> Estimate:
    """Test the mean of one difference per shared seed (treatment minus baseline) by Student's t with S - 1 df.

    For scalars such as changes of an alignment metric. It ignores item sampling: for scores of sampled items use
    `crossed`. `n_items` and `correlation` (of the arms, over seeds) are passed on to the result.

    Raises:
        ValueError: fewer than two seeds, or values not finite.
    """
    values_S = as_vector(differences, "differences", least=2)
    n_seeds = values_S.size
    return infer(
        float(values_S.mean()),
        sample_variance(values_S) / n_seeds,
        n_seeds - 1,
        test="seed-t",
        n_seeds=n_seeds,
        n_items=n_items,
        confidence=confidence,
        seed_correlation=correlation,
    )


def welch_t(treatment: ArrayLike, baseline: ArrayLike, *, confidence: float = 0.95, n_items: int = 1) -> Estimate:
    """Test the difference of the means of two arms with one number per seed, seeds not shared, variances not pooled.

    Raises:
        ValueError: fewer than two seeds in an arm, or values not finite.

    Source: Welch 1947.
    """
    arms = as_vector(treatment, "treatment", least=2), as_vector(baseline, "baseline", least=2)
    variances = [sample_variance(arm_S) / arm_S.size for arm_S in arms]
    variance = sum(variances)
    spread = sum(part**2 / (arm_S.size - 1) for part, arm_S in zip(variances, arms, strict=True))
    return infer(
        float(arms[0].mean() - arms[1].mean()),
        variance,
        variance**2 / spread if spread else arms[0].size + arms[1].size - 2,
        test="seed-welch",
        n_seeds=min(arm_S.size for arm_S in arms),
        n_items=n_items,
        confidence=confidence,
    )


def seed_correlation(treatment: ArrayLike, baseline: ArrayLike) -> float | None:
    """Return the Pearson correlation of two arms over their shared seeds, or None where it is undefined.

    Undefined means fewer than three seeds (two always give +-1) or an arm without spread. It says how much pairing
    gained; it is reported and never used to choose between tests.

    Raises:
        ValueError: arms of different length, or values not finite.
    """
    left_S, right_S = as_pair(treatment, baseline, ("treatment", "baseline"))
    if left_S.size < 3 or not (np.ptp(left_S) and np.ptp(right_S)):
        return None
    left_S, right_S = left_S - left_S.mean(), right_S - right_S.mean()
    return float(np.clip(left_S @ right_S / np.sqrt((left_S @ left_S) * (right_S @ right_S)), -1.0, 1.0))


def sign_flip(differences: ArrayLike) -> float:
    """Return the exact two-sided p of the sign-flip permutation test on the sum of whole-number differences.

    One whole number per exchangeable unit: correct answers gained per seed, per item, or per item summed over seeds.
    Its smallest value with k non-zero units is 2^(1 - k): five seeds never reach 0.05. Only sums of probabilities
    enter, no differences, or tilted ones, so small p keep their leading digits; below 1e-307 they are 0.

    Raises:
        ValueError: values that are not whole numbers, or whose absolute sum in units of their greatest common divisor
            exceeds 2^24.

    Source: Fisher 1935, section 21; the null sum of sign * |d| is a convolution of scaled binomials, taken term by term
    or, where that is faster, through its exponentially tilted characteristic function (equal to 1e-12).
    """
    whole = _as_whole(differences)
    magnitudes, counts = np.unique(np.abs(whole[whole != 0]), return_counts=True)
    # The sum is 2 X - N with X = sum of the magnitudes whose sign is plus, symmetric about N / 2.
    largest, excess = int(np.abs(whole).sum()), abs(int(whole.sum()))
    if excess == 0:
        return 1.0
    return min(1.0, 2.0 * _upper_tail(magnitudes, counts, (largest + excess) // 2))


def superiority_paired(treatment: ArrayLike, baseline: ArrayLike) -> float:
    """Return P(treatment > baseline) over shared seeds: the fraction of seeds won, ties counted half.

    Raises:
        ValueError: arms of different length, empty, or values not finite.

    Source: Bouthillier et al. 2021, who call a value of at least 0.75 meaningful.
    """
    left_S, right_S = as_pair(treatment, baseline, ("treatment", "baseline"))
    return float(np.mean(_wins(left_S, right_S)))


def superiority_unpaired(treatment: ArrayLike, baseline: ArrayLike) -> float:
    """Return P(treatment > baseline) for one seed of each arm: Mann-Whitney U / (S_R S_S), ties counted half.

    Raises:
        ValueError: an arm that is empty, or values not finite.
    """
    left_S, right_S = as_vector(treatment, "treatment"), as_vector(baseline, "baseline")
    return float(np.mean(_wins(left_S[:, None], right_S[None, :])))


def _wins(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    return (np.sign(left - right) + 1.0) / 2.0


def _as_whole(differences: ArrayLike) -> Whole:
    """Return the differences as integers divided by their greatest common divisor."""
    values = as_vector(differences, "differences")
    wrong = values[values != np.rint(values)]
    if wrong.size:
        raise ValueError(f"the exact sign-flip needs whole numbers; got {wrong[0]}; count answers, not rates")
    # Python's whole numbers have no largest, as 64 bits have.
    exact = [int(value) for value in values]
    divisor = math.gcd(*exact) or 1
    total = sum(map(abs, exact)) // divisor
    if total > _LARGEST_SUM:
        raise ValueError(f"the exact sign-flip needs sum |d| <= {_LARGEST_SUM}; got {total}; round to coarser counts")
    return np.array([value // divisor for value in exact], dtype=np.int64)


def _upper_tail(magnitudes_K: Whole, counts_K: Whole, least: int) -> float:
    """Return P(X >= least) for X = sum over k of magnitude_k * Binomial(count_k, 1/2), least above its mean."""
    sizes_K = np.cumsum(magnitudes_K * counts_K) + 1
    points = _count_points(magnitudes_K, counts_K)
    by_terms = int((np.r_[1, sizes_K[:-1]] * (counts_K + 1)).sum())
    if by_terms > _COST_OF_POINT * points * counts_K.size and least + 1 < sizes_K[-1]:
        return _tilted_tail(magnitudes_K, counts_K, least, points)
    chances = np.ones(1)
    for magnitude, count in zip(magnitudes_K.tolist(), counts_K.tolist(), strict=True):
        chances = _convolve_scaled_binomial(chances, magnitude, count)
    return float(chances[least:].sum())


def _count_points(magnitudes_K: Whole, counts_K: Whole) -> int:
    """Return a power of two that spans 16 standard deviations, and 32 of the largest steps, to either side.

    Beyond lies less than 1e-30 of any tilted distribution (tilting only narrows it), by the normal law or, where few
    signs are left to turn, by Poisson's.
    """
    widest = 0.5 * float(np.sqrt(counts_K @ np.square(magnitudes_K.astype(np.float64))))
    return 1 << int(2.0 * (16.0 * widest + 32.0 * float(magnitudes_K.max(initial=1)))).bit_length()


def _tilted_tail(magnitudes_K: Whole, counts_K: Whole, least: int, points: int) -> float:
    """Return the upper tail from the distribution weighted by exp(tilt * x), whose mean is `least`.

    There the tail holds about half the weight, so that an absolute error of 1e-16 is a relative one as well.

    Source: exponential tilting as in Esscher 1932; the inversion is one discrete Fourier transform over `points` sums
    around `least`, the others being folded onto them with next to no weight.
    """
    tilt = _tilt(magnitudes_K, counts_K, least)
    steps = np.arange(points // 2 + 1)
    transform = _turn(-least, steps, points)
    for magnitude, count in zip(magnitudes_K.tolist(), counts_K.tolist(), strict=True):
        chance = float(expit(tilt * magnitude))
        transform *= (1.0 - chance + chance * _turn(magnitude, steps, points)) ** count
    tilted = np.fft.irfft(transform, points)[: points // 2]
    log_scale = counts_K @ (np.logaddexp(0.0, tilt * magnitudes_K) - np.log(2.0)) - tilt * least
    return float(np.exp(log_scale) * (tilted @ np.exp(-tilt * np.arange(tilted.size))))


def _tilt(magnitudes_K: Whole, counts_K: Whole, least: int) -> float:
    """Return the tilt at which the sum's mean is about `least`; its digits do not matter, only its neighbourhood."""
    # At the upper end every sign but e^-1 of the largest sum is plus: the mean lies within 1 of the largest sum.
    low, high = 0.0, 1.0 + float(np.log(magnitudes_K @ counts_K))
    for _ in range(_HALVINGS):
        tilt = 0.5 * (low + high)
        below = (counts_K * magnitudes_K) @ expit(tilt * magnitudes_K) < least
        low, high = (tilt, high) if below else (low, tilt)
    return 0.5 * (low + high)


def _turn(shift: int, steps: Whole, points: int) -> NDArray[np.complex128]:
    """Return the discrete Fourier transform of a unit mass at `shift`; whole turns are taken off before rounding."""
    return np.asarray(np.exp(-2j * np.pi * ((steps * shift) % points / points)))


def _convolve_scaled_binomial(probabilities: Vector, scale: int, count: int) -> Vector:
    """Return the distribution of X + scale * Binomial(count, 1/2), given that of X over 0, 1, 2, ..."""
    taken = np.arange(count + 1)
    log_chances = gammaln(count + 1) - gammaln(taken + 1) - gammaln(count - taken + 1) - count * np.log(2.0)
    result = np.zeros(probabilities.size + scale * count)
    for index, chance in enumerate(np.exp(log_chances)):
        result[index * scale : index * scale + probabilities.size] += chance * probabilities
    return result
