"""Laws of loading questions: three layouts give the same examples, answers stand in their contexts, defects show."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from suite.records import load_record
from suite.tasks import TASKS, Examples
from suite.tasks.answers import MLQA, SQUAD

pytestmark = pytest.mark.usefixtures("cache_dir")

HUB = Path(os.environ.get("SUITE_HUB") or Path(__file__).parents[2] / "shared" / "hub")
needs_tydiqa = pytest.mark.skipif(
    not (HUB / "local/tydiqa_goldp").is_dir(), reason=f"no copy of local/tydiqa_goldp under {HUB}; set SUITE_HUB"
)
TYDIQA, XQUAD = TASKS["tydiqa-goldp"], TASKS["xquad"]

Row = dict[str, Any]
THINGS = ["light", "lamp", "window", "door", "fan", "tv", "music", "alarm", "timer", "song"]
ROOMS = ["kitchen", "bedroom", "bathroom", "living room", "office", "garage", "hall"]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUITE_XTREME", raising=False)


def row(name: str, question: str, context: str, *answers: str | tuple[str, int]) -> Row:
    """A row as the hub stores it; an answer alone begins where it first stands."""
    claims = [(a, context.index(a)) if isinstance(a, str) else a for a in answers]
    cell = {"text": [text for text, _ in claims], "answer_start": [start for _, start in claims]}
    return {"id": name, "title": "", "context": context, "question": question, "answers": cell}


def written(prefix: str, count: int = 60, seed: int = 0) -> list[Row]:
    """Two questions to each context: where a thing is, and how many there are."""
    rng, rows = random.Random(f"{prefix} {seed}"), []
    for i in range(count // 2):
        thing, room, number = rng.choice(THINGS), rng.choice(ROOMS), str(rng.randrange(100, 1000))
        context = f"Page {i}. The {thing} is in the {room}. There are {number} more of them. Call it {prefix} {i}."
        rows.append(row(f"{prefix}-{2 * i}-0", f"where is the {thing} of {i}", context, room))
        rows.append(row(f"{prefix}-{2 * i + 1}-0", f"how many more of {i}", context, number))
    return rows


ENGLISH, FINNISH = written("english"), written("finnish", 40)


def put(root: Path, repository: str, tables: Mapping[tuple[str, str], Sequence[Row]]) -> Path:
    """A hub directory with a repository: (configuration, split) to its rows."""
    folder, card = root / repository, ["---", "configs:"]
    for configuration in dict.fromkeys(name for name, _ in tables):
        (folder / configuration).mkdir(parents=True)
        card += [f"- config_name: {configuration}", "  data_files:"]
        for (name, split), rows in tables.items():
            if name == configuration:
                pq.write_table(pa.Table.from_pylist([*rows]), folder / name / f"{split}.parquet")
                card += [f"  - split: {split}", f"    path: {name}/{split}.parquet"]
    (folder / "README.md").write_text("\n".join([*card, "---", ""]))
    return root


def by_language(root: Path) -> Path:
    """The mirror's layout: a configuration for each language, and ids of training that have lost their head."""
    training = [{**r, "id": r["id"].rsplit("-", 1)[1]} for r in ENGLISH]
    tables = {("en", "train"): training, ("en", "validation"): written("english", 20, 1), ("fi", "validation"): FINNISH}
    return put(root, "local/tydiqa_goldp", tables)


def mixed(root: Path) -> Path:
    """The hub's layout: all languages in one configuration, told apart by their ids."""
    both = [r for pair in zip(ENGLISH, written("finnish", 60, 2), strict=True) for r in pair]
    tests = [*FINNISH, *written("english", 20, 1)]
    return put(root, "google/xtreme", {("tydiqa", "train"): both, ("tydiqa", "validation"): tests})


def squad_json(rows: Sequence[Row]) -> Any:
    """Rows as XTREME's preprocessing writes them: an article for each question, no titles."""
    data = []
    for r in rows:
        pairs = zip(r["answers"]["text"], r["answers"]["answer_start"], strict=True)
        answers = [{"text": text, "answer_start": start} for text, start in pairs]
        qas = [{"id": r["id"], "question": r["question"], "answers": answers}]
        data.append({"paragraphs": [{"context": r["context"], "qas": qas}]})
    return {"data": data, "version": "TyDiQA-GoldP-1.1-for-SQuAD-1.1"}


TRAIN = "tydiqa/tydiqa-goldp-v1.1-train/tydiqa.goldp.en.train.json"
DEV = "tydiqa/tydiqa-goldp-v1.1-dev/tydiqa.goldp.fi.dev.json"


@pytest.fixture
def xtreme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], Path]:
    """Writes files into a download directory that `SUITE_XTREME` names."""
    monkeypatch.setenv("SUITE_XTREME", str(tmp_path / "download"))

    def write(name: str, data: bytes) -> Path:
        path = tmp_path / "download" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return write


def as_json(rows: Sequence[Row], **how: Any) -> bytes:
    return json.dumps(squad_json(rows), **how).encode("utf-8", "surrogatepass")


def same(one: Examples, other: Examples) -> bool:
    columns = ("ids", "texts", "pairs", "answers", "groups", "base_ids", "label_names")
    return one.fingerprint == other.fingerprint and all(getattr(one, c) == getattr(other, c) for c in columns)


# One task, three layouts


def test_three_layouts_give_the_same_examples(tmp_path: Path, xtreme: Callable[[str, bytes], Path]) -> None:
    lost = [{**r, "id": r["id"].rsplit("-", 1)[1]} for r in ENGLISH]
    xtreme(TRAIN, as_json(lost))
    xtreme(DEV, as_json(FINNISH))
    wanted = [("en", "train"), ("en", "validation"), ("fi", "test")]
    from_xtreme = [TYDIQA.load(*what, tmp_path) for what in wanted]
    os.environ.pop("SUITE_XTREME")
    roots = by_language(tmp_path / "one"), mixed(tmp_path / "two")
    from_hubs = [[TYDIQA.load(*what, root) for what in wanted] for root in roots]
    for a, b, c in zip(from_xtreme, *from_hubs, strict=True):
        assert same(a, b) and same(b, c) and len({e.source for e in (a, b, c)}) == 3
        assert set(a.label_names) == {SQUAD} and a.labels.tolist() == [0] * len(a)
    assert from_xtreme[2].ids == tuple(r["id"] for r in FINNISH)


def test_what_selects_shares_no_context_with_what_trains(tmp_path: Path) -> None:
    root = by_language(tmp_path)
    train, selects = (TYDIQA.load("en", split, root) for split in ("train", "validation"))
    assert len(train) + len(selects) == 60 and 0 < len(selects) < 20
    assert not {*(train.pairs or ())} & {*(selects.pairs or ())} and not {*train.ids} & {*selects.ids}
    assert not {*TYDIQA.load("en", "test", root).ids} & {*train.ids, *selects.ids}
    assert len(set(train.groups)) == len({*(train.pairs or ())}), "questions of one context are a group"


def test_a_question_that_is_asked_again_has_a_number(tmp_path: Path) -> None:
    root = put(tmp_path, "local/tydiqa_goldp", {("en", "train"): [*ENGLISH, *ENGLISH]})
    ids = [i for split in ("train", "validation") for i in TYDIQA.load("en", split, root).ids]
    assert len(ids) == len(set(ids)) == 120 and sum(i.endswith("-2") for i in ids) == 60


def test_ids_that_repeat_elsewhere_are_refused(tmp_path: Path) -> None:
    root = put(tmp_path, "local/tydiqa_goldp", {("fi", "validation"): [*FINNISH, FINNISH[3]]})
    with pytest.raises(ValueError, match="ids are unique, 1 of 41 are repeated; repair"):
        TYDIQA.load("fi", "test", root)


def test_a_language_that_the_file_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"google/xtreme tydiqa/validation: none of 60 ids begins with 'korean-'"):
        TYDIQA.load("ko", "test", mixed(tmp_path))


# Answers and texts


def loaded(root: Path, *rows: Row) -> Examples:
    return TYDIQA.load("fi", "test", put(root, "local/tydiqa_goldp", {("fi", "validation"): [*FINNISH, *rows]}))


def test_an_answer_is_moved_to_the_one_place_where_it_stands(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        row("a", "who", "\r\nAda met Bob.\r\n", ("Bob", 8)),  # counted without CR
        row("b", "who", "Ada met Bob.", ("Bob", 8), ("Ada", 3), ("Eve", 0)),
        row("c", "who", "Ada met Ada and Bob.", "Bob", ("Ada", 3)),  # which Ada?
    )
    assert [[(a.text, a.start) for a in right] for right in (found.answers or ())[-3:]] == [
        [("Bob", 10)],
        [("Bob", 8), ("Ada", 0)],
        [("Bob", 16)],
    ]
    assert found.note == (
        "fi/validation: 2 answers moved to the one place where they stand"
        " and 2 answers left out that do not stand in their context once"
    )


@pytest.mark.parametrize(
    ("bad", "law"),
    [
        (row("x", "who", "Ada met Ada.", ("Ada", 3)), "answer not in its context: 1"),
        (row("x", "who", "Ada met Bob.", ("Eve", 0)), "answer not in its context: 1"),
        (row("x", "who", "Ada met Bob.", ("", 0)), "no answer: 1"),
        (row("x", "who", "Ada met Bob."), "no answer: 1"),
        (row("x", "who", " \r\n", (" ", 0)), "empty text: 1"),
        (row("x", "", "Ada met Bob.", "Bob"), "empty text: 1"),
    ],
)
def test_a_question_without_an_example_is_refused_with_its_number(tmp_path: Path, bad: Row, law: str) -> None:
    with pytest.raises(
        ValueError, match=rf"fi/validation: .* 1 of 41 questions \({law}\), the first is number 41"
    ) as no:
        loaded(tmp_path, bad)
    assert "\n" not in str(no.value)


def test_marks_and_halves_of_characters_are_told(xtreme: Callable[[str, bytes], Path]) -> None:
    odd = row("a", "who \ud83d", "\ufeffAda \udc00met Bob.", "met Bob")
    xtreme(DEV, b"\xef\xbb\xbf" + as_json([*FINNISH, odd]).replace(b"\n", b"\r\n"))
    found = TYDIQA.load("fi", "test", None)
    assert found.texts[-1] == "who \ufffd" and (found.pairs or ())[-1] == "\ufeffAda \ufffdmet Bob."
    assert found.note == (
        "tydiqa-goldp-v1.1-dev/tydiqa.goldp.fi.dev.json: halves of characters replaced in 2 texts"
        " and 1 questions with a byte-order mark in a text and a byte-order mark before the file"
        " and 41 questions, published are 782"
    )
    assert len(found.fingerprint) == 64


# XTREME's directory


def hidden(rows: Sequence[Row]) -> list[Row]:
    return [{**r, "answers": {"text": [""], "answer_start": [0]}} for r in rows]


def test_hidden_answers_are_refused_in_one_line(tmp_path: Path, xtreme: Callable[[str, bytes], Path]) -> None:
    xtreme(DEV, as_json(hidden(FINNISH)))
    with pytest.raises(ValueError, match=r"fi\.dev\.json: none of 40 questions has an answer.*published file") as no:
        TYDIQA.load("fi", "test", None)
    assert "\n" not in str(no.value)
    os.environ.pop("SUITE_XTREME")
    with pytest.raises(ValueError, match="fi/validation: none of 40 questions has an answer"):
        TYDIQA.load("fi", "test", put(tmp_path, "local/tydiqa_goldp", {("fi", "validation"): hidden(FINNISH)}))


@pytest.mark.parametrize(
    ("data", "law"),
    [
        (as_json(FINNISH)[:500], r"the file was cut \("),
        (b'{"data": [}', r"the file is not JSON \(.*, line 1\)"),
        (as_json(FINNISH).replace(b"Page", b"P\xe4ge", 1), r"the file is not UTF-8 \(byte 0xe4"),
        (as_json(FINNISH).decode().encode("utf-16"), "this is UTF-16; convert it"),
        (b'{"data": [{"paragraphs": [{"qas": []}]}]}', "the file has no question"),
        (b'{"rows": []}', r"SQuAD's layout is data > paragraphs .* \(KeyError: 'data'\)"),
        (b'{"data": [{"paragraphs": [{"context": "a", "qas": [{"id": "1"}]}]}]}', r"KeyError: 'answers'"),
    ],
)
def test_damaged_files_are_refused_in_one_line(xtreme: Callable[[str, bytes], Path], data: bytes, law: str) -> None:
    path = xtreme(DEV, data)
    with pytest.raises(ValueError, match=law) as refusal:
        TYDIQA.load("fi", "test", None)
    assert str(refusal.value).startswith(str(path)) and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "start", "law"),
    [(5, 0, "has 5 there"), ("Ada", "x", "has 'x' there"), (None, 0, "has None there"), ("Ada", 1.5, "has 1.5 there")],
)
def test_an_answer_is_a_text_and_a_number(
    xtreme: Callable[[str, bytes], Path], text: object, start: object, law: str
) -> None:
    odd = {**FINNISH[3], "answers": {"text": [text], "answer_start": [start]}}
    path = xtreme(DEV, as_json([*FINNISH[:3], odd]))
    with pytest.raises(ValueError, match=rf"question 4 {law}, but an answer is a text and the number.*; repair") as no:
        TYDIQA.load("fi", "test", None)
    assert str(no.value).startswith(str(path)) and "\n" not in str(no.value)


def test_a_renamed_file_is_found_and_an_absent_one_named(xtreme: Callable[[str, bytes], Path]) -> None:
    xtreme(DEV.replace("goldp.fi", "fi"), as_json(FINNISH))
    assert len(TYDIQA.load("fi", "test", None)) == 40
    with pytest.raises(ValueError, match=r"there is no .*goldp\.ko\.dev\.json, in its place tydiqa\.fi\.dev\.json"):
        TYDIQA.load("ko", "test", None)


def test_another_number_of_questions_than_published_is_told(xtreme: Callable[[str, bytes], Path]) -> None:
    xtreme("xquad/xquad.en.json", as_json(ENGLISH))
    assert XQUAD.load("en", "test", None).note == "xquad/xquad.en.json: 60 questions, published are 1190"
    xtreme(DEV, as_json(FINNISH))
    assert TYDIQA.load("fi", "test", None).note.endswith("fi.dev.json: 40 questions, published are 782")
    for code, published in {"en": 11_590, "de": 4517}.items():
        name = f"test-context-{code}-question-{code}.json"
        xtreme(f"mlqa/MLQA_V1/test/{name}", as_json(ENGLISH))
        assert TASKS["mlqa"].load(code, "test", None).note == f"test/{name}: 60 questions, published are {published}"


# Translations


def translated(rows: Sequence[Row], drop: int = 0) -> list[Row]:
    return [
        row(r["id"], "de " + r["question"], "Auf deutsch: " + r["context"], r["answers"]["text"][0])
        for r in rows[drop:]
    ]


def test_translations_share_ids_and_groups(tmp_path: Path) -> None:
    strange = row("new", "wer", "Ada traf Bob.", "Bob")
    tables = {("xquad.en", "validation"): ENGLISH, ("xquad.de", "validation"): [*translated(ENGLISH, 1), strange]}
    root = put(tmp_path, "google/xquad", tables)
    english, german = (XQUAD.load(code, "test", root) for code in ("en", "de"))
    group_of = dict(zip(english.ids, english.groups, strict=True))
    assert [group_of[i] for i in german.ids[:-1]] == [*german.groups[:-1]]
    assert german.note == "1 of 60 ids are not in google/xquad xquad.en/validation"
    text = XQUAD.parallel_text("en", "de", root)
    assert len(text) == 59 and all(t == f"de {s}" for s, t in zip(text.source_texts, text.target_texts, strict=True))
    chosen = {*english.take(20, 0).ids} - {ENGLISH[0]["id"]}
    assert chosen <= {*german.take(21, 0).ids}, "languages share a sample"


def test_files_that_share_no_id_are_no_translations(tmp_path: Path) -> None:
    tables = {("xquad.en", "validation"): ENGLISH, ("xquad.de", "validation"): FINNISH}
    with pytest.raises(ValueError, match=r"xquad\.de/validation shares no id with google/xquad xquad\.en/validation"):
        XQUAD.load("de", "test", put(tmp_path, "google/xquad", tables))


def test_mlqa_is_scored_by_its_own_rules_and_learnt_from_squad(tmp_path: Path) -> None:
    tables = {(f"MLQA.{c}.{c}", s): ENGLISH for c in ("en", "de") for s in ("validation", "test")}
    found = TASKS["mlqa"].load("de", "test", put(tmp_path, "google/xtreme", tables))
    assert found.label_names == (MLQA,) and TASKS["mlqa"].trained_on == XQUAD.trained_on == "squad"


def test_squad_reports_on_its_development_set_and_selects_on_training_paragraphs(tmp_path: Path) -> None:
    dev = written("dev", 10)
    root = put(
        tmp_path, "rajpurkar/squad", {("plain_text", "train"): written("t", 400), ("plain_text", "validation"): dev}
    )
    parts = {split: TASKS["squad"].load("en", split, root) for split in TASKS["squad"].splits}
    assert parts["test"].ids == tuple(r["id"] for r in dev)
    assert len(parts["train"]) + len(parts["validation"]) == 400 and 0 < len(parts["validation"]) < 40
    assert not {*(parts["train"].pairs or ())} & {*(parts["validation"].pairs or ())}


# The data at hand


@needs_tydiqa
def test_the_mirrors_english_training_questions_are_all_there() -> None:
    train, selects = (TYDIQA.load("en", split, HUB) for split in ("train", "validation"))
    assert (len(train), len(selects)) == (3330, 366)
    assert train.note == "en/train: 1 questions with a byte-order mark in a text"
    assert not {*(train.pairs or ())} & {*(selects.pairs or ())}


@needs_tydiqa
def test_the_mirrors_reported_questions_have_answers_or_are_refused() -> None:
    """XTREME's preprocessing hides them; a copy made from its directory has none to report on."""
    for language, count in {"en": 440, "bn": 113, "fi": 782, "id": 565, "ko": 276, "sw": 499}.items():
        try:
            assert len(TYDIQA.load(language, "test", HUB)) == count
        except ValueError as error:
            assert f"none of {count} questions has an answer" in str(error)


# A study from file to tables

STUDY = """
name = "tiny-qa"
question = "Does question answering hold together?"

[task]
name = "tydiqa-goldp"
targets = ["fi"]

[[scale]]
name = "3-layer"
checkpoint = "{checkpoint}"

[[method]]
name = "standard"

[[method]]
name = "adversarial"
radius = 0.05

[train]
epochs = 2
batch_size = 16
learning_rate = 3e-3
max_length = 48
validations = 2

[tune]
trials = 1
metric = "f1"

[refit]
seeds = [1, 2]

[evaluation]
subsets = ["suite.tasks.qa_subsets:DISTRACTOR", "suite.tasks.qa_subsets:ANSWER_CONFLICT"]
attack_radius = 0.05
attack_steps = 1
attack_examples = 8

[alignment]
metrics = ["csls_p1"]
pairs = 30
"""


def test_a_study_runs_from_file_to_tables(tiny_checkpoint: Path, tmp_path: Path, cache_dir: Path) -> None:
    (tmp_path / "tiny.toml").write_text(STUDY.format(checkpoint=tiny_checkpoint))
    environment = {**os.environ, "SUITE_HOME": str(tmp_path / "home"), "SUITE_CACHE": str(cache_dir)}
    environment |= {"SUITE_HUB": str(by_language(tmp_path / "hub"))}
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        [sys.executable, "-m", "suite", "run", str(tmp_path / "tiny.toml"), "--to", str(tmp_path / "results")],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    records = [load_record(path) for path in sorted(tmp_path.glob("home/tiny-qa/runs/*/record.json"))]
    refits = [record for record in records if record.spec.phase == "refit"]
    assert len(records) == 2 * (1 + 2) + 1 and {r.state for r in records} == {"complete"} and len(refits) == 4
    for record in refits:
        assert set(record.subsets) == {"clean", "distractor", "answer-conflict", "embedding-attack"}
        counts = {(s.subset, s.language): s.n for s in record.scores if s.metric == "exact_match"}
        assert counts["clean", "en"] == 20 and counts["clean", "fi"] == 40 >= counts["distractor", "fi"] >= 10
        assert {s.metric for s in record.scores} == {"f1", "exact_match"}
    table = pq.read_table(next(tmp_path.glob("home/tiny-qa/runs/refit-*standard*/predictions.parquet")))
    assert table.column_names == ["example_id", "base_id", "language", "subset", "answer", "f1", "exact_match"]
    english = [r for r in table.to_pylist() if (r["language"], r["subset"]) == ("en", "clean")]
    context_of = {r["id"]: r["context"] for r in written("english", 20, 1)}
    assert all(r["answer"] and r["answer"] in context_of[r["example_id"]] for r in english)
    deltas = pq.read_table(tmp_path / "results" / "deltas.parquet").to_pylist()
    assert [(d["method"], d["measured"], d["items"], d["seeds"]) for d in deltas] == [("adversarial", "f1", 40, 2)]
    assert all((tmp_path / "results" / f"{name}.csv").stat().st_size for name in ("main", "subsets", "alignment"))
