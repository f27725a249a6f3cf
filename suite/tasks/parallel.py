"""Parallel text of a task's own items: those of two languages that have one id are translations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from suite.tasks.examples import ParallelText
from suite.tasks.types import Load


def join_by_id(ours: Mapping[str, str], theirs: Mapping[str, str], *, name: str, licence: str) -> ParallelText:
    """Texts of two languages that have one id, in our order; empty where no id is in both.

    A text that stands in several items (a premise) counts once, as retrieval could not tell its copies apart.
    """
    pairs: dict[str, tuple[str, str]] = {}
    seen: tuple[set[str], set[str]] = set(), set()
    for item, text in ours.items():
        other = theirs.get(item)
        if other is None or text in seen[0] or other in seen[1]:
            continue
        pairs[item] = text, other
        seen[0].add(text)
        seen[1].add(other)
    return ParallelText.of_pairs(pairs, name=name, licence=licence)


def join_splits(
    load: Load, splits: Iterable[str], ours: str, theirs: str, hub_root: Path | None, *, name: str, licence: str
) -> ParallelText:
    """First texts of the items of some splits, joined by split and id, as `join_by_id` says."""
    left: dict[str, str] = {}
    right: dict[str, str] = {}
    for split in splits:
        for language, known in ((ours, left), (theirs, right)):
            examples = load(language, split, hub_root)
            known.update((f"{split}/{item}", text) for item, text in zip(examples.ids, examples.texts, strict=True))
    return join_by_id(left, right, name=name, licence=licence)
