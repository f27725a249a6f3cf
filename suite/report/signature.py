"""The one line under a table that says how its numbers were made, and the notes that explain its marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from suite.records import RunRecord
from suite.report.gather import Comparisons, refits, suite_versions
from suite.report.table import DAGGER
from suite.spec import StudySpec


def signature(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons = ()) -> str:
    """`suite:0.1.0|study:1a2b...|seeds:6|test:crossed-paired|...`: version, design, tests, pairing, corrections."""
    parts = [f"suite:{suite_versions(records)}", f"study:{study.digest[:12]}", f"languages:{len(study.task.targets)}"]
    if comparisons:
        parts += _test_parts(comparisons)
    else:
        parts += [f"seeds:{_span(len(runs) for runs in refits(study, records).values())}", "test:none"]
    return "|".join(parts)


def _test_parts(comparisons: Comparisons) -> list[str]:
    families = dict.fromkeys(f"{c.correction}({c.family_size})" for c in comparisons)
    return [
        f"seeds:{_span(c.n_seeds for c in comparisons)}",
        f"items:{_span(c.n_items for c in comparisons)}",
        f"unit:{_joined(c.unit for c in comparisons)}",
        f"test:{_joined(c.test for c in comparisons)}",
        f"confidence:{_joined(f'{c.confidence:g}' for c in comparisons)}",
        "families:" + "+".join(families),
    ]


def mark_notes(study: StudySpec, comparisons: Comparisons, *, ranked: bool = True) -> tuple[str, ...]:
    """What bold, underline and dagger mean; only the marks that the table can hold."""
    ranks = (
        "Best in bold (* in plain text), second underlined (_), per column within a scale; "
        "values that read the same share the mark."
    )
    alpha = 1 - study.comparison.confidence
    sizes = "; ".join(dict.fromkeys(f"{c.kind}: {c.correction} over {c.family_size}" for c in comparisons))
    dagger = (
        f"{DAGGER} differs from {study.comparison.baseline} at the same scale, adjusted p < {alpha:.2g} "
        f"({sizes}; p-values in the tables of deltas)."
    )
    return (*([ranks] if ranked else []), *([dagger] if comparisons else []))


def _joined(names: Iterable[str]) -> str:
    return "+".join(dict.fromkeys(names))


def _span(counts: Iterable[int]) -> str:
    """`6`, or `5-6` where it varies."""
    distinct = sorted(set(counts))
    return "-".join(str(n) for n in dict.fromkeys([*distinct[:1], *distinct[-1:]])) or "0"
