"""Laws of tracking, on a real sqlite store and a real server: each datum lands once, and nothing stops a study."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from tracking_studies import METHODS, make_comparison, make_record, make_spec, make_study, save_run, write_study

from suite.naming import parse_metric_name
from suite.ownership import is_dead, this_process
from suite.palette import method_colour
from suite.records import Progress, RunRecord, save_record
from suite.report import exported_files
from suite.spec import StudySpec
from suite.tracking import Tracker, check_tracking, is_uploaded, mask, metrics_of, read_mark, run_name, tracking_uri
from suite.tracking import server as server_module
from suite.tracking.database import make_tables
from suite.tracking.describe import OWNER_TAG, RUN_ID_TAG, curve_of, is_final, params_of, tags_of
from suite.tracking.experiment import _artifact_location
from suite.tracking.links import Refit, pairs
from suite.tracking.mirror import Mirror, connect
from suite.tracking.server import Server, start_server
from suite.tracking.upload import MARK, store_name
from suite.tracking.views import compare_link, view_tags
from suite.trial_spec import TrialSpec


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def store(home: Path) -> str:
    """One database for all tests, as a new one costs seconds; each test has its own experiment."""
    return f"sqlite:///{home / 'mlflow.db'}"


@pytest.fixture(scope="module")
def client(store: str) -> MlflowClient:
    return connect(store)


@pytest.fixture(scope="module")
def server(store: str, home: Path, client: MlflowClient) -> Iterator[Server]:
    with start_server(store, home, port=0) as running:
        yield running


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    return make_study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def spec(study: StudySpec) -> TrialSpec:
    return make_spec(study, "adversarial")


@pytest.fixture
def experiment(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


def runs_of(client: MlflowClient, experiment: str) -> list[Run]:
    found = client.get_experiment_by_name(experiment)
    return [] if found is None else list(client.search_runs([found.experiment_id]))


def points_of(client: MlflowClient, run: Run) -> list[tuple[str, int, float]]:
    """Every point in a run's history, repeated where it was logged twice."""
    names = run.data.metrics
    return sorted((p.key, p.step, p.value) for n in names for p in client.get_metric_history(run.info.run_id, n))


def expected_points(record: RunRecord) -> list[tuple[str, int, float]]:
    finals = [(name, 0, value) for name, value in metrics_of(record).items()]
    return sorted(finals + [(name, step, value) for (name, step), value in curve_of(record).items()])


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for what another thread or process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


# Names and numbers


def test_every_metric_is_of_the_grammar_and_no_curve_shares_a_final_name(spec: TrialSpec) -> None:
    record = make_record(spec)
    metrics = metrics_of(record)
    assert all(parse_metric_name(name).write() == name for name in metrics)
    assert not metrics.keys() & {name for name, _ in curve_of(record)}
    assert all(is_final(name) for name in metrics) and not any(is_final(name) for name, _ in curve_of(record))


def test_metrics_carry_the_records_numbers(spec: TrialSpec) -> None:
    record = make_record(spec)
    metrics = metrics_of(record)
    assert metrics["test.accuracy/de"] == record.by_language()["de"]
    assert metrics["test.char-noise.macro_f1/de"] == record.by_language("char-noise", "macro_f1")["de"]
    assert metrics["zero_shot/mean"] == record.zero_shot_mean()
    assert metrics["zero_shot/gap"] == pytest.approx(metrics["zero_shot/source"] - metrics["zero_shot/mean"])
    assert metrics["zero_shot.char-noise/mean"] == record.zero_shot_mean("char-noise")
    assert metrics["validation.accuracy/final"] == record.selection
    last = [s.value for s in record.alignment if s.metric == "csls_p1" and s.layer == 4]
    assert metrics["alignment/mean"] == pytest.approx(sum(last) / len(last))
    assert metrics["alignment.linear_cka.layer-0/eu"] == next(
        s.value for s in record.alignment if (s.metric, s.layer, s.language) == ("linear_cka", 0, "eu")
    )
    assert len(metrics) == len(record.scores) + len(record.alignment) + 7


def test_alignment_on_a_second_text_does_not_replace_the_first(spec: TrialSpec) -> None:
    record = make_record(spec)
    more = tuple(dataclasses.replace(s, text="sib200", value=s.value / 2) for s in record.alignment)
    both = metrics_of(dataclasses.replace(record, alignment=record.alignment + more))
    assert {k: v for k, v in both.items() if ".sib200." not in k} == metrics_of(record)
    assert both["alignment.sib200.csls_p1.layer-4/de"] == metrics_of(record)["alignment.csls_p1.layer-4/de"] / 2


def test_a_run_without_scores_has_no_metrics(spec: TrialSpec) -> None:
    assert metrics_of(RunRecord(spec=spec, state="failed", reason="out of memory", selection=None)) == {}


def test_run_names_say_what_a_run_is(study: StudySpec) -> None:
    assert run_name(make_spec(study, "adversarial", seed=3)) == "4-layer · adversarial · radius 0.12 · seed 3"
    assert run_name(make_spec(study, "adversarial", phase="tune")) == "4-layer · adversarial · trial 7 · radius 0.12"
    assert run_name(make_spec(study, "standard")) == "4-layer · standard · seed 1"
    assert run_name(make_spec(study, "untouched", phase="checkpoint")) == "4-layer · untouched checkpoint"


def test_arm_method_and_scale_are_both_tags_and_params(spec: TrialSpec) -> None:
    tags, params = tags_of(spec), params_of(spec)
    assert {k: tags[k] for k in ("arm", "method", "scale")} == {k: params[k] for k in ("arm", "method", "scale")}
    assert (tags["arm"], tags["seed"], params["radius"]) == ("robust", "1", "0.12")
    assert "seed" not in params


def test_long_values_are_cut_to_what_mlflow_keeps(spec: TrialSpec) -> None:
    for length in (6000, 6001, 20_000):
        long = params_of(dataclasses.replace(spec, hyperparameters={"neighbours": "x" * length}))["neighbours"]
        assert len(long) == 6000
        assert long.endswith("…") == (length > 6000)


def test_method_colours_are_stable_distinct_and_hexadecimal() -> None:
    named = [method_colour(m) for m in ("standard", "adversarial", "random-perturbation", "data-augmentation")]
    assert len(set(named)) == 4
    assert method_colour("my.module:method") == method_colour("my.module:method")
    assert method_colour("my.module:method") not in named
    assert all(re.fullmatch("#[0-9A-F]{6}", c) for c in [*named, method_colour("my.module:method")])


# Addresses and secrets


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://ann:hunter2@host:5000/x", "https://***@host:5000/x"),
        ("postgresql+psycopg://u:p@ss@db/mlflow", "postgresql+psycopg://***@db/mlflow"),
        ("postgresql://db/mlflow?user=u&password=hunter2", "postgresql://db/mlflow?user=***&password=***"),
        ("cannot reach https://ann:hunter2@host: refused", "cannot reach https://***@host: refused"),
        ("sqlite:////home/ann/mlflow.db", "sqlite:////home/ann/mlflow.db"),
        ("ann@example.org wrote", "ann@example.org wrote"),
    ],
)
def test_mask_hides_credentials_and_nothing_else(text: str, masked: str) -> None:
    assert mask(text) == masked
    assert mask(masked) == masked


def test_environment_comes_before_the_study_and_sqlite_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    assert tracking_uri("http://study", tmp_path) == "http://study"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://environment")
    assert tracking_uri("http://study", tmp_path) == "http://environment"


def test_unreachable_stores_are_refused_in_one_line_within_seconds(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        stores = [
            f"http://ann:hunter2@127.0.0.1:{port}",
            "http://127.0.0.1:1",
            "postgresql://ann:hunter2@127.0.0.1:1/x",
        ]
        for uri in [*stores, str(tmp_path), f"file://{tmp_path}", "http://[bad", "http://127.0.0.1:abc"]:
            begun = time.monotonic()
            with pytest.raises(ValueError, match=r"tracking (server|database|store)") as error:
                check_tracking(uri)
            assert time.monotonic() - begun < 4
            assert "\n" not in str(error.value) and "hunter2" not in str(error.value)


STORES = {
    "a folder": ("sqlite:///{here}", "is a folder, and sqlite keeps a file; write sqlite:///{here}/mlflow.db"),
    "a text": ("sqlite:///{here}/text", "{here}/text is damaged; move it away, then `suite sync`"),
    "below a file": ("sqlite:///{here}/text/a/b.db", "{here}/text is a file; choose another path"),
    "two slashes": ("sqlite://mlflow.db", "lacks a slash; write sqlite:///mlflow.db"),
    "a typo": ("mysqll://ann:hunter2@host/x", "unknown kind of store 'mysqll'; did you mean 'mysql'?"),
    "an alias": ("postgres://ann:hunter2@host/x", "did you mean 'postgresql'?"),
    "a file server": ("ftp://ann:hunter2@host/x", "unknown kind of store 'ftp'"),
}


@pytest.mark.parametrize("store", STORES)
def test_a_store_that_cannot_work_is_refused_before_mlflow_is_asked(store: str, tmp_path: Path) -> None:
    """MLflow itself would try for minutes."""
    (tmp_path / "text").write_text("neither a database nor a folder")
    uri, expected = (text.format(here=tmp_path) for text in STORES[store])
    with pytest.raises(ValueError, match=re.escape(expected)) as error:
        check_tracking(uri)
    assert str(error.value).startswith("tracking store ") and "\n" not in str(error.value)
    assert "hunter2" not in str(error.value) and [path.name for path in tmp_path.iterdir()] == ["text"]


def test_reachable_stores_pass(server: Server, tmp_path: Path) -> None:
    check_tracking(server.url)
    check_tracking(server.url.replace("http://", "http://ann:hunter2@"))
    check_tracking(f"sqlite:///{tmp_path}/not/yet/mlflow.db")
    (tmp_path / "empty.db").touch()
    for uri in (f"sqlite:///{tmp_path}/empty.db", "sqlite://", "sqlite:///:memory:", "databricks", "databricks://us"):
        check_tracking(uri)


def test_no_credential_reaches_the_store(
    client: MlflowClient, store: str, home: Path, spec: TrialSpec, experiment: str, tmp_path: Path
) -> None:
    path = write_study(tmp_path)
    secret = "tracking = 'postgresql://ann:hunter2@db/x'\nhub = 'https://ann:hunter2@hub'\n"
    path.write_text(secret + path.read_text())
    reason = "OSError: https://ann:hunter2@db refused"
    failed = RunRecord(spec=spec, state="failed", reason=reason, selection=None, warnings=(reason,))
    folder = save_run(failed, tmp_path / "runs")
    (folder / "study.toml").write_text(path.read_text())
    with Tracker(store, experiment, path) as tracker:
        tracker.finish(failed, folder)
    run = runs_of(client, experiment)[0]
    assert run.data.tags["reason"] == "OSError: https://***@db refused"
    artifacts = [path for path in (home / "mlartifacts" / experiment).rglob("*") if path.is_file()]
    assert {path.name for path in artifacts} == {"study.toml", "record.json", "pins.txt"}
    for file in [*artifacts, home / "mlflow.db"]:
        assert b"hunter2" not in file.read_bytes(), file


# Uploads


def test_a_finished_run_lands_whole(
    client: MlflowClient, store: str, spec: TrialSpec, experiment: str, tmp_path: Path
) -> None:
    record = make_record(spec)
    folder = save_run(dataclasses.replace(record, predictions="predictions.parquet"), tmp_path)
    (folder / "predictions.parquet").write_bytes(b"synthetic")
    (folder / "curve.png").write_bytes(b"synthetic")
    with Tracker(store, experiment) as tracker:
        tracker.start(spec)
        for step, name, value in record.curve:
            tracker.progress(spec, Progress(step=step, steps=120, metrics={name: value}))
        tracker.finish(record, folder)
    (run,) = runs_of(client, experiment)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "4-layer · adversarial · radius 0.12 · seed 1")
    assert points_of(client, run) == expected_points(record)
    assert tags_of(spec).items() <= run.data.tags.items()
    assert params_of(spec) == run.data.params
    assert run.data.tags["mlflow.runColor"] == method_colour("adversarial")
    assert {a.path for a in client.list_artifacts(run.info.run_id)} == {
        "study.toml",
        "record.json",
        "predictions.parquet",
        "pins.txt",
        "figures",
    }
    inputs = {i.dataset.name: i.dataset.digest for i in run.inputs.dataset_inputs}
    assert inputs.keys() == {"home-intents · train · clean", "home-intents · test · clean"}
    note = run.data.tags["mlflow.note.content"]
    assert f"**{record.zero_shot_mean():.4f}**" in note and "suite refit study.toml --scale 4-layer" in note
    mark = read_mark(folder)
    assert mark is not None and mark.run_id == run.info.run_id and is_uploaded(folder, store)


def test_uploading_again_adds_nothing(
    client: MlflowClient, store: str, spec: TrialSpec, experiment: str, tmp_path: Path
) -> None:
    record = make_record(spec)
    folder = save_run(record, tmp_path)
    for _ in range(2):
        with Tracker(store, experiment) as tracker:
            tracker.sync([folder])
        (folder / MARK).unlink()  # as if the process had died between the upload and the mark
    (run,) = runs_of(client, experiment)
    assert points_of(client, run) == expected_points(record)
    assert len(run.inputs.dataset_inputs) == 2


def test_a_half_uploaded_run_is_completed_in_place(
    client: MlflowClient, store: str, spec: TrialSpec, experiment: str, tmp_path: Path
) -> None:
    record = make_record(spec)
    mirror = Mirror(store, experiment, None, None)
    begun = mirror.start(spec)
    mirror.log_points(begun, {(name, step): value for step, name, value in record.curve[:7]})
    mirror.log_points(begun, {("test.accuracy/de", 0): metrics_of(record)["test.accuracy/de"]})
    mirror.kill(begun, "its study ended")
    with Tracker(store, experiment) as tracker:
        tracker.sync([save_run(record, tmp_path)])
    (run,) = runs_of(client, experiment)
    assert (run.info.run_id, run.info.status, run.data.tags["state"]) == (begun, "FINISHED", "complete")
    assert "reason" not in run.data.tags
    assert points_of(client, run) == expected_points(record)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_nobody_hears_stays_unheard(store: str, experiment: str, number: signal.Signals) -> None:
    """A study that `nohup` began outlives its terminal."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with Tracker(store, experiment):
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_an_attempt_that_measured_otherwise_makes_way(
    client: MlflowClient, store: str, spec: TrialSpec, experiment: str, tmp_path: Path
) -> None:
    record = make_record(spec)
    mirror = Mirror(store, experiment, None, None)
    stale = mirror.start(spec)
    mirror.log_points(stale, {("train/loss", 10): 99.0})
    with Tracker(store, experiment) as tracker:
        tracker.sync([save_run(record, tmp_path)])
    (run,) = runs_of(client, experiment)
    assert run.info.run_id != stale
    assert points_of(client, run) == expected_points(record)


def test_two_uploads_at_once_make_one_run(
    client: MlflowClient, store: str, spec: TrialSpec, experiment: str, tmp_path: Path
) -> None:
    record = make_record(spec)
    folder = save_run(record, tmp_path)
    with ThreadPoolExecutor(2) as both:
        uploads = [both.submit(lambda: Mirror(store, experiment, None, None).upload(folder)) for _ in range(2)]
    assert [upload.exception() for upload in uploads] == [None, None]
    (run,) = runs_of(client, experiment)
    assert points_of(client, run) == expected_points(record)


def test_a_record_that_changed_is_uploaded_anew(
    client: MlflowClient, store: str, spec: TrialSpec, experiment: str, tmp_path: Path
) -> None:
    folder = save_run(make_record(spec), tmp_path)
    with Tracker(store, experiment) as tracker:
        tracker.sync([folder])
        changed = dataclasses.replace(make_record(spec), selection=0.5)
        save_record(changed, folder)
        tracker.sync([folder])
    (run,) = runs_of(client, experiment)
    assert run.data.metrics["validation.accuracy/final"] == 0.5


def test_a_folder_and_its_database_may_move_together(tmp_path: Path) -> None:
    names = {
        store_name(f"sqlite:///{home}/mlflow.db", home / "runs" / "a") for home in (tmp_path / "x", tmp_path / "y")
    }
    assert names == {"sqlite:../../mlflow.db"}


@pytest.mark.parametrize(("state", "status"), [("pruned", "KILLED"), ("failed", "FAILED")])
def test_runs_that_did_not_complete_say_so(
    client: MlflowClient, store: str, study: StudySpec, experiment: str, tmp_path: Path, state: str, status: str
) -> None:
    spec = make_spec(study, "adversarial", phase="tune")
    record = dataclasses.replace(make_record(spec), state=state, reason="below the median at step 60", scores=())
    with Tracker(store, experiment) as tracker:
        tracker.sync([save_run(record, tmp_path)])
    (run,) = runs_of(client, experiment)
    assert run.info.status == status
    assert (run.data.tags["state"], run.data.tags["reason"]) == (state, "below the median at step 60")


def test_values_that_are_not_finite_are_named_rather_than_logged(
    client: MlflowClient,
    store: str,
    spec: TrialSpec,
    experiment: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    record = make_record(spec)
    bad = ((130, "train/loss", float("nan")), (140, "train/loss", float("inf")))
    with Tracker(store, experiment) as tracker:
        tracker.start(spec)
        tracker.progress(spec, Progress(step=130, steps=140, metrics={"train/loss": float("nan")}))
        tracker.finish(record, save_run(dataclasses.replace(record, curve=record.curve + bad), tmp_path))
    (run,) = runs_of(client, experiment)
    assert points_of(client, run) == expected_points(record)
    assert "not finite, so not logged: train/loss at step 130" in run.data.tags["mlflow.note.content"]
    assert any("train/loss at step 140" in message for message in caplog.messages)


def test_the_comparison_is_one_run_updated_in_place_and_holds_exported_files_alone(
    client: MlflowClient, store: str, study: StudySpec, experiment: str, tmp_path: Path
) -> None:
    comparisons = [make_comparison(study, "4-layer", "adversarial")]
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "forest.svg").write_text("<svg/>")
    (tmp_path / "id_rsa").write_text("somebody's own")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "main.csv").write_text("somebody's own")
    for answer in ("first", "second"):
        (tmp_path / "summary.md").write_text(f"The {answer} answer.\n")
        with Tracker(store, experiment) as tracker:
            tracker.comparison(study, comparisons, tmp_path, exported_files(tmp_path))
    (run,) = runs_of(client, experiment)
    assert (run.data.tags["phase"], run.info.run_name, run.info.status) == ("comparison", "comparison", "FINISHED")
    assert "The second answer." in run.data.tags["mlflow.note.content"]
    assert {a.path for a in client.list_artifacts(run.info.run_id)} == {"comparisons.json", "summary.md", "figures"}


def test_a_folder_of_artifacts_too_long_for_a_database_is_named_before_a_run_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sqlite counts no characters; PostgreSQL would refuse each run, without saying of what."""
    deep = tmp_path / ("a" * 120) / ("b" * 60)
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    with pytest.raises(ValueError, match=r"at most 157 characters .*; start from another folder, or track to a server"):
        _artifact_location("postgresql://localhost/tracking", "study")
    assert str(_artifact_location(f"sqlite:///{deep}/mlflow.db", "study")).endswith("/mlartifacts/study")
    assert _artifact_location("http://localhost:5000", "study") is None


def test_a_comparison_without_summary_shows_its_primary_claims(
    client: MlflowClient, store: str, study: StudySpec, experiment: str, tmp_path: Path
) -> None:
    with Tracker(store, experiment) as tracker:
        tracker.comparison(study, [make_comparison(study, "4-layer", "adversarial")], tmp_path, [])
    (run,) = runs_of(client, experiment)
    assert "| 4-layer | adversarial | +0.0400 | [-0.0020, +0.0820] | 0.06 |" in run.data.tags["mlflow.note.content"]


# A store that fails


class Gate:
    """A TCP relay in front of a server, which can be shut: the server is then down for whoever comes through it."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if not self.open:
                near.close()
                continue
            far = socket.create_connection(self._to)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._relay, args=(source, sink), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while self.open and (data := source.recv(65536)):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            source.close()
            sink.close()


def test_a_comparison_that_did_not_get_through_is_tried_again_at_the_end(
    client: MlflowClient,
    server: Server,
    study: StudySpec,
    experiment: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate(int(server.url.rpartition(":")[2]))
    for opens in (False, True):
        gate.open = False
        caplog.clear()
        with Tracker(f"http://127.0.0.1:{gate.port}", experiment) as tracker:
            tracker.comparison(study, [make_comparison(study, "4-layer", "adversarial")], tmp_path, [])
            until(lambda: any("does not answer" in message for message in caplog.messages))
            gate.open = opens
        assert len(runs_of(client, experiment) if opens else []) == opens
        assert any(message.endswith("repeat `suite compare`") for message in caplog.messages) != opens


def test_a_server_that_goes_down_loses_nothing_and_gets_each_datum_once(
    client: MlflowClient,
    server: Server,
    study: StudySpec,
    experiment: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate(int(server.url.rpartition(":")[2]))
    uri = f"http://127.0.0.1:{gate.port}"
    specs = [make_spec(study, method, seed=seed) for method in METHODS for seed in (1, 2)]
    folders = []
    with Tracker(uri, experiment) as tracker:
        for number, spec in enumerate(specs):
            record = make_record(spec)
            tracker.start(spec)
            for step, name, value in record.curve:
                tracker.progress(spec, Progress(step=step, steps=120, metrics={name: value}))
            if number == 2:
                until(lambda: len(runs_of(client, experiment)) == 3)
                gate.open = False
            folders.append(save_run(record, tmp_path))
            tracker.finish(record, folders[-1])
    assert [is_uploaded(folder, uri) for folder in folders] == [True, True, False, False, False, False]
    assert sum("does not answer" in message for message in caplog.messages) == 1
    assert any(message.startswith("4 runs are on disk but not in") for message in caplog.messages)
    gate.open = True
    with Tracker(uri, experiment) as tracker:
        tracker.sync(folders)
    found = {run.data.tags[RUN_ID_TAG]: run for run in runs_of(client, experiment)}
    assert len(found) == len(runs_of(client, experiment)) == len(specs)
    for spec in specs:
        assert points_of(client, found[spec.run_id]) == expected_points(make_record(spec))
        assert found[spec.run_id].info.status == "FINISHED"
    assert all(is_uploaded(folder, uri) for folder in folders)


def test_a_server_that_never_answers_blocks_nobody(spec: TrialSpec, tmp_path: Path) -> None:
    record = make_record(spec)
    folder = save_run(record, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracker = Tracker(f"http://127.0.0.1:{silent.getsockname()[1]}", "silent")
        begun = time.monotonic()
        tracker.start(spec)
        tracker.progress(spec, Progress(step=1, steps=2, metrics={"train/loss": 1.0}))
        tracker.finish(record, folder)
        assert time.monotonic() - begun < 0.1
        tracker.close(seconds=1)
        assert time.monotonic() - begun < 15
    assert read_mark(folder) is None


def test_a_deleted_experiment_is_said_once_and_stops_nothing(
    client: MlflowClient,
    store: str,
    study: StudySpec,
    experiment: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client.delete_experiment(client.create_experiment(experiment))
    with Tracker(store, experiment) as tracker:
        for seed in (1, 2):
            tracker.sync([save_run(make_record(make_spec(study, "standard", seed=seed)), tmp_path)])
    assert sum("mlflow experiments restore" in message for message in caplog.messages) == 1


def test_what_one_run_is_refused_for_costs_the_others_nothing(
    client: MlflowClient,
    store: str,
    study: StudySpec,
    experiment: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    specs = [make_spec(study, "standard", seed=seed) for seed in (1, 2, 3)]
    folders = [save_run(make_record(spec), tmp_path) for spec in specs]
    for folder in folders[:2]:
        (folder / "record.json").write_text("{}")
    with Tracker(store, experiment) as tracker:
        tracker.start(specs[2])
        tracker.progress(specs[2], Progress(step=1, steps=2, metrics={"not of the grammar @": 1.0}))
        tracker.sync(folders)
    assert [is_uploaded(folder, store) for folder in folders] == [False, False, True]
    assert [run.info.status for run in runs_of(client, experiment)] == ["FINISHED"]
    assert sum("is not a run record" in message for message in caplog.messages) == 2
    assert any(message.startswith("2 runs are on disk") for message in caplog.messages)


def test_a_store_of_an_older_mlflow_is_named_with_the_remedy(
    home: Path, client: MlflowClient, spec: TrialSpec, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = tmp_path / "mlflow.db"
    shutil.copy(home / "mlflow.db", old)
    with closing(sqlite3.connect(old)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    with Tracker(f"sqlite:///{old}", "old") as tracker:
        tracker.sync([save_run(make_record(spec), tmp_path)])
    assert any("mlflow db upgrade" in message for message in caplog.messages)


MAKERS = {
    "study": "from suite.tracking.mirror import connect; connect('sqlite:///{path}')",
    "server": "from suite.tracking import start_server; from pathlib import Path\n"
    "start_server('sqlite:///{path}', Path('{path}').parent, port=0)",
}


@pytest.mark.parametrize("maker", MAKERS)
def test_a_kill_while_the_tables_are_made_leaves_no_store_and_the_next_start_makes_it(
    maker: str, tmp_path: Path
) -> None:
    path, partial = tmp_path / "mlflow.db", tmp_path / ".mlflow.db.partial"
    for size in (1, 100_000, 250_000):
        code = MAKERS[maker].format(path=path)
        child = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, start_new_session=True)
        until(lambda size=size: partial.exists() and partial.stat().st_size >= size)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert partial.exists() and not path.exists()
    (tmp_path / "mlflow.db-journal").write_bytes(b"of a store that was moved away")
    connect(f"sqlite:///{path}")
    partial.touch()  # whose store was put back from a backup
    connect(f"sqlite:///{path}")
    assert [file.name for file in tmp_path.iterdir() if "db" in file.name] == ["mlflow.db"]


def test_a_store_with_a_part_of_the_tables_is_named_with_the_remedy(
    spec: TrialSpec, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As MLflow leaves it when it is killed while it makes them itself."""
    half, whole = tmp_path / "half" / "mlflow.db", tmp_path / "whole" / "mlflow.db"
    make_tables(whole)
    half.parent.mkdir()
    shutil.copy(whole, half)
    with closing(sqlite3.connect(half)) as database, database:
        database.execute("DROP TABLE secrets")
        database.execute("UPDATE alembic_version SET version_num = '3da73c924c2f'")
    line = (
        f"{half} has only a part of MLflow's tables, as their making was interrupted; move it away, then `suite sync`"
    )
    with Tracker(f"sqlite:///{half}", "half") as tracker:
        tracker.sync([save_run(make_record(spec), tmp_path)])
    said = caplog.text
    assert line in said and "the next start" not in said and "once the store is moved away" in said
    with pytest.raises(ValueError, match=re.escape(line)):
        start_server(f"sqlite:///{half}", half.parent, port=0)


# Processes that end


CHILD = """
    import signal, sys, time
    from pathlib import Path
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born deaf to it
    sys.path.insert(0, {tests!r})
    from tracking_studies import make_spec, make_study
    from suite.records import Progress
    from suite.tracking import Tracker

    spec = make_spec(make_study(Path({folder!r})), "adversarial")
    with Tracker({store!r}, {experiment!r}) as tracker:
        tracker.start(spec)
        tracker.progress(spec, Progress(step=10, steps=120, metrics={{"train/loss": 1.5}}))
        time.sleep(60)
"""


def test_a_killed_study_leaves_no_run_running(
    client: MlflowClient, store: str, experiment: str, tmp_path: Path
) -> None:
    tests = Path(__file__).parent
    children = {}
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        folder = tmp_path / str(int(number))  # each writes its study file
        folder.mkdir()
        code = CHILD.format(tests=str(tests), folder=str(folder), store=store, experiment=f"{experiment}-{number}")
        children[number] = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=tests.parent)
    for number, child in children.items():
        name = f"{experiment}-{number}"
        until(lambda name=name: any("train/loss" in run.data.metrics for run in runs_of(client, name)))
        child.send_signal(number)
    for number, child in children.items():
        assert child.wait(30) != 0
        (run,) = runs_of(client, f"{experiment}-{number}")
        if number == signal.SIGKILL:  # nothing runs after it: the next start of the study tidies up
            assert run.info.status == "RUNNING"
            Mirror(store, f"{experiment}-{number}", None, None)
            (run,) = runs_of(client, f"{experiment}-{number}")
        assert (run.info.status, run.data.tags["state"]) == ("KILLED", "killed")


def test_a_living_owner_keeps_its_run(client: MlflowClient, store: str, spec: TrialSpec, experiment: str) -> None:
    Mirror(store, experiment, None, None).start(spec)
    Mirror(store, experiment, None, None)
    (run,) = runs_of(client, experiment)
    assert run.info.status == "RUNNING" and run.data.tags[OWNER_TAG] == this_process()


def test_only_processes_known_to_be_gone_are_dead() -> None:
    host, pid, start = this_process().split(":")
    zombie = subprocess.Popen(["true"])
    until(lambda: is_dead(f"{host}:{zombie.pid}:1"))
    zombie.wait()
    assert not is_dead(this_process())
    assert is_dead(f"{host}:{pid}:{int(start) + 1}"), "a later process of the same id is another one"
    assert is_dead(f"{host}:{zombie.pid}:1")
    assert not is_dead(f"elsewhere:{zombie.pid}:1"), "nothing is known of another host"
    assert not is_dead("") and not is_dead("nonsense")


# Pages and server


def test_the_best_robust_method_is_chosen_without_looking_at_the_test_split() -> None:
    def refit(method: str, seed: int, selection: float) -> Refit:
        return Refit(run_id=f"{method}{seed}", scale="4-layer", method=method, seed=seed, selection=selection)

    refits = [refit("a", 2, 0.8), refit("a", 3, 0.9), refit("b", 1, 0.7), refit("b", 2, 0.95)]
    robust, standard = pairs([*refits, refit("standard", 2, 0.9), refit("standard", 1, 0.9)], "standard")["4-layer"]
    assert (robust.run_id, standard.run_id) == ("a2", "standard2")
    assert pairs(refits, "standard") == {}


def test_compare_links_name_their_runs_first() -> None:
    link = compare_link("http://127.0.0.1:5000/", "1", ["a", "b"])
    assert link.startswith(
        "http://127.0.0.1:5000/#/compare-runs?runs=%5B%22a%22%2C%22b%22%5D&experiments=%5B%221%22%5D"
    )


def test_prepared_views_fit_an_experiment_tag(study: StudySpec) -> None:
    names = [f"alignment.metric_{m}.layer-{k}/{code}" for m in range(12) for k in range(13) for code in ("de", "es")]
    assert max(map(len, view_tags([*names, *metrics_of(make_record(make_spec(study, "standard")))]).values())) < 20_000


def test_a_taken_port_is_refused_with_its_holder(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="already answers at"):
        start_server("sqlite://", tmp_path, int(server.url.rpartition(":")[2]))
    with (
        socket.create_server(("127.0.0.1", 0)) as holder,
        pytest.raises(ValueError, match=r"port \d+: .*(process \d+, python|lsof).*--port"),
    ):
        start_server("sqlite://", tmp_path, holder.getsockname()[1])


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ended at once: .+ \(all of it is in .*mlflow-server.log\)"):
        start_server("nonsense://store", tmp_path, port=0)


def test_the_plain_script_and_the_suite_serve_alike(tmp_path: Path) -> None:
    script = (Path(__file__).parent.parent / "mlflow_server" / "serve.sh").read_text()
    command = script[script.index("exec mlflow server") :]
    options = {word for word in server_module.server_command(tmp_path, 5000) if word.startswith("--")}
    assert {word for word in command.split() if word.startswith("--")} == options
    for name, value in server_module.ENVIRONMENT.items():
        assert f"{name}={value}" in script
