"""The file of a run under way: whole or not at all, and never used when a bit of it has changed since."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from suite.ownership import partial_of

CONTENT = "content"


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, str]) -> None:
    """Write tensors and what is known of them, atomically.

    Raises:
        OSError: there is no room, or no permission.
    """
    partial = partial_of(path)
    try:
        save_file(dict(tensors), partial, metadata={**meta, CONTENT: content(tensors, meta)})
        partial.replace(path)
    except SafetensorError as error:  # a full disk, as the library tells it
        raise OSError(f"a checkpoint cannot be written to {path}: {error}") from None
    finally:
        partial.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    """The tensors and what was written of them; none where the file is absent, torn or not what was written."""
    try:
        with safe_open(path, framework="pt") as file:
            meta = dict(file.metadata())
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # the file is no mapping
    except Exception:  # a file that is not there, and every way in which one can be broken
        return None
    return (tensors, meta) if meta.pop(CONTENT, None) == content(tensors, meta) else None


def content(tensors: Mapping[str, Tensor], meta: Mapping[str, str]) -> str:
    """CRC-32 of all that a checkpoint holds: it finds any flipped bit, at some 1 GB a second; safetensors has none."""
    known = {name: value for name, value in meta.items() if name != CONTENT}
    state = zlib.crc32(json.dumps(known, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        state = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), state)
        state = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, state)
    return f"{state:08x}"
