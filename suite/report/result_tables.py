"""Tables of what stands beside the comparisons: checks, breadth, explanations of transfer, verdicts on claims."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from suite.report.table import PERCENT, Cell, Column, Table, Value
from suite.results import Breadth, Check, Explanation, Results, Verdict

BuildTable = Callable[[str, Results, str], Table]
"""Study's name, results and signature to a table."""


def checks_table(study: str, results: Results, signature: str) -> Table:
    """The primary conclusion from other sides; McNemar for single pairs of checkpoints stands in a table of its own."""
    rows = [_check_row(check) for check in results.checks if check.analysis != "McNemar"]
    return Table(
        name="checks",
        title=f"{study}: does the primary conclusion hang on a seed, a family of languages, the pairing or the test?",
        columns=_CHECK_COLUMNS,
        rows=tuple(rows),
        notes=(
            "p is not adjusted: a check is no claim of its own. Estimates are treatment minus baseline in units of the "
            "metric (0.01 is one point), unless the quantity says otherwise.",
            *results.warnings,
        ),
        signature=signature,
    )


def checkpoints_table(study: str, results: Results, signature: str) -> Table:
    """McNemar per seed and language: what can be said of two checkpoints, and of no others."""
    rows = [_check_row(check) for check in results.checks if check.analysis == "McNemar"]
    return Table(
        name="checkpoints",
        title=f"{study}: pairs of checkpoints at the same seed, per language",
        columns=_CHECK_COLUMNS,
        rows=tuple(rows),
        notes=(
            "Mid-p of McNemar's test (Fagerland et al. 2013), not adjusted; odds: items that only the treatment gets "
            "right to those only the baseline does, with the Clopper-Pearson interval. One pair of checkpoints says "
            "nothing of other seeds: read as a claim about methods, such p find differences that are not there.",
        ),
        signature=signature,
    )


_CHECK_COLUMNS = (
    Column(key="scale", header="scale", kind="text", role="label"),
    Column(key="treatment", header="method", kind="text", role="label"),
    Column(key="analysis", header="check", kind="text", role="label"),
    Column(key="about", header="of", kind="text", role="label"),
    Column(key="quantity", header="quantity", kind="text", role="label"),
    Column(key="estimate", header="estimate", kind="level", decimals=3),
    Column(key="low", header="low", kind="level", decimals=3),
    Column(key="high", header="high", kind="level", decimals=3),
    Column(key="p", header="p", kind="p"),
    Column(key="n_seeds", header="seeds", kind="count"),
    Column(key="n_items", header="items", kind="count"),
    Column(key="note", header="note", kind="prose"),
    Column(key="claim", header="claim", kind="text", role="detail"),
    Column(key="baseline", header="baseline", kind="text", role="detail"),
)


def _check_row(check: Check) -> tuple[Cell, ...]:
    return _cells(check, _CHECK_COLUMNS)


def breadth_table(study: str, results: Results, signature: str) -> Table:
    """In how many languages at least each method improves."""
    most = max((len(b.p_by_count) for b in results.breadths), default=0)
    columns = (
        Column(key="scale", header="scale", kind="text", role="label"),
        Column(key="treatment", header="method", kind="text", role="label"),
        Column(key="holding", header="at least", kind="count"),
        Column(key="languages", header="of", kind="count"),
        *(Column(key=f"p_{k}", header=f"p ({k})", kind="p", role="detail" if k > 6 else "measure")
          for k in range(1, most + 1)),
        Column(key="baseline", header="baseline", kind="text", role="detail"),
    )  # fmt: skip
    return Table(
        name="breadth",
        title=f"{study}: in how many languages at least does a method improve?",
        columns=columns,
        rows=tuple(_breadth_row(b, most) for b in results.breadths),
        notes=(
            "p (k): Bonferroni partial conjunction of 'improves in at least k languages', one-sided (Benjamini & "
            "Heller 2008; Dror et al. 2017). Fisher's combination is not used: languages share their checkpoints.",
        ),
        signature=signature,
    )


def _breadth_row(b: Breadth, most: int) -> tuple[Cell, ...]:
    padded = [*b.p_by_count, *[None] * (most - len(b.p_by_count))]
    return tuple(Cell(value=v) for v in (b.scale, b.treatment, b.holding, len(b.languages), *padded, b.baseline))


def mediation_table(study: str, results: Results, signature: str) -> Table:
    """Total change of transfer per method, split into a part that goes with the change of alignment and the rest."""
    columns = (
        Column(key="treatment", header="method", kind="text", role="label"),
        Column(key="statistic", header="alignment", kind="text", role="label"),
        Column(key="alignment_change", header="change of alignment (a)", kind="difference", decimals=3),
        Column(key="transfer_per_alignment", header="transfer per unit (b)", kind="difference", decimals=2),
        Column(key="total", header="total", kind="difference", unit=PERCENT, decimals=2),
        Column(key="indirect", header="with alignment", kind="difference", unit=PERCENT, decimals=2),
        Column(key="direct", header="rest", kind="difference", unit=PERCENT, decimals=2),
        Column(key="proportion", header="share", kind="level", decimals=2),
        Column(key="confounding", header="confounding to explain it", kind="level", decimals=2),
        Column(key="n_seeds", header="seeds", kind="count"),
        Column(key="n_languages", header="languages", kind="count"),
    )
    found = [e for e in results.explanations if e.indirect is not None]
    arms = ", ".join(e.treatment for e in found if e.intervention)
    return Table(
        name="mediation",
        title=f"{study}: how much of the change of transfer goes with the change of alignment?",
        columns=columns,
        rows=tuple(_mediation_row(e, columns) for e in found),
        notes=(
            "Paired mediation (Judd et al. 2001; Montoya & Hayes 2017) at matched seeds, an intercept per scale and "
            "language; total = with alignment + rest. Interval: seeds resampled as clusters. Share: only where the "
            "total is over two standard errors from 0. Last: the correlation of unmeasured causes of both that would "
            "leave nothing (Imai et al. 2010).",
            f"Declared to intervene on alignment: {arms}; such a row may be read as an effect."
            if arms
            else "No arm intervenes on alignment alone: this describes, and shows no cause.",
        ),
        signature=signature,
    )


def _mediation_row(e: Explanation, columns: Sequence[Column]) -> tuple[Cell, ...]:
    cells = list(_cells(e, columns))
    at = next(i for i, column in enumerate(columns) if column.key == "indirect")
    cells[at] = Cell(value=e.indirect, interval=e.indirect_interval)
    return tuple(cells)


def verdicts_table(study: str, verdicts: Sequence[Verdict], signature: str) -> Table:
    """Published claims and what this study says to them."""
    columns = (
        Column(key="name", header="claim", kind="text", role="label"),
        Column(key="scale", header="scale", kind="text", role="label"),
        Column(key="treatment", header="method", kind="text", role="label"),
        Column(key="expected", header="claimed", kind="difference", unit=PERCENT),
        Column(key="effect", header="measured", kind="difference", unit=PERCENT),
        Column(key="answer", header="answer", kind="text"),
        Column(key="p_adjusted", header="p adj.", kind="p"),
        Column(key="family_size", header="family", kind="count"),
        Column(key="mde", header="MDE", kind="level", unit=PERCENT),
        Column(key="n_seeds", header="seeds", kind="count"),
        Column(key="n_items", header="items", kind="count"),
        Column(key="reason", header="because", kind="prose"),
        Column(key="source", header="source", kind="text", role="detail"),
        Column(key="certainty", header="certainty", kind="text", role="detail"),
    )
    rows = []
    for verdict in verdicts:
        cells = list(_cells(verdict, columns))
        if verdict.low is not None and verdict.high is not None:
            cells[4] = Cell(value=verdict.effect, interval=(verdict.low, verdict.high))
        rows.append(tuple(cells))
    return Table(
        name=CLAIMS,
        title=f"{study}: published claims",
        columns=columns,
        rows=tuple(rows),
        notes=("p adj.: Holm over all claims verified together.",),
        signature=signature,
    )


def _cells(record: object, columns: Sequence[Column]) -> tuple[Cell, ...]:
    values: list[Value] = [getattr(record, column.key) for column in columns]
    return tuple(Cell(value=value) for value in values)


CLAIMS = "claims"
"""File stem of `verdicts_table`."""
RESULT_TABLES: dict[str, BuildTable] = {
    "breadth": breadth_table,
    "checks": checks_table,
    "mediation": mediation_table,
    "checkpoints": checkpoints_table,
}
"""File stem to the function that makes the table; a table without rows is not written."""
