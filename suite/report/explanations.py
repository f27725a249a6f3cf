"""Breadth, explanations of transfer and verdicts on published claims, as sentences."""

from __future__ import annotations

from collections.abc import Sequence

from suite.report.render import escape_markdown
from suite.report.table import number_text, p_text
from suite.results import Breadth, Explanation, Verdict
from suite.spec import StudySpec


def breadth_sentences(breadths: Sequence[Breadth]) -> list[str]:
    """In how many languages at least each method improves."""
    return [
        f"{_who(b)}: {_extent(b)} (Bonferroni partial conjunction, one-sided, alpha {b.alpha:.2g}; p for at least one "
        f"language: {p_text(b.p_by_count[0])})."
        for b in breadths
    ]


def _extent(b: Breadth) -> str:
    if not b.holding:
        return f"an improvement is established in none of {len(b.languages)} languages"
    return f"an improvement is established in at least {b.holding} of {len(b.languages)} languages"


def claim_sentences(verdicts: Sequence[Verdict]) -> list[str]:
    """What the study says to each published claim."""
    return [_claim(verdict) for verdict in verdicts]


def _claim(v: Verdict) -> str:
    head = f"{escape_markdown(v.name)} ({escape_markdown(v.source)}"
    head += f"; {escape_markdown(v.certainty)})" if v.certainty else ")"
    if v.effect is None or v.low is None or v.high is None or v.p_adjusted is None:
        return f"{head}: **undecided**: {escape_markdown(v.reason)}."
    measured = f"{_points(v.effect)} points [{_points(v.low)}, {_points(v.high)}]"
    numbers = f"adjusted p {p_text(v.p_adjusted)} by holm over {v.family_size}, {v.n_seeds} seeds x {v.n_items} items"
    who = f"{_who(v)}, {measured}, {numbers}"
    return f"{head}: **{v.answer}** by {who}: {escape_markdown(v.reason)}."


def explanation_sentences(study: StudySpec, e: Explanation) -> list[str]:
    """Whether transfer moves with alignment, between languages and within them; how much goes through it."""
    parts = [
        f"{name} r = {number_text(part[1], 2, signed=True)} (permutation p {p_text(part[2])})"
        for part, name in ((e.between, "between languages"), (e.within, "within a language over seeds"))
        if part is not None
    ]
    if not parts:
        return []
    n = f"{len(e.scales)} scale{'s' * (len(e.scales) > 1)}, {e.n_seeds} seeds, {e.n_languages} languages"
    head = (
        f"{e.treatment}: change of {escape_markdown(e.statistic)} with change of {escape_markdown(study.tune.metric)} "
        f"against {e.baseline}: {'; '.join(parts)}; {n}."
    )
    return [" ".join([head, *_mediation(e), *_paradox(e), _cause(e)])]


def _mediation(e: Explanation) -> list[str]:
    if e.indirect is None or e.indirect_interval is None or e.total is None:
        return []
    low, high = e.indirect_interval
    share = f", {number_text(100 * e.proportion, 0)} % of it" if e.proportion is not None else ""
    return [
        f"Of a total of {_points(e.total)} points, {_points(e.indirect)} [{_points(low)}, {_points(high)}] go with "
        f"alignment{share} (paired mediation, seeds as clusters)."
    ]


def _paradox(e: Explanation) -> list[str]:
    if e.paradox:
        return ["The slopes between and within languages disagree in sign (Simpson's paradox); neither stands alone."]
    if e.between and e.within and e.between[0] * e.within[0] < 0:
        return ["The slopes between and within languages differ in sign, but not both are distinguishable from 0."]
    return []


def _cause(e: Explanation) -> str:
    if e.intervention:
        return "This arm intervenes on alignment, so its change of transfer is an effect of that change."
    return "An association, not a cause."


def _who(one: Breadth | Verdict) -> str:
    return " · ".join(escape_markdown(part) for part in (one.scale, one.treatment) if part)


def _points(share: float) -> str:
    return number_text(100 * share, 1, signed=True)
