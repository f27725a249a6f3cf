"""What weakens a conclusion, in sentences: few degrees of freedom, looks, checks that disagree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from suite.results import UNVARIED, Check, Comparison

FEW_DEGREES = 4.0
"""Below so many degrees of freedom the test leans on the normality of the seeds' effects."""
STAND_BESIDE = ("unpaired", "paired", "seed-t", "without seed", "without family")
"""Checks that answer the primary question and so can disagree with it."""


def warnings_about(rows: Sequence[Comparison], checks: Sequence[Check]) -> Iterator[str]:
    """One sentence per weakness of a primary row, each naming its scale and method."""
    for row in rows:
        if row.kind != "primary":
            continue
        who = " · ".join(part for part in (row.scale, row.treatment) if part)
        if not row.is_tested:
            yield f"{who}: there is no test of the difference: {UNVARIED}"
        elif row.degrees_of_freedom < FEW_DEGREES:
            yield (
                f"{who}: {row.degrees_of_freedom:.1f} degrees of freedom of {row.n_seeds} seeds; the interval leans on "
                "the seeds' effects being normal; train more seeds"
            )
        if row.look_rule:
            yield f"{who}: {row.look_rule}"
        yield from (f"{who}: {sentence}" for sentence in _disagreements(row, checks) if row.is_tested)


def _disagreements(row: Comparison, checks: Sequence[Check]) -> Iterator[str]:
    alpha = 1 - row.confidence
    mine = [
        c
        for c in checks
        if (c.scale, c.treatment, c.quantity) == (row.scale, row.treatment, row.quantity) and c.analysis in STAND_BESIDE
    ]
    for analysis in dict.fromkeys(check.analysis for check in mine):
        group = [c for c in mine if c.analysis == analysis and c.p is not None]
        # Raw against raw: the primary p before its family, as the checks are not adjusted.
        odd = [c for c in group if (c.p is not None and c.p < alpha) != (row.p < alpha)]
        if odd:
            whose = ", ".join(c.about for c in odd if c.about)
            verb = "finds" if row.p >= alpha else "does not find"
            count = f"{len(odd)} of {len(group)}: {whose}" if whose else "the whole"
            yield f"the check {analysis!r} ({count}) {verb} a difference, unlike the primary test (neither adjusted)"
