"""Laws of a part of a study: it shows less of what was tested, and tests nothing otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from finished_studies import finish_study, write_study

from suite.cli import DONE, MISUSED, main

Captured = pytest.CaptureFixture[str]
ONE = ("--scale", "1-layer", "--method", "adversarial")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """A home whose study of two scales and three robust methods has ended."""
    home = tmp_path_factory.mktemp("parts")
    finish_study(write_study(home, scales=2, seeds=2), home, 8)
    return home


@pytest.fixture
def study(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SUITE_HOME", str(finished))
    monkeypatch.chdir(tmp_path)
    return str(finished / "finished.toml")


def compared(study: str, capsys: Captured, *options: str) -> dict[str, Any]:
    assert main(["compare", study, "--json", *options]) == DONE
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = results["comparisons"]
    return found


def test_a_part_shows_its_rows_as_the_whole_has_them(study: str, capsys: Captured) -> None:
    whole = rows(compared(study, capsys))
    part = rows(compared(study, capsys, *ONE))
    assert part == [row for row in whole if (row["scale"], row["treatment"]) == ("1-layer", "adversarial")]
    (primary,) = [row for row in part if row["kind"] == "primary"]
    assert primary["family_size"] == 6
    assert primary["p_adjusted"] >= primary["p"]


def test_a_part_says_so_and_warns_of_nothing_else(study: str, capsys: Captured) -> None:
    first, *others = compared(study, capsys, *ONE)["warnings"]
    assert "(1 of 2 scales, 1 of 4 methods); p-values are adjusted in all of its family" in first
    assert others == [line for line in compared(study, capsys)["warnings"] if line.startswith("1-layer · adversarial:")]


def test_comparing_a_part_compares_the_whole(study: str, finished: Path, capsys: Captured) -> None:
    compared(study, capsys)
    kept = (finished / "finished" / "results.json").read_bytes()
    compared(study, capsys, *ONE)
    assert (finished / "finished" / "results.json").read_bytes() == kept


def test_planning_a_part_plans_only_it(study: str, capsys: Captured) -> None:
    assert main(["plan", study, "--json", *ONE]) == DONE
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["scale"], found["treatment"]) == ("1-layer", "adversarial")


def test_tables_of_a_part_hold_its_arm_and_the_baseline(study: str, tmp_path: Path, capsys: Captured) -> None:
    compared(study, capsys)
    assert main(["export", study, *ONE, "--to", str(tmp_path / "part"), "--quiet"]) == DONE
    main_table = pd.read_csv(tmp_path / "part" / "main.csv")
    assert set(zip(main_table["scale"], main_table["method"], strict=True)) == {
        ("1-layer", "standard"),
        ("1-layer", "adversarial"),
    }
    deltas = pd.read_csv(tmp_path / "part" / "deltas.csv")
    assert set(deltas["method"]) == {"adversarial"} and set(deltas["family_size"]) == {6}
    runs = pd.read_csv(tmp_path / "part" / "runs.csv")
    assert set(runs["method"]) == {"untouched", "standard", "adversarial"}
    assert "a part of study" in (tmp_path / "part" / "summary.md").read_text()


def test_a_part_is_not_written_over_the_whole(study: str, tmp_path: Path, capsys: Captured) -> None:
    assert main(["export", study, *ONE]) == MISUSED
    assert "name a folder with --to" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_every_scale_and_method_together_are_the_whole(study: str, tmp_path: Path, capsys: Captured) -> None:
    every = [option for layers in (1, 2) for option in ("--scale", f"{layers}-layer")]
    assert rows(compared(study, capsys, *every)) == rows(compared(study, capsys))


def test_a_study_of_the_baseline_alone_has_nothing_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_dir: Path, capsys: Captured
) -> None:
    """It is said what is missing: not a refit, which all have ended, but a method."""
    path = write_study(tmp_path, scales=1, seeds=2)
    first, _, rest = path.read_text().partition('[[method]]\nname = "adversarial"')
    path.write_text(first + "[train]" + rest.partition("[train]")[2])
    finish_study(path, tmp_path, 8)
    monkeypatch.setenv("SUITE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["compare", str(path)]) == MISUSED
    assert "the only method is the baseline; add a [[method]]" in capsys.readouterr().err
    assert main(["run", str(path), "--quiet"]) == DONE
    assert (tmp_path / "results" / "finished" / "main.csv").is_file()
