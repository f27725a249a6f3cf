"""A content-addressed cache of generated tables: named by the digest of what makes them, verified when read."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

Columns = dict[str, list[str]]
_DIGEST = b"content_sha256"
_LOG = logging.getLogger(__name__)


def cache_root() -> Path:
    """`SUITE_CACHE`, or `~/.cache/suite`."""
    return Path(os.environ.get("SUITE_CACHE") or "~/.cache/suite").expanduser()


def scratch_file() -> IO[bytes]:
    """An unnamed file for what would fill memory; it is gone when it is closed and nothing maps it.

    It lies in the cache, or where that cannot be written with the system's temporary files, which may be memory.
    """
    try:
        cache_root().mkdir(parents=True, exist_ok=True)
        return TemporaryFile(dir=cache_root())
    except OSError:
        return TemporaryFile()


def source_digest(files: Sequence[Path]) -> str:
    """SHA-256 over files in order: the part of a key that says which code and wording made a table."""
    whole = hashlib.sha256()
    for path in files:
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def cached_table(name: str, key: Mapping[str, object], build: Callable[[], Columns]) -> Columns:
    """The table for a key: from the cache when its content is what was written, otherwise built and written.

    A cache that cannot be written costs time, never the run.
    """
    from suite.canonical import digest
    from suite.records import write_atomically  # pydantic takes longer to import than this whole package

    path = cache_root() / "tasks" / f"{name}-{digest(dict(key))[:24]}.parquet"
    found = _read(path)
    if found is not None:
        return found
    columns = build()
    try:
        write_atomically(path, _to_parquet(columns))
    except OSError as error:
        _LOG.warning("cannot write %s (%s); set SUITE_CACHE to a writable directory to generate it once", path, error)
    return columns


def _read(path: Path) -> Columns | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
        columns: Columns = {str(name): table[name].to_pylist() for name in table.column_names}
    except (OSError, pa.ArrowException) as error:
        _LOG.warning("%s is damaged (%s); it is generated again", path, error)
        return None
    if (table.schema.metadata or {}).get(_DIGEST) != _content_digest(columns):
        _LOG.warning("%s is not what was written; it is generated again", path)
        return None
    return columns


def _to_parquet(columns: Columns) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in columns], metadata={_DIGEST: _content_digest(columns)})
    table = pa.Table.from_pydict(columns, schema=schema)
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _content_digest(columns: Columns) -> bytes:
    return hashlib.sha256(json.dumps(columns, ensure_ascii=False, sort_keys=True).encode()).hexdigest().encode()
