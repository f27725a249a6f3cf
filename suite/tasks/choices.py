"""Tasks of multiple choice: one declarative entry each, one loader for all.

Rows come from the hub, from its mirror or from XTREME's download directory, as `suite.tasks.hub` says. A choice task
has no row that could be left out: whatever is no example is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from suite.tasks.entries import pivot_of, source_task
from suite.tasks.examples import Examples, ParallelText
from suite.tasks.parallel import join_by_id
from suite.tasks.reading import Table, read_hub
from suite.tasks.rows import Rows, check_translations, group_ids, row_id, usable_rows
from suite.tasks.source import HubSource
from suite.tasks.text_files import first_of, read_json_lines
from suite.tasks.types import LoadParallel, Task
from suite.tasks.xtreme import xtreme_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceSource:
    """Where a task's items are."""

    rows: HubSource
    """The repository; its text, pair and label are the columns of premise, question and right choice."""
    choices: tuple[str, ...]
    """Columns of the choices, in the order of the source's labels."""
    asked: Mapping[str, str] = field(default_factory=dict)
    """What stands in the column of questions to the question that is put; empty where questions stand there."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Column to its key in XTREME's files, where it is called otherwise there."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Split of the repository to what XTREME's own reader calls the file, if not as its script does."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Items:
    """The items of one file."""

    name: str
    """What notes call it."""
    rows: Rows
    """Ids, premises and labels."""
    questions: Sequence[str]
    """As they are put."""
    choices: tuple[tuple[str, ...], ...]
    note: str


def choice_task(
    source: ChoiceSource,
    *,
    parallel_text: LoadParallel,
    parallel: bool = False,
    trained_on: str = "",
    benchmarks: tuple[str, ...] = (),
) -> Task:
    """A catalogue entry for items that are answered by one of several choices.

    Args:
        source: Repository, configurations and columns.
        parallel_text: Translation pairs.
        parallel: Whether the items of a split are translations of one another and share ids; it is verified on loading.
        trained_on: The task that trains and selects, where this one has no training set.
        benchmarks: Benchmarks that it is a task of.
    """
    return source_task(
        source.rows,
        kind="multiple choice",
        metric="accuracy",
        load=partial(load_choices, source, pivot_of(source.rows, parallel)),
        parallel_text=parallel_text,
        parallel=parallel,
        benchmarks=benchmarks,
        trained_on=trained_on,
    )


def load_choices(source: ChoiceSource, pivot: str | None, language: str, split: str, hub_root: Path | None) -> Examples:
    """The items of one language and split; arguments as for `suite.tasks.hub.load_hub`.

    Raises:
        ValueError: one line with counts: an unknown language or split, an absent file, missing columns, empty texts,
            unknown questions, labels outside the set or hidden, items that are not the translations they should be.
    """
    part = source.rows.part(split)
    items = _items(source, language, part.split, hub_root)
    if pivot not in (None, language):
        first = _items(source, str(pivot), part.split, hub_root)
        check_translations(items.rows, first.rows, source.rows)
        items = dataclasses.replace(items, note=_joined(items.note, _asked_otherwise(items, first)))
    examples = _examples(source, language, part.split, items)
    return part.of(examples, examples.groups)


def load_premises(source: ChoiceSource, language: str, split: str, hub_root: Path | None) -> dict[str, str]:
    """Premises of a repository's split by id, which are there also where labels are hidden."""
    rows = source.rows
    table = _table(source, language, split, hub_root)
    ids, premises = (table.columns[str(name)] for name in (rows.id, rows.text))
    return {row_id(split, name): str(text) for name, text in zip(ids, premises, strict=True) if str(text or "").strip()}


def join_premises(name: str, licence: str, ours: Mapping[str, str], theirs: Mapping[str, str]) -> ParallelText:
    """Premises of two languages joined by id; one that stands in several items counts once.

    Raises:
        ValueError: no id in common.
    """
    joined = join_by_id(ours, theirs, name=name, licence=licence)
    if not joined.ids:
        raise ValueError(f"{name}: the premises of the two languages share no id; get both files from one revision")
    return joined


def _items(source: ChoiceSource, language: str, split: str, hub_root: Path | None) -> Items:
    rows = source.rows
    table = _table(source, language, split, hub_root)
    columns = {name: _column(table, rows, name, split) for name in (rows.text, str(rows.pair), *source.choices)}
    premises = columns[rows.text]
    return Items(
        name=table.name,
        rows=premises,
        questions=_questions(source, columns[str(rows.pair)]),
        choices=tuple(zip(*(columns[name].texts for name in source.choices), strict=True)),
        note=_joined(*dict.fromkeys(column.note for column in columns.values())),
    )


def _table(source: ChoiceSource, language: str, split: str, hub_root: Path | None) -> Table:
    rows = source.rows
    rows.check_language(language)
    folder = xtreme_folder(rows)
    if folder is not None:
        assert rows.xtreme is not None
        names = [
            files[split].format(language=language) for files in (rows.xtreme.files, source.renamed) if split in files
        ]
        path = first_of(folder, names, rows.name)
        wanted = (*rows.text_columns, *source.choices, *rows.other_columns)
        table = read_json_lines(
            rows, path, {name: source.keys.get(name, name) for name in wanted}, rows.xtreme.rows(split, language)
        )
        _check_ids(table, rows)
        return _named(table, rows)
    table = read_hub(rows, language, split, hub_root)
    for name in source.choices:
        own = read_hub(dataclasses.replace(rows, text=name, pair=None), language, split, hub_root)
        table = dataclasses.replace(table, columns={**table.columns, name: own.columns[name]})
    _check_ids(table, rows)
    return table


def _check_ids(table: Table, rows: HubSource) -> None:
    """Refuse items without an id, which nothing would hold against the items that they translate."""
    if rows.id is None:
        return
    nameless = [i for i, name in enumerate(table.columns[rows.id], start=1) if name is None]
    if nameless:
        raise ValueError(
            f"{table.where}: every row has {rows.id!r}, but {len(nameless)} of {len(table.columns[rows.id])} have not, "
            f"the first is row {nameless[0]}; get the published file"
        )


def _named(table: Table, rows: HubSource) -> Table:
    """The table with labels as XTREME's files write them put as the source's; without a column of ids, as the hub's."""
    assert rows.xtreme is not None
    number: dict[Any, int] = {name: i for i, name in enumerate(rows.xtreme.labels)}
    labels = [number.get(str(label), label) for label in table.columns[rows.label]]
    return dataclasses.replace(table, columns={**table.columns, rows.label: labels})


def _column(table: Table, rows: HubSource, name: str, split: str) -> Rows:
    """One column of texts with ids and labels, held to the laws of rows."""
    labels = table.columns[rows.label]
    if all(label is None or label == -1 for label in labels):
        raise ValueError(
            f"{table.where}: none of {len(labels)} rows has a label: they are hidden, so it can't be scored"
        )
    return usable_rows(table, dataclasses.replace(rows, text=name, pair=None), split)


def _questions(source: ChoiceSource, column: Rows) -> Sequence[str]:
    if not source.asked:
        return column.texts
    other = [text for text in column.texts if text not in source.asked]
    if other:
        raise ValueError(
            f"{column.where}: a question is {' or '.join(source.asked)}, but {len(other)} of {len(column.texts)} are "
            f"not, the first is {other[0]!r}; repair the file"
        )
    return tuple(source.asked[text] for text in column.texts)


def _asked_otherwise(ours: Items, pivot: Items) -> str:
    """How many items ask something else than the one they translate, which is kept as published."""
    known = dict(zip(pivot.rows.ids, pivot.questions, strict=True))
    rows = zip(ours.rows.ids, ours.questions, strict=True)
    wrong = sum(question != known.get(name, question) for name, question in rows)
    said = f"{wrong} of {len(ours.questions)} items ask another question than in {pivot.name}"
    return f"{ours.name}: {said}" if wrong else ""


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _examples(source: ChoiceSource, language: str, split: str, items: Items) -> Examples:
    import numpy as np

    # A repository counts from 0 in every split; rows that were numbered bear their split's name already.
    named = {name: row_id(split, name) if source.rows.id else name for name in items.rows.ids}
    group_of = group_ids(items.rows)
    return Examples(
        language=language,
        subset="clean",
        ids=tuple(named[name] for name in items.rows.ids),
        texts=items.rows.texts,
        pairs=items.questions,
        choices=items.choices,
        labels=np.array(items.rows.labels, dtype=np.int64),
        label_names=source.rows.labels,
        base_ids=tuple(named[name] for name in items.rows.ids),
        groups=tuple(named[group_of[name]] for name in items.rows.ids),
        source=items.rows.source,
        licence=source.rows.licence,
        note=items.note,
    )
