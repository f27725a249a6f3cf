"""A storage that goes away for a while: who waits for it, how long, and what is said."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two attempts: twice as long each time, so that many workers do not hinder a server that starts."""
T = TypeVar("T")

_LOG = logging.getLogger("suite.tuning")


class StorageAway(Exception):
    """The storage cannot be reached; what was asked of it last may have been done all the same."""


class _Mode(threading.local):
    """How the thread asks."""

    spares = False


class Outage:
    """Whether a storage is there, as the threads of one process find it."""

    def __init__(self, name: str, limit: float, reason: Callable[[Exception], str | None]) -> None:
        """All is well so far.

        Args:
            name: Its address, without a password.
            limit: Seconds that a call waits.
            reason: Why the storage cannot be reached, from a call's error; none where the call itself was at fault.
        """
        self.name = name
        self.limit = limit
        self.reason = reason
        self.returned = -math.inf
        """When it came back last, by this process's monotonic clock."""
        self._since = 0.0
        self._there = threading.Event()
        self._there.set()
        self._lock = threading.Lock()
        self._mode = _Mode()

    def ask(self, call: Callable[..., T], *arguments: Any) -> T:
        """What a call answers, which is made until the storage is there: it must bear to be made twice.

        Raises:
            StorageAway: it has been away for the limit, or this thread waits for nothing now.
        """
        started, attempt = time.monotonic(), 0
        while True:
            try:
                return call(*arguments)
            except Exception as error:  # every driver has its own
                why = self.reason(error)
                if why is None:
                    raise
            if attempt:  # after a cut the next connection may do, and nobody need hear of it
                self._begin(why)
                left = started + self.limit - time.monotonic()
                if self._mode.spares or left <= 0:
                    raise StorageAway(f"{self.name} has not answered for {self.limit:g} s ({why})")
                self._there.wait(min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE, left))
            attempt += 1

    def spare(self, act: Callable[[], object], probe: bool) -> bool:
        """Do what can be left out, without waiting; says whether it was done.

        Args:
            act: Calls of the storage.
            probe: Try though it was away the last time. A line that swallows everything may hold a call for a minute.
        """
        if not (probe or self._there.is_set()):
            return False
        self._mode.spares = True
        try:
            act()
        except StorageAway:
            return False
        finally:
            self._mode.spares = False
        return True

    def _begin(self, why: str) -> None:
        with self._lock:
            if not self._there.is_set():
                return
            self._there.clear()
            self._since = time.monotonic()
        _LOG.warning(
            "%s does not answer (%s): training goes on, what needs it waits up to %g s", self.name, why, self.limit
        )

    def end(self) -> None:
        """The storage has answered."""
        with self._lock:
            if self._there.is_set():
                return
            self.returned = time.monotonic()
            self._there.set()
        _LOG.warning("%s answers again after %.0f s", self.name, self.returned - self._since)
