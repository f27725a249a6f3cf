"""Does the driver of a study grow? Its memory over 1,000 trials, against Optuna's `optimize` with MLflow's fluent API.

    python benchmarks/memory.py [--trials 1000] [--trained 30] [--without-peer] [--top]

The suite's side is what `suite run` does but for training: tuning trials of four methods, then refits with 208 metrics
each, on sqlite, every run tracked; a formula stands where a trial is trained. A run begins when the one before it was
uploaded, as trials take longer than uploads. The peer optimises as many trials on sqlite and logs a curve and
50 metrics each into MLflow's sqlite. Then TRAINED real trials of a tiny encoder are driven in the same way. Printed:
resident memory after a tenth, a quarter, half and all of the trials, in processes of their own, and slopes by least
squares: from a tenth to four fifths of the trials, which are tuned, and over the last tenth, which are refits (their
first loads what scores and alignment need). `--top` lists what grew most in the suite's second half, by line.

What is left grows for a reason: Optuna keeps every trial (some 5 KiB with its claim), and MLflow a store of artifacts
for each of the last 1,024 runs (6 KiB).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parent.parent
METHODS = 4


def main() -> None:
    """Run each part in a process of its own, print memory, slopes and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000, help="at least 40")
    parser.add_argument("--trained", type=int, default=30, help="real trials; 0 trains none")
    parser.add_argument("--without-peer", action="store_true")
    parser.add_argument("--top", action="store_true")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
        print(json.dumps(PARTS[arguments.part](arguments.home, arguments.trials, arguments.top).megabytes))
        return
    wanted = {"suite": arguments.trials, "peer": 0 if arguments.without_peer else arguments.trials}
    slopes = {
        name: show(name, in_process(name, count, arguments.top))
        for name, count in (wanted | {"trained": arguments.trained}).items()
        if count
    }
    if "peer" in slopes:
        print(f"slope of the suite's driver / the peer's: {slopes['suite'] / slopes['peer']:.1f}x")


def show(name: str, megabytes: list[float]) -> float:
    """Print one part's line; returns its first slope in KiB per trial."""
    count = len(megabytes)
    shown = [f"{megabytes[round(count * share) - 1]:.0f}" for share in (0.1, 0.25, 0.5, 1.0)]
    slopes = [slope(megabytes, round(count * low), round(count * high)) for low, high in ((0.1, 0.8), (0.9, 1.0))]
    print(f"{name:<8} {count} trials: {', '.join(shown)} MB; {slopes[0]:+.1f}, then {slopes[1]:+.1f} KiB per trial")
    return slopes[0]


def slope(megabytes: list[float], low: int, high: int) -> float:
    """KiB per trial between two of them; 0 where there are fewer than three."""
    part = megabytes[low:high]
    return float(np.polyfit(np.arange(len(part)), part, 1)[0]) * 1e6 / 1024 if len(part) > 2 else 0.0


def in_process(part: str, trials: int, top: bool) -> list[float]:
    """Megabytes after each trial of one part."""
    unset = ("SUITE_STORAGE", "MLFLOW_TRACKING_URI")
    with tempfile.TemporaryDirectory(prefix="suite-benchmark-") as home:
        environment = {k: v for k, v in os.environ.items() if k not in unset} | {
            "PYTHONPATH": str(ROOT),
            "SUITE_HOME": home,
            "SUITE_HUB": "",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        words = ["--part", part, "--home", home, "--trials", str(trials), *(["--top"] if top else [])]
        command = [sys.executable, __file__, *words]
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    *said, last = done.stdout.splitlines()
    print(*said, sep="\n", end="\n" if said else "")
    return list(json.loads(last))


@dataclass(slots=True)
class Meter:
    """Resident memory after every trial."""

    trials: int
    top: bool = False
    megabytes: list[float] = field(default_factory=list)
    _begin: tracemalloc.Snapshot | None = None

    def read(self) -> None:
        """Note what is resident now."""
        self.megabytes.append(psutil.Process().memory_info().rss / 1e6)
        if self.top and len(self.megabytes) == self.trials // 4:
            tracemalloc.start()
        if self.top and len(self.megabytes) == self.trials // 2:
            gc.collect()
            self._begin = tracemalloc.take_snapshot()
        if self.top and len(self.megabytes) == self.trials - 1 and self._begin:
            gc.collect()
            for line in tracemalloc.take_snapshot().compare_to(self._begin, "lineno")[:25]:
                print(line)


@dataclass(frozen=True, slots=True)
class Paced:
    """An observer that waits until each run was uploaded, then reads the meter."""

    meter: Meter
    uri: str

    def started(self, spec: Any) -> None:
        """Nothing to do."""

    def progressed(self, spec: Any, progress: Any) -> None:
        """Nothing to do."""

    def finished(self, record: Any, folder: Path) -> None:
        """Wait and read."""
        from suite.tracking import is_uploaded

        while not is_uploaded(folder, self.uri):
            time.sleep(0.01)
        self.meter.read()

    def stood(self, record: Any, folder: Path) -> None:
        """Nothing to do."""


def drive(study: Path, home: Path, trials: int, top: bool) -> Meter:
    """What `suite run` does with a study before it compares."""
    from suite.cli.stages import bare
    from suite.pipeline import Pipeline
    from suite.plan import plan
    from suite.study_file import load_study
    from suite.tracking import Tracker
    from suite.tracking.observer import Tracked

    meter, uri = Meter(trials, top), f"sqlite:///{home / 'mlflow.db'}"
    planned = plan(load_study(study))
    with Tracker(uri, planned.study.name, study) as tracker:
        pipeline = Pipeline.of(planned, [Tracked(tracker), Paced(meter, uri)])
        kept = [*bare(pipeline.tune()), *bare(pipeline.refit())]
    print(f"{len(kept)} runs", file=sys.stderr)
    return meter


def formula(home: Path, trials: int, top: bool) -> Meter:
    """Trials that train nothing: four in five are tuned, one in five is a refit."""
    import finished_studies

    import suite.running

    seeds = trials // (5 * METHODS)
    path = finished_studies.write_study(home, scales=1, seeds=seeds, trials=trials // METHODS - seeds)
    suite.running.run_trial = finished_studies.formula(path)
    return drive(path, home, trials, top)


def train(home: Path, trials: int, top: bool) -> Meter:
    """Trials of a tiny encoder."""
    import worker_studies
    from tiny import save_checkpoint

    path = home / "shared.toml"
    tuned = (trials - 4) // 2
    path.write_text(worker_studies.STUDY.format(checkpoint=save_checkpoint(home / "tiny"), trials=tuned))
    return drive(path, home, trials, top)


def peer(home: Path, trials: int, top: bool) -> Meter:
    """The same number of trials as most scripts drive them."""
    import mlflow
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
    mlflow.create_experiment("peer", artifact_location=(home / "artifacts").as_uri())
    mlflow.set_experiment("peer")
    meter = Meter(trials)

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 1e-4, 1e-3, log=True)
        with mlflow.start_run(run_name=str(trial.number)):
            mlflow.log_params({f"param_{i}": i for i in range(20)})
            for step in range(4):
                mlflow.log_metric("accuracy", rate / (step + 1), step=step)
            mlflow.log_metrics({f"final_{i}": rate for i in range(50)})
        meter.read()
        return rate

    sampler = optuna.samplers.RandomSampler(seed=0)
    storage = f"sqlite:///{home / 'optuna.db'}"
    optuna.create_study(storage=storage, sampler=sampler, direction="maximize").optimize(objective, n_trials=trials)
    return meter


PARTS: dict[str, Callable[[Path, int, bool], Meter]] = {"suite": formula, "peer": peer, "trained": train}


if __name__ == "__main__":
    main()
