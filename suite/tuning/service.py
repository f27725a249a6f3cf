"""The storage that a study's processes share: sqlite beside the records, a database server, or Optuna's gRPC proxy."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
import warnings
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage, get_storage
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError

from suite.storage import StudyFolder, storage_url, storage_wait
from suite.tracking.address import mask
from suite.tracking.upload import locked
from suite.tuning.outage import Outage, StorageAway
from suite.tuning.patient import Patient

LIBPQ = {"connect_timeout": 10, "tcp_user_timeout": 20_000, "keepalives_idle": 20, "keepalives_interval": 5}
"""Settings of a PostgreSQL connection: one whose other end has gone without a word is given up after 20 to 60 s, where
Linux would take 15 minutes, or 2 hours. The second is in milliseconds, the others in seconds."""


def has_storage(configured: str | None, folder: StudyFolder) -> bool:
    """Whether there can be trials at all; a file that is not there is not made by asking."""
    return storage_url(configured) is not None or folder.optuna.is_file()


def open_storage(configured: str | None, folder: StudyFolder) -> BaseStorage:
    """The storage of a study's trials; tables are made on first use."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = storage_url(configured)
    if url is not None:
        return _connect(url, storage_wait())
    folder.root.mkdir(parents=True, exist_ok=True)
    with locked(folder.root):
        _check_file(folder.optuna)
        return _database(f"sqlite:///{folder.optuna}")


def _check_file(path: Path) -> None:
    """Refuse a database that is damaged, while nobody has built on it.

    Raises:
        ValueError: one line that says which file, and that it can be made again.
    """
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(path, timeout=60)) as connection:
            ((found,),) = connection.execute("pragma quick_check(1)").fetchall()
    except sqlite3.OperationalError:  # locked, or a full disk: whoever uses it next says so
        return
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise ValueError(
            f"{path} is damaged ({found}); delete it: every trial that has ended is taken from its record again"
        )


def _database(url: str) -> BaseStorage:
    if url.startswith("sqlite"):
        settings: dict[str, Any] = {"connect_args": {"timeout": 60}}
    else:  # a connection that idled through a long run may have been cut meanwhile
        settings = {"pool_pre_ping": True, "connect_args": _timeouts(url)}
    try:
        return get_storage(_tables(url, settings))
    except Exception:  # of several workers that make the tables at once all but one fail, by many names
        time.sleep(1)
        return get_storage(_tables(url, settings))


def _timeouts(url: str) -> dict[str, int]:
    """How long a connection may hang, where the driver is known and the address does not say it."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgresql+psycopg", "postgresql+psycopg2"):
        return {}
    return {name: value for name, value in LIBPQ.items() if name not in parse_qs(parts.query)}


def _tables(url: str, settings: dict[str, Any]) -> RDBStorage:
    storage = RDBStorage(url, engine_kwargs=settings)
    if not url.startswith("sqlite"):
        sqlalchemy.event.listen(storage.engine, "handle_error", _tell_a_lost_connection)
    return storage


def _tell_a_lost_connection(context: ExceptionContext) -> None:
    """Raise StorageAway for a database that is not there, from below Optuna.

    Optuna would make a trial up to five times when a connection is lost, though it was made the first time; it repeats
    only what fails by SQLAlchemy's own errors.
    """
    error = context.sqlalchemy_exception
    if error is None or context.is_pre_ping:
        return
    if context.is_disconnect or (context.connection is None and isinstance(error, OperationalError)):
        raise StorageAway(_first_line(context.original_exception))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _database_away(error: Exception) -> str | None:
    return _masked(_first_line(error)) if isinstance(error, StorageAway) else None


def _proxy_away(error: Exception) -> str | None:
    """Why a proxy, or the database behind it, cannot be reached."""
    import grpc

    if not (isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call)):
        return None
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return _masked(str(error.details()).strip().splitlines()[0])
    # Optuna names no cause, so a database that is away cannot be told from one that refuses.
    if error.code() is grpc.StatusCode.UNKNOWN and "during the commit" in str(error.details()):
        return "the database behind it fails"
    return None


def _connect(url: str, wait: float) -> BaseStorage:
    """A named storage, opened now."""
    return _database(url) if url.startswith("sqlite") else shared_storage(url, wait)


@lru_cache(maxsize=4)
def shared_storage(url: str, wait: float) -> BaseStorage:
    """A storage that others share: opened once by a process, so that only its first opening can refuse the address."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of each lost connection, which is told here
    if urlsplit(url).scheme == "grpc":
        storage, reason = _proxy(url), _proxy_away
    else:
        storage, reason = _database(url), _database_away
    return Patient(storage, Outage(f"storage {_masked(url)}", wait, reason)) if wait > 0 else storage


def _proxy(url: str) -> BaseStorage:
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise ValueError(f"a storage proxy is grpc://HOST:PORT, got {url!r}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        proxy = GrpcStorageProxy(host=parts.hostname, port=parts.port)
    proxy.wait_server_ready(timeout=30)
    return proxy


def check_storage(configured: str | None) -> None:
    """Open a named storage once.

    Raises:
        ValueError: it cannot be reached or is no Optuna storage; one line without the password.
    """
    url, wait = storage_url(configured), storage_wait()
    if url is None:
        return
    try:
        _connect(url, wait)
    except Exception as error:  # every driver has its own errors; all mean the same here
        reason = _first_line(error)
        name = "SUITE_STORAGE" if os.environ.get("SUITE_STORAGE") else "tune.storage"
        raise ValueError(f"{name} cannot be opened ({_masked(url)}): {_masked(reason)}") from None


def _masked(text: str) -> str:
    head, at, tail = text.rpartition("@")
    return mask(f"{head.rpartition('//')[0]}//***@{tail}" if at and "//" in head else text)
