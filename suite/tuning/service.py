"""The storage that a study's processes share: sqlite beside the records, a database server, or Optuna's gRPC proxy."""

from __future__ import annotations

import os
import sqlite3
import time
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import optuna
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage, get_storage

from suite.storage import StudyFolder, storage_url
from suite.tracking.upload import locked


def has_storage(configured: str | None, folder: StudyFolder) -> bool:
    """Whether there can be trials at all; a file that is not there is not made by asking."""
    return storage_url(configured) is not None or folder.optuna.is_file()


def open_storage(configured: str | None, folder: StudyFolder) -> BaseStorage:
    """The storage of a study's trials; tables are made on first use."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = storage_url(configured)
    if url is not None:
        return _connect(url)
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
    else:
        settings = {"pool_pre_ping": True}  # a connection that idled through a long run may have been cut meanwhile
    try:
        return get_storage(RDBStorage(url, engine_kwargs=settings))
    except Exception:  # of several workers that make the tables at once all but one fail, by many names
        time.sleep(1)
        return get_storage(RDBStorage(url, engine_kwargs=settings))


def _connect(url: str) -> BaseStorage:
    parts = urlsplit(url)
    if parts.scheme != "grpc":
        return _database(url)
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
    url = storage_url(configured)
    if url is None:
        return
    try:
        _connect(url)
    except Exception as error:  # every driver has its own errors; all mean the same here
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        name = "SUITE_STORAGE" if os.environ.get("SUITE_STORAGE") else "tune.storage"
        raise ValueError(f"{name} cannot be opened ({_masked(url)}): {_masked(reason)}") from None


def _masked(text: str) -> str:
    head, at, tail = text.rpartition("@")
    return f"{head.rpartition('//')[0]}//***@{tail}" if at and "//" in head else text
