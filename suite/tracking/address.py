"""Where the tracking store is, whether it answers, and how it may be shown: never with its password."""

from __future__ import annotations

import http.client
import importlib.metadata
import os
import re
import socket
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from suite.naming import unknown

PROBE_SECONDS = 2.5
MOVE_AWAY = "move it away, then `suite sync` fills a new one from the runs' folders"
"""What to do with a sqlite file that cannot be gone on with."""
_SQLITE_HEAD = b"SQLite format 3\0"
_DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]*://)[^/\s'\"]+@")
_SECRET_QUERY = re.compile(r"(?P<key>[?&](?:user|password|passwd|token|sslpassword)=)[^&\s'\"]+", re.IGNORECASE)


class Unreachable(ValueError):
    """A tracking store that cannot be used; one line that says why and what to do."""


def tracking_uri(written: str | None, home: Path) -> str:
    """The MLflow tracking URI of a study: `MLFLOW_TRACKING_URI`, else what the study says, else sqlite in `home`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or written or f"sqlite:///{home.resolve() / 'mlflow.db'}"


def mask(text: str) -> str:
    """The text with user names and passwords of every URI in it replaced by `***`."""
    return _SECRET_QUERY.sub(r"\g<key>***", _USERINFO.sub(r"\g<scheme>***@", text))


def _scheme(uri: str) -> str:
    """Kind of store, without the driver: `http`, `sqlite`, `postgresql`, ...; empty for a path."""
    head, found, _ = uri.partition("://")
    return head.partition("+")[0].lower() if found else ""


def is_http(uri: str) -> bool:
    """Whether the store is a tracking server rather than a database opened directly."""
    return _scheme(uri) in ("http", "https")


def sqlite_path(uri: str) -> Path | None:
    """The database file of a sqlite URI; none for any other store, or one in memory."""
    path = uri.partition(":///")[2].partition("?")[0]
    return Path(path) if path and path != ":memory:" and _scheme(uri) == "sqlite" else None


def check_tracking(uri: str) -> None:
    """Refuse a tracking store that cannot be reached, within a few seconds and without importing mlflow.

    Raises:
        Unreachable: one line with the address (password masked), what is wrong and what to do.
    """
    scheme = _scheme(uri)
    if is_http(uri):
        _check_server(uri)
    elif scheme == "sqlite":
        _check_sqlite(uri)
    elif scheme in _DEFAULT_PORTS:
        _check_database(uri, _DEFAULT_PORTS[scheme])
    elif scheme == "file" or (scheme == "" and not uri.startswith("databricks")):
        raise Unreachable(
            f"tracking store {mask(uri)!r} is a folder, which MLflow no longer supports; "
            "write sqlite:///PATH/mlflow.db or the address of a server"
        )
    elif scheme and scheme not in (known := [*_DEFAULT_PORTS, "sqlite", "http", "https"]) and not _is_plugin(scheme):
        raise Unreachable(f"tracking store {mask(uri)}: {unknown('kind of store', scheme, known)}")


def _is_plugin(scheme: str) -> bool:
    """Whether MLflow or a package installed here says that it can open such a store."""
    plugins = importlib.metadata.entry_points(group="mlflow.tracking_store")
    return scheme in ("databricks", "databricks-uc", "uc") or scheme in plugins.names


def _check_server(uri: str) -> None:
    try:
        parts = urlsplit(uri)
        host = parts.netloc.rpartition("@")[2]  # urllib would take the credentials for part of the host's name
        with urllib.request.urlopen(f"{parts.scheme}://{host}{parts.path.rstrip('/')}/health", timeout=PROBE_SECONDS):
            return
    except urllib.error.HTTPError as error:
        fault = f"answers {error.code} {error.reason} to /health"
    except (OSError, ValueError, http.client.HTTPException) as error:  # the last of a port that is no number
        fault = f"does not answer ({mask(str(getattr(error, 'reason', error)))})"
    raise Unreachable(
        f"tracking server {mask(uri)} {fault}; start it (`suite ui`, or mlflow_server/README.md), correct "
        "MLFLOW_TRACKING_URI or `tracking` in the study, or unset both to track into sqlite beside the records"
    )


def _check_sqlite(uri: str) -> None:
    path = sqlite_path(uri)
    fault = _fault_of_address(uri) if path is None else _fault_of_file(path)
    if fault:
        raise Unreachable(f"tracking store {uri} {fault}")


def _fault_of_address(uri: str) -> str:
    """What is wrong with a sqlite address that names no file; nothing where it asks for one in memory."""
    rest = uri.partition("://")[2]
    return f"lacks a slash; write sqlite:///{rest}" if rest.strip("/").strip() not in ("", ":memory:") else ""


def _fault_of_file(path: Path) -> str:
    """Why MLflow could not keep a database in this file, with the remedy; it would try for minutes."""
    folder = next(parent for parent in (path.parent, *path.parent.resolve().parents) if parent.exists())
    if not folder.is_dir():
        return f"cannot be made: {folder} is a file; choose another path"
    if path.is_dir():
        return f"is a folder, and sqlite keeps a file; write sqlite:///{path / 'mlflow.db'}"
    target = path if path.exists() else folder
    if not os.access(target, os.R_OK | os.W_OK):
        return f"cannot be written: no permission for {target}; choose another path"
    if path.is_file() and not _begins_as_sqlite(path):
        return f"is no sqlite database: {path} is damaged; {MOVE_AWAY}; where it never was one, choose another path"
    return ""


def _begins_as_sqlite(path: Path) -> bool:
    """Whether a file starts as sqlite's do; an empty one becomes a database."""
    with path.open("rb") as file:
        return file.read(len(_SQLITE_HEAD)) in (b"", _SQLITE_HEAD)


def _check_database(uri: str, default_port: int) -> None:
    try:
        parts = urlsplit(uri)
        if not parts.hostname:
            return  # a local socket: the driver knows where
        with socket.create_connection((parts.hostname, parts.port or default_port), timeout=PROBE_SECONDS):
            return
    except (OSError, ValueError) as error:
        raise Unreachable(
            f"tracking database {mask(uri)} does not answer ({error}); start it or correct the address"
        ) from None
