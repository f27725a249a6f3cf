"""Tables, figures, summary and page of a study, written so that exporting again gives the same bytes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from suite.comparison.verify import verify
from suite.records import RunRecord, write_atomically
from suite.report.changes import association_results, change_results
from suite.report.delta_tables import alignment_deltas, language_deltas, primary_deltas, subset_deltas
from suite.report.drawing import FORMATS, Drawn, begin_drawing
from suite.report.figures import figures
from suite.report.gather import arms
from suite.report.latex import to_latex
from suite.report.page import Plate, write_page
from suite.report.pair_table import generalised_results, without_pairs
from suite.report.reference_table import reference_results
from suite.report.render import to_csv, to_markdown, to_parquet
from suite.report.result_tables import CLAIMS, RESULT_TABLES, verdicts_table
from suite.report.run_tables import all_runs, tuning_history
from suite.report.signature import signature
from suite.report.summary import sections, write_summary
from suite.report.table import Table
from suite.report.tables import alignment_results, main_results, other_metrics, subset_results
from suite.results import Comparison, Results
from suite.scores import METRICS
from suite.spec import StudySpec

BuildTable = Callable[[StudySpec, Sequence[RunRecord], tuple[Comparison, ...]], Table]

TABLES: dict[str, BuildTable] = {
    "main": main_results,
    "deltas": primary_deltas,
    "deltas-languages": language_deltas,
    "subsets": subset_results,
    "deltas-subsets": subset_deltas,
    "generalised": generalised_results,
    "reference": reference_results,
    "alignment": alignment_results,
    "deltas-alignment": alignment_deltas,
    "changes": change_results,
    "association": association_results,
    "tuning": tuning_history,
    "runs": all_runs,
}
"""File stem to the pure function that makes the table; a table without rows is not written."""

_WITHOUT_ROWS = {"reference": "no figures are published for this task and metric, or none measured yet"}
"""Why a table has no rows, where that is no matter of waiting."""
_TABLE_FORMATS: dict[str, Callable[[Table], bytes]] = {
    "csv": lambda table: to_csv(table).encode(),
    "parquet": to_parquet,
    "md": lambda table: to_markdown(table).encode(),
    "tex": lambda table: to_latex(table).encode(),
}
_PAGES = ("report.html", "summary.md")


def tables(study: StudySpec, records: Sequence[RunRecord], results: Results) -> list[Table]:
    """Every table of a study, those without rows included, the main one first; one more main table per other metric."""
    rows = results.comparisons
    main, *built = [build(study, records, rows) for build in TABLES.values()]
    others = [main_results(study, records, rows, metric) for metric in other_metrics(study, records)]
    line = signature(study, records, rows)
    beside = [build(study.name, results, line) for build in RESULT_TABLES.values()]
    claims = verdicts_table(study.name, verify(study, rows, study.claim), line)
    return [main, *others, *built, *beside, claims]


@dataclass(frozen=True, slots=True)
class Written:
    """What an export left in its folder."""

    files: list[Path]
    removed: list[str]
    """Paths below the folder of what there is too little data for; an earlier export may have had them."""


def export(study: StudySpec, records: Sequence[RunRecord], results: Results, folder: Path) -> list[Path]:
    """Write what `write_report` does; returns its files."""
    return write_report(study, records, results, folder).files


def write_report(study: StudySpec, records: Sequence[RunRecord], results: Results, folder: Path) -> Written:
    """Write all tables (CSV, Parquet, Markdown, LaTeX) and figures (PNG, SVG), `report.html` and `summary.md`.

    What there is too little data for is left out and named in the summary; its files of an earlier export are removed.
    There is a page once there is something to show on it. Content depends on the study, records and results alone, not
    on their order or the time.

    Raises:
        ValueError: two refits of one scale, method and seed.
    """
    records = sorted(records, key=lambda record: record.run_id)
    known = set(arms(study))
    comparisons = tuple(c for c in results.comparisons if (c.scale, c.treatment) in known)
    results = replace(results, comparisons=comparisons)
    report = _Report()
    with begin_drawing(study, records, comparisons) as drawn:
        _add_tables(report, study, records, results)
        _add_figures(report, drawn())
    said = sections(study, records, results, report.left_out)
    _add_page(report, write_page(study, said, report.tables, report.plates, comparisons))
    report.content["summary.md"] = write_summary(study, said, report.listed).encode()
    for name, data in report.content.items():
        write_atomically(folder / name, data)
    ends = (*_TABLE_FORMATS, *FORMATS, "html")
    removed = [f"{stem}.{end}" for stem in report.left_out for end in ends]
    for name in removed:
        (folder / name).unlink(missing_ok=True)
    return Written([folder / name for name in report.content], removed)


def exported_files(folder: Path) -> list[Path]:
    """The files in a folder that exports write, by their names: whatever else lies there is somebody's own."""
    stems = [*TABLES, *(f"main-{metric}" for metric in METRICS), *RESULT_TABLES, CLAIMS]
    names = [f"{stem}.{end}" for stem in stems for end in _TABLE_FORMATS]
    names += [f"figures/{name}.{end}" for name in figures() for end in FORMATS]
    return sorted(path for name in (*names, *_PAGES) if (path := folder / name).is_file())


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write one table that is of no single study in every format; returns its files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / f"{table.name}.{end}": write(table) for end, write in _TABLE_FORMATS.items()}
    for path, content in files.items():
        write_atomically(path, content)
    return list(files)


@dataclass(slots=True)
class _Report:
    """What is about to be written."""

    content: dict[str, bytes] = field(default_factory=dict)
    """File name to bytes."""
    listed: dict[str, str] = field(default_factory=dict)
    """File names of a table or figure, as the summary lists them, to what they hold."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Stem of a table or figure to why it is not there; empty where the study's task has nothing for it."""
    tables: list[Table] = field(default_factory=list)
    plates: list[Plate] = field(default_factory=list)

    def add(self, stem: str, about: str, files: dict[str, bytes]) -> None:
        """Take in the files of one table or figure, by their endings."""
        self.content |= {f"{stem}.{end}": data for end, data in files.items()}
        first, *others = files
        self.listed[", ".join([f"`{stem}.{first}`", *(f"`.{end}`" for end in others)])] = about


def _add_tables(report: _Report, study: StudySpec, records: Sequence[RunRecord], results: Results) -> None:
    for table in tables(study, records, results):
        if table.rows:
            files = {end: write(table) for end, write in _TABLE_FORMATS.items()}
            report.tables.append(table)
            report.add(table.name, table.title.removeprefix(f"{study.name}: "), files)
        else:
            why = _WITHOUT_ROWS.get(table.name, "nothing to show yet")
            report.left_out[table.name] = without_pairs(study) if table.name == "generalised" else why


def _add_figures(report: _Report, drawn: Mapping[str, Drawn]) -> None:
    for name, draw in figures().items():
        files = drawn[name]
        if isinstance(files, str):
            report.left_out[f"figures/{name}"] = files
        else:
            caption = (inspect.getdoc(draw) or "").partition("\n\nRaises:")[0]
            report.plates.append(Plate(name=name, caption=caption, svg=files["svg"]))
            report.add(f"figures/{name}", caption.splitlines()[0], files)


def _add_page(report: _Report, page: str) -> None:
    if report.content:
        about = "the answer, every figure and every table on one page for a browser"
        report.add("report", about, {"html": page.encode()})
    else:
        report.left_out["report"] = "nothing to show yet"
