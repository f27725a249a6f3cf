"""Laws of published figures: sourced, of known languages, consistent with their averages, apart from measured ones."""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path
from typing import Any

import pytest
from report_studies import make_records, make_study

from suite.kinds import KINDS
from suite.report import export
from suite.report.reference_table import PUBLISHED, reference_results
from suite.report.table import Table, Value
from suite.results import Results
from suite.spec import StudySpec
from suite.tasks import TASKS
from suite.tasks.benchmarks import BENCHMARKS
from suite.tasks.reference import FOLDER, ReferenceFigure, read_published, reference_figures
from suite.trial_spec import TaskSpec

FILES = sorted(FOLDER.glob("*.toml"))
FIGURES = [figure for path in FILES for figure in reference_figures(path.stem)]
AVERAGED = [f for f in FIGURES if f.average is not None and f.averaged and set(f.averaged) <= f.values.keys()]
TARGETS = ("de", "fr", "es", "ru", "tr", "ar", "zh", "hi")


def named(figure: ReferenceFigure) -> str:
    return f"{figure.task}-{figure.model}-{figure.metric}-{figure.source}"


# The data


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_file_is_named_after_its_task(path: Path) -> None:
    assert read_published(path).task == path.stem
    assert path.stem in TASKS.keys() | {task for b in BENCHMARKS.values() for task in b.tasks}


@pytest.mark.parametrize("figure", FIGURES, ids=named)
def test_languages_are_of_the_task(figure: ReferenceFigure) -> None:
    known = {code for b in BENCHMARKS.values() for code in b.tasks.get(figure.task, ())}
    if figure.task in TASKS:
        known |= set(TASKS[figure.task].languages)
    assert {*figure.values, *figure.averaged} <= known


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_published_metrics_are_named_as_the_suite_names_those_of_the_task(path: Path) -> None:
    assert {figure.metric for figure in reference_figures(path.stem)} <= set(KINDS[TASKS[path.stem].kind].metrics)


@pytest.mark.parametrize("figure", AVERAGED, ids=named)
def test_a_printed_average_is_the_mean_of_its_languages_to_rounding(figure: ReferenceFigure) -> None:
    """Values and average each round to half a unit of their last decimal: 0.1 apart at most with one decimal."""
    assert figure.average is not None
    last = max(decimals(v) for v in [figure.average, *figure.values.values()])
    mean = statistics.fmean(figure.values[code] for code in figure.averaged)
    assert mean == pytest.approx(figure.average, abs=10.0**-last)


def decimals(number: float) -> int:
    return len(f"{number:g}".partition(".")[2])


def test_figures_say_where_they_are_from_and_that_none_is_from_memory() -> None:
    assert len(FIGURES) > 60
    assert all(f.source and f.table and f.certainty for f in FIGURES)
    assert not [f for f in FIGURES if "memory" in f.certainty]


def test_five_seeds_come_with_their_spread_in_every_language() -> None:
    five = [f for f in reference_figures("xnli") if f.spreads]
    assert [f.model for f in five] == ["mBERT", "distilmBERT", "XLM-R-base"]
    assert all(f.seeds == 5 and f.spreads.keys() == f.values.keys() and f.average_spread for f in five)
    assert (five[0].values["th"], five[0].spreads["th"]) == (53.32, 2.53)


@pytest.mark.parametrize("task", ["sib200", "home-intents", "../xnli", "no-such-task"])
def test_nothing_published_is_no_figures(task: str) -> None:
    assert reference_figures(task) == ()


GOOD = """
task = "xnli"
[[table]]
source = "somebody"
table = "Table 1"
metric = "accuracy"
certainty = "read in an excerpt"
[[table.row]]
model = "a"
average = 60.0
values = { en = 80.0, de = 40.0 }
"""
BAD = {
    "a share": ("average = 60.0\nvalues = { en = 80.0, de = 40.0 }", "average = 0.6", "points"),
    "above 100": ("en = 80.0", "en = 180.0", r"0\.\.100, got \[180.0\]"),
    "no source": ('source = "somebody"', 'source = " "', "source is not empty"),
    "from memory": ("read in an excerpt", "from memory", "certainty"),
    "a typo": ("average =", "averge =", "averge"),
    "spreads without seeds": ("average = 60.0", "average_spread = 0.5", "state seeds"),
    "spreads without values": ("average = 60.0", "seeds = 5\nspreads = { fr = 0.5 }", "languages with a value"),
    "an empty row": ("average = 60.0\nvalues = { en = 80.0, de = 40.0 }", "", "values or average"),
    "no TOML": ("[[table]]", "[[table", "not TOML"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_breaks_a_law_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    path = tmp_path / "xnli.toml"
    path.write_text(GOOD)
    assert read_published(path).table[0].row[0].values == {"en": 80, "de": 40}
    old, new, told = BAD[case]
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ValueError, match=told) as error:
        read_published(path)
    assert str(error.value).startswith("xnli.toml")
    assert "\n" not in str(error.value)


# The table


def make(task: str, **more: Any) -> tuple[StudySpec, Table]:
    spec = TaskSpec(name=task, targets=TARGETS, **more)
    study = dataclasses.replace(make_study(), name=f"{task}-demo", task=spec)
    return study, reference_results(study, make_records(study), ())


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_published_rows_stand_beside_measured_ones_of_every_task_that_has_any(path: Path) -> None:
    task = TASKS[path.stem]
    study = dataclasses.replace(
        make_study(), task=TaskSpec(name=task.name, targets=tuple(c for c in task.languages if c != "en")[:8])
    )
    records = [
        dataclasses.replace(run, scores=tuple(dataclasses.replace(s, metric=task.metric) for s in run.scores))
        for run in make_records(study)
    ]
    assert PUBLISHED in column(reference_results(study, records, ()), "scale")


def column(table: Table, key: str) -> list[Value]:
    return [row[table.index(key)].value for row in table.rows]


def test_measured_arms_come_first_then_every_published_figure_of_the_metric() -> None:
    study, table = make("xnli")
    arms = len(study.scale) * len(study.method)
    assert column(table, "scale")[:arms] == ["2-layer"] * 3 + ["4-layer"] * 3
    assert set(column(table, "scale")[arms:]) == {PUBLISHED}
    assert column(table, "model")[arms:] == [f.model for f in reference_figures("xnli")]


def test_published_points_become_the_shares_that_tables_store() -> None:
    _, table = make("xnli")
    five = next(row for row in table.rows if row[table.index("model")].value == "mBERT")
    thai = five[table.index("de")]
    assert (thai.value, thai.spread) == (pytest.approx(0.7014), pytest.approx(0.0052))
    assert five[table.index("average")].value == pytest.approx(0.6630)
    assert five[table.index("averaged")].value == 12


def test_the_zero_shot_mean_is_over_the_same_languages_in_every_row_or_absent() -> None:
    study, table = make("xnli")
    for row, mean in zip(table.rows, column(table, "zero_shot_mean"), strict=True):
        values = [row[table.index(code)].value for code in study.task.targets]
        whole = [v for v in values if isinstance(v, float)]
        assert mean == (pytest.approx(statistics.fmean(whole)) if len(whole) == len(values) else None)


def test_a_measured_average_is_of_every_language_of_the_task_or_absent() -> None:
    assert set(column(make("xnli")[1], "average")[:6]) == {None}
    targets = tuple(code for code in TASKS["paws-x"].languages if code != "en")
    study = dataclasses.replace(make_study(), task=TaskSpec(name="paws-x", targets=targets))
    table = reference_results(study, make_records(study), ())
    assert None not in column(table, "average")[:6]
    assert column(table, "averaged")[:6] == [7] * 6


@pytest.mark.parametrize(
    ("task", "more", "told"),
    [
        ("xnli", {}, "Recipes differ"),
        ("xnli-dev", {}, "Not comparable: xnli-dev cuts its splits otherwise than xnli"),
        ("xnli", {"test_examples": 500}, "Not comparable: at most 500 reported examples"),
        ("xnli", {"source": "vi"}, "Not comparable: trained on vi, published models on en"),
    ],
)
def test_a_note_says_how_far_figures_are_comparable(task: str, more: dict[str, int | str], told: str) -> None:
    assert make(task, **more)[1].notes[0].startswith(told)


def test_every_source_is_cited_once_with_its_certainty() -> None:
    _, table = make("xnli")
    numbers = dict.fromkeys(n for n in column(table, "reference") if n != "here")
    cited = [note for note in table.notes if note.startswith("[")]
    assert [note.partition(" ")[0] for note in cited] == list(numbers)
    assert all("(read in" in note or "(computed from" in note for note in cited)


def test_a_task_without_figures_has_no_rows_and_the_summary_says_why(tmp_path: Path) -> None:
    study = make_study()
    assert reference_results(study, make_records(study), ()).rows == ()
    assert reference_results(make("xnli")[0], [], ()).rows == ()
    export(study, [], Results(), tmp_path)
    assert "reference: no figures are published" in (tmp_path / "summary.md").read_text(encoding="utf-8")
