"""Tasks of tagging each word of a sentence: one declarative entry each, one loader for all.

Rows come from the hub, a local mirror or XTREME's download directory as `suite.tasks.hub` says, and no code with them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from suite.tasks.characters import BYTE_ORDER_MARK
from suite.tasks.cldr import cldr_pairs
from suite.tasks.conll import read_conll
from suite.tasks.defects import dropped, note_on, usable
from suite.tasks.entries import source_task
from suite.tasks.examples import Examples
from suite.tasks.reading import Table, read_hub
from suite.tasks.rows import row_id
from suite.tasks.source import Defect, HubSource, check_known
from suite.tasks.types import Task
from suite.tasks.xtreme import xtreme_folder


def tagged_task(
    *sources: HubSource,
    metric: Literal["entity_f1", "token_accuracy"],
    benchmarks: tuple[str, ...] = (),
    variant_of: str = "",
) -> Task:
    """A catalogue entry for tagged sentences.

    The sentences of two languages are no translations, so alignment is measured on the CLDR.

    Args:
        sources: The repository; text and label are its columns of words and of tags. Then others like it that have
            languages which it lacks.
        metric: The field's usual metric.
        benchmarks: Benchmarks that it is a task of.
        variant_of: The task whose data it cuts otherwise.
    """
    task = source_task(
        sources[0],
        kind="token classification",
        metric=metric,
        load=partial(load_tagged, sources),
        parallel_text=cldr_pairs,
        benchmarks=benchmarks,
        variant_of=variant_of,
    )
    return dataclasses.replace(task, languages=tuple(dict.fromkeys(_languages(sources))), sources=sources)


def load_tagged(sources: Sequence[HubSource], language: str, split: str, hub_root: Path | None) -> Examples:
    """The sentences of one language and split. Those of the same words are a group, and on one side of every cut.

    Args:
        sources: Where they are; the first that has the language.
        language: Of one of the sources.
        split: Of the sources.
        hub_root: Local hub mirror.

    Raises:
        ValueError: one line with counts: an unknown language or split, an absent repository, mirror, configuration or
            file, missing columns, words without tags, tags outside the set, sentences without a word.
    """
    first = sources[0]
    check_known(first.name, "language", language, _languages(sources))
    source = next(source for source in sources if language in source.configurations)
    part, folder = first.part(split), xtreme_folder(first)
    table = (
        read_conll(first, folder, language, part.split) if folder else read_hub(source, language, part.split, hub_root)
    )
    examples = _examples(source, language, table, part.split)
    return part.of(examples, examples.groups)


def _languages(sources: Sequence[HubSource]) -> list[str]:
    return [code for source in sources for code in source.configurations]


def _examples(source: HubSource, language: str, table: Table, split: str) -> Examples:
    import numpy as np

    words, tags = table.columns[source.text], table.columns[source.label]
    found = [_defect(w, t) for w, t in zip(words, tags, strict=True)]
    keep = _kept(found, source, table)
    sentences = [tuple(words[i]) for i in keep]
    ids = tuple(row_id(split, i) for i in keep)
    first: dict[tuple[str, ...], str] = {}
    return Examples(
        language=language,
        subset="clean",
        ids=ids,
        texts=tuple(" ".join(sentence) for sentence in sentences),
        words=tuple(sentences),
        tags=_numbers([tags[i] for i in keep], keep, source.labels, table.where),
        labels=np.zeros(len(keep), dtype=np.int64),
        label_names=source.labels,
        base_ids=ids,
        groups=tuple(first.setdefault(sentence, name) for sentence, name in zip(sentences, ids, strict=True)),
        source=table.source,
        licence=source.licence,
        note=_note(table, found, sentences),
    )


def _defect(words: Sequence[str | None] | None, tags: Sequence[Any] | None) -> Defect | None:
    """Why no example can be made of a row; a word of nothing among others is kept, as it has a tag."""
    if not words or None in words or not any(str(word).strip() for word in words):
        return "empty text"
    return "missing label" if not tags or None in tags or -1 in tags or "" in tags else None


def _kept(found: Sequence[Defect | None], source: HubSource, table: Table) -> list[int]:
    """Rows of which examples can be made."""
    words, tags = table.columns[source.text], table.columns[source.label]
    keep = usable(found, source.droppable, table.where)
    uneven = [i for i in keep if len(words[i]) != len(tags[i])]
    if uneven:
        i = uneven[0]
        raise ValueError(
            f"{table.where}: every word has a tag, but {len(uneven)} of {len(found)} rows have another number of tags, "
            f"the first is row {i + 1} with {len(words[i])} words and {len(tags[i])} tags; repair the file"
        )
    return keep


def _note(table: Table, found: Sequence[Defect | None], sentences: Sequence[Sequence[str]]) -> str:
    """What was dropped, and what is odd but kept as published, with counts."""
    blank = sum(not word.strip() for sentence in sentences for word in sentence)
    marked = sum(BYTE_ORDER_MARK in word for sentence in sentences for word in sentence)
    counts = (
        dropped(found),
        (blank, f"{blank} words of nothing"),
        (marked, f"{marked} words with a byte-order mark"),
    )
    return note_on(table, counts)


def _numbers(
    column: Sequence[Sequence[Any]], rows: Sequence[int], names: tuple[str, ...], where: str
) -> tuple[tuple[int, ...], ...]:
    """Tags as numbers, whether names or numbers are stored."""
    number: dict[Any, int] = {i: i for i in range(len(names))} | {name: i for i, name in enumerate(names)}
    wrong = [(i, tag) for i, tags in zip(rows, column, strict=True) for tag in tags if tag not in number]
    if wrong:
        row, tag = wrong[0]
        raise ValueError(
            f"{where}: {len(wrong)} of {sum(map(len, column))} tags are not of {list(names)}, the first is {tag!r} in "
            f"row {row + 1}; repair the file, or correct the entry's labels"
        )
    return tuple(tuple(number[tag] for tag in tags) for tags in column)
