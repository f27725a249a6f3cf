"""How far a translation moves the vector, against the radius the model is robust to: the direct test of the thesis.

Robust training is meant to carry over to other languages because a translation looks to the model like a small
perturbation of the source text. That can only be so where translations lie inside the ball: measure both at the tensor
the perturbation enters at, in its norm and units, without normalising or centring.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from suite.alignment.metric import AlignmentMetric
from suite.alignment.pair import Pair

Norm = Literal["l2", "linf"]


def displacements(x_ND: Tensor, y_ND: Tensor, norm: Norm = "l2") -> Tensor:
    """The distance between every row and its translation, float64 [N], in the vectors' own units.

    Raises:
        ValueError: shapes differ, not finite, or an unknown norm.
    """
    return _distances(Pair.of(x_ND, y_ND), norm)


def displacement_ratio(x_ND: Tensor, y_ND: Tensor, radius: float | Tensor, norm: Norm = "l2") -> float:
    """The mean distance between translations divided by the radius: below 1, a typical translation lies in the ball.

    `radius` is one number, or one for every row [N] (a radius measured per example), in the units of the vectors.

    Raises:
        ValueError: as `displacements`, or a radius that is not positive and finite.
    """
    return float((displacements(x_ND, y_ND, norm) / _radii(radius, x_ND)).mean())


def share_within_radius(x_ND: Tensor, y_ND: Tensor, radius: float | Tensor, norm: Norm = "l2") -> float:
    """The share of translations inside the closed ball of the radius around the source vector.

    In [0, 1]. `radius` and errors as for `displacement_ratio`.
    """
    inside_N = displacements(x_ND, y_ND, norm) <= _radii(radius, x_ND)
    return int(inside_N.count_nonzero()) / len(inside_N)


def relative_displacement(pair: Pair) -> float:
    """The mean distance between translations divided by the mean norm of the source vectors.

    At least 0. In the unit of a relative radius: a robust method of relative radius r covers a typical translation
    where this is below r.

    Raises:
        ValueError: all source vectors are zero.
    """
    norm = float(torch.linalg.vector_norm(pair.source.vectors_ND, dim=1, dtype=torch.float64).mean())
    if norm == 0.0:
        raise ValueError(
            "a relative displacement needs source vectors of positive norm; all are zero; check the pooling"
        )
    return float(_distances(pair, "l2").mean()) / norm


def _distances(pair: Pair, norm: Norm) -> Tensor:
    order = {"l2": 2.0, "linf": math.inf}
    if norm not in order:
        raise ValueError(f"unknown norm {norm!r}; known: {', '.join(order)}")
    difference_ND = pair.source.vectors_ND.double() - pair.target.vectors_ND.double()
    distances_N: Tensor = torch.linalg.vector_norm(difference_ND, ord=order[norm], dim=1)
    return distances_N


def _radii(radius: float | Tensor, x_ND: Tensor) -> Tensor:
    radii = torch.as_tensor(radius, dtype=torch.float64, device=x_ND.device)
    if radii.shape not in ((), x_ND.shape[:1]) or not bool(((radii > 0) & radii.isfinite()).all()):
        raise ValueError(
            f"a radius is positive and finite, one for all rows or one for each of {x_ND.shape[0]}; got shape "
            f"{tuple(radii.shape)} with least value {float(radii.min()) if radii.numel() else math.nan:.3g}; "
            "leave out the rows on which the model has no radius"
        )
    return radii


METRICS: dict[str, AlignmentMetric] = {
    "relative_displacement": AlignmentMetric(
        function=relative_displacement,
        optimum=0.0,
        higher_is_better=False,
        invariances=frozenset({"scale", "rotation", "row-order"}),
        centred=False,
        unit="mean source norm",
    ),
}
