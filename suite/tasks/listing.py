"""What the catalogue knows of a task now: where it can be loaded from, and how large it is there. Downloads nothing."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from suite.tasks.mirror import absent
from suite.tasks.subsets import SUBSETS
from suite.tasks.types import Task, TaskKind

Place = Literal["embedded", "xtreme", "mirror", "hub", "not here", "damaged"]
"""Comes with a package; lies in XTREME's directory or under the hub root; would be downloaded; is lacking there; is
refused there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A catalogue entry with what can be known of its data."""

    name: str
    kind: TaskKind
    metric: str
    languages: tuple[str, ...]
    labels: tuple[str, ...]
    licence: str
    source: str
    repository: str | None
    benchmarks: tuple[str, ...]
    variant_of: str
    parallel: bool
    splits: tuple[str, ...]
    subsets: tuple[str, ...]
    place: Place
    sizes: dict[str, dict[str, int]]
    """Language to split to examples, as loading gives them; what cannot be loaded from here is absent."""
    unread: dict[str, str]
    """`language/split` to why it could not be loaded from here."""
    damage: str
    """The first of these of a language without any size whose files are there; empty where there is none such."""


def place_of(task: Task, hub_root: Path | None) -> Place:
    """Where a task's data would be read from; a mirror has a task where it lists any split in any language."""
    if task.repository is None:
        return "embedded"
    directory = os.environ.get("SUITE_XTREME")
    if directory and task.xtreme_folder:
        return "xtreme" if (Path(directory).expanduser() / task.xtreme_folder).is_dir() else "not here"
    if hub_root is None:
        return "hub"
    if not task.sources:
        return "mirror" if (hub_root / task.repository).is_dir() else "not here"
    parts = itertools.product(task.languages, task.splits)
    return "mirror" if any(not absent(task.sources, *part, hub_root) for part in parts) else "not here"


def list_task(task: Task, hub_root: Path | None, languages: Sequence[str]) -> Listing:
    """An entry with the sizes of some of its languages.

    Args:
        task: The entry.
        hub_root: Local hub mirror; without one, hub tasks have no sizes, as nothing is downloaded.
        languages: Whose sizes are wanted; each split of each is loaded, which holds it to the loader's laws.
    """
    place = place_of(task, hub_root)
    sizes, unread = _sizes(task, hub_root, languages if place in ("embedded", "xtreme", "mirror") else ())
    lost = [language for language in languages if language not in sizes]
    damage = next((why for language in lost if (why := _damage(task, unread, language, hub_root))), "")
    return Listing(
        name=task.name,
        kind=task.kind,
        metric=task.metric,
        languages=task.languages,
        labels=task.labels,
        licence=task.licence,
        source=task.source,
        repository=task.repository,
        benchmarks=task.benchmarks,
        variant_of=task.variant_of,
        parallel=task.parallel,
        splits=task.splits,
        subsets=tuple(name for name, subset in SUBSETS.items() if subset.applies_to(task)),
        place="damaged" if damage else place,
        sizes=sizes,
        unread=unread,
        damage=damage,
    )


def _sizes(
    task: Task, hub_root: Path | None, languages: Sequence[str]
) -> tuple[dict[str, dict[str, int]], dict[str, str]]:
    """`Listing.sizes` and `Listing.unread`."""
    sizes: dict[str, dict[str, int]] = {}
    unread: dict[str, str] = {}
    for language in languages:
        for split in task.splits:
            try:
                sizes.setdefault(language, {})[split] = len(task.load(language, split, hub_root))
            except ValueError as error:
                unread[f"{language}/{split}"] = str(error)
            except Exception as error:  # what no law foresaw: the other tasks are listed all the same
                unread[f"{language}/{split}"] = f"{type(error).__name__}: {error}; get the file anew"
    return {language: found for language, found in sizes.items() if found}, unread


def _damage(task: Task, unread: Mapping[str, str], language: str, hub_root: Path | None) -> str:
    """Why a split of a language is refused whose files are here; empty where there is none such."""
    from_xtreme = bool(os.environ.get("SUITE_XTREME") and task.xtreme_folder)
    for split in task.splits:
        why = unread.get(f"{language}/{split}", "")
        if from_xtreme:
            there = not why.startswith("there is no ")
        else:
            there = hub_root is not None and not absent(task.sources, language, split, hub_root)
        if why and there:
            return f"{language}/{split}: {why}"
    return ""
