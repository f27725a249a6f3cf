"""A process that has imported everything and forks a suite per order: a start costs no seconds, and a death is real.

Each life is a process of its own with its own session, environment and output, which runs `suite` from its command line
to its exit code. It can be ended from outside by any signal, and from inside by SIGKILL at its n-th deed.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
IMPORTS = (
    *("suite.pipeline", "suite.plan", "suite.study_file", "suite.tuning", "suite.tracking.mirror", "suite.console"),
    *("suite.report", "suite.report.figures", "suite.comparison", "mlflow.tracking", "pandas", "matplotlib.pyplot"),
    *("sqlalchemy.dialects.sqlite", "optuna.storages", "pyarrow.parquet", "tokenizers", "transformers"),
)
LIFE_SECONDS = 120.0
DEEDS = ("os.rename", "os.remove", "os.mkdir", "os.link", "fcntl.flock", "socket.connect", "sqlite3.connect")
"""What counts as a deed, by the names of Python's audit events, besides a file opened to be written and a commit."""
CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
volatile long clock_shift = 0;
int clock_gettime(clockid_t id, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int failed = real(id, now);
  if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += clock_shift;
  return failed;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  int failed = clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec; now->tv_usec = exact.tv_nsec / 1000;
  return failed;
}
time_t time(time_t *at) {
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  if (at) *at = exact.tv_sec;
  return exact.tv_sec;
}
"""
"""The system's clock as a library laid over the C library's: Python, torch, sqlite and libpq of a process all see its
jumps, and the monotonic clock goes on, which is what happens when an administrator or NTP sets a machine's clock."""


@dataclass(frozen=True)
class Life:
    """One process that runs `suite`."""

    pid: int
    folder: Path

    def code(self) -> int | None:
        """Its exit code, or minus the signal that ended it; none while it lives."""
        path = self.folder / "ended"
        return int(path.read_text()) if path.exists() else None

    def end(self, seconds: float = LIFE_SECONDS) -> int:
        """Wait for its end."""
        deadline = time.monotonic() + seconds
        while (code := self.code()) is None:
            assert time.monotonic() < deadline, f"it does not end: {self.said()[-3000:]}"
            time.sleep(0.01)
        return code

    def until(self, happened: Callable[[], bool]) -> None:
        """Wait until something has happened, which it must while the process lives."""
        deadline = time.monotonic() + LIFE_SECONDS
        while not happened():
            assert self.code() is None and time.monotonic() < deadline, f"{self.code()}: {self.said()[-3000:]}"
            time.sleep(0.005)

    def send(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.code() is None:
            os.killpg(self.pid, number)

    def signal(self, number: int) -> int:
        """Send it a signal and wait for its end."""
        self.send(number)
        return self.end()

    def said(self) -> str:
        """What it wrote to standard error."""
        return (self.folder / "err").read_text(errors="replace")

    @property
    def deeds(self) -> int:
        """How many deeds it did, once it has ended by itself."""
        return int((self.folder / "deeds").read_text())


class Nursery:
    """The test's side of the process that forks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lives: list[Life] = []
        self.has_clock = self._compile()
        # One thread each, so that nothing is lost by forking; numbers depend on it, and so it is set here.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": str(ROOT)}
        if self.has_clock:
            environment["LD_PRELOAD"] = str(folder / "clock.so")
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, __file__], stdin=pipe, stdout=pipe, text=True, env=environment)

    def _compile(self) -> bool:
        if (compiler := shutil.which("cc")) is None:
            return False
        (self.folder / "clock.c").write_text(CLOCK)
        words = [compiler, "-O1", "-fPIC", "-shared", "-o", "clock.so", "clock.c", "-ldl"]
        return subprocess.run(words, cwd=self.folder, capture_output=True, check=False).returncode == 0

    def start(
        self,
        words: Sequence[str | Path],
        environment: Mapping[str, str],
        *,
        last_deed: int = 0,
        file_bytes: int = 0,
        jumps: int = 0,
    ) -> Life:
        """Begin a life.

        Args:
            words: The command line after `suite`.
            environment: All of its environment.
            last_deed: It dies by SIGKILL at its deed of this number; 0 lets it live.
            file_bytes: No file of its grows beyond this; 0 sets no limit.
            jumps: Seed of the jumps of its clock; 0 has none.
        """
        folder = self.folder / f"life-{len(self.lives)}"
        folder.mkdir()
        order = {"words": [*map(str, words)], "environment": dict(environment), "folder": str(folder)}
        order |= {"last_deed": last_deed, "file_bytes": file_bytes, "jumps": jumps}
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        life = Life(int(self.process.stdout.readline()), folder)
        self.lives.append(life)
        return life

    def close(self) -> None:
        """End every life and the process itself."""
        for life in self.lives:
            if life.code() is None:
                life.signal(signal.SIGKILL)
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


# Within the process that forks


def tend() -> None:
    """Fork a life per line of standard input, and note how each ended."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born deaf to it
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and those of nohup to this one
    for name in IMPORTS:
        __import__(name)
    import suite.report
    import suite.trial

    # At every validation point instead of every 30 s: these runs last less than a second.
    suite.trial.run_trial.__kwdefaults__["checkpoint_seconds"] = 0.0  # type: ignore[index]
    # Drawn from the numbers of the tables, in more time than such a study takes.
    suite.report.figures = dict  # type: ignore[assignment]
    folders: dict[int, Path] = {}
    while True:
        if select.select([0], [], [], 0.01)[0]:
            line = os.read(0, 1 << 16)  # one order at a time, as each is answered
            if not line:
                return
            order = json.loads(line)
            pid = os.fork()
            if pid == 0:
                live(order)
            folders[pid] = Path(order["folder"])
            os.write(1, f"{pid}\n".encode())
        while folders and (ended := os.waitpid(-1, os.WNOHANG))[0]:
            code = os.waitstatus_to_exitcode(ended[1])
            folder = folders.pop(ended[0])
            (folder / "ending").write_text(str(code))
            (folder / "ending").rename(folder / "ended")
            learn(folder / "modules")


def learn(path: Path) -> None:
    """Import what a life had to import, so that later ones need not."""
    names = path.read_text().split() if path.exists() else []
    for name in set(names) - sys.modules.keys():
        with suppress(Exception):  # some are made as they go, and cannot be had by their name
            __import__(name)


def live(order: dict[str, Any]) -> None:
    """Be a suite from its command line to its exit code, as `python -m suite` is."""
    os.setsid()
    folder = Path(order["folder"])
    for stream, path in enumerate((os.devnull, folder / "out", folder / "err")):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), stream)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(os.environ["SUITE_HOME"])
    count_deeds(order["environment"]["SUITE_HOME"], order["last_deed"], folder)
    if order["file_bytes"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_bytes"], resource.RLIM_INFINITY))
        # What is written about the life lies in files as well.
        atexit.register(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2))
    if order["jumps"]:
        threading.Thread(target=jump, args=(random.Random(order["jumps"]),), daemon=True).start()
    from suite.cli import main

    sys.exit(main(order["words"]))


def jump(rng: random.Random) -> None:
    """Set the clock some hours forward or back, again and again."""
    shift = ctypes.c_long.in_dll(ctypes.CDLL(None), "clock_shift")
    while True:
        shift.value = round(rng.uniform(-9, 9) * 3600)
        time.sleep(0.02)


def count_deeds(home: str, last: int, folder: Path) -> None:
    """Count what changes the world outside this process, and die at a deed of a number, just before it is done."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    done = 0

    def tick(connection: object = None) -> None:
        nonlocal done
        done += 1
        if done == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def see(name: str, words: tuple[Any, ...]) -> None:
        writes = name == "open" and isinstance(words[2], int) and words[2] & (os.O_WRONLY | os.O_RDWR)
        if name in DEEDS or (writes and str(words[0]).startswith(home)):
            tick()

    event.listen(Engine, "commit", tick)
    sys.addaudithook(see)
    atexit.register(lambda: (folder / "modules").write_text("\n".join(sys.modules)))
    atexit.register(lambda: (folder / "deeds").write_text(str(done)))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    tend()
