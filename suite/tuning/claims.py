"""Who does what: a log of claims in the study's storage, so that any process that reaches it can take a hand.

A claim is an entry of an Optuna study, which numbers its entries in one order that everybody sees. Of those who claim
the same work in the same turn, the first entry has it: the storage decides, no lock is held. The entry of a worker that
is gone stays; whoever finds it claims the next turn. Optuna's own heartbeats need `optimize`, give a repeated trial
another number, and do not pass its gRPC proxy.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from suite.ownership import is_dead, this_process
from suite.tuning.patient import last_return, spare

BEAT_SECONDS = 15.0
"""A worker says so often that it is alive."""
PATIENCE_SECONDS = 90.0
"""A worker of another host that was silent for so long is taken for dead; one of this host is known to be."""
WORK, TURN, OWNER, HOME, BEAT = "work", "turn", "owner", "home", "beat"
MACHINE = "machine"

_LOG = logging.getLogger("suite.tuning")
_ATTEMPTS = itertools.count()


def open_claims(storage: BaseStorage, study: str, home: str, patience: float = PATIENCE_SECONDS) -> Claims:
    """The claims of a study's workers.

    Args:
        storage: Where the study's trials are.
        study: Its name.
        home: Where this worker's records go, `ID@PATH`: two paths may lead to one folder.
        patience: Seconds of silence after which a worker of another host is taken for dead.
    """
    log = optuna.create_study(study_name=f"{study}/claims", storage=storage, load_if_exists=True)
    return Claims(log, home, patience)


class Claims:
    """The log as one worker reads it."""

    def __init__(self, log: optuna.Study, home: str, patience: float) -> None:
        self.log = log
        self.home = home
        self.patience = patience
        self._latest: dict[str, FrozenTrial] = {}
        self._beats: dict[int, tuple[int, float]] = {}
        """Entry to its last heartbeat and when it was first seen, by this process's own clock."""
        self.read()
        self._before = {entry.number for entry in self._latest.values() if entry.state is TrialState.COMPLETE}

    def read(self) -> list[FrozenTrial]:
        """Read what has been claimed by now; returns every entry."""
        entries = self.log.get_trials(deepcopy=False)
        self._latest.clear()
        for entry in entries:
            work, turn = str(entry.user_attrs[WORK]), int(entry.user_attrs[TURN])
            latest = self._latest.get(work)
            if latest is None or turn > latest.user_attrs[TURN]:  # the first entry of a turn has it
                self._latest[work] = entry
        return entries

    def is_free(self, work: str) -> bool:
        """Whether nobody has a work, as far as was read."""
        latest = self._latest.get(work)
        return latest is None or self._is_free(latest)

    def take(self, work: str) -> Claim | None:
        """Claim a work; none when somebody has it."""
        if not self.is_free(work):
            return None
        turn = int(self._latest[work].user_attrs[TURN]) + 1 if work in self._latest else 0
        token = f"{this_process()}#{next(_ATTEMPTS)}"
        attributes = {WORK: work, TURN: turn, OWNER: token, HOME: self.home, BEAT: 0}
        self.log.add_trial(optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs=attributes))
        mine, *again = (entry for entry in self.read() if entry.user_attrs[OWNER] == token)
        has_it = self._latest[work].number == mine.number
        # Another of its own is what a lost connection, or Optuna's proxy at one, may make of an entry.
        for entry in again if has_it else (mine, *again):
            self.log.tell(entry.number, state=TrialState.FAIL)
        return Claim(self.log, mine) if has_it else None

    def _is_free(self, entry: FrozenTrial) -> bool:
        if entry.state is TrialState.COMPLETE:
            # Work that had ended before this worker came, and is asked for again: its record was deleted since.
            return entry.number in self._before and _identity(entry.user_attrs[HOME]) == _identity(self.home)
        return entry.state is TrialState.FAIL or self._is_gone(entry)

    def _is_gone(self, entry: FrozenTrial) -> bool:
        """Whether an owner died or has been silent for too long; clocks of different hosts are never compared.

        While the storage is away nobody is heard, so that time counts for nothing.
        """
        if is_dead(entry.user_attrs[OWNER].partition("#")[0]):
            return True
        beat, now = int(entry.user_attrs[BEAT]), time.monotonic()
        seen, since = self._beats.get(entry.number, (-1, now))
        if seen != beat:
            self._beats[entry.number] = beat, now
            return False
        return now - max(since, last_return(self.log._storage)) >= self.patience

    def is_done(self, work: str) -> bool:
        """Whether a work has ended, here or on another machine."""
        latest = self._latest.get(work)
        return latest is not None and latest.state is TrialState.COMPLETE and not self._is_free(latest)

    def place(self, work: str) -> str:
        """Where the record of a work went, `HOST:PATH`."""
        attributes = self._latest[work].user_attrs
        return f"{attributes[OWNER].partition(':')[0]}:{attributes[HOME].partition('@')[2]}"

    def others(self, machine: Mapping[str, str]) -> list[str]:
        """How this machine differs from that of the study's first worker, in words; none where it is the first."""
        first: dict[str, str] = self.log.user_attrs.get(MACHINE, {})
        if not first:
            self.log.set_user_attr(MACHINE, dict(machine))
        return [f"{name} {machine[name]} instead of {was}" for name, was in first.items() if machine.get(name) != was]


def _identity(home: str) -> str:
    return home.partition("@")[0]


class Claim:
    """A work that is this worker's; as a context manager it says that the worker is alive, and at the end how it went.

    A worker that was only paused may find its work taken over. Both then do the same and come to the same bits.
    """

    def __init__(self, log: optuna.Study, entry: FrozenTrial) -> None:
        self.log = log
        self.work = str(entry.user_attrs[WORK])
        self._entry = entry
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._started = time.monotonic()

    def __enter__(self) -> Claim:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Done, or given up: then anybody may take it at once."""
        self._ended.set()
        self._thread.join(5)  # a storage that hangs is not waited for
        if kind is None:
            self.log.tell(self._entry.number, time.monotonic() - self._started)
            return
        give_up = partial(self.log.tell, self._entry.number, state=TrialState.FAIL)
        with suppress(Exception):  # whatever is wrong, the error that ended the work is the one to tell
            if spare(self.log._storage, give_up, probe=True):
                return
        _LOG.warning("%s is given up, but the storage does not take it down; others wait for it", self.work)

    def _beat(self) -> None:
        for count in itertools.count(1):
            if self._ended.wait(BEAT_SECONDS):
                return
            beat = partial(self.log._storage.set_trial_user_attr, self._entry._trial_id, BEAT, count)
            try:
                spare(self.log._storage, beat, probe=True)
            except Exception as error:  # the work goes on; a storage that stays away says so itself
                _LOG.debug("no heartbeat of %s: %s", self.work, error)
