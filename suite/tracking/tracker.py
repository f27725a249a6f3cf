"""Mirror a study's runs to MLflow from a background thread: nothing here blocks, stops or loses a run."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from suite.records import Progress, RunRecord
from suite.results import Comparison
from suite.spec import StudySpec
from suite.tracking.address import mask
from suite.tracking.session import Session
from suite.trial_spec import TrialSpec

FLUSH_SECONDS = 2.0
"""Curves are sent this often: a request costs some 5 ms of a core here, and twice that at the server."""
DRAIN_SECONDS = 600.0
"""How long a study that ended waits for its uploads."""
INTERRUPT_SECONDS = 5.0
"""How long an interrupted one does, of the 10 to 30 seconds that schedulers leave between SIGTERM and SIGKILL."""
_GRACE_SECONDS = 25.0
"""Beyond that, time for the request under way (`MLFLOW_HTTP_REQUEST_TIMEOUT` is 20) and for ending open runs."""

_LOG = logging.getLogger("suite.tracking")
Job = Callable[[Session], object]


class Tracker:
    """Mirrors the runs of one study; every method but `close` returns at once.

    As a context manager it also turns SIGTERM and SIGHUP into `SystemExit`, so that runs left open are ended.
    """

    def __init__(self, uri: str, experiment: str, study_path: Path | None = None) -> None:
        """Take down where to track to; the store is not touched before the first run.

        Args:
            uri: MLflow tracking URI, see `suite.tracking.tracking_uri`.
            experiment: name of the experiment, which is the study's.
            study_path: the study file, uploaded with every run.
        """
        self._session = Session(uri, experiment, study_path)
        self._uri = uri
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._deadline = float("inf")
        self._handlers: dict[int, Any] = {}

    def start(self, spec: TrialSpec) -> None:
        """Show a trial as running."""
        self._submit(lambda session: session.start(spec))

    def progress(self, spec: TrialSpec, progress: Progress) -> None:
        """Show a moment of a running trial's curves; sent together every few seconds."""
        self._submit(lambda session: session.progress(spec, progress))

    def finish(self, record: RunRecord, folder: Path) -> None:
        """Upload a finished run, whose record is already in its folder."""
        self._submit(lambda session: session.finish(record.run_id, folder))

    def sync(self, folders: Iterable[Path]) -> None:
        """Upload whatever of these run folders the store does not have."""
        for folder in list(folders):
            self._submit(partial(Session.sync, folder=folder))

    def restore(self, folders: Iterable[Path]) -> None:
        """Upload whatever of these run folders is not in the store, and end the runs there whose process is gone."""
        kept = tuple(folders)
        self._submit(lambda session: session.restore(kept))

    def comparison(
        self, study: StudySpec, comparisons: Sequence[Comparison], folder: Path, files: Sequence[Path]
    ) -> None:
        """Write the study's one comparison run, with the files of a folder that hold its tables and figures."""
        kept = tuple(comparisons)
        self._submit(lambda session: session.comparison(study, kept, folder, files))

    def close(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait for what is under way, at most so many seconds, end the runs left open, and stop."""
        if self._thread is None or os.getpid() != self._pid:
            return
        self._deadline = time.monotonic() + seconds
        self._jobs.put(None)
        self._thread.join(seconds + _GRACE_SECONDS)
        if self._thread.is_alive():
            _LOG.warning("%s is too slow to wait for; the next start uploads what is missing", mask(self._uri))
        self._thread = None
        atexit.unregister(self._close_at_exit)

    def __enter__(self) -> Tracker:
        """Make the signals that ask a process to end unwind it."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is signal.SIG_DFL:
                    self._handlers[number] = signal.signal(number, _leave)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close, in short order when the study was interrupted."""
        self.close(DRAIN_SECONDS if kind is None else INTERRUPT_SECONDS)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def _submit(self, job: Job) -> None:
        if os.getpid() != self._pid:
            return  # a forked child: its parent does the tracking
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
            self._thread.start()
            atexit.register(self._close_at_exit)
        self._jobs.put(job)

    def _close_at_exit(self) -> None:
        self.close(INTERRUPT_SECONDS)

    def _work(self) -> None:
        flushed = time.monotonic()
        while (job := self._next()) is not None:
            if time.monotonic() < self._deadline:
                job(self._session)
            if time.monotonic() - flushed >= FLUSH_SECONDS:
                self._session.flush()
                flushed = time.monotonic()
        self._session.close(self._deadline)

    def _next(self) -> Job | None:
        """The next job, or a flush when points wait and nothing else is asked for."""
        try:
            return self._jobs.get(timeout=FLUSH_SECONDS if self._session.waits else None)
        except queue.Empty:
            return Session.flush


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
