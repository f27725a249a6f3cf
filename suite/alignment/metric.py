"""What an alignment metric declares about itself; the conformance tests hold every entry to its declaration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol

from torch import Tensor

from suite.alignment.pair import Pair, Way

Direction = Way | Literal["both"]
"""A way, or the mean of the two."""

Invariance = Literal["scale", "rotation", "offset", "scale-each", "rotation-each", "offset-each", "row-order"]
"""What leaves a metric unchanged. Plain: one positive factor, orthogonal matrix or vector applied to both languages;
`-each`: each language has its own; `row-order`: the same permutation of both languages' rows."""


class Directed(Protocol):
    """A function of a pair that has a direction."""

    def __call__(self, pair: Pair, direction: Direction = "both") -> float:
        """The metric in one direction, or the mean of the two."""
        ...


COSINE: frozenset[Invariance] = frozenset({"scale", "scale-each", "rotation", "row-order"})
"""Cosines between languages."""
CENTRED_COSINE: frozenset[Invariance] = COSINE | {"offset", "offset-each"}
"""Cosines between languages, each centred on its own mean."""
WITHIN_COSINE: frozenset[Invariance] = COSINE | {"rotation-each"}
"""Cosines within each language, compared afterwards."""
SECOND_MOMENT: frozenset[Invariance] = CENTRED_COSINE | {"rotation-each"}
"""Scale-free functions of the centred second moments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentMetric:
    """An entry of `ALIGNMENT`: a function of a `Pair`, and the laws it keeps."""

    function: Callable[[Pair], float]
    """Takes the pair of languages alone (everything else has a default) and returns a Python float."""
    optimum: float | None
    """The value of a perfect alignment, where the two languages have the same vectors; None where that fixes none."""
    higher_is_better: bool
    invariances: frozenset[Invariance]
    centred: bool
    """Whether each language is centred on its own mean, which removes a constant language offset."""
    unit: str
    """What the number counts: `share`, `cosine`, `correlation`, `ratio`, ..."""

    def __call__(self, x_ND: Tensor, y_ND: Tensor) -> float:
        """The metric of two row-aligned matrices; to share work between metrics, call `measure`."""
        return self.function(Pair.of(x_ND, y_ND))


def in_direction(statistic: Callable[[Pair, Way], float], pair: Pair, direction: Direction) -> float:
    """A statistic that has a direction, in the one asked for; `both` is the mean of the two."""
    if direction == "both":
        return (statistic(pair, "forward") + statistic(pair, "backward")) / 2
    return statistic(pair, direction)


def in_each_direction(name: str, function: Directed, declared: AlignmentMetric) -> dict[str, AlignmentMetric]:
    """The three entries of a directed metric: `name`, `name_forward`, `name_backward`, all declared alike."""
    return {
        name: replace(declared, function=partial(function, direction="both")),
        f"{name}_forward": replace(declared, function=partial(function, direction="forward")),
        f"{name}_backward": replace(declared, function=partial(function, direction="backward")),
    }
