"""Find a run by its record, its folder, its run id, or MLflow's id of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from suite.naming import nearest
from suite.records import RECORD, RunRecord, load_record
from suite.tracking import read_mark, tracking_uri
from suite.tracking.fetch import fetch_run

_MLFLOW_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A run and where the files beside its record are."""

    record: RunRecord
    folder: Path

    @property
    def predictions(self) -> Path | None:
        """The recorded predictions; none where the run made none or they are not beside the record.

        Raises:
            ValueError: the record names a file outside its folder.
        """
        name = self.record.predictions
        if name is None:
            return None
        if Path(name).name != name or name == ".." or (self.folder / name).is_symlink():
            raise ValueError(f"predictions lie beside their record, got {name!r} in {self.folder}; restore the record")
        return self.folder / name if (self.folder / name).is_file() else None


def find_run(name: str, home: Path, scratch: Path) -> Found:
    """The run of that name.

    Args:
        name: A record file, a run folder, a run id (the name of a run's folder, the column `run_id` of exported
            tables), or MLflow's id of a run.
        home: The suite's home, whose studies are searched.
        scratch: Empty folder for what has to be downloaded from MLflow.

    Raises:
        ValueError: there is no such run, it has not ended, or its record cannot be read.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return _of_file(path)
    if path.is_dir():
        return _of_folder(path)
    folders = sorted(p for p in home.glob("*/runs/*") if p.is_dir())
    here = [folder for folder in folders if folder.name == name]
    if _MLFLOW_ID.fullmatch(name):
        here = [folder for folder in folders if _is_uploaded_as(folder, name)]
        return _of_folder(here[0] if here else fetch_run(tracking_uri(None, home), name, scratch))
    if not here:
        raise ValueError(_unknown(name, [folder.name for folder in folders], home))
    return _of_folder(here[0])


def _is_uploaded_as(folder: Path, mlflow_id: str) -> bool:
    mark = read_mark(folder)
    return mark is not None and mark.run_id == mlflow_id


def _of_file(path: Path) -> Found:
    if path.suffix != ".json":
        raise ValueError(
            f"a run is named by its {RECORD}, its folder or its run id, got {path}; "
            "a row of an exported table has it in the column run_id"
        )
    return Found(record=load_record(path), folder=path.parent)


def _of_folder(folder: Path) -> Found:
    if not (folder / RECORD).is_file():
        raise ValueError(f"a run that has ended left a {RECORD}, {folder} has none; finish the run with its study")
    return Found(record=load_record(folder / RECORD), folder=folder)


def _unknown(name: str, known: Iterable[str], home: Path) -> str:
    """One line, as a home holds hundreds of runs."""
    names = list(known)
    guess = nearest(name, names)
    meant = f"; did you mean {guess!r}? " if guess else ": it is no file, folder or run id; "
    return f"unknown run {name!r}{meant}{len(names)} runs are under {home} (SUITE_HOME chooses another)"
