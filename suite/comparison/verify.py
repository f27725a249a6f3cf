"""Published claims held against what a study measured: supported, contradicted or undecided, with the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import stdtr

from suite.comparison.families import p_values, pay
from suite.comparison_spec import PublishedClaim
from suite.evaluation_spec import CLEAN
from suite.results import UNVARIED, Answer, Comparison, Verdict
from suite.spec import StudySpec
from suite.stats import holm

ANY_ROBUST = "robust"


def verify(study: StudySpec, rows: Sequence[Comparison], claims: Sequence[PublishedClaim]) -> list[Verdict]:
    """One verdict per claim and per (scale, method) that bears on it; one verdict that says why where none does.

    A claim is supported where the effect is found to be above 0 and the reported size is not excluded; contradicted
    where the reported size (or, without one, an effect above 0) is excluded; undecided otherwise, which an interval
    that holds both 0 and the reported size always is, and so is a row without any variance to test by. Both p are
    Holm's over everything verified together, so that a list of many claims finds no more by chance than a short one,
    and both have paid for the look they are made at.
    """
    bearing = [(claim, [row for row in rows if _bears(study, claim, row)]) for claim in claims]
    tried = [(claim, row) for claim, found in bearing for row in found]
    above, below = (holm(p) for p in ([_p_above(r) for _, r in tried], [_p_below(c, r) for c, r in tried]))
    numbers = zip(tried, above, below, strict=True)
    judged = iter([_judge(claim, row, float(a), float(b), len(tried)) for (claim, row), a, b in numbers])
    verdicts = []
    for claim, found in bearing:
        verdicts += [next(judged) for _ in found] or [_silent(study, claim)]
    return verdicts


def _one_sided(row: Comparison, against: float) -> float:
    """P of "the effect is at least `against`", from below; 1 where nothing was tested."""
    if not row.is_tested:
        return 1.0
    return float(stdtr(row.degrees_of_freedom, (row.effect - against) / row.standard_error))


def _p_above(row: Comparison) -> float:
    """Two-sided p where the effect points up, 1 where it points down: only an improvement supports a claim."""
    return pay(p_values([row])[0], row.look_factor) if row.effect > 0 else 1.0


def _p_below(claim: PublishedClaim, row: Comparison) -> float:
    """Twice the one-sided p of an effect as large as reported: the claim is excluded where its interval would."""
    return pay(min(1.0, 2 * _one_sided(row, claim.delta or 0.0)), row.look_factor)


def _bears(study: StudySpec, claim: PublishedClaim, row: Comparison) -> bool:
    kinds = {"primary", "language"} if claim.subset == CLEAN else {"subset", "interaction"}
    methods = study.robust_methods if claim.treatment == ANY_ROBUST else (claim.treatment,)
    return (
        claim.task == row.task
        and claim.baseline == row.baseline
        and row.treatment in methods
        and row.kind in kinds
        and (row.subset, row.aggregate) == (claim.subset, claim.aggregate)
    )


def _judge(claim: PublishedClaim, row: Comparison, p_above: float, p_below: float, family: int) -> Verdict:
    if not row.is_tested:
        return _untested(claim, row)
    alpha = 1 - row.confidence
    excluded, found = p_below < alpha, p_above < alpha
    answer: Answer = "contradicted" if excluded else "supported" if found else "undecided"
    return Verdict(
        name=claim.name,
        source=claim.source,
        certainty=claim.certainty,
        expected=claim.delta,
        answer=answer,
        reason="; ".join(part for part in (_reason(claim, row, answer, found), row.look_rule) if part),
        scale=row.scale,
        treatment=row.treatment,
        effect=row.effect,
        low=row.low,
        high=row.high,
        p_adjusted=p_below if excluded else p_above,
        family_size=family,
        n_seeds=row.n_seeds,
        n_items=row.n_items,
        mde=row.mde,
    )


def _untested(claim: PublishedClaim, row: Comparison) -> Verdict:
    return replace(
        _undecided(claim, f"{_signed(row.effect)} points measured, but there is no test of the difference: {UNVARIED}"),
        scale=row.scale,
        treatment=row.treatment,
        effect=row.effect,
        n_seeds=row.n_seeds,
        n_items=row.n_items,
    )


def _reason(claim: PublishedClaim, row: Comparison, answer: Answer, found: bool) -> str:
    claimed = "an improvement" if claim.delta is None else f"{_signed(claim.delta)} points"
    if answer == "contradicted":
        what = "an improvement, but a smaller one" if found and claim.delta else "no such improvement"
        return f"{what}: {claimed} is excluded"
    if answer == "supported":
        return f"an improvement is found, and {claimed} is not excluded"
    mde = f"the smallest effect this comparison finds with 80 % power is {100 * row.mde:.1f} points"
    return f"neither 0 nor {claimed} is excluded; {mde}" if claim.delta else f"no improvement is found; {mde}"


def _silent(study: StudySpec, claim: PublishedClaim) -> Verdict:
    known = [study.comparison.baseline, *study.robust_methods]
    if claim.task != study.task.name:
        why = f"the claim is about {claim.task}, the study measures {study.task.name}"
    elif {claim.baseline, claim.treatment} - {*known, ANY_ROBUST}:
        why = f"the study has no such arm: its methods are {', '.join(known)}"
    else:
        why = f"{claim.aggregate} on {claim.subset} was not compared in this study"
    return _undecided(claim, why)


def _undecided(claim: PublishedClaim, why: str) -> Verdict:
    return Verdict(
        name=claim.name,
        source=claim.source,
        certainty=claim.certainty,
        expected=claim.delta,
        answer="undecided",
        reason=why,
    )


def _signed(share: float) -> str:
    return f"{np.round(100 * share, 2):+g}"
