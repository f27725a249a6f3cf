"""What the catalogue hands out: labelled examples in columns, and parallel text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from suite.tasks.text_column import pick, pick_texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from suite.records import Dataset

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


AT_ONCE = 10_000
"""Cells that a fingerprint writes out together."""


def hash_order(seed: int, key: str) -> str:
    """A sort key that shuffles by content alone, so that it depends neither on order nor on process."""
    return hashlib.sha256(f"{seed}\0{key}".encode()).hexdigest()


def derived_id(base: str, how: str) -> str:
    """The id of what was made of an item: `a1b2~char-noise`."""
    return f"{base}~{how}"


def root_id(item_id: str) -> str:
    """What an id starts from: `a1b2` of `a1b2~char-noise`; both members of a minimal pair share it."""
    return item_id.partition("~")[0]


@dataclass(frozen=True, slots=True)
class Answer:
    """A span of a context that answers a question."""

    text: str
    start: int
    """Character of the context where the text begins."""


def _json(columns: Sequence[Sequence[object] | None]) -> Iterator[str]:
    """Columns as one line of JSON, `AT_ONCE` cells at a time."""
    for i, column in enumerate(columns):
        yield "," if i else "["
        if not column:
            yield "null" if column is None else "[]"
            continue
        for start in range(0, len(column), AT_ONCE):
            cells = list(column[start : start + AT_ONCE])
            yield ("," if start else "[") + json.dumps(cells, ensure_ascii=False, separators=(",", ":"))[1:-1]
        yield "]"
    yield "]"


def _check_columns(what: str, columns: dict[str, Sequence[object]], texts: Sequence[Sequence[str]]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{what}: columns are equally long, got {lengths}")
    ids = columns["ids"]
    if len(set(ids)) != len(ids):
        raise ValueError(f"{what}: ids are unique, got {len(ids) - len(set(ids))} repeated of {len(ids)}")
    empty = sum(not text.strip() for column in texts for text in column)
    if empty:
        raise ValueError(f"{what}: no text is empty, got {empty} empty of {sum(map(len, texts))}")


def _check_structure(what: str, examples: Examples) -> None:
    """Hold choices, tags and answers to their laws."""
    counts = {len(choices) for choices in examples.choices or ()}
    if len(counts) > 1 or counts & {0, 1}:
        raise ValueError(f"{what}: every item has as many choices, at least 2, got {sorted(counts)}")
    if (examples.words is None) != (examples.tags is None):
        raise ValueError(f"{what}: words and tags come together, got only {'tags' if examples.tags else 'words'}")
    for name, words, tags in zip(examples.ids, examples.words or (), examples.tags or (), strict=False):
        if len(words) != len(tags) or not words:
            raise ValueError(f"{what}: every word has a tag, {name!r} has {len(words)} words and {len(tags)} tags")
        if min(tags) < 0 or max(tags) >= len(examples.label_names):
            raise ValueError(f"{what}: tags lie in 0..{len(examples.label_names) - 1}, {name!r} has {tags}")
    for name, context, right in zip(examples.ids, examples.pairs or (), examples.answers or (), strict=False):
        wrong = [a for a in right if context[a.start : a.start + len(a.text)] != a.text]
        if wrong or not right:
            found = f"{wrong[0].text!r} not at character {wrong[0].start}" if wrong else "none"
            raise ValueError(f"{what}: every question has answers that stand in its context, {name!r} has {found}")
    if examples.candidates and len(examples.candidates) != len(examples.label_names):
        raise ValueError(
            f"{what}: label_names names the candidates, got {len(examples.label_names)} for {len(examples.candidates)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """Labelled examples of one language and one subset, row by row in every column."""

    language: str
    subset: str
    ids: tuple[str, ...]
    """Unique and stable; the same in every language where items are translations of one another."""
    texts: Sequence[str]
    """What is read: a text, a premise, a question, a query; the words of a tagged sentence with spaces between."""
    pairs: Sequence[str] | None = None
    """Second texts: of sentence pairs, or the contexts of questions."""
    choices: tuple[tuple[str, ...], ...] | None = None
    """Multiple choice: what the label numbers, as many for every item."""
    words: tuple[tuple[str, ...], ...] | None = None
    """Token classification: the words of each text."""
    tags: tuple[tuple[int, ...], ...] | None = None
    """Token classification: an index into `label_names` for each word."""
    answers: tuple[tuple[Answer, ...], ...] | None = None
    """Question answering: every answer that counts as right, at least one."""
    candidates: tuple[str, ...] = ()
    """Retrieval: the texts to choose from, which `label_names` names; not a column."""
    labels: NDArray[np.int64]
    """Indices into `label_names`, shape [N]; 0 where the answer is no label (tags, spans)."""
    label_names: tuple[str, ...]
    base_ids: tuple[str, ...]
    """The clean item that each derives from; its own id where it derives from none."""
    groups: tuple[str, ...]
    """Template, topic or minimal pair: items of a group are not independent."""
    source: str
    """Package or repository with its version."""
    licence: str
    note: str = ""
    """What the loader left out of the file or found odd in it, with counts; part of a run's warnings."""
    pair_languages: tuple[str, ...] = ()
    """Language of every second text where it is not `language`; empty where both texts are of one."""

    def __post_init__(self) -> None:
        what = f"{self.subset} examples in {self.language}"
        columns: dict[str, Sequence[object]] = {
            "ids": self.ids,
            "texts": self.texts,
            "labels": self.labels.tolist(),
            "base_ids": self.base_ids,
            "groups": self.groups,
        }
        optional = {name: getattr(self, name) for name in ("pairs", "choices", "words", "tags", "answers")}
        columns |= {name: column for name, column in optional.items() if column is not None}
        if self.pair_languages:
            columns["pair_languages"] = self.pair_languages
        _check_columns(what, columns, [self.texts] if self.pairs is None else [self.texts, self.pairs])
        _check_structure(what, self)
        low, high = (int(self.labels.min()), int(self.labels.max())) if len(self.ids) else (0, 0)
        if low < 0 or high >= len(self.label_names):
            raise ValueError(f"{what}: labels lie in 0..{len(self.label_names) - 1}, got {low}..{high}")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over ids, texts and what is right in order."""
        content: list[Sequence[object] | None] = [self.ids, self.texts, self.pairs, self.labels.tolist()]
        spans = self.answers and [[(answer.text, answer.start) for answer in right] for right in self.answers]
        optional = (self.choices, self.words, self.tags, spans, self.candidates)
        content += [self.label_names, *(part for part in optional if part)]
        whole = hashlib.sha256()
        for text in _json(content):
            whole.update(text.encode())
        return whole.hexdigest()

    def rows(self, where: Sequence[int]) -> Examples:
        """The examples at some rows, in that order."""
        import dataclasses

        import numpy as np

        return dataclasses.replace(
            self,
            ids=pick(self.ids, where),
            texts=pick_texts(self.texts, where),
            pairs=None if self.pairs is None else pick_texts(self.pairs, where),
            choices=None if self.choices is None else pick(self.choices, where),
            words=None if self.words is None else pick(self.words, where),
            tags=None if self.tags is None else pick(self.tags, where),
            answers=None if self.answers is None else pick(self.answers, where),
            labels=self.labels[np.asarray(where, dtype=np.int64)],
            base_ids=pick(self.base_ids, where),
            groups=pick(self.groups, where),
            pair_languages=pick(self.pair_languages, where) if self.pair_languages else (),
        )

    def take(self, n: int, seed: int) -> Examples:
        """At most `n` examples in proportion to the labels (of queries just at most `n`), in their original order.

        Items are ordered by a hash of their ids' roots, and within a label the r-th of m stands at (r + 1/2) / m; the
        first `n` are taken. So a smaller sample lies within a larger, and languages with shared ids share the sample.
        """
        if n < 1:
            raise ValueError(f"a sample has at least 1 example, got n = {n}")
        labels = [0] * len(self) if self.candidates else self.labels.tolist()  # those of queries number candidates
        members: dict[int, list[int]] = {}
        for i in sorted(range(len(self)), key=lambda i: (hash_order(seed, root_id(self.ids[i])), self.ids[i])):
            members.setdefault(labels[i], []).append(i)
        ranked = [((r + 0.5) / len(rows), label, i) for label, rows in members.items() for r, i in enumerate(rows)]
        return self.rows(sorted(i for _, _, i in sorted(ranked)[:n]))

    def dataset_record(self, split: str) -> Dataset:
        """The data input of a run that these examples are."""
        from suite.records import Dataset

        return Dataset(
            name=self.source.split(" ")[0],
            split=split,
            language=self.language,
            subset=self.subset,
            n=len(self),
            fingerprint=self.fingerprint,
            source=self.source,
            licence=self.licence,
        )

    def to_dataset(self) -> Any:
        """These examples as a `datasets.Dataset` with a `ClassLabel` column."""
        from datasets import ClassLabel, Dataset, Features, Value

        columns = {"id": list(self.ids), "text": list(self.texts)}
        if self.pairs is not None:
            columns["pair"] = list(self.pairs)
        columns |= {"base_id": list(self.base_ids), "group": list(self.groups)}
        features = {name: Value("string") for name in columns} | {"label": ClassLabel(names=list(self.label_names))}
        return Dataset.from_dict(columns | {"label": self.labels.tolist()}, features=Features(features))


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelText:
    """Texts of two languages that are translations of one another row by row."""

    ids: tuple[str, ...]
    source_texts: tuple[str, ...]
    target_texts: tuple[str, ...]
    name: str
    """Where they come from, such as `cldr` or `sib200`."""
    licence: str

    def __post_init__(self) -> None:
        columns: dict[str, Sequence[object]] = {
            "ids": self.ids,
            "source_texts": self.source_texts,
            "target_texts": self.target_texts,
        }
        _check_columns(f"parallel text of {self.name}", columns, [self.source_texts, self.target_texts])

    @classmethod
    def of_pairs(cls, pairs: Mapping[str, tuple[str, str]], *, name: str, licence: str) -> ParallelText:
        """Id to a text and its translation, in that order."""
        return cls(
            ids=tuple(pairs),
            source_texts=tuple(source for source, _ in pairs.values()),
            target_texts=tuple(target for _, target in pairs.values()),
            name=name,
            licence=licence,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, n: int, seed: int) -> ParallelText:
        """At most `n` pairs, chosen by a hash of their ids, in their original order."""
        import dataclasses

        chosen = sorted(sorted(range(len(self)), key=lambda i: hash_order(seed, self.ids[i]))[:n])
        return dataclasses.replace(
            self,
            ids=tuple(self.ids[i] for i in chosen),
            source_texts=tuple(self.source_texts[i] for i in chosen),
            target_texts=tuple(self.target_texts[i] for i in chosen),
        )
