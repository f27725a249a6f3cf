"""Laws of a storage that goes away: it is waited for, training is not held up, and nothing is done twice."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from fault_network import Line
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import TrialState, create_trial
from team_server import Postgres
from worker_studies import Formula, write_study

from suite.spec import TuneSpec
from suite.storage import StudyFolder
from suite.tuning import Search, check_storage, open_claims, open_storage
from suite.tuning.outage import Outage, StorageAway
from suite.tuning.patient import Patient, spare
from suite.tuning.service import shared_storage
from suite.working import work

Rows = list[tuple[int, str, dict[str, float], dict[int, float], list[float] | None]]
TRIALS = 5


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("SUITE_STORAGE", "SUITE_STORAGE_WAIT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("suite.tuning.outage.FIRST_PAUSE", 0.4)
    yield
    shared_storage.cache_clear()


@pytest.fixture
def study_file(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return write_study(tmp_path, tiny_checkpoint)


def outage(limit: float = 600.0) -> Outage:
    return Outage("storage x://***@host/y", limit, lambda e: str(e) if isinstance(e, StorageAway) else None)


class Flaky:
    """A call that fails so many times."""

    def __init__(self, failures: float) -> None:
        self.failures = failures
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise StorageAway("no route to host")
        return "answer"


# Who waits, and what is said


def test_a_single_cut_is_made_good_at_once_and_unsaid(caplog: pytest.LogCaptureFixture) -> None:
    started = time.monotonic()
    assert outage().ask(Flaky(1)) == "answer"
    assert time.monotonic() - started < 0.5 and caplog.records == []


def test_an_outage_is_said_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    one = outage()
    assert one.ask(Flaky(3)) == "answer"
    one.end()
    away, back = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert away == (
        "storage x://***@host/y does not answer (no route to host): training goes on, what needs it waits up to 600 s"
    )
    assert back == "storage x://***@host/y answers again after 1 s"  # 0.4 and 0.8


def test_who_waits_is_woken_by_whoever_finds_the_storage_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.tuning.outage.FIRST_PAUSE", 20.0)
    one, calls = outage(), Flaky(2)
    threading.Timer(0.1, one.end).start()
    started = time.monotonic()
    assert one.ask(calls) == "answer"
    assert time.monotonic() - started < 10


def test_after_the_limit_the_call_fails_with_the_reason() -> None:
    started = time.monotonic()
    with pytest.raises(StorageAway, match=r"has not answered for 0\.3 s \(no route to host\)"):
        outage(0.3).ask(Flaky(1e9))
    assert 0.3 <= time.monotonic() - started < 1.5


def test_what_the_caller_did_wrong_is_not_tried_again() -> None:
    calls = []
    with pytest.raises(KeyError):
        outage().ask(lambda: (calls.append(1), {}["missing"]))
    assert calls == [1]


def test_what_can_be_left_out_waits_for_nothing() -> None:
    one, storage = outage(), InMemoryStorage()
    flaky = Flaky(1e9)
    started = time.monotonic()
    patient = Patient(storage, one)
    assert not spare(patient, lambda: one.ask(flaky)) and flaky.calls == 2
    assert not spare(patient, lambda: one.ask(flaky)) and flaky.calls == 2  # known to be away: not even tried
    assert not spare(patient, lambda: one.ask(flaky), probe=True) and flaky.calls == 4
    assert time.monotonic() - started < 0.5
    study = optuna.create_study(storage=patient, study_name="s")  # which finds it back
    assert spare(patient, lambda: study.set_user_attr("a", 1)) and storage.get_study_user_attrs(0) == {"a": 1}


def test_a_bad_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("soon", "-1", "nan", "inf"):
        monkeypatch.setenv("SUITE_STORAGE_WAIT", text)
        with pytest.raises(ValueError, match="SUITE_STORAGE_WAIT is a number of seconds, 0 or more, got"):
            check_storage(None)


def test_nobody_is_taken_for_dead_who_could_not_be_heard() -> None:
    storage = Patient(InMemoryStorage(), outage())
    claims = open_claims(storage, "study", "one@home", patience=0.3)
    attributes = {"work": "a", "turn": 0, "owner": "another-host:1:1#0", "home": "one@/home", "beat": 0}
    claims.log.add_trial(create_trial(state=TrialState.RUNNING, user_attrs=attributes))
    claims.read()
    assert not claims.is_free("a")
    storage.outage._begin("no route to host")
    time.sleep(0.4)  # longer than its patience
    claims.read()  # finds it back
    assert not claims.is_free("a")
    time.sleep(0.4)  # as long again, and now it could have been heard
    assert claims.is_free("a")


def test_a_claim_entered_twice_is_held_once() -> None:
    """As it may be where an attempt that was taken for lost reaches the storage after all."""

    class Doubled(InMemoryStorage):
        def create_new_trial(self, study_id: int, template_trial: Any = None) -> int:
            first = super().create_new_trial(study_id, template_trial)
            super().create_new_trial(study_id, template_trial)
            return first

    claims = open_claims(Doubled(), "study", "one@home")
    claim = claims.take("a")
    assert claim is not None
    with claim:
        pass
    assert [entry.state for entry in claims.read()] == [TrialState.COMPLETE, TrialState.FAIL]
    assert not open_claims(claims.log._storage, "study", "two@home").is_free("a")


# A real database


def address(cluster: Postgres, name: str, port: int) -> str:
    url = cluster.database("createdb", name).replace("@", f":{cluster.password}@", 1)
    return url.replace(f":{cluster.port}/", f":{port}/")


def test_a_wrong_password_is_refused_at_once(cluster: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    url = address(cluster, "locked", cluster.port)
    monkeypatch.setenv("SUITE_STORAGE", url.replace(cluster.password, "hunter2"))
    started = time.monotonic()
    with pytest.raises(ValueError, match=r"SUITE_STORAGE cannot be opened .*password authentication failed"):
        check_storage(None)
    assert time.monotonic() - started < 5


def searched(path: Path, storage: BaseStorage) -> Rows:
    """The trials of one (scale, method) after one worker searched it."""
    runner = Formula.of(path)
    object.__setattr__(runner.study, "tune", TuneSpec(trials=TRIALS, startup_trials=3, generation=2))
    search = Search(runner, runner.study.scale[0], runner.study.method[1], storage)  # type: ignore[arg-type]  # stands for one
    claims = open_claims(storage, runner.study.name, "one@home")
    numbers = [record.spec.number for record in work(claims, search.works)]
    assert sorted(map(int, filter(lambda n: n is not None, numbers))) == [*range(TRIALS)]  # none is run twice
    assert Counter(entry.state for entry in claims.read()) == {TrialState.COMPLETE: TRIALS}
    trials = search.study.get_trials()
    return [(t.number, t.state.name, t.params, t.intermediate_values, t.values) for t in trials]


def test_where_the_answer_to_every_other_commit_is_lost_nothing_is_made_or_told_twice(
    study_file: Path, cluster: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Line(cluster.port, random.Random(0)) as line:
        monkeypatch.setenv("SUITE_STORAGE", address(cluster, "lossy", line.port))
        storage = open_storage(None, StudyFolder(tmp_path))
        line.unanswered = b"COMMIT"
        rows = searched(study_file, storage)
        line.unanswered = b""
    assert rows == searched(study_file, InMemoryStorage())
    assert line.cuts > 4 * TRIALS


Moment = tuple[str, Callable[..., bool]]
MOMENTS: dict[str, Moment] = {
    "claim": ("create_new_trial", lambda study_id, template: "owner" in template.user_attrs),
    "ask": ("create_new_trial", lambda study_id, template: "owner" not in template.user_attrs),
    "report": ("set_trial_intermediate_value", lambda *_: True),
    "tell": ("set_trial_state_values", lambda trial_id, state, values: state.is_finished()),
}


def test_a_database_that_restarts_at_any_moment_is_waited_for_by_the_same_process(
    study_file: Path,
    cluster: Postgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = address(cluster, "restarted", cluster.port)
    monkeypatch.setenv("SUITE_STORAGE", url)
    storage = open_storage(None, StudyFolder(tmp_path))
    assert isinstance(storage, Patient)
    left = dict(MOMENTS)
    starts: list[threading.Thread] = []

    def watched(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            for moment, (method, wanted) in left.items():
                # One after the other: the next one once the storage is back.
                if method == name and wanted(*arguments) and all(not start.is_alive() for start in starts):
                    del left[moment]
                    cluster.kill()
                    starts.append(threading.Thread(target=cluster.start))
                    starts[-1].start()
                    break
            return act(*arguments)

        return call

    for name in {method for method, _ in MOMENTS.values()}:
        setattr(storage.storage, name, watched(name, getattr(storage.storage, name)))
    rows = searched(study_file, storage)
    for start in starts:
        start.join()
    assert left == {} and rows == searched(study_file, InMemoryStorage())
    said = [record.getMessage() for record in caplog.records if record.name == "suite.tuning"]
    assert [" answers again after " in line for line in said] == [False, True] * len(MOMENTS)
    assert all(cluster.password not in line and "\n" not in line for line in said)
