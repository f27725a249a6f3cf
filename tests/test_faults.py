"""What a study survives: after every fault nothing is lost, repeated or left RUNNING, and the tables are the same.

`SUITE_FAULTS=50 python -m pytest tests/test_faults.py` kills a worker at so many moments.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fault_network import Line
from fault_nursery import Life, Nursery
from fault_studies import SURVIVED, Home, Scene, Tracking, empty, undisturbed
from safetensors import safe_open
from safetensors.torch import save_file
from team_server import Postgres
from worker_studies import RUNS

from suite.checkpoint import content

KILLS = int(os.environ.get("SUITE_FAULTS", "5"))
SEED = 5


@pytest.fixture(scope="module")
def scene(tiny_checkpoint: Path, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    nursery = Nursery(tmp_path_factory.mktemp("nursery"))
    yield undisturbed(nursery, tiny_checkpoint, cache_dir, tmp_path_factory.mktemp("scene"))
    nursery.close()


@pytest.fixture
def home(scene: Scene, request: pytest.FixtureRequest) -> Home:
    return scene.home(request.node.name)


# Processes that die


def test_a_worker_is_killed_at_random_moments(scene: Scene) -> None:
    """Half of them by the clock, half at a deed: just before a file is opened, renamed or removed, a commit, a request.

    A life may last a third of the undisturbed work, so that moments fall everywhere in it: on checkpoints, records,
    uploads and trials. A study that has ended in spite of it is checked, and the next one begins.
    """
    rng = random.Random(SEED)
    left, studies = KILLS, 0
    while left:
        studies += 1
        home = scene.home(f"killed-{studies}")
        killed = 0
        while killed < left and (struck := strike(home, rng)):
            home.remember()
            killed += struck
        home.finish()
        left -= killed
        SURVIVED["kills of a worker"] += killed


def strike(home: Home, rng: random.Random) -> bool:
    """Begin a worker and kill it; false where it came to its end first."""
    if rng.random() < 0.5:
        code = home.start("worker", last_deed=rng.randint(1, home.scene.deeds // 3)).end()
    else:
        life = home.start("worker")
        moment = rng.uniform(0, home.scene.seconds / 3)
        code = ended_after(life, moment)
    assert code in (0, -signal.SIGKILL)
    return code != 0


def ended_after(life: Life, seconds: float, number: int = signal.SIGKILL) -> int:
    """Send a signal after some seconds; returns the exit code."""
    try:
        return life.end(seconds)
    except AssertionError:
        return life.signal(number)


def test_a_study_asked_to_end_says_so_and_leaves_nothing_running(home: Home) -> None:
    rng = random.Random(SEED)
    for runs, name in zip((1, RUNS // 2, RUNS - 2), ("SIGTERM", "SIGINT", "SIGHUP"), strict=True):
        life = home.run()
        life.until(lambda runs=runs: len(home.runs) >= runs)
        code = ended_after(life, rng.uniform(0, 0.4), signal.Signals[name])
        assert code == 128 + signal.Signals[name]
        (line,) = life.said().splitlines()
        by = "" if name == "SIGINT" else f" by {name}"
        assert line == f"suite: interrupted{by}; the same command goes on where it stood"
        assert "RUNNING" not in {status for status, *_ in home.mirrored().values()}
        home.remember()
        SURVIVED[name] += 1
    home.finish()


# Two at once


def test_the_same_command_started_twice_does_everything_once(home: Home) -> None:
    lives = [home.start("worker") for _ in range(2)]
    lives[0].until(lambda: len(home.runs) >= RUNS // 2)
    for life in lives:  # at once: one that is left alone ends the study by itself
        life.send(signal.SIGTERM)
    assert {life.end() for life in lives} == {128 + signal.SIGTERM}
    home.remember()
    SURVIVED["worker started twice"] += 1
    lives = [home.run() for _ in range(2)]
    assert [life.end() for life in lives] == [0, 0], [life.said() for life in lives]
    home.check()
    SURVIVED["run started twice"] += 1


# Servers that die, and lines between


@pytest.fixture(scope="module")
def server(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    tracking = Tracking(tmp_path_factory.mktemp("server"), scene.store)
    yield tracking
    tracking.kill()


def synced(home: Home) -> None:
    """Finish, catch up with the tracking server, and hold the study to every law."""
    assert home.run().end() == 0
    life = home.start("sync", "--to", home.path / "results")
    assert life.end() == 0, life.said()
    home.check()


def test_a_tracking_server_that_is_down_all_the_while_has_everything_after_a_sync(home: Home, server: Tracking) -> None:
    home.tracking, home.server = server.url, server
    life = home.run()
    assert life.end() == 0
    assert "does not answer" in life.said() and "the study goes on" in life.said()
    life = home.start("sync")
    assert life.end() == 2 and len(life.said().splitlines()) == 1 and "does not answer" in life.said()
    server.start()
    synced(home)
    SURVIVED["tracking server down throughout"] += 1


def test_a_tracking_server_is_slow_then_killed_then_cut_off(home: Home, server: Tracking) -> None:
    server.start()
    empty(server.store)
    with Line(server.port, random.Random(SEED), delay=0.02) as line:
        home.tracking, home.server = f"http://127.0.0.1:{line.port}", server
        life = home.run()
        life.until(lambda: len(home.uploads) >= 2)
        SURVIVED["slow connection to the tracking server"] += 1
        server.kill()
        server.start()
        SURVIVED["kill of the tracking server"] += 1
        line.cut = 0.1
        if life.end() == 0:  # whatever happens to the tracking
            line.cut = 0.0
            synced(home)
        assert life.code() == 0, life.said()
        SURVIVED["cut connection to the tracking server"] += 1


def address(cluster: Postgres, name: str) -> str:
    """A new database."""
    url = cluster.database("createdb", name)
    return url.replace("postgresql://", "postgresql+psycopg://").replace("@", f":{cluster.password}@", 1)


def test_postgresql_is_killed_and_nobody_waits_longer_than_told(home: Home, cluster: Postgres) -> None:
    """Whoever waits for nothing, or in vain, ends; while it is down no other begins; then the same command goes on."""
    home.storage = address(cluster, "left")
    for runs, home.wait, why in ((1, "0", ""), (3, "1", "has not answered for 1 s")):
        life = home.start("worker")
        life.until(lambda runs=runs: len(home.runs) >= runs)
        cluster.kill()
        assert life.end() == 1, life.said()
        last = life.said().splitlines()[-1]
        assert why in last and "no finished run is lost" in last and is_plain(life, cluster.password)
        home.remember()
        SURVIVED["kill of PostgreSQL"] += 1
        if home.wait != "0":
            down = home.start("worker")
            assert down.end() == 2 and "cannot be opened" in down.said().splitlines()[-1]
        cluster.start()
    home.wait = ""
    life = home.start("worker")
    life.until(lambda: len(home.runs) >= RUNS - 3)
    cluster.kill()
    life.until(lambda: "does not answer" in life.said())
    assert life.signal(signal.SIGTERM) == 128 + signal.SIGTERM and is_plain(life, cluster.password)
    cluster.start()
    home.finish()
    SURVIVED["SIGTERM while PostgreSQL is away"] += 1


def test_workers_outlive_restarts_and_cuts_of_postgresql(home: Home, cluster: Postgres) -> None:
    """It holds the trials and the runs."""
    home.tracking = address(cluster, "tracking")
    with Line(cluster.port, random.Random(SEED), delay=0.005) as line:
        home.storage = address(cluster, "trials").replace(f":{cluster.port}/", f":{line.port}/")
        lives = [home.start("worker") for _ in range(2)]
        for runs in (2, RUNS - 3):  # in the middle of tuning, in the middle of refitting
            lives[0].until(lambda runs=runs: len(home.runs) >= runs)
            cluster.kill()
            SURVIVED["restart of PostgreSQL under two workers"] += 1
            lives[0].until(lambda: any("does not answer" in life.said() for life in lives))
            cluster.start()
        line.cut = 0.03
        assert [life.end() for life in lives] == [0, 0], [life.said() for life in lives]
        line.cut = 0.0
        assert line.cuts and all(is_plain(life, cluster.password) for life in lives)
        for life in lives:
            lines = [line.partition("(")[0].split()[2] for line in life.said().splitlines() if line[:8] == "storage "]
            assert lines[:2] == ["does", "answers"] and all(a != b for a, b in itertools.pairwise(lines))
        assert home.ended_twice() == []
        home.finish()
    SURVIVED["connection to PostgreSQL slow, then cut"] += 1


def is_plain(life: Life, secret: str = "-") -> bool:
    """Whether what it said can be read by its user, and by others."""
    return "Traceback" not in life.said() and (secret == "-" or secret not in life.said())


# Disks


@contextmanager
def small_disk(at: Path, megabytes: int) -> Iterator[None]:
    """A disk of its own, which only root may mount."""
    at.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(at)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a disk of its own can be mounted by root alone, in a container that lets it")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


def test_a_disk_that_fills_up_ends_the_study_and_space_lets_it_go_on(scene: Scene, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 160):
        home = Home(scene, tmp_path / "disk")
        shutil.copy(scene.store, home.path / "mlflow.db")
        for runs in (1, RUNS - 2):
            life = home.run()
            life.until(lambda runs=runs: len(home.runs) >= runs)
            fill(home.path / "ballast")
            assert life.end() == 1 and is_plain(life), life.said()
            last = life.said().splitlines()[-1]
            assert "no finished run is lost" in last and ("disk is full" in last or "No space left" in last)
            (home.path / "ballast").unlink()
            home.remember()
            SURVIVED["disk full"] += 1
        home.finish()


def fill(path: Path) -> None:
    """Write until no byte is free."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def test_a_file_that_may_grow_no_further_ends_the_study_and_a_clock_that_jumps_moves_no_number(home: Home) -> None:
    """The first is what a quota does: databases hit it before anything else. Both in one study, to save time."""
    whole = home.scene.folder / "undisturbed" / "shared" / "optuna.db"
    life = home.run(file_bytes=whole.stat().st_size * 9 // 10)
    assert life.end() == 1 and is_plain(life), life.said()
    assert "no finished run is lost" in life.said().splitlines()[-1]
    home.remember()
    SURVIVED["limit on the size of a file"] += 1
    if home.scene.nursery.has_clock:  # a C compiler was there
        assert home.start("worker", last_deed=home.scene.deeds // 3, jumps=SEED).end() == -signal.SIGKILL
        life = home.run(jumps=SEED)
        assert life.end() == 0, life.said()
        SURVIVED["clock that jumps by hours"] += 1
    home.finish()


# Files that are damaged


def test_damaged_files_are_found_and_made_again(home: Home) -> None:
    rng = random.Random(SEED)
    for name, damage in CHECKPOINTS.items():
        path = abandoned(home)
        damage(path, rng)
        life = home.start("worker")
        life.until((path.parent / "record.json").exists)
        life.signal(signal.SIGKILL)
        SURVIVED[f"checkpoint {name}"] += 1
    home.remember()
    damage_marks_and_trials(home)
    home.finish()
    damage_records(home, rng)
    damage_tracking(home)
    synced(home)


def abandoned(home: Home) -> Path:
    """A checkpoint whose process was killed."""
    while True:
        if found := sorted(home.path.glob("shared/runs/*/checkpoint.safetensors")):
            return found[0]
        life = home.start("worker")
        life.until(lambda: any(home.path.glob("shared/runs/*/checkpoint.safetensors")))
        life.signal(signal.SIGKILL)


def truncate(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def flip(path: Path, rng: random.Random) -> None:
    """One bit of a weight or a moment: the header is the smaller part of the file's first half."""
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data) // 2, len(data))] ^= 1 << 6
    path.write_bytes(data)


def clear(path: Path, rng: random.Random) -> None:
    path.write_bytes(b"")


def reshape(path: Path, rng: random.Random) -> None:
    """A sound checkpoint of this trial from before its vocabulary had more words."""
    with safe_open(path, framework="pt") as file:
        meta, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    name = max((name for name in tensors if name.startswith("weight/")), key=lambda name: tensors[name].numel())
    tensors[name] = tensors[name][:-1].clone()
    save_file(tensors, path, metadata={**meta, "content": content(tensors, meta)})


CHECKPOINTS = {"truncated": truncate, "with a bit flipped": flip, "of no bytes": clear, "of another shape": reshape}


def damage_marks_and_trials(home: Home) -> None:
    """The trials are taken from the records again; what has been uploaded is looked for in the store."""
    for mark in home.uploads:
        mark.write_bytes(b"\xff{")
    SURVIVED["damaged marks of uploads"] += 1
    trials = home.path / "shared" / "optuna.db"
    trials.write_bytes(random.Random(SEED).randbytes(40_000))
    life = home.run()
    assert life.end() == 2
    assert str(trials) in life.said().splitlines()[-1] and "delete it" in life.said()
    trials.unlink()
    SURVIVED["damaged optuna.db"] += 1


def damage_records(home: Home, rng: random.Random) -> None:
    """A tuning trial's and a refit's: each is named, and made again once it has been deleted."""
    for phase in ("tune", "refit"):
        path = next(run for run in home.runs if run.parent.name.startswith(phase))
        truncate(path, rng)
        life = home.run()
        assert life.end() == 2
        assert f"{path} is not a run record" in life.said().splitlines()[-1] and "delete it" in life.said()
        path.unlink()
        del home.stamps[path]
        SURVIVED["damaged record"] += 1


def damage_tracking(home: Home) -> None:
    """A new database gets everything that the old one had."""
    (home.path / "mlflow.db").write_bytes(b"no database")
    life = home.run()
    assert life.end() == 0
    assert f"{home.path / 'mlflow.db'} is damaged; move it away, then `suite sync`" in life.said()
    shutil.rmtree(home.path / "mlartifacts")
    shutil.copy(home.scene.store, home.path / "mlflow.db")
    SURVIVED["damaged mlflow.db"] += 1
