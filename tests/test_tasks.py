"""Laws of tasks: columns that belong together, samples that nest, a catalogue of entries, data from hub and CLDR."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.tasks import TASKS, Examples, HubSource, ParallelText, Task, hub_task, resolve_subset, resolve_task
from suite.tasks.cache import cached_table
from suite.tasks.cldr import cldr_lexicon, cldr_parallel_text
from suite.tasks.home_intents import LANGUAGES
from suite.tasks.synonyms import embedding_neighbours, load_synonyms

pytestmark = pytest.mark.usefixtures("cache_dir")

HUB = Path(os.environ.get("SUITE_HUB") or Path(__file__).parents[2] / "shared" / "hub")
needs_sib200 = pytest.mark.skipif(
    not (HUB / "Davlan/sib200").is_dir(), reason=f"no copy of Davlan/sib200 under {HUB}; set SUITE_HUB"
)
ROWS = {"text": ["one", "two", "three"], "label": ["a", "b", "a"], "key": ["7", "8", "9"]}
SOURCE = HubSource(
    name="small",
    repository="owner/small",
    revision=None,
    configurations={"en": "english", "de": "german"},
    labels=("a", "b"),
    licence="CC0-1.0",
    id="key",
)


def examples(labels: list[int], prefix: str = "i") -> Examples:
    ids = tuple(f"{prefix}{i}" for i in range(len(labels)))
    return Examples(
        language="en",
        subset="clean",
        ids=ids,
        texts=tuple(f"text of {i}" for i in ids),
        labels=np.array(labels, dtype=np.int64),
        label_names=("a", "b", "c"),
        base_ids=ids,
        groups=ids,
        source="made up 1.0",
        licence="CC0-1.0",
    )


def mirror(root: Path, configurations: Mapping[str, Mapping[str, Sequence[object]]]) -> Path:
    """A hub directory with `owner/small`: one parquet file per configuration and split, declared in its card."""
    repository = root / "owner" / "small"
    card = ["---", "configs:"]
    for name, columns in configurations.items():
        (repository / name).mkdir(parents=True)
        card += [f"- config_name: {name}", "  data_files:"]
        for split in ("train", "validation", "test"):
            pq.write_table(pa.table(dict(columns)), repository / name / f"{split}.parquet")
            card += [f"  - split: {split}", f"    path: {name}/{split}.parquet"]
    (repository / "README.md").write_text("\n".join([*card, "---", ""]))
    return root


LABELS = st.lists(st.integers(0, 2), min_size=1, max_size=40)


@given(LABELS, st.integers(1, 45), st.integers(0, 20), st.integers(0, 3))
@settings(deadline=None, derandomize=True, max_examples=80)
def test_a_smaller_sample_lies_within_a_larger_one(labels: list[int], n: int, more: int, seed: int) -> None:
    whole = examples(labels)
    small, large = whole.take(n, seed), whole.take(n + more, seed)
    assert len(small) == min(n, len(whole))
    assert set(small.ids) <= set(large.ids)
    assert list(small.ids) == [i for i in whole.ids if i in small.ids]


@given(LABELS, st.integers(1, 40))
@settings(deadline=None, derandomize=True, max_examples=80)
def test_a_sample_has_the_labels_in_proportion(labels: list[int], n: int) -> None:
    whole, taken = examples(labels), examples(labels).take(n, 0)
    for label in range(3):
        share = len(taken) * np.mean(whole.labels == label)
        assert abs(np.sum(taken.labels == label) - share) <= 1.5


def test_languages_with_shared_ids_share_the_sample() -> None:
    english, german = examples([0, 1, 2] * 20), dataclasses.replace(examples([0, 1, 2] * 20), language="de")
    assert english.take(10, 3).ids == german.take(10, 3).ids != english.take(10, 4).ids


def test_a_fingerprint_tells_content_and_order() -> None:
    whole = examples([0, 1, 2])
    changed = dataclasses.replace(whole, texts=("text of i0", "text of i1", "another"))
    relabelled = dataclasses.replace(whole, labels=np.array([0, 1, 1]))
    prints = [e.fingerprint for e in (whole, changed, relabelled, whole.rows([2, 1, 0]))]
    assert len(set(prints)) == 4
    assert whole.fingerprint == examples([0, 1, 2]).fingerprint


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"texts": ("one", "two")}, r"equally long, got .*'texts': 2"),
        ({"ids": ("x", "x", "y")}, "unique, got 1 repeated of 3"),
        ({"texts": ("one", " ", "three")}, "no text is empty, got 1 empty of 3"),
        ({"pairs": ("one", "", "three")}, "no text is empty, got 1 empty of 6"),
        ({"labels": np.array([0, 1, 3])}, r"labels lie in 0\.\.2, got 0\.\.3"),
        ({"labels": np.array([-1, 1, 2])}, r"labels lie in 0\.\.2, got -1\.\.2"),
    ],
)
def test_columns_that_do_not_belong_together_are_refused(change: dict[str, Any], law: str) -> None:
    with pytest.raises(ValueError, match=law):
        dataclasses.replace(examples([0, 1, 2]), **change)


def test_an_empty_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="got n = 0"):
        examples([0]).take(0, 0)


def test_examples_become_a_dataset_with_named_labels_and_a_record() -> None:
    whole = dataclasses.replace(examples([0, 2]), pairs=("p", "q"))
    table = whole.to_dataset()
    assert table.features["label"].names == ["a", "b", "c"]
    assert table[1] == {"id": "i1", "text": "text of i1", "pair": "q", "label": 2, "base_id": "i1", "group": "i1"}
    record = whole.dataset_record("test")
    assert (record.name, record.split, record.n, record.fingerprint) == ("made", "test", 2, whole.fingerprint)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_entry_states_where_it_comes_from(task: Task) -> None:
    assert task.licence and any(c.isdigit() or "unpinned" in task.source for c in task.source)
    fewest = {"question answering": 1, "retrieval": 0}.get(task.kind, 2)
    assert len(set(task.labels)) == len(task.labels) >= fewest
    assert "en" in task.languages or task.kind == "retrieval"
    assert len(set(task.languages)) == len(task.languages)


def test_unknown_names_say_what_is_known() -> None:
    with pytest.raises(ValueError, match="home-intents"):
        resolve_task("home-intent")
    with pytest.raises(ValueError, match="char-noise"):
        resolve_subset("char-nose")
    with pytest.raises(ValueError, match="known: train"):
        TASKS["home-intents"].load("en", "dev", None)
    with pytest.raises(ValueError, match="unknown language 'tlh'"):
        TASKS["home-intents"].load("tlh", "test", None)


def test_a_task_may_be_named_by_import_path() -> None:
    assert resolve_task("suite.tasks.sib200:SIB200") is TASKS["sib200"]
    with pytest.raises(ValueError, match="cannot import the task"):
        resolve_task("suite.tasks.sib200:NOTHING")
    with pytest.raises(ValueError, match=r"not a suite\.tasks\.Task"):
        resolve_task("suite.tasks:TASKS")
    with pytest.raises(ValueError, match=r"not a suite\.tasks\.Subset"):
        resolve_subset("suite.tasks.sib200:SIB200")


def test_importing_the_catalogue_is_cheap() -> None:
    heavy = "{'numpy', 'datasets', 'pyarrow', 'hassil', 'babel', 'pydantic', 'torch', 'transformers'}"
    code = f"import sys, suite.tasks; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_hub_entry_reads_named_labels_and_joins_by_id(tmp_path: Path) -> None:
    german = ROWS | {"text": ["eins", "zwei", "drei"]}
    root = mirror(tmp_path, {"english": ROWS, "german": german})
    task = hub_task(SOURCE, parallel=True)
    loaded = task.load("de", "test", root)
    assert (loaded.texts, loaded.labels.tolist(), loaded.ids) == (("eins", "zwei", "drei"), [0, 1, 0], ("7", "8", "9"))
    text = task.parallel_text("en", "de", root)
    assert text.ids == ("validation/7", "validation/8", "validation/9"), "the test split repeats them; training never"
    assert dict(zip(text.source_texts, text.target_texts, strict=True)) == {
        "one": "eins",
        "two": "zwei",
        "three": "drei",
    }


@pytest.mark.parametrize(
    ("columns", "law"),
    [
        (ROWS | {"label": ["a", "c", "d"]}, r"2 of 3 labels are not of \['a', 'b'\], the first is 'c'"),
        (ROWS | {"label": ["a", "b", None]}, r"1 of 3 rows \(missing label: 1\)"),
        (ROWS | {"label": [0, 1, 2]}, "1 of 3 labels"),
        (ROWS | {"text": ["one", "", None]}, r"2 of 3 rows \(empty text: 2\)"),
        (ROWS | {"key": ["7", "7", "8"]}, "unique, 1 of 3 are repeated; repair"),
        ({"text": ROWS["text"], "key": ROWS["key"]}, r"lacks the columns \['label'\], it has \['key', 'text'\]"),
    ],
)
def test_broken_rows_are_refused_with_counts(tmp_path: Path, columns: dict[str, Sequence[object]], law: str) -> None:
    root = mirror(tmp_path, {"english": columns})
    with pytest.raises(ValueError, match=law) as refusal:
        hub_task(SOURCE, parallel=True).load("en", "test", root)
    assert "\n" not in str(refusal.value)


def test_absent_mirrors_and_configurations_are_named(tmp_path: Path) -> None:
    task = hub_task(SOURCE, parallel=True)
    with pytest.raises(ValueError, match="has no repository owner/small"):
        task.load("en", "test", tmp_path)
    root = mirror(tmp_path, {"english": ROWS})
    with pytest.raises(ValueError, match="cannot read german/test"):
        task.load("de", "test", root)
    with pytest.raises(ValueError, match="unknown language 'fr'"):
        task.load("fr", "test", root)
    with pytest.raises(ValueError, match="names where its parallel_text comes from"):
        hub_task(SOURCE)


@needs_sib200
def test_sib200_is_parallel_in_the_languages_at_hand() -> None:
    task = TASKS["sib200"]
    english, chinese = task.load("en", "test", HUB), task.load("zh", "test", HUB)
    assert len(english) == 204 and set(english.labels.tolist()) == set(range(7))
    assert sorted(english.ids) == sorted(chinese.ids)
    assert dict(zip(english.ids, english.labels.tolist(), strict=True)) == dict(
        zip(chinese.ids, chinese.labels.tolist(), strict=True)
    )
    assert english.take(50, 0).ids != english.ids[:50]
    assert set(english.take(50, 0).ids) == set(chinese.take(50, 0).ids)
    text = task.parallel_text("en", "zh", HUB)
    train = set(task.load("en", "train", HUB).texts)
    assert len(text) == 99 + 204 and not train & set(text.source_texts)


@pytest.mark.parametrize("language", [*(code for code in LANGUAGES if code != "en"), "yo", "qu"])
def test_cldr_pairs_can_be_retrieved(language: str) -> None:
    text = cldr_parallel_text("en", language)
    assert len(text) > 300
    for column in (text.source_texts, text.target_texts):
        assert len({t.casefold() for t in column}) == len(column)
    assert all(s.casefold() != t.casefold() for s, t in zip(text.source_texts, text.target_texts, strict=True))
    taken = set(text.take(50, 1).ids)
    assert text.take(50, 1).ids == tuple(i for i in text.ids if i in taken) and len(taken) == 50


def test_cldr_names_do_not_depend_on_which_language_came_first() -> None:
    code = (
        "from suite.tasks.cldr import cldr_lexicon as c\n"
        "from babel import Locale\n"
        "Locale.parse('zh').months['stand-alone']['wide'][1]\n"
        "print(c('en', 'th', ('month',))['January'])"
    )
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
    assert found.stdout.decode().strip() == cldr_lexicon("en", "th", ("month",))["January"] == "มกราคม"


def test_cldr_knows_no_made_up_language() -> None:
    with pytest.raises(ValueError, match="knows no language 'qqq'"):
        cldr_parallel_text("en", "qqq")


def test_parallel_text_is_row_aligned() -> None:
    with pytest.raises(ValueError, match="equally long"):
        ParallelText(ids=("a",), source_texts=("one",), target_texts=(), name="x", licence="CC0-1.0")


def test_a_damaged_cache_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path))
    built = []

    def build() -> dict[str, list[str]]:
        built.append(1)
        return {"text": ["ein Wort", "слово"]}

    first = cached_table("t", {"v": 1}, build)
    assert cached_table("t", {"v": 1}, build) == first and len(built) == 1
    (path,) = (tmp_path / "tasks").glob("*.parquet")
    pq.write_table(pa.table({"text": ["another", "слово"]}), path)
    assert cached_table("t", {"v": 1}, build) == first and len(built) == 2
    path.write_bytes(b"no parquet")
    assert cached_table("t", {"v": 1}, build) == first and len(built) == 3
    cached_table("t", {"v": 2}, build)
    assert len(built) == 4


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path / "file"))
    assert cached_table("t", {"v": 1}, lambda: {"text": ["one"]}) == {"text": ["one"]}


def test_neighbours_are_the_nearest_whole_words_after_centring() -> None:
    rng = np.random.default_rng(0)
    shared, directions = 10 * rng.standard_normal(16), rng.standard_normal((3, 16))
    rows = np.concatenate([directions + 0.05 * rng.standard_normal((3, 16)) for _ in range(2)]) + shared
    pieces = ["▁big", "▁cat", "▁run", "▁large", "▁kitten", "run"]
    words = ["big", "cat", "run", "large", "kitten"]
    found = embedding_neighbours(rows.astype(np.float32), pieces, words, k=1)
    assert found == {"big": ("large",), "cat": ("kitten",), "large": ("big",), "kitten": ("cat",)}
    assert embedding_neighbours(rows.astype(np.float32), pieces, ["big"], k=1) == {}
    with pytest.raises(ValueError, match="got 5 pieces and 6 rows"):
        embedding_neighbours(rows.astype(np.float32), pieces[:5], words)
    with pytest.raises(ValueError, match="k = 0"):
        embedding_neighbours(rows.astype(np.float32), pieces, words, k=0)


def test_synonyms_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "counterfitted_neighbors.json"
    with pytest.raises(ValueError, match="no synonym file at"):
        load_synonyms(path)
    path.write_text('{"big": ["large", "big", "huge", "large"], "cat": []}')
    assert load_synonyms(path) == {"big": ("large", "huge"), "cat": ()}
    for broken, law in (('["big"]', "got a list"), ('{"big": "large"}', "'big' are a list"), ("{", "not a JSON file")):
        path.write_text(broken)
        with pytest.raises(ValueError, match=law):
            load_synonyms(path)
