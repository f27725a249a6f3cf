"""`compare`, `verify` and `plan` from the command line: on files of predictions, and on a made-up study."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from comparison_studies import N, draw_cells, draw_scores, make_row, numbers, primary, table_of, write_arm, write_files

from suite.cli import MISUSED, comparing, main
from suite.comparison import compare_arrays
from suite.console import describe_comparisons, describe_seed_plans
from suite.look_log import load_looks
from suite.records import RunRecord, save_record
from suite.results import Results, SeedPlan, load_results
from suite.running import Runner
from suite.spec import StudySpec
from suite.storage import StudyFolder
from suite.study_file import load_study
from suite.tuning import open_study

Captured = pytest.CaptureFixture[str]
ARMS = {"adversarial": draw_scores(1, 0.2), "standard": draw_scores(2)}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    for name in ("SUITE_HUB", "SUITE_DEBUG", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    return [str(path) for path in write_files(table_of(ARMS), tmp_path / "files")]


def strict(text: str) -> Any:
    """JSON as every parser reads it: no NaN, no Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


# Files of predictions


def test_files_are_compared_end_to_end(files: list[str], capsys: Captured) -> None:
    assert main(["compare", "--predictions", *files]) == 0
    out = capsys.readouterr().out
    row = primary(compare_arrays(*ARMS.values()))
    assert f"adversarial against standard: {100 * row.effect:+.2f} points" in out
    assert f"p {row.p:.3g}" in out and "crossed-paired" in out and "family of 1" in out
    assert "4 seeds x 120 items" in out and "languages: adversarial" in out


def test_json_holds_everything_and_parses_strictly(files: list[str], capsys: Captured) -> None:
    assert main(["compare", "--predictions", *files, "--json", "--margin", "0.01"]) == 0
    found = strict(capsys.readouterr().out)
    assert set(found) == {field.name for field in dataclasses.fields(Results)}
    row = found["comparisons"][0]
    expected = primary(compare_arrays(*ARMS.values()))
    assert (row["effect"], row["p"], row["margin"]) == (expected.effect, expected.p, 0.01)
    assert {check["analysis"] for check in found["checks"]} >= {"unpaired", "seed-t", "without seed", "McNemar"}


def test_a_number_that_is_not_finite_is_null_in_json(tmp_path: Path, capsys: Captured) -> None:
    arms = {"a": {"de": np.ones((2, 30))}, "standard": {"de": np.zeros((2, 30))}}
    paths = write_files(table_of(arms), tmp_path)
    assert main(["compare", "--predictions", *map(str, paths), "--json"]) == 0
    found = strict(capsys.readouterr().out)
    assert (found["comparisons"][0]["statistic"], found["comparisons"][0]["p"]) == (None, None)


def test_options_reach_the_comparison(files: list[str], capsys: Captured) -> None:
    def first(*options: str) -> dict[str, Any]:
        assert main(["compare", "--predictions", *files, *options, "--json"]) == 0
        row: dict[str, Any] = strict(capsys.readouterr().out)["comparisons"][0]
        return row

    assert first("--baseline", "adversarial")["treatment"] == "standard"
    assert first("--source", "de")["aggregate"] == "zero-shot mean"
    assert first("--unpaired")["test"] == first("--test", "crossed-unpaired")["test"] == "crossed-unpaired"
    assert first("--claim", "languages")["test"] == "crossed-languages"
    assert first("--metric", "macro_f1")["quantity"] == "macro_f1"
    assert first("--items", "shared")["n_items"] == 120, "ids that no language shares stay apart"


def test_two_checkpoints_are_compared_from_their_files(files: list[str], capsys: Captured) -> None:
    pair = [path for path in files if "seed0" in path]
    assert main(["compare", "--predictions", *pair, "--claim", "checkpoints"]) == 0
    assert "sign-flip" in capsys.readouterr().out


def test_quiet_says_nothing(files: list[str], capsys: Captured) -> None:
    assert main(["compare", "--predictions", *files, "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def broken(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], list[str]]:
    """Files of a changed table."""
    return lambda folder: [str(path) for path in write_files(change(table_of(ARMS)), folder)]


def of(*arguments: str) -> Callable[[Path], list[str]]:
    """Sound files, and more arguments."""
    return lambda folder: [*(str(path) for path in write_files(table_of(ARMS), folder)), *arguments]


def torn(folder: Path) -> list[str]:
    (folder / "a.parquet").write_bytes(b"PAR1")
    return [str(folder / "a.parquet")]


BAD: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "unaligned ids": (broken(lambda t: t.drop(index=5)), "differ on clean/de at 'de-005'"),
    "a missing language": (
        broken(lambda t: t[(t["method"] != "standard") | (t["language"] != "sw")]),
        "no predictions for sw on clean",
    ),
    "missing columns": (broken(lambda t: t.drop(columns="predicted")), "needs a column 'predicted' (or 'score')"),
    "other labels": (
        broken(lambda t: t.assign(label=t["label"].mask(t.index == 7, "no"))),
        "different labels for 'de-007' in clean/de",
    ),
    "duplicate ids": (broken(lambda t: pd.concat([t, t.iloc[[5]]])), "example 'de-005' is there 2 times"),
    "no such file": (lambda folder: [str(folder / "nowhere.csv")], "no file of predictions at"),
    "a torn file": (torn, "is not a Parquet file of predictions"),
    "one seed": (broken(lambda t: t[t["seed"] == 0]), "at least 2 seeds of each"),
    "seeds without a partner": (
        broken(lambda t: t[(t["method"] != "standard") | (t["seed"] != 2)]),
        "seed 2 has only one of them",
    ),
    "one run twice": (
        broken(lambda t: pd.concat([t[t["seed"] < 3], t[t["seed"] == 1].assign(seed=3)])),
        "adversarial: seeds 1 and 3 predict the same",
    ),
    "an unknown baseline": (
        of("--baseline", "plain"),
        "the baseline is one of the methods ['adversarial',",
    ),
    "an unknown source": (of("--source", "xx"), "the source is one of the languages"),
    "an unknown claim": (of("--claim", "method-wins"), "unknown claim 'method-wins'; did you mean 'method'"),
    "a misfit test": (of("--test", "wilcoxon-languages"), "measured false positives 58 to 67 %"),
    "several runs as checkpoints": (of("--claim", "checkpoints"), "has 4 runs"),
    "a margin of nothing": (of("--margin", "0"), "margin is positive, got 0.0"),
    "paired and unpaired": (of("--unpaired", "--test", "crossed-paired"), "choose one"),
    "a scale of files": (of("--scale", "2-layer"), "--scale chooses a part of a study"),
    "neither study nor files": (lambda folder: [], "one of the two"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(case: str, tmp_path: Path, capsys: Captured, home: Path) -> None:
    make, expected = BAD[case]
    arguments = make(tmp_path)
    assert main(["compare", *(["--predictions", *arguments] if arguments else [])]) == MISUSED
    captured = capsys.readouterr()
    (line,) = captured.err.strip().splitlines()
    assert captured.out == "" and line.startswith("suite: ")
    assert expected in line
    assert not home.exists(), "nothing was written"


# A study that has ended


STUDY = """
name = "made-up"
question = "Does what is compared, verified and planned come from the records?"

[task]
name = "home-intents"
targets = ["de", "zh"]

[[scale]]
name = "1-layer"
checkpoint = "{checkpoint}"
layers = 1

[[method]]
name = "standard"

[[method]]
name = "adversarial"
radius = 0.1

[train]
learning_rate = 1e-3

[tune]
trials = 1
startup_trials = 1

[refit]
seeds = [1, 2, 3, 4]

[alignment]
metrics = ["csls_p1"]

[[claim]]
name = "gain"
source = "nobody 2026"
certainty = "made up"
treatment = "robust"
task = "home-intents"
delta = 0.2

[[claim]]
name = "elsewhere"
source = "nobody 2026"
treatment = "robust"
task = "xnli"
"""
RATES = (0.55, 0.75)


@pytest.fixture(scope="module")
def made_up(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study file and the suite's home, in which its tuning and refits lie, made up."""
    root = tmp_path_factory.mktemp("made-up")
    (root / "study.toml").write_text(STUDY.format(checkpoint=tiny_checkpoint))
    study = load_study(root / "study.toml")
    folder = StudyFolder(root / "home" / study.name)
    for number, method in enumerate(study.method):
        runner = Runner(study=study, folder=folder, hub_root=None, observers=())
        open_study(runner, study.scale[0], method).add_trial(optuna.trial.create_trial(value=0.9))
        own = dict(method.parameters)
        cells = draw_cells(study, RATES[number], number, subsets=("clean",))
        for record in write_arm(study, number, cells, folder.root / "runs", hyperparameters=own, learning_rate=1e-3):
            save_record(record, folder.run(record.spec))
    return root


@pytest.fixture
def ended(made_up: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The study file, with the suite's home where its runs are; one for all tests, as tracking them takes seconds."""
    monkeypatch.setenv("SUITE_HOME", str(made_up / "home"))
    return str(made_up / "study.toml")


def folder_of(path: str) -> StudyFolder:
    return StudyFolder.of(load_study(Path(path)))


def test_a_study_is_compared_and_the_look_logged(ended: str, capsys: Captured) -> None:
    folder, study = folder_of(ended), load_study(Path(ended))
    before = load_looks(folder.looks)
    assert main(["compare", ended, "--quiet"]) == 0
    results, (*_, look) = load_results(folder.results), load_looks(folder.looks)
    cells = [draw_cells(study, rate, number, ("clean",)) for number, rate in enumerate(RATES)]
    expected = [{t: own["clean", t] for t in ("de", "zh")} for own in cells]
    assert numbers(primary(results)) == pytest.approx(numbers(primary(compare_arrays(expected[1], expected[0]))))
    assert (look.declared, look.used, look.p) == ((1, 2, 3, 4), (1, 2, 3, 4), primary(results).p)
    assert main(["compare", ended, "--json"]) == 0
    assert strict(capsys.readouterr().out)["comparisons"][0]["look"] == 1, "looking again is free"
    assert len(load_looks(folder.looks)) == len(before) + 2


def test_over_tasks_benchmark_averages_are_shown_and_written(
    ended: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other study is this one again, taken for one of XNLI."""
    read = comparing._records_of

    def as_xnli(arguments: Any, path: Path) -> tuple[StudySpec, list[RunRecord]]:
        study, records = read(arguments, path)
        return dataclasses.replace(study, task=dataclasses.replace(study.task, name="xnli")), records

    monkeypatch.setattr(comparing, "_records_of", as_xnli)
    monkeypatch.setattr(comparing, "_over_tasks", lambda results, others: results.comparisons)
    assert main(["compare", ended, "--over-tasks", ended, "--averages-to", str(tmp_path / "to")]) == 0
    shown = capsys.readouterr().out
    assert "benchmark averages of" in shown and "XTREME-R" in shown
    table = pd.read_csv(tmp_path / "to" / "averages.csv")
    assert table["average"].isna().all() and set(table["benchmark"]) == {"XTREME", "XTREME-R"}
    assert table["missing"].str.contains("xnli/ar").all() and not table["missing"].str.contains("xnli/de").any()
    assert main(["compare", ended, "--averages-to", str(tmp_path)]) == MISUSED
    assert "name the others with --over-tasks" in capsys.readouterr().err


def test_a_tracking_store_that_does_not_answer_is_told_once_and_stops_nothing(
    ended: str, capsys: Captured, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert main(["compare", ended, "--quiet"]) == 0
    assert (caplog.text + capsys.readouterr().err).count("does not answer") == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--margin", "0.01"], "--margin is for --predictions; a study says it in its file"),
        (["--unpaired"], "--unpaired is for --predictions"),
        (["--test", "crossed-unpaired"], "--test is for --predictions"),
        (["--claim", "checkpoints"], "a study's primary claim is 'method'"),
        (["--test", "pooled-mcnemar"], "does not fit the claim"),
    ],
)
def test_options_of_files_are_refused_for_a_study(
    options: list[str], expected: str, ended: str, capsys: Captured
) -> None:
    assert main(["compare", ended, *options]) == MISUSED
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert expected in line


CLAIM = '[[claim]]\nname = "loss"\nsource = "s"\ntreatment = "adversarial"\n'


def test_claims_are_verified_against_a_study(ended: str, tmp_path: Path, capsys: Captured) -> None:
    assert main(["verify", ended, "--json"]) == 0
    verdicts = {verdict["name"]: verdict for verdict in strict(capsys.readouterr().out)}
    row = primary(load_results(folder_of(ended).results))
    gain = verdicts["gain"]
    assert (gain["effect"], gain["low"], gain["high"], gain["n_seeds"]) == (row.effect, row.low, row.high, 4)
    assert gain["answer"] == "supported" and row.low > 0 and row.high > 0.2
    assert "the study measures home-intents" in verdicts["elsewhere"]["reason"]

    more = tmp_path / "more.toml"
    more.write_text(CLAIM + 'task = "home-intents"\ndelta = 0.9\n')
    assert main(["verify", ended, "--claims", str(more)]) == 0
    text = capsys.readouterr().out
    assert "loss: +90 points (s; certainty not stated)" in text and "contradicted by 1-layer · adversarial" in text
    assert "gain: +20 points (nobody 2026; made up)" in text


def test_a_broken_claims_file_is_one_line(ended: str, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(CLAIM.replace("treatment", "treatmnt") + 'task = "xnli"\n')
    assert main(["verify", ended, "--claims", str(path)]) == MISUSED
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "did you mean 'treatment'" in line and "claims.toml" in line


def test_verifying_nothing_is_refused(ended: str, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "study.toml"
    path.write_text(Path(ended).read_text().partition("[[claim]]")[0])
    assert main(["verify", str(path)]) == MISUSED
    assert "lists no [[claim]]" in capsys.readouterr().err


def test_seeds_are_planned_from_a_study(ended: str, capsys: Captured) -> None:
    assert main(["plan", ended, "--effect", "30", "--effect", "0.1", "--json"]) == 0
    (plan,) = strict(capsys.readouterr().out)
    assert plan["effects"] == [0.3, 0.001]
    assert (plan["n_seeds"], plan["n_items"], plan["power"]) == (4, 2 * N, 0.8)
    assert plan["needed"][0] is not None and plan["needed"][1] is None
    assert plan["detectable"] == sorted(plan["detectable"], reverse=True)
    assert min(plan["detectable"]) > plan["limit"] >= 0.0
    assert main(["plan", ended]) == 0
    text = capsys.readouterr().out
    assert "+2.1 points with 80 % power: " in text and "judged by 4 seeds x 80 items" in text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--effect", "-1"], "effects to detect must be positive"),
        (["--power", "1.5"], "power must lie strictly between"),
    ],
)
def test_a_plan_for_nothing_is_one_line(options: list[str], expected: str, ended: str, capsys: Captured) -> None:
    assert main(["plan", ended, *options]) == MISUSED
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert expected in line


def test_before_any_refit_there_is_nothing_to_compare_plan_or_verify(
    tiny_checkpoint: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "study.toml"
    path.write_text(STUDY.format(checkpoint=tiny_checkpoint))
    for verb in ("compare", "plan", "verify"):
        assert main([verb, str(path)]) == MISUSED
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert "suite refit" in line


# What is shown


def test_a_comparison_is_shown_with_all_a_reader_needs() -> None:
    row = make_row(margin=0.02, p_equivalence=0.04)
    text = describe_comparisons(Results(comparisons=(row,), warnings=("mind the seeds",)))
    assert text == (
        "2-layer · adversarial against standard: +1.00 points [-1.00, +3.00], crossed-paired, p 0.25, adjusted 0.25 "
        "(holm, family of 1), 5 seeds x 400 items, MDE 3.00, equivalent within 2: p 0.04\nnote: mind the seeds"
    )


def test_an_effect_that_no_number_of_seeds_finds_is_said_to_need_items() -> None:
    plan = SeedPlan(
        scale="s", treatment="t", baseline="b", n_seeds=3, n_items=100, power=0.9, seeds=(2, 4), detectable=(0.2, 0.1),
        effects=(0.05, 0.15), needed=(None, 3), limit=0.08, seed_share=0.4,
    )  # fmt: skip
    text = describe_seed_plans([plan])
    assert "more than a thousand seeds" in describe_seed_plans([dataclasses.replace(plan, limit=0.0)])
    assert "+5 points with 90 % power: no number of seeds: 100 items alone hide what is below 8.00; add items" in text
    assert "+15 points with 90 % power: 3 seeds" in text
    assert "2: 20.0, 4: 10.0" in text and "40 % of the variance" in text


# Cheap starts


@pytest.mark.parametrize("arguments", [["--help"], ["compare", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    heavy = {"numpy", "pydantic", "torch", "pandas", "scipy", "pyarrow", "mlflow", "optuna"}
    code = (
        "import sys, contextlib\nfrom suite.cli import main\n"
        f"with contextlib.suppress(SystemExit):\n    main({arguments})\n"
        f"print(sorted(set(sys.modules) & {heavy}), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert run.stdout and run.stderr.strip() == "[]"


def test_comparing_files_needs_no_torch(files: list[str]) -> None:
    code = f"import sys\nfrom suite.cli import main\nmain(['compare', '--quiet', '--predictions', *{files}])\n"
    code += "print(sorted(set(sys.modules) & {'torch', 'mlflow', 'optuna', 'transformers', 'matplotlib'}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert run.stdout.strip() == "[]"
