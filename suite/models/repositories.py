"""Where a checkpoint's files lie: a local directory, the local mirror of the hub, or a pinned commit of the hub itself.

Only the files that are read are downloaded and fingerprinted; code that a repository brings along is neither.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from suite.models import embedded
from suite.naming import nearest

COMMIT = re.compile(r"[0-9a-f]{40}")
HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")

READ = (
    "config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*",
    "special_tokens_map.json",
    "*.model",
    "vocab.*",
    "merges.txt",
)
"""Files of a repository that are read, and so downloaded and fingerprinted."""
ESSENTIAL = ("config.json", "*.safetensors")


class HubUnreachableError(ValueError):
    """The hub gave no answer: whether it has a repository is not known."""


class NotMirroredError(ValueError):
    """The hub mirror has not a repository that the hub could be asked for, at a pinned commit."""


def find_repository(
    checkpoint: str, *, revision: str | None = None, hub_root: Path | None = None, files: tuple[str, ...] = READ
) -> Path:
    """Directory with these files of a checkpoint: the one named, that of the mirror, or that of a download.

    Raises ValueError for a directory that does not exist, a repository that the mirror `hub_root` lacks (as
    NotMirroredError where it is pinned), and a hub repository that is not pinned to a commit or not given;
    HubUnreachableError where the hub does not answer at all. With a mirror the hub is never asked.
    """
    return _local(checkpoint, revision, hub_root) or _hub(checkpoint, revision, files)


def file_hashes(directory: Path) -> dict[str, str]:
    """SHA-256 by name of the files of a repository that are read."""
    paths = sorted({path for pattern in READ for path in directory.glob(pattern)})
    stats = [(path, path.stat()) for path in paths]
    return {path.name: _sha256(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats}


def _local(checkpoint: str, revision: str | None, hub_root: Path | None) -> Path | None:
    """An existing directory, or that of a hub id in the local mirror; none for a hub id without a mirror."""
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        return path.resolve()
    if not HUB_ID.fullmatch(checkpoint):
        raise ValueError(
            f"a checkpoint is {embedded.NAME}, a directory or a hub id, and there is no directory {checkpoint!r}: "
            "correct the path"
        )
    if hub_root is None:
        return None
    mirrored = hub_root / checkpoint
    if not mirrored.is_dir():
        raise (NotMirroredError if COMMIT.fullmatch(revision or "") else ValueError)(
            f"the hub mirror has no {checkpoint!r}{_hint(checkpoint)}: copy the repository to {mirrored}"
        )
    return mirrored.resolve()


def _hint(checkpoint: str) -> str:
    near = nearest(checkpoint, [embedded.NAME])
    return f" (did you mean {near!r}?)" if near else ""


def _hub(checkpoint: str, revision: str | None, files: tuple[str, ...]) -> Path:
    """Snapshot directory of a pinned hub repository with these files; no request is made for what was had before."""
    import huggingface_hub as hub
    from huggingface_hub.errors import (  # type: ignore[attr-defined]  # httpx's HTTPError, not listed
        HfHubHTTPError,
        HTTPError,
        LocalEntryNotFoundError,
    )

    if revision is None or not COMMIT.fullmatch(revision):
        raise ValueError(
            f"a hub checkpoint is pinned to a commit of 40 hex digits, {checkpoint!r} to {revision!r}"
            f"{_hint(checkpoint)}: set revision to a commit of its repository"
        )
    # Weights in other formats lie in subfolders.
    wanted: dict[str, Any] = {"revision": revision, "allow_patterns": list(files), "ignore_patterns": ["*/*"]}
    try:
        with suppress(LocalEntryNotFoundError):
            had = Path(hub.snapshot_download(checkpoint, local_files_only=True, **wanted))
            if all(any(had.glob(pattern)) for pattern in ESSENTIAL if pattern in files):
                return had
        # One request, because the download repeats a failing one for 23 s.
        hub.get_hf_file_metadata(hub.hf_hub_url(checkpoint, "config.json", revision=revision))
        return Path(hub.snapshot_download(checkpoint, **wanted))
    except (OSError, ValueError, HTTPError) as error:
        unanswered = isinstance(error, HTTPError) and not isinstance(error, HfHubHTTPError)
        raise (HubUnreachableError if unanswered or isinstance(error, ConnectionError) else ValueError)(
            f"{checkpoint!r} at {revision} is not on this machine and the hub does not give it "
            f"({type(error).__name__}){_hint(checkpoint)}: name a local directory, set a hub mirror, "
            f"or use {embedded.NAME}"
        ) from error


@lru_cache(maxsize=64)
def _sha256(path: Path, _size: int, _changed: int) -> str:
    """A gigabyte takes a second, so a file is hashed once per process and content."""
    return embedded.sha256_file(path)
