"""MLflow's tables in a local sqlite file: made whole or not at all, and what its faults mean."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from suite.tracking.address import MOVE_AWAY
from suite.tracking.upload import locked

_COMPANIONS = ("-journal", "-wal", "-shm")
"""What sqlite keeps beside a database; a later file of the same name would be taken for theirs."""
_DAMAGED = re.compile(r"is not a database|malformed")
_HALF_MADE = re.compile(r"table \S+ already exists|duplicate column name")
_OF_THE_MACHINE = re.compile(r"is full|is locked|readonly|unable to open|I/O error")


def is_made(path: Path) -> bool:
    """Whether there is a database at all; an empty file is none."""
    return path.exists() and path.stat().st_size > 0


@contextmanager
def made(path: Path) -> Iterator[None]:
    """Hold the folder of a store whose tables are there: two processes that made them at once would leave neither's."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent):
        _make_tables(path)
        yield


def make_tables(path: Path) -> None:
    """Make the tables of a store that has none."""
    with made(path):
        pass


def _make_tables(path: Path) -> None:
    """Make them in a file beside the store, and rename that: MLflow cannot go on with a part of its tables."""
    partial = path.with_name(f".{path.name}.partial")
    _clear(partial)  # of a process that was killed: the lock is ours
    if is_made(path):
        return
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine

    # MLflow annotates neither of the two.
    engine = create_sqlalchemy_engine(f"sqlite:///{partial}")  # type: ignore[no-untyped-call]
    try:
        _initialize_tables(engine)  # type: ignore[no-untyped-call]
        engine.dispose()
        _clear(path)
        partial.replace(path)
    finally:
        engine.dispose()
        _clear(partial)


def _clear(path: Path) -> None:
    for companion in ("", *_COMPANIONS):
        path.with_name(path.name + companion).unlink(missing_ok=True)


def damage(path: Path, text: str) -> str | None:
    """What an error of a store says of its file, with the remedy; none where the file is as it should be."""
    if _DAMAGED.search(text):
        fault = "is damaged"
    elif _HALF_MADE.search(text) or (not _OF_THE_MACHINE.search(text) and _never_used(path)):
        fault = "has only a part of MLflow's tables, as their making was interrupted"
    else:
        return None
    return f"{path} {fault}; {MOVE_AWAY}"


def _never_used(path: Path) -> bool:
    """Whether there are tables but no experiment: MLflow adds one as soon as it has made them all."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            tables = {str(name) for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return bool(tables) and (
                "experiments" not in tables or database.execute("SELECT 1 FROM experiments").fetchone() is None
            )
    except sqlite3.Error:
        return False
