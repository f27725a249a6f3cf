"""Can a linear classifier tell the language from the vector?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from suite.alignment.metric import AlignmentMetric
from suite.alignment.pair import Pair

RIDGE = 0.01
"""The ridge as a share of the mean variance per dimension, which keeps the classifier scale-free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """A ridge regression of the language (+1 source, -1 target) on the vector, at the 2N rows it was fitted to."""

    source_N: Tensor
    """Predictions at source rows."""
    target_N: Tensor
    source_leverage_N: Tensor
    """The weight of a source row in its own prediction."""
    target_leverage_N: Tensor
    shared_leverage_N: Tensor
    """The weight of a row's translation in its prediction."""


def language_probe(pair: Pair, ridge: float = RIDGE) -> float:
    """The held-out accuracy of a linear classifier that tells source from target vectors.

    In [0, 1]; 0.5 where the languages cannot be told apart, and exactly so where they have the same vectors (a
    prediction of 0 counts half). A ridge regression on the language, from which every translation pair is held out in
    turn: neither a row nor its translation is seen by the classifier that judges it, and no choice of a split enters.
    The N refits follow in closed form from one (Allen 1974, PRESS, here for pairs of rows); the ridge is set from all
    rows. Source: Libovický et al. 2020 (language identification).

    Raises:
        ValueError: `ridge` not positive, or all rows of both languages agree.
    """
    fit = _fit(pair, ridge)
    source_N, target_N = _left_out(fit)
    hits = (source_N > 0).sum() + (target_N < 0).sum()
    halves = (source_N == 0).sum() + (target_N == 0).sum()
    return (int(hits) + int(halves) / 2) / (2 * len(pair))


def _fit(pair: Pair, ridge: float) -> _Fit:
    x, y, n_rows = pair.source, pair.target, len(pair)
    offset_D = (x.mean_D - y.mean_D).double()
    factor_DD = _factor(x.scatter_DD + y.scatter_DD + n_rows / 2 * torch.outer(offset_D, offset_D), ridge)
    # In whitened coordinates the weights are the whitened difference of the class sums, and leverages are products.
    offset_1D, x_ND, y_ND = (
        torch.linalg.solve_triangular(factor_DD, rows.T, upper=False).T
        for rows in (offset_D[None], x.centred_ND.double() + offset_D / 2, y.centred_ND.double() - offset_D / 2)
    )
    weights_D, intercept = n_rows * offset_1D[0], 1 / (2 * n_rows)
    return _Fit(
        source_N=x_ND @ weights_D,
        target_N=y_ND @ weights_D,
        source_leverage_N=x_ND.square().sum(dim=1) + intercept,
        target_leverage_N=y_ND.square().sum(dim=1) + intercept,
        shared_leverage_N=(x_ND * y_ND).sum(dim=1) + intercept,
    )


def _factor(scatter_DD: Tensor, ridge: float) -> Tensor:
    """The Cholesky factor of the pooled scatter and its ridge."""
    mean_variance = float(scatter_DD.trace()) / len(scatter_DD)
    if not (math.isfinite(ridge) and ridge > 0 and mean_variance > 0):
        raise ValueError(
            f"the language probe needs a positive ridge and vectors that differ; got ridge {ridge}, mean scatter per "
            f"dimension {mean_variance:.3g}; keep the default ridge and check the pooling"
        )
    identity_DD = torch.eye(len(scatter_DD), dtype=scatter_DD.dtype, device=scatter_DD.device)
    factor_DD: Tensor = torch.linalg.cholesky(scatter_DD + ridge * mean_variance * identity_DD)
    return factor_DD


def _left_out(fit: _Fit) -> tuple[Tensor, Tensor]:
    """Predictions at both rows of every pair by the regression without this pair: p - (I - H)^-1 H e, e = y - p."""
    x_N, y_N, shared_N = fit.source_leverage_N, fit.target_leverage_N, fit.shared_leverage_N
    x_residual_N, y_residual_N = 1 - fit.source_N, -1 - fit.target_N
    x_pull_N = x_N * x_residual_N + shared_N * y_residual_N
    y_pull_N = shared_N * x_residual_N + y_N * y_residual_N
    determinant_N = (1 - x_N) * (1 - y_N) - shared_N.square()
    x_shift_N = ((1 - y_N) * x_pull_N + shared_N * y_pull_N) / determinant_N
    y_shift_N = (shared_N * x_pull_N + (1 - x_N) * y_pull_N) / determinant_N
    return fit.source_N - x_shift_N, fit.target_N - y_shift_N


METRICS: dict[str, AlignmentMetric] = {
    "language_probe": AlignmentMetric(
        function=language_probe,
        optimum=0.5,
        higher_is_better=False,
        invariances=frozenset({"scale", "rotation", "offset", "row-order"}),
        centred=False,
        unit="accuracy",
    ),
}
