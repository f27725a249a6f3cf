"""The tracker's background half: it does what was asked of it in order, and outlives a store that does not answer.

Whatever fails here is said once, in one line, and kept: a finished run stays in its folder without a mark, so that it
is uploaded when the store answers again, at the end, or at the next start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from suite.cause import root_of
from suite.records import Progress
from suite.results import Comparison
from suite.spec import StudySpec
from suite.study_file import load_study
from suite.tracking.address import MOVE_AWAY, Unreachable, check_tracking, mask, sqlite_path
from suite.tracking.artifacts import write_pins
from suite.tracking.database import damage
from suite.tracking.describe import shorten
from suite.tracking.upload import MARK, is_finished, is_uploaded, read_mark
from suite.trial_spec import TrialSpec

if TYPE_CHECKING:
    from suite.tracking.mirror import Mirror

RETRY_SECONDS = 30.0
"""Pause before a store that did not answer is tried again."""

_LOG = logging.getLogger("suite.tracking")


class Session:
    """One store, one experiment, one thread: nothing here is shared."""

    def __init__(self, uri: str, experiment: str, study_path: Path | None) -> None:
        """Take down where to; the first job connects."""
        self._uri = uri
        self._experiment = experiment
        self._study_path = study_path
        self._mirror: Mirror | None = None
        self._silent_until = 0.0
        self._said: set[str] = set()
        self._runs: dict[str, str] = {}
        """Run id to MLflow's id, of trials under way."""
        self._points: dict[str, dict[tuple[str, int], float]] = {}
        """Points of their curves that wait to be logged."""
        self._specs: dict[str, TrialSpec] = {}
        self._pending: dict[Path, None] = {}
        """Folders to upload as soon as the store answers."""
        self._refused: dict[Path, None] = {}
        """Folders whose upload failed though it answers: tried once more at the end."""
        self._remedy = "the next start of the study uploads them"
        """What brings the runs that stay behind into the store."""
        self._comparison: tuple[StudySpec, Sequence[Comparison], Path, Sequence[Path]] | None = None
        """The comparison that is to be written, where that has not succeeded."""

    def start(self, spec: TrialSpec) -> None:
        """Open the run of a trial."""
        self._specs[spec.run_id] = spec
        self._attempt(f"{spec.run_id} is not shown yet", lambda mirror: self._open(mirror, spec.run_id))

    def _open(self, mirror: Mirror, run_id: str) -> str:
        if run_id not in self._runs:
            self._runs[run_id] = mirror.start(self._specs[run_id])
        return self._runs[run_id]

    def progress(self, spec: TrialSpec, progress: Progress) -> None:
        """Keep the points of a curve for the next flush."""
        self._specs.setdefault(spec.run_id, spec)
        points = self._points.setdefault(spec.run_id, {})
        points.update({(name, progress.step): value for name, value in progress.metrics.items()})

    def flush(self) -> None:
        """Log all points that wait, one request per run, and try one pending folder again."""
        for run_id in list(self._points):
            logged = self._attempt(f"{run_id}: its curve shows when it ends", partial(self._log, run_id=run_id))
            if logged or not self._is_silent:  # a store that answers and refuses would refuse again
                del self._points[run_id]
        if self._pending and not self._is_silent:
            self.sync(next(iter(self._pending)))

    def _log(self, mirror: Mirror, run_id: str) -> None:
        mirror.log_points(self._open(mirror, run_id), self._points[run_id])

    @property
    def waits(self) -> bool:
        """Whether something is to be done soon without being asked for."""
        return bool(self._pending or self._points)

    @property
    def _is_silent(self) -> bool:
        """Whether the store did not answer a short while ago and is being left alone."""
        return time.monotonic() < self._silent_until

    def finish(self, run_id: str, folder: Path) -> None:
        """Upload the folder of a trial that just ended in this process."""
        self._points.pop(run_id, None)
        if not is_finished(folder):
            self._say(f"{folder} holds no record.json, so its run is not uploaded", "no record")
            return
        try:
            write_pins(folder)
        except OSError as error:
            self._say(f"{folder / 'pins.txt'} cannot be written: {error.strerror}", "no pins")
        if self.sync(folder):
            self._runs.pop(run_id, None)
            self._specs.pop(run_id, None)

    def sync(self, folder: Path) -> bool:
        """Upload a finished folder that is not in the store yet; false where that did not succeed."""
        self._pending.pop(folder, None)
        self._refused.pop(folder, None)
        if not is_finished(folder) or is_uploaded(folder, self._uri):
            return True
        uploaded = self._attempt(f"{folder} is not uploaded", lambda mirror: mirror.upload(folder))
        if not uploaded:
            (self._pending if self._is_silent else self._refused)[folder] = None
        return uploaded

    def restore(self, folders: Sequence[Path]) -> None:
        """Upload what the store has not, whatever marks say: it may have been emptied, or put back from a backup."""
        self._attempt("runs are not looked for in the store", lambda mirror: _forget(folders, mirror.known()))
        for folder in folders:
            self.sync(folder)

    def comparison(
        self, study: StudySpec, comparisons: Sequence[Comparison], folder: Path, files: Sequence[Path]
    ) -> None:
        """Write the study's comparison run."""
        self._comparison = study, comparisons, folder, files
        self._compare(study, comparisons, folder, files)

    def _compare(
        self, study: StudySpec, comparisons: Sequence[Comparison], folder: Path, files: Sequence[Path]
    ) -> None:
        what = f"the comparison in {folder} is not uploaded yet"
        if self._attempt(what, lambda mirror: mirror.comparison(study, comparisons, folder, files)):
            self._comparison = None

    def close(self, deadline: float) -> None:
        """Try what is pending once more, end the runs left open, and say what stays behind."""
        self.flush()
        self._silent_until = 0.0
        for folder in [*self._pending, *self._refused]:
            if time.monotonic() < deadline:
                self.sync(folder)
        if self._comparison is not None and time.monotonic() < deadline:
            self._compare(*self._comparison)
        for run_id, mlflow_id in self._runs.items():
            self._end(run_id, mlflow_id)
        if self._comparison is not None:
            where = self._comparison[2]
            _LOG.warning("the comparison in %s is not in %s; repeat `suite compare`", where, mask(self._uri))
        left = [*self._pending, *self._refused]
        if left:
            line = "%d runs are on disk but not in %s, such as %s; %s"
            _LOG.warning(line, len(left), mask(self._uri), left[0], self._remedy)

    def _end(self, run_id: str, mlflow_id: str) -> None:
        left = f"{run_id} stays RUNNING in MLflow until the next start"
        self._attempt(left, lambda mirror: mirror.kill(mlflow_id, "its study ended before it was uploaded"))

    def _attempt(self, consequence: str, job: Callable[[Mirror], object]) -> bool:
        """Do a job in the store; false when it failed, or when the store is being left alone for a while."""
        if self._is_silent:
            return False
        try:
            job(self._connected())
            return True
        except Exception as error:  # whatever a store raises, a study goes on
            self._fail(consequence, error)
            return False

    def _connected(self) -> Mirror:
        if self._mirror is None:
            check_tracking(self._uri)
            from suite.tracking.mirror import Mirror

            study = None if self._study_path is None else load_study(self._study_path)
            self._mirror = Mirror(self._uri, self._experiment, study, self._study_path)
        return self._mirror

    def _fail(self, consequence: str, error: Exception) -> None:
        """Say what failed; leave the store alone for a while when it does not answer at all."""
        unreachable = error if isinstance(error, Unreachable) else self._unreachable()
        if unreachable is not None:
            line = f"{unreachable}; the study goes on, and runs stay in their folders until they are uploaded"
            self._say(line, "unreachable")
            self._silent_until = time.monotonic() + RETRY_SECONDS
            return
        if self._mirror is None:
            self._silent_until = time.monotonic() + RETRY_SECONDS
        reason = _reason(error, self._uri)
        self._say(f"{consequence}: {reason}", reason)

    def _unreachable(self) -> Unreachable | None:
        try:
            check_tracking(self._uri)
        except Unreachable as error:
            return error
        return None

    def _say(self, line: str, reason: str) -> None:
        """Log a line, once per reason: what fails for one run mostly fails for all."""
        if MOVE_AWAY in line:
            self._remedy = "`suite sync` uploads them, once the store is moved away"
        if reason not in self._said:
            self._said.add(reason)
            _LOG.warning("%s", line)


def _forget(folders: Sequence[Path], known: set[str]) -> None:
    """Take away the marks of runs that are not there."""
    for folder in folders:
        mark = read_mark(folder)
        if mark is not None and mark.run_id not in known:
            (folder / MARK).unlink()


def _reason(error: Exception, uri: str) -> str:
    """The first line of an error, with the remedy where it is known."""
    text = mask(str(error).strip() or type(error).__name__)
    if "sqlalche.me" in text:  # with the statement and what was to be written
        text = mask(str(root_of(error)).strip())
    path = sqlite_path(uri)
    fault = None if path is None else damage(path, text)
    if fault is not None:
        return fault
    if "out-of-date database schema" in text:
        return f"the store was written by an older MLflow; copy it, then run `mlflow db upgrade {mask(uri)}`"
    return shorten(text.splitlines()[0], 300)
