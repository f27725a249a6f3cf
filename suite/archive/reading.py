"""Read the archive of a study, trusting nothing in it: all is verified before anything is written."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from suite.archive.contents import MANIFEST, STUDY, Manifest, measure, read_manifest
from suite.archive.finished import Finished
from suite.look_log import load_looks
from suite.records import RECORD, load_record
from suite.replay.finding import Found
from suite.results import load_results
from suite.storage import StudyFolder
from suite.study_file import load_study

MANIFEST_BYTES = 64_000_000
"""Largest manifest: 150 bytes a member, three members a run and 100,000 runs make 45 MB."""
LARGEST_RATIO = 100
"""Most bytes that an archive may unpack to per byte of its own. The quickstart's unpacks to 2.5 and a table of one
repeated word to 60 or so; deflate reaches 1,032, and more only where members share their bytes. A file of 10 MB
therefore never fills more than 1 GB of disk."""
_LEADS_OUT = re.compile(r"^/|^.:|\\|\0|(?:^|/)\.{0,2}(?:/|$)")
"""Absolute names, drive letters, backslashes, NUL (where zipfile cuts a name), and the parts "", "." and ".."."""


@contextmanager
def opened(archive: Path) -> Iterator[Finished]:
    """The study in an archive, unpacked to a temporary folder for as long as it is needed; raises as `unpack`."""
    with tempfile.TemporaryDirectory(prefix="suite-archive-") as name:
        yield unpack(archive, Path(name))


def unpack(archive: Path, home: Path) -> Finished:
    """Unpack an archive into a folder of the study's name under a home, as a whole or not at all.

    Args:
        archive: A file that `pack` wrote, or that somebody says it did.
        home: A suite's home, made where it is missing.

    Raises:
        ValueError: one line with what is wrong with the archive, or that the study is there already.
    """
    manifest = verify(archive)
    folder = home / manifest.study
    if folder.exists():
        raise ValueError(f"{folder} is there already, and nothing is replaced; name another home, or move it away")
    partial = home / f".{manifest.study}.{os.getpid()}.partial"
    try:
        _extract(archive, manifest, partial)
        finished = _finished(partial, manifest)
        partial.rename(folder)
    except ValueError as error:  # a member that is not what its name says
        raise ValueError(str(error).replace(str(partial), str(archive))) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    runs = tuple(replace(found, folder=folder / "runs" / found.folder.name) for found in finished.runs)
    return replace(finished, folder=StudyFolder(folder), runs=runs)


def verify(archive: Path) -> Manifest:
    """Read every member of an archive and hold it against the manifest, writing nothing.

    Raises:
        ValueError: one line that names the file and the first thing wrong with it.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            return _verified(packed, archive.stat().st_size)
    except OSError as error:
        raise ValueError(f"the archive {archive} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # zipfile raises a dozen kinds for a broken file
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{archive} is no whole archive of a study: {first}; copy it again from its source") from None


def _verified(packed: zipfile.ZipFile, size: int) -> Manifest:
    members = packed.infolist()
    for member in members:
        _check_kind(member)
    _check_sizes(members, size)
    names = [member.orig_filename for member in members]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise ValueError(f"every member is there once, got {doubled[0]!r} more than once")
    if MANIFEST not in names:
        raise ValueError(f"it has no {MANIFEST}")
    manifest = read_manifest(packed.read(MANIFEST))
    odd = sorted({*names} ^ {*manifest.members, MANIFEST})
    if odd:
        where = "is not in the manifest" if odd[0] in names else "is in the manifest only"
        raise ValueError(f"members are those of the manifest, but {odd[0]!r} {where}")
    for name, listed in manifest.members.items():
        with packed.open(name) as stream:
            if measure(stream) != listed:
                raise ValueError(f"size and checksum of {name} are not those of the manifest")
    return manifest


def _check_kind(member: zipfile.ZipInfo) -> None:
    """Refuse what is no plain file under a relative name, deflated or stored; the manifest knows no other either."""
    name, kind = member.orig_filename, stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise ValueError(f"members are plain files, but {name!r} is a link, a folder or a device")
    if _LEADS_OUT.search(name):
        raise ValueError(f"members lie inside the study's folder, but {name!r} leads out of it")
    if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"members are stored or deflated, but {name!r} is encrypted or packed in another way")


def _check_sizes(members: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse what would fill memory or disk; zipfile itself never gives more than a member declares."""
    total = sum(member.file_size for member in members)
    if total > LARGEST_RATIO * size:
        raise ValueError(f"it unpacks to at most {LARGEST_RATIO} times its {size:,} bytes, but declares {total:,}")
    if any(member.filename == MANIFEST and member.file_size > MANIFEST_BYTES for member in members):
        raise ValueError(f"its {MANIFEST} has at most {MANIFEST_BYTES:,} bytes")


def _extract(archive: Path, manifest: Manifest, to: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        for name in manifest.members:
            path = to / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with packed.open(name) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)


def _finished(root: Path, manifest: Manifest) -> Finished:
    """The study in an unpacked folder, every record read."""
    study, folder = load_study(root / STUDY), StudyFolder(root)
    if study.name != manifest.study:
        raise ValueError(f"{root / STUDY} is of the study {study.name!r}, the manifest of {manifest.study!r}")
    load_results(folder.results)
    load_looks(folder.looks)
    runs = tuple(_run(path) for path in folder.folders())
    return Finished(study=study, folder=folder, runs=runs, items=manifest.items)


def _run(folder: Path) -> Found:
    if not (folder / RECORD).is_file():
        raise ValueError(f"{folder} has no {RECORD}")
    found = Found(record=load_record(folder / RECORD), folder=folder)
    if found.record.predictions and found.predictions is None:
        raise ValueError(f"{folder} lacks the predictions that its record names, {found.record.predictions}")
    return found
