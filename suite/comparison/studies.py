"""The comparisons of a study: its refits read, paired seed by seed, judged, and the look at them noted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from suite.comparison.contest import Contest
from suite.comparison.design import Design
from suite.comparison.explain import explain
from suite.comparison.judging import judge
from suite.comparison.looking import Standing, looks_of, price_of
from suite.comparison.runs import Layout, read_arm
from suite.look_log import Look
from suite.records import RunRecord
from suite.results import Results
from suite.spec import StudySpec
from suite.stats.checks import Items


def compare_study(
    study: StudySpec,
    records: Iterable[RunRecord],
    folder_of: Mapping[str, Path],
    *,
    items: Items,
    looks: Sequence[Look] = (),
) -> tuple[Results, list[Look]]:
    """Every comparison of a study's refits, and this look at them for the log.

    Args:
        study: The study.
        records: Its refits. Where one failed, its seed is left out of the comparisons of that arm on both sides; the
            number of seeds says so.
        folder_of: Run id to run folder, for the predictions.
        items: Whether items that share an id across languages are translations of one another.
        looks: Earlier looks at this study.

    Raises:
        ValueError: arms that cannot be paired: other seeds, other examples or other data.
    """
    refits = [r for r in records if r.spec.phase == "refit"]
    contests = contests_of(study, refits, folder_of, items=items)
    standings = {(c.treatment.scale, c.treatment.method): _standing(study, c, refits) for c in contests}
    results = judge(study.comparison, contests, price_of(study.comparison, standings, looks))
    explained = tuple(explain(study, refits))
    return replace(results, explanations=explained), looks_of(results.comparisons, standings)


def contests_of(
    study: StudySpec, records: Sequence[RunRecord], folder_of: Mapping[str, Path], *, items: Items
) -> list[Contest]:
    """Every (scale, robust method) beside the baseline that has two seeds of both; arguments as `compare_study`."""
    design = Design.of(study, shared_items=items == "shared")
    complete = [r for r in records if r.spec.phase == "refit" and r.state == "complete"]
    found, layouts = {}, list[Layout]()
    for key in [(scale.name, method.name) for scale in study.scale for method in study.method]:
        mine = [r for r in complete if (r.spec.scale.name, r.spec.method) == key]
        if mine:
            found[key] = read_arm(mine, folder_of, layouts)
    contests = []
    for scale, method in [(scale.name, method) for scale in study.scale for method in study.robust_methods]:
        pair = [found[key] for key in ((scale, method), (scale, study.comparison.baseline)) if key in found]
        lost = _lost(records, scale, (method, study.comparison.baseline))
        pair = [arm.without(lost) for arm in pair]
        if len(pair) == 2 and min(len(arm.seeds) for arm in pair) >= 2:
            contests.append(Contest(design, *pair))
    return contests


def _lost(records: Iterable[RunRecord], scale: str, methods: tuple[str, str]) -> set[int]:
    """Seeds that failed in either arm."""
    failed = [r.spec for r in records if r.state == "failed"]
    return {spec.seed for spec in failed if spec.scale.name == scale and spec.method in methods}


def _standing(study: StudySpec, contest: Contest, records: Iterable[RunRecord]) -> Standing:
    lost = _lost(records, contest.treatment.scale, (contest.treatment.method, contest.baseline.method))
    return Standing(
        declared=study.refit.seeds,
        lost=tuple(sorted(lost)),
        used=tuple(seed for seed in contest.treatment.seeds if seed in contest.baseline.seeds),
    )
