"""The mark an upload leaves in a run folder, so that a later start uploads exactly what is missing."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError

from suite.records import RECORD, write_atomically
from suite.tracking.address import mask, sqlite_path

MARK = "mlflow.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Where a run folder was uploaded to, and what it held then."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    store: str
    """The tracking URI without credentials; a sqlite file relative to the folder, so that both can move together."""
    experiment_id: str
    run_id: str
    """MLflow's id of the run."""
    record: str
    """SHA-256 of `record.json` as uploaded."""


_UPLOAD = TypeAdapter(Upload)


def store_name(uri: str, folder: Path) -> str:
    """How a store is named in the mark of a folder."""
    path = sqlite_path(uri)
    return mask(uri) if path is None else "sqlite:" + os.path.relpath(path.resolve(), folder.resolve())


def read_mark(folder: Path) -> Upload | None:
    """The mark of a run folder; none where nothing was uploaded or the mark cannot be read."""
    try:
        return _UPLOAD.validate_json((folder / MARK).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_mark(folder: Path, upload: Upload) -> None:
    """Mark a folder as uploaded."""
    write_atomically(folder / MARK, _UPLOAD.dump_json(upload, indent=1) + b"\n")


def record_digest(folder: Path) -> str:
    """SHA-256 of the folder's `record.json`."""
    return hashlib.sha256((folder / RECORD).read_bytes()).hexdigest()


def is_uploaded(folder: Path, uri: str) -> bool:
    """Whether the folder's record, as it is now, is in the store."""
    mark = read_mark(folder)
    return mark is not None and mark.store == store_name(uri, folder) and mark.record == record_digest(folder)


def is_finished(folder: Path) -> bool:
    """Whether the folder holds a record."""
    return (folder / RECORD).is_file()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder, so that two processes never upload it at once; released with the process, whatever ends it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
