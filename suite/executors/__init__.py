"""Where workers run. An executor starts them and is asked whether they live; what each does they settle themselves.

Adding one is a function in a file of its own and one entry here; importing this package loads no engine.
"""

from __future__ import annotations

from suite.executors.interface import Executor, Order, Placement
from suite.executors.local import local
from suite.executors.ray_cluster import ray
from suite.executors.slurm import slurm
from suite.naming import unknown

__all__ = ["EXECUTORS", "Executor", "Order", "Placement", "resolve_executor"]

EXECUTORS: dict[str, Executor] = {"local": local, "ray": ray, "slurm": slurm}


def resolve_executor(name: str) -> Executor:
    """The executor of that name; ValueError lists the known ones."""
    if name not in EXECUTORS:
        raise ValueError(unknown("executor", name, EXECUTORS))
    return EXECUTORS[name]
