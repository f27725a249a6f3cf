"""Where a study's files lie: one folder per run under the suite's home, found by the trial's digest."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from suite.ownership import sweep
from suite.records import CHECKPOINT, RECORD, RunRecord, load_record
from suite.spec import StudySpec
from suite.trial_spec import TrialSpec


def storage_url(configured: str | None) -> str | None:
    """Where trials are kept: `SUITE_STORAGE`, else the study's own setting, else none: a file beside the records."""
    return os.environ.get("SUITE_STORAGE") or configured


def storage_wait() -> float:
    """Seconds that a process waits for a storage that went away: `SUITE_STORAGE_WAIT`, else 600; 0 waits for none.

    Raises:
        ValueError: it is no such number.
    """
    text = os.environ.get("SUITE_STORAGE_WAIT") or "600"
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"SUITE_STORAGE_WAIT is a number of seconds, 0 or more, got {text!r}")
    return seconds


def home() -> Path:
    """`SUITE_HOME`, else `runs` in the working directory."""
    return Path(os.environ.get("SUITE_HOME") or "runs").expanduser().resolve()


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """The files of one study."""

    root: Path

    @classmethod
    def of(cls, study: StudySpec) -> StudyFolder:
        """The folder of a study under the suite's home."""
        return cls(home() / study.name)

    @property
    def optuna(self) -> Path:
        """The Optuna database, where no other storage is named."""
        return self.root / "optuna.db"

    @property
    def results(self) -> Path:
        """The comparisons made last and all that goes with them."""
        return self.root / "results.json"

    @property
    def looks(self) -> Path:
        """The log of every look at results."""
        return self.root / "looks.jsonl"

    def receipt(self, verb: str) -> Path:
        """What a verb made last, and of what."""
        return self.root / "receipts" / f"{verb}.json"

    def run(self, spec: TrialSpec) -> Path:
        """The folder of a trial."""
        return self.root / "runs" / spec.run_id

    def named(self, run_id: str) -> Path:
        """The folder of a run by its id, as a database that others write to tells it.

        Raises:
            ValueError: the id leads elsewhere.
        """
        if run_id in ("", "..") or Path(run_id).name != run_id:
            raise ValueError(f"a run id names a folder, got {run_id!r} from the storage of trials; repair the storage")
        return self.root / "runs" / run_id

    def has_record(self, run_id: str) -> bool:
        """Whether a run has ended here."""
        return (self.named(run_id) / RECORD).is_file()

    def finished(self, spec: TrialSpec) -> RunRecord | None:
        """The record of a trial that has ended, none while it has not.

        Raises:
            ValueError: there is a record but it cannot be read; the message says which file.
        """
        path = self.run(spec) / RECORD
        return load_record(path) if path.is_file() else None

    def tidy(self) -> None:
        """Remove what killed processes left: half-written files, and checkpoints of runs that have ended."""
        for run in self.folders():
            sweep(run)
        for run in self.ended():
            (run / CHECKPOINT).unlink(missing_ok=True)

    def ended(self) -> list[Path]:
        """The folders of runs that have ended, by name."""
        return [run for run in self.folders() if (run / RECORD).is_file()]

    def folders(self) -> list[Path]:
        """Every run folder, by name."""
        return sorted(p for p in (self.root / "runs").glob("*") if p.is_dir())
