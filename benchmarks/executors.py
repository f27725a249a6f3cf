"""What sharing a study costs: trials per hour with one and two workers by executor, and seconds of storage per trial.

    python benchmarks/executors.py [--executors local slurm ray] [--trials 8] [--storages sqlite postgresql]

First a small study (the embedded encoder's first layer, random trials, which wait for none) is tuned by one and by two
workers of each executor, all on `OMP_NUM_THREADS` threads each; `slurm` stands for submitit on processes of this
machine. From the log of claims: how long until the first trial began, trials per hour of warm workers, and the time per
trial that a worker did not spend on trials. Then trials that take no time show what the storage alone allows.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from suite.executors import EXECUTORS, Order, Placement
from suite.executors.interface import Crew
from suite.executors.slurm import submit
from suite.records import Progress, RunRecord
from suite.running import Runner
from suite.spec import StudySpec
from suite.storage import StudyFolder
from suite.study_file import load_study
from suite.trial_spec import TrialSpec
from suite.tuning import Search, open_claims, open_storage
from suite.tuning.service import shared_storage
from suite.working import work

ROOT = Path(__file__).resolve().parent.parent
STUDY = """
name = "benchmark"
question = "What does sharing cost?"
[task]
name = "home-intents"
targets = ["de"]
train_examples = 600
validation_examples = 100
test_examples = 100
[[scale]]
name = "1-layer"
checkpoint = "me5-small-q4"
layers = 1
[[method]]
name = "standard"
[train]
learning_rate = {{ low = 1e-4, high = 1e-3, log = true }}
epochs = 2
[tune]
trials = {trials}
startup_trials = {trials}
[refit]
seeds = [1, 2]
[alignment]
metrics = ["csls_p1"]
pairs = 20
"""


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executors", nargs="*", default=list(EXECUTORS), choices=list(EXECUTORS))
    parser.add_argument("--storages", nargs="*", default=["sqlite", "postgresql"], choices=["sqlite", "postgresql"])
    parser.add_argument("--trials", type=int, default=8)
    arguments = parser.parse_args()
    os.environ.pop("SUITE_STORAGE", None)
    print(f"{'executor':<12}{'workers':>8}{'first trial':>13}{'trials/hour':>13}{'overhead/trial':>16}{'speed-up':>10}")
    for name in arguments.executors:
        alone: float | None = None
        for workers in (1, 2):
            found = measure(name, workers, arguments.trials)
            if found is None:
                break
            alone = alone or found.rate
            print(f"{name:<12}{workers:>8}{found.start:>11.1f} s{found.rate:>13.0f}{found.overhead:>14.3f} s"
                  f"{found.rate / alone:>10.2f}")  # fmt: skip
    print(f"\n{'storage':<12}{'workers':>8}{'empty trials/s':>16}{'claim':>10}{'heartbeat':>11}{'look':>9}")
    for name in arguments.storages:
        with storage_of(name) as url:
            for workers in (1, 2, 8):
                print(f"{name:<12}{workers:>8}{storage_costs(url, workers)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What one crew did."""

    start: float
    """Seconds until the first trial began."""
    rate: float
    """Trials per hour, of all workers together, once each is warm."""
    overhead: float
    """Seconds per trial that workers were neither in a trial nor at their end."""


def measure(name: str, workers: int, trials: int) -> Shared | None:
    """Tune a small study by a crew; none where the engine is not installed."""
    with tempfile.TemporaryDirectory(prefix="suite-benchmark-") as scratch:
        home = Path(scratch)
        path = home / "study.toml"
        path.write_text(STUDY.format(trials=trials))
        os.environ["SUITE_HOME"] = scratch
        order = Order(
            study=path,
            directory=Path.cwd(),
            home=home,
            threads=torch.get_num_threads(),
            environment={k: v for k, v in os.environ.items() if k.startswith("SUITE_")},
        )
        begun = time.time()
        try:
            crew = start(name, order, workers)
        except ValueError as error:
            print(f"{name:<12} skipped: {error}")
            return None
        try:
            while crew.alive():
                time.sleep(0.2)
            if failures := crew.failures():
                sys.exit("\n".join(failures))
        finally:
            crew.stop()
        return summary(claimed(load_study(path), home), begun)


def start(name: str, order: Order, workers: int) -> Crew:
    """A crew; what Slurm would run is run here."""
    if name == "slurm":
        return submit(order, Placement(workers=workers, minutes=10), "local")
    cpus = 1.0 if name == "ray" else None
    return EXECUTORS[name](order, Placement(workers=workers, cpus=cpus))


def claimed(study: StudySpec, home: Path) -> list[FrozenTrial]:
    """The claims of tuning trials."""
    folder = StudyFolder(home / study.name)
    log = open_claims(open_storage(None, folder), study.name, "reader@nowhere").log
    return [
        c for c in log.get_trials() if c.value is not None and str(c.user_attrs["work"]).rpartition("/")[2].isdigit()
    ]


def summary(claims: list[FrozenTrial], begun: float) -> Shared:
    """Rates from the log: when each trial was claimed, by whom, and how long it took.

    A worker's first trial loads texts and weights, so it counts in no rate.
    """
    starts = {c.number: c.datetime_start.timestamp() for c in claims if c.datetime_start}
    ends = {c.number: starts[c.number] + float(c.value or 0) for c in claims}
    gaps, rate = list[float](), 0.0
    for owner in {str(c.user_attrs["owner"]).partition("#")[0] for c in claims}:
        own = sorted(c.number for c in claims if str(c.user_attrs["owner"]).startswith(owner))
        gaps += [starts[b] - ends[a] for a, b in itertools.pairwise(own)]
        rate += 3600 * (len(own) - 1) / (ends[own[-1]] - ends[own[0]]) if len(own) > 1 else 0.0
    return Shared(start=min(starts.values()) - begun, rate=rate, overhead=median(gaps) if gaps else 0.0)


@contextmanager
def storage_of(name: str) -> Iterator[str | None]:
    """The URL of an empty storage; none for the file beside the records."""
    if name == "sqlite":
        yield None
        return
    sys.path.insert(0, str(ROOT / "tests"))
    sys.path.insert(0, str(ROOT))
    from team_server import postgres, postgres_binaries

    binaries = postgres_binaries()
    if binaries is None:
        sys.exit("no PostgreSQL on this machine; leave it out of --storages")
    with postgres(binaries) as running:
        url = running.database("createdb", "optuna")
        yield url.replace(f"{running.user}@", f"{running.user}:{running.password}@")


@dataclass(frozen=True, slots=True)
class Empty:
    """Stands for a `Runner`: a trial of four validation points that takes no time."""

    study: StudySpec
    folder: StudyFolder

    def run(self, spec: TrialSpec, watch: Callable[[Progress], str | None]) -> RunRecord:
        """Report a curve."""
        for step in range(1, 5):
            watch(Progress(step=step, steps=4, metrics={"validation.accuracy/en": spec.learning_rate}))
        return RunRecord(spec=spec, state="complete", selection=spec.learning_rate)


def storage_costs(url: str | None, workers: int, trials: int = 24) -> str:
    """Trials per second that a storage allows, and milliseconds of a claim, a heartbeat and a look at what is left."""
    if url is not None:
        os.environ["SUITE_STORAGE"] = url
    home = Path(tempfile.mkdtemp(prefix="suite-benchmark-"))
    path = home / "study.toml"
    path.write_text(STUDY.format(trials=trials).replace('"benchmark"', f'"benchmark-{workers}"'))
    study = load_study(path)
    runner: Runner = Empty(study, StudyFolder(home))  # type: ignore[assignment]  # stands for one
    searches = [join(runner) for _ in range(workers)]
    threads = [threading.Thread(target=take_all, args=search) for search in searches]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = trials / (time.perf_counter() - begun)
    search, storage = searches[0]
    claims = open_claims(storage, study.name, "one@home")
    ids = iter(range(10))
    claim = median(timed(lambda: claims.take(f"other {next(ids)}")) for _ in range(10))
    entry = claims.log.get_trials()[-1]
    beat = median(timed(lambda: storage.set_trial_user_attr(entry._trial_id, "beat", 1)) for _ in range(10))
    look = median(timed(lambda: (claims.read(), search.study.get_trials(deepcopy=False))) for _ in range(10))
    os.environ.pop("SUITE_STORAGE", None)
    shutil.rmtree(home)
    return f"{rate:>16.1f}{1e3 * claim:>7.1f} ms{1e3 * beat:>8.1f} ms{1e3 * look:>6.1f} ms"


def join(runner: Runner) -> tuple[Search, BaseStorage]:
    """A worker's own connection: one process would share it."""
    shared_storage.cache_clear()
    storage = open_storage(None, runner.folder)
    return Search(runner, runner.study.scale[0], runner.study.method[0], storage), storage


def take_all(search: Search, storage: BaseStorage) -> None:
    """Work until nothing is left."""
    for _ in work(open_claims(storage, search.runner.study.name, "one@home"), search.works):
        pass


def timed(act: Callable[[], object]) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
