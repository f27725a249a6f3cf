"""From columns to usable rows: defects counted, dropped only where an entry says so, translations verified."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from suite.tasks.characters import BYTE_ORDER_MARK, CSV_QUOTED
from suite.tasks.defects import check_unique, dropped, note_on, usable
from suite.tasks.reading import Table
from suite.tasks.source import Defect, HubSource
from suite.tasks.text_column import pick_texts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """The usable rows of one file."""

    where: str
    """Repository, configuration and split, or the path of a file."""
    source: str
    """Repository and revision, or whose directory it lies in."""
    total: int
    """Rows of the file, headers not counted."""
    ids: tuple[str, ...]
    texts: Sequence[str]
    pairs: Sequence[str] | None
    labels: tuple[int, ...]
    note: str
    """What was dropped, and what is odd but kept as published, with counts; empty where there is nothing to say."""


def row_id(split: str, number: object) -> str:
    """The id of an item that its repository only counts, in every split from 0."""
    return f"{split}-{number}"


def usable_rows(table: Table, source: HubSource, split: str) -> Rows:
    """Rows of which examples can be made.

    Args:
        table: The file, column by column.
        source: What the columns mean, and for which defects a row is left out.
        split: Of the repository. Without a column of ids it begins them, and the number of the row ends them; rows that
            are left out are counted (headers are not), so that languages share the numbers.

    Raises:
        ValueError: one line with counts: rows with a defect that may not be dropped, no row left, unknown labels.
    """
    where, columns = table.where, table.columns
    texts = [columns[name] for name in source.text_columns]
    found = [_defect(row, tag, source) for *row, tag in zip(*texts, columns[source.label], strict=True)]
    keep = usable(found, source.droppable, where)
    body = [i for i, defect in enumerate(found) if defect != "header row"]
    ids = {i: str(columns[source.id][i]) if source.id else row_id(split, n) for n, i in enumerate(body)}
    check_unique([ids[i] for i in keep], where)
    kept = [pick_texts(column, keep if len(keep) < len(column) else range(len(keep))) for column in texts]
    return Rows(
        where=where,
        source=table.source,
        total=len(body),
        ids=tuple(ids[i] for i in keep),
        texts=kept[0],
        pairs=kept[1] if source.pair else None,
        labels=_numbers(columns[source.label], keep, source.labels, where),
        note=_note(table, found, kept),
    )


def check_translations(ours: Rows, pivot: Rows, source: HubSource) -> None:
    """Refuse rows that are not translations of the pivot's.

    Ids in common have one label, and where ids are row numbers, there are as many rows.

    Raises:
        ValueError: one line with the counts and the first item that differs.
    """
    if source.id is None and ours.total != pivot.total:
        raise ValueError(
            f"{ours.where} has {ours.total} rows and {pivot.where} {pivot.total}, but row i of one translates row i of "
            "the other; get both files whole, from one revision"
        )
    known = dict(zip(pivot.ids, pivot.labels, strict=True))
    shared = [(name, label, known[name]) for name, label in zip(ours.ids, ours.labels, strict=True) if name in known]
    if not shared:
        raise ValueError(f"{ours.where} shares no id with {pivot.where}; get both files from one revision")
    wrong = [(name, source.labels[a], source.labels[b]) for name, a, b in shared if a != b]
    if wrong:
        name, here, there = wrong[0]
        raise ValueError(
            f"{ours.where}: {len(wrong)} of {len(shared)} items have another label than in {pivot.where}, so they are "
            f"no translations; the first is {name!r} ({here}, there {there}); get both files from one revision"
        )


def group_ids(rows: Rows) -> dict[str, str]:
    """The first of the items that each is tied to, by id: pairs that share a text, if only over others, are a group."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(rows.ids)
    digests = bytearray()
    for text in chain(rows.texts, rows.texts if rows.pairs is None else rows.pairs):
        digests += text_digest(text)
    text_of = np.unique(np.frombuffer(digests, dtype="V16"), return_inverse=True)[1]
    tied = coo_array((np.ones(n, dtype=np.bool_), (text_of[:n], text_of[n:])), shape=(2 * n, 2 * n))
    group_N = connected_components(tied, directed=False)[1][text_of[:n]]
    _, first, of = np.unique(group_N, return_index=True, return_inverse=True)
    return {name: rows.ids[i] for name, i in zip(rows.ids, first[of].tolist(), strict=True)}


def text_digest(text: str) -> bytes:
    """16 bytes in the place of a text, which tell texts apart without holding them."""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


def _defect(texts: Sequence[Any], label: Any, source: HubSource) -> Defect | None:
    stripped = [text.strip() if isinstance(text, str) else "" for text in texts]
    if tuple(stripped) == source.text_columns:
        return "header row"
    if label is None or label == -1:
        return "missing label"
    if not all(stripped):
        return "empty text"
    return "placeholder" if any(text in source.placeholders for text in stripped) else None


def _note(table: Table, found: Sequence[Defect | None], texts: Sequence[Sequence[str]]) -> str:
    quoted = sum(text.startswith('"') and CSV_QUOTED.fullmatch(text) is not None for column in texts for text in column)
    marked = sum(BYTE_ORDER_MARK in text for column in texts for text in column)
    counts = (
        dropped(found),
        (quoted, f"{quoted} texts in CSV quotes"),
        (marked, f"{marked} texts with a byte-order mark"),
    )
    return note_on(table, counts)


def _numbers(column: Sequence[Any], rows: Sequence[int], names: tuple[str, ...], where: str) -> tuple[int, ...]:
    """Labels of some rows as numbers, whether names or numbers are stored."""
    number = {name: i for i, name in enumerate(names)}
    labels = [column[i] for i in rows]
    found = tuple(label if isinstance(label, int) else number.get(label, -1) for label in labels)
    wrong = [(i, label) for i, label, value in zip(rows, labels, found, strict=True) if not 0 <= value < len(names)]
    if wrong:
        row, label = wrong[0]
        raise ValueError(
            f"{where}: {len(wrong)} of {len(labels)} labels are not of {list(names)}, the first is {label!r} in row "
            f"{row + 1}; repair the file, or correct the entry's labels"
        )
    return found
