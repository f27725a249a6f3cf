"""Laws of study files: strict, answered in one line with the exact path, and digested the same everywhere."""

from __future__ import annotations

import copy
import dataclasses
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tiny import make_trial

from suite.canonical import digest, to_json
from suite.spec import RefitSpec, StudySpec, TuneSpec
from suite.study_file import load_study
from suite.trial_spec import MethodSpec, Range, Scale

ROOT = Path(__file__).resolve().parent.parent
VALID = """
name = "valid"
question = "What holds?"
hub = "mirror"
tracking = "sqlite:///here.db"

[task]
name = "home-intents"
source = "en"
targets = ["de", "es"]
train_examples = 100
synonyms = "synonyms.json"

[[scale]]
name = "2-layer"
checkpoint = "me5-small-q4"
revision = "0123"
layers = 2
prefix = "query: "
learning_rate = { low = 1e-5, high = 1e-4, log = true }

[[scale]]
name = "4-layer"
checkpoint = "me5-small-q4"
learning_rate = 2e-4

[[method]]
name = "standard"

[[method]]
name = "adversarial"
radius = { low = 0.01, high = 0.3, log = true }
steps = 2
norm = ["l2", "linf"]

[train]
epochs = 3
batch_size = 16
learning_rate = 1e-4
dropout = 0.1
train_embeddings = false

[tune]
trials = 3
seed = 0
select_on = "validation"
metric = "accuracy"
storage = "sqlite:///optuna.db"

[refit]
seeds = [1, 2, 3]

[evaluation]
report_on = "test"
subsets = ["char-noise"]
attack_radius = 0.1
attack_examples = 10

[alignment]
metrics = ["csls_p1"]
pairs = 100

[comparison]
baseline = "standard"
margin = 0.01
correction = "holm"
"""
TABLE = tomllib.loads(VALID)
STUDY_JSON = TypeAdapter(StudySpec)
Place = tuple[str | int, ...]


def toml(value: Any) -> str:
    """A value on one line of TOML; dates as they are written."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)} = {toml(item)}' for key, item in value.items())}}}"
    return repr(value)


def load(table: dict[str, Any], folder: Path) -> StudySpec:
    path = folder / "study.toml"
    path.write_text("\n".join(f"{json.dumps(key)} = {toml(value)}" for key, value in table.items()))
    return load_study(path)


def refusal(table: dict[str, Any], folder: Path) -> str:
    """What a study file is refused with, less the name of the file: always a single line."""
    with pytest.raises(ValueError) as caught:
        load(table, folder)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and message.startswith(f"{folder / 'study.toml'}: ")
    return message.removeprefix(f"{folder / 'study.toml'}: ")


def put(table: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(table)
    inner: Any = changed
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    return changed


def drop(table: dict[str, Any], place: Place) -> dict[str, Any]:
    changed = copy.deepcopy(table)
    inner: Any = changed
    for part in place[:-1]:
        inner = inner[part]
    del inner[place[-1]]
    return changed


def places(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value of a study, tables and lists included, with its place."""
    if place:
        yield place, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*place, key))


def written(place: Place) -> str:
    """`("scale", 1, "layers")` as `scale[1].layers`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


PLACES = dict(places(TABLE))
FREE = {place for place in PLACES if place[0] == "method" and len(place) > 2 and place[2] != "name"}
"""Hyperparameters, which may be of any plain type: the method's signature judges them, not the study file's grammar."""


def kind(value: Any) -> str:
    """The kind of a value; whole numbers pass for numbers."""
    return "number" if type(value) in (int, float) else type(value).__name__


# Refusals


@pytest.mark.parametrize("wrong", [True, 3, 2.5, "zz", [], [[1]], {"zz": 1}], ids=repr)
def test_a_value_of_another_type_is_refused_with_its_path(wrong: Any, tmp_path: Path) -> None:
    tried = 0
    for place, value in PLACES.items():
        same = kind(value) == kind(wrong) and not (isinstance(value, int) and isinstance(wrong, float))
        number_or_range = "learning_rate" in place and kind(value) in ("number", "dict") and kind(wrong) == "number"
        if same or place in FREE or (number_or_range and place[-1] == "learning_rate"):
            continue
        tried += 1
        message = refusal(put(TABLE, place, wrong), tmp_path)
        assert message.startswith(written(place)), f"{place} = {wrong!r}: {message}"
    assert tried > 20


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")], ids=repr)
def test_no_number_of_a_study_is_infinite_or_undefined(wrong: float, tmp_path: Path) -> None:
    for place, value in PLACES.items():
        if kind(value) == "number" or place in FREE:
            message = refusal(put(TABLE, place, wrong), tmp_path)
            assert message.startswith(written(place)) and ("finite" in message or "should be" in message), message


@pytest.mark.parametrize("place", [p for p, v in PLACES.items() if isinstance(v, dict)], ids=written)
def test_a_typo_in_a_key_names_the_path_and_the_key_that_was_meant(place: Place, tmp_path: Path) -> None:
    inner: Any = TABLE
    for part in place:
        inner = inner[part]
    for key in inner:
        if place[0] == "method" and len(place) == 2 and key != "name":
            continue  # A hyperparameter, which the method knows.
        typo = key + "q"
        message = refusal(drop(put(TABLE, (*place, typo), inner[key]), (*place, key)), tmp_path)
        if place[0] == "method" and len(place) == 2:
            assert f"{written(place)}.name: required key is missing" in message
        else:
            assert f"{written(place)}.{typo}: unknown key; did you mean {key!r}?" in message


def test_a_typo_in_the_name_of_a_table_is_answered_alike(tmp_path: Path) -> None:
    message = refusal(drop(put(TABLE, ("trian",), TABLE["train"]), ("train",)), tmp_path)
    assert message == "train: required key is missing; trian: unknown key; did you mean 'train'?"


@pytest.mark.parametrize(
    "place",
    [
        *[("name",), ("question",), ("task",), ("scale",), ("method",), ("train",), ("tune",)],
        *[("task", "name"), ("task", "targets"), ("scale", 1, "name"), ("scale", 0, "checkpoint")],
        *[("method", 1, "name"), ("train", "learning_rate"), ("tune", "trials")],
        *[("method", 1, "radius", "low"), ("scale", 0, "learning_rate", "high")],
    ],
    ids=written,
)
def test_a_missing_key_is_named_with_its_path(place: Place, tmp_path: Path) -> None:
    assert refusal(drop(TABLE, place), tmp_path) == f"{written(place)}: required key is missing"


FOLDER = " is letters, digits, '-', '_' and inner '.', at most 80 bytes, as it names a folder; got "
LAWS: list[tuple[str, Any, str]] = [
    ("name", "a/b", FOLDER + "'a/b'"),
    ("name", "..", FOLDER + "'..'"),
    ("name", "", FOLDER + "''"),
    ("scale[0].name", "../x", FOLDER + "'../x'"),
    ("task.targets", [], " names at least one language"),
    ("task.targets", ["de", "de"], " are distinct, got ['de', 'de']"),
    ("task.targets", ["de", "en"], "task.source is not among the targets (zero-shot), got 'en' in both"),
    ("task.train_examples", 1, " is at least 2, got 1"),
    ("task.test_examples", 0, " is at least 2, got 0"),
    ("scale", [], " is given at least once, as a table [[scale]]"),
    ("scale", {}, ": should be a list, got {}; write [[scale]]"),
    ("scale[1].name", "2-layer", "scale names are distinct, got ['2-layer', '2-layer']"),
    ("scale[0].layers", 0, " is at least 1, got 0"),
    ("scale[1].learning_rate", -0.0002, " is positive, got -0.0002"),
    (
        "scale[0].learning_rate.low",
        0,
        ("scale[0].learning_rate: log = true needs low > 0, got low = 0; raise low or drop log"),
    ),
    ("scale[0].learning_rate.log", 1, ": should be true or false, got 1"),
    ("method", [], " is given at least once, as a table [[method]]"),
    ("method[1].name", "standard", "method names are distinct, got ['standard', 'standard']"),
    ("method[0]", 3, ": should be a table, got 3"),
    ("method[1].radius.high", 0.001, "method[1].radius: low <= high must hold, got low = 0.01, high = 0.001"),
    (
        "method[1].radius.low",
        -0.1,
        ("method[1].radius: log = true needs low > 0, got low = -0.1; raise low or drop log"),
    ),
    ("method[1].radius.low", True, ": should be a number, got true"),
    (
        "method[1].radius",
        {"low": 1, "hihg": 2},
        ("method[1].radius.high: required key is missing; method[1].radius.hihg: unknown key; did you mean 'high'?"),
    ),
    ("method[1].norm", [], " lists at least one choice, got none"),
    ("method[1].norm", ["l2", "l2"], " lists distinct choices, got ['l2', 'l2']"),
    ("method[1].norm", ["l2", ["l1"]], "method[1].norm[1]: should be true or false or a number or a text, got ['l1']"),
    ("train.epochs", 0, " is at least 1, got 0"),
    ("train.batch_size", -8, " is at least 1, got -8"),
    ("train.dropout", 1.0, " is at least 0 and below 1, got 1.0"),
    ("train.warmup", 1.5, " is 0 to 1, got 1.5"),
    ("train.learning_rate", 0, " is positive, got 0.0"),
    ("train.learning_rate", "fast", ": should be a number or a table, got 'fast'"),
    ("train.learning_rate", {"low": 0, "high": 1}, " is positive, got 0"),
    ("train.head_learning_rate", 0, ' is positive, or "encoder", got 0.0'),
    ("train.head_learning_rate", "large", ": should be a number or 'encoder', got 'large'"),
    ("train.weight_decay", -0.1, " is not negative, got -0.1"),
    ("train.clip_norm", 0, " is positive, got 0.0"),
    ("train.max_length", 3, " is at least 4 tokens, got 3"),
    ("train.validations", 0, " is at least 1, got 0"),
    ("tune.trials", 0, " is at least 1, got 0"),
    ("tune.startup_trials", 0, " is at least 1, got 0"),
    ("tune.pruner", "hyperband", ": should be 'median' or 'none', got 'hyperband'"),
    (
        "tune.metric",
        "f2",
        ": should be 'accuracy', 'macro_f1', 'entity_f1', 'token_accuracy', 'f1', 'exact_match', 'map_at_20' or "
        "'margin_p1', got 'f2'",
    ),
    ("tune.seed", 2, " is not among refit.seeds (refits are fresh), got 2 in [1, 2, 3]"),
    ("refit.seeds", [1], " hold at least 2 for an interval, got [1]"),
    ("refit.seeds", [1, 1], " are distinct, got [1, 1]"),
    (
        "evaluation.report_on",
        "validation",
        (
            "tune.select_on is not evaluation.report_on (selecting on the "
            "reporting split is peeking), got 'validation' for both; select on "
            "'validation' and report on 'test'"
        ),
    ),
    ("evaluation.attack_radius", -0.1, " is not negative, got -0.1"),
    ("evaluation.attack_steps", 0, " is at least 1, got 0"),
    ("evaluation.attack_examples", 1, " is at least 2, got 1"),
    ("evaluation.smoothing_samples", 5, " is 0, or at least 20 for a vote to decide, got 5"),
    ("evaluation.subsets", ["a", "a"], " are distinct, got ['a', 'a']"),
    ("evaluation.lexicon", "a/{source}", " is a folder, or a path with {source} and {target}, got 'a/{source}'"),
    ("alignment.metrics", ["a", "a"], " are distinct, got ['a', 'a']"),
    ("alignment.pairs", 19, " is at least 20 for retrieval to mean anything, got 19"),
    ("comparison.baseline", "erm", " is one of the study's methods ['standard', 'adversarial'], got 'erm'"),
    ("comparison.confidence", 1.0, " lies between 0.5 and 1, got 1.0"),
    ("comparison.margin", 0, " is positive, got 0.0"),
    ("comparison.correction", "none", ": should be 'holm', 'hommel' or 'bonferroni', got 'none'"),
]
"""A key, a value that breaks its law, and the answer: what follows the key, or the whole of it."""


@pytest.mark.parametrize(("path", "value", "law"), LAWS, ids=[f"{path}-{value}" for path, value, _ in LAWS])
def test_a_broken_law_is_told_with_path_value_and_remedy(path: str, value: Any, law: str, tmp_path: Path) -> None:
    place = tuple(
        int(part) if part.isdecimal() else part for part in path.replace("[", ".").replace("]", "").split(".")
    )
    assert refusal(put(TABLE, place, value), tmp_path) == (path + law if law[0] in " :" else law)


def test_selection_never_sees_the_test_split(tmp_path: Path) -> None:
    swapped = put(put(TABLE, ("evaluation", "report_on"), "validation"), ("tune", "select_on"), "test")
    assert refusal(swapped, tmp_path).startswith("tune.select_on is not 'test': selection never sees the test split")


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    wrong = put(put(TABLE, ("train", "epochs"), "many"), ("scale", 1, "layrs"), 3)
    assert refusal(wrong, tmp_path) == (
        "scale[1].layrs: unknown key; did you mean 'layers'?; train.epochs: should be a whole number, got 'many'"
    )


def test_odd_keys_and_long_values_stay_on_one_line(tmp_path: Path) -> None:
    assert refusal(put(TABLE, ("a\nb.c",), 1), tmp_path).startswith(
        r"'a\nb.c': unknown key; known here: name, question"
    )
    assert refusal(put(TABLE, ("float",), 1), tmp_path).startswith("float: unknown key")
    message = refusal(put(TABLE, ("train", "epochs"), "x\u2028y" * 200), tmp_path)
    assert message.startswith("train.epochs: ") and len(message) < 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "is not TOML: Invalid value (at end of document)"),
        ("name = 'a'\nname = 'b'", "is not TOML: Cannot overwrite a value (at end of document)"),
        ("\ud800", "is not TOML: "),
        ("[task]\nname = 2020-01-01", ": task.name: dates and times have no place in a study file; quote what is"),
        ("[[scale]]\nname = 'a'\nx = [10:00:00]", ": scale[0].x[0]: dates and times have no place in a study"),
        (f"seed = {'9' * 5000}", "is not TOML: "),
        ("", "name: required key is missing; question: required key is missing; task: required key is missing"),
    ],
    ids=lambda v: v[:12],
)
def test_a_file_that_is_no_study_is_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(text, errors="surrogatepass")
    with pytest.raises(ValueError) as caught:
        load_study(path)
    assert message in str(caught.value) and str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^no study file at .*absent.toml$"):
        load_study(tmp_path / "absent.toml")
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        load_study(tmp_path)


# Records


def test_a_study_is_what_its_file_says(tmp_path: Path) -> None:
    study = load(TABLE, tmp_path)
    assert study.task.languages == ("en", "de", "es")
    assert study.find_scale("4-layer") == Scale(name="4-layer", checkpoint="me5-small-q4", learning_rate=2e-4)
    assert study.find_method("adversarial").parameters == {
        "radius": Range(low=0.01, high=0.3, log=True),
        "steps": 2,
        "norm": ("l2", "linf"),
    }
    assert study.robust_methods == ("adversarial",)
    assert study.find_method("standard") == MethodSpec(name="standard")
    with pytest.raises(ValueError, match=r"unknown scale '2-layr'; did you mean '2-layer'\? Known: 2-layer, 4-layer"):
        study.find_scale("2-layr")
    with pytest.raises(ValueError, match="unknown method 'qqq'; known: standard, adversarial"):
        study.find_method("qqq")


def test_defaults_keep_tuning_and_refit_seeds_apart_and_refit_six_times() -> None:
    assert TuneSpec(trials=1).seed not in RefitSpec().seeds and len(RefitSpec().seeds) >= 6


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.toml")), ids=lambda p: p.stem)
def test_every_shipped_study_is_valid_and_bears_its_files_name(path: Path) -> None:
    assert load_study(path).name == path.stem


def test_a_study_survives_the_round_trip_through_json(tmp_path: Path) -> None:
    study = load(TABLE, tmp_path)
    assert STUDY_JSON.validate_json(json.dumps(to_json(study))) == study


NUMBERS = st.integers(-100, 100) | st.floats(allow_nan=True, allow_infinity=True)


@given(low=NUMBERS, high=NUMBERS, log=st.booleans())
@settings(deadline=None, derandomize=True, max_examples=200)
def test_a_range_is_finite_ordered_and_positive_where_it_is_logarithmic(low: float, high: float, log: bool) -> None:
    lawful = abs(low) < float("inf") and abs(high) < float("inf") and low <= high and (low > 0 or not log)
    if lawful:
        assert dataclasses.astuple(Range(low=low, high=high, log=log)) == (low, high, log)
    else:
        with pytest.raises(ValueError):
            Range(low=low, high=high, log=log)


# Digests


def test_a_digest_is_of_the_value_and_not_of_its_order() -> None:
    """The value is frozen: were it to change, no finished run would be found again."""
    first, second = {"b": [1, 2.5, "ü", None, True], "a": {}}, {"a": {}, "b": [1, 2.5, "ü", None, True]}
    assert digest(first) == digest(second) == "44aa579582fffd976c55a2cc8235129fa76dd4f905d0f18def254e22c6a994f2"
    assert digest({"a": 1}) != digest({"a": "1"}) != digest({"a": [1]})


def test_the_order_of_keys_in_the_file_does_not_matter(tmp_path: Path) -> None:
    def reverse(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: reverse(value[key]) for key in reversed(value)}
        return [reverse(item) for item in value] if isinstance(value, list) else value

    assert load(reverse(TABLE), tmp_path).digest == load(TABLE, tmp_path).digest


def test_a_digest_is_the_same_in_another_process(tmp_path: Path) -> None:
    study = load(TABLE, tmp_path)
    script = (
        "import sys; from pathlib import Path; from suite.study_file import load_study; "
        "print(load_study(Path(sys.argv[1])).digest); "
        "sys.exit(bool({'torch', 'transformers', 'mlflow', 'optuna'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "study.toml")]
    out = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=60, env={"PYTHONHASHSEED": "7"}, cwd=ROOT
    )
    assert out.stdout.strip() == study.digest


WHERE_THINGS_ARE = {("hub",), ("tracking",), ("tune", "storage")}


def other(value: Any) -> Any:
    """Another lawful value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 2 if isinstance(value, float) else value + 7
    return {"validation": "test", "test": "validation", "accuracy": "macro_f1", "holm": "hommel"}.get(
        value, value + "x"
    )


def test_a_digest_follows_all_that_matters_and_nothing_else(tmp_path: Path) -> None:
    digests = {load(TABLE, tmp_path).digest}
    for place, value in PLACES.items():
        if isinstance(value, dict | list) or place[-1] in ("select_on", "report_on", "baseline") or value == "standard":
            continue
        found = load(put(TABLE, place, other(value)), tmp_path).digest
        assert (found in digests) == (place in WHERE_THINGS_ARE), place
        digests.add(found)
    assert len(digests) > 30


def test_a_trials_digest_follows_every_field_and_names_its_folder() -> None:
    spec = make_trial("adversarial", {"radius": 0.1})
    changes: dict[str, Any] = {
        "study": "other",
        "phase": "tune",
        "method": "standard",
        "hyperparameters": {"radius": 0.2},
        "learning_rate": 2e-3,
        "seed": 2,
        "number": 0,
        "metric": "macro_f1",
        "select_on": "test",
        "scale": dataclasses.replace(spec.scale, layers=1),
        "task": dataclasses.replace(spec.task, targets=("de", "es")),
        "train": dataclasses.replace(spec.train, dropout=0.2),
        "evaluation": dataclasses.replace(spec.evaluation, attack_radius=0.1),
        "alignment": dataclasses.replace(spec.alignment, pairs=21),
    }
    assert set(changes) == {f.name for f in dataclasses.fields(spec)}
    digests = [dataclasses.replace(spec, **{name: value}).digest for name, value in changes.items()]
    assert len({spec.digest, *digests}) == len(changes) + 1
    assert spec.run_id == f"refit-tiny-adversarial-seed1-{spec.digest[:12]}"
