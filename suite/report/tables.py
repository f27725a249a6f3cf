"""Tables of what was measured: main results, adversarial subsets, alignment."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from suite.evaluation_spec import CLEAN
from suite.records import RunRecord
from suite.report.gather import (
    UNTOUCHED,
    ZERO_SHOT,
    Comparisons,
    alignment_metrics,
    chosen,
    finds_difference,
    metrics_measured,
    over_seeds,
    refits,
    untouched,
)
from suite.report.signature import mark_notes, signature
from suite.report.table import PERCENT, Cell, Column, Mark, Table, Test, ranked, rounded, settled
from suite.results import Comparison
from suite.spec import StudySpec

FEW_ITEMS = 200
"""Items of a subset in a language below which its interval is told: at 200, a score of 50 % is known to 7 points."""

Measure = Callable[[RunRecord], float | None]
"""One number of a run, none where it was not measured."""


def main_results(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons, metric: str = "") -> Table:
    """Scale x method against source, every target language, zero-shot mean and transfer gap; mean ± sd over seeds."""
    metric = metric or study.tune.metric
    tested = tuple(c for c in chosen(comparisons, "primary", "language") if c.quantity == metric and c.subset == CLEAN)
    places: dict[str, Measure] = {
        language: _language(language, metric) for language in _measured_languages(study, records, metric)
    }
    places["zero_shot_mean"] = lambda run: _defined(run.zero_shot_mean, CLEAN, metric)
    places["transfer_gap"] = lambda run: _defined(run.transfer_gap, CLEAN, metric)
    headers = {"zero_shot_mean": "zero-shot", "transfer_gap": "gap", study.task.source: f"{study.task.source} (source)"}
    table = _results(study, records, places, headers, {(c.scale, c.treatment, _place(c)): c for c in tested})
    split = study.evaluation.report_on
    return _finished(
        Table(
            name="main" if metric == study.tune.metric else f"main-{metric}",
            title=f"{study.name}: {metric} on {split}, points; mean ± sd over seeds",
            columns=table.columns,
            rows=table.rows,
            notes=(
                f"zero-shot: mean over the {len(study.task.targets)} target languages; "
                "gap: source minus zero-shot mean.",
                *mark_notes(study, tested),
            ),
            signature=signature(study, records, tested),
            variable="aggregate",
            quantity=metric,
        ),
        unranked=("transfer_gap",),
    )


def subset_results(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons) -> Table:
    """Scale x method against the adversarial subsets: zero-shot mean of each, mean ± sd over seeds."""
    metric = study.tune.metric
    subsets = dict.fromkeys(s for runs in refits(study, records).values() for run in runs for s in run.subsets)
    tested = tuple(c for c in chosen(comparisons, "primary", "subset") if c.quantity == metric)
    places = {subset: _zero_shot(subset, metric) for subset in subsets}
    table = _results(study, records, places, {}, {(c.scale, c.treatment, c.subset): c for c in tested})
    return _finished(
        Table(
            name="subsets",
            title=f"{study.name}: zero-shot mean {metric} per subset, points; mean ± sd over seeds",
            columns=table.columns,
            rows=table.rows,
            notes=(
                *_coverage(study, records, list(subsets)),
                *_few_items(study, records, list(subsets)),
                *mark_notes(study, tested),
            ),
            signature=signature(study, records, tested),
            variable="subset",
            quantity=metric,
        )
    )


def alignment_results(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons) -> Table:
    """Scale x stage x layer against the alignment statistics, before and after fine-tuning; mean over languages."""
    metrics = alignment_metrics(study, records)
    columns = (
        *(Column(key=key, header=key, kind="text", role="label") for key in ("scale", "stage", "text")),
        *(Column(key=key, header=key, kind="count", role="label") for key in ("layer", "seeds")),
        *(Column(key=metric, header=metric, kind="level", decimals=3) for metric in metrics),
    )
    rows = [row for stage in _stages(study, records) for row in _stage_rows(study, metrics, *stage)]
    table = Table(
        name="alignment",
        title=f"{study.name}: alignment with {study.task.source} per layer, mean over target languages",
        columns=columns,
        rows=tuple(rows),
        notes=(
            f"Stage {UNTOUCHED}: the checkpoint before fine-tuning; other stages: mean ± sd over seeds after it. "
            "Layer 0 is the embedding output.",
        ),
        signature=signature(study, records),
    )
    for metric in metrics:
        table = rounded(table, [metric], draws="seeds")
    return settled(table, ["text"])


def _results(
    study: StudySpec,
    records: Sequence[RunRecord],
    places: dict[str, Measure],
    headers: dict[str, str],
    tested: dict[tuple[str, str, str], Comparison],
) -> Table:
    """One row per (scale, method) with refits, one column per place, as a bare table."""
    labels = (
        Column(key="scale", header="scale", kind="text", role="label"),
        Column(key="method", header="method", kind="text", role="label"),
        Column(key="seeds", header="seeds", kind="count", role="label"),
    )
    measures = (Column(key=key, header=headers.get(key, key), kind="level", unit=PERCENT) for key in places)
    rows = []
    for (scale, method), runs in refits(study, records).items():
        cells = [
            _compared(over_seeds(_values(runs, measure)), tested.get((scale, method, key)))
            for key, measure in places.items()
        ]
        rows.append((Cell(value=scale), Cell(value=method), Cell(value=len(runs)), *cells))
    return Table(name="results", title="", columns=(*labels, *measures), rows=tuple(rows))


def _finished(table: Table, unranked: tuple[str, ...] = ()) -> Table:
    """Round all measures alike, then mark the best among what reads differently."""
    keys = [column.key for column in table.columns if column.role == "measure"]
    shown = rounded(table, keys, draws="seeds")
    return settled(ranked(shown, [key for key in keys if key not in unranked], within="scale"), ["seeds"])


def _values(runs: Sequence[RunRecord], measure: Measure) -> list[float]:
    return [value for run in runs if (value := measure(run)) is not None]


def _compared(cell: Cell, c: Comparison | None) -> Cell:
    """The cell with the test of its method against the baseline, and a dagger where that finds a difference."""
    if c is None or not c.is_tested:
        return cell
    test = Test(p=c.p, p_adjusted=c.p_adjusted, correction=c.correction, family_size=c.family_size)
    marks: frozenset[Mark] = frozenset(["significant"]) if finds_difference(c) else frozenset()
    return dataclasses.replace(cell, marks=marks, test=test)


def _language(language: str, metric: str) -> Measure:
    return lambda run: run.by_language(CLEAN, metric).get(language)


def _zero_shot(subset: str, metric: str) -> Measure:
    return lambda run: _defined(run.zero_shot_mean, subset, metric)


def _defined(aggregate: Callable[[str, str], float], subset: str, metric: str) -> float | None:
    """The aggregate, or none where the subset has no score in the languages it needs."""
    try:
        return aggregate(subset, metric)
    except (KeyError, ValueError):
        return None


def _place(comparison: Comparison) -> str:
    return "zero_shot_mean" if comparison.aggregate == ZERO_SHOT else comparison.aggregate


def _measured_languages(study: StudySpec, records: Sequence[RunRecord], metric: str) -> list[str]:
    seen = {
        language for runs in refits(study, records).values() for r in runs for language in r.by_language(CLEAN, metric)
    }
    return [language for language in study.task.languages if language in seen]


def _coverage(study: StudySpec, records: Sequence[RunRecord], subsets: list[str]) -> tuple[str, ...]:
    """A note naming the subsets that are not defined in every target language."""
    metric = study.tune.metric
    found = {
        subset: {
            language
            for runs in refits(study, records).values()
            for run in runs
            for language in run.by_language(subset, metric)
            if language in study.task.targets
        }
        for subset in subsets
    }
    total = len(study.task.targets)
    partial = [f"{subset} in {len(found[subset])}" for subset in subsets if len(found[subset]) < total]
    return (f"Of the {total} target languages: {', '.join(partial)}; every other subset in all.",) if partial else ()


def _few_items(study: StudySpec, records: Sequence[RunRecord], subsets: list[str]) -> tuple[str, ...]:
    """A note naming the subsets of few items in a language, with the interval of a score of one half, the widest.

    Source: Wilson 1927, whose limits at one half are z / (2 sqrt(n + z^2)) away, z = 1.96.
    """
    metric, said = study.tune.metric, []
    scores = [score for runs in refits(study, records).values() for run in runs for score in run.scores]
    for subset in subsets:
        items = {s.language: s.n for s in scores if (s.subset, s.metric) == (subset, metric)}
        fewest = min((n for language, n in items.items() if language in study.task.targets), default=FEW_ITEMS)
        if fewest < FEW_ITEMS:
            half = 98 / (fewest + 1.96**2) ** 0.5
            said.append(f"{subset} {fewest} (±{half:.0f})")
    if not said:
        return ()
    return (
        f"Fewer than {FEW_ITEMS} items per language, at the least (95 % interval of a run's score of 50): "
        f"{', '.join(said)}.",
    )


def _stages(study: StudySpec, records: Sequence[RunRecord]) -> list[tuple[str, str, list[RunRecord]]]:
    """(scale, stage, runs) with alignment measured, the untouched checkpoint first at each scale."""
    before, after = untouched(records), refits(study, records)
    stages: list[tuple[str, str, list[RunRecord]]] = []
    for scale in (s.name for s in study.scale):
        stages += [(scale, UNTOUCHED, [before[scale]])] if scale in before else []
        stages += [(scale, method, runs) for (at, method), runs in after.items() if at == scale]
    return [(scale, stage, runs) for scale, stage, runs in stages if any(run.alignment for run in runs)]


def _stage_rows(
    study: StudySpec, metrics: Sequence[str], scale: str, stage: str, runs: Sequence[RunRecord]
) -> Iterator[tuple[Cell, ...]]:
    """A row per text and layer."""
    means = [_alignment(study, run) for run in runs]
    for text, layer in sorted({(a.text, a.layer) for run in runs for a in run.alignment}):
        labels = (Cell(value=value) for value in (scale, stage, text, layer, len(runs)))
        keys = [(text, metric, layer) for metric in metrics]
        yield (*labels, *(over_seeds([own[key] for own in means if key in own]) for key in keys))


def _alignment(study: StudySpec, run: RunRecord) -> dict[tuple[str, str, int], float]:
    """Text, statistic and layer to the mean over the target languages that have it."""
    found: dict[tuple[str, str, int], list[float]] = {}
    for score in run.alignment:
        if score.language in study.task.targets:
            found.setdefault((score.text, score.metric, score.layer), []).append(score.value)
    return {key: sum(values) / len(values) for key, values in found.items()}


def other_metrics(study: StudySpec, records: Sequence[RunRecord]) -> list[str]:
    """Metrics measured besides the study's own: each gets a main table too."""
    return [metric for metric in metrics_measured(study, records) if metric != study.tune.metric]
