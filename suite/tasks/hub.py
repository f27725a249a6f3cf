"""Classification tasks from hub repositories: one declarative entry each, one loader for all.

Data goes through `datasets.load_dataset`: data files only, never code that a repository brings along. With a hub root,
the repository is read from `<root>/<owner>/<name>`, a directory laid out as on the hub.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from suite.naming import unknown
from suite.tasks.cache import cache_root
from suite.tasks.types import SPLITS, Examples, LoadParallel, ParallelText, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """Where a task's rows are and what their columns mean."""

    name: str
    """The task."""
    repository: str
    """`owner/name` on the hub."""
    revision: str | None
    """Commit of the repository; none is unpinned, which the task's source then states."""
    configurations: Mapping[str, str]
    """Language code to configuration."""
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
    splits: Mapping[str, str] = field(default_factory=lambda: {split: split for split in SPLITS})
    """Split of the suite to split of the repository."""

    @property
    def stated(self) -> str:
        """Repository and revision, as reports give it."""
        return f"{self.repository} ({self.revision or 'revision unpinned'})"


def hub_task(
    source: HubSource,
    *,
    metric: Literal["accuracy", "macro_f1"] = "accuracy",
    parallel: bool = False,
    parallel_text: LoadParallel | None = None,
    subsets: tuple[str, ...] = ("char-noise", "code-mixed"),
) -> Task:
    """A catalogue entry for a hub repository.

    Args:
        source: Repository, configurations, columns and labels.
        metric: The field's usual metric.
        parallel: Whether the items of a split are translations of one another and share ids.
        parallel_text: Translation pairs; by default validation and test items joined by id, which needs `parallel`.
        subsets: Subsets that apply.
    """
    if parallel_text is None and not parallel:
        raise ValueError(f"task {source.name!r} is not parallel, so it names where its parallel_text comes from")
    return Task(
        name=source.name,
        labels=source.labels,
        languages=tuple(source.configurations),
        metric=metric,
        licence=source.licence,
        source=source.stated,
        parallel=parallel,
        splits=tuple(source.splits),
        subsets=subsets,
        load=lambda language, split, root: load_hub(source, language, split, root),
        parallel_text=parallel_text or (lambda ours, theirs, root: join_parallel(source, ours, theirs, root)),
    )


def load_hub(source: HubSource, language: str, split: str, hub_root: Path | None) -> Examples:
    """The examples of one language and split.

    Raises:
        ValueError: one line with counts: an unknown language or split, an absent repository, mirror or configuration,
            missing columns, empty texts, labels outside the set, repeated ids.
    """
    import numpy as np

    if split not in source.splits:
        raise ValueError(f"task {source.name!r}: {unknown('split', split, source.splits)}")
    columns = _read(source, language, source.splits[split], hub_root)
    where = f"{source.repository} {source.configurations[language]}/{source.splits[split]}"
    count = len(columns[source.text])
    ids = [str(i) for i in columns[source.id]] if source.id else [f"{split}-{i}" for i in range(count)]
    texts = _texts(columns[source.text], f"{where}, column {source.text!r}")
    return Examples(
        language=language,
        subset="clean",
        ids=tuple(ids),
        texts=texts,
        pairs=_texts(columns[source.pair], f"{where}, column {source.pair!r}") if source.pair else None,
        labels=np.array(_labels(columns[source.label], source.labels, where), dtype=np.int64),
        label_names=source.labels,
        base_ids=tuple(ids),
        groups=tuple(str(label) for label in columns[source.label]),
        source=source.stated,
        licence=source.licence,
    )


def join_parallel(source: HubSource, ours: str, theirs: str, hub_root: Path | None) -> ParallelText:
    """Validation and test items of two languages joined by id; training items, which a model has seen, never."""
    pairs: dict[str, tuple[str, str]] = {}
    for split in ("validation", "test"):
        left, right = (load_hub(source, language, split, hub_root) for language in (ours, theirs))
        translated = dict(zip(right.ids, right.texts, strict=True))
        pairs |= {
            f"{split}/{i}": (text, translated[i])
            for i, text in zip(left.ids, left.texts, strict=True)
            if i in translated
        }
    if not pairs:
        raise ValueError(f"{source.repository}: {ours!r} and {theirs!r} share no id in column {source.id!r}")
    return ParallelText(
        ids=tuple(pairs),
        source_texts=tuple(s for s, _ in pairs.values()),
        target_texts=tuple(t for _, t in pairs.values()),
        name=source.name,
        licence=source.licence,
    )


def _read(source: HubSource, language: str, split: str, hub_root: Path | None) -> dict[str, list[Any]]:
    if language not in source.configurations:
        raise ValueError(f"task {source.name!r}: {unknown('language', language, source.configurations)}")
    wanted = tuple(c for c in (source.text, source.pair, source.label, source.id) if c)
    configuration = source.configurations[language]
    rows = _rows(source.repository, source.revision, configuration, split, hub_root)
    missing = [column for column in wanted if column not in rows]
    if missing:
        raise ValueError(
            f"{source.repository} {configuration}/{split}: lacks the columns {missing}, it has {sorted(rows)}"
        )
    return {column: rows[column] for column in wanted}


@lru_cache(maxsize=128)
def _rows(
    repository: str, revision: str | None, configuration: str, split: str, hub_root: Path | None
) -> dict[str, list[Any]]:
    """Every column of one configuration and split, by way of `datasets`."""
    mirror = None if hub_root is None else hub_root / repository
    if mirror is not None and not mirror.is_dir():
        raise ValueError(f"the hub mirror {hub_root} has no repository {repository}; add it there or unset SUITE_HUB")
    try:
        with _no_progress_bars():
            return _columns(repository if mirror is None else str(mirror), configuration, split, revision)
    except (ValueError, OSError, RuntimeError) as error:
        place = mirror or f"{repository} on the hub"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"cannot read {configuration}/{split} from {place}: {reason}") from None


def _columns(path: str, configuration: str, split: str, revision: str | None) -> dict[str, list[Any]]:
    """Columns of a repository on the hub, kept in the cache, or of a directory, read anew.

    `datasets` names its copy of a directory's data by the directory alone and would not see that a file was replaced.
    """
    from datasets import load_dataset

    if Path(path).is_dir():
        rows = list(load_dataset(path, configuration, split=split, streaming=True))
        return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    cache = str(cache_root() / "datasets")
    table = load_dataset(path, configuration, split=split, revision=revision, cache_dir=cache)
    return {name: list(table[name]) for name in table.column_names}


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Bars of a library do not belong among the lines of a study; they are as they were afterwards."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    before = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not before:
            enable_progress_bars()


def _texts(column: Sequence[Any], where: str) -> tuple[str, ...]:
    broken = sum(not isinstance(text, str) or not text.strip() for text in column)
    if broken:
        raise ValueError(f"{where}: {broken} of {len(column)} texts are missing or empty; repair the file")
    return tuple(column)


def _labels(column: Sequence[Any], names: tuple[str, ...], where: str) -> list[int]:
    """Labels as numbers, whether the repository stores names or numbers."""
    number = {name: i for i, name in enumerate(names)}
    found = [label if isinstance(label, int) else number.get(label, -1) for label in column]
    wrong = [label for label, i in zip(column, found, strict=True) if not 0 <= i < len(names)]
    if wrong:
        raise ValueError(
            f"{where}: {len(wrong)} of {len(column)} labels are not of {list(names)}, the first is {wrong[0]!r}"
        )
    return found
