"""Laws of benchmark averages over several studies: whole or named as lacking, by the benchmark's own metrics."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from report_studies import make_records, make_study

from suite.records import RunRecord, Score
from suite.report import write_table
from suite.report.averages_table import benchmark_results
from suite.report.table import Table, Value
from suite.spec import StudySpec
from suite.tasks.benchmarks import BENCHMARKS
from suite.trial_spec import TaskSpec

METRICS = {"accuracy": 0.6, "f1": 0.8, "exact_match": 0.5, "entity_f1": 0.7, "token_accuracy": 0.9, "map_at_20": 0.4}


def study_of(task: str, without: str = "") -> tuple[StudySpec, list[RunRecord]]:
    """A study whose every score of a metric is that of `METRICS`, in every language of either benchmark but one."""
    languages = {code for b in BENCHMARKS.values() for code in b.tasks.get(task, ())} | {"en"}
    targets = tuple(sorted(languages - {"en", without})) or ("de",)
    base = make_study()
    study = dataclasses.replace(base, name=f"s-{task}", task=TaskSpec(name=task, targets=targets))
    scores = tuple(
        Score(task=task, subset="clean", metric=metric, language=code, value=value, n=9)
        for metric, value in METRICS.items()
        for code in ("en", *targets)
    )
    return study, [dataclasses.replace(record, scores=scores) for record in make_records(study)]


def values(table: Table, key: str, benchmark: str) -> list[Value]:
    named = table.index("benchmark")
    return [row[table.index(key)].value for row in table.rows if row[named].value == benchmark]


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_whole_benchmark_has_its_average_by_its_own_metrics(benchmark: str) -> None:
    tasks = [task for task in BENCHMARKS[benchmark].tasks if task != "bucc"]
    studies = [study_of(task) for task in tasks]
    if "bucc" in BENCHMARKS[benchmark].tasks:
        studies.append(study_of("bucc"))
    table = benchmark_results(studies)
    by_task = {"ud-pos": 0.7, "pan-x": 0.7, "mewsli-x": 0.4, "lareqa": 0.4}
    by_task |= dict.fromkeys(("xquad", "mlqa", "tydiqa-goldp"), (0.8 + 0.5) / 2)
    every = BENCHMARKS[benchmark].tasks
    expected = sum(by_task.get(task, 0.6) for task in every) / len(every)
    assert values(table, "average", benchmark) == pytest.approx([expected] * 6)
    assert set(values(table, "missing", benchmark)) == {""}
    assert values(table, "whole_tasks", benchmark) == values(table, "tasks", benchmark)


def test_what_is_missing_is_named_and_never_averaged_away() -> None:
    table = benchmark_results([study_of("xnli", without="sw"), study_of("paws-x")])
    assert values(table, "average", "XTREME") == [None] * 6
    assert values(table, "mean_of_whole_tasks", "XTREME") == pytest.approx([0.6] * 6)
    assert set(values(table, "whole_tasks", "XTREME")) == {1}
    (missing,) = set(values(table, "missing", "XTREME"))
    assert str(missing).split(", ")[:2] == ["xnli/sw", "ud-pos"] and "paws-x" not in str(missing)
    assert len([note for note in table.notes if note.startswith("XTREME lacks xnli/sw, ud-pos, ")]) == 1


def test_a_task_of_no_benchmark_counts_in_none() -> None:
    table = benchmark_results([study_of("sib200"), study_of("xnli")])
    assert values(table, "whole_tasks", "XTREME-R") == [1] * 6


def test_one_task_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="one study per task"):
        benchmark_results([study_of("xnli"), study_of("xnli")])


def test_the_table_is_written_in_every_format(tmp_path: Path) -> None:
    paths = write_table(benchmark_results([study_of("xnli"), study_of("paws-x")]), tmp_path / "there")
    assert sorted(path.name for path in paths) == [f"averages.{end}" for end in ("csv", "md", "parquet", "tex")]
    assert "xnli" not in paths[0].read_text(encoding="utf-8").splitlines()[1].split("XTREME", 1)[1]
