"""Laws of records: what is saved is what is loaded, whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import make_trial

from suite.evaluation_spec import CLEAN, EvaluationSpec
from suite.ownership import partial_of, this_process
from suite.records import (
    AlignmentScore,
    Provenance,
    RunRecord,
    Score,
    load_record,
    load_records,
    save_record,
    write_atomically,
)
from suite.trial_spec import AlignmentSpec, Phase, Scale, TaskSpec, TrainSpec, TrialSpec, names_a_folder

FEW = settings(
    deadline=None, derandomize=True, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
LANGUAGES = st.lists(st.text(min_size=1), min_size=2, max_size=4, unique=True)
TASKS = st.builds(
    lambda name, languages, limit: TaskSpec(
        name=name, source=languages[0], targets=tuple(languages[1:]), train_examples=limit
    ),
    st.text(),
    LANGUAGES,
    st.none() | st.integers(2),
)
NAMES = st.text(min_size=1, max_size=20).filter(names_a_folder)
SPECS = st.builds(
    TrialSpec,
    study=NAMES,
    method=NAMES | st.just("package.module:function"),
    phase=st.sampled_from(get_args(Phase)),
    scale=st.builds(
        Scale,
        name=st.from_regex(r"[a-z0-9-]{1,9}", fullmatch=True),
        layers=st.none() | st.integers(1, 48),
        learning_rate=st.none() | st.floats(1e-9, 1),
    ),
    hyperparameters=st.dictionaries(
        st.text(), st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    ),
    learning_rate=st.floats(1e-9, 1),
    task=TASKS,
    train=st.builds(TrainSpec, learning_rate=st.floats(1e-9, 1), dropout=st.floats(0, 0.99)),
    evaluation=st.builds(EvaluationSpec, subsets=st.lists(st.text(), unique=True, max_size=3).map(tuple)),
    alignment=st.builds(AlignmentSpec, pairs=st.integers(20)),
)
ENDINGS = st.one_of(
    st.just({"state": "complete"}),
    st.builds(
        lambda state, why: {"state": state, "reason": why}, st.sampled_from(["pruned", "failed"]), st.text(min_size=1)
    ),
)
RECORDS = st.builds(
    lambda ending, **fields: RunRecord(**ending, **fields),
    ending=ENDINGS,
    spec=SPECS,
    selection=st.none() | st.floats(),
    scores=st.lists(st.builds(Score), max_size=3).map(tuple),
    alignment=st.lists(st.builds(AlignmentScore), max_size=3).map(tuple),
    curve=st.lists(st.tuples(st.integers(), st.text(), st.floats()), max_size=3).map(tuple),
    predictions=st.none() | NAMES,
    provenance=st.none() | st.builds(Provenance),
    seconds=st.dictionaries(st.text(), st.floats(), max_size=3),
    warnings=st.lists(st.text(), max_size=2).map(tuple),
    started=st.text(),
)


@FEW
@given(record=RECORDS)
def test_loading_is_the_inverse_of_saving_a_record(record: RunRecord, tmp_path: Path) -> None:
    """By what they print, as a statistic that is not a number equals nothing, itself included."""
    loaded = load_record(save_record(record, tmp_path))
    assert repr(loaded) == repr(record)
    assert loaded == record or "nan" in repr(record)
    assert loaded.run_id == record.run_id
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_infinities_and_unicode_survive(tmp_path: Path) -> None:
    score = Score(task="住まい 🏠", subset="a\nb", metric="accuracy", language="yo-Ọ̀", value=float("-inf"), n=0)
    record = make_record(scores=(score,), selection=float("inf"), curve=((1, "train/loss", 1e-310), (2, "x", -0.0)))
    path = save_record(record, tmp_path)
    assert load_record(path) == record
    assert "住まい 🏠" in path.read_text(encoding="utf-8"), "records are for people to read too"


# What a record says


def make_record(scores: tuple[Score, ...] = (), **more: Any) -> RunRecord:
    fields: dict[str, Any] = {"spec": make_trial(), "state": "complete", "selection": 0.5} | more
    return RunRecord(scores=scores, **fields)


def make_scores(values: dict[str, float], subset: str = CLEAN, metric: str = "accuracy") -> tuple[Score, ...]:
    return tuple(
        Score(task="t", subset=subset, metric=metric, language=language, value=value, n=10)
        for language, value in values.items()
    )


def with_targets(*targets: str) -> TrialSpec:
    spec = make_trial()
    return dataclasses.replace(spec, task=dataclasses.replace(spec.task, targets=targets))


def test_the_zero_shot_mean_is_over_targets_and_never_the_source() -> None:
    scores = make_scores({"en": 0.9, "de": 0.5, "ru": 0.7}) + make_scores({"en": 0.8, "de": 0.2}, "polarity")
    record = make_record(
        scores + make_scores({"en": 0.1, "de": 0.1}, metric="macro_f1"), spec=with_targets("de", "ru", "sw")
    )
    assert record.by_language() == {"en": 0.9, "de": 0.5, "ru": 0.7}
    assert record.source_score() == 0.9
    assert record.zero_shot_mean() == pytest.approx(0.6)
    assert record.transfer_gap() == pytest.approx(0.3)
    assert record.zero_shot_mean("polarity") == 0.2
    assert record.zero_shot_mean(metric="macro_f1") == 0.1
    assert record.subsets == (CLEAN, "polarity")
    with pytest.raises(ValueError, match="subset 'char-noise' has no score in any target language of run refit-tiny-"):
        record.zero_shot_mean("char-noise")


def test_only_a_run_that_did_not_complete_has_a_reason() -> None:
    with pytest.raises(ValueError, match="a complete run has no reason"):
        make_record(reason="why not")
    with pytest.raises(ValueError, match="a pruned run says why"):
        make_record(state="pruned")


# Files


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda table: table.update(selection="high"), "selection: "),
        (lambda table: table.pop("spec"), "spec: "),
        (lambda table: table.update(extra=1), "extra: "),
        (lambda table: table["spec"]["train"].update(epochs=0), "spec.train: "),
        (lambda table: table.update(state="done"), "state: "),
        (lambda table: table.update(state="failed"), "says why"),
    ],
)
def test_a_broken_record_is_named_with_what_is_wrong_in_one_line(change: Any, fault: str, tmp_path: Path) -> None:
    path = save_record(make_record(), tmp_path)
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))
    with pytest.raises(ValueError) as caught:
        load_record(path)
    message = str(caught.value)
    assert message.startswith(f"{path} is not a run record: ") and fault in message and "\n" not in message


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"spec": {"study"'])
def test_a_torn_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a run record: ") as caught:
        load_record(path)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)


def test_folders_without_a_record_are_unfinished_and_skipped(tmp_path: Path) -> None:
    records = [make_record(spec=make_trial(seed=seed)) for seed in (1, 2)]
    folders = [tmp_path / name for name in ("a", "unfinished", "b")]
    folders[1].mkdir()
    for record, folder in zip(records, folders[::2], strict=True):
        save_record(record, folder)
    assert load_records(folders) == records


def test_a_write_that_fails_leaves_the_old_content_and_no_litter(tmp_path: Path) -> None:
    """On a real short write: the kernel refuses to let the file grow, as on a full disk."""
    path = tmp_path / "record.json"
    write_atomically(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            write_atomically(path, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_half_written_goes_with_the_next_write(tmp_path: Path) -> None:
    path, code = tmp_path / "record.json", "import os, sys, pathlib; from suite.ownership import partial_of\n"
    code += "partial_of(pathlib.Path(sys.argv[1])).write_bytes(b'half'); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    (tmp_path / f".other.json.{this_process()}.partial").touch()
    mine = partial_of(path)
    mine.touch()
    assert len(list(tmp_path.iterdir())) == 2
    write_atomically(path, b"whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == [f".other.json.{this_process()}.partial", "record.json"]


def test_what_cannot_be_put_in_place_leaves_no_litter(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "taken", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_reader_sees_the_old_content_or_the_new_one(tmp_path: Path) -> None:
    path, contents = tmp_path / "new" / "file", [bytes([k]) * 50_000 for k in range(2)]
    write_atomically(path, contents[0])
    torn, stop = [], threading.Event()

    def read() -> None:
        while not stop.is_set():
            if path.read_bytes() not in contents:
                torn.append(True)

    reader = threading.Thread(target=read)
    reader.start()
    for k in range(40):
        write_atomically(path, contents[k % 2])
    stop.set()
    reader.join()
    assert not torn
