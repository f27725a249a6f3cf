"""Laws of shared work: rows are the same for any number of workers in any order, and a dead worker loses no trial."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.trial import TrialState, create_trial
from team_server import free_port, postgres, postgres_binaries
from worker_studies import RUNS, TRIALS, Formula, alone, await_claim, exported, settings, start, write_study

from suite.cli import main
from suite.running import Runner, untouched_spec
from suite.spec import StudySpec, TuneSpec
from suite.storage import StudyFolder
from suite.study_file import load_study
from suite.tuning import Claims, Search, check_storage, open_claims, open_storage
from suite.tuning.sampler import Generations
from suite.tuning.service import shared_storage
from suite.working import home_name, refit, work

POSTGRES = postgres_binaries()
Row = tuple[int, str, dict[str, float], dict[int, float]]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache_dir: Path) -> None:
    """No test touches the settings or the home of whoever runs it."""
    for name in ("MLFLOW_TRACKING_URI", "SUITE_STORAGE", "SUITE_HUB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SUITE_CACHE", str(cache_dir))


@pytest.fixture
def study_file(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return write_study(tmp_path, tiny_checkpoint)


# What a trial may know


@pytest.mark.parametrize("random_trials", [1, 3])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_trial_sees_whole_earlier_generations_only(random_trials: int, size: int) -> None:
    starts = [Generations(random_trials, size).start(n) for n in range(40)]
    assert starts == sorted(starts)
    assert all(start <= number for number, start in enumerate(starts))
    assert {starts.count(start) for start in set(starts[random_trials:-size])} <= {size}
    assert starts[:random_trials] == [0] * random_trials


def test_generations_of_one_are_a_search_one_trial_after_the_other() -> None:
    assert [Generations(2, 1).start(n) for n in range(6)] == [0, 0, 2, 3, 4, 5]


def searched(path: Path, workers: int, storage: BaseStorage, trials: int, generation: int, seed: int = 0) -> list[Row]:
    """The trials of one (scale, method) after some workers searched it together, each at its own pace."""

    def join(place: int) -> None:
        rng = random.Random(100 * seed + place)
        pace = (lambda: 0.02 * rng.random()) if workers > 1 else (lambda: 0.0)
        runner = Formula.of(path, pace)
        tune = TuneSpec(trials=trials, startup_trials=4, generation=generation)
        object.__setattr__(runner.study, "tune", tune)
        search = Search(runner, runner.study.scale[0], runner.study.method[1], storage)  # type: ignore[arg-type]
        for _ in work(open_claims(storage, runner.study.name, "one@home"), search.works):
            pass

    threads = [threading.Thread(target=join, args=(place,)) for place in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (name,) = (s.study_name for s in storage.get_all_studies() if not s.study_name.endswith("/claims"))
    found = optuna.load_study(study_name=name, storage=storage).get_trials()
    return [(t.number, t.state.name, t.params, t.intermediate_values) for t in found if t.state.is_finished()]


@pytest.mark.parametrize("generation", [1, 3, 8])
def test_rows_do_not_depend_on_the_number_of_workers_nor_on_their_order(study_file: Path, generation: int) -> None:
    one = searched(study_file, 1, InMemoryStorage(), 24, generation)
    assert {state for _, state, _, _ in one} == {"COMPLETE", "PRUNED", "FAIL"}
    for workers in (2, 5):
        for seed in (1, 2):
            assert searched(study_file, workers, InMemoryStorage(), 24, generation, seed) == one


def test_larger_generations_are_another_search(study_file: Path) -> None:
    by_one, by_eight = (searched(study_file, 1, InMemoryStorage(), 16, size) for size in (1, 8))
    assert by_one[:5] == by_eight[:5] and by_one != by_eight


def test_more_trials_go_on_with_those_there_are(study_file: Path) -> None:
    storage = InMemoryStorage()
    searched(study_file, 3, storage, 10, 2)
    assert searched(study_file, 1, storage, 16, 2) == searched(study_file, 1, InMemoryStorage(), 16, 2)


def test_a_trial_taken_up_again_is_pruned_where_it_would_have_been(study_file: Path) -> None:
    """The dead worker may have reported more of the curve than its successor has come to."""
    whole = InMemoryStorage()
    expected = searched(study_file, 1, whole, 12, 2)
    cut = InMemoryStorage()
    searched(study_file, 1, cut, 8, 2)
    (name,) = (s.study_name for s in cut.get_all_studies() if not s.study_name.endswith("/claims"))
    left = optuna.load_study(study_name=name, storage=cut)
    for number, _, _, curve in expected[8:]:
        left.add_trial(create_trial(state=TrialState.RUNNING, intermediate_values=curve))
        assert left.get_trials()[number].state is TrialState.RUNNING
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Optuna warns of a step that is reported twice
        assert searched(study_file, 2, cut, 12, 2) == expected


def test_the_size_of_a_generation_is_a_law_of_the_study(study_file: Path) -> None:
    with pytest.raises(ValueError, match="generation is at least 1, got 0"):
        TuneSpec(trials=2, generation=0)
    plain, named = (study_file.read_text().replace("generation = 2\n", more) for more in ("", "generation = 1\n"))
    digests = []
    for text in (plain, named):
        study_file.write_text(text)
        digests.append(load_study(study_file).digest)
    assert digests[0] == digests[1]  # studies from before it was there stay theirs


# Who does what


@pytest.fixture
def storage(tmp_path: Path) -> RDBStorage:
    return RDBStorage(f"sqlite:///{tmp_path}/claims.db", engine_kwargs={"connect_args": {"timeout": 60}})


def claims_of(storage: BaseStorage, patience: float = 60.0, home: str = "one@/home") -> Claims:
    return open_claims(storage, "study", home, patience)


def test_of_many_workers_one_has_each_work(storage: RDBStorage) -> None:
    had: list[str] = []

    def join(claims: Claims) -> None:
        for name in "abcd":
            claim = claims.take(name)
            if claim is not None:
                with claim:
                    had.append(name)

    # All are there before any work ends: what had ended before a worker came may be asked for again.
    threads = [threading.Thread(target=join, args=(claims_of(storage),)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(had) == list("abcd")
    claims = claims_of(storage)
    assert all(claims.is_done(name) or claims.take(name) for name in "abcd")  # done before it came: may be asked again


def test_work_that_is_given_up_is_free_at_once(storage: RDBStorage) -> None:
    first, second = claims_of(storage), claims_of(storage)
    with pytest.raises(KeyboardInterrupt):
        claim = first.take("a")
        assert claim is not None
        with claim:
            second.read()
            assert second.take("a") is None
            raise KeyboardInterrupt
    second.read()
    assert second.take("a") is not None


def test_a_dead_process_of_this_host_loses_its_work_at_once(storage: RDBStorage, tmp_path: Path) -> None:
    claims_of(storage)
    code = f"""
import os, signal
from optuna.storages import RDBStorage
from suite.tuning import open_claims
with open_claims(RDBStorage("sqlite:///{tmp_path}/claims.db"), "study", "one@/home").take("a"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert claims_of(storage, patience=1e9).take("a") is not None


def test_a_worker_of_another_host_loses_its_work_after_silence_and_not_before(storage: RDBStorage) -> None:
    claims = claims_of(storage, patience=0.4)
    attributes = {"work": "a", "turn": 0, "owner": "another-host:1:1#0", "home": "one@/home", "beat": 0}
    claims.log.add_trial(create_trial(state=TrialState.RUNNING, user_attrs=attributes))
    entry = claims.log.get_trials()[0]
    for beat in range(1, 4):  # it lives, however slow its clock is
        claims.log._storage.set_trial_user_attr(entry._trial_id, "beat", beat)
        claims.read()
        assert claims.take("a") is None
        time.sleep(0.3)
    time.sleep(0.2)
    claims.read()
    assert claims.take("a") is not None


def test_a_deleted_record_is_made_again_and_one_of_another_home_is_not(storage: RDBStorage) -> None:
    claim = claims_of(storage).take("a")
    assert claim is not None
    with claim:
        pass
    assert claims_of(storage, home="two@/other").is_done("a")
    assert claims_of(storage, home="two@/other").take("a") is None
    assert claims_of(storage, home="one@/mounted/elsewhere").take("a") is not None


def test_a_home_has_one_name_whoever_asks_first(tmp_path: Path) -> None:
    folder, names = StudyFolder(tmp_path / "study"), set[str]()
    threads = [threading.Thread(target=lambda: names.add(home_name(folder))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 1
    assert os.listdir(folder.root) == ["home"]


def test_records_of_another_home_are_asked_for(study_file: Path, storage: RDBStorage, tmp_path: Path) -> None:
    spec: StudySpec = load_study(study_file)
    runner = Runner(study=spec, folder=StudyFolder(tmp_path / "here"), hub_root=None, observers=())
    there = claims_of(storage, home="two@/there")
    run_id = untouched_spec(spec, spec.scale[0]).run_id
    claim = there.take(run_id)
    assert claim is not None
    with claim:
        pass
    with pytest.raises(ValueError, match=f"1 runs have ended in another home, such as {run_id} in .*:/there; copy"):
        list(refit(runner, claims_of(storage, home=home_name(runner.folder)), [], spec.scale))


def test_an_unlike_machine_is_told_in_what(storage: RDBStorage) -> None:
    claims = claims_of(storage)
    assert claims.others({"processor": "A", "threads": "2"}) == []
    assert claims_of(storage).others({"processor": "A", "threads": "4"}) == ["threads 4 instead of 2"]


def test_a_storage_that_cannot_be_opened_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("postgresql://ann:hunter2@127.0.0.1:1/x", "grpc://127.0.0.1"):
        monkeypatch.setenv("SUITE_STORAGE", url)
        with pytest.raises(ValueError, match="SUITE_STORAGE cannot be opened") as error:
            check_storage(None)
        assert "hunter2" not in str(error.value) and "\n" not in str(error.value)


def test_a_new_storage_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    opened: list[BaseStorage] = []
    threads = [
        threading.Thread(target=lambda: opened.append(open_storage(None, StudyFolder(tmp_path)))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 6


def test_optunas_proxy_serves_workers_and_is_waited_for(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("grpc", reason="pip install grpcio")
    port = free_port()
    code = (
        "from optuna.storages import RDBStorage, run_grpc_proxy_server as serve\n"
        f"serve(RDBStorage('sqlite:///{tmp_path}/proxied.db'), host='127.0.0.1', port={port})"
    )
    servers: list[subprocess.Popen[bytes]] = []

    def serve() -> None:
        for server in servers:
            server.kill()
            server.wait()
        servers.append(subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stderr=subprocess.DEVNULL))

    serve()
    restart = threading.Timer(0.3, serve)
    try:
        monkeypatch.setenv("SUITE_STORAGE", f"grpc://127.0.0.1:{port}")
        check_storage(None)
        proxy = open_storage(None, StudyFolder(tmp_path))
        restart.start()
        rows = searched(study_file, 2, proxy, 16, 2)
        assert rows == searched(study_file, 1, InMemoryStorage(), 16, 2)
        assert f"storage grpc://127.0.0.1:{port} does not answer" in caplog.text and "answers again" in caplog.text
    finally:
        restart.join()
        servers[-1].kill()
        servers[-1].wait()
        shared_storage.cache_clear()


# Whole studies


@pytest.fixture(scope="module")
def undisturbed(
    tiny_checkpoint: Path, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, bytes]]:
    """A study's file, and its tables when one process runs it from beginning to end."""
    home = tmp_path_factory.mktemp("alone")
    path = write_study(home, tiny_checkpoint)
    return path, alone(path, home, cache_dir)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    if POSTGRES is None:
        pytest.skip("no PostgreSQL on this machine (apt install postgresql)")
    pytest.importorskip("psycopg", reason="pip install '.[postgresql]'")
    with postgres(POSTGRES) as running:
        url = running.database("createdb", "optuna")
        yield url.replace(f"{running.user}@", f"{running.user}:{running.password}@")


def test_of_two_workers_on_postgresql_one_is_killed_and_the_tables_are_the_same(
    undisturbed: tuple[Path, dict[str, bytes]],
    database: str,
    cache_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, expected = undisturbed
    environment = settings(tmp_path, cache_dir, SUITE_STORAGE=database)
    words = ["worker", path, "--quiet"]
    workers = [start(words, environment) for _ in range(2)]
    storage = RDBStorage(database)
    victim = workers[0]
    owner = await_claim(storage, lambda o: o.split(":")[1] == str(victim.pid), lambda: victim.poll() is None)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.communicate()
    _, err = workers[1].communicate(timeout=300)
    assert workers[1].returncode == 0, err[-3000:]
    claims = optuna.load_study(study_name="shared/claims", storage=storage).get_trials()
    lost = [
        c.user_attrs["work"] for c in claims if c.user_attrs["owner"].startswith(owner) and not c.state.is_finished()
    ]
    again = [c for c in claims if c.user_attrs["work"] in lost and c.user_attrs["turn"] == 1]
    assert len(lost) == 1 and [c.state for c in again] == [TrialState.COMPLETE]
    assert len(list(tmp_path.glob("shared/runs/*/record.json"))) == RUNS
    for name in {s.study_name for s in storage.get_all_studies()} - {"shared/claims"}:
        assert len(optuna.load_study(study_name=name, storage=storage).trials) == TRIALS
    monkeypatch.setenv("SUITE_HOME", str(tmp_path))
    monkeypatch.setenv("SUITE_STORAGE", database)
    assert exported(path, tmp_path) == expected


def test_workers_with_homes_of_their_own_make_the_same_tables_once_their_runs_are_in_one(
    undisturbed: tuple[Path, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expected = undisturbed
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("SUITE_STORAGE", f"sqlite:///{tmp_path}/optuna.db")
    monkeypatch.setenv("SUITE_HOME", str(first))
    assert main(["tune", str(path), "--quiet"]) == 0
    assert main(["worker", str(path), "--quiet", "--home", str(second)]) == 0
    monkeypatch.setenv("SUITE_HOME", str(first))
    counts = [len(list(home.glob("shared/runs/*/record.json"))) for home in (first, second)]
    assert counts == [2 * TRIALS, RUNS - 2 * TRIALS]
    assert main(["refit", str(path), "--quiet"]) == 2  # says whose records are missing
    shutil.copytree(second / "shared" / "runs", first / "shared" / "runs", dirs_exist_ok=True)
    assert exported(path, first) == expected
