"""Tables of comparisons: the primary family, languages, subsets, alignment; one row per claim, nothing left out."""

from __future__ import annotations

from collections.abc import Sequence

from suite.records import RunRecord
from suite.report.gather import Comparisons, chosen, finds_difference
from suite.report.signature import corrections, dagger_note, signature
from suite.report.table import PERCENT, Cell, Column, Kind, Mark, Role, Table, rounded, settled
from suite.results import UNVARIED, Comparison
from suite.spec import StudySpec

_WHERE: dict[str, tuple[str, ...]] = {
    "primary": (),
    "language": ("aggregate",),
    "subset": ("subset",),
    "interaction": ("subset",),
    "alignment": ("quantity", "aggregate"),
}
"""Kind of comparison to the fields that tell its rows apart within a scale and method."""


_HEADERS = {"aggregate": "where", "quantity": "statistic"}


def primary_deltas(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons) -> Table:
    """Every robust method against the baseline on the zero-shot mean, per scale: the primary family."""
    return _deltas(study, records, chosen(comparisons, "primary"), "deltas", "zero-shot mean, primary family")


def language_deltas(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons) -> Table:
    """Every robust method against the baseline in each language, per scale."""
    return _deltas(study, records, chosen(comparisons, "language"), "deltas-languages", "per language")


def subset_deltas(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons) -> Table:
    """Adversarial subsets: the zero-shot mean on each, and its difference in differences to the clean items."""
    tested = chosen(comparisons, "subset", "interaction")
    about = "adversarial subsets (zero-shot mean) and their difference in differences to the clean items"
    return _deltas(study, records, tested, "deltas-subsets", about)


def alignment_deltas(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons) -> Table:
    """Alignment after every robust method minus after the baseline, per scale and statistic."""
    return _deltas(study, records, chosen(comparisons, "alignment"), "deltas-alignment", "alignment statistics")


def _deltas(study: StudySpec, records: Sequence[RunRecord], tested: Comparisons, name: str, about: str) -> Table:
    points = name != "deltas-alignment"
    where = tuple(dict.fromkeys(field for c in tested for field in _WHERE[c.kind]))
    table = Table(
        name=name,
        title=f"{study.name}: change against {study.comparison.baseline}, {about}{_in_points(tested, points)}",
        columns=_columns(where, points),
        rows=tuple(_row(c, where) for c in tested),
        notes=_notes(study, tested),
        signature=signature(study, records, tested),
    )
    measured = ("baseline_mean", "treatment_mean", "effect", "mde")
    return settled(rounded(table, measured), (*_SETTLED, *where))


_SETTLED = ("seeds", "items", "family_size")


def _notes(study: StudySpec, tested: Comparisons) -> tuple[str, ...]:
    levels = ", ".join(dict.fromkeys(f"{100 * c.confidence:g}" for c in tested))
    bare = [f"No test where there is no interval: {UNVARIED}."] if any(not c.is_tested for c in tested) else []
    return (
        f"Effect: method minus {study.comparison.baseline}, with its {levels} % interval (unadjusted); MDE: smallest "
        "true effect found with 80 % power at the unadjusted level.",
        f"p adj.: adjusted over the family ({corrections(tested)}). {dagger_note(study, tested)}.",
        *bare,
    )


def _in_points(tested: Comparisons, points: bool) -> str:
    quantities = ", ".join(dict.fromkeys(c.quantity for c in tested))
    return f" ({quantities}, points)" if points and quantities else ""


def _columns(where: tuple[str, ...], points: bool) -> tuple[Column, ...]:
    unit = PERCENT if points else ""

    def column(key: str, header: str, kind: Kind, role: Role = "measure", unit: str = "", decimals: int = 1) -> Column:
        return Column(key=key, header=header, kind=kind, role=role, unit=unit, decimals=decimals)

    return (
        column("scale", "scale", "text", "label"),
        column("method", "method", "text", "label"),
        *(column(field, _HEADERS.get(field, field), "text", "label") for field in where),
        column("baseline_mean", "baseline", "level", unit=unit),
        column("treatment_mean", "method's", "level", unit=unit),
        column("effect", "effect", "difference", unit=unit),
        column("t", "t", "level", decimals=2),
        column("df", "df", "level"),
        column("p", "p", "p"),
        column("p_adjusted", "p adj.", "p"),
        column("mde", "MDE", "level", unit=unit),
        column("seeds", "seeds", "count"),
        column("items", "items", "count"),
        column("family_size", "family", "count"),
        *(column(key, key, "text", "detail") for key in _DETAILS),
        column("confidence", "confidence", "plain", "detail"),
        column("seed_correlation", "seed correlation", "plain", "detail"),
        *(column(key, key, kind, "detail") for key, kind in _LATER.items()),
    )


_DETAILS = (
    *("study", "baseline", "task", "kind", "measured", "evaluated_on", "over"),
    *("unit", "claim", "test", "correction", "family_name"),
)
_LATER: dict[str, Kind] = {
    "simultaneous_low": "plain",
    "simultaneous_high": "plain",
    "margin": "plain",
    "p_equivalence": "p",
    "p_equivalence_adjusted": "p",
    "rope_below": "plain",
    "rope_within": "plain",
    "rope_above": "plain",
    "look": "count",
    "look_rule": "text",
    "look_factor": "plain",
}
"""Of CSV and Parquet only: the intervals of max-t, equivalence within the margin, and the look with its price."""


def _row(c: Comparison, where: tuple[str, ...]) -> tuple[Cell, ...]:
    marks: frozenset[Mark] = frozenset(["significant"]) if finds_difference(c) else frozenset()
    identity = (c.study, c.baseline, c.task, c.kind, c.quantity, c.subset, c.aggregate)
    return (
        *(Cell(value=value) for value in (c.scale, c.treatment, *(getattr(c, field) for field in where))),
        *(Cell(value=value) for value in (c.baseline_mean, c.treatment_mean)),
        Cell(value=c.effect, interval=(c.low, c.high) if c.is_tested else None, marks=marks),
        *(
            Cell(value=v if c.is_tested else None)
            for v in (c.statistic, c.degrees_of_freedom, c.p, c.p_adjusted, c.mde)
        ),
        *(Cell(value=value) for value in (c.n_seeds, c.n_items or None, c.family_size)),
        *(Cell(value=value) for value in (*identity, c.unit, c.claim, c.test, c.correction, c.family)),
        *(Cell(value=value) for value in (c.confidence, c.seed_correlation)),
        *(Cell(value=value) for value in c.simultaneous or (None, None)),
        *(Cell(value=value) for value in (c.margin, c.p_equivalence, c.p_equivalence_adjusted)),
        *(Cell(value=value) for value in c.rope or (None, None, None)),
        *(Cell(value=value) for value in (c.look, c.look_rule, c.look_factor)),
    )
