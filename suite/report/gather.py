"""Runs sorted into what a report shows: refits by scale and method, tuning trials, the untouched checkpoints."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from suite.records import RunRecord
from suite.report.table import Cell
from suite.results import Comparison
from suite.spec import StudySpec

Arm = tuple[str, str]
"""Scale and method."""
Comparisons = tuple[Comparison, ...]
UNTOUCHED = "untouched"
"""What the pre-trained checkpoint is called where it stands beside methods."""
ZERO_SHOT = "zero-shot mean"
"""The aggregate of the primary claim."""


def arms(study: StudySpec) -> list[Arm]:
    """Every (scale, method) that the study plans, scales outermost, in its order."""
    return [(scale.name, method.name) for scale in study.scale for method in study.method]


def refits(study: StudySpec, records: Iterable[RunRecord]) -> dict[Arm, list[RunRecord]]:
    """Completed refits of each planned (scale, method) that has any, by rising seed.

    Raises:
        ValueError: two refits of one (scale, method, seed): runs of an older study file lie among the new ones.
    """
    found: dict[Arm, dict[int, RunRecord]] = {}
    for record in records:
        spec = record.spec
        if spec.phase != "refit" or record.state != "complete":
            continue
        by_seed = found.setdefault((spec.scale.name, spec.method), {})
        other = by_seed.setdefault(spec.seed, record)
        if other is not record and other.run_id != record.run_id:
            raise ValueError(
                f"one refit per scale, method and seed, got {other.run_id} and {record.run_id}; "
                "one is of an older study file: move its folder away"
            )
    return {arm: [found[arm][seed] for seed in sorted(found[arm])] for arm in arms(study) if arm in found}


def tuning(study: StudySpec, records: Iterable[RunRecord]) -> dict[Arm, list[RunRecord]]:
    """Tuning trials of each planned (scale, method) that has any, whatever their state, by number."""
    found: dict[Arm, list[RunRecord]] = {}
    for record in records:
        if record.spec.phase == "tune":
            found.setdefault((record.spec.scale.name, record.spec.method), []).append(record)
    return {arm: sorted(found[arm], key=_number) for arm in arms(study) if arm in found}


def untouched(records: Iterable[RunRecord]) -> dict[str, RunRecord]:
    """Scale to the record of its checkpoint before fine-tuning."""
    return {r.spec.scale.name: r for r in records if r.spec.phase == "checkpoint" and r.state == "complete"}


def chosen(comparisons: Comparisons, *kinds: str) -> Comparisons:
    """The comparisons of the given kinds, in order."""
    return tuple(c for c in comparisons if c.kind in kinds)


def finds_difference(comparison: Comparison) -> bool:
    """Whether the adjusted p-value is below 1 - confidence."""
    return comparison.p_adjusted < round(1 - comparison.confidence, 12)  # 1 - 0.95 is 0.05 and a rounding error


def over_seeds(values: Sequence[float]) -> Cell:
    """Mean and, from two seeds on, standard deviation; an empty cell where nothing was measured."""
    if not values:
        return Cell(value=None)
    spread = statistics.stdev(values) if len(values) > 1 else None
    return Cell(value=statistics.fmean(values), spread=spread)


def metrics_measured(study: StudySpec, records: Iterable[RunRecord]) -> list[str]:
    """Metrics of the refits' scores, the study's own first."""
    seen = {score.metric for record in records if record.spec.phase == "refit" for score in record.scores}
    return [m for m in dict.fromkeys([study.tune.metric, *sorted(seen)]) if m in seen]


def alignment_metrics(study: StudySpec, records: Iterable[RunRecord]) -> list[str]:
    """Alignment statistics that were measured, in the study's order, then any others by name."""
    seen = {score.metric for record in records for score in record.alignment}
    return [m for m in dict.fromkeys([*study.alignment.metrics, *sorted(seen)]) if m in seen]


def suite_versions(records: Iterable[RunRecord]) -> str:
    """Version of the suite that made the runs; several are joined by `+`, none recorded is `unknown`."""
    return "+".join(sorted({r.provenance.suite_version for r in records if r.provenance})) or "unknown"


def _number(record: RunRecord) -> int:
    return -1 if record.spec.number is None else record.spec.number
