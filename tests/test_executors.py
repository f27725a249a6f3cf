"""Laws of executors: workers started by any engine end with the tables of a study that one process ran."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from worker_studies import RUNS, alone, await_claim, exported, settings, start, write_study

from suite.executors import EXECUTORS, Order, Placement, resolve_executor
from suite.executors.interface import Crew
from suite.executors.local import visible_devices
from suite.executors.ray_cluster import ray
from suite.executors.slurm import submit
from suite.storage import StudyFolder
from suite.tuning import open_storage

NEEDS_RAY = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="pip install '.[ray]'")
NEEDS_SUBMITIT = pytest.mark.skipif(importlib.util.find_spec("submitit") is None, reason="pip install '.[slurm]'")
Undisturbed = tuple[Path, dict[str, bytes]]


@pytest.fixture(scope="module")
def undisturbed(tiny_checkpoint: Path, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """A study's file, and its tables when one process runs it from beginning to end."""
    home = tmp_path_factory.mktemp("alone")
    path = write_study(home, tiny_checkpoint)
    return path, alone(path, home, cache_dir)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, cache_dir: Path, tmp_path: Path) -> Mapping[str, str]:
    """The settings of a home of its own, here and in every worker."""
    found = settings(tmp_path, cache_dir)
    for name in [name for name in os.environ if name not in found]:
        monkeypatch.delenv(name)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def order_of(study: Path, home: Path, environment: Mapping[str, str]) -> Order:
    import torch

    return Order(
        study=study, directory=Path.cwd(), home=home, threads=torch.get_num_threads(), environment=dict(environment)
    )


def until_ended(crew: Crew) -> None:
    deadline = time.monotonic() + 300
    while crew.alive():
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert crew.failures() == []


def records(home: Path) -> int:
    return len(list(home.glob("shared/runs/*/record.json")))


# Every executor


@pytest.mark.parametrize(
    ("name", "placement", "law"),
    [
        ("local", Placement(gpus=0.5), "gpus: the executor 'local' does not take it"),
        ("local", Placement(minutes=5, address="a:1"), "minutes, address: the executor 'local'"),
        ("ray", Placement(minutes=5), "minutes: the executor 'ray' does not take it"),
        ("ray", Placement(settings={"a": "b"}), "settings: the executor 'ray' does not take it"),
        ("slurm", Placement(), "slurm needs minutes"),
        ("slurm", Placement(minutes=5, address="a:1"), "address: the executor 'slurm' does not take it"),
        ("slurm", Placement(minutes=5, gpus=0.5), "gpus is 0 or 1 on Slurm, got 0.5"),
    ],
)
def test_what_an_engine_has_no_use_for_is_refused(name: str, placement: Placement, law: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=law):
        EXECUTORS[name](order_of(tmp_path / "x.toml", tmp_path, {}), placement)


def test_placements_have_laws() -> None:
    for wrong, law in (
        ({"workers": 0}, "workers is at least 1, got 0"),
        ({"cpus": 0.0}, "cpus is positive, got 0.0"),
        ({"gpus": 2.0}, "gpus is 0 to 1, as a trial trains on one, got 2.0"),
        ({"minutes": 0}, "minutes is at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=law):
            Placement(**wrong)  # type: ignore[arg-type]


def test_unknown_executors_list_the_known() -> None:
    with pytest.raises(ValueError, match=r"did you mean 'slurm'"):
        resolve_executor("slum")


@pytest.mark.parametrize(
    ("engine", "start_one", "extra"),
    [
        ("ray", lambda order: ray(order, Placement()), "ray"),
        ("submitit", lambda order: submit(order, Placement(minutes=5), "local"), "slurm"),
    ],
)
def test_an_engine_that_is_not_installed_is_named_with_its_extra(
    engine: str, start_one: Callable[[Order], Crew], extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, engine, None)  # as where it is not installed: importing it raises ImportError
    with pytest.raises(ValueError, match=rf"{engine} is not installed; pip install '.*\[{extra}\]'"):
        start_one(order_of(tmp_path / "x.toml", tmp_path, {}))


def test_an_order_shows_no_password(tmp_path: Path) -> None:
    assert "hunter2" not in repr(order_of(tmp_path, tmp_path, {"SUITE_STORAGE": "postgresql://ann:hunter2@db/x"}))


def test_local_workers_take_turns_at_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5")
    assert visible_devices() == ["3", "GPU-5"]


# Whole studies


def test_two_local_workers_make_the_tables_of_one_process(
    undisturbed: Undisturbed, environment: Mapping[str, str], tmp_path: Path
) -> None:
    path, expected = undisturbed
    words = ["run", path, "--executor", "local", "--workers", "2", "--to", tmp_path / "results"]
    process = start(words, environment)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    assert f"[{RUNS}/{RUNS}]" in err and "## Answer" in out
    assert "sqlite3" not in err, err  # both made the tables of a new tracking store
    assert exported(path, tmp_path) == expected


def test_a_driver_says_how_its_workers_died(
    undisturbed: Undisturbed, environment: Mapping[str, str], tmp_path: Path
) -> None:
    path, _ = undisturbed
    driver = start(["run", path, "--executor", "local", "--workers", "1"], environment)
    storage = open_storage(None, StudyFolder(tmp_path / "shared"))  # whoever is first makes the tables
    owner = await_claim(storage, lambda _: True, lambda: driver.poll() is None)
    os.kill(int(owner.split(":")[1]), signal.SIGKILL)
    _, err = driver.communicate(timeout=120)
    assert driver.returncode == 1
    assert "all 1 workers have ended and" in err and "ended with signal 9" in err


@NEEDS_SUBMITIT
def test_submitted_workers_make_the_tables_of_one_process(
    undisturbed: Undisturbed, environment: Mapping[str, str], tmp_path: Path
) -> None:
    path, expected = undisturbed
    crew = submit(order_of(path, tmp_path, {}), Placement(workers=2, minutes=10), "local")
    try:
        until_ended(crew)
    finally:
        crew.stop()
    assert records(tmp_path) == RUNS
    assert exported(path, tmp_path) == expected


@NEEDS_RAY
def test_of_two_workers_on_ray_one_is_killed_and_the_tables_are_the_same(
    undisturbed: Undisturbed, environment: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expected = undisturbed
    storage = RDBStorage(f"sqlite:///{tmp_path}/trials.db", engine_kwargs={"connect_args": {"timeout": 60}})
    more = {"SUITE_STORAGE": f"sqlite:///{tmp_path}/trials.db"}
    crew = ray(order_of(path, tmp_path, {**environment, **more}), Placement(workers=2, cpus=1))
    try:
        owner = await_claim(storage, lambda _: True, lambda: crew.alive() > 0)
        os.kill(int(owner.split(":")[1]), signal.SIGKILL)
        until_ended(crew)
    finally:
        crew.stop()
    claims = optuna.load_study(study_name="shared/claims", storage=storage).get_trials()
    assert [c.state for c in claims if c.user_attrs["turn"] == 1] == [TrialState.COMPLETE]
    assert records(tmp_path) == RUNS
    monkeypatch.setenv("SUITE_STORAGE", more["SUITE_STORAGE"])
    assert exported(path, tmp_path) == expected
