"""Workers as jobs of a Slurm cluster, submitted by submitit (https://github.com/facebookincubator/submitit)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from suite.executors.interface import Order, Placement, serve
from suite.law import law

if TYPE_CHECKING:
    import submitit

INSTALL = "submitit is not installed; pip install 'robust-alignment-suite[slurm]'"


def slurm(order: Order, placement: Placement) -> Jobs:
    """Submit one array of jobs, a worker each; what is stopped by its time limit or preempted is queued again."""
    law(placement.minutes is not None, "slurm needs minutes, a job's time limit; then it is queued again")
    return submit(order, placement, "slurm")


def submit(order: Order, placement: Placement, cluster: str) -> Jobs:
    """Submit workers to a cluster that submitit knows: `slurm`, or `local` for processes of this machine."""
    placement.refuse("slurm", "address")
    law(placement.gpus in (None, 0, 1), f"gpus is 0 or 1 on Slurm, got {placement.gpus}")
    try:
        import submitit
    except ImportError:
        raise ValueError(INSTALL) from None
    executor = submitit.AutoExecutor(folder=order.home / "slurm", cluster=cluster)
    executor.update_parameters(**_parameters(placement, cluster))
    with executor.batch():
        jobs = [executor.submit(Worker(order)) for _ in range(placement.workers)]
    return Jobs(jobs)


def _parameters(placement: Placement, cluster: str) -> dict[str, Any]:
    """Submitit's names for what a worker gets."""
    parameters: dict[str, Any] = {"name": "suite-worker"}
    if placement.minutes is not None:
        parameters["timeout_min"] = placement.minutes
    if placement.cpus is not None:
        parameters["cpus_per_task"] = math.ceil(placement.cpus)
    if placement.gpus:
        parameters["gpus_per_node"] = int(placement.gpus)
    if cluster == "slurm" and placement.settings:
        parameters["slurm_additional_parameters"] = dict(placement.settings)
    return parameters


@dataclass(frozen=True, slots=True)
class Worker:
    """What a job does; after a time limit or a preemption its successor starts from what is there."""

    order: Order

    def __call__(self) -> int:
        """Work until nothing is left."""
        return serve(self.order)

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """What submitit queues in its stead: the same, as a study goes on where it stood."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


@dataclass(frozen=True, slots=True)
class Jobs:
    """Workers that submitit started."""

    jobs: list[submitit.Job[int]]

    def alive(self) -> int:
        """How many have not ended, those in the queue included."""
        return sum(not job.done() for job in self.jobs)

    def failures(self) -> list[str]:
        """How workers ended that did not end well, from their log files."""
        ended = [(job, job.exception()) for job in self.jobs if job.done()]
        return [f"job {job.job_id}: {_last_line(error)} ({job.paths.stderr})" for job, error in ended if error]

    def stop(self) -> None:
        """Cancel those that have not ended."""
        for job in self.jobs:
            if not job.done():
                job.cancel()


def _last_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip(" -")]
    return lines[-1].strip() if lines else type(error).__name__
