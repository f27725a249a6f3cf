"""Means over tasks: the primary comparisons of several studies, whose models share nothing, as one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from suite.comparison.families import p_values, pay
from suite.results import Comparison
from suite.stats import Estimate, adjust, equivalence, independent_mean

CLAIM = "{} beats {} on average over these tasks, on new seeds and items; tasks, languages and hyperparameters fixed"
MEAN = "mean over tasks"
FAMILY = "mean over tasks, every scale and robust method"


def over_tasks(studies: Sequence[Sequence[Comparison]], *, correction: str = "holm") -> tuple[Comparison, ...]:
    """One row per (scale, method) that every study has compared with the same baseline: the mean of their effects.

    A mean pays for looks what the dearest look among its studies costs: it is looked at whenever one of them is.

    Args:
        studies: The comparisons of each study, one task each.
        correction: Of the rows among one another.

    Raises:
        ValueError: fewer than two studies, one task twice, or nothing that all of them have compared.
    """
    primary = [{(r.scale, r.treatment, r.baseline): r for r in rows if r.kind == "primary"} for rows in studies]
    tasks = [next(iter(found.values())).task if found else "" for found in primary]
    if len(primary) < 2 or len(set(tasks)) < len(tasks):
        raise ValueError(f"a mean over tasks takes at least two studies of different tasks; got {tasks}")
    shared = [key for key in primary[0] if all(key in found for found in primary)]
    if not shared:
        named = [sorted(" · ".join(key[:2]) for key in found) for found in primary]
        known = "; ".join(f"{task}: {', '.join(names)}" for task, names in zip(tasks, named, strict=True))
        raise ValueError(f"the studies compare no scale and method in common; they have {known}; name the scales alike")
    rows = [_mean([found[key] for found in primary]) for key in shared]
    return tuple(
        replace(
            row,
            p_adjusted=pay(float(p), row.look_factor) if row.is_tested else math.nan,
            correction=correction,
            family=FAMILY,
            family_size=len(rows),
        )
        for row, p in zip(rows, adjust(p_values(rows), correction), strict=True)
    )


def _mean(rows: Sequence[Comparison]) -> Comparison:
    """The mean of one effect per task; without a test where any of them has none."""
    estimate = independent_mean([_estimate(row) for row in rows])
    margins = {row.margin for row in rows}
    margin = margins.pop() if len(margins) == 1 else None
    same = equivalence(estimate, margin) if margin is not None else None
    first = rows[0]
    dearest = max(rows, key=lambda row: (row.look_factor, row.look))
    mean = replace(
        first,
        study=" + ".join(row.study for row in rows),
        task=" + ".join(row.task for row in rows),
        quantity=" + ".join(dict.fromkeys(row.quantity for row in rows)),
        aggregate=MEAN,
        claim=CLAIM.format(first.treatment, first.baseline),
        n_seeds=estimate.n_seeds,
        n_items=estimate.n_items,
        test=estimate.test,
        statistic=estimate.statistic,
        degrees_of_freedom=estimate.degrees_of_freedom,
        p=estimate.p,
        baseline_mean=sum(row.baseline_mean for row in rows) / len(rows),
        treatment_mean=sum(row.treatment_mean for row in rows) / len(rows),
        effect=estimate.estimate,
        low=estimate.low,
        high=estimate.high,
        mde=estimate.mde,
        seed_correlation=None,
        margin=margin,
        p_equivalence=same.p if same else None,
        p_equivalence_adjusted=None,
        detectable=(),
        rope=(same.below, same.within, same.above) if same else None,
        look=dearest.look,
        look_rule=dearest.look_rule,
        look_factor=dearest.look_factor,
    )
    return mean if all(row.is_tested for row in rows) else mean.untested()


def _estimate(row: Comparison) -> Estimate:
    """The row as an estimate again; without a test one of no variance, whose numbers are not used."""
    if not row.is_tested:
        row = replace(row, statistic=0.0, p=1.0, low=row.effect, high=row.effect)
    return Estimate(
        estimate=row.effect,
        standard_error=row.standard_error,
        statistic=row.statistic,
        degrees_of_freedom=row.degrees_of_freedom,
        p=row.p,
        low=row.low,
        high=row.high,
        confidence=row.confidence,
        n_seeds=row.n_seeds,
        n_items=row.n_items,
        test=row.test,
        seed_correlation=row.seed_correlation,
    )
