"""From contests to results: test, adjust over families and looks, and look at every conclusion from other sides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from suite.comparison.contest import Contest
from suite.comparison.families import Looked, adjust_families, p_values, pay, pay_for_looks
from suite.comparison.max_t import adjust_languages
from suite.comparison.sensitivity import breadth, checks
from suite.comparison.warning import warnings_about
from suite.comparison_spec import ComparisonSpec
from suite.results import Comparison, Results


def judge(rules: ComparisonSpec, contests: Sequence[Contest], looked: Looked = lambda row: None) -> Results:
    """Everything that contests of one design say together."""
    rows = adjust_languages(contests)
    adjusted = pay_for_looks(adjust_families(rows, rules), looked)
    around = tuple(check for contest in contests for check in checks(contest))
    counted = [breadth(contest, _language_p(adjusted, contest)) for contest in contests]
    return Results(
        comparisons=adjusted,
        checks=around,
        breadths=tuple(count for count in counted if count is not None),
        warnings=tuple(warnings_about(adjusted, around)),
    )


def _language_p(rows: Iterable[Comparison], contest: Contest) -> dict[str, tuple[float, float]]:
    """Language to its p, which has paid for its look but for no family, and its effect; p = 1 without a test."""
    arm = (contest.treatment.scale, contest.treatment.method)
    mine = [row for row in rows if (row.scale, row.treatment) == arm and row.kind == "language"]
    return {row.aggregate: (pay(p, row.look_factor), row.effect) for row, p in zip(mine, p_values(mine), strict=True)}
