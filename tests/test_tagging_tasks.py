"""Laws of PAN-X and UD-POS: one loader for hub, mirror and XTREME's directory, defects counted, a study end to end."""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from suite.cli import main
from suite.records import load_record
from suite.tasks import TASKS, Examples, Task
from suite.tasks.entities import entities
from suite.tasks.noise import add_noise
from suite.tasks.pan_x import LABELS, SOURCE
from suite.tasks.tagged_subsets import noisy_words, unseen_entities
from suite.tasks.tagging import tagged_task
from suite.tasks.ud_pos import LABELS as PARTS

pytestmark = pytest.mark.usefixtures("cache_dir")

HUB = Path(os.environ.get("SUITE_HUB") or Path(__file__).parents[2] / "shared" / "hub")
PAN_X, DEV, UD_POS = TASKS["pan-x"], TASKS["pan-x-dev"], TASKS["ud-pos"]
needs_mirror = pytest.mark.skipif(
    not (HUB / "google/xtreme/PAN-X.en").is_dir(), reason=f"no copy of google/xtreme under {HUB}; set SUITE_HUB"
)

Table = dict[str, list[list[object]]]
NAMES = ("Ada Lovelace", "Mary Jackson", "Grace Hopper", "Alan Turing", "Edsger Dijkstra", "Tony Hoare")
PLACES = ("Vienna", "Lake Turkana", "Timbuktu", "Mount Elbrus", "Oslo")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUITE_XTREME", raising=False)


def written(rows: int = 40, seed: int = 0) -> Table:
    """Sentences that name a person and a place."""
    rng, words, tags = random.Random(seed), [], []
    for row in range(rows):
        name, place = rng.choice(NAMES).split(), rng.choice(PLACES).split()
        words.append([*name, "lived", "near", *place, f"({row})", "."])
        tags.append([1, *[2] * (len(name) - 1), 0, 0, 5, *[6] * (len(place) - 1), 0, 0])
    return {"tokens": words, "ner_tags": tags, "langs": [["en"] * len(row) for row in words]}


def mirror(root: Path, repository: str, tables: Mapping[str, Mapping[str, Mapping[str, Sequence[object]]]]) -> Path:
    """A hub directory with a repository: configuration to split to table."""
    folder = root / repository
    card = ["---", "configs:"]
    for name, splits in tables.items():
        (folder / name).mkdir(parents=True)
        card += [f"- config_name: {name}", "  data_files:"]
        for split, table in splits.items():
            pq.write_table(pa.table(dict(table)), folder / name / f"{split}.parquet")
            card += [f"  - split: {split}", f"    path: {name}/{split}.parquet"]
    (folder / "README.md").write_text("\n".join([*card, "---", ""]))
    return root


def panx(root: Path, table: Mapping[str, Sequence[object]], configuration: str = "PAN-X.en") -> Path:
    return mirror(root, "google/xtreme", {configuration: {"test": table}})


def by_script(examples: Examples, *, tags: bool = True, last: str = "\n") -> bytes:
    """Sentences as XTREME's `panx_preprocess` and `udpos_preprocess` write them; a test split's without tags."""
    lines = []
    for words, own in zip(examples.words or (), examples.tags or (), strict=True):
        rows = zip(words, own, strict=True)
        lines.append("\n".join(f"{w}\t{examples.label_names[t]}" if tags else w for w, t in rows) + "\n")
    return ("\n".join(lines).removesuffix("\n") + last).encode()


def content(examples: Examples) -> list[object]:
    return [examples.ids, examples.texts, examples.words, examples.tags, examples.groups, examples.fingerprint]


# Hub and mirror


def test_sentences_come_with_words_and_tags_by_name_or_by_number(tmp_path: Path) -> None:
    table = written()
    named = table | {"ner_tags": [[LABELS[int(str(t))] for t in row] for row in table["ner_tags"]]}
    found = [PAN_X.load("en", "test", panx(tmp_path / k, t)) for k, t in (("a", table), ("b", named))]
    assert content(found[0]) == content(found[1])
    words = found[0].words or ()
    assert words[0] == tuple(table["tokens"][0]) and found[0].texts[0] == " ".join(words[0])
    assert found[0].ids[:2] == ("test-0", "test-1") and found[0].note == "" and not found[0].labels.any()


def test_languages_that_xtremes_repository_lacks_come_from_wikiann(tmp_path: Path) -> None:
    root = mirror(panx(tmp_path, written()), "unimelb-nlp/wikiann", {"uk": {"test": written(seed=3)}})
    ukrainian = PAN_X.load("uk", "test", root)
    assert ukrainian.source.startswith("unimelb-nlp/wikiann") and len(ukrainian) == 40
    with pytest.raises(ValueError, match=r"unknown language 'ukr'; .* ro, uk$"):
        PAN_X.load("ukr", "test", root)
    with pytest.raises(ValueError, match="unknown split 'dev'"):
        PAN_X.load("uk", "dev", root)


def spoilt(column: str, row: int, value: object) -> Mapping[str, Sequence[object]]:
    table = written()
    return table | {column: [*table[column][:row], value, *table[column][row + 1 :]]}


@pytest.mark.parametrize(
    ("table", "law"),
    [
        (spoilt("tokens", 3, []), r"no example can be made of 1 of 40 rows \(empty text: 1\), the first is row 4"),
        (spoilt("tokens", 3, [" ", ""]), r"1 of 40 rows \(empty text: 1\)"),
        (spoilt("ner_tags", 3, None), r"1 of 40 rows \(missing label: 1\)"),
        (spoilt("ner_tags", 3, [-1] * 8), r"1 of 40 rows \(missing label: 1\)"),
        (spoilt("ner_tags", 3, [0, 1]), r"but 1 of 40 rows have another number of tags, the first is row 4 with"),
        (
            spoilt("ner_tags", 3, [7] * len(written()["tokens"][3])),
            r"tags are not of \['O', .* the first is 7 in row 4",
        ),
        ({"tokens": [["a"]], "tags": [[0]]}, r"lacks the columns \['ner_tags'\], it has \['tags', 'tokens'\]"),
    ],
)
def test_broken_rows_are_refused_with_counts(tmp_path: Path, table: Mapping[str, Sequence[object]], law: str) -> None:
    with pytest.raises(ValueError, match=law) as refusal:
        PAN_X.load("en", "test", panx(tmp_path, table))
    assert "\n" not in str(refusal.value)


def test_what_is_dropped_or_odd_is_counted_and_ids_stay(tmp_path: Path) -> None:
    task = tagged_task(dataclasses.replace(SOURCE, droppable=("empty text", "missing label")), metric="entity_f1")
    table = written()
    table["tokens"][2], table["tokens"][5][2], table["tokens"][7][0] = [], "\u00a0", "\ufeffAda"
    table["ner_tags"][4] = []
    found = task.load("en", "test", panx(tmp_path, table))
    assert found.note == (
        "PAN-X.en/test: 2 of 40 rows dropped (empty text: 1, missing label: 1) and 1 words of nothing and "
        "1 words with a byte-order mark"
    )
    assert "test-2" not in found.ids and "test-4" not in found.ids and found.ids[-1] == "test-39"
    assert (found.words or ())[3][2] == "\u00a0", "a word of nothing keeps its place, and its tag"


def test_sentences_of_the_same_words_are_one_group_on_one_side_of_the_cut(tmp_path: Path) -> None:
    table = written(200)
    for row in range(0, 200, 2):
        for column in ("tokens", "ner_tags", "langs"):
            table[column][row + 1] = table[column][row]
    root = mirror(tmp_path, "google/xtreme", {"PAN-X.en": {"train": written(20), "validation": table}})
    chosen, reported = DEV.load("en", "validation", root), DEV.load("en", "test", root)
    assert len(chosen) + len(reported) == 200 and 20 <= len(chosen) <= 60
    assert not {*chosen.groups} & {*reported.groups} and not {*chosen.texts} & {*reported.texts}
    assert len({*chosen.groups, *reported.groups}) == 100
    assert len(DEV.load("en", "train", root)) == 20


# XTREME's directory


@pytest.fixture
def xtreme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty download directory that `SUITE_XTREME` names."""
    root = tmp_path / "download"
    for folder in ("panx", "udpos"):
        (root / folder).mkdir(parents=True)
    monkeypatch.setenv("SUITE_XTREME", str(root))
    return root


def odd() -> Table:
    """Words with what a reader may take for the end of a line, of a word, or of a quote."""
    table = written(30)
    for row, word in enumerate(['"', "a b", "\u2028", "\u00a0", "\x85x", '""', "O", "京", "\u200c"]):
        table["tokens"][row][0] = word
    return table


@pytest.mark.parametrize("end", ["\n", "", "\n\n"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_xtremes_directory_has_what_the_hub_has(tmp_path: Path, xtreme: Path, end: str, line_end: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SUITE_XTREME")
        ours = PAN_X.load("en", "test", panx(tmp_path / "hub", odd()))
    (xtreme / "panx" / "test-en.tsv").write_bytes(by_script(ours, last=end).replace(b"\n", line_end))
    theirs = PAN_X.load("en", "test", None)
    assert content(theirs) == content(ours)
    assert theirs.source == "xtreme/panx (as its download_data.sh writes it)"
    blank = "panx/test-en.tsv: 2 words of nothing"
    assert ours.note == "PAN-X.en/test: 2 words of nothing" and blank in theirs.note
    assert ("no line end after the last row" in theirs.note) == (not end)


def test_parts_of_speech_are_read_alike(tmp_path: Path, xtreme: Path) -> None:
    words = [["He", "said", "no", "."], ["Yes", "!"]]
    tags = [[PARTS.index(t) for t in row.split()] for row in ("PRON VERB INTJ PUNCT", "INTJ PUNCT")]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SUITE_XTREME")
        table = {"en": {"test": {"tokens": words, "pos_tags": tags}}}
        ours = UD_POS.load("en", "test", mirror(tmp_path, "izhx/xtreme-r-udpos", table))
        old = {"udpos.English": {"test": {"tokens": words, "pos_tags": tags}}}
        theirs = TASKS["ud-pos-2.5"].load("en", "test", mirror(tmp_path, "google/xtreme", old))
    assert content(ours) == content(theirs)
    (xtreme / "udpos" / "test-en.tsv").write_bytes(by_script(ours))
    assert content(UD_POS.load("en", "test", None)) == content(ours)


@pytest.mark.parametrize(
    ("task", "language", "published"),
    [(PAN_X, "en", 10_000), (PAN_X, "sw", 1000), (PAN_X, "qu", 100), (UD_POS, "de", 22_458), (UD_POS, "wo", None)],
)
def test_a_file_that_was_cut_at_the_end_of_a_line_is_told_with_counts(
    xtreme: Path, task: Task, language: str, published: int | None
) -> None:
    tag, other = ("B-PER", "O") if task is PAN_X else ("PROPN", "VERB")
    whole = "".join(f"Ada{i}\t{tag}\nleft\t{other}\n\n" for i in range(20))
    path = xtreme / ("panx" if task is PAN_X else "udpos") / f"test-{language}.tsv"
    counted = f"sentences, published are {published}"
    path.write_text(whole)
    found = task.load(language, "test", None)
    assert (f"20 {counted}" in found.note) == (published is not None) and "may be cut" not in found.note
    path.write_text(whole[: whole.index("left", whole.index("Ada15"))])
    torn = task.load(language, "test", None)
    assert "no empty line after the last sentence, which may be cut" in torn.note
    assert (f"16 {counted}" in torn.note) == (published is not None)


FILE = b"Ada\tB-PER\nLovelace\tI-PER\n\nOslo\tB-LOC\n.\tO\n"


@pytest.mark.parametrize(
    ("data", "law"),
    [
        (b"Ada\nLovelace\n\nOslo\n", "none of the 3 words has a tag, as XTREME's preprocessing hides"),
        (b"Ada\t\nLovelace\t\n", "none of the 2 words has a tag"),
        (b"Ada\tO\n\n" * 12, "all 12 words have the tag 'O', as XTREME's preprocessing hides"),
        (FILE[:-3], "the file was cut in row 5, which has no tag and no line end"),
        (FILE.replace(b"Oslo\t", b"Oslo "), r"but 1 of 4 rows are not, the first is row 4 with 1 columns"),
        (FILE.replace(b"B-LOC", b"B-LOC\tx"), r"but 1 of 4 rows are not, the first is row 4 with 3 columns"),
        (FILE.replace(b"B-LOC", b"LOC"), r"1 of 4 tags are not of .* the first is 'LOC' in row 2"),
        (FILE.replace(b"B-LOC", b""), r"1 of 2 rows \(missing label: 1\)"),
        (b"\n\n", "the file has no word"),
        (b"", "the file has no word"),
        (b"Ad\xe9\tO\n", r"row 1 has 0xe9"),
    ],
)
def test_a_broken_file_is_refused_in_one_line(xtreme: Path, data: bytes, law: str) -> None:
    (xtreme / "panx" / "dev-en.tsv").write_bytes(data)
    with pytest.raises(ValueError, match=law) as refusal:
        PAN_X.load("en", "validation", None)
    assert "\n" not in str(refusal.value) and f"panx{os.sep}dev-en.tsv" in str(refusal.value)


def test_a_file_that_is_not_there_is_named_with_what_is(xtreme: Path) -> None:
    (xtreme / "panx" / "train-en.tsv").write_bytes(FILE)
    with pytest.raises(ValueError, match=r"there is no .*test-de\.tsv, in its place train-en\.tsv"):
        PAN_X.load("de", "test", None)


# The published data


@needs_mirror
@pytest.mark.parametrize(("language", "n"), [("en", 2000), ("de", 2000), ("zh", 2000), ("sw", 1000), ("yo", 100)])
def test_pan_x_is_whole_and_its_tags_are_in_order(language: str, n: int) -> None:
    found = PAN_X.load(language, "validation", HUB)
    assert len(found) == n and found.note == "" and found.label_names == LABELS
    flat = [tag for tags in found.tags or () for tag in tags]
    assert {*flat} == set(range(7)) and all(len(w) == len(t) for w, t in zip(found.words, found.tags, strict=True))
    assert all(entities([[LABELS[t] for t in tags]]) for tags in (found.tags or ())[:200]), "each names something"


@needs_mirror
def test_pan_x_dev_trains_on_all_of_english_and_never_reports_what_selects() -> None:
    train, chosen, test = (DEV.load("en", split, HUB) for split in ("train", "validation", "test"))
    assert (len(train), len(chosen), len(test)) == (20_000, 405, 1595)
    assert not {*chosen.texts} & {*test.texts}
    assert sum(text in {*train.texts} for text in test.texts) < 0.05 * len(test), "as published: a few stand in both"


@needs_mirror
def test_xtremes_layout_gives_the_mirrors_rows_back(xtreme: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SUITE_XTREME")
        ours = {code: PAN_X.load(code, "validation", HUB) for code in ("ja", "hi")}
    for code, examples in ours.items():
        (xtreme / "panx" / f"dev-{code}.tsv").write_bytes(by_script(examples))
        assert content(PAN_X.load(code, "validation", None)) == content(examples)


@needs_mirror
def test_a_split_that_the_mirror_lacks_is_named_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"cannot read PAN-X\.de/test from .*google/xtreme") as refusal:
        PAN_X.load("de", "test", HUB)
    assert "\n" not in str(refusal.value)
    with pytest.raises(ValueError, match="has no repository izhx/xtreme-r-udpos"):
        UD_POS.load("en", "test", HUB)


@pytest.mark.parametrize("task", [PAN_X, DEV, UD_POS, TASKS["ud-pos-2.5"]], ids=lambda task: task.name)
def test_every_language_has_text_to_measure_alignment_on(task: Task) -> None:
    for language in task.languages[1:]:
        assert len(task.parallel_text("en", language, None)) >= 300


# Subsets


def clean(tmp_path: Path, table: Table) -> Examples:
    return PAN_X.load("en", "test", panx(tmp_path, table))


def test_noise_changes_words_and_leaves_their_number_and_tags(tmp_path: Path) -> None:
    whole = clean(tmp_path, written())
    found = noisy_words(whole, 7)
    assert found is not None and found.words is not None and whole.words is not None and len(found) == 40
    assert found.tags == whole.tags and found.base_ids == whole.ids and found.ids[0] == "test-0~char-noise"
    changed = sum(a != b for x, y in zip(found.words, whole.words, strict=True) for a, b in zip(x, y, strict=True))
    assert 40 <= changed < 0.5 * sum(map(len, whole.words))
    assert (
        found.texts
        == tuple(map(" ".join, found.words))
        == tuple(add_noise(text, f"7 {name}") for name, text in zip(whole.ids, whole.texts, strict=True))
    ), "the same errors as in running text"
    assert noisy_words(whole, 7).words == found.words != noisy_words(whole, 8).words


def test_noise_stays_within_words_that_begin_with_marks_or_hold_spaces(tmp_path: Path) -> None:
    table = written(12)
    for row in range(12):
        table["tokens"][row][:2] = ["hello\u200d", "\u0301there you"]
    whole = clean(tmp_path, table)
    found = noisy_words(whole, 0)
    assert found is not None and [len(w) for w in found.words or ()] == [len(w) for w in whole.words or ()]
    assert all(" you" in words[1] or words[1].count(" ") == 1 for words in found.words or ())


def test_words_of_one_character_have_no_noise(tmp_path: Path) -> None:
    table = {"tokens": [["東", "京", "は"]] * 20, "ner_tags": [[5, 6, 0]] * 20}
    assert noisy_words(clean(tmp_path, table), 0) is None


def test_unseen_entities_share_no_word_with_training(tmp_path: Path) -> None:
    train = {"tokens": [["TURING", "lived", "near", "Oslo", "."]], "ner_tags": [[0, 0, 0, 5, 0]], "langs": [["en"] * 5]}
    root = mirror(tmp_path, "google/xtreme", {"PAN-X.en": {"train": train, "test": written(60)}})
    whole = PAN_X.load("en", "test", root)
    found = unseen_entities(PAN_X, "en", root, whole, 0)
    assert found is not None and found.base_ids and found.subset == "unseen-entities"
    for name, words in zip(whole.ids, whole.words or (), strict=True):
        assert (name in found.base_ids) == (words[1] != "Turing" or "Oslo" not in words), words
    assert unseen_entities(PAN_X, "en", root, whole.rows(range(5)), 0) is None, "fewer than ten say nothing"


@needs_mirror
def test_unseen_entities_are_a_part_in_the_script_of_training_and_most_in_others() -> None:
    shares = {}
    for code in ("en", "ru"):
        whole = DEV.load(code, "test", HUB)
        found = unseen_entities(DEV, code, HUB, whole, 0)
        assert found is not None
        shares[code] = len(found) / len(whole)
    assert 0.1 < shares["en"] < 0.25 and shares["ru"] > 0.5


# A study


STUDY = """
name = "tiny-tagging"
question = "Does the pipeline hold together on words?"
[task]
name = "pan-x"
targets = ["de", "uk"]
[[scale]]
name = "1-layer"
checkpoint = "{checkpoint}"
layers = 1
[[method]]
name = "standard"
[[method]]
name = "adversarial"
radius = 0.1
steps = 1
[train]
epochs = 4
batch_size = 8
learning_rate = 5e-3
head_learning_rate = 2e-2
max_length = 40
validations = 2
[tune]
trials = 1
metric = "entity_f1"
[refit]
seeds = [1, 2]
[evaluation]
subsets = ["suite.tasks.tagged_subsets:UNSEEN_ENTITIES"]
attack_radius = 0.05
attack_steps = 1
attack_examples = 8
[alignment]
metrics = ["csls_p1"]
pairs = 30
"""


def test_a_study_ends_with_records_predictions_comparisons_and_tables(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, cache_dir: Path
) -> None:
    splits = {split: written(48, seed) for seed, split in enumerate(("train", "validation", "test"))}
    splits["test"]["tokens"][0] = ["Ada", "Lovelace", *["lived"] * 60]
    splits["test"]["ner_tags"][0] = [1, 2, *[0] * 60]
    root = mirror(tmp_path / "hub", "google/xtreme", {f"PAN-X.{code}": splits for code in ("en", "de")})
    mirror(root, "unimelb-nlp/wikiann", {"uk": splits})
    for name, value in (("SUITE_HUB", root), ("SUITE_HOME", tmp_path / "home"), ("SUITE_CACHE", cache_dir)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    path = tmp_path / "study.toml"
    path.write_text(STUDY.format(checkpoint=tiny_checkpoint))
    assert main(["run", str(path), "--quiet", "--to", str(tmp_path / "results")]) == 0
    folders = sorted((tmp_path / "home" / "tiny-tagging" / "runs").glob("refit-*"))
    records = [load_record(folder / "record.json") for folder in folders]
    assert len(records) == 4 and {record.state for record in records} == {"complete"}
    for record in records:
        assert {(s.language, s.metric) for s in record.scores if s.subset == "clean"} == {
            (code, metric) for code in ("en", "de", "uk") for metric in ("entity_f1", "token_accuracy")
        }
        assert record.selection is not None and record.spec.metric == "entity_f1"
        assert record.by_language()["de"] > 0.5, "the same sentences as in training"
    table = pq.read_table(folders[0] / "predictions.parquet")
    assert table.column_names[4:] == ["answer", "hits", "made", "wanted", "right", "tokens"]
    whole = table.filter(np.array([s == "clean" for s in table["subset"].to_pylist()])).to_pylist()
    assert len(whole) == 3 * 48
    assert all(len(row["answer"].split()) == row["tokens"] for row in whole) and whole[0]["tokens"] == 62
    f1 = 2 * sum(r["hits"] for r in whole[48:96]) / sum(r["made"] + r["wanted"] for r in whole[48:96])
    assert f1 == pytest.approx(records[0].by_language()["de"])
    deltas = (tmp_path / "results" / "deltas.csv").read_text().splitlines()
    assert len(deltas) == 2 and "adversarial" in deltas[1]
    assert {"main.csv", "summary.md"} <= {p.name for p in (tmp_path / "results").iterdir()}
