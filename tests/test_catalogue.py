"""Laws of the catalogue's listing: it says where data is and how much, downloads nothing, and names what it lacks."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from suite.cli import MISUSED, main
from suite.tasks import SUBSETS, TASKS, Examples, Task
from suite.tasks.benchmarks import BENCHMARKS
from suite.tasks.listing import list_task, place_of

pytestmark = pytest.mark.usefixtures("cache_dir")

HUB = Path(os.environ.get("SUITE_HUB") or Path(__file__).parents[2] / "shared" / "hub")
ON_THE_HUB = [name for name, task in TASKS.items() if task.repository]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUITE_HUB", raising=False)
    monkeypatch.delenv("SUITE_XTREME", raising=False)


def needs(repository: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not (HUB / repository).is_dir(), reason=f"no copy of {repository} under {HUB}; set SUITE_HUB"
    )


def never(language: str, split: str, hub_root: Path | None) -> Examples:
    raise AssertionError(f"{language}/{split} was loaded")


# Entries


@pytest.mark.parametrize("name", TASKS)
def test_membership_in_benchmarks_is_what_the_benchmarks_say(name: str) -> None:
    task = TASKS[name]
    assert {b for b in task.benchmarks if b in BENCHMARKS} == {b for b, d in BENCHMARKS.items() if name in d.tasks}
    for benchmark in set(task.benchmarks) & BENCHMARKS.keys():
        assert set(BENCHMARKS[benchmark].tasks[name]) <= set(task.languages)
    assert set(task.benchmarks) <= {*BENCHMARKS, "XGLUE"}


@pytest.mark.parametrize("name", TASKS)
def test_a_variant_is_of_a_task_with_the_same_data_and_of_no_benchmark(name: str) -> None:
    task = TASKS[name]
    if task.variant_of:
        whole = TASKS[task.variant_of]
        assert (task.source, task.labels, task.kind) == (whole.source, whole.labels, whole.kind)
        assert not whole.variant_of
        assert not task.benchmarks


# Places and sizes


@pytest.mark.parametrize("name", ON_THE_HUB)
def test_nothing_is_downloaded(name: str) -> None:
    listing = list_task(dataclasses.replace(TASKS[name], load=never), None, TASKS[name].languages)
    assert (listing.place, listing.sizes, listing.unread) == ("hub", {}, {})


@pytest.mark.parametrize("name", ON_THE_HUB)
def test_a_mirror_has_a_task_or_it_is_not_here(name: str, tmp_path: Path) -> None:
    assert list_task(dataclasses.replace(TASKS[name], load=never), tmp_path, ["en"]).place == "not here"
    folder = tmp_path / str(TASKS[name].repository)
    folder.mkdir(parents=True)
    if not TASKS[name].sources:  # read from files that no configuration lists
        assert place_of(TASKS[name], tmp_path) == "mirror"
        return
    assert place_of(TASKS[name], tmp_path) == "not here", "an empty folder is no repository"
    source = next(s for s in TASKS[name].sources if s.repository == TASKS[name].repository)
    language, split = next(iter(source.configurations)), next(iter(source.splits))
    other, own = "another", source.part(split).split
    for configuration, place in ((other, "not here"), (source.configurations[language], "mirror")):
        listed(folder, configuration, own)
        assert place_of(TASKS[name], tmp_path) == "not here", "what is listed is not there"
        (folder / f"{own}.parquet").write_bytes(b"")
        assert place_of(TASKS[name], tmp_path) == place
        (folder / f"{own}.parquet").unlink()


def listed(folder: Path, configuration: str, split: str) -> None:
    """A repository's README that lists one file."""
    lines = ["---", "configs:", f"- config_name: {configuration}", "  data_files:"]
    lines += [f"  - split: {split}", f"    path: {split}.parquet", "---", ""]
    (folder / "README.md").write_text("\n".join(lines))


def test_a_mirror_of_tydiqa_by_language_is_a_mirror_of_the_task(tmp_path: Path) -> None:
    folder = tmp_path / "local" / "tydiqa_goldp"
    folder.mkdir(parents=True)
    listed(folder, "fi", "validation")
    (folder / "validation.parquet").write_bytes(b"")
    assert place_of(TASKS["tydiqa-goldp"], tmp_path) == "mirror"


@needs("google/xtreme")
def test_a_repository_without_a_tasks_configurations_has_not_the_task() -> None:
    lacking = [name for name in ("mlqa", "bucc-pairs", "ud-pos-2.5") if place_of(TASKS[name], HUB) != "not here"]
    assert not lacking and place_of(TASKS["tatoeba"], HUB) == "mirror"


def test_xtremes_directory_goes_before_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = dataclasses.replace(TASKS["xnli"], xtreme_folder="xnli")
    monkeypatch.setenv("SUITE_XTREME", str(tmp_path))
    assert place_of(task, None) == "not here"
    (tmp_path / "xnli").mkdir()
    assert place_of(task, None) == place_of(task, tmp_path) == "xtreme"
    assert place_of(dataclasses.replace(task, xtreme_folder=""), None) == "hub"


def test_sizes_are_of_what_loading_gives() -> None:
    task = TASKS["home-intents"]
    listing = list_task(task, None, ["en"])
    assert listing.place == "embedded"
    assert listing.sizes == {"en": {split: len(task.load("en", split, None)) for split in task.splits}}


@needs("facebook/xnli")
def test_what_a_mirror_lacks_has_no_size_and_a_reason() -> None:
    (HUB / "facebook" / "xnli").resolve(strict=True)
    listing = list_task(TASKS["xnli"], HUB, ["en", "th"])
    assert listing.sizes == {"en": {"validation": 2490, "test": 5010}}
    assert set(listing.unread) == {"en/train", "th/train", "th/validation", "th/test"}
    assert "train" in listing.unread["en/train"]


@pytest.mark.parametrize("name", TASKS)
def test_subsets_are_those_that_apply(name: str) -> None:
    task: Task = dataclasses.replace(TASKS[name], load=never)
    listed = list_task(task, None, []).subsets
    assert set(listed) == {s for s, subset in SUBSETS.items() if subset.applies_to(TASKS[name])}
    assert listed or name == "mewsli-x"


# The command


def test_the_verb_lists_every_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks"]) == 0
    table, _, legend = capsys.readouterr().out.partition("\n\n")
    head, *lines = table.splitlines()
    assert [line.split()[0] for line in lines] == list(TASKS)
    for name, line in zip(TASKS, lines, strict=True):
        assert TASKS[name].licence in line
        assert TASKS[name].source in line
        assert line.index("embedded" if TASKS[name].repository is None else "hub  ") == head.index("here")
    assert "download" in legend


def test_a_damaged_file_costs_the_listing_no_other_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "xquad").mkdir()
    answer = {"text": 5, "answer_start": 0}
    asked = {"context": "a", "qas": [{"id": "1", "question": "b", "answers": [answer]}]}
    (tmp_path / "xquad" / "xquad.en.json").write_text(json.dumps({"data": [{"paragraphs": [asked]}]}))
    monkeypatch.setenv("SUITE_XTREME", str(tmp_path))
    assert main(["tasks"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[1 : 1 + len(TASKS)]] == list(TASKS)
    assert f"xquad damaged: en/test: {tmp_path}/xquad/xquad.en.json: question 1 has 5 there" in out
    one = list_task(TASKS["xquad"], None, ["en"])
    assert one.place == "damaged" and one.damage in out
    fallen = dataclasses.replace(TASKS["xquad"], load=never_foreseen)
    assert list_task(fallen, None, ["en"]).damage == "en/test: KeyError: 'paragraphs'; get the file anew"


def never_foreseen(language: str, split: str, hub_root: Path | None) -> Examples:
    raise KeyError("paragraphs")


def test_a_damaged_table_of_a_mirror_is_told_in_one_line_with_a_remedy(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "google" / "xquad"
    folder.mkdir(parents=True)
    listed(folder, "xquad.en", "validation")
    (folder / "validation.parquet").write_bytes(b"no table")
    one = list_task(TASKS["xquad"], tmp_path, ["en"])
    assert one.place == "damaged" and one.damage.endswith("; copy what the hub has there, or unset SUITE_HUB")
    assert str(folder) in one.damage and "\n" not in one.damage
    assert "validation.parquet" not in capfd.readouterr().err, "the library's own lines are not among ours"


def test_the_verb_shows_one_task_with_each_language(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "paws-x-dev"]) == 0
    text = capsys.readouterr().out
    for word in ("different, paraphrase", "variant of paws-x", "char-noise", TASKS["paws-x-dev"].licence):
        assert word in text
    shown = [line.split()[0] for line in text.partition("language ")[2].splitlines()[1:]]
    assert shown == list(TASKS["paws-x-dev"].languages)


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "--json"]) == 0
    listed = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert list(listed) == list(TASKS)
    assert listed["xnli"]["benchmarks"] == ["XTREME", "XTREME-R", "XGLUE"]
    assert main(["tasks", "xnli", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == listed["xnli"]


def test_an_unknown_task_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "xnil"]) == MISUSED
    assert "did you mean 'xnli'" in capsys.readouterr().err


def test_help_imports_neither_numpy_nor_pydantic() -> None:
    code = (
        "import sys, suite.cli\n"
        "try:\n    suite.cli.main(['tasks', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "print(sorted({'numpy', 'pydantic', 'torch', 'datasets'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
