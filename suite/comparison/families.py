"""Multiplicity: what is tested together is adjusted together, and later looks at growing seeds cost more."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from suite.comparison_spec import ComparisonSpec
from suite.results import Comparison, Kind
from suite.stats import LookAdjustment, adjust, holm

FAMILIES: dict[Kind, str] = {
    "primary": "zero-shot mean, every scale and robust method",
    "language": "every language, scale and robust method",
    "subset": "zero-shot mean on every adversarial subset, scale and robust method",
    "interaction": "subset minus clean, every subset, scale and robust method",
    "alignment": "every alignment metric at the last layer, scale and robust method",
}
"""Kind of comparison to the family it is adjusted in."""
MAX_T = "max-t"

Looked = Callable[[Comparison], tuple[int, LookAdjustment] | None]
"""Which look a comparison is made at and how its p pays for that; none where it is the only one."""


def adjust_families(rows: Sequence[Comparison], rules: ComparisonSpec) -> tuple[Comparison, ...]:
    """Adjust p within each kind of row: the primary by the study's correction, the others by Benjamini-Hochberg.

    Rows that max-t has adjusted already, each within its own (scale, method), are left as they are. A row without a
    test counts in its family as one that finds nothing (p = 1), so that the family is the one declared.
    """
    adjusted = dict(enumerate(rows))
    families: dict[tuple[Kind, str], list[int]] = {}
    for i, row in enumerate(rows):
        families.setdefault((row.kind, row.scale if rules.family == "scale" else ""), []).append(i)
    for (kind, scale), members in families.items():
        name = f"{FAMILIES[kind]} of scale {scale}" if scale else FAMILIES[kind]
        open_rows = [i for i in members if rows[i].correction != MAX_T]
        correction = rules.correction if kind == "primary" else "benjamini-hochberg"
        for i, p in zip(open_rows, adjust(p_values([rows[i] for i in open_rows]), correction), strict=True):
            adjusted[i] = replace(
                rows[i],
                p_adjusted=float(p) if rows[i].is_tested else math.nan,
                correction=correction,
                family=name,
                family_size=len(open_rows),
            )
        _adjust_equivalence(adjusted, members)
    return tuple(adjusted[i] for i in range(len(rows)))


def p_values(rows: Sequence[Comparison]) -> list[float]:
    """The p of each row, 1 where nothing was tested."""
    return [row.p if row.is_tested else 1.0 for row in rows]


def _adjust_equivalence(rows: dict[int, Comparison], members: Sequence[int]) -> None:
    declared = [i for i in members if rows[i].margin is not None]
    found = [1.0 if (p := rows[i].p_equivalence) is None else p for i in declared]
    for i, p in zip(declared, holm(found), strict=True):
        if rows[i].is_tested:
            rows[i] = replace(rows[i], p_equivalence_adjusted=float(p))


def pay_for_looks(rows: Sequence[Comparison], looked: Looked) -> tuple[Comparison, ...]:
    """Adjust every p once more for the look at which it was computed."""
    return tuple(_paid(row, looked(row)) for row in rows)


def _paid(row: Comparison, look: tuple[int, LookAdjustment] | None) -> Comparison:
    if look is None:
        return row
    number, price = look
    same = row.p_equivalence_adjusted
    return replace(
        row,
        p_adjusted=pay(row.p_adjusted, price.factor),
        p_equivalence_adjusted=None if same is None else pay(same, price.factor),
        look=number,
        look_rule=price.rule,
        look_factor=price.factor,
    )


def pay(p: float, factor: float) -> float:
    """The price of a look times p, at most 1; a look that may spend nothing rejects nothing, not even p = 0.

    NaN, the p of what was not tested, stays NaN.
    """
    if math.isnan(p):
        return p
    return 1.0 if math.isinf(factor) else min(1.0, p * factor)
