"""Small studies for workers: one that trains, whose tables are compared, and one whose trials take no time."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from suite.canonical import digest
from suite.cli import main
from suite.records import Progress, RunRecord
from suite.spec import StudySpec
from suite.storage import StudyFolder
from suite.study_file import load_study
from suite.trial_spec import TrialSpec

STUDY = """
name = "shared"
question = "Do many hands make the same rows?"

[task]
name = "home-intents"
targets = ["de"]
train_examples = 48
validation_examples = 44
test_examples = 44

[[scale]]
name = "1-layer"
checkpoint = "{checkpoint}"
layers = 1

[[method]]
name = "standard"

[[method]]
name = "adversarial"
radius = {{ low = 0.02, high = 0.2, log = true }}

[train]
epochs = 2
batch_size = 8
learning_rate = {{ low = 1e-3, high = 1e-2, log = true }}
max_length = 32
validations = 4

[tune]
trials = {trials}
startup_trials = 2
generation = 2

[refit]
seeds = [1, 2]

[alignment]
metrics = ["csls_p1"]
pairs = 30
"""
POINTS = "validation.accuracy/en"
"""What a curve is of."""
TRIALS = 3
RUNS = 2 * (TRIALS + 2) + 1


def write_study(folder: Path, checkpoint: Path) -> Path:
    path = folder / "shared.toml"
    path.write_text(STUDY.format(checkpoint=checkpoint, trials=TRIALS))
    return path


def settings(home: Path, cache: Path, **more: str) -> dict[str, str]:
    """The environment of a worker."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "SUITE_"))}
    return {**kept, "SUITE_HOME": str(home), "SUITE_CACHE": str(cache), "SUITE_HUB": "", **more}


def start(words: Sequence[str | Path], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "suite", *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def alone(study: Path, home: Path, cache: Path) -> dict[str, bytes]:
    """The tables of a study that one process ran from beginning to end, on sqlite."""
    process = start(["run", study, "--quiet", "--to", home / "results"], settings(home, cache))
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    return tables(home)


def exported(study: Path, home: Path) -> dict[str, bytes]:
    """The tables of a study that has been run by others."""
    for verb in (["compare", "--quiet"], ["export", "--quiet", "--to", str(home / "results")]):
        assert main([verb[0], str(study), *verb[1:]]) == 0
    return tables(home)


def tables(home: Path) -> dict[str, bytes]:
    """Every exported file, without the one column that says how long a run took."""
    folder = home / "results"
    found = {}
    for path in sorted(p for p in folder.rglob("*.*") if p.suffix != ".html"):
        name = str(path.relative_to(folder))
        if path.stem not in ("runs", "tuning"):
            found[name] = path.read_bytes()
        elif path.suffix == ".csv":
            found[name] = _without_seconds(path.read_text())
    assert {"runs.csv", "tuning.csv", "main.csv", "deltas.csv", "summary.md"} <= found.keys()
    return found


def _without_seconds(text: str) -> bytes:
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows and "seconds" in rows[0]
    return repr([{k: v for k, v in row.items() if k != "seconds"} for row in rows]).encode()


def await_claim(storage: BaseStorage, wanted: Callable[[str], bool], alive: Callable[[], bool]) -> str:
    """Wait until a worker is in the middle of a tuning trial; returns its owner, `HOST:PID:START`."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert alive()
        for name in [s.study_name for s in storage.get_all_studies() if s.study_name.endswith("/claims")]:
            for entry in optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False):
                owner = str(entry.user_attrs["owner"]).partition("#")[0]
                if entry.state is TrialState.RUNNING and wanted(owner) and _is_under_way(storage, entry):
                    return owner
        time.sleep(0.02)
    raise AssertionError("no worker took a trial")


def _is_under_way(storage: BaseStorage, entry: optuna.trial.FrozenTrial) -> bool:
    study, _, number = str(entry.user_attrs["work"]).rpartition("/")
    if not number.isdecimal():
        return False
    trials = optuna.load_study(study_name=study, storage=storage).get_trials(deepcopy=False)
    return len(trials) > int(number) and bool(trials[int(number)].intermediate_values)


@dataclass
class Formula:
    """Stands where a `Runner` stands: a trial whose curve is a formula of its hyperparameters, in no time or a little.

    Every trial of a worker takes another time, so that no two orders are alike.
    """

    study: StudySpec
    folder: StudyFolder
    pause: Callable[[], float] = lambda: 0.0

    @classmethod
    def of(cls, path: Path, pause: Callable[[], float] = lambda: 0.0) -> Formula:
        return cls(load_study(path), StudyFolder(path.parent / "home"), pause)

    def run(self, spec: TrialSpec, watch: Callable[[Progress], str | None]) -> RunRecord:
        time.sleep(self.pause())
        level = -abs(spec.learning_rate - 3e-3) - float(spec.hyperparameters.get("radius", 0.0))
        noise = int(digest([spec.learning_rate])[:4], 16) / 2**16
        curve: tuple[tuple[int, str, float], ...] = ()
        for step in range(1, 6):
            value = level + noise / step
            curve += ((step, POINTS, value),)
            reason = watch(Progress(step=step, steps=5, metrics={POINTS: value}))
            if reason:
                return RunRecord(spec=spec, state="pruned", reason=reason, selection=value, curve=curve)
        if noise > 0.9:
            return RunRecord(spec=spec, state="failed", reason="a formula that failed", selection=None, curve=curve)
        return RunRecord(spec=spec, state="complete", selection=value, curve=curve)
