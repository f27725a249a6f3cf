"""Bad input gets one clear line and exit code 2, before any expensive work."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_study import STUDY

from suite.cli import MISUSED, main

SHARED = Path(os.environ.get("SUITE_HUB") or Path(__file__).parents[2] / "shared" / "hub")


@pytest.fixture
def text(tiny_checkpoint: Path) -> str:
    return STUDY.format(checkpoint=tiny_checkpoint)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SUITE_HUB", raising=False)
    monkeypatch.delenv("SUITE_DEBUG", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "home"


def check(text: str, folder: Path, *more: str) -> int:
    path = folder / "study.toml"
    path.write_text(text)
    return main(["check", str(path), *more])


BAD = {
    "a typo in a key": ("layers = 1", "layres = 1", r"scale\[1\]\.layres.*did you mean 'layers'"),
    "a wrong type": ("layers = 1", 'layers = "1"', r"scale\[1\]\.layers"),
    "an unknown task": ('name = "home-intents"', 'name = "home-intent"', "did you mean 'home-intents'"),
    "an unknown language": (
        '["de", "zh"]',
        '["de", "xx"]',
        r"study\.toml: task\.targets\[1\]: .*unknown language 'xx'",
    ),
    "an unknown method": ('name = "adversarial"', 'name = "adversarail"', "did you mean 'adversarial'"),
    "an unknown hyperparameter": (
        "neighbours = 3",
        "neighbors = 3",
        r"study\.toml: method\[3\]: .*did you mean 'neighbours'",
    ),
    "an unknown metric": ('"linear_cka"', '"linear_ckaa"', "did you mean 'linear_cka'"),
    "an unknown subset": (
        '"char-noise"',
        '"char-nose"',
        r"study\.toml: evaluation\.subsets\[2\]: unknown subset 'char-nose'; did you mean 'char-noise'",
    ),
    "a negative radius": ("low = 0.02, high = 0.2, log = true", "low = -0.1, high = 0.2", "radius is not negative"),
    "a negative noise": ("noise = 0.3", "noise = -0.3", "noise is not negative"),
    "a logarithm of zero": ("low = 0.02", "low = 0.0", "log = true needs low > 0"),
    "a range upside down": ("low = 0.02", "low = 0.5", "low <= high must hold"),
    "a seed tuned and refitted": ("seeds = [1, 2]", "seeds = [0, 2]", "fresh"),
    "selection on the reported split": ("trials = 2", 'trials = 2\nselect_on = "test"', "peeking"),
    "a layer too many": ("layers = 1", "layers = 99", "1 to 3 layers"),
    "a site above the model": ("noise = 0.3", 'noise = 0.3\nsite = "hidden:9"', "above the model's"),
    "texts longer than the model": ("max_length = 32", "max_length = 133", "at most the 132 positions .* got 133"),
    "a missing directory": (
        "layers = 1",
        'layers = 1\nprefix = "q: "\n[[scale]]\nname = "x"\ncheckpoint = "./nowhere"',
        "no directory",
    ),
    "a hub id without its commit": (
        "layers = 1",
        'layers = 1\n[[scale]]\nname = "x"\ncheckpoint = "FacebookAI/xlm-roberta-base"',
        "40 hex digits",
    ),
    "a missing synonym file": (
        "test_examples = 44",
        'test_examples = 44\nsynonyms = "/no/such.json"',
        "there is none at",
    ),
    "synonyms that are no words": (
        "test_examples = 44",
        'test_examples = 44\nsynonyms = "{folder}/synonyms.json"',
        "the synonyms of 'turn' are a list of words",
    ),
    "weights that are not there": (
        "layers = 1",
        'layers = 1\n[[scale]]\nname = "x"\ncheckpoint = "{folder}/bare"',
        r"whole weights in safetensors, not .*bare' \(no file \*\.safetensors\): save it again",
    ),
    "weights that are none": (
        "layers = 1",
        'layers = 1\n[[scale]]\nname = "x"\ncheckpoint = "{folder}/torn"',
        r"whole weights in safetensors, not .*torn' \(model\.safetensors: .*\): save it again",
    ),
    "a checkpoint without a tokenizer": (
        "layers = 1",
        'layers = 1\n[[scale]]\nname = "x"\ncheckpoint = "{folder}/mute"',
        "a checkpoint has a tokenizer, .*mute has none: add its files",
    ),
    "a configuration of nonsense": (
        "layers = 1",
        'layers = 1\n[[scale]]\nname = "x"\ncheckpoint = "{folder}/nonsense"',
        "a config.json of a known model type, not .*nonsense'",
    ),
    "a metric of something else": (
        '"linear_cka"',
        '"json:dumps"',
        "'json:dumps' must be a function of a Pair that gives a number; of random vectors it gives TypeError",
    ),
    "a task that is a function of something": (
        'name = "home-intents"',
        'name = "json:dumps"',
        "json:dumps is called without arguments and makes a suite.tasks.Task",
    ),
    "a number that no machine has": ("trials = 2", "trials = 99999999999999999999", r"tune\.trials: .* below 2\^63"),
    "the source among the targets": ('["de", "zh"]', '["en", "zh"]', "not among the targets"),
    "a baseline that is not there": ("[alignment]", '[comparison]\nbaseline = "plain"\n[alignment]', "baseline"),
    "no TOML at all": ("[task]", "[task", "not TOML"),
    "a storage that cannot be opened": (
        "trials = 2",
        'trials = 2\nstorage = "sqlite:////no/such/folder/x.db"',
        "cannot be opened",
    ),
}


def _write_bad_files(folder: Path, whole: Path) -> None:
    """Synonyms that are numbers, and checkpoints that lack something of a whole one."""
    (folder / "synonyms.json").write_text('{"turn": [1, 2]}')
    for name, lacks in {"bare": "*.safetensors", "torn": "", "mute": "tokenizer*", "nonsense": ""}.items():
        shutil.copytree(whole, folder / name)
        for path in (folder / name).glob(lacks) if lacks else ():
            path.unlink()
    (folder / "torn" / "model.safetensors").write_bytes(b"torn")
    config = json.loads((whole / "config.json").read_text()) | {"num_hidden_layers": "two"}
    (folder / "nonsense" / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("case", BAD)
def test_one_line_with_the_law_and_the_remedy(
    case: str, text: str, tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    old, new, expected = BAD[case]
    assert old in text, "the case still fits the study"
    _write_bad_files(tmp_path, tiny_checkpoint)
    assert check(text.replace(old, new.replace("{folder}", str(tmp_path)), 1), tmp_path) == MISUSED
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, lines
    assert re.search(expected, lines[0]), lines[0]
    assert not home.exists(), "nothing was written"


def test_a_hub_that_does_not_answer_is_said_in_one_line_and_stops_runs_alone(text: str, tmp_path: Path) -> None:
    """Everything else is checked; whoever starts runs is refused before the first of them."""
    hub = '"FacebookAI/xlm-roberta-base"\nrevision = "0123456789012345678901234567890123456789"'
    study = tmp_path / "first.toml"
    study.write_text(re.sub(r'checkpoint = ".*"', f"checkpoint = {hub}", text, count=1), encoding="utf-8")
    here = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "SUITE_HOME": str(tmp_path)}

    def suite(verb: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "suite", verb, str(study)]
        return subprocess.run(command, env=here, text=True, capture_output=True, timeout=120)

    checked, refused = suite("check"), suite("run")
    assert checked.returncode == 0 and checked.stderr == ""
    said = [line for line in checked.stdout.splitlines() if "FacebookAI/xlm-roberta-base" in line]
    assert len(said) == 2 and "the hub does not answer" in said[-1]
    assert refused.returncode == MISUSED
    assert len(refused.stderr.splitlines()) == 1 and "these are not on this machine" in refused.stderr
    study.write_text(study.read_text(encoding="utf-8").replace('"zh"', '"xx"'), encoding="utf-8")
    assert suite("check").returncode == MISUSED


@pytest.mark.parametrize(
    ("setting", "value", "law"),
    [
        ("SUITE_DEVICE", "gpu", "SUITE_DEVICE is cpu, or cuda where there is a GPU, got 'gpu'"),
        ("SUITE_DEVICE", "meta", "SUITE_DEVICE is cpu, or cuda where there is a GPU, got 'meta'"),
        ("SUITE_HOME", "{file}", "SUITE_HOME is a folder, and .*file is a file; set SUITE_HOME"),
        ("SUITE_HOME", "{file}/below", "SUITE_HOME is a folder, and .*file is a file; set SUITE_HOME"),
        ("SUITE_HOME", "h" * 300, "SUITE_HOME is a folder, .* cannot be one"),
    ],
)
def test_a_setting_that_cannot_work_is_named_by_check(
    setting: str,
    value: str,
    law: str,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(setting, value.replace("{file}", str(tmp_path / "file")))
    assert check(text, tmp_path) == MISUSED
    assert re.search(law, capsys.readouterr().err)


@pytest.mark.parametrize("verb", ["run", "export"])
@pytest.mark.parametrize("place", ["file", "file/below", "/proc/tables"])
def test_tables_that_cannot_be_written_are_named_before_any_run(
    verb: str, place: str, text: str, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "study.toml").write_text(text)
    assert main([verb, str(tmp_path / "study.toml"), "--to", str(tmp_path / place)]) == MISUSED
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(r"tables are written to .*, which cannot be \(.*\); name a folder with --to", line)
    assert not home.exists()


@pytest.mark.parametrize("options", [["--workers", "4"], ["--cpus", "2"], ["--set", "partition=gpu"]])
def test_settings_of_workers_without_an_executor_are_refused(
    options: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study.toml").write_text(text)
    assert main(["run", str(tmp_path / "study.toml"), *options]) == MISUSED
    assert f"{options[0]} is of workers, and --executor names none" in capsys.readouterr().err


def test_a_module_of_the_working_directory_is_found_by_the_script_too(text: str, tmp_path: Path) -> None:
    (tmp_path / "my_lab.py").write_text("from suite.methods import METHODS\n"
                                        "PLAIN = METHODS['random-perturbation']\n")  # fmt: skip
    named = text.replace('name = "random-perturbation"', 'name = "my_lab:PLAIN"')
    assert named != text
    (tmp_path / "study.toml").write_text(named)
    here = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONSAFEPATH": "1"}
    script = "import sys; from suite.cli import main; sys.exit(main(['check', 'study.toml', '--quiet']))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=here, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_checkpoint_that_the_mirror_lacks_is_said_by_check_and_stops_runs(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SUITE_HUB", str(tmp_path))
    hub = f'"FacebookAI/xlm-roberta-base"\nrevision = "{"01" * 20}"'
    named = re.sub(r'checkpoint = ".*"', f"checkpoint = {hub}", text, count=1)
    assert check(named, tmp_path) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  cannot run here: ")]
    assert len(said) == 1 and "the hub mirror has no 'FacebookAI/xlm-roberta-base': copy" in said[0]
    for verb in ("run", "tune", "refit"):
        assert main([verb, str(tmp_path / "study.toml"), "--quiet"]) == MISUSED
        assert "the hub mirror has no 'FacebookAI/xlm-roberta-base'" in capsys.readouterr().err
    assert check(named.replace("FacebookAI/", "./FacebookAI/"), tmp_path) == MISUSED
    assert check(named.replace("01" * 20, "main"), tmp_path) == MISUSED


def test_data_that_the_mirror_lacks_is_said_by_check(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "facebook" / "xnli"
    for name in ("train", "validation", "test"):
        (folder / "en").mkdir(parents=True, exist_ok=True)
        (folder / "en" / f"{name}.parquet").write_bytes(b"no table")
    card = ["---", "configs:", "- config_name: en", "  data_files:"]
    card += [f"  - split: {name}\n    path: en/{name}.parquet" for name in ("train", "validation", "test")]
    (folder / "README.md").write_text("\n".join([*card, "---", ""]))
    monkeypatch.setenv("SUITE_HUB", str(tmp_path))
    other = text.replace('name = "home-intents"', 'name = "xnli"')
    assert check(other, tmp_path, "--json") == 0
    lacking = json.loads(capsys.readouterr().out)["lacking"]
    assert lacking == [f"task 'xnli': the hub mirror {tmp_path} has no facebook/xnli {c}/test" for c in ("de", "zh")]
    assert check(other, tmp_path) == 0
    assert "  cannot run here: task 'xnli': the hub mirror" in capsys.readouterr().out


@pytest.mark.skipif(not (SHARED / "google/xtreme").is_dir(), reason="no copy of google/xtreme; set SUITE_HUB")
def test_data_that_is_refused_when_loaded_is_said_by_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SUITE_HUB", str(SHARED))
    assert main(["check", str(Path(__file__).parent.parent / "studies" / "tatoeba-me5.toml")]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  cannot run here: ")]
    assert len(said) == 1 and "one of them is sorted" in said[0]


def test_a_decoder_is_refused(
    text: str, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decoder = tmp_path / "decoder"
    decoder.mkdir()
    (decoder / "config.json").write_text(json.dumps({"model_type": "gpt2", "n_layer": 2}))
    assert check(text.replace(str(tiny_checkpoint), str(decoder), 1), tmp_path) == MISUSED
    assert "encoder" in capsys.readouterr().err


def test_an_unreachable_tracking_server_is_named_by_check(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:secret@127.0.0.1:{port}")
    assert check(text, tmp_path) == MISUSED
    line = capsys.readouterr().err
    assert str(port) in line
    assert "secret" not in line


def test_the_plan_counts_every_run(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(text, tmp_path) == 0
    out = capsys.readouterr().out
    assert "2 scales x 4 methods x (2 trials + 2 seeds) + 2 untouched checkpoints = 34" in out


def test_a_part_of_the_plan_can_be_chosen(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(text, tmp_path, "--scale", "1-layer", "--method", "standard", "--json") == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 5
    assert check(text, tmp_path, "--scale", "1-layers") == MISUSED
    assert "did you mean '1-layer'" in capsys.readouterr().err


def test_a_subset_that_the_task_has_not_is_said_to_be_left_out(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = text.replace('"char-noise"', '"generalised", "char-noise"', 1)
    assert check(named, tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  left out   generalised: defined for xnli, xnli-dev, paws-x, paws-x-dev, not for home-intents" in lines
    assert not any("generalised" in line for line in lines if line.startswith("  subsets"))
    assert check(named, tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == {"generalised": "xnli, xnli-dev, paws-x, paws-x-dev"}
    assert check(text, tmp_path) == 0 and "left out" not in capsys.readouterr().out


def test_every_study_of_the_repository_loads_and_resolves(capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted((Path(__file__).parent.parent / "studies").glob("*.toml")):
        assert main(["check", str(path), "--quiet"]) == 0, capsys.readouterr().err
        head = path.read_text().split("\nname", 1)[0]
        for word in ("Question", "Command", "Cost", "Expected"):
            assert f"# {word}" in head, f"{path.name} states its {word.lower()}"


def test_the_probe_estimates_every_scale_and_method(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(text, tmp_path, "--probe", "--json") == 0
    costs = json.loads(capsys.readouterr().out)["costs"]
    assert len(costs) == 8
    assert all(0 < c["update"] < c["tuning_run"] <= c["refit_run"] <= c["total"] for c in costs)


def test_the_probe_counts_votes_and_attacks_on_words(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a second for whatever is timed, a refit is so many seconds longer than a trial."""
    monkeypatch.setattr("suite.probe._timed", lambda work: (work(), 1.0)[1])

    def longer(votes: int, queries: int) -> dict[str, float]:
        asked = text.replace("smoothing_samples = 20", f"smoothing_samples = {votes}")
        asked = asked.replace("word_attack_queries = 6", f"word_attack_queries = {queries}")
        assert check(asked, tmp_path, "--probe", "--json", "--scale", "1-layer") == 0
        costs = json.loads(capsys.readouterr().out)["costs"]
        return {c["method"]: c["refit_run"] - c["tuning_run"] for c in costs}

    plain, votes, words = longer(0, 0), longer(300, 0), longer(0, 6)
    assert plain == dict.fromkeys(plain, 1 + 3 + 1), "clean items, the attack on embeddings in 3 languages, alignment"
    assert votes == plain | {"random-perturbation": plain["standard"] + 3 * (300 + 30) / (20 + 10)}
    assert all(words[method] > plain[method] for method in plain)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_full_disk_is_named_before_any_work(
    text: str, tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SUITE_HOME", str(small_disk))
    assert check(text, tmp_path) == MISUSED
    assert "make room" in capsys.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    heavy = ("torch", "pydantic", "numpy", "mlflow", "optuna")
    code = f"import sys, suite.cli; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert run.stdout.strip() == "[]"


def test_the_console_command_and_the_module_are_the_same() -> None:
    for command in ([sys.executable, "-m", "suite"], [str(Path(sys.executable).parent / "suite")]):
        if Path(command[0]).exists():
            shown = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
            assert shown.startswith("suite ")


@pytest.mark.parametrize("port", ["1", "abc"])
def test_pages_of_a_server_that_does_not_answer_are_refused_with_its_address_and_the_remedy(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    assert main(["ui", "studies/quickstart.toml"]) == MISUSED
    (line,) = capsys.readouterr().err.splitlines()
    assert f"http://127.0.0.1:{port} does not answer" in line and "correct MLFLOW_TRACKING_URI" in line


@pytest.mark.parametrize("port", ["-1", "65536", "99999", "5000.5", "http"])
def test_a_port_that_cannot_be_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["ui", f"--port={port}"])
    assert refused.value.code == MISUSED
    assert f"a port is a whole number from 0 to 65535, got '{port}'" in capsys.readouterr().err
