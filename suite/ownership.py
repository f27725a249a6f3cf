"""Which process owns a run or a trial, and whether it still lives: what tells a killed study from a running one."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

_PARTIAL = ".partial"


def this_process() -> str:
    """`HOST:PID:START`, where the start time tells a process from a later one with the same id."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def is_dead(owner: str) -> bool:
    """Whether an owner is known to be gone; a process of another host, or an unreadable name, is not."""
    head, _, start = owner.rpartition(":")
    host, _, pid = head.rpartition(":")
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    return _started(int(pid)) != start


def partial_of(path: Path) -> Path:
    """Where this process writes a file before it takes its place; what dead processes left beside it is removed."""
    if path.parent.is_dir():
        sweep(path.parent)
    return path.with_name(f".{path.name}.{this_process()}{_PARTIAL}")


def sweep(folder: Path) -> None:
    """Remove the half-written files of processes that are gone: a killed one cannot, and a checkpoint may be large."""
    host = f"{socket.gethostname()}:"
    for path in folder.iterdir():
        _, found, rest = path.name.removesuffix(_PARTIAL).rpartition(f".{host}")
        if found and path.name.endswith(_PARTIAL) and is_dead(host + rest):
            path.unlink(missing_ok=True)


def _started(pid: int) -> str:
    """Start time of a process in the system's own unit; empty when it is gone or a zombie."""
    if Path("/proc/self/stat").exists():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] == "Z" else fields[19]
    listed = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip().replace(":", "-")
