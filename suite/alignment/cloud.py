"""The vectors of one language, and what several metrics need of them, each computed once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any, Self, TypeVar, TypeVarTuple, cast

import torch
from torch import Tensor

from suite.alignment.cosines import Cosines, Nearest

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Remembering:
    """A value that keeps what was computed from it, so that metrics share work without knowing of each other."""

    def __init__(self) -> None:
        """Start with nothing computed."""
        self._computed: dict[Hashable, Any] = {}

    def once(self, compute: Callable[[Self, *Ts], T], *arguments: *Ts) -> T:
        """Return `compute(self, *arguments)`, computed at the first call and kept for the next ones."""
        key = (compute, *arguments)
        if key not in self._computed:
            self._computed[key] = compute(self, *arguments)
        return cast(T, self._computed[key])


class Cloud(Remembering):
    """One language's vectors [N, D]; every property is computed on first use and never written to.

    Half-precision vectors are read as float32. Matrix products and sums over rows or columns run in the vectors' own
    precision, which is float32's rounding for them; what is then subtracted, multiplied or solved with is float64.
    """

    def __init__(self, vectors_ND: Tensor, *, name: str = "x_ND") -> None:
        """Take the vectors of at least two rows.

        Raises:
            ValueError: not a floating-point matrix, fewer than two rows, or not finite.
        """
        super().__init__()
        _check(vectors_ND, name)
        promoted = torch.promote_types(vectors_ND.dtype, torch.float32)
        self.vectors_ND = vectors_ND.detach().to(promoted)
        self.name = name

    def __len__(self) -> int:
        """The number of rows N."""
        return self.vectors_ND.shape[0]

    @property
    def dimension(self) -> int:
        """The number of columns D."""
        return self.vectors_ND.shape[1]

    @cached_property
    def unit_ND(self) -> Tensor:
        """The vectors divided by their norms.

        Raises:
            ValueError: a vector of norm zero, which has no direction.
        """
        norms_N1: Tensor = torch.linalg.vector_norm(self.vectors_ND, dim=1, keepdim=True)
        zero = (norms_N1 == 0).squeeze(1).nonzero().flatten().tolist()
        if zero:
            raise ValueError(
                f"a cosine needs vectors of non-zero norm; {self.name} has {len(zero)} zero rows, the first is row "
                f"{zero[0]}; drop these rows from both languages (an empty text or a mask without tokens?)"
            )
        return self.vectors_ND / norms_N1

    @cached_property
    def unit_sum_D(self) -> Tensor:
        """The sum of the unit vectors, float64; products of two such sums are sums over all pairs of cosines."""
        return self.unit_ND.sum(dim=0).double()

    @cached_property
    def mean_D(self) -> Tensor:
        """The mean vector."""
        # The mean of equal rows may round to another vector, which would leave a trace of spread to be scaled up to 1.
        return self.vectors_ND[0] if self.is_constant else self.vectors_ND.mean(dim=0)

    @cached_property
    def centred_ND(self) -> Tensor:
        """The vectors minus their mean; exactly 0 where all rows agree."""
        return self.vectors_ND - self.mean_D

    @cached_property
    def is_constant(self) -> bool:
        """Whether all rows agree."""
        first_D = self.vectors_ND[0]
        return torch.equal(first_D, self.vectors_ND[-1]) and bool((self.vectors_ND == first_D).all())

    @cached_property
    def centred(self) -> Cloud:
        """The centred vectors as a cloud of their own."""
        return Cloud(self.centred_ND, name=f"{self.name} centred on its mean")

    @cached_property
    def square_norms_N(self) -> Tensor:
        """The squared norms of the centred vectors, float64."""
        norms_N: Tensor = torch.linalg.vector_norm(self.centred_ND, dim=1)
        return norms_N.double().square()

    @cached_property
    def spread(self) -> float:
        """The sum of squared distances from the mean.

        Raises:
            ValueError: all rows agree, so that there is nothing to compare.
        """
        total = float(self.square_norms_N.sum())
        if total == 0.0:
            raise ValueError(
                f"a scale-free statistic needs vectors that differ; all {len(self)} rows of {self.name} are the same; "
                "check the pooling, or leave this layer out"
            )
        return total

    @cached_property
    def scatter_DD(self) -> Tensor:
        """The centred second moments, not divided by N, float64."""
        return (self.centred_ND.T @ self.centred_ND).double()

    @cached_property
    def cosines(self) -> Cosines:
        """The cosines between rows of this language."""
        return Cosines(self.unit_ND, self.unit_ND)

    def nearest(self, k: int) -> Nearest:
        """The k nearest other rows of every row."""
        return self.once(_nearest_others, k)


def _nearest_others(cloud: Cloud, k: int) -> Nearest:
    return cloud.cosines.nearest(k, skip_self=True)


def _check(vectors_ND: Tensor, name: str) -> None:
    if vectors_ND.ndim != 2 or not vectors_ND.is_floating_point():
        raise ValueError(
            f"{name} must be a floating-point matrix [rows, dimensions]; got {vectors_ND.dtype} of shape "
            f"{tuple(vectors_ND.shape)}; pool the tokens first, one vector per text"
        )
    if vectors_ND.shape[0] < 2 or vectors_ND.shape[1] < 1:
        raise ValueError(
            f"alignment needs at least 2 rows of 1 dimension; {name} has shape "
            f"{tuple(vectors_ND.shape)}; pass more texts"
        )
    # A sum is finite only if its terms are, and costs a tenth of looking at each.
    if vectors_ND.sum().isfinite():
        return
    bad = (~vectors_ND.isfinite()).any(dim=1).nonzero().flatten().tolist()
    if bad:
        raise ValueError(
            f"{name} must be finite; {len(bad)} rows hold NaN or infinity, the first is row {bad[0]}; "
            "encode in float32, or drop these rows from both languages"
        )
