"""From columns to usable questions: answers held to their contexts, defects counted, what is odd told."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from suite.tasks.characters import BYTE_ORDER_MARK, mended
from suite.tasks.defects import check_unique, dropped, note_on, usable
from suite.tasks.examples import Answer
from suite.tasks.reading import Table
from suite.tasks.source import HubSource

Defect = Literal["empty text", "no answer", "answer not in its context"]
"""Why no example can be made of a question."""
Claim = tuple[str, int]
"""An answer and the character of the context where it is said to begin."""

ID_LENGTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SquadRepository(HubSource):
    """A repository, or a file, whose columns are those of SQuAD."""

    text: str = "question"
    pair: str | None = "context"
    label: str = "answers"
    id: str | None = "id"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSource:
    """Where a task's questions are."""

    rows: HubSource
    """The repository; its text, pair and label are the columns of question, context and answers."""
    prefixes: Mapping[str, str] = field(default_factory=dict)
    """What the ids of a language begin with, where a configuration holds all languages."""
    mirrored: HubSource | None = None
    """The same questions with a configuration for each language, read instead where a hub mirror has this one."""
    unnamed: tuple[str, ...] = ()
    """Splits of the repository whose ids some copies have lost: they are named by a hash of question and context."""
    droppable: tuple[Defect, ...] = ()
    """Defects that the repository is known for: such questions are left out and counted. Others are refused."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Split of the repository to what users rename XTREME's file to."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Questions:
    """The usable questions of one file."""

    where: str
    """Repository, configuration and split, or the path of a file."""
    source: str
    """Repository and revision, or whose directory it lies in."""
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    contexts: tuple[str, ...]
    answers: tuple[tuple[Answer, ...], ...]
    note: str
    """What was dropped, moved or replaced, and what is odd but kept as published, with counts."""


@dataclass(slots=True)
class _PutRight:
    """What had to be put right, counted."""

    surrogates: int = 0
    """Texts with half a character."""
    moved: int = 0
    """Answers that stand, once, elsewhere in their context."""
    lost: int = 0
    """Answers that stand nowhere or in several places, of questions that have others."""


def usable_questions(table: Table, source: QuestionSource, split: str) -> Questions:
    """Questions of which examples can be made.

    Args:
        table: The file, column by column.
        source: What the columns mean, and for which defects a question is left out.
        split: Of the repository.

    Raises:
        ValueError: one line with counts: no answers at all, defects that may not be dropped, no question left.
    """
    rows, put_right = source.rows, _PutRight()
    texts = [_whole(text, put_right) for text in table.columns[rows.text]]
    same: dict[str, str] = {}  # a context is held once: SQuAD asks 4.6 questions of each
    contexts = [same.setdefault(c := _whole(text, put_right), c) for text in table.columns[str(rows.pair)]]
    claims = [
        _claims(cell, f"{table.where}: question {i}") for i, cell in enumerate(table.columns[rows.label], start=1)
    ]
    _check_answered(claims, table.where)
    right = [_standing(claimed, context, put_right) for claimed, context in zip(claims, contexts, strict=True)]
    found = [_defect(*row) for row in zip(texts, contexts, claims, right, strict=True)]
    keep = usable(found, source.droppable, table.where, unit="question")
    names = _named(texts, contexts) if split in source.unnamed else table.columns[str(rows.id)]
    ids = tuple(str(names[i]) for i in keep)
    check_unique(ids, table.where)
    return Questions(
        where=table.where,
        source=table.source,
        ids=ids,
        texts=tuple(texts[i] for i in keep),
        contexts=tuple(contexts[i] for i in keep),
        answers=tuple(right[i] for i in keep),
        note=note_on(table, _counts(found, (texts[i] + contexts[i] for i in keep), put_right)),
    )


def _whole(text: Any, put_right: _PutRight) -> str:
    """A text, empty where there is none; each half of a character replaced, so that no other moves."""
    if not isinstance(text, str):
        return ""
    whole = mended(text)
    put_right.surrogates += whole != text
    return whole


def _claims(cell: Any, where: str) -> list[Claim]:
    """The answers of a cell as the hub stores them: a list of texts and one of starts.

    Raises:
        ValueError: one line: another text or start, or not as many of both.
    """
    if not isinstance(cell, Mapping):
        return []
    texts, starts = (cell.get(name) or () for name in ("text", "answer_start"))
    wrong = [text for text in texts if not isinstance(text, str)]
    wrong += [start for start in starts if not isinstance(start, int | None)]
    if wrong or len(texts) != len(starts):
        what = f"has {wrong[0]!r} there" if wrong else f"has {len(texts)} texts and {len(starts)} numbers"
        raise ValueError(
            f"{where} {what}, but an answer is a text and the number of the character where it begins; repair the file"
        )
    there = zip(texts, starts, strict=True)
    return [(mended(text), -1 if start is None else start) for text, start in there]


def _check_answered(claims: Sequence[Sequence[Claim]], where: str) -> None:
    if not any(text.strip() for claimed in claims for text, _ in claimed):
        raise ValueError(
            f"{where}: none of {len(claims)} questions has an answer, as XTREME's preprocessing leaves its test files; "
            "put the published file in its place, or unset SUITE_XTREME and SUITE_HUB to read the hub's"
        )


def _standing(claims: Sequence[Claim], context: str, put_right: _PutRight) -> tuple[Answer, ...]:
    """The answers that stand in the context; one that stands elsewhere than it claims, only once, is moved there."""
    standing = []
    for text, start in claims:
        at = start if start >= 0 and context.startswith(text, start) else context.find(text)
        if not text.strip() or (at != start and context.count(text) != 1):
            continue
        put_right.moved += at != start
        standing.append(Answer(text=text, start=at))
    put_right.lost += len(claims) - len(standing) if standing else 0
    return tuple(standing)


def _defect(text: str, context: str, claims: Sequence[Claim], right: Sequence[Answer]) -> Defect | None:
    if not text.strip() or not context.strip():
        return "empty text"
    if not any(claim.strip() for claim, _ in claims):
        return "no answer"
    return None if right else "answer not in its context"


def _counts(found: Sequence[Defect | None], kept: Iterable[str], put_right: _PutRight) -> tuple[tuple[int, str], ...]:
    marked = sum(BYTE_ORDER_MARK in text for text in kept)
    return (
        dropped(found, unit="question"),
        (put_right.moved, f"{put_right.moved} answers moved to the one place where they stand"),
        (put_right.lost, f"{put_right.lost} answers left out that do not stand in their context once"),
        (put_right.surrogates, f"halves of characters replaced in {put_right.surrogates} texts"),
        (marked, f"{marked} questions with a byte-order mark in a text"),
    )


def _named(texts: Sequence[str], contexts: Sequence[str]) -> list[str]:
    """A hash of each question and its context; those that are asked again are numbered."""
    times: Counter[str] = Counter()
    names = []
    for text, context in zip(texts, contexts, strict=True):
        name = hashlib.sha256(f"{text}\0{context}".encode()).hexdigest()[:ID_LENGTH]
        times[name] += 1
        names.append(name if times[name] == 1 else f"{name}-{times[name]}")
    return names
