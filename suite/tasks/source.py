"""What an entry says of a hub repository: where its rows are, what its columns mean, how its splits are cut."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from suite.naming import unknown
from suite.tasks.examples import SPLITS, Examples, hash_order

Defect = Literal["header row", "missing label", "empty text", "placeholder"]
"""Why no example can be made of a row: it repeats the column names, its label is none or -1 (the hub's mark for hidden
labels), a text is missing or blank, or a text only says that there is none."""

UNPINNED: None = None
"""The revision of a repository of which no commit could be looked up; runs record the fingerprint."""

CUT_SEED = 20240
"""Seeds the hash that cuts a repository's split into parts; never changed, as published numbers rest on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A repository's split, or the share of it whose hash lies in `[low, high)`, 0 to 1.

    Items that are tied to one another (see `group_ids`) have one hash, the same in every language, so parts that do
    not overlap share neither an item nor a premise.
    """

    split: str
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise ValueError(f"a part of {self.split!r} has 0 <= low < high <= 1, got {self.low}..{self.high}")

    @property
    def whole(self) -> bool:
        """Whether this is all of the repository's split."""
        return (self.low, self.high) == (0.0, 1.0)

    def holds(self, key: str) -> bool:
        """Whether an item belongs to this part."""
        return self.whole or self.low <= int(hash_order(CUT_SEED, key)[:8], 16) / 16**8 < self.high

    def of(self, examples: Examples, keys: Sequence[str]) -> Examples:
        """The examples that belong to this part, by a key for each."""
        return examples if self.whole else examples.rows([i for i, key in enumerate(keys) if self.holds(key)])


def held_out(trained: float) -> dict[str, Part]:
    """Splits of a benchmark that reports on the repository's validation set, which so selects nothing.

    Args:
        trained: Share of the training set that trains, 0 to 1; the rest of it selects.
    """
    return {
        "train": Part(split="train", high=trained),
        "validation": Part(split="train", low=trained),
        "test": Part(split="validation"),
    }


def check_known(task: str, kind: str, name: str, known: Collection[str]) -> None:
    """Refuse a language or a split (the kind) that a task has not, as a ValueError that names those it has."""
    if name not in known:
        raise ValueError(f"task {task!r}: {unknown(kind, name, known)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class XtremeFiles:
    """Where XTREME's `download_data.sh` puts the same rows, and how it writes them.

    Its `utils_preprocess.py` writes the texts and the label, tab-separated and without a header, in the order of the
    published files, whose ids it drops. Its language codes are the suite's.
    """

    folder: str
    """In the download directory."""
    labels: tuple[str, ...]
    """What stands for each of the source's labels, in their order."""
    published: Mapping[str, int | Mapping[str, int]]
    """Split of the repository to its rows, in every language or by language; another number is told in the run's
    warnings, and of what is not listed none is known."""
    files: Mapping[str, str] = field(
        default_factory=lambda: {
            "train": "train-{language}.tsv",
            "validation": "dev-{language}.tsv",
            "test": "test-{language}.tsv",
        }
    )
    """Split of the repository to the file of a language."""
    first_id: int = 1
    """Id of the first row, where the repository has a column of ids: they count the rows."""

    def rows(self, split: str, language: str) -> int | None:
        """Rows of the published file; none where that is not known."""
        found = self.published.get(split)
        return found if found is None or isinstance(found, int) else found.get(language)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """Where a task's rows are and what their columns mean."""

    name: str
    """The task."""
    repository: str
    """`owner/name` on the hub."""
    revision: str | None
    """Commit of the repository, or `UNPINNED`, which the task's source then states."""
    configurations: Mapping[str, str]
    """Language code to configuration; where items are translations, all are held against the first language's."""
    labels: tuple[str, ...]
    """Label names in the order of their numbers."""
    licence: str
    text: str = "text"
    """Column of the text."""
    pair: str | None = None
    """Column of the second text of sentence-pair tasks."""
    label: str = "label"
    """Column of the label, a name of `labels` or its number."""
    id: str | None = None
    """Column of an id that languages share; none numbers the rows of a split."""
    splits: Mapping[str, Part] = field(default_factory=lambda: {split: Part(split=split) for split in SPLITS})
    """Split of the suite to split of the repository, or to a part of one."""
    placeholders: tuple[str, ...] = ()
    """What the repository writes where it has no text."""
    droppable: tuple[Defect, ...] = ()
    """Defects that the repository is known for: such rows are left out, counted in the run's warnings. Any other defect
    means that the file is not the published one, and is refused."""
    xtreme: XtremeFiles | None = None
    """Where XTREME's download directory has the same rows; none where XTREME has not this task."""

    def __post_init__(self) -> None:
        if self.xtreme is not None and len(self.xtreme.labels) != len(self.labels):
            raise ValueError(
                f"XTREME's files of {self.name!r} have {len(self.labels)} labels, got {self.xtreme.labels}"
            )

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Columns of the text, or of the two."""
        return (self.text,) if self.pair is None else (self.text, self.pair)

    @property
    def other_columns(self) -> tuple[str, ...]:
        """Columns of the label and of the id, if there is one."""
        return (self.label,) if self.id is None else (self.label, self.id)

    def part(self, split: str) -> Part:
        """What a split of the suite is; ValueError where the task has none of that name."""
        check_known(self.name, "split", split, self.splits)
        return self.splits[split]

    def check_language(self, language: str) -> None:
        """Refuse a language that the task has not; ValueError."""
        check_known(self.name, "language", language, self.configurations)

    @property
    def stated(self) -> str:
        """Repository and revision, as reports give it."""
        return f"{self.repository} ({self.revision or 'revision unpinned'})"
