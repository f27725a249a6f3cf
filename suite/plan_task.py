"""What a study says of its task, held to what the task is, and which of its data cannot be loaded here."""

from __future__ import annotations

import os
from pathlib import Path

from suite.kinds import KINDS
from suite.law import at_key
from suite.naming import unknown
from suite.spec import StudySpec
from suite.tasks import Task, resolve_subset, resolve_task
from suite.tasks.code_mixing import check_lexicon
from suite.tasks.external import check_external
from suite.tasks.listing import place_of
from suite.tasks.mirror import absent
from suite.tasks.synonyms import load_synonyms
from suite.texts import training_task
from suite.workspace import hub_root


def check_task(study: StudySpec) -> Task:
    """The task of a study, once everything that the study says of it holds.

    Raises:
        ValueError: one line with the key, the law and the value.
    """
    with at_key("task.name"):
        task = resolve_task(study.task.name)
    trained = training_task(study.task)
    for number, language in enumerate(study.task.targets):
        if language not in task.languages:
            what = unknown("language", language, task.languages)
            raise ValueError(f"task.targets[{number}]: task {task.name!r}: {what}")
    if study.task.source not in trained.languages:
        raise ValueError(f"task {trained.name!r}: {unknown('language', study.task.source, trained.languages)}")
    for where, splits in ((trained, ("train", study.tune.select_on)), (task, (study.evaluation.report_on,))):
        for split in splits:
            if split not in where.splits:
                raise ValueError(f"task {where.name!r}: {unknown('split', split, where.splits)}")
    _check_kind(study, task, trained)
    _check_intermediate(study, trained)
    _check_subsets(study, task)
    if study.task.synonyms is not None:
        path = Path(study.task.synonyms).expanduser()
        if not path.is_file():
            raise ValueError(f"task.synonyms is a JSON file, there is none at {study.task.synonyms}")
        load_synonyms(path)
    return task


def _check_subsets(study: StudySpec, task: Task) -> None:
    """Hold every subset to what it is made of: a lexicon, files of others."""
    evaluation = study.evaluation
    here = [language for language in study.task.languages if language in task.languages]
    for number, name in enumerate(evaluation.subsets):
        with at_key(f"evaluation.subsets[{number}]"):
            resolve_subset(name)
    check_lexicon(evaluation.subsets, evaluation.lexicon, here)
    for external in evaluation.external:
        check_external(external, task, here)


def _check_intermediate(study: StudySpec, trained: Task) -> None:
    """Hold the task that is learnt before to the one that is learnt then: one head answers both."""
    name = study.task.intermediate
    if name is None:
        if study.train.intermediate_epochs is not None:
            raise ValueError("train.intermediate_epochs are of task.intermediate, which names no task; drop them")
        return
    first = resolve_task(name)
    if first.name == trained.name:
        raise ValueError(f"task.intermediate is another task than the one learnt then, got {name!r} for both")
    if first.kind != trained.kind:
        raise ValueError(
            f"task.intermediate is a {trained.kind} task like {trained.name!r}, got {name!r} ({first.kind})"
        )
    if first.labels != trained.labels and not KINDS[trained.kind].per_example_labels:
        raise ValueError(f"task.intermediate has the labels of {trained.name!r}, {trained.labels}, got {first.labels}")
    if study.task.source not in first.languages:
        raise ValueError(f"task {name!r}: {unknown('language', study.task.source, first.languages)}")
    if "train" not in first.splits:
        raise ValueError(f"task {name!r}: {unknown('split', 'train', first.splits)}")


def _check_kind(study: StudySpec, task: Task, trained: Task) -> None:
    """Hold metric, attack, votes and methods to what the task's kind can be measured by and trained with."""
    kind, taught = KINDS[task.kind], KINDS[trained.kind]
    if study.tune.metric not in kind.metrics:
        raise ValueError(
            f"tune.metric is one of a {kind.name} task's, {' or '.join(kind.metrics)}, got {study.tune.metric!r} for "
            f"{task.name!r}"
        )
    if taught.embeds:
        raise ValueError(f"task {trained.name!r} trains nothing; name another in task.train_on")
    if taught.per_token and study.train.pooling != "mean":
        raise ValueError(
            f"train.pooling is of tasks that read whole texts, {trained.name!r} reads tokens ({taught.name}); drop it"
        )
    if kind is not taught and not kind.embeds:
        raise ValueError(
            f"task.train_on is a {kind.name} task like {task.name!r}, got {trained.name!r} ({taught.name}); only "
            "retrieval can be answered by a model of another kind"
        )
    if not kind.embeds and task.labels != trained.labels and not kind.per_example_labels:
        raise ValueError(f"task.train_on has the labels of {task.name!r}, {task.labels}, got {trained.labels}")
    if study.evaluation.attack_radius > 0 and kind.embeds:
        raise ValueError("evaluation.attack_radius attacks the loss that was trained, retrieval has none; set it to 0")
    if study.evaluation.smoothing_samples and not kind.one_label:
        raise ValueError(f"evaluation.smoothing_samples vote on one label a text, {kind.name} has more; set it to 0")
    if study.evaluation.word_attack_queries and not kind.one_label:
        raise ValueError(
            f"evaluation.word_attack_queries changes words under one label a text, {kind.name} has more; set it to 0"
        )


def unloadable(study: StudySpec, task: Task) -> list[str]:
    """Why data of a study cannot be loaded here, a reason each; nothing is downloaded.

    A mirror is asked for all that is learnt and reported by what it lists; what is reported is loaded besides.
    """
    root, trained, source = hub_root(study.hub), training_task(study.task), study.task.source
    learnt = [(trained, source, "train"), (trained, source, study.tune.select_on)]
    learnt += [(resolve_task(study.task.intermediate), source, "train")] if study.task.intermediate else []
    here = [language for language in study.task.languages if language in task.languages]
    reported = [(task, language, study.evaluation.report_on) for language in here]
    lacking = [(one, _absent(one, language, split, root)) for one, language, split in (*learnt, *reported)]
    reasons = [f"task {one.name!r}: the hub mirror {root} has no {name}" for one, name in lacking if name]
    if not reasons and place_of(task, root) in ("mirror", "xtreme"):
        refused = [why for _, language, split in reported if (why := _refused(task, language, split, root))]
        more = f" (and {len(refused) - 1} more of {len(here)} languages)" if len(refused) > 1 else ""
        reasons = [f"task {task.name!r}: {why}{more}" for why in refused[:1]]
    return list(dict.fromkeys(reasons))


def _absent(task: Task, language: str, split: str, root: Path | None) -> str:
    """What of a task's data the mirror lacks; empty where it has it, or the data is not read from a mirror."""
    elsewhere = root is None or (os.environ.get("SUITE_XTREME") and task.xtreme_folder)
    return "" if elsewhere or root is None else absent(task.sources, language, split, root)


def _refused(task: Task, language: str, split: str, root: Path | None) -> str:
    try:
        task.load(language, split, root)
    except ValueError as error:
        return str(error)
    return ""
