"""Which process owns a run or a trial, and whether it still lives: what tells a killed study from a running one."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path


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
