"""Do translations have the same neighbours, and do a few rows crowd everybody's neighbourhood?"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from suite.alignment.metric import COSINE, WITHIN_COSINE, AlignmentMetric, Direction, in_direction, in_each_direction
from suite.alignment.pair import Pair, Way

NEIGHBOURS = 10


def mutual_knn(pair: Pair, k: int = NEIGHBOURS) -> float:
    """The mean share of a row's k nearest rows within its language that are also its translation's, within theirs.

    In [0, 1]; k/(N - 1) by chance. Cosine neighbours, the row itself left out. Source: Huh et al. 2024, appendix A.

    Raises:
        ValueError: N < k + 2, where all other rows are neighbours and the share is 1 by construction.
    """
    _refuse_few(pair, k, k + 2)
    x_NK, y_NK = pair.source.nearest(k).indices_QK, pair.target.nearest(k).indices_QK
    shared = (x_NK[:, :, None] == y_NK[:, None, :]).count_nonzero()
    return int(shared) / (len(pair) * k)


def hubness(pair: Pair, direction: Direction = "both", k: int = NEIGHBOURS) -> float:
    """The skewness of N_k, how often a row is among the k nearest rows of the other language's rows.

    About 0 without hubs, above 1 where a few rows are everybody's neighbours; forward counts target rows. 0 where all
    rows are retrieved equally often. Source: Radovanović et al. 2010.

    Raises:
        ValueError: N <= k, where every row is a neighbour of all.
    """
    _refuse_few(pair, k, k + 1)
    return in_direction(lambda pair, way: _skewness(pair.once(_occurrences, way, k)), pair, direction)


def never_retrieved(pair: Pair, direction: Direction = "both", k: int = NEIGHBOURS) -> float:
    """The share of rows that are among the k nearest rows of no row of the other language (anti-hubs).

    In [0, 1]; forward counts target rows. Source: Radovanović et al. 2010. Raises as `hubness`.
    """
    _refuse_few(pair, k, k + 1)
    return in_direction(lambda pair, way: _share_of_zeros(pair.once(_occurrences, way, k)), pair, direction)


def _refuse_few(pair: Pair, k: int, least: int) -> None:
    if not 1 <= k <= len(pair) - (least - k):
        raise ValueError(
            f"{k} nearest neighbours tell rows apart among at least {least} rows; got {len(pair)}; "
            "pass more texts or a smaller k >= 1"
        )


def _occurrences(pair: Pair, way: Way, k: int) -> Tensor:
    """N_k of every candidate row."""
    return torch.bincount(pair.nearest(way, k).indices_QK.flatten(), minlength=len(pair))


def _share_of_zeros(counts_N: Tensor) -> float:
    return int((counts_N == 0).count_nonzero()) / len(counts_N)


def _skewness(counts_N: Tensor) -> float:
    deviations_N = counts_N.double() - counts_N.double().mean()
    variance = float(deviations_N.square().mean())
    return float(deviations_N.pow(3).mean()) / variance**1.5 if variance else 0.0


_hubs = partial(AlignmentMetric, optimum=None, higher_is_better=False, invariances=COSINE, centred=False)

METRICS: dict[str, AlignmentMetric] = {
    "mutual_knn": AlignmentMetric(
        function=mutual_knn, optimum=1.0, higher_is_better=True, invariances=WITHIN_COSINE, centred=False, unit="share"
    ),
    **in_each_direction("hubness", hubness, _hubs(function=hubness, unit="skewness")),
    **in_each_direction("never_retrieved", never_retrieved, _hubs(function=never_retrieved, unit="share")),
}
