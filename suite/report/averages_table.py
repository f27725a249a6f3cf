"""XTREME and XTREME-R averages of every arm of several studies, one task each, with what they lack."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from suite.evaluation_spec import CLEAN
from suite.records import RunRecord
from suite.report.gather import Arm, refits
from suite.report.table import PERCENT, Cell, Column, Table, Value
from suite.spec import StudySpec
from suite.tasks.averages import BenchmarkAverages, benchmark_averages, question_answering_scores
from suite.tasks.benchmarks import BENCHMARKS

ANSWERED = ("xquad", "mlqa", "tydiqa-goldp")
"""Tasks that count half by F1 and half by exact match."""
METRICS = {"ud-pos": "entity_f1", "pan-x": "entity_f1", "mewsli-x": "map_at_20", "lareqa": "map_at_20"}
"""What the benchmarks measure; of other tasks `accuracy`."""
COLUMNS = (
    Column(key="scale", header="scale", kind="text", role="label"),
    Column(key="method", header="method", kind="text", role="label"),
    Column(key="benchmark", header="benchmark", kind="text", role="label"),
    Column(key="average", header="average", kind="level", unit=PERCENT),
    Column(key="mean_of_whole_tasks", header="of whole tasks", kind="level", unit=PERCENT),
    Column(key="whole_tasks", header="whole tasks", kind="count"),
    Column(key="tasks", header="tasks", kind="count"),
    Column(key="missing", header="missing", kind="prose"),
)

Scores = dict[str, dict[str, float]]
"""Task to language to score."""


def benchmark_results(studies: Sequence[tuple[StudySpec, Sequence[RunRecord]]]) -> Table:
    """The averages of every (scale, method) that any study has refits of; scales and methods are matched by name.

    Args:
        studies: Studies of different tasks with their records. A task that no benchmark has counts in none.

    Raises:
        ValueError: two studies of one task.
    """
    names = [study.task.name for study, _ in studies]
    if len(set(names)) < len(names):
        raise ValueError(f"a benchmark average takes one study per task; got {names}")
    found: dict[Arm, Scores] = {}
    for study, records in studies:
        for arm, runs in refits(study, records).items():
            found.setdefault(arm, {})[study.task.name] = _scores(study.task.name, runs)
    rows = [_row(arm, benchmark, scores) for arm, scores in found.items() for benchmark in BENCHMARKS]
    return Table(
        name="averages",
        title=f"benchmark averages of {' + '.join(study.name for study, _ in studies)}, points; means over seeds",
        columns=COLUMNS,
        rows=tuple(tuple(Cell(value=value) for value in row) for row in rows),
        notes=(
            *_missing(rows),
            "average: over every task and language of the benchmark, none while any is missing; of whole tasks: the "
            "mean of those that have all their languages, which is no benchmark score.",
            *_limits(studies),
        ),
    )


def _scores(task: str, runs: Sequence[RunRecord]) -> dict[str, float]:
    """Language to the mean over seeds of what the benchmarks measure; languages that every run has."""
    if task in ANSWERED:
        return question_answering_scores(_mean_over_seeds(runs, "f1"), _mean_over_seeds(runs, "exact_match"))
    return _mean_over_seeds(runs, METRICS.get(task, "accuracy"))


def _mean_over_seeds(runs: Sequence[RunRecord], metric: str) -> dict[str, float]:
    scores = [run.by_language(CLEAN, metric) for run in runs]
    shared = [language for language in scores[0] if all(language in own for own in scores)]
    return {language: statistics.fmean(own[language] for own in scores) for language in shared}


def _row(arm: Arm, benchmark: str, scores: Scores) -> tuple[Value, ...]:
    known = BENCHMARKS[benchmark].tasks
    averages = benchmark_averages(benchmark, {task: own for task, own in scores.items() if task in known})
    whole = [task.value for task in averages.tasks.values() if task.value is not None]
    mean = statistics.fmean(whole) if whole else None
    return (*arm, benchmark, averages.overall.value, mean, len(whole), len(known), _lacks(averages))


def _lacks(averages: BenchmarkAverages) -> str:
    return ", ".join(averages.overall.missing)


def _missing(rows: Sequence[tuple[Value, ...]]) -> list[str]:
    """What each benchmark lacks, once for all arms that lack the same."""
    found: dict[tuple[Value, Value], list[str]] = {}
    for scale, method, benchmark, *_, missing in rows:
        if missing:
            found.setdefault((benchmark, missing), []).append(f"{scale} · {method}")
    return [f"{benchmark} lacks {missing} ({', '.join(who)})." for (benchmark, missing), who in found.items()]


def _limits(studies: Sequence[tuple[StudySpec, Sequence[RunRecord]]]) -> list[str]:
    """What makes scores other than the benchmarks'."""
    limited = [
        f"{study.task.name}: trained on {study.task.source}" for study, _ in studies if study.task.source != "en"
    ]
    limited += [
        f"{study.task.name}: at most {n:,} {what} examples"
        for study, _ in studies
        for what, n in (("train", study.task.train_examples), ("reported", study.task.test_examples))
        if n is not None
    ]
    limited += [
        f"{study.task.name}: measured on {study.evaluation.report_on}"
        for study, _ in studies
        if study.evaluation.report_on != "test"
    ]
    return [f"Not comparable with published averages: {'; '.join(limited)}."] if limited else []
