"""Changes against the baseline at matched seeds: what association tables and figures stand on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from suite.records import RunRecord
from suite.report.gather import Comparisons, alignment_metrics, over_seeds, refits
from suite.report.signature import signature
from suite.report.table import PERCENT, Cell, Column, Table, rounded
from suite.spec import StudySpec
from suite.stats.association import Association, between_languages, within_languages

Name = TypeVar("Name", int, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """A robust method minus the baseline, seed by seed, in stored units."""

    method: str
    statistic: str
    """The study's first alignment statistic, at the last layer, on the first text: the headline `alignment/mean`."""
    scales: tuple[str, ...]
    seeds: tuple[int, ...]
    """Seeds that both arms have at every one of the scales."""
    languages: tuple[str, ...]
    alignment: NDArray[np.float64]
    """[scales, seeds, languages]"""
    transfer: NDArray[np.float64]
    """[scales, seeds, languages], of the study's metric on the clean items."""


def alignment_by_language(run: RunRecord, statistic: str) -> dict[str, float]:
    """Language to the statistic at the last layer, on the first text; empty where it was not measured."""
    own = [score for score in run.alignment if score.metric == statistic]
    last = max((score.layer for score in own), default=0)
    return {s.language: s.value for s in own if s.layer == last and s.text == own[0].text}


def paired_changes(study: StudySpec, records: Sequence[RunRecord]) -> list[Changes]:
    """One entry per robust method with alignment and transfer measured beside the baseline's at matched seeds."""
    runs, statistics = refits(study, records), alignment_metrics(study, records)
    found = [_changes_of(study, runs, method, s) for method in study.robust_methods for s in statistics[:1]]
    return [changes for changes in found if changes is not None]


def _changes_of(
    study: StudySpec, runs: dict[tuple[str, str], list[RunRecord]], method: str, statistic: str
) -> Changes | None:
    baseline = study.comparison.baseline
    scales = tuple(s.name for s in study.scale if (s.name, method) in runs and (s.name, baseline) in runs)
    arms = {(s, m): {r.spec.seed: r for r in runs[s, m]} for s in scales for m in (method, baseline)}
    seeds = _shared([set(by_seed) for by_seed in arms.values()])
    paired = {(*arm, seed): by_seed[seed] for arm, by_seed in arms.items() for seed in seeds}
    alignment = {key: alignment_by_language(run, statistic) for key, run in paired.items()}
    transfer = {key: run.by_language() for key, run in paired.items()}
    both = _shared([{*alignment[key]} & {*transfer[key]} for key in paired])
    languages = tuple(language for language in study.task.targets if language in both)
    if not languages:
        return None

    def changes(values: dict[tuple[str, str, int], dict[str, float]]) -> NDArray[np.float64]:
        """[scales, seeds, languages] of the method's value minus the baseline's."""
        pairs = [[(values[k, method, s], values[k, baseline, s]) for s in seeds] for k in scales]
        return np.array([[[ours[lang] - theirs[lang] for lang in languages] for ours, theirs in row] for row in pairs])

    return Changes(
        method=method,
        statistic=statistic,
        scales=scales,
        seeds=tuple(seeds),
        languages=languages,
        alignment=changes(alignment),
        transfer=changes(transfer),
    )


def _shared(sets: list[set[Name]]) -> list[Name]:
    return sorted(set.intersection(*sets)) if sets else []


def associations(study: StudySpec, changes: Changes) -> tuple[Association | None, Association | None]:
    """Between languages, and within a language over seeds; none where there is too little data or no spread.

    The permutations are drawn from the study's digest, so that a report made again says the same.
    """
    parts: list[Association | None] = []
    for relate in (between_languages, within_languages):
        generator = np.random.default_rng(int(study.digest[:16], 16))
        try:
            parts.append(relate(changes.alignment, changes.transfer, generator=generator))
        except ValueError:
            parts.append(None)
    return parts[0], parts[1]


def association_results(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons) -> Table:
    """Per robust method, how transfer moves with alignment: one row between languages, one within them over seeds."""
    texts = (("method", "method"), ("unit", "unit"), ("statistic", "alignment"))
    counts = ("scales", "seeds", "languages", "permutations")
    columns = (
        *(Column(key=key, header=header, kind="text", role="label") for key, header in texts),
        Column(key="slope", header="slope", kind="difference", decimals=2),
        Column(key="correlation", header="r", kind="difference", decimals=2),
        Column(key="p", header="p", kind="p"),
        *(Column(key=key, header=key, kind="count") for key in counts),
    )
    rows = [
        tuple(
            Cell(value=value)
            for value in (
                *(changes.method, part.unit, changes.statistic, part.slope, part.correlation, part.p),
                *(part.n_scales, part.n_seeds, part.n_languages, part.permutations),
            )
        )
        for changes in paired_changes(study, records)
        for part in associations(study, changes)
        if part is not None
    ]
    return Table(
        name="association",
        title=f"{study.name}: does a change of alignment go with a change of transfer?",
        columns=columns,
        rows=tuple(rows),
        notes=(
            f"Changes are against {study.comparison.baseline} at the same seed; slope: {study.tune.metric} per unit of "
            "the alignment statistic at the last layer. Unit language: language means, each scale's own "
            "mean removed; unit seed: seeds around each language's mean. Permutation p, two-sided, not adjusted; "
            "an association, not a cause.",
        ),
        signature=signature(study, records),
    )


def change_results(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons) -> Table:
    """Change of alignment and of transfer per scale, robust method and language; mean ± sd over matched seeds."""
    found = paired_changes(study, records)
    columns = (
        *(Column(key=key, header=key, kind="text", role="label") for key in ("scale", "method", "language")),
        Column(key="seeds", header="seeds", kind="count", role="label"),
        Column(key="alignment", header=found[0].statistic if found else "alignment", kind="difference", decimals=3),
        Column(key="transfer", header=study.tune.metric, kind="difference", unit=PERCENT),
    )
    rows = [
        (
            *(Cell(value=value) for value in (scale, changes.method, language, len(changes.seeds))),
            *(over_seeds(cells[k, :, i].tolist()) for cells in (changes.alignment, changes.transfer)),
        )
        for changes in found
        for k, scale in enumerate(changes.scales)
        for i, language in enumerate(changes.languages)
    ]
    table = Table(
        name="changes",
        title=f"{study.name}: change of alignment (last layer) and transfer (points) per language",
        columns=columns,
        rows=tuple(rows),
        notes=(f"Against {study.comparison.baseline} at the same seed; mean ± sd over seeds.",),
        signature=signature(study, records),
    )
    return rounded(rounded(table, ["alignment"]), ["transfer"])
