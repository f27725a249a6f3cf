"""What the catalogue consists of: tasks and subsets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from suite.tasks.examples import SPLITS, Examples, ParallelText
from suite.tasks.source import HubSource

Provenance = Literal["native", "published perturbation", "slice", "synthetic", "model in the loop"]
"""How a subset came to be: written by people, a perturbation from the literature, a part of the data, generated, or
found by asking the model under test."""

TaskKind = Literal["classification", "multiple choice", "token classification", "question answering", "retrieval"]
"""What is asked of a text; `suite.kinds` has a file for each."""


Load = Callable[[str, str, Path | None], Examples]
"""(language, split, hub root) -> examples."""
LoadParallel = Callable[[str, str, Path | None], ParallelText]
"""(source language, target language, hub root) -> parallel text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One entry of the catalogue."""

    name: str
    kind: TaskKind = "classification"
    labels: tuple[str, ...]
    languages: tuple[str, ...]
    metric: str
    """The field's usual metric, one of its kind's; a study may select on another."""
    licence: str
    source: str
    """Package or repository with its pinned version or revision."""
    parallel: bool
    """Whether the items of a split are translations of one another and share ids."""
    splits: tuple[str, ...] = SPLITS
    benchmarks: tuple[str, ...] = ()
    """Benchmarks that it is a task of, such as `XTREME-R`; `suite.tasks.benchmarks` defines them."""
    variant_of: str = ""
    """The task whose data it cuts otherwise; that one's published figures are the nearest, and not comparable."""
    trained_on: str = ""
    """The task whose training set trains and whose validation set selects, where this one has neither."""
    xtreme_folder: str = ""
    """Its folder in the directory that XTREME's download script makes; empty where it is not read from there."""
    sources: tuple[HubSource, ...] = field(default=(), hash=False)
    """Where its rows are on the hub; of several that have a language, the first that a mirror holds."""
    load: Load
    parallel_text: LoadParallel

    @property
    def repository(self) -> str | None:
        """`owner/name` on the hub, with which `source` begins; none for what comes with a package."""
        first = self.source.partition(" ")[0]
        return first if "/" in first else None


BuildSubset = Callable[[Task, str, Path | None, Examples, int], Examples | None]
"""(task, language, hub root, clean examples, seed) -> examples, or none where the subset is undefined."""
BuildAcross = Callable[[Task, Examples, Mapping[str, Examples], int], Examples | None]
"""(task, clean examples, every clean example of each language of the study, in its order, seed) -> examples, or none.

The first are those that a study's limit leaves of their language, the others are whole."""
BuildTrained = Callable[[Task, Path | None, Examples, Mapping[str, Examples], int], Examples | None]
"""(task, hub root, clean examples, every clean example of each language of the study, seed) -> examples, or none."""


def needs_other_languages(
    task: Task, language: str, hub_root: Path | None, clean: Examples, seed: int
) -> Examples | None:
    """What one language alone gives a subset that joins several: nothing."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subset:
    """An adversarial subset: how to make it, where it is defined, and what kind of evidence it is."""

    name: str
    description: str
    provenance: Provenance
    defined_for: tuple[str, ...]
    """Task kinds or task names; elsewhere `build` returns none and reports say n/a."""
    same_items: bool
    """Whether every item is a clean item, changed or (a slice) as it is: the two compare item by item."""
    build: BuildSubset = needs_other_languages
    """Makes it from one language's clean examples."""
    build_across: BuildAcross | None = None
    """Makes it instead, where it takes the other languages' clean examples as well."""
    build_trained: BuildTrained | None = None
    """Makes it instead, where besides these it takes the task's training examples."""

    def examples(
        self, task: Task, hub_root: Path | None, clean: Examples, languages: Mapping[str, Examples], seed: int
    ) -> Examples | None:
        """The subset in the language of `clean`; `languages` is every clean example of each language of the study."""
        if self.build_trained is not None:
            return self.build_trained(task, hub_root, clean, languages, seed)
        if self.build_across is not None:
            return self.build_across(task, clean, languages, seed)
        return self.build(task, clean.language, hub_root, clean, seed)

    def applies_to(self, task: Task) -> bool:
        """Whether the subset is defined for a task at all."""
        return task.name in self.defined_for or task.kind in self.defined_for
