"""Laws of sentence-pair tasks: XNLI and PAWS-X as published, defects counted, translations verified, both texts in."""

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
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import LAYERS, make_classifier, make_rows, make_tokenizer

from suite.batch import Batch
from suite.evaluation_spec import EvaluationSpec
from suite.methods import METHODS, StepStreams, hyperparameters
from suite.methods.interface import EMBEDDINGS
from suite.models.classifier import Pass, training_pass
from suite.models.pair_tokens import truncated_lengths
from suite.models.rewriting import Rewriter
from suite.models.row_words import words_of_texts
from suite.models.tokens import encode
from suite.seeding import Streams
from suite.tasks import SUBSETS, TASKS, HubSource, Part, hub_task
from suite.trial import run_trial
from suite.trial_spec import AlignmentSpec, Scalar, Scale, TaskSpec, TrainSpec, TrialSpec

pytestmark = pytest.mark.usefixtures("cache_dir")

HUB = Path(os.environ.get("SUITE_HUB") or Path(__file__).parents[2] / "shared" / "hub")


def needs(repository: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not (HUB / repository).is_dir(), reason=f"no copy of {repository} under {HUB}; set SUITE_HUB"
    )


SOURCE = HubSource(
    name="pairs",
    repository="owner/pairs",
    revision=None,
    configurations={"en": "en", "de": "de"},
    labels=("no", "yes"),
    licence="CC0-1.0",
    text="one",
    pair="two",
    placeholders=("NS",),
    droppable=("placeholder", "missing label"),
)
PAIRS = hub_task(SOURCE, parallel=True)

Table = Mapping[str, Sequence[object]]
NOUNS = {"light": "Licht", "lamp": "Lampe", "window": "Fenster", "door": "Tuer", "heating": "Heizung", "fan": "Luefter"}
ROOMS = {"kitchen": "Kueche", "bedroom": "Schlafzimmer", "garage": "Garage", "hall": "Flur", "office": "Buero"}


def written(language: str, rows: int = 120, seed: int = 0) -> dict[str, list[object]]:
    """Premises about a room, each three times, with a hypothesis that names the same thing (yes) or another (no)."""
    rng, columns = random.Random(seed), {"one": [], "two": [], "label": []}
    said = (lambda words, word: word) if language == "en" else (lambda words, word: words[word])
    for row in range(rows):
        if row % 3 == 0:
            thing, room = rng.choice(list(NOUNS)), rng.choice(list(ROOMS))
            frame = "turn on the {} in the {} please " if language == "en" else "bitte {} im Raum {} anschalten "
            premise = frame.format(said(NOUNS, thing), said(ROOMS, room)) + str(row // 3)
        label = rng.randrange(2)
        other = thing if label else rng.choice([n for n in NOUNS if n != thing])
        columns["one"].append(premise)
        columns["two"].append(f"{said(NOUNS, other)} {row}")
        columns["label"].append(label)
    return columns


def mirror(root: Path, tables: Mapping[str, Table], splits: Sequence[str] = ("train", "validation", "test")) -> Path:
    """A hub directory with `owner/pairs`: every language's table as every split."""
    repository = root / "owner" / "pairs"
    card = ["---", "configs:"]
    for language, table in tables.items():
        (repository / language).mkdir(parents=True)
        card += [f"- config_name: {language}", "  data_files:"]
        for split in splits:
            pq.write_table(pa.table(dict(table)), repository / language / f"{split}.parquet")
            card += [f"  - split: {split}", f"    path: {language}/{split}.parquet"]
    (repository / "README.md").write_text("\n".join([*card, "---", ""]))
    return root


def spoil(table: Table, row: int, **values: object) -> dict[str, list[object]]:
    """The table with some values of a row replaced."""
    return {name: [*c[:row], values.get(name, c[row]), *c[row + 1 :]] for name, c in table.items()}


# Defects: counted and named, dropped only where the entry says that the repository has them


def test_dropped_rows_are_counted_by_kind_and_leave_the_other_ids_alone(tmp_path: Path) -> None:
    german = spoil(spoil(spoil(written("de"), 4, two=" NS "), 9, label=-1), 11, label=None)
    german = spoil(spoil(german, 20, one='"Er sagte ""ja"" dazu"'), 21, two="\ufeffLicht")
    root = mirror(tmp_path, {"en": written("en"), "de": german})
    english, found = PAIRS.load("en", "test", root), PAIRS.load("de", "test", root)
    assert english.note == "" and len(english) == 120
    assert found.note == (
        "de/test: 3 of 120 rows dropped (missing label: 2, placeholder: 1) and 1 texts in CSV quotes"
        " and 1 texts with a byte-order mark"
    )
    assert [i for i in english.ids if i not in found.ids] == ["test-4", "test-9", "test-11"]
    label_of = dict(zip(english.ids, english.labels.tolist(), strict=True))
    assert [label_of[i] for i in found.ids] == found.labels.tolist()


@pytest.mark.parametrize(
    ("row", "law"),
    [
        ({"one": ""}, r"1 of 120 rows \(empty text: 1\)"),
        ({"two": None}, r"1 of 120 rows \(empty text: 1\)"),
        ({"one": "one", "two": "two"}, r"1 of 120 rows \(header row: 1\)"),
        ({"label": 2}, r"1 of 120 labels are not of \['no', 'yes'\], the first is 2"),
    ],
)
def test_defects_that_the_repository_is_not_known_for_are_refused(
    tmp_path: Path, row: dict[str, object], law: str
) -> None:
    root = mirror(tmp_path, {"en": spoil(written("en"), 7, **row)})
    with pytest.raises(ValueError, match=rf"owner/pairs en/test: .*{law}") as refusal:
        PAIRS.load("en", "test", root)
    assert "\n" not in str(refusal.value)


def test_a_header_row_does_not_shift_the_numbers(tmp_path: Path) -> None:
    task = hub_task(dataclasses.replace(SOURCE, droppable=("header row",)), parallel=True)
    german = written("de")
    headed = {name: [value, *german[name]] for name, value in (("one", "one"), ("two", "two"), ("label", 0))}
    found = task.load("de", "test", mirror(tmp_path, {"en": written("en"), "de": headed}))
    assert "header row: 1" in found.note and found.ids[0] == "test-0" and len(found) == 120


def test_a_split_with_hidden_labels_is_refused_in_one_line(tmp_path: Path) -> None:
    root = mirror(tmp_path, {"en": written("en") | {"label": [-1] * 120}})
    with pytest.raises(ValueError, match="no row is left of 120"):
        PAIRS.load("en", "test", root)


def test_a_file_cut_in_the_middle_is_refused_in_one_line(tmp_path: Path) -> None:
    root = mirror(tmp_path, {"en": written("en")})
    path = root / "owner/pairs/en/test.parquet"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="cannot read en/test") as refusal:
        PAIRS.load("en", "test", root)
    assert "\n" not in str(refusal.value)


# Translations: verified against the first language, by the labels of shared ids


def test_shifted_rows_are_no_translations(tmp_path: Path) -> None:
    shifted = {name: [*column[1:], column[0]] for name, column in written("de").items()}
    root = mirror(tmp_path, {"en": written("en"), "de": shifted})
    law = r"owner/pairs de/test: \d+ of 120 items have another label than in owner/pairs en/test, .* first is 'test-"
    with pytest.raises(ValueError, match=law) as refusal:
        PAIRS.load("de", "test", root)
    assert "\n" not in str(refusal.value)
    assert len(PAIRS.load("de", "train", root)) == 120, "training sets are no translations row by row"


def test_rows_that_are_missing_are_no_translations(tmp_path: Path) -> None:
    root = mirror(tmp_path, {"en": written("en"), "de": written("de", rows=90)})
    with pytest.raises(ValueError, match="has 90 rows and owner/pairs en/test 120"):
        PAIRS.load("de", "test", root)
    named = hub_task(dataclasses.replace(SOURCE, id="id"), parallel=True)
    tables = {c: written(c) | {"id": [f"{c}{i}" for i in range(120)]} for c in ("en", "de")}
    with pytest.raises(ValueError, match="owner/pairs de/test shares no id"):
        named.load("de", "test", mirror(tmp_path / "named", tables))


def test_items_that_share_a_text_are_one_group_in_every_language(tmp_path: Path) -> None:
    root = mirror(tmp_path, {"en": spoil(written("en"), 7, two="fan 1"), "de": written("de")})
    english, german = PAIRS.load("en", "test", root), PAIRS.load("de", "test", root)
    assert english.groups == german.groups
    first = written("en")["two"][1]
    merged = "test-0" if first == "fan 1" else "test-6"
    assert english.groups[6:9] == (merged,) * 3 and len(set(english.groups)) == 40 - (merged == "test-0")


# Parts of a split


def test_parts_cover_a_split_and_share_no_group(tmp_path: Path) -> None:
    bounds = {"train": (0.0, 0.5), "validation": (0.5, 0.7), "test": (0.7, 1.0)}
    cut = {name: Part(split="test", low=low, high=high) for name, (low, high) in bounds.items()}
    task = hub_task(dataclasses.replace(SOURCE, splits=cut), parallel=True)
    root = mirror(tmp_path, {"en": written("en"), "de": spoil(written("de"), 4, two="NS")}, splits=["test"])
    parts = {split: task.load("en", split, root) for split in cut}
    whole = PAIRS.load("en", "test", root)
    assert sorted(i for part in parts.values() for i in part.ids) == sorted(whole.ids)
    groups = [set(part.groups) for part in parts.values()]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    for split, part in parts.items():
        assert set(task.load("de", split, root).ids) == set(part.ids) - {"test-4"}
    text = task.parallel_text("en", "de", root)
    assert not set(text.source_texts) & set(parts["train"].texts), "what trains is no alignment text"


@pytest.mark.parametrize("bounds", [(0.5, 0.5), (-0.1, 0.5), (0.5, 1.1)])
def test_a_part_lies_within_its_split(bounds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="0 <= low < high <= 1"):
        Part(split="test", low=bounds[0], high=bounds[1])


def test_a_premise_counts_once_as_alignment_text(tmp_path: Path) -> None:
    text = PAIRS.parallel_text("en", "de", mirror(tmp_path, {c: written(c) for c in ("en", "de")}))
    assert len(text) == 40 == len(set(text.source_texts)) == len(set(text.target_texts))
    assert set(text.source_texts) == set(map(str, written("en")["one"]))


# The published data


@needs("facebook/xnli")
@pytest.mark.parametrize("language", ["de", "hi", "sw", "zh"])
def test_xnli_is_balanced_and_parallel(language: str) -> None:
    task = TASKS["xnli"]
    for split, n in (("validation", 2490), ("test", 5010)):
        english, other = task.load("en", split, HUB), task.load(language, split, HUB)
        assert len(english) == n and np.bincount(english.labels).tolist() == [n // 3] * 3
        assert english.ids == other.ids and english.labels.tolist() == other.labels.tolist()
        assert english.groups == other.groups and len(set(english.groups)) == n // 3
        assert english.take(60, 3).ids == other.take(60, 3).ids != english.ids[:60]
    assert len(task.parallel_text("en", language, HUB)) == pytest.approx(2500, abs=2)


@needs("facebook/xnli")
def test_numbers_stay_in_translation() -> None:
    """Evidence beside the labels, which are 3: numbers of two digits stand in the same rows."""
    english, german = (TASKS["xnli"].load(code, "test", HUB) for code in ("en", "de"))
    rows = [
        ({w for w in e.split() if w.isdigit() and len(w) > 1}, g)
        for e, g in zip(english.texts, german.texts, strict=True)
    ]
    kept = [any(number in g for number in numbers) for numbers, g in rows if numbers]
    assert len(kept) > 200 and np.mean(kept) > 0.9


@needs("facebook/xnli")
def test_xnli_dev_trains_on_what_it_never_reports() -> None:
    task = TASKS["xnli-dev"]
    train, chosen, test = (task.load("en", split, HUB) for split in ("train", "validation", "test"))
    assert (len(train), len(chosen), len(test)) == (1953, 537, 5010)
    assert not set(train.texts) & set(chosen.texts) and not set(train.texts) & set(test.texts)
    assert np.bincount(train.labels).tolist() == [651] * 3


@needs("facebook/xnli")
def test_a_split_that_the_mirror_lacks_is_named_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"cannot read en/train from .*facebook/xnli: .*train"):
        TASKS["xnli"].load("en", "train", HUB)


@needs("google-research-datasets/paws-x")
@pytest.mark.parametrize(
    ("language", "dropped"), [("en", 0), ("de", 68), ("es", 38), ("fr", 8), ("ja", 20), ("zh", 17)]
)
def test_paws_x_drops_what_was_never_translated(language: str, dropped: int) -> None:
    task = TASKS["paws-x"]
    english, other = task.load("en", "validation", HUB), task.load(language, "validation", HUB)
    assert len(other) == 2000 - dropped
    assert (f"{dropped} of 2000 rows dropped (placeholder: {dropped})" in other.note) == bool(dropped)
    assert not {"NS", "WL"} & {text.strip() for text in (*other.texts, *(other.pairs or ()))}
    label_of = dict(zip(english.ids, english.labels.tolist(), strict=True))
    assert [label_of[i] for i in other.ids] == other.labels.tolist()


@needs("google-research-datasets/paws-x")
def test_paws_x_dev_has_no_english_sentence_on_two_sides() -> None:
    task = TASKS["paws-x-dev"]
    parts = [task.load("en", split, HUB) for split in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [1220, 171, 609]
    texts = [set(part.texts) | set(part.pairs or ()) for part in parts]
    assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]
    japanese = [set(task.load("ja", split, HUB).ids) for split in ("train", "validation", "test")]
    assert all(there <= set(here.ids) for there, here in zip(japanese, parts, strict=True))


# Subsets


@pytest.mark.parametrize("name", ["char-noise", "code-mixed"])
def test_both_texts_of_a_pair_are_perturbed(tmp_path: Path, name: str) -> None:
    table = written("en")
    places = ["Germany", "Monday", "France", "January"]
    table["one"] = [f"{text} in {places[i % 4]} soon" for i, text in enumerate(table["one"])]
    table["two"] = [f"{text} in {places[i % 4]} now" for i, text in enumerate(table["two"])]
    clean = PAIRS.load("en", "test", mirror(tmp_path, {"en": table}))
    found = SUBSETS[name].build(PAIRS, "en", None, clean, 0)
    assert found is not None and found.pairs is not None and clean.pairs is not None
    rows = [clean.ids.index(base) for base in found.base_ids]
    assert len(rows) > 90 and found.labels.tolist() == clean.labels[rows].tolist()  # a name may be the same abroad
    for row, text, pair in zip(rows, found.texts, found.pairs, strict=True):
        assert text != clean.texts[row] and pair != clean.pairs[row]
        if name == "code-mixed":  # the same place in the same language, so that what agreed still agrees
            place = text.split(" in ")[-1].removesuffix(" soon")
            assert place == pair.split(" in ")[-1].removesuffix(" now") and place not in places


def test_a_pair_of_which_one_text_has_nothing_to_mix_is_kept(tmp_path: Path) -> None:
    table = written("en")
    table["two"] = [f"{text} in Germany" for text in table["two"]]
    clean = PAIRS.load("en", "test", mirror(tmp_path, {"en": table}))
    found = SUBSETS["code-mixed"].build(PAIRS, "en", None, clean, 0)
    assert found is not None and len(found) == 120 and found.texts == clean.texts
    assert not any("Germany" in pair for pair in found.pairs or ())


# Tokens of pairs


@given(st.integers(0, 12), st.integers(0, 12), st.integers(4, 30))
@settings(deadline=None, derandomize=True, max_examples=150)
def test_pairs_are_cut_as_the_tokenizer_cuts_them(first: int, second: int, max_length: int) -> None:
    tokenizer = make_tokenizer()
    rows = encode(tokenizer, ["light " * first], ["door " * second], max_length)
    assert rows.types is not None and len(rows.ids) <= max_length
    lengths = [len(run) for run in np.split(~rows.special, np.flatnonzero(np.diff(rows.special)) + 1) if run[0]]
    kept = truncated_lengths(np.array([[first, second]]), max_length - 3)
    assert lengths == [n for n in kept[0].tolist() if n]


def pair_rewriter(synonyms: Mapping[str, Sequence[str]], texts: list[str], pairs: list[str], n: int = 64) -> Rewriter:
    tokenizer = make_tokenizer()
    rows = encode(tokenizer, texts, pairs, n, "please ")
    words = words_of_texts(tokenizer, texts, pairs, "please ", synonyms)
    return Rewriter(rows, words, np.arange(len(texts)), n)


def halves(batch: Batch) -> list[tuple[list[str], list[str]]]:
    """Tokens of both texts of every pair, told apart by segment."""
    assert batch.types_T is not None
    tokenizer, found = make_tokenizer(), []
    for ids, types, special in zip(
        *(x.split(batch.lengths) for x in (batch.ids_T, batch.types_T, batch.special_T)), strict=True
    ):
        sides = [ids[(types == side) & ~special].tolist() for side in (0, 1)]
        found.append((tokenizer.convert_ids_to_tokens(sides[0]), tokenizer.convert_ids_to_tokens(sides[1])))
    return found


def test_both_texts_of_a_pair_are_rewritten_and_keep_their_side() -> None:
    sets = {"light": ["lamp", "red light"], "door": ["window"], "please": ["now"]}
    rewriter = pair_rewriter(sets, ["turn light"], ["open door please"])
    batch = rewriter.rows.batch(np.array([0]), rewriter.labels)
    found = rewriter.rewrite(batch, np.random.default_rng(0), neighbours=2, copies=60)
    first = {tuple(a) for a, _ in halves(found)}
    second = {tuple(b) for _, b in halves(found)}
    head = ("▁please", "▁turn")
    assert first == {(*head, "▁light"), (*head, "▁lamp"), (*head, "▁red", "▁light")}, "the prefix is left alone"
    assert {b[1] for b in second} == {"▁door", "▁window"} and {b[2] for b in second} == {"▁please", "▁"}
    assert found.labels_B.tolist() == [0] * 60 and {int(s[-1]) for s in found.special_T.split(found.lengths)} == {1}


@given(st.integers(0, 50), st.integers(6, 20))
@settings(deadline=None, derandomize=True, max_examples=30)
def test_a_rewritten_pair_keeps_the_length_limit_and_its_special_tokens(seed: int, n: int) -> None:
    sets = {"light": ["red green blue"], "door": ["white window"]}
    rewriter = pair_rewriter(sets, ["light " * 5, "door"], ["door " * 4, "light " * 9], n)
    batch = rewriter.rows.batch(np.array([1, 0]), rewriter.labels)
    found = rewriter.rewrite(batch, np.random.default_rng(seed), neighbours=1, copies=3)
    assert max(found.lengths) <= n and sorted(found.rows) == [0, 0, 0, 1, 1, 1]
    assert found.labels_B.tolist() == list(found.rows)
    for special in found.special_T.split(found.lengths):
        assert int(special.sum()) == 3 and special[0] and special[-1]


def test_without_neighbours_a_batch_of_pairs_stays_as_it_is() -> None:
    rewriter = pair_rewriter({"light": ["lamp"]}, ["turn light", "door"], ["light", "open light"])
    batch = rewriter.rows.batch(np.array([0, 1]), rewriter.labels)
    again = rewriter.rewrite(batch, np.random.default_rng(0), neighbours=0, copies=1)
    assert again.types_T is not None and batch.types_T is not None
    assert torch.equal(again.ids_T, batch.ids_T) and torch.equal(again.types_T, batch.types_T)
    assert again.rows == batch.rows


def test_words_of_other_rows_are_refused() -> None:
    words = words_of_texts(make_tokenizer(), ["a"] * 3, ["the"] * 3, "", {})
    with pytest.raises(ValueError, match="every row has its words, got 2 rows and words of 3"):
        Rewriter(make_rows([7, 9], pairs=True), words, np.array([0, 1]), 128)


# Methods and a whole trial


def pair_view(step: int = 0) -> tuple[Batch, Pass]:
    rewriter = pair_rewriter(
        {"light": ["lamp"], "door": ["window"]}, ["turn light", "door", "fan"], ["light", "door", "a"]
    )
    sites = dict.fromkeys((EMBEDDINGS, "hidden:0", f"hidden:{LAYERS}"), 1.0)
    view = training_pass(make_classifier(), 0.1, Streams(5), step, sites, rewriter)
    return rewriter.rows.batch(np.arange(3), rewriter.labels), view


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("strength", [0, 2])
def test_every_method_trains_on_pairs_and_is_standard_without_strength(name: str, strength: int) -> None:
    method = METHODS[name]
    given: dict[str, Scalar] = {}
    if method.strength is not None:
        whole = hyperparameters(method)[method.strength].annotation is int
        given = {method.strength: strength if whole else strength / 10}
    batch, view = pair_view()
    loss = method.loss(batch, view, StepStreams(Streams(1), 0), **given)
    loss.value.backward()  # type: ignore[no-untyped-call]  # torch's is
    gradients = [p.grad for p in view.classifier.encoder.parameters() if p.grad is not None]
    assert torch.isfinite(loss.value) and gradients and all(bool(g.isfinite().all()) for g in gradients)
    batch, view = pair_view()
    standard = METHODS["standard"].loss(batch, view, StepStreams(Streams(1), 0))
    assert strength > 0 or torch.equal(loss.value, standard.value)


@pytest.mark.parametrize(
    ("method", "given"), [("data-augmentation", {"neighbours": 2}), ("random-perturbation", {"noise": 0.2})]
)
def test_a_trial_on_pairs_runs_from_file_to_record(
    tiny_checkpoint: Path, tmp_path: Path, method: str, given: dict[str, Scalar]
) -> None:
    root = mirror(tmp_path, {"en": written("en"), "de": spoil(written("de"), 4, two="NS")})
    trial = TrialSpec(
        study="pairs",
        phase="refit",
        scale=Scale(name="tiny", checkpoint=str(tiny_checkpoint)),
        method=method,
        hyperparameters=given,
        learning_rate=1e-3,
        seed=1,
        task=TaskSpec(name=f"{__name__}:PAIRS", targets=("de",), train_examples=60),
        train=TrainSpec(learning_rate=1e-3, batch_size=16, epochs=1, validations=1, max_length=32),
        evaluation=EvaluationSpec(
            subsets=("char-noise",), attack_radius=0.05, attack_steps=1, attack_examples=8, smoothing_samples=20
        ),
        alignment=AlignmentSpec(metrics=("csls_p1",), pairs=30),
    )
    record = run_trial(trial, tmp_path / "run", hub_root=root)
    assert record.state == "complete"
    assert record.warnings[0] == "owner/pairs (revision unpinned): de/test: 1 of 120 rows dropped (placeholder: 1)"
    counts = {(s.subset, s.language): s.n for s in record.scores if s.metric == "accuracy"}
    assert counts["clean", "en"] == 120 and counts["clean", "de"] == 119 and counts["embedding-attack", "de"] == 8
    assert counts["char-noise", "en"] == 120 and ("smoothed" in record.subsets) == (method == "random-perturbation")
    assert {a.n for a in record.alignment} == {30}
