"""Scores of pairs in two languages as a matrix: first language by second, the clean scores on its diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suite.evaluation_spec import CLEAN
from suite.records import RunRecord
from suite.report.gather import Arm, Comparisons, over_seeds, refits
from suite.report.signature import signature
from suite.report.table import PERCENT, Cell, Column, Table, Value, rounded, settled
from suite.spec import StudySpec
from suite.tasks import SUBSETS, TASKS

Floats = NDArray[np.float64]
MEAN = "mean"
PAIRED = ("generalised", "generalised-all")
"""Subsets whose pairs are in two languages."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Matrix:
    """What the runs of one (scale, method) score on pairs whose texts are in languages i and j."""

    subset: str
    """Where the cells off the diagonal come from; those on it are clean items."""
    languages: tuple[str, ...]
    seeds: tuple[int, ...]
    scores_SLL: Floats
    """Seed, language of the first text, of the second; NaN where it was not measured."""
    items_LL: NDArray[np.int64]
    """Pairs of a cell, 0 where it was not measured."""

    @property
    def off_diagonal_SLL(self) -> Floats:
        """The scores with NaN on the diagonal."""
        return np.where(np.eye(len(self.languages), dtype=bool), np.nan, self.scores_SLL)

    @property
    def diagonal_SL(self) -> Floats:
        """The clean scores."""
        return np.diagonal(self.scores_SLL, axis1=1, axis2=2)

    @property
    def mean_LL(self) -> Floats:
        """Mean over seeds."""
        return _mean(self.scores_SLL, 0)

    def change(self, baseline: Matrix) -> Floats:
        """This matrix minus the baseline's, mean over the seeds that both have [L, L]; NaN where there is none."""
        shared = [seed for seed in self.seeds if seed in baseline.seeds]
        ours, theirs = (m.scores_SLL[[m.seeds.index(seed) for seed in shared]] for m in (self, baseline))
        return _mean(ours - theirs, 0)


def matrices(study: StudySpec, records: Sequence[RunRecord]) -> dict[Arm, Matrix]:
    """The matrix of every (scale, method) with pairs in two languages, of the subset that has the most of them."""
    done = refits(study, records)
    pairs: dict[str, int] = {}
    for score in (score for runs in done.values() for run in runs for score in run.pairs):
        pairs[score.subset] = pairs.get(score.subset, 0) + score.n
    if not pairs:
        return {}
    subset = max(pairs, key=lambda name: pairs[name])
    measured = {arm: [run for run in runs if any(s.subset == subset for s in run.pairs)] for arm, runs in done.items()}
    return {arm: _matrix(study, runs, subset) for arm, runs in measured.items() if runs}


def _matrix(study: StudySpec, runs: Sequence[RunRecord], subset: str) -> Matrix:
    languages, metric = study.task.languages, study.tune.metric
    at = {language: i for i, language in enumerate(languages)}
    scores = np.full((len(runs), len(languages), len(languages)), np.nan)
    items = np.zeros((len(languages), len(languages)), dtype=np.int64)
    for i, run in enumerate(runs):
        cells = [(s.first, s.second, s.value, s.n) for s in run.pairs if (s.subset, s.metric) == (subset, metric)]
        cells += [(s.language, s.language, s.value, s.n) for s in run.scores if (s.subset, s.metric) == (CLEAN, metric)]
        for first, second, value, n in cells:
            scores[i, at[first], at[second]] = value
            items[at[first], at[second]] = n
    seeds = tuple(run.spec.seed for run in runs)
    return Matrix(subset=subset, languages=languages, seeds=seeds, scores_SLL=scores, items_LL=items)


def _mean(values: Floats, axis: int | tuple[int, ...]) -> Floats:
    """Mean of what is no NaN, NaN where all is."""
    there = ~np.isnan(values)
    count = there.sum(axis)
    return np.where(count > 0, np.where(there, values, 0).sum(axis) / np.maximum(count, 1), np.nan)


def without_pairs(study: StudySpec) -> str:
    """Why nothing was measured on pairs in two languages; empty where the study's task has none such."""
    task = TASKS.get(study.task.name)
    if task is None or not any(SUBSETS[name].applies_to(task) for name in PAIRED):
        return ""
    law = "no pairs in two languages were measured"
    return law if {*PAIRED} & {*study.evaluation.subsets} else f"{law}; name `generalised` in evaluation.subsets"


def generalised_results(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons) -> Table:
    """Scale x method x language of the first text against languages of the second; mean over seeds."""
    found = matrices(study, records)
    subset = next((matrix.subset for matrix in found.values()), "")
    table = Table(
        name="generalised",
        title=f"{study.name}: {study.tune.metric} by languages of first (rows) and second text (columns), points; "
        "mean over seeds",
        columns=_columns(study),
        rows=tuple(row for arm, matrix in found.items() for row in _rows(arm, matrix)),
        notes=(
            f"Diagonal: clean items. Off it: {subset}, on the items counted (the fewest of the row's cells). Means "
            f"weigh languages alike; off-diagonal and diagonal of the row {MEAN}: mean ± sd over seeds.",
        ),
        signature=signature(study, records),
        variable="second",
        quantity=study.tune.metric,
    )
    return settled(rounded(table, [c.key for c in table.columns if c.role == "measure"], draws="seeds"), ["seeds"])


def _columns(study: StudySpec) -> tuple[Column, ...]:
    return (
        *(Column(key=key, header=key, kind="text", role="label") for key in ("scale", "method")),
        Column(key="seeds", header="seeds", kind="count", role="label"),
        Column(key="first", header="first", kind="text", role="label"),
        Column(key="items", header="items", kind="count", role="label"),
        *(Column(key=code, header=code, kind="level", unit=PERCENT) for code in study.task.languages),
        Column(key="off_diagonal", header="off-diagonal", kind="level", unit=PERCENT),
        Column(key="diagonal", header="diagonal", kind="level", unit=PERCENT),
    )


def _rows(arm: Arm, matrix: Matrix) -> list[tuple[Cell, ...]]:
    """A row per language of the first text, then the means over them."""
    off_SLL, diagonal_SL = matrix.off_diagonal_SLL, matrix.diagonal_SL
    off_LL, diagonal_L = _mean(off_SLL, 0), _mean(diagonal_SL, 0)
    over_rows_L, over_columns_L = _mean(off_LL, 0), _mean(off_LL, 1)
    head = (Cell(value=arm[0]), Cell(value=arm[1]), Cell(value=len(matrix.seeds)))
    rows = [
        (*head, Cell(value=language), Cell(value=_fewest(matrix, [i])), *map(_cell, values))
        for i, language in enumerate(matrix.languages)
        for values in [[*matrix.mean_LL[i], over_columns_L[i], diagonal_L[i]]]
    ]
    means = (over_seeds(_known(_mean(values, axis))) for values, axis in ((off_SLL, (1, 2)), (diagonal_SL, 1)))
    fewest = Cell(value=_fewest(matrix, range(len(matrix.languages))))
    return [*rows, (*head, Cell(value=MEAN), fewest, *map(_cell, over_rows_L), *means)]


def _fewest(matrix: Matrix, rows: Sequence[int]) -> Value:
    """The fewest pairs of a measured cell off the diagonal of some rows."""
    return min((int(n) for i in rows for j, n in enumerate(matrix.items_LL[i]) if n and i != j), default=None)


def _known(values: Floats) -> list[float]:
    return [float(value) for value in values if not np.isnan(value)]


def _cell(value: float) -> Cell:
    return Cell(value=None if np.isnan(value) else float(value))
