"""The texts of a study, before any tokenizer: what trains, what selects, what is reported, what is parallel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from suite.evaluation import SAMPLE_SEED
from suite.evaluation_spec import CLEAN, EvaluationSpec
from suite.kinds import KINDS
from suite.records import Dataset
from suite.tasks import Examples, ParallelText, Task, resolve_task, study_subsets
from suite.trial_spec import TaskSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The texts of a study in one task, before any tokenizer."""

    task: Task
    trained: Task
    """The task that trains and selects; the same, unless this one has no training set."""
    train: Examples
    validation: Examples
    intermediate: Examples | None
    """What trains before."""
    reported: tuple[Examples, ...]
    """Clean blocks of every language, source first, then the subsets that are defined there."""
    parallel: Mapping[str, ParallelText]
    """Target language to translation pairs with the source language."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out of the files or found odd in them, a line for each source."""
        said: dict[str, dict[str, None]] = {}
        for block in (*self.taught, self.validation, *self.reported):
            if block.note:
                said.setdefault(block.source, {})[block.note] = None
        return tuple(f"{source}: {'; '.join(notes)}" for source, notes in said.items())

    @property
    def taught(self) -> tuple[Examples, ...]:
        """What trains, one after the other; the task's own last."""
        return (self.train,) if self.intermediate is None else (self.intermediate, self.train)

    def datasets(self, select_on: str, report_on: str) -> tuple[Dataset, ...]:
        """Every data input, with its digest."""
        blocks = [*((b, "train") for b in self.taught), (self.validation, select_on)]
        blocks += [(b, report_on) for b in self.reported]
        return tuple(examples.dataset_record(split) for examples, split in blocks)


def load_texts(spec: TaskSpec, select_on: str, evaluation: EvaluationSpec, pairs: int, root: Path | None) -> Texts:
    """Load every text of a study.

    Raises:
        ValueError: an unknown task, language, split or subset, or data that is missing or broken.
    """
    task = resolve_task(spec.name)
    trained = training_task(spec)
    chosen = study_subsets(evaluation, task)
    reported: list[Examples] = []
    here = [language for language in spec.languages if language in task.languages]
    whole = {language: task.load(language, evaluation.report_on, root) for language in here}
    for examples in whole.values():
        clean = limited(examples, spec.test_examples)
        reported.append(clean)
        for subset in chosen:
            block = subset.examples(task, root, clean, whole, SAMPLE_SEED)
            # What is made of the clean items is as limited as they are, though it may hold each of them several times.
            limit = None if subset.same_items else spec.test_examples
            reported += [] if block is None else [limited(block, limit)]
    reported.sort(key=lambda block: block.subset != CLEAN)
    return Texts(
        task=task,
        trained=trained,
        train=limited(trained.load(spec.source, "train", root), spec.train_examples),
        validation=limited(trained.load(spec.source, select_on, root), spec.validation_examples),
        intermediate=_intermediate(spec, root),
        reported=tuple(reported),
        parallel={t: task.parallel_text(spec.source, t, root).take(pairs, SAMPLE_SEED) for t in spec.targets},
    )


def _intermediate(spec: TaskSpec, root: Path | None) -> Examples | None:
    if spec.intermediate is None:
        return None
    return limited(resolve_task(spec.intermediate).load(spec.source, "train", root), spec.train_examples)


def training_task(spec: TaskSpec) -> Task:
    """The task whose training set trains and whose validation set selects."""
    task = resolve_task(spec.name)
    name = spec.train_on or task.trained_on
    return resolve_task(name) if name else task


def selection_metric(spec: TaskSpec, metric: str) -> str:
    """What a study of a metric selects by: that one, where the task that trains has it, or the first that it has."""
    return KINDS[training_task(spec).kind].selects_by(metric)


def limited(examples: Examples, limit: int | None) -> Examples:
    """At most so many examples, the same ones wherever ids are shared."""
    return examples if limit is None or limit >= len(examples.ids) else examples.take(limit, SAMPLE_SEED)
