"""A part of a study, as it is shown: some scales and methods, and the baseline they were tested against.

What was tested stays as it was: the family that p-values were adjusted in is the whole study's, whatever is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from suite.pipeline import Pipeline
from suite.records import RunRecord
from suite.results import Results
from suite.running import UNTOUCHED
from suite.spec import StudySpec


class OfAnArm(Protocol):
    """A row about a method at a scale; either is empty where it is about all of them."""

    @property
    def scale(self) -> str:
        """Its scale."""

    @property
    def treatment(self) -> str:
        """Its method."""


Row = TypeVar("Row", bound=OfAnArm)


@dataclass(frozen=True, slots=True)
class Part:
    """The chosen scales and methods of a study, shown as if they were all of it."""

    pipeline: Pipeline

    @property
    def study(self) -> StudySpec:
        """The study cut to the part; its baseline stays."""
        whole = self.pipeline.study
        kept = {*self._methods, whole.comparison.baseline}
        interventions = tuple(name for name in whole.comparison.interventions if name in kept)
        return replace(
            whole,
            scale=self.pipeline.plan.scales,
            method=tuple(method for method in whole.method if method.name in kept),
            comparison=replace(whole.comparison, interventions=interventions),
        )

    def records(self) -> list[RunRecord]:
        """The runs of the part, its baseline's and the looks at its untouched checkpoints included."""
        methods = {UNTOUCHED, *(method.name for method in self.study.method)}
        specs = ((record, record.spec) for record in self.pipeline.records())
        return [record for record, spec in specs if spec.scale.name in self._scales and spec.method in methods]

    def results(self) -> Results:
        """What comparing said of the part."""
        return self.of(self.pipeline.results())

    def export(self, to: Path) -> list[Path]:
        """Write tables, figures and summary of the part."""
        return self.pipeline.write(self.study, self.records(), self.results(), to)

    def of(self, results: Results) -> Results:
        """What some results say of the part."""
        return Results(
            comparisons=self.rows(results.comparisons),
            checks=self.rows(results.checks),
            breadths=self.rows(results.breadths),
            explanations=tuple(
                e for e in results.explanations if e.treatment in self._methods and self._scales.issuperset(e.scales)
            ),
            warnings=(self._said, *(line for line in results.warnings if not line.startswith(self._others))),
        )

    def rows(self, rows: Iterable[Row]) -> tuple[Row, ...]:
        """The rows about the part."""
        scales, methods = self._scales | {""}, self._methods | {""}
        return tuple(row for row in rows if row.scale in scales and row.treatment in methods)

    @property
    def _scales(self) -> frozenset[str]:
        return frozenset(scale.name for scale in self.pipeline.plan.scales)

    @property
    def _methods(self) -> frozenset[str]:
        return frozenset(method.name for method in self.pipeline.plan.methods)

    @property
    def _said(self) -> str:
        """That this is a part, and what of it is of the whole."""
        whole = self.pipeline.study
        scales = f"{len(self._scales)} of {len(whole.scale)} scales"
        methods = f"{len(self._methods)} of {len(whole.method)} methods"
        return f"a part of study {whole.digest[:12]} ({scales}, {methods}); p-values are adjusted in all of its family"

    @property
    def _others(self) -> tuple[str, ...]:
        """How warnings about what is not in the part begin."""
        whole = self.pipeline.study
        arms = ((scale.name, method.name) for scale in whole.scale for method in whole.method)
        left_out = ((s, m) for s, m in arms if s not in self._scales or m not in self._methods)
        return tuple(f"{scale} · {method}:" for scale, method in left_out)
