"""Tokens of large blocks, kept by content: a training set of XNLI's size is tokenised once, not in every process."""

from __future__ import annotations

import hashlib
import inspect
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file
from safetensors.torch import load_file

from suite.canonical import digest
from suite.kinds.kind import Encoded, Kind
from suite.kinds.sliced import encode_sliced, from_arrays, sliceable, to_arrays
from suite.models import pair_tokens, tokens
from suite.tasks.cache import cache_root, source_digest
from suite.tasks.examples import Examples

LARGE = 5000
"""Examples from which a block is kept. Of XNLI's pairs tokenising takes 80 us each and reading back 3; hashing the
tokenizer takes 0.06 s once, and smaller blocks are tokenised with all others at once."""
_LOG = logging.getLogger(__name__)


def encode_cached(
    kind: Kind, tokenizer: Any, blocks: Sequence[Examples], max_length: int, prefix: str, *, large: int = LARGE
) -> list[Encoded]:
    """What `kind.encode` makes of blocks, those of at least `large` examples by way of the cache.

    A file is named by the digest of all that makes it: the texts, the tokenizer, the length, the prefix and the code.
    Its arrays are mapped, so what is read of them is the system's to give back. A cache that cannot be read or written
    costs time, never the run.
    """
    paths = {i: _path(kind, tokenizer, b, max_length, prefix) for i, b in enumerate(blocks) if len(b) >= large}
    found = {i: kept for i, path in paths.items() if (kept := _read(path, blocks[i])) is not None}
    missing = [i for i in range(len(blocks)) if i not in found]
    whole = [i for i in missing if not sliceable(blocks[i])]
    made = kind.encode(tokenizer, [blocks[i] for i in whole], max_length, prefix) if whole else []
    found |= dict(zip(whole, made, strict=True))
    for i in missing:
        if i not in found:
            found[i] = encode_sliced(kind, tokenizer, blocks[i], max_length, prefix)
        if i in paths and _write(paths[i], found[i]):
            found[i] = _read(paths[i], blocks[i]) or found[i]
    return [found[i] for i in range(len(blocks))]


def _path(kind: Kind, tokenizer: Any, block: Examples, max_length: int, prefix: str) -> Path:
    key = {
        "kind": kind.name,
        "code": _code(kind),
        "tokenizer": _fingerprint(tokenizer),
        "texts": block.fingerprint,
        "max_length": max_length,
        "prefix": prefix,
    }
    return cache_root() / "tokens" / f"{digest(key)[:32]}.safetensors"


@lru_cache
def _code(kind: Kind) -> str:
    files = (inspect.getsourcefile(kind.encode), tokens.__file__, pair_tokens.__file__)
    return source_digest([Path(file) for file in files if file])


@lru_cache(maxsize=4)
def _fingerprint(tokenizer: Any) -> str:
    """SHA-256 of a fast tokenizer, without how it was last told to cut and pad."""
    backend = tokenizer.backend_tokenizer
    cut, padding = backend.truncation, backend.padding
    backend.no_truncation()
    backend.no_padding()
    whole = hashlib.sha256(backend.to_str().encode()).hexdigest()
    if cut is not None:
        backend.enable_truncation(**cut)
    if padding is not None:
        backend.enable_padding(**padding)
    return whole


def _read(path: Path, block: Examples) -> Encoded | None:
    if not path.is_file():
        return None
    try:
        arrays = {name: tensor.numpy() for name, tensor in load_file(path).items()}  # numpy's own reader copies
        rows_per_item = int(arrays.pop("rows_per_item")[0])
        written = arrays.pop("digest").tobytes()
        if written != _digest(arrays):
            raise ValueError("its content is not what was written")
        return from_arrays(block, arrays, rows_per_item)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        _LOG.warning("%s is damaged (%s); its texts are tokenised again", path, error)
        return None


def _write(path: Path, encoded: Encoded) -> bool:
    """Whether the block could be written."""
    arrays = {name: np.ascontiguousarray(array) for name, array in to_arrays(encoded).items()}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    extra: dict[str, NDArray[Any]] = {
        "digest": np.frombuffer(_digest(arrays), dtype=np.uint8),
        "rows_per_item": np.array([encoded.rows.rows_per_item], dtype=np.int64),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({**arrays, **extra}, partial)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        _LOG.warning("cannot write %s (%s); set SUITE_CACHE to a writable directory to tokenise once", path, error)
        with suppress(OSError):
            partial.unlink()
        return False
    return True


def _digest(arrays: dict[str, NDArray[Any]]) -> bytes:
    whole = hashlib.sha256()
    for name in sorted(arrays):
        whole.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        whole.update(arrays[name].reshape(-1).data)
    return whole.digest()
