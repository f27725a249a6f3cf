"""Workers as processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

from suite.executors.interface import Order, Placement

STOP_SECONDS = 30.0
"""A worker that is told to end closes its uploads; then it is killed."""


def local(order: Order, placement: Placement) -> Processes:
    """Start `suite worker` as often as asked; with several GPUs the workers take turns at them."""
    placement.refuse("local", "cpus", "gpus", "minutes", "address", "settings")
    parts = [word for name in order.scales for word in ("--scale", name)]
    parts += [word for name in order.methods for word in ("--method", name)]
    command = [sys.executable, "-m", "suite", "worker", str(order.study), "--quiet", *parts]
    devices = visible_devices()
    settings = {**os.environ, "SUITE_HOME": str(order.home), "OMP_NUM_THREADS": str(order.threads)}
    started = []
    for place in range(placement.workers):
        own = {"CUDA_VISIBLE_DEVICES": devices[place % len(devices)]} if devices else {}
        started.append(subprocess.Popen(command, cwd=order.directory, env=settings | own))
    return Processes(started)


def visible_devices() -> list[str]:
    """The GPUs of this process, as CUDA_VISIBLE_DEVICES names them."""
    if named := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return named.split(",")
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]


@dataclass(frozen=True, slots=True)
class Processes:
    """Workers that are children of this process."""

    started: list[subprocess.Popen[bytes]]

    def alive(self) -> int:
        """How many have not ended."""
        return sum(process.poll() is None for process in self.started)

    def failures(self) -> list[str]:
        """How workers ended that did not end well."""
        return [f"process {p.pid} ended with {_code(p.returncode)}" for p in self.started if p.poll()]

    def stop(self) -> None:
        """Ask those that have not ended to end."""
        for process in self.started:
            if process.poll() is None:
                process.terminate()
        for process in self.started:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _code(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"signal {-code}"
