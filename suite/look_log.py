"""The log of looks at results: every one is kept, so that seeds added after one can be charged for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from suite.canonical import to_json
from suite.law import STRICT
from suite.records import write_atomically


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at results, as the log keeps it."""

    __pydantic_config__ = STRICT

    when: str
    """UTC, ISO 8601."""
    scale: str
    treatment: str
    baseline: str
    declared: tuple[int, ...]
    """Seeds that the study named at that time."""
    used: tuple[int, ...]
    """Seeds that had ended in both arms."""
    p: float
    """Raw p of the primary comparison; 1 where nothing varied that could be tested."""


_LOOK = TypeAdapter(Look)


def log_looks(looks: Iterable[Look], path: Path) -> None:
    """Add looks to the log; earlier ones are kept as they are."""
    lines = "".join(json.dumps(to_json(look), ensure_ascii=False) + "\n" for look in (*load_looks(path), *looks))
    write_atomically(path, lines.encode())


def load_looks(path: Path) -> tuple[Look, ...]:
    """Every look so far.

    Raises:
        ValueError: names the file and the line that is no look.
    """
    looks = []
    for number, line in enumerate(path.read_bytes().splitlines() if path.is_file() else (), start=1):
        try:
            looks.append(_LOOK.validate_json(line))
        except ValidationError:
            raise ValueError(f"{path}, line {number} is not a look at results; restore the file") from None
    return tuple(looks)
