"""Workers as tasks of a Ray cluster (https://docs.ray.io), which places them and repeats those whose process dies."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Any

from suite.executors.interface import Order, Placement, serve

INSTALL = "ray is not installed; pip install 'robust-alignment-suite[ray]'"
RETRIES = 10
"""A worker whose process dies is started again so often."""


def ray(order: Order, placement: Placement) -> Tasks:
    """Start workers on a running cluster (`address`), else on one of this machine that ends with them."""
    placement.refuse("ray", "minutes", "settings")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    try:
        import ray as engine
    except ImportError:
        raise ValueError(INSTALL) from None
    engine.init(address=placement.address, include_dashboard=False, log_to_driver=False, logging_level=logging.WARNING)
    cpus, gpus = placement.cpus or 1, placement.gpus or 0
    task = engine.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(serve)
    return Tasks([task.remote(order) for _ in range(placement.workers)])


@dataclass(frozen=True, slots=True)
class Tasks:
    """Workers that Ray keeps."""

    references: list[Any]

    def alive(self) -> int:
        """How many have not ended, those that wait for a place included."""
        import ray as engine

        return len(engine.wait(self.references, num_returns=len(self.references), timeout=0)[1])

    def failures(self) -> list[str]:
        """How workers ended that did not end well."""
        import ray as engine

        ended = engine.wait(self.references, num_returns=len(self.references), timeout=0)[0]
        return [line for reference in ended if (line := _failure(engine, reference))]

    def stop(self) -> None:
        """End those that have not, and leave the cluster."""
        import ray as engine

        for reference in self.references:
            engine.cancel(reference, force=True)
        engine.shutdown()


def _failure(engine: Any, reference: Any) -> str:
    try:
        engine.get(reference)
        return ""
    except engine.exceptions.RayError as error:
        return str(error).strip().splitlines()[-1]
