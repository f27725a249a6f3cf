"""Tables, figures and the summary of a study, written so that exporting again gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from suite.records import Comparison, RunRecord, write_atomically
from suite.report.changes import association_results, change_results
from suite.report.delta_tables import alignment_deltas, language_deltas, primary_deltas, subset_deltas
from suite.report.figures import TooLittleData, figures, to_png, to_svg
from suite.report.gather import arms
from suite.report.latex import to_latex
from suite.report.render import to_csv, to_markdown, to_parquet
from suite.report.run_tables import all_runs, tuning_history
from suite.report.summary import write_summary
from suite.report.table import Table
from suite.report.tables import alignment_results, main_results, other_metrics, subset_results
from suite.spec import StudySpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BuildTable = Callable[[StudySpec, Sequence[RunRecord], tuple[Comparison, ...]], Table]

TABLES: dict[str, BuildTable] = {
    "main": main_results,
    "deltas": primary_deltas,
    "deltas-languages": language_deltas,
    "subsets": subset_results,
    "deltas-subsets": subset_deltas,
    "alignment": alignment_results,
    "deltas-alignment": alignment_deltas,
    "changes": change_results,
    "association": association_results,
    "tuning": tuning_history,
    "runs": all_runs,
}
"""File stem to the pure function that makes the table; a table without rows is not written."""

_TABLE_FORMATS: dict[str, Callable[[Table], bytes]] = {
    "csv": lambda table: to_csv(table).encode(),
    "parquet": to_parquet,
    "md": lambda table: to_markdown(table).encode(),
    "tex": lambda table: to_latex(table).encode(),
}
_FIGURE_FORMATS: dict[str, Callable[[Figure, str], bytes]] = {"png": to_png, "svg": to_svg}


def tables(study: StudySpec, records: Sequence[RunRecord], comparisons: tuple[Comparison, ...]) -> list[Table]:
    """Every table of a study, those without rows included, the main one first; one more main table per other metric."""
    built = [build(study, records, comparisons) for build in TABLES.values()]
    others = [main_results(study, records, comparisons, metric) for metric in other_metrics(study, records)]
    return [*built[:1], *others, *built[1:]]


def export(
    study: StudySpec, records: Sequence[RunRecord], comparisons: tuple[Comparison, ...], folder: Path
) -> list[Path]:
    """Write all tables (CSV, Parquet, Markdown, LaTeX), figures (PNG, SVG) and `summary.md` into the study's folder.

    What there is too little data for is left out and named in the summary; its files of an earlier export are removed.
    Content depends on the study, records and comparisons alone, not on their order or the time.

    Raises:
        ValueError: two refits of one scale, method and seed.
    """
    records = sorted(records, key=lambda record: record.run_id)
    known = set(arms(study))
    comparisons = tuple(c for c in comparisons if (c.scale, c.treatment) in known)
    report = _Report()
    _add_tables(report, study, records, comparisons)
    _add_figures(report, study, records, comparisons)
    summary = write_summary(study, records, comparisons, report.listed, report.left_out)
    report.content["summary.md"] = summary.encode()
    for name, data in report.content.items():
        write_atomically(folder / name, data)
    for stem in report.left_out:
        for end in (*_TABLE_FORMATS, *_FIGURE_FORMATS):
            (folder / f"{stem}.{end}").unlink(missing_ok=True)
    return [folder / name for name in report.content]


@dataclass(slots=True)
class _Report:
    """What is about to be written."""

    content: dict[str, bytes] = field(default_factory=dict)
    """File name to bytes."""
    listed: dict[str, str] = field(default_factory=dict)
    """File names of a table or figure, as the summary lists them, to what they hold."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Stem of a table or figure to why it is not there."""

    def add(self, stem: str, about: str, files: dict[str, bytes]) -> None:
        """Take in the files of one table or figure, by their endings."""
        self.content |= {f"{stem}.{end}": data for end, data in files.items()}
        first, *others = files
        self.listed[", ".join([f"`{stem}.{first}`", *(f"`.{end}`" for end in others)])] = about


def _add_tables(
    report: _Report, study: StudySpec, records: Sequence[RunRecord], comparisons: tuple[Comparison, ...]
) -> None:
    for table in tables(study, records, comparisons):
        if table.rows:
            files = {end: write(table) for end, write in _TABLE_FORMATS.items()}
            report.add(table.name, table.title.removeprefix(f"{study.name}: "), files)
        else:
            report.left_out[table.name] = "nothing to show yet"


def _add_figures(
    report: _Report, study: StudySpec, records: Sequence[RunRecord], comparisons: tuple[Comparison, ...]
) -> None:
    for name, draw in figures().items():
        try:
            figure = draw(study, records, comparisons)
        except TooLittleData as reason:
            report.left_out[f"figures/{name}"] = str(reason)
        else:
            files = {end: write(figure, study.name) for end, write in _FIGURE_FORMATS.items()}
            report.add(f"figures/{name}", (draw.__doc__ or "").splitlines()[0], files)
