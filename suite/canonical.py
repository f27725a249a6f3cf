"""Records as plain JSON, and the digest of it that names runs."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from typing import Any

ADDED = {"added": True}
"""Metadata of a dataclass field that came after records without it had been written; it has a default."""


def to_json(record: Any) -> Any:
    """A record as plain JSON values: dataclasses become dicts, tuples lists.

    A field that was `ADDED` after records had been written is left out where it has its default: the digests of older
    records stay theirs.
    """
    kind = type(record)
    if kind in _PLAIN:
        return record
    if isinstance(record, dict):
        return {key: to_json(value) for key, value in record.items()}
    if isinstance(record, tuple | list):
        return [to_json(value) for value in record]
    if not dataclasses.is_dataclass(kind):
        return record
    values = ((name, getattr(record, name), default) for name, default in _fields(kind))
    return {name: to_json(value) for name, value, default in values if value != default or default is _ALWAYS}


_PLAIN = frozenset([str, float, int, bool, type(None)])
_ALWAYS = object()


@functools.cache
def _fields(kind: type) -> tuple[tuple[str, Any], ...]:
    """Names of a record's fields, each with the value at which it is left out."""
    return tuple((f.name, f.default if "added" in f.metadata else _ALWAYS) for f in dataclasses.fields(kind))


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value (sorted keys, no spaces, shortest float repr)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
