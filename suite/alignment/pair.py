"""Two languages' vectors, row-aligned: what every alignment metric is a function of."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from torch import Tensor

from suite.alignment.cloud import Cloud, Remembering
from suite.alignment.cosines import Cosines, Nearest

Way = Literal["forward", "backward"]
"""Forward: source rows look among target rows; backward: target rows look among source rows."""


class Pair(Remembering):
    """Row i of `source` and row i of `target` translate each other; metrics called on one pair share their work.

    Pairs with the same `source` cloud share the work on the source side too.
    """

    def __init__(self, source: Cloud, target: Cloud) -> None:
        """Pair two clouds of the same shape and precision.

        Raises:
            ValueError: shapes or precisions differ.
        """
        super().__init__()
        x_ND, y_ND = source.vectors_ND, target.vectors_ND
        if x_ND.shape != y_ND.shape:
            raise ValueError(
                f"row i of both languages must translate each other; shapes are {tuple(x_ND.shape)} and "
                f"{tuple(y_ND.shape)}; keep the items both languages have, in one order, from one layer"
            )
        if x_ND.dtype != y_ND.dtype:
            raise ValueError(
                f"both languages must share their precision; got {x_ND.dtype} and {y_ND.dtype}; convert one"
            )
        self.source, self.target = source, target

    @classmethod
    def of(cls, x_ND: Tensor, y_ND: Tensor) -> Pair:
        """The pair of two matrices [N, D]: source and target."""
        return cls(Cloud(x_ND, name="x_ND"), Cloud(y_ND, name="y_ND"))

    def __len__(self) -> int:
        """The number of translation pairs N."""
        return len(self.source)

    @cached_property
    def centred(self) -> Pair:
        """The pair with each language centred on its own mean."""
        return Pair(self.source.centred, self.target.centred)

    @cached_property
    def matched_N(self) -> Tensor:
        """The cosine of every translation pair, float64."""
        return (self.source.unit_ND * self.target.unit_ND).sum(dim=1).double()

    @cached_property
    def cross_DD(self) -> Tensor:
        """The centred second moments between the languages, source by target, not divided by N, float64."""
        return (self.source.centred_ND.T @ self.target.centred_ND).double()

    def queries(self, way: Way) -> Cloud:
        """The language whose rows look for their translation."""
        return self.source if way == "forward" else self.target

    def cosines(self, way: Way) -> Cosines:
        """The cosines of every query row with every row of the other language; one product serves both ways."""
        return self.once(_forward_cosines if way == "forward" else _backward_cosines)

    def nearest(self, way: Way, k: int) -> Nearest:
        """The k nearest rows of the other language, of every query row."""
        return self.once(_nearest, way, k)


def _forward_cosines(pair: Pair) -> Cosines:
    return Cosines(pair.source.unit_ND, pair.target.unit_ND)


def _backward_cosines(pair: Pair) -> Cosines:
    return pair.cosines("forward").transposed


def _nearest(pair: Pair, way: Way, k: int) -> Nearest:
    return pair.cosines(way).nearest(k)
