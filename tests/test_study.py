"""A whole study on a tiny random model and real texts: run, stopped, resumed, repeated, compared, exported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from suite.records import RunRecord, load_record

STUDY = """
name = "tiny"
question = "Does the whole pipeline hold together?"

[task]
name = "home-intents"
targets = ["de", "zh"]
train_examples = 96
validation_examples = 44
test_examples = 44

[[scale]]
name = "3-layer"
checkpoint = "{checkpoint}"

[[scale]]
name = "1-layer"
checkpoint = "{checkpoint}"
layers = 1

[[method]]
name = "standard"

[[method]]
name = "adversarial"
radius = {{ low = 0.02, high = 0.2, log = true }}

[[method]]
name = "random-perturbation"
noise = 0.3
samples = {{ low = 1, high = 2 }}

[[method]]
name = "data-augmentation"
neighbours = 3

[train]
epochs = 2
batch_size = 16
learning_rate = {{ low = 1e-3, high = 1e-2, log = true }}
max_length = 32
validations = 3

[tune]
trials = 2
startup_trials = 1

[refit]
seeds = [1, 2]

[evaluation]
subsets = ["polarity-pairs", "unseen-templates", "char-noise", "code-mixed"]
attack_radius = 0.05
attack_steps = 1
attack_examples = 8
word_attack_queries = 6
smoothing_samples = 20

[alignment]
metrics = ["csls_p1", "linear_cka"]
pairs = 30
"""
RUNS = 2 * (4 * (2 + 2) + 1)


@pytest.fixture(scope="module")
def study_file(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "tiny.toml"
    path.write_text(STUDY.format(checkpoint=tiny_checkpoint))
    return path


def suite(arguments: Sequence[str], home: Path, cache_dir: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "SUITE_HOME": str(home), "SUITE_CACHE": str(cache_dir), "SUITE_HUB": ""}
    environment.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.Popen(
        [sys.executable, "-m", "suite", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def call(arguments: Sequence[str], home: Path, cache_dir: Path, code: int = 0) -> tuple[str, str]:
    process = suite(arguments, home, cache_dir)
    out, err = process.communicate(timeout=400)
    assert process.returncode == code, err[-3000:]
    return out, err


def numbers(home: Path) -> dict[str, object]:
    """What must not depend on when or how often a study was stopped: every record without times."""
    found = {}
    for path in sorted(home.glob("tiny/runs/*/record.json")):
        table = json.loads(path.read_text())
        found[path.parent.name] = {k: v for k, v in table.items() if k not in ("seconds", "started")}
    return found


@pytest.fixture(scope="module")
def undisturbed(study_file: Path, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    home = tmp_path_factory.mktemp("undisturbed")
    out, _ = call(["run", str(study_file), "--to", str(home / "results")], home, cache_dir)
    return home, out


def records(home: Path) -> list[RunRecord]:
    return [load_record(p) for p in sorted(home.glob("tiny/runs/*/record.json"))]


def test_every_planned_run_is_there_once_and_complete(undisturbed: tuple[Path, str]) -> None:
    found = records(undisturbed[0])
    assert len(found) == RUNS
    assert {r.state for r in found} <= {"complete", "pruned"}
    assert len({(r.spec.phase, r.spec.scale.name, r.spec.method, r.spec.seed, r.spec.number) for r in found}) == RUNS


def test_tuning_never_touches_the_reported_split_nor_a_target_language(undisturbed: tuple[Path, str]) -> None:
    for record in records(undisturbed[0]):
        if record.spec.phase == "tune":
            assert record.scores == ()
            assert record.predictions is None
            assert {name.partition("/")[2] for _, name, _ in record.curve if name.startswith("validation")} == {"en"}


def test_every_refit_has_every_subset_and_language(undisturbed: tuple[Path, str]) -> None:
    wanted = {
        "clean",
        "polarity-pairs",
        "unseen-templates",
        "char-noise",
        "code-mixed",
        "embedding-attack",
        "word-attack",
    }
    for record in records(undisturbed[0]):
        if record.spec.phase == "refit":
            extra = {"smoothed"} if record.spec.method == "random-perturbation" else set()
            assert set(record.subsets) == wanted | extra
            assert set(record.by_language()) == {"en", "de", "zh"}
            assert {a.language for a in record.alignment} == {"de", "zh"}


def test_methods_at_one_seed_start_from_the_same_data_and_checkpoint(undisturbed: tuple[Path, str]) -> None:
    for scale in ("3-layer", "1-layer"):
        refits = [r for r in records(undisturbed[0]) if r.spec.phase == "refit" and r.spec.scale.name == scale]
        assert len({r.provenance.checkpoint_fingerprint for r in refits if r.provenance}) == 1
        assert len({r.provenance.datasets for r in refits if r.provenance}) == 1


def test_tables_and_summary_are_printed_and_written(undisturbed: tuple[Path, str]) -> None:
    home, out = undisturbed
    for name in ("main", "deltas", "deltas-languages", "subsets", "alignment", "tuning", "runs"):
        for end in ("csv", "parquet", "md", "tex"):
            assert (home / "results" / f"{name}.{end}").stat().st_size > 0
    assert "zero-shot" in out
    assert "## Answer" in out


def test_every_exported_file_comes_back_from_an_archive_alone(
    undisturbed: tuple[Path, str], study_file: Path, cache_dir: Path, tmp_path: Path
) -> None:
    home, archive, nowhere = undisturbed[0], tmp_path / "tiny.zip", tmp_path / "nowhere"
    call(["archive", str(study_file), "--to", str(archive)], home, cache_dir)
    call(["export", str(archive), "--to", str(tmp_path / "again")], nowhere, nowhere)
    before = {p.relative_to(home / "results"): p.read_bytes() for p in (home / "results").rglob("*.*")}
    again = {p.relative_to(tmp_path / "again"): p.read_bytes() for p in (tmp_path / "again").rglob("*.*")}
    assert again == before and len(again) > 50
    assert not nowhere.exists()


def test_a_second_run_repeats_nothing_and_exports_the_same_bytes(
    undisturbed: tuple[Path, str], study_file: Path, cache_dir: Path
) -> None:
    home, _ = undisturbed
    stamps = {p: p.stat().st_mtime_ns for p in home.glob("tiny/runs/*/record.json")}
    before = {p.name: p.read_bytes() for p in (home / "results").glob("*.*")}
    _, err = call(["run", str(study_file), "--to", str(home / "results")], home, cache_dir)
    assert {p: p.stat().st_mtime_ns for p in home.glob("tiny/runs/*/record.json")} == stamps
    assert {p.name: p.read_bytes() for p in (home / "results").glob("*.*")} == before
    assert "(earlier)" in err


def test_a_study_killed_at_any_moment_ends_with_the_numbers_of_an_undisturbed_one(
    undisturbed: tuple[Path, str], study_file: Path, cache_dir: Path, tmp_path: Path
) -> None:
    part = [str(study_file), "--scale", "1-layer", "--quiet"]
    command = ["run", *part, "--to", str(tmp_path / "results")]
    for runs in (1, 10):  # in the middle of tuning, in the middle of refitting
        process = suite(command, tmp_path, cache_dir)
        while len(list(tmp_path.glob("tiny/runs/*/record.json"))) < runs and process.poll() is None:
            time.sleep(0.02)
        assert process.poll() is None, process.communicate()[1]
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    call(command, tmp_path, cache_dir)
    expected = {name: record for name, record in numbers(undisturbed[0]).items() if "-1-layer-" in name}
    assert numbers(tmp_path) == expected


def test_json_is_what_a_script_reads(undisturbed: tuple[Path, str], study_file: Path, cache_dir: Path) -> None:
    out, _ = call(["compare", str(study_file), "--json"], undisturbed[0], cache_dir)
    rows = json.loads(out)["comparisons"]
    assert {"effect", "low", "high", "p", "p_adjusted", "family_size", "n_seeds", "n_items", "mde"} <= set(rows[0])
    assert len([r for r in rows if r["kind"] == "primary"]) == 6


def test_a_part_of_a_study_can_be_tuned_alone(study_file: Path, cache_dir: Path, tmp_path: Path) -> None:
    part = ["--scale", "1-layer", "--method", "standard"]
    out, _ = call(["tune", str(study_file), *part], tmp_path, cache_dir)
    assert {(r.spec.scale.name, r.spec.method) for r in records(tmp_path)} == {("1-layer", "standard")}
    assert "2 runs" in out
    _, err = call(["compare", str(study_file)], tmp_path, cache_dir, code=2)
    assert "nothing to compare" in err


def test_refitting_before_tuning_is_refused(study_file: Path, cache_dir: Path, tmp_path: Path) -> None:
    _, err = call(["refit", str(study_file)], tmp_path, cache_dir, code=2)
    assert "run `suite tune` first" in err
    assert len(err.strip().splitlines()) == 1


def test_a_method_whose_every_trial_fails_is_named_and_stops_no_other(
    study_file: Path, cache_dir: Path, tmp_path: Path
) -> None:
    study = tmp_path / "diverging.toml"
    study.write_text(
        study_file.read_text().replace("radius = { low = 0.02, high = 0.2, log = true }", "radius = 1e308")
    )
    part = ["--scale", "1-layer", "--method", "standard", "--method", "adversarial", "--to", str(tmp_path / "results")]
    _, err = call(["run", str(study), *part], tmp_path, cache_dir, code=1)
    assert err.splitlines()[-1].startswith("suite: 1-layer adversarial: none of 2 tuning trials completed; widen")
    refits = [r for r in records(tmp_path) if r.spec.phase == "refit"]
    assert {(r.spec.method, r.state) for r in refits} == {("standard", "complete")} and len(refits) == 2
