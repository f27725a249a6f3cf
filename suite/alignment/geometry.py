"""How evenly a language fills its space, and how far a rotation carries one language onto the other."""

from __future__ import annotations

import math
from functools import partial

import torch

from suite.alignment.cloud import Cloud
from suite.alignment.metric import SECOND_MOMENT, WITHIN_COSINE, AlignmentMetric
from suite.alignment.pair import Pair


def isoscore(pair: Pair) -> float:
    """IsoScore of the target language: the share of the dimensions that are used evenly.

    In [0, 1]: 1 where all directions have the same variance, 0 where all variance lies in one; at most (N - 2)/(D - 1)
    where N <= D. Source: Rudman et al. 2022, algorithm 1. Its principal components are not needed: with variances l
    along them the defect d obeys D - d^2 (D - sqrt D) = sqrt(D) sum(l)/|l|, and the score becomes
    (sum(l)^2/|l|^2 - 1)/(D - 1), for which trace and Frobenius norm of the covariance suffice.

    Raises:
        ValueError: one dimension, or all rows agree.
    """
    return _isoscore(pair.target)


def isoscore_source(pair: Pair) -> float:
    """`isoscore` of the source language."""
    return _isoscore(pair.source)


def anisotropy(pair: Pair) -> float:
    """The mean cosine between different rows of the target language, over all pairs rather than a sample.

    In [-1/(N - 1), 1]; near 0 where directions are spread evenly. Source: Ethayarajh 2019 (the random-pair baseline).
    """
    return _mean_cosine(pair.target)


def anisotropy_source(pair: Pair) -> float:
    """`anisotropy` of the source language."""
    return _mean_cosine(pair.source)


def procrustes_residual(pair: Pair) -> float:
    """What is left of the difference after the best rotation or reflection: min |XW - Y|^2 / (|X|^2 + |Y|^2), W'W = I.

    In [0, 1]; both languages are centred and scaled to unit Frobenius norm first, which makes it 1 - |X'Y|_* (nuclear
    norm). With few rows in many dimensions (N << D) a rotation fits unrelated rows too. Source: Schönemann 1966.

    Raises:
        ValueError: all rows of a language agree.
    """
    scale = math.sqrt(pair.source.spread * pair.target.spread)
    # Rounding may carry the norm a last digit past its bound.
    return max(0.0, 1.0 - float(torch.linalg.svdvals(pair.cross_DD).sum()) / scale)


def _isoscore(cloud: Cloud) -> float:
    if cloud.dimension < 2:
        raise ValueError(
            f"isotropy compares directions, so it needs at least 2 dimensions; {cloud.name} has 1; leave it out"
        )
    participation = cloud.spread**2 / float(torch.linalg.vector_norm(cloud.scatter_DD).square())
    return (participation - 1) / (cloud.dimension - 1)


def _mean_cosine(cloud: Cloud) -> float:
    n_rows = len(cloud)
    # Every row's cosine with itself, 1, is in the square of the sum.
    return (float(cloud.unit_sum_D.square().sum()) - n_rows) / (n_rows * (n_rows - 1))


_evenness = partial(
    AlignmentMetric, optimum=None, higher_is_better=True, invariances=SECOND_MOMENT, centred=True, unit="score"
)
_narrowness = partial(
    AlignmentMetric, optimum=None, higher_is_better=False, invariances=WITHIN_COSINE, centred=False, unit="cosine"
)

METRICS: dict[str, AlignmentMetric] = {
    "isoscore": _evenness(function=isoscore),
    "isoscore_source": _evenness(function=isoscore_source),
    "anisotropy": _narrowness(function=anisotropy),
    "anisotropy_source": _narrowness(function=anisotropy_source),
    "procrustes_residual": AlignmentMetric(
        function=procrustes_residual,
        optimum=0.0,
        higher_is_better=False,
        invariances=SECOND_MOMENT,
        centred=True,
        unit="residual",
    ),
}
