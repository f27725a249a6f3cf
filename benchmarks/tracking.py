"""What tracking a run costs the study, against logging the same data with MLflow's fluent API.

    python benchmarks/tracking.py [--runs 3] [--trial-seconds 20] [--store sqlite postgresql]

A typical run: 12 languages x 6 subsets x 2 metrics, 420 alignment statistics, a loss every 10 of 400 updates, 8
validations, 2 artifacts. `sqlite`: each side writes into a new database of its own. `postgresql`: both write to one
tracking server on a real PostgreSQL, over HTTP. They take turns and are warm (mlflow imported, tables made): that start
costs either side a few seconds once per study, ours in the background. The suite's run lasts as long as a trial, its
points spread over it, so that what live curves cost is in; the peer's takes what it takes.
Printed: per run the time the study waits, the CPU time of the whole process, and their ratios; then both as shares of a
trial. A trial uses a core or more, so the share of CPU bounds by how much the background slows it. Contract: tracking
to a server on PostgreSQL takes less than 1 % of a trial. What the server itself and PostgreSQL use is printed beside
it: they may run elsewhere.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from suite.evaluation_spec import CLEAN, EvaluationSpec
from suite.records import AlignmentScore, Progress, RunRecord, Score, save_record
from suite.tracking import Tracker, is_uploaded, metrics_of, params_of, start_server, tags_of
from suite.trial_spec import AlignmentSpec, Scale, TaskSpec, TrainSpec, TrialSpec

ROOT = Path(__file__).resolve().parent.parent
STORES = ("sqlite", "postgresql")
LANGUAGES = ("en", "ar", "bg", "cs", "de", "el", "es", "eu", "fr", "hu", "pl", "th")
SUBSETS = (CLEAN, "polarity", "unseen-templates", "char-noise", "code-mixed", "embedding-attack")
ALIGNMENT = ("cosine_p1", "csls_p1", "cosine_margin", "linear_cka", "mutual_knn", "isotropy")
LAYERS = 7
STEPS = 400
PREDICTIONS = len(LANGUAGES) * len(SUBSETS) * 400 * 24
"""Bytes of per-example predictions: 400 examples a language and subset, about 24 bytes each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds one run cost."""

    waited: float
    """By which the study stood still."""
    cpu: float
    """Of all threads of the process."""
    served: float = 0.0
    """Of the tracking server and its database."""


def make_run(seed: int, folder: Path) -> tuple[RunRecord, Path]:
    """A typical run with synthetic numbers, in its folder."""
    rng = np.random.default_rng(seed)
    spec = TrialSpec(
        study="tracking-benchmark",
        phase="refit",
        scale=Scale(name="6-layer", checkpoint="me5-small-q4", layers=6),
        method="adversarial",
        hyperparameters={"radius": 0.12, "steps": 1},
        learning_rate=1e-4,
        seed=seed,
        task=TaskSpec(name="home-intents", targets=LANGUAGES[1:]),
        train=TrainSpec(learning_rate=1e-4),
        evaluation=EvaluationSpec(subsets=SUBSETS[1:-1]),
        alignment=AlignmentSpec(metrics=ALIGNMENT),
    )
    scores = [(s, m, code) for s in SUBSETS for m in ("accuracy", "macro_f1") for code in LANGUAGES]
    statistics_ = [(m, k, code) for m in ALIGNMENT for k in range(LAYERS) for code in LANGUAGES[1:-1]]
    curve = [(step, "train/loss", 2 * math.exp(-step / 99)) for step in range(10, STEPS + 1, 10)]
    curve += [(step, "validation.accuracy/en", 1 - math.exp(-step / 99)) for step in range(50, STEPS + 1, 50)]
    record = RunRecord(
        spec=spec,
        state="complete",
        selection=0.9,
        scores=tuple(
            Score(task="home-intents", subset=s, metric=m, language=code, value=float(rng.random()), n=400)
            for s, m, code in scores
        ),
        alignment=tuple(
            AlignmentScore(metric=m, layer=k, language=code, value=float(rng.random()), n=500, text="cldr")
            for m, k, code in statistics_
        ),
        curve=tuple(sorted(curve)),
        predictions="predictions.parquet",
    )
    place = folder / record.run_id
    save_record(record, place)
    (place / "predictions.parquet").write_bytes(rng.bytes(PREDICTIONS))
    return record, place


def track(tracker: Tracker, uri: str, record: RunRecord, folder: Path, seconds: float) -> Cost:
    """One run through the tracker; what it does in the background is waited for, but is not the study's wait."""
    waited, cpu = 0.0, time.process_time()
    waited += timed(lambda: tracker.start(record.spec))
    for step, name, value in record.curve:
        moment = Progress(step=step, steps=STEPS, metrics={name: value})
        waited += timed(partial(tracker.progress, record.spec, moment))
        time.sleep(seconds / len(record.curve))
    waited += timed(lambda: tracker.finish(record, folder))
    while not is_uploaded(folder, uri):
        time.sleep(0.02)
    return Cost(waited=waited, cpu=time.process_time() - cpu)


def timed(job: Callable[[], object]) -> float:
    """Wall seconds of a call."""
    begun = time.perf_counter()
    job()
    return time.perf_counter() - begun


def log_naively(record: RunRecord, folder: Path) -> Cost:
    """The same data as most scripts log it: one call per value, the study waiting for each."""
    import mlflow

    begun, cpu = time.perf_counter(), time.process_time()
    with mlflow.start_run(run_name=record.run_id):
        for name, text in params_of(record.spec).items():
            mlflow.log_param(name, text)
        for name, text in tags_of(record.spec).items():
            mlflow.set_tag(name, text)
        for step, name, value in record.curve:
            mlflow.log_metric(name, value, step=step)
        for name, value in metrics_of(record).items():
            mlflow.log_metric(name, value)
        for path in ("record.json", "predictions.parquet"):
            mlflow.log_artifact(str(folder / path))
    return Cost(waited=time.perf_counter() - begun, cpu=time.process_time() - cpu)


def measure(runs: int, seconds: float, home: Path, place: Place) -> tuple[list[Cost], list[Cost]]:
    """Costs of each run by either way, taken in turns after one run each to warm up."""
    import mlflow

    mlflow.set_tracking_uri(place.peer)
    if not place.servers:
        mlflow.create_experiment("peer", artifact_location=(home / "peer").as_uri())
    mlflow.set_experiment("peer")
    ours, peers = [], []
    with Tracker(place.ours, "ours") as tracker:
        for seed in range(runs + 1):
            record, folder = make_run(seed, home / "runs")
            served = place.served()
            own = track(tracker, place.ours, record, folder, seconds)
            ours.append(replace(own, served=place.served() - served))
            served = place.served()
            peer = log_naively(record, folder)
            peers.append(replace(peer, served=place.served() - served))
    return ours[1:], peers[1:]


@dataclass(frozen=True, slots=True)
class Place:
    """Where both sides track to."""

    ours: str
    peer: str
    servers: tuple[int, ...] = ()
    """Processes that serve it, whose children count too."""

    def served(self) -> float:
        """CPU seconds of those so far."""
        import psutil

        roots = [psutil.Process(number) for number in self.servers]
        times = [one.cpu_times() for root in roots for one in (root, *root.children(recursive=True))]
        return sum(t.user + t.system for t in times)


@contextmanager
def place_of(store: str, home: Path) -> Iterator[Place | None]:
    """An empty store; none where there is no PostgreSQL on this machine."""
    if store == "sqlite":
        for name in ("ours", "peer"):
            (home / name).mkdir()
        yield Place(*(f"sqlite:///{home / name / 'mlflow.db'}" for name in ("ours", "peer")))
        return
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from team_server import postgres, postgres_binaries

    binaries = postgres_binaries()
    if binaries is None:
        yield None
        return
    with postgres(binaries) as running:
        url = running.database("createdb", "mlflow").replace("@", f":{running.password}@")
        master = int((running.folder / "data" / "postmaster.pid").read_text().split()[0])
        with start_server(url.replace("postgresql:", "postgresql+psycopg:"), home, 0) as server:
            yield Place(server.url, server.url, (server.process.pid, master))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--trial-seconds", type=float, default=20.0, help="length of a trial")
    parser.add_argument("--store", nargs="*", default=STORES, choices=STORES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        record, _ = make_run(0, Path(folder))
    print(f"{len(metrics_of(record))} final values and {len(record.curve)} points of curves per run; median of runs")
    for store in arguments.store:
        with tempfile.TemporaryDirectory() as folder, place_of(store, Path(folder)) as place:
            if place is None:
                print(f"{store}: not on this machine")
                continue
            show(store, *measure(arguments.runs, arguments.trial_seconds, Path(folder), place), arguments.trial_seconds)


def show(store: str, ours: list[Cost], peers: list[Cost], seconds: float) -> None:
    """Print one store's table."""
    print(f"{store + ': seconds per run':<28}{'suite':>10}{'fluent API':>12}{'ratio':>10}{'suite, of a trial':>20}")
    for label, name in (("study waits", "waited"), ("CPU, all threads", "cpu"), ("CPU of the servers", "served")):
        own, peer = (median(getattr(cost, name) for cost in costs) for costs in (ours, peers))
        if peer:
            print(f"  {label:<26}{own:>10.5f}{peer:>12.3f}{peer / own:>9.1f}x{own / seconds:>20.4%}")


if __name__ == "__main__":
    main()
