"""What comparisons and exported files were made of, so that what still stands is not made again.

Runs that have ended do not change. A receipt names what was made by the digest of all that went in: the bytes of every
record and of its predictions, the study, the code and the processor. It holds as long as every file that it lists has
the bytes it had; times of files are never looked at. Receipts may be deleted at any time.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

import suite
from suite.canonical import digest, to_json
from suite.law import STRICT
from suite.look_log import Look
from suite.provenance import cpu_name
from suite.records import RECORD, RunRecord, parse_record, write_atomically

_MAKERS = ("numpy", "scipy", "pyarrow", "matplotlib", "jinja2", "pydantic")
"""Distributions whose versions may compute or write otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was made of what."""

    __pydantic_config__ = STRICT

    made_of: str
    """Digest of all that went in."""
    files: dict[str, str]
    """What came out: path below the folder to SHA-256."""
    absent: tuple[str, ...] = ()
    """Files of an earlier time that were removed."""
    looks: tuple[Look, ...] = ()
    """What comparing added to the log of looks."""

    def holds(self, made_of: str, folder: Path) -> bool:
        """Whether the same would be made again, and is there, whole."""
        return (
            self.made_of == made_of
            and all(file_digest(folder / name) == mark for name, mark in self.files.items())
            and not any((folder / name).exists() for name in self.absent)
        )

    def looked_again(self) -> list[Look]:
        """The looks of whoever is shown the same now."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return [replace(look, when=now) for look in self.looks]


_RECEIPT = TypeAdapter(Receipt)


def read_receipt(path: Path) -> Receipt | None:
    """A receipt; none where there is none that can be read."""
    try:
        return _RECEIPT.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def write_receipt(path: Path, receipt: Receipt) -> None:
    """Keep a receipt; where that fails everything is made again the next time."""
    with suppress(OSError):
        write_atomically(path, (json.dumps(to_json(receipt), indent=1) + "\n").encode())


def receipt_of(made_of: str, folder: Path, files: Iterable[Path], absent: Iterable[str] = ()) -> Receipt:
    """The receipt for files that were just written below a folder."""
    marks = {path.relative_to(folder).as_posix(): file_digest(path) for path in files}
    return Receipt(made_of=made_of, files=marks, absent=tuple(absent))


def file_digest(path: Path) -> str:
    """SHA-256 of a file; empty where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


@functools.cache
def makers() -> str:
    """Digest of what makes results of files: this code, its libraries, the interpreter, the processor."""
    root = Path(suite.__file__).parent
    code = {p.relative_to(root).as_posix(): file_digest(p) for p in sorted(root.rglob("*")) if p.suffix in _CODE}
    return digest([code, [importlib.metadata.version(name) for name in _MAKERS], sys.version, cpu_name()])


_CODE = {".py", ".html", ".css", ".js", ".toml", ".json"}


@dataclass(slots=True)
class Reading:
    """The records of a study as one process has read them: a file that has the same bytes still is parsed once."""

    _known: dict[Path, tuple[str, RunRecord]] = field(default_factory=dict)
    _marks: dict[int, tuple[str, Path]] = field(default_factory=dict)
    """Identity of a record to the digest of its file, and its folder."""

    def read(self, folder: Path) -> RunRecord | None:
        """The record of a run's folder, none where the run has not ended.

        Raises:
            ValueError: names the file and what is wrong with it.
        """
        path = folder / RECORD
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        mark = hashlib.sha256(data).hexdigest()
        if self._known.get(folder, ("", None))[0] != mark:
            self._known[folder] = mark, parse_record(data, path)
            self._marks[id(self._known[folder][1])] = mark, folder
        return self._known[folder][1]

    def made_of(self, records: Iterable[RunRecord], *more: Any) -> str:
        """Digest of records that were read here, of the predictions beside them, and of whatever else goes in."""
        runs = []
        for record in records:
            mark, folder = self._marks[id(record)]
            predictions = file_digest(folder / record.predictions) if record.predictions else ""
            runs.append((record.run_id, mark, predictions))
        return digest([makers(), sorted(runs), to_json(more)])
