"""Tasks of questions about a context: one declarative entry each, one loader for all.

Rows come from the hub, from its mirror or from XTREME's download directory, as `suite.tasks.hub` says.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

from suite.tasks.entries import check_parallel_text, pivot_of, source_task
from suite.tasks.examples import Examples, ParallelText
from suite.tasks.parallel import join_splits
from suite.tasks.question_rows import Questions, QuestionSource, usable_questions
from suite.tasks.reading import Table, read_hub
from suite.tasks.source import HubSource
from suite.tasks.squad_json import read_squad
from suite.tasks.types import Load, LoadParallel, Task
from suite.tasks.xtreme import xtreme_folder


def question_task(
    source: QuestionSource,
    *,
    parallel: bool = False,
    parallel_text: LoadParallel | None = None,
    trained_on: str = "",
    benchmarks: tuple[str, ...] = (),
) -> Task:
    """A catalogue entry for questions whose answers are spans of a context.

    Args:
        source: Repository, configurations, columns and the rule that scores answers, which is the only label.
        parallel: Whether the questions of a split are translations of one another and share ids.
        parallel_text: Translation pairs; by default the questions joined by id, which needs `parallel`.
        trained_on: The task that trains and selects, where this one has no training set.
        benchmarks: Benchmarks that it is a task of.
    """
    rows = source.rows
    check_parallel_text(rows, parallel, parallel_text)
    load = partial(load_questions, source, pivot_of(rows, parallel))
    task = source_task(
        rows,
        kind="question answering",
        metric="f1",
        load=load,
        parallel_text=parallel_text or partial(join_questions, rows, load),
        parallel=parallel,
        benchmarks=benchmarks,
        trained_on=trained_on,
    )
    return task if source.mirrored is None else dataclasses.replace(task, sources=(source.mirrored, rows))


def load_questions(
    source: QuestionSource, pivot: str | None, language: str, split: str, hub_root: Path | None
) -> Examples:
    """The questions of one language and split; arguments as for `suite.tasks.hub.load_hub`.

    Raises:
        ValueError: one line with counts: an unknown language or split, a file that is absent, damaged or without
            answers, questions of which no example can be made, repeated ids, no id in common with the pivot.
    """
    part = source.rows.part(split)
    rows = _questions(source, language, part.split, hub_root)
    first = rows if pivot in (None, language) else _questions(source, str(pivot), part.split, hub_root)
    return part.of(_examples(source, language, rows, first), rows.contexts)


def join_questions(rows: HubSource, load: Load, ours: str, theirs: str, hub_root: Path | None) -> ParallelText:
    """Questions of two languages joined by id, none of which trains; one that is asked twice counts once.

    Contexts are left out: MLQA's are no translations of one another, and XQuAD's are longer than most texts here.
    """
    splits = [split for split in rows.splits if split != "train"]
    joined = join_splits(load, splits, ours, theirs, hub_root, name=rows.name, licence=rows.licence)
    if not joined.ids:
        raise ValueError(f"{rows.repository}: {ours!r} and {theirs!r} share no id; get both from one revision")
    return joined


def _questions(source: QuestionSource, language: str, split: str, hub_root: Path | None) -> Questions:
    rows = source.rows
    rows.check_language(language)
    folder = xtreme_folder(rows)
    if folder is not None and rows.xtreme is not None:
        names = [rows.xtreme.files[split], source.renamed.get(split, rows.xtreme.files[split])]
        files = [name.format(language=language) for name in names]
        table = read_squad(rows, folder, files, rows.xtreme.rows(split, language))
    elif source.mirrored is not None and hub_root is not None and (hub_root / source.mirrored.repository).is_dir():
        table = read_hub(source.mirrored, language, split, hub_root)
    else:
        table = _of_language(read_hub(rows, language, split, hub_root), rows, source.prefixes.get(language, ""))
    return usable_questions(table, source, split)


def _of_language(table: Table, rows: HubSource, prefix: str) -> Table:
    """The rows whose ids begin with a language's prefix."""
    names = table.columns[str(rows.id)]
    keep = [i for i, name in enumerate(names) if str(name).startswith(prefix)]
    if not keep:
        raise ValueError(f"{table.where}: none of {len(names)} ids begins with {prefix!r}; get the published file")
    if len(keep) == len(names):
        return table
    columns = {name: [column[i] for i in keep] for name, column in table.columns.items()}
    return dataclasses.replace(table, columns=columns)


def _examples(source: QuestionSource, language: str, rows: Questions, first: Questions) -> Examples:
    import numpy as np

    groups, note = _groups(rows, first)
    return Examples(
        language=language,
        subset="clean",
        ids=rows.ids,
        texts=rows.texts,
        pairs=rows.contexts,
        answers=rows.answers,
        labels=np.zeros(len(rows.ids), dtype=np.int64),
        label_names=source.rows.labels,
        base_ids=rows.ids,
        groups=groups,
        source=rows.source,
        licence=source.rows.licence,
        note=" and ".join(said for said in (rows.note, note) if said),
    )


def _groups(rows: Questions, first: Questions) -> tuple[tuple[str, ...], str]:
    """Questions about one context, in the pivot's file where they translate it, are a group; a word on ids it lacks."""
    leader: dict[str, str] = {}
    group_of = {name: leader.setdefault(c, name) for name, c in zip(first.ids, first.contexts, strict=True)}
    strange = sum(name not in group_of for name in rows.ids)
    if strange == len(rows.ids):
        raise ValueError(f"{rows.where} shares no id with {first.where}; get both files from one revision")
    note = f"{strange} of {len(rows.ids)} ids are not in {first.where}" if strange else ""
    return tuple(group_of.get(name, name) for name in rows.ids), note
