"""Studies that are disturbed: the undisturbed one, the homes of the others, the laws that hold after every fault."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import optuna
import sqlalchemy
from fault_nursery import Life, Nursery
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from team_server import free_port
from worker_studies import RUNS, TRIALS, settings, tables, write_study

from suite.tracking import Server, start_server
from suite.tracking.describe import COMPARISON, RUN_ID_TAG

SURVIVED: Counter[str] = Counter()
"""Faults after which every law held, by kind."""
Mirrored = dict[str, tuple[str, Counter[tuple[str, int, float]], dict[str, str], frozenset[str]]]
"""Run to its status, points, params and files in MLflow."""


@dataclass
class Scene:
    """A study that runs undisturbed once; what it left is what every disturbed one must leave."""

    nursery: Nursery
    study: Path
    cache: Path
    folder: Path
    store: Path
    """An MLflow database without runs: its tables take seconds to make."""
    seconds: float = 0.0
    """How long one worker took for all runs."""
    deeds: int = 0
    """How many deeds it took it."""
    records: dict[str, Any] = field(default_factory=dict)
    mirrored: Mirrored = field(default_factory=dict)
    tables: dict[str, bytes] = field(default_factory=dict)

    def home(self, name: str) -> Home:
        path = self.folder / name
        path.mkdir()
        shutil.copy(self.store, path / "mlflow.db")
        return Home(self, path)


@dataclass
class Home:
    """Where one disturbed study lies, and where its trials and its tracking are."""

    scene: Scene
    path: Path
    storage: str = ""
    wait: str = ""
    """Seconds that a storage is waited for, where it is not the usual number."""
    tracking: str = ""
    server: Tracking | None = None
    """The server behind `tracking`, where that is one."""
    stamps: dict[Path, int] = field(default_factory=dict)

    def start(self, *words: str | Path, **fault: int) -> Life:
        """`suite VERB STUDY ...` on this home."""
        more = {"SUITE_STORAGE": self.storage, "SUITE_STORAGE_WAIT": self.wait, "MLFLOW_TRACKING_URI": self.tracking}
        environment = settings(self.path, self.scene.cache, **{k: v for k, v in more.items() if v})
        return self.scene.nursery.start([words[0], self.scene.study, "--quiet", *words[1:]], environment, **fault)

    def run(self, **fault: int) -> Life:
        """`suite run` with tables in `results`."""
        return self.start("run", "--to", self.path / "results", **fault)

    def finish(self) -> None:
        """Go on to the end, then hold the study to every law."""
        life = self.run()
        assert life.end() == 0, life.said()[-3000:]
        try:
            self.check()
        except AssertionError as error:
            error.add_note(f"it had said: {life.said()[-3000:]}")
            raise

    @property
    def runs(self) -> list[Path]:
        return sorted(self.path.glob("shared/runs/*/record.json"))

    @property
    def uploads(self) -> list[Path]:
        return sorted(self.path.glob("shared/runs/*/mlflow.json"))

    def remember(self) -> None:
        """Take down the finished runs: none may be written again."""
        stamps = {path: path.stat().st_mtime_ns for path in self.runs}
        assert stamps.items() >= self.stamps.items(), "a finished run is lost or was repeated"
        self.stamps = stamps

    def check(self) -> None:
        """No finished trial lost or repeated, nothing RUNNING, each datum uploaded once, the same tables."""
        self.remember()
        assert records(self.path) == self.scene.records
        self.check_trials()
        there, wanted = self.mirrored(), self.scene.mirrored
        assert there.keys() == wanted.keys(), f"only in one: {there.keys() ^ wanted.keys()}"
        for name, parts in wanted.items():
            for found, part in zip(there[name], parts, strict=True):
                assert found == part, f"{name} in MLflow: {found} instead of {part}"
        found = tables(self.path)
        assert found == self.scene.tables, [name for name in found if found[name] != self.scene.tables.get(name)]
        left = [path for path in self.path.rglob("*") if "partial" in path.name or path.name.endswith(".safetensors")]
        assert left == []

    def ended_twice(self) -> list[str]:
        """Works that two workers did."""
        storage = RDBStorage(self.storage)
        entries = optuna.load_study(study_name="shared/claims", storage=storage).get_trials()
        storage.engine.dispose()
        done = Counter(str(e.user_attrs["work"]) for e in entries if e.state is TrialState.COMPLETE)
        return [work for work, times in done.items() if times > 1]

    def mirrored(self) -> Mirrored:
        """What MLflow has of the study."""
        if self.server is not None:
            return mirrored(self.server.store, self.server.folder / "mlartifacts")
        return mirrored(self.tracking or f"sqlite:///{self.path}/mlflow.db")

    def check_trials(self) -> None:
        """Each trial is there once, under its own number, with its whole curve and its run."""
        storage = RDBStorage(self.storage or f"sqlite:///{self.path}/shared/optuna.db")
        names = {study.study_name for study in storage.get_all_studies()} - {"shared/claims"}
        trials = [t for name in names for t in optuna.load_study(study_name=name, storage=storage).get_trials()]
        assert len(names) == 2 and sorted(t.number for t in trials) == sorted([*range(TRIALS)] * 2)
        ids = [trial.user_attrs["run_id"] for trial in trials]
        assert sorted(ids) == sorted(name for name in self.scene.records if name.startswith("tune-"))
        for trial in trials:
            curve = self.scene.records[trial.user_attrs["run_id"]]["curve"]
            points = {step: value for step, name, value in curve if name.startswith("validation.")}
            assert trial.intermediate_values == points
        storage.engine.dispose()


def records(home: Path) -> dict[str, Any]:
    """Every record but its times."""
    found = {}
    for path in sorted(home.glob("shared/runs/*/record.json")):
        table = json.loads(path.read_text())
        found[path.parent.name] = {k: v for k, v in table.items() if k not in ("seconds", "started")}
    return found


def mirrored(url: str, artifacts: Path = Path()) -> Mirrored:
    """What the database of MLflow holds, asked without MLflow: a run twice is an error here."""
    engine = sqlalchemy.create_engine(url)

    def rows(query: str) -> Sequence[Any]:
        return connection.execute(sqlalchemy.text(query)).all()

    with engine.connect() as connection:
        runs = rows("select run_uuid, status, lifecycle_stage, artifact_uri from runs")
        names = dict(rows(f"select run_uuid, value from tags where key = '{RUN_ID_TAG}'"))
        points = rows("select run_uuid, key, step, value from metrics")
        params = rows("select run_uuid, key, value from params")
    engine.dispose()
    found: Mirrored = {}
    for run, status, stage, place in runs:
        name = names.get(run, COMPARISON)
        assert stage == "active" and name not in found, f"{name} is in MLflow {stage} or twice"
        curve = Counter((key, step, value) for owner, key, step, value in points if owner == run)
        assert not curve or max(curve.values()) == 1, f"{name}: a point is in MLflow twice"
        own = {key: value for owner, key, value in params if owner == run}
        found[name] = (status, curve, own, files(place, artifacts))
    return found


def files(place: str, artifacts: Path) -> frozenset[str]:
    """Names of a run's artifacts, which lie on this machine's disk, below `artifacts` where a server keeps them."""
    served = place.removeprefix("mlflow-artifacts:/")
    folder = Path(unquote(place.removeprefix("file://"))) if served == place else artifacts / served.lstrip("/")
    found = [path for path in folder.rglob("*") if path.is_file()]
    # What a killed upload leaves of MLflow's own, which MLflow neither lists nor serves.
    return frozenset(p.relative_to(folder).as_posix() for p in found if not p.name.startswith(".artifact.uploading."))


class Tracking:
    """A tracking server that can be killed and started again, and emptied for the next study."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.store = f"sqlite:///{shutil.copy(store, folder / 'mlflow.db')}"
        self._running: Server | None = None

    def start(self) -> None:
        if self._running is None:
            self._running = start_server(self.store, self.folder, self.port)

    def kill(self) -> None:
        """SIGKILL to it and its workers."""
        if self._running is not None:
            os.killpg(self._running.process.pid, signal.SIGKILL)
            self._running.process.wait()
            self._running = None
            while not is_free(self.port):  # its workers take a moment longer to go
                time.sleep(0.05)


def is_free(port: int) -> bool:
    """Whether a server may listen on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def empty(url: str) -> None:
    """Take every experiment out of a database of MLflow, so that the next study finds none."""
    engine = sqlalchemy.create_engine(url)
    known = sqlalchemy.MetaData()
    known.reflect(engine)
    with engine.begin() as connection:
        for table in reversed(known.sorted_tables):
            if table.name not in ("alembic_version", "experiments", "workspaces"):
                connection.execute(table.delete())
        connection.execute(sqlalchemy.text("delete from experiments where experiment_id > 0"))
    engine.dispose()


def undisturbed(nursery: Nursery, checkpoint: Path, cache: Path, folder: Path) -> Scene:
    """Run the study without a fault."""
    study = write_study(folder, checkpoint)
    scene = Scene(nursery, study, cache, folder, folder / "store.db")
    (folder / "first").mkdir()
    environment = settings(folder / "first", cache)
    # Makes the database's tables, and refits nothing, as nothing has been tuned.
    life = nursery.start(["sync", scene.study], environment)
    assert life.end() == 0, life.said()
    shutil.move(folder / "first" / "mlflow.db", scene.store)
    empty(f"sqlite:///{scene.store}")  # of the experiment, whose artifacts would lie in that home
    home = scene.home("undisturbed")
    started = os.times().elapsed
    life = home.start("worker")
    assert life.end() == 0, life.said()
    scene.seconds, scene.deeds = os.times().elapsed - started, life.deeds
    assert home.run().end() == 0
    scene.records, scene.tables = records(home.path), tables(home.path)
    scene.mirrored = mirrored(f"sqlite:///{home.path}/mlflow.db")
    assert len(scene.records) == RUNS and len(scene.mirrored) == RUNS + 1
    assert {status for status, _, _, _ in scene.mirrored.values()} <= {"FINISHED", "KILLED"}
    home.check()
    return scene
