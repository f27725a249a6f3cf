"""What a local hub mirror has, told by its folders and the front matter of their READMEs: no table is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from suite.tasks.source import HubSource

DATA = frozenset({".parquet", ".arrow", ".json", ".jsonl", ".csv", ".tsv", ".txt", ".gz", ".zip"})
"""Endings of files that hold rows."""


def absent(sources: Sequence[HubSource], language: str, split: str, root: Path) -> str:
    """What loading would miss, as `google/xtreme` or `google/xtreme MLQA.en.en/test`; empty where it would find it.

    Args:
        sources: Of a task; the first that has the language and lies in the mirror is the one that is read.
        language: Of one of them; what none of them has is not told.
        split: Of the suite.
        root: The mirror.
    """
    named = [source for source in sources if language in source.configurations and split in source.splits]
    if not named:
        return ""
    source = next((one for one in named if (root / one.repository).is_dir()), named[0])
    folder = root / source.repository
    if not folder.is_dir():
        return source.repository
    configuration, own = source.configurations[language], source.part(split).split
    return "" if _has(folder, configuration, own) else f"{source.repository} {configuration}/{own}"


def _has(folder: Path, configuration: str, split: str) -> bool:
    """Whether a repository lists files of a configuration and split that are there; one that lists none may have it."""
    listed = _listed(folder)
    if listed is None:
        return any(path.suffix in DATA for path in folder.rglob("*"))
    files = listed.get(configuration)
    if isinstance(files, Mapping):
        files = [{"split": name, "path": path} for name, path in files.items()]
    if not isinstance(files, list) or not all(isinstance(one, Mapping) and "split" in one for one in files):
        return configuration in listed  # in a form that names no splits
    return any(str(one["split"]) == split and _there(folder, one.get("path")) for one in files)


def _there(folder: Path, written: object) -> bool:
    patterns: Iterable[object] = written if isinstance(written, list) else [written]
    try:
        return any(True for pattern in patterns for _ in folder.glob(str(pattern)))
    except (ValueError, NotImplementedError):  # an address or an absolute path: loading says whether it is there
        return True


def _listed(folder: Path) -> Mapping[str, Any] | None:
    """Configuration to its data files as the README lists them; none where it lists no configurations."""
    card = folder / "README.md"
    return _configurations(card, card.stat().st_mtime_ns) if card.is_file() else None


@lru_cache(maxsize=64)
def _configurations(card: Path, _changed: int) -> Mapping[str, Any] | None:
    from huggingface_hub import metadata_load

    try:
        front = metadata_load(card)
    except Exception:  # of YAML, whose errors are none of Python's; loading will say what is wrong
        return None
    listed = front.get("configs") if isinstance(front, dict) else None
    if not isinstance(listed, list):
        return None
    return {str(one.get("config_name", "default")): one.get("data_files") for one in listed if isinstance(one, dict)}
