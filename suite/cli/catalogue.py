"""The verb `tasks`: the catalogue, with what can be loaded from here and how large it is. Nothing is downloaded."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from suite.cli.codes import DONE
from suite.cli.stages import emit

if TYPE_CHECKING:
    from suite.tasks.listing import Listing

ABSENT = "–"
FAULTS_SHOWN = 3
"""Reasons printed for what could not be read; --json has all."""


def add_tasks(verb: argparse.ArgumentParser) -> None:
    """Arguments of `suite tasks`."""
    verb.add_argument("name", metavar="NAME", nargs="?", help="one task, with every language's sizes and its labels")
    verb.add_argument("--json", action="store_true", help="the listing as JSON on standard output")


def tasks(arguments: argparse.Namespace) -> int:
    """List the tasks, or one in detail."""
    from suite.tasks import TASKS, resolve_task
    from suite.tasks.listing import list_task

    named = os.environ.get("SUITE_HUB")
    root = Path(named).expanduser().resolve() if named else None
    if arguments.name:
        task = resolve_task(arguments.name)
        one = list_task(task, root, task.languages)
        emit(one) if arguments.json else print(describe_task(one))
        return DONE
    listings = [list_task(task, root, task.languages[:1]) for task in TASKS.values()]
    emit(listings) if arguments.json else print(describe_tasks(listings))
    return DONE


def describe_tasks(listings: Sequence[Listing]) -> str:
    """A line per task, then what the columns mean."""
    splits = list(dict.fromkeys(split for one in listings for split in one.splits))
    head = ["task", "kind", "languages", "labels", *splits, "here", "benchmarks", "source", "licence"]
    lines = _aligned([head, *(_summary(one, splits) for one in listings)], right=range(2, 4 + len(splits)))
    return "\n".join(
        [
            *lines,
            "",
            *(f"{one.name} damaged: {one.damage}" for one in listings if one.damage),
            f"sizes: examples of the first language; {ABSENT} where they cannot be known from here without a download",
            "here: embedded, under SUITE_HUB (mirror) or SUITE_XTREME (xtreme), downloaded (hub), not here, or damaged",
            "suite tasks NAME shows one task's languages, labels and subsets",
        ]
    )


def _summary(one: Listing, splits: Iterable[str]) -> list[str]:
    first = one.sizes.get(one.languages[0], {})
    return [
        one.name,
        one.kind,
        str(len(one.languages)),
        str(len(one.labels) or ABSENT),
        *(_size(first.get(split)) for split in splits),
        one.place,
        ", ".join(one.benchmarks) or (f"variant of {one.variant_of}" if one.variant_of else "none"),
        one.source,
        one.licence,
    ]


def describe_task(one: Listing) -> str:
    """Everything about one task, with a line per language."""
    facts = {
        "kind": f"{one.kind}, measured by {one.metric}",
        "labels": ", ".join(one.labels) or ABSENT,
        "items": "translations of one another" if one.parallel else "not parallel across languages",
        "benchmarks": ", ".join(one.benchmarks) or "none",
        "variant of": one.variant_of,
        "source": one.source,
        "licence": one.licence,
        "here": one.place,
        "subsets": ", ".join(one.subsets) or "none",
    }
    sizes = [[code, *(_size(one.sizes.get(code, {}).get(split)) for split in one.splits)] for code in one.languages]
    lines = _aligned([["language", *one.splits], *sizes], right=range(1, 1 + len(one.splits)))
    faults = [f"not read: {where}: {why}" for where, why in one.unread.items()]
    more = [f"and {len(faults) - FAULTS_SHOWN} more, see --json"] if len(faults) > FAULTS_SHOWN else []
    return "\n".join(
        [one.name, *(f"  {key:<11}{value}" for key, value in facts.items() if value), "", *(f"  {x}" for x in lines)]
        + [f"  {fault}" for fault in [*faults[:FAULTS_SHOWN], *more]]
    )


def _size(count: int | None) -> str:
    return ABSENT if count is None else f"{count:,}"


def _aligned(rows: Sequence[Sequence[str]], right: Iterable[int]) -> list[str]:
    """Rows as lines of equally wide columns; those in `right` are aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    at = set(right)
    return [
        "  ".join(
            c.rjust(w) if i in at else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
