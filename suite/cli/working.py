"""The verb `worker`, and the options of `run` that have workers do its runs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from suite.cli.stages import ended_runs, finish, pipeline_of

if TYPE_CHECKING:
    from suite.executors import Order, Placement
    from suite.pipeline import Pipeline
    from suite.records import RunRecord

INHERITED = ("SUITE_", "MLFLOW_", "HF_")
"""What settings begin with that a worker on another machine needs."""


class WorkersEnded(RuntimeError):
    """Every worker has ended, and not everything is done."""


def add_worker(verb: argparse.ArgumentParser) -> None:
    """Options of `suite worker`."""
    verb.add_argument(
        "--storage",
        metavar="URL",
        help="Optuna storage that the study's workers share, such as postgresql://user:password@host/optuna or "
        "grpc://host:port (default: SUITE_STORAGE, else the study's tune.storage)",
    )
    verb.add_argument("--home", type=Path, metavar="DIR", help="folder of records (default: SUITE_HOME)")


def worker(arguments: argparse.Namespace) -> int:
    """Do what other workers leave, until nothing is left."""
    if arguments.home is not None:
        os.environ["SUITE_HOME"] = str(arguments.home)
    if arguments.storage is not None:
        os.environ["SUITE_STORAGE"] = arguments.storage
    with pipeline_of(arguments, tuning=True, refits=True) as pipeline:
        return finish(arguments, ended_runs(arguments, pipeline.work()))


def add_executor(verb: argparse.ArgumentParser) -> None:
    """Options of `suite run` that say where its runs are done."""
    verb.add_argument("--executor", metavar="NAME", help="have workers do the runs: local, ray or slurm")
    verb.add_argument("--workers", type=int, metavar="N", help="how many (default: 1)")
    verb.add_argument("--cpus", type=float, metavar="C", help="processors per worker (ray, slurm)")
    verb.add_argument("--gpus", type=float, metavar="G", help="GPUs per worker, 0 to 1; ray shares one by fractions")
    verb.add_argument("--address", metavar="HOST:PORT", help="a running Ray cluster (default: one of this machine)")
    verb.add_argument("--minutes", type=int, metavar="M", help="time limit of a Slurm job, which is queued again")
    verb.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="setting of sbatch, such as partition=gpu"
    )


def check_executor(arguments: argparse.Namespace) -> None:
    """Refuse settings of workers where there are none: they would be taken and do nothing."""
    settings = ("workers", "cpus", "gpus", "address", "minutes", "set")
    named = [f"--{name}" for name in settings if getattr(arguments, name) not in (None, [])]
    if named and arguments.executor is None:
        raise ValueError(f"{named[0]} is of workers, and --executor names none: local, ray or slurm")


def run_by_workers(arguments: argparse.Namespace, pipeline: Pipeline) -> list[RunRecord]:
    """Have workers do every run of a study, and wait for them; returns its records.

    Raises:
        WorkersEnded: they have ended and something is left.
    """
    from suite.executors import resolve_executor
    from suite.working import follow

    placement = _placement(arguments)
    crew = resolve_executor(arguments.executor)(_order(arguments, pipeline), placement)
    try:
        follow(pipeline.runner, crew)
        left, failures = pipeline.left(), crew.failures()
    finally:
        crew.stop()
    if left:
        why = f": {'; '.join(failures)}" if failures else ""
        raise WorkersEnded(f"all {placement.workers} workers have ended and {left} or more runs are left{why}; repeat")
    return pipeline.records()


def _order(arguments: argparse.Namespace, pipeline: Pipeline) -> Order:
    import torch

    from suite.executors import Order

    return Order(
        study=arguments.study.resolve(),
        scales=tuple(arguments.scale),
        methods=tuple(arguments.method),
        directory=Path.cwd(),
        home=pipeline.runner.folder.root.parent,
        threads=torch.get_num_threads(),
        environment={k: v for k, v in os.environ.items() if arguments.executor == "ray" and k.startswith(INHERITED)},
    )


def _placement(arguments: argparse.Namespace) -> Placement:
    from suite.executors import Placement

    return Placement(
        workers=1 if arguments.workers is None else arguments.workers,
        cpus=arguments.cpus,
        gpus=arguments.gpus,
        minutes=arguments.minutes,
        address=arguments.address,
        settings=dict(_pair(text) for text in arguments.set),
    )


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ValueError(f"--set takes KEY=VALUE, got {text!r}")
    return key, value
