"""What an executor is given and gives, and what its workers do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from suite.law import law


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What every worker is to do, and the conditions under which its numbers are those of any other."""

    study: Path
    """The study file; relative paths in it are relative to `directory`."""
    scales: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    directory: Path
    home: Path
    """`SUITE_HOME`: the folder of records, which all workers see."""
    threads: int
    """Of torch, the same for all: sums are rounded otherwise on another number."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Settings for machines that do not inherit them; holds passwords, so it is neither shown nor written to disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How many workers, and what an engine gives each of them."""

    workers: int = 1
    cpus: float | None = None
    gpus: float | None = None
    """A share of a GPU lets workers share it; a trial is trained on one GPU at most."""
    minutes: int | None = None
    address: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further settings of the engine, by its own names."""

    def __post_init__(self) -> None:
        law(self.workers >= 1, f"workers is at least 1, got {self.workers}")
        law(self.cpus is None or self.cpus > 0, f"cpus is positive, got {self.cpus}")
        law(self.gpus is None or 0 <= self.gpus <= 1, f"gpus is 0 to 1, as a trial trains on one, got {self.gpus}")
        law(self.minutes is None or self.minutes >= 1, f"minutes is at least 1, got {self.minutes}")

    def refuse(self, engine: str, *names: str) -> None:
        """Refuse settings that an engine has no use for."""
        given = [name for name in names if getattr(self, name)]
        law(not given, f"{', '.join(given)}: the executor {engine!r} does not take it; leave it out")


class Crew(Protocol):
    """Workers that were started somewhere."""

    def alive(self) -> int:
        """How many have not ended."""

    def failures(self) -> list[str]:
        """How workers ended that did not end well, a line each."""

    def stop(self) -> None:
        """End those that have not, and let go of the engine."""


Executor = Callable[[Order, Placement], Crew]
"""Starts workers and returns at once."""


def serve(order: Order) -> int:
    """Be a worker in this process until nothing is left; returns how many runs it did."""
    os.environ.update(order.environment)
    os.environ["SUITE_HOME"] = str(order.home)
    os.chdir(order.directory)
    import torch

    torch.set_num_threads(order.threads)
    from suite.pipeline import Pipeline
    from suite.plan import plan
    from suite.study_file import load_study
    from suite.tracking import Tracker, tracking_uri
    from suite.tracking.observer import Tracked

    study = load_study(order.study)
    with Tracker(tracking_uri(study.tracking, order.home), study.name, order.study) as tracker:
        pipeline = Pipeline.of(plan(study, order.scales, order.methods), [Tracked(tracker)])
        return sum(1 for _ in pipeline.work())
