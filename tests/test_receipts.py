"""Laws of receipts: what still stands is not made again, and nobody can tell from the bytes whether it was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from finished_studies import finish_study, write_study

from suite.look_log import load_looks
from suite.pipeline import Pipeline
from suite.plan import plan
from suite.study_file import load_study

Bytes = dict[str, bytes]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """A home whose study has ended, was compared and exported once."""
    home = tmp_path_factory.mktemp("finished")
    finish_study(write_study(home, scales=1, seeds=2), home, 8)
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("SUITE_HOME", str(home))
        make(home)
    return home


@pytest.fixture
def home(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it."""
    copy = tmp_path / "home"
    shutil.copytree(finished, copy)
    monkeypatch.setenv("SUITE_HOME", str(copy))
    return copy


def make(home: Path) -> Bytes:
    """Compare and export; returns what is there then."""
    compared = compare(home)
    Pipeline.of(plan(load_study(home / "finished.toml"))).export(home / "results")
    return {"results.json": compared, **exported(home)}


def compare(home: Path) -> bytes:
    """Compare; returns what is there then."""
    pipeline = Pipeline.of(plan(load_study(home / "finished.toml")))
    pipeline.compare()
    return pipeline.runner.folder.results.read_bytes()


def exported(home: Path) -> Bytes:
    """Every exported file."""
    return {str(p.relative_to(home)): p.read_bytes() for p in sorted((home / "results").rglob("*.*"))}


def times(home: Path) -> dict[str, int]:
    """When each was written, and the comparisons."""
    paths = [*(home / "results").rglob("*.*"), home / "finished" / "results.json"]
    return {str(p.relative_to(home)): p.stat().st_mtime_ns for p in paths}


def forget(home: Path) -> None:
    """Delete everything that is made of runs but the log of looks."""
    shutil.rmtree(home / "finished" / "receipts")
    shutil.rmtree(home / "results")
    (home / "finished" / "results.json").unlink()


def test_exported_bytes_are_the_same_with_and_without_receipts(home: Path) -> None:
    written = times(home)
    with_receipts = make(home)
    assert times(home) == written, "what stands was written again"
    forget(home)
    assert make(home) == with_receipts


def test_a_file_that_was_damaged_removed_or_is_one_too_many_is_put_right(home: Path) -> None:
    whole = make(home)
    results = home / "results"
    (results / "main.csv").write_bytes(b"nonsense")
    (results / "report.html").unlink()
    (results / "generalised.csv").write_bytes(b"of an earlier study")  # a table that this study has no rows for
    assert make(home) == whole


def test_comparisons_that_somebody_changed_are_made_again(home: Path) -> None:
    whole = compare(home)
    path = home / "finished" / "results.json"
    path.write_bytes(path.read_bytes().replace(b'"n_seeds": 2', b'"n_seeds": 9', 1))
    assert compare(home) == whole


def change_predictions(run: Path) -> None:
    """Make every prediction of a run right; its times stay what they were."""
    path = run / "predictions.parquet"
    before, table = path.stat(), pq.read_table(path)
    at = table.column_names.index("predicted")
    pq.write_table(table.set_column(at, "predicted", table["label"].cast(pa.int32())), path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def change_record(run: Path) -> None:
    """Make one of a run's scores another, of as many bytes; its times stay what they were."""
    path = run / "record.json"
    before, data = path.stat(), path.read_bytes()
    at = data.index(b'"value": 0.') + len(b'"value": 0.')
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [change_predictions, change_record])
def test_a_run_that_was_changed_is_noticed_whatever_its_time_says(home: Path, change: Callable[[Path], None]) -> None:
    before = compare(home)
    change(next((home / "finished" / "runs").glob("refit-1-layer-adversarial-*")))
    after = compare(home)
    shutil.rmtree(home / "finished" / "receipts")
    assert compare(home) == after
    assert (after != before) == (change is change_predictions)  # comparisons are made of predictions


def test_a_score_that_was_changed_is_exported(home: Path) -> None:
    before = make(home)
    change_record(next((home / "finished" / "runs").glob("refit-1-layer-adversarial-*")))
    assert make(home)["results/main.csv"] != before["results/main.csv"]


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"made_of": 1}', b"\xff\x00"])
def test_a_receipt_that_cannot_be_read_counts_for_nothing(home: Path, damage: bytes) -> None:
    whole = compare(home)
    (home / "finished" / "receipts" / "compare.json").write_bytes(damage)
    assert compare(home) == whole


def test_every_look_is_logged_whether_or_not_it_was_made_anew(home: Path) -> None:
    log = home / "finished" / "looks.jsonl"
    before = load_looks(log)
    compare(home)
    after = load_looks(log)
    assert len(after) == len(before) + 3  # one per robust method
    assert {(k.treatment, k.declared, k.used, k.p) for k in after} == {
        (k.treatment, k.declared, k.used, k.p) for k in before
    }


def test_runs_on_the_same_data_are_sorted_once_and_no_order_changes_a_number(home: Path) -> None:
    whole = compare(home)
    for path in (home / "finished" / "runs").glob("refit-*-seed2-*/predictions.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.take(list(range(len(table)))[::-1]), path)
    assert compare(home) == whole
