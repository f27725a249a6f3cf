"""Write the archive of a study: the same bytes for the same files, whenever it is written."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import suite
from suite.archive.contents import FORMAT, MANIFEST, STUDY, TABLES, Manifest, Member, measure
from suite.archive.finished import Finished
from suite.canonical import to_json
from suite.pipeline import NothingToCompare
from suite.records import RECORD
from suite.replay.finding import Found
from suite.results import save_results
from suite.tracking.address import mask
from suite.tracking.artifacts import PINS

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip file can state; when a member was written is nobody's concern."""
_PERMISSIONS = 0o644 << 16


def pack(study_file: Path, finished: Finished, to: Path) -> Manifest:
    """Write study file, records, predictions, pins, results, looks and freshly exported tables as one zip file.

    The study file goes in as it is but for passwords in its URLs.

    Raises:
        ValueError: no run has ended, comparisons are not those of the runs as they are, or predictions are missing.
    """
    if not finished.runs:
        raise ValueError(f"an archive holds ended runs, {finished.study.name} has none; run `suite run` first")
    members = {f"runs/{run.folder.name}/{path.name}": path for run in finished.runs for path in _files_of(run)}
    members |= {path.name: path for path in (finished.folder.results, finished.folder.looks) if path.is_file()}
    with tempfile.TemporaryDirectory(prefix="suite-archive-") as name:
        made = Path(name)
        _refuse_stale(finished, made / "again.json")
        (made / STUDY).write_bytes(mask(study_file.read_bytes().decode()).encode())
        finished.export(made / TABLES)
        members |= {path.relative_to(made).as_posix(): path for path in made.rglob("*") if path.is_file()}
        return _write(to, finished, members)


def _refuse_stale(finished: Finished, scratch: Path) -> None:
    """Refuse comparisons that nobody could make again, byte for byte, from what is archived with them."""
    kept, made = finished.folder.results, b""
    try:
        save_results(finished.compare(), scratch)
        made = scratch.read_bytes()
        scratch.unlink()
    except NothingToCompare:
        pass
    if made != (kept.read_bytes() if kept.is_file() else b""):
        raise ValueError(f"{kept} is not what the runs give now; repeat `suite compare`, then archive")


def _files_of(found: Found) -> list[Path]:
    """Record, predictions and pins of a run."""
    predictions, pins = found.predictions, found.folder / PINS
    if found.record.predictions and predictions is None:
        raise ValueError(f"{found.folder} lacks its {found.record.predictions}; restore it, or run the trial again")
    return [found.folder / RECORD, *([predictions] if predictions else []), *([pins] if pins.is_file() else [])]


def _write(to: Path, finished: Finished, members: Mapping[str, Path]) -> Manifest:
    partial = to.with_name(f".{to.name}.{os.getpid()}.partial")
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(partial, "w") as packed:
            manifest = Manifest(
                format=FORMAT,
                suite_version=suite.__version__,
                study=finished.study.name,
                items=finished.items,
                members={name: _add(packed, name, members[name].read_bytes()) for name in sorted(members)},
            )
            _add(packed, MANIFEST, (json.dumps(to_json(manifest), indent=1, ensure_ascii=False) + "\n").encode())
        partial.replace(to)
    finally:
        partial.unlink(missing_ok=True)
    return manifest


def _add(packed: zipfile.ZipFile, name: str, data: bytes) -> Member:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.external_attr = _PERMISSIONS
    info.compress_type = zipfile.ZIP_DEFLATED
    packed.writestr(info, data)
    return measure(io.BytesIO(data))
