"""Published results as data: what others report per language, from where, and how sure the copy is.

They lie in `published/*.toml`, a file per task, in points as printed. Nothing that was only remembered is among them.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from suite.law import STRICT, law

FOLDER = Path(__file__).parent / "published"
Setting = Literal["zero-shot", "translate-test", "human"]
Certainty = Literal[
    "read in a copy of the repository",
    "read in an excerpt",
    "read in an issue thread",
    "computed from per-seed files of the repository",
]
"""How the figure came here; none was held against the papers themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """A model's row of a published table, in points, 0 to 100."""

    __pydantic_config__ = STRICT

    model: str
    values: dict[str, float] = field(default_factory=dict)
    """Language to score; empty where only the average is known."""
    spreads: dict[str, float] = field(default_factory=dict)
    """Language to standard deviation over seeds."""
    average: float | None = None
    """As printed, over the table's `averaged`."""
    average_spread: float | None = None
    seeds: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        law(bool(self.model.strip()), "model is not empty")
        law(bool(self.values) or self.average is not None, "values or average is given")
        numbers = [*self.values.values(), *([] if self.average is None else [self.average])]
        law(
            all(0 <= n <= 100 for n in numbers),
            f"points lie in 0..100, got {[n for n in numbers if not 0 <= n <= 100]}",
        )
        law(max(numbers) > 1, f"figures are points (0 to 100), not shares (0 to 1), got {max(numbers)} at most")
        law(self.spreads.keys() <= self.values.keys(), "spreads are of languages with a value")
        law(min(self.spreads.values(), default=0) >= 0, "spreads are not negative")
        law(not (self.spreads or self.average_spread) or self.seeds is not None, "spreads over seeds state seeds")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTable:
    """A table of somebody's publication: where it is, what it measures, how it was copied."""

    __pydantic_config__ = STRICT

    source: str
    """Repository with its file, or publication."""
    table: str
    """Which table or thread of the source."""
    metric: str
    """By the suite's name, one of those of the task's kind: figures are shown beside measured ones of that name."""
    split: str = "test"
    setting: Setting = "zero-shot"
    averaged: tuple[str, ...] = ()
    """Languages of the printed averages; none where the source does not say."""
    certainty: Certainty
    note: str = ""
    row: tuple[PublishedRow, ...]

    def __post_init__(self) -> None:
        for name in ("source", "table", "metric", "split"):
            law(bool(getattr(self, name).strip()), f"{name} is not empty")
        law(len(set(self.averaged)) == len(self.averaged), "averaged names every language once")
        law(len({row.model for row in self.row}) == len(self.row), "row names every model once")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """A file of `published/`."""

    __pydantic_config__ = STRICT

    task: str
    table: tuple[PublishedTable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFigure:
    """What one source reports of one model on one task, in points, 0 to 100."""

    task: str
    model: str
    metric: str
    split: str
    setting: Setting
    values: dict[str, float]
    """Language to score; empty where only the average is known."""
    spreads: dict[str, float]
    """Language to standard deviation over `seeds`."""
    average: float | None
    average_spread: float | None
    averaged: tuple[str, ...]
    """Languages of the average; none where the source does not say."""
    seeds: int | None
    """Runs behind each value; none where the source does not say."""
    source: str
    table: str
    certainty: Certainty
    note: str
    """On this row."""
    table_note: str


@lru_cache(maxsize=32)
def reference_figures(task: str) -> tuple[ReferenceFigure, ...]:
    """The published figures of a task, in the order of its file; none where nothing is published.

    Raises:
        ValueError: one line: the file, the place and the law that its content breaks.
    """
    path = FOLDER / f"{task}.toml"
    if "/" in task or not path.is_file():
        return ()
    return tuple(_figures(read_published(path)))


def read_published(path: Path) -> PublishedFile:
    """A file of published tables, validated; ValueError as for `reference_figures`."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return _FILE.validate_json(json.dumps(table))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise ValueError(f"{path.name}: {where}: {fault['msg']}") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name} is not TOML: {error}") from None


def _figures(file: PublishedFile) -> Iterator[ReferenceFigure]:
    for table in file.table:
        for row in table.row:
            yield ReferenceFigure(
                task=file.task,
                model=row.model,
                metric=table.metric,
                split=table.split,
                setting=table.setting,
                values=row.values,
                spreads=row.spreads,
                average=row.average,
                average_spread=row.average_spread,
                averaged=table.averaged,
                seeds=row.seeds,
                source=table.source,
                table=table.table,
                certainty=table.certainty,
                note=row.note,
                table_note=table.note,
            )


_FILE = TypeAdapter(PublishedFile)
