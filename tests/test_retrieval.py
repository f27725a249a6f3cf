"""Laws of retrieval: nearest by cosine and by margin as dense oracles find them, bitexts and LAReQA, a study."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny import make_tokenizer

from suite.alignment import cosines
from suite.cli import main
from suite.kinds import KINDS, Columns, Encoded
from suite.kinds.retrieval import NEIGHBOURS, RANKED, Answers, search
from suite.models.tokens import encode
from suite.plan import plan
from suite.records import load_record
from suite.study_file import load_study
from suite.tasks import SUBSETS, TASKS, Examples
from suite.tasks.lareqa import LANGUAGES, SENTENCES
from suite.tasks.retrieval_subsets import SAME_LANGUAGE_DISTRACTORS
from suite.tasks.tatoeba import CODES

KIND = KINDS["retrieval"]
HUB = Path(os.environ.get("SUITE_HUB") or Path(__file__).parents[2] / "shared" / "hub")
Floats = NDArray[np.float32]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUITE_XTREME", raising=False)
    monkeypatch.delenv("SUITE_HUB", raising=False)


def vectors(count: int, seed: int, dimensions: int = 8, offset: float = 0.0) -> Floats:
    return (np.random.default_rng(seed).standard_normal((count, dimensions)) + offset).astype(np.float32)


def queries(
    candidates: int, right: Sequence[Sequence[int]], texts: Sequence[str] = (), labels: Sequence[int] = ()
) -> Examples:
    """Queries that some candidates answer each; `x k` is the text of candidate k."""
    ids = tuple(f"q{i}" for i in range(len(right)))
    named = [[name for name, own in zip(ids, right, strict=True) if c in own] for c in range(candidates)]
    return Examples(
        language="de",
        subset="clean",
        ids=ids,
        texts=tuple(texts) or ids,
        candidates=tuple(f"x {c}" for c in range(candidates)),
        labels=np.array(list(labels) or [own[0] for own in right]),
        label_names=tuple(" ".join(names) or f"none {c}" for c, names in enumerate(named)),
        base_ids=ids,
        groups=ids,
        source="made 1",
        licence="CC0-1.0",
    )


def decode(examples: Examples, asked: Floats, offered: Floats) -> Columns:
    rows = encode(make_tokenizer(), (*examples.texts, *examples.candidates), None, 16)
    block = Encoded(examples=examples, rows=rows, labels=np.zeros(len(rows), dtype=np.int64))
    return KIND.decode(block, np.concatenate([asked, offered]))


def dense(asked: Floats, offered: Floats, own: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ranking by cosine and best by ratio margin, from the whole matrix in float64."""
    x, y = (v / np.linalg.norm(v.astype(np.float64), axis=1, keepdims=True) for v in (asked, offered))
    cosine = x @ y.T
    cosine[[i for i, c in enumerate(own) if c >= 0], [c for c in own if c >= 0]] = -np.inf
    k = [min(NEIGHBOURS, n - any(c >= 0 for c in own)) for n in (len(y), len(x))]
    forward = np.sort(cosine, axis=1)[:, ::-1][:, : k[0]].mean(1)
    backward = np.sort(cosine, axis=0)[::-1][: k[1]].mean(0)
    both = (forward[:, None] + backward) / 2
    margin = np.where(both > 0, cosine / both, -np.inf)
    return np.argsort(-cosine, axis=1, kind="stable"), margin.argmax(1)


# The search


@given(st.integers(2, 40), st.integers(2, 60), st.integers(0, 99), st.booleans(), st.booleans())
@settings(deadline=None, derandomize=True, max_examples=60)
def test_search_equals_the_whole_matrix(n: int, c: int, seed: int, blocks: bool, with_own: bool) -> None:
    asked, offered = vectors(n, seed, offset=0.5), vectors(c, seed + 1, offset=0.5)
    own = np.full(n, -1)
    if with_own and c > 2:
        shared = min(n, c) // 2
        offered[:shared], own[:shared] = asked[:shared], np.arange(shared)
    ranked, by_margin = dense(asked, offered, own.tolist())
    held, rows = (0, 3) if blocks else (cosines.HELD_ROWS, cosines.BLOCK_ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cosines, "HELD_ROWS", held)
        patch.setattr(cosines, "BLOCK_ROWS", rows)
        patch.setattr(cosines, "BLOCK_CELLS", rows)
        found = search(torch.from_numpy(asked), torch.from_numpy(offered), own)
    k = min(RANKED, c - bool((own >= 0).any()))
    assert found.ranked_QK.shape == (n, k)
    assert found.ranked_QK.tolist() == ranked[:, :k].tolist()
    assert found.by_margin_Q.tolist() == by_margin.tolist()


def test_among_equals_the_first_is_found() -> None:
    asked, offered = vectors(3, 0, offset=1), np.repeat(vectors(1, 1, offset=1), 30, axis=0)
    found = search(torch.from_numpy(asked), torch.from_numpy(offered))
    assert found.ranked_QK.tolist() == [list(range(RANKED))] * 3 and found.by_margin_Q.tolist() == [0] * 3


def test_the_margin_takes_down_what_is_near_to_everything() -> None:
    hub, own = np.ones((1, 8), dtype=np.float32), np.eye(8, dtype=np.float32)
    # cos(query, hub) = 5 / (2 sqrt 8) = .88 and cos(query, own) = .75; their margins are 1.25 and 1.65.
    found = decode(queries(9, [[i + 1] for i in range(8)]), own + 0.5, np.concatenate([hub, own]))
    assert found["predicted"].tolist() == [0] * 8 and found["margin_hit"].tolist() == [1] * 8


def test_what_has_no_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="candidates has 1 zero rows"):
        search(torch.ones(3, 4), torch.cat([torch.zeros(1, 4), torch.ones(3, 4)]))


def test_thirteen_thousand_among_thirteen_thousand_take_seconds_in_bounded_memory() -> None:
    asked, offered = (torch.from_numpy(vectors(13_000, seed, 64, 0.3)) for seed in (0, 1))
    start = time.perf_counter()
    found = search(asked[:2000], offered)
    assert found.ranked_QK.shape == (2000, RANKED)
    assert time.perf_counter() - start < 20, "on an idle core about 1 s; a whole task is 6.5 times that"


# Answers and scores


def test_perfect_vectors_are_perfect_answers() -> None:
    offered = vectors(50, 0)
    order = np.random.default_rng(1).permutation(50)[:30]
    found = decode(queries(50, [[int(c)] for c in order]), offered[order], offered)
    assert found["predicted"].tolist() == found["label"].tolist() == order.tolist()
    assert np.allclose(found["average_precision"], 1)


@pytest.mark.parametrize(
    ("right", "ranks", "expected"),
    [
        ([0], [1, 0, 2], 1 / 2),
        ([0, 2], [1, 0, 2], (1 / 2 + 2 / 3) / 2),
        ([0, 1, 2], [2, 1, 0], 1.0),
        ([0], [1, 2, 0], 1 / 3),
    ],
)
def test_average_precision_of_worked_examples(right: list[int], ranks: list[int], expected: float) -> None:
    answers = Answers.of(queries(3, [right]))
    assert answers.average_precision(np.array([ranks])).tolist() == pytest.approx([expected])
    assert answers.average_precision(np.array([ranks[:1]])).tolist() == pytest.approx([float(ranks[0] in right)])


@given(st.integers(0, 500))
@settings(deadline=None, derandomize=True, max_examples=30)
def test_over_all_candidates_it_is_the_area_under_precision_and_recall(seed: int) -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(seed)
    scores, size = rng.permutation(18).astype(float), int(rng.integers(1, 12))
    right = sorted(rng.choice(18, size, replace=False).tolist())
    ranked = np.argsort(-scores)[None]
    found = Answers.of(queries(18, [right])).average_precision(ranked)[0]
    assert found == pytest.approx(average_precision_score([c in right for c in range(18)], scores))


def test_beyond_twenty_nothing_counts_and_more_than_twenty_can_be_right() -> None:
    ranked = np.arange(RANKED)[None]
    assert Answers.of(queries(40, [list(range(20, 40))], labels=[25])).average_precision(ranked)[0] == 0
    assert Answers.of(queries(40, [list(range(35))])).average_precision(ranked)[0] == 1


def test_any_of_several_right_candidates_is_a_hit() -> None:
    offered = vectors(12, 4)
    found = decode(queries(12, [[0, 7], [3], [5, 6]]), offered[[7, 4, 6]], offered)
    assert found["label"].tolist() == [0, 3, 5] and found["predicted"].tolist() == [0, 4, 5]


def test_a_query_whose_label_is_not_named_by_it_is_refused() -> None:
    with pytest.raises(ValueError, match="'q1' is not; name it in label_names"):
        Answers.of(queries(4, [[0], [2]], labels=[0, 3]))


def test_a_query_never_meets_itself_unless_it_is_the_answer() -> None:
    examples = queries(6, [[0], [1]], texts=["x 5", "x 1"])
    assert Answers.of(examples).own(examples).tolist() == [5, -1]
    offered = vectors(6, 0, offset=0.5)
    asked = offered[[5, 1]]
    found = decode(examples, asked, offered)
    nearest = dense(asked, offered, [5, -1])[0]
    assert found["predicted"].tolist() == [nearest[0, 0], 1] and nearest[0, 0] != 5


def test_each_distinct_text_is_tokenised_once_and_as_it_would_be_alone() -> None:
    one, two = queries(30, [[0], [1]], texts=["x 3", "light"]), queries(30, [[4], [9]])
    blocks = KIND.encode(make_tokenizer(), [one, two], 6, "query: ")
    for examples, block in zip((one, two), blocks, strict=True):
        alone = encode(make_tokenizer(), (*examples.texts, *examples.candidates), None, 6, "query: ")
        assert np.array_equal(block.rows.ids, alone.ids) and np.array_equal(block.rows.offsets, alone.offsets)


# Distractors in the queries' own language


def test_distractors_are_the_other_queries_and_leave_the_answers_alone() -> None:
    whole = queries(30, [[i] for i in range(30)], texts=[f"frage {i}" for i in range(29)] + ["x 7"])
    some = whole.rows(range(12))
    found = SAME_LANGUAGE_DISTRACTORS.examples(TASKS["tatoeba"], None, some, {"de": whole}, 0)
    assert found is not None and found.base_ids == some.ids and found.texts == some.texts
    assert found.candidates == (*whole.candidates, *whole.texts[:29]), "a text that is a candidate already is not added"
    assert found.labels.tolist() == some.labels.tolist()
    asked = vectors(12, 0, offset=1)
    offered = np.concatenate([vectors(30, 1), np.concatenate([asked, vectors(17, 2)])])
    clean, harder = decode(some, asked, offered[:30]), decode(found, asked, offered)
    assert harder["predicted"].max() >= 30, "other queries of the language are nearer"
    assert not np.any(harder["predicted"] == np.arange(12) + 30), "but never the query itself"
    assert np.all(harder["average_precision"] <= clean["average_precision"])
    assert SAME_LANGUAGE_DISTRACTORS.examples(TASKS["tatoeba"], None, whole.rows(range(5)), {"de": whole}, 0) is None


@pytest.mark.parametrize("task", ["tatoeba", "tatoeba-into-english", "bucc-pairs", "lareqa"])
def test_typing_errors_are_on_the_side_of_the_language_that_is_reported(task: str) -> None:
    clean = queries(30, [[i] for i in range(30)], texts=[f"welcher lamp number {i}" for i in range(30)])
    named = dataclasses.replace(clean, candidates=tuple(f"candidate number {i} here" for i in range(30)))
    found = SUBSETS["char-noise"].examples(TASKS[task], None, named, {}, 0)
    assert found is not None and found.label_names == named.label_names and found.base_ids == named.ids
    same, changed = (found.texts, found.candidates) if task == "tatoeba" else (found.candidates, found.texts)
    assert same == (named.texts if task == "tatoeba" else named.candidates)
    assert not {*changed} & {*named.texts, *named.candidates} and len({*changed}) == 30
    assert Answers.of(found).counts_Q.tolist() == [1] * 30, "an item answers to its clean id"


# Bitexts in the layouts of the hub and of XTREME's directory

Table = Mapping[str, Sequence[object]]
NUMBERS = ("eins", "zwei", "drei", "vier", "fuenf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwoelf")


def bitext(count: int = 40, language: str = "de") -> dict[str, list[Any]]:
    order = np.random.default_rng(5).permutation(count).tolist()
    return {
        "source_sentence": [f"{language} Licht {i} {NUMBERS[i % 12]}" for i in order],
        "target_sentence": [f"light {i} please" for i in order],
        "source_lang": [CODES.get(language, language)] * count,
        "target_lang": ["eng"] * count,
    }


def mirror(root: Path, tables: Mapping[str, Table], split: str = "validation") -> Path:
    folder, card = root / "google" / "xtreme", ["---", "configs:"]
    for name, table in tables.items():
        (folder / name).mkdir(parents=True)
        pq.write_table(pa.table(dict(table)), folder / name / f"{split}.parquet")
        card += [f"- config_name: {name}", "  data_files:", f"  - split: {split}", f"    path: {name}/{split}.parquet"]
    (folder / "README.md").write_text("\n".join([*card, "---", ""]))
    return root


def test_both_directions_have_the_same_pairs(tmp_path: Path) -> None:
    rows = bitext()
    root = mirror(tmp_path, {"tatoeba.deu": rows})
    out, back = (TASKS[name].load("de", "test", root) for name in ("tatoeba", "tatoeba-into-english"))
    assert out.texts == tuple(rows["target_sentence"]) == back.candidates
    assert back.texts == tuple(rows["source_sentence"]) == out.candidates
    assert out.labels.tolist() == list(range(40)) and out.ids == out.label_names == tuple(f"de-{i}" for i in range(40))
    assert Answers.of(out).counts_Q.tolist() == [1] * 40 and out.note == ""


def test_a_translation_that_stands_twice_is_one_candidate(tmp_path: Path) -> None:
    rows = bitext(12)
    rows["target_sentence"][7] = rows["target_sentence"][2]
    found = TASKS["tatoeba-into-english"].load("de", "test", mirror(tmp_path, {"tatoeba.deu": rows}))
    assert len(found.candidates) == 11 and found.labels[7] == found.labels[2] == 2
    assert found.label_names[2] == "de-2 de-7" and Answers.of(found).counts_Q.tolist() == [1] * 12


@pytest.mark.parametrize("column", ["source_sentence", "target_sentence"])
def test_a_sorted_side_is_refused_in_one_line(tmp_path: Path, column: str) -> None:
    rows = bitext()
    rows[column] = sorted(rows[column])
    with pytest.raises(ValueError, match=r"tatoeba.deu/validation: .*one of them is sorted.*LASER") as refusal:
        TASKS["tatoeba"].load("de", "test", mirror(tmp_path, {"tatoeba.deu": rows}))
    assert "\n" not in str(refusal.value)


def test_rows_without_a_sentence_are_dropped_only_where_they_are_known(tmp_path: Path) -> None:
    rows = bitext(20)
    rows["source_sentence"][3], rows["target_sentence"][9] = "", None
    with pytest.raises(ValueError, match="2 of 20 rows lack a sentence"):
        TASKS["tatoeba"].load("de", "test", mirror(tmp_path / "a", {"tatoeba.deu": rows}))
    found = TASKS["bucc-pairs"].load("de", "test", mirror(tmp_path / "b", {"bucc18.de": rows}, "test"))
    assert len(found) == 18 and found.note == "bucc18.de/test: 2 rows without a sentence dropped"


def test_unknown_names_say_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown language 'en'"):
        TASKS["tatoeba"].load("en", "test", tmp_path)
    with pytest.raises(ValueError, match="known: test"):
        TASKS["tatoeba"].load("de", "validation", tmp_path)


@pytest.mark.parametrize("names", [("de-en.de", "de-en.en"), ("tatoeba.deu-eng.deu", "tatoeba.deu-eng.eng")])
def test_xtremes_directory_has_the_same_pairs_where_nobody_sorted_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str]
) -> None:
    rows, folder = bitext(), tmp_path / "download" / "tatoeba"
    expected = TASKS["tatoeba"].load("de", "test", mirror(tmp_path / "hub", {"tatoeba.deu": rows}))
    folder.mkdir(parents=True)
    for name, column in zip(names, ("source_sentence", "target_sentence"), strict=True):
        (folder / name).write_text("".join(f"{text}\r\n" for text in rows[column]), newline="")
    monkeypatch.setenv("SUITE_XTREME", str(tmp_path / "download"))
    found = TASKS["tatoeba"].load("de", "test", None)
    assert found.fingerprint == expected.fingerprint and "40 rows, published are 1000" in found.note
    (folder / names[1]).write_text("".join(f"{text}\n" for text in sorted(rows["target_sentence"])))
    with pytest.raises(ValueError, match="is sorted"):
        TASKS["tatoeba"].load("de", "test", None)
    (folder / names[1]).write_text("one line\n")
    with pytest.raises(ValueError, match="line i of one file translates line i"):
        TASKS["tatoeba"].load("de", "test", None)


def test_alignment_text_is_the_cldr_in_every_language() -> None:
    for language in CODES:
        assert len(TASKS["tatoeba"].parallel_text("en", language, None)) > 300, language


@pytest.mark.skipif(not (HUB / "google/xtreme/tatoeba.deu").is_dir(), reason=f"no Tatoeba under {HUB}; set SUITE_HUB")
def test_the_published_pairs_belong_together() -> None:
    """Numbers stand on both sides; a mirror of XTREME's sorted files is refused, which is as it should be."""
    try:
        found = TASKS["tatoeba"].load("de", "test", HUB)
    except ValueError as error:
        pytest.skip(str(error))
    rows = zip(found.texts, (found.candidates[label] for label in found.labels), strict=True)
    named = [(name in there) for here, there in rows for name in ("Tom", "Boston", "2:30") if name in here]
    assert len(found) == 1000 and len(named) > 100 and np.mean(named) > 0.95


def test_mewsli_x_says_in_one_line_what_is_missing() -> None:
    with pytest.raises(ValueError, match=r"cannot be loaded.*get-mewsli-x\.sh.*1,003,893") as refusal:
        TASKS["mewsli-x"].load("en", "test", None)
    assert "\n" not in str(refusal.value)


# LAReQA

SAID = (("A light is on. ", "The lamp is red."), ("Doors are open. ", "One fan is white. ", "It is cold."))


def xquad_r(language: str, odd: bool = False) -> dict[str, Any]:
    """Two paragraphs with a question for every sentence, and one more for the first; a language may break otherwise."""
    paragraphs = []
    for p, said in enumerate(SAID):
        own = [f"{language} {text}" for text in said]
        context, starts = "".join(own), np.cumsum([0, *map(len, own)]).tolist()
        breaks = [[a, a + len(text.strip())] for a, text in zip(starts, own, strict=False)]
        if odd and p == 0:
            breaks = [[0, breaks[1][1]]]
        asked = [(f"q{p}{s}", start + 3) for s, start in enumerate(starts[:-1])] + ([("again", 4)] if p == 0 else [])
        paragraphs.append(
            {
                "context": context,
                "sentence_breaks": breaks,
                "sentences": [context[a:b] for a, b in breaks],
                "qas": [
                    {"id": i, "question": f"{language} what of {i}?", "answers": [{"answer_start": a, "text": "x"}]}
                    for i, a in asked
                ],
            }
        )
    return {"data": [{"title": "t", "paragraphs": paragraphs}]}


def lareqa_files(folder: Path, odd: Sequence[str] = ()) -> Path:
    folder.mkdir(parents=True)
    for code in LANGUAGES:
        (folder / f"{code}.json").write_text(json.dumps(xquad_r(code, code in odd)))
    return folder


def test_the_published_counts_of_sentences_sum_up() -> None:
    assert sum(SENTENCES.values()) == 13_014


def test_a_question_is_answered_once_in_every_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lareqa_files(tmp_path / "download" / "lareqa" / "xquad-r", odd=["th"])
    monkeypatch.setenv("SUITE_XTREME", str(tmp_path / "download"))
    found = TASKS["lareqa"].load("de", "test", None)
    assert found.ids == ("q00", "q01", "again", "q10", "q11", "q12") and len(found.candidates) == 11 * 5 - 1
    assert Answers.of(found).counts_Q.tolist() == [11] * 6
    assert found.candidates[5].startswith("ar A light is on. ar A light is on. ar The lamp is red.")
    thai = next(i for i, text in enumerate(found.candidates) if text.startswith("th "))
    assert found.label_names[thai] == "q00 q01 again", "a sentence may answer several questions, as its language breaks"
    perfect = np.zeros((6, 64), dtype=np.float32)
    offered = vectors(54, 0, 64) * 0.01
    for i, name in enumerate(found.ids):
        perfect[i, i] = 1
        for c, names in enumerate(found.label_names):
            offered[c, i] += name in names.split()
    columns = decode(found, perfect, offered)
    assert np.allclose(columns["average_precision"], 1) and columns["predicted"].tolist() == found.labels.tolist()
    text = TASKS["lareqa"].parallel_text("en", "de", None)
    assert text.ids == found.ids and text.target_texts == found.texts


def test_a_mirror_may_hold_the_files_and_nowhere_else_are_they(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"needs sentence breaks.*download_lareqa_data\.sh") as refusal:
        TASKS["lareqa"].load("en", "test", tmp_path)
    assert "\n" not in str(refusal.value)
    lareqa_files(tmp_path / "google-research-datasets" / "lareqa" / "xquad-r")
    found = TASKS["lareqa"].load("en", "test", tmp_path)
    assert found.ids == TASKS["lareqa"].load("zh", "test", tmp_path).ids
    assert "5 sentences, published are 1180" in found.note


@pytest.mark.parametrize(
    ("content", "law"),
    [('{"data": [', "was cut"), ('{"data": [{"paragraphs": [{}]}]}', "XQuAD-R's layout"), ("[]", "XQuAD-R's layout")],
)
def test_a_broken_file_of_lareqa_is_refused_in_one_line(tmp_path: Path, content: str, law: str) -> None:
    folder = lareqa_files(tmp_path / "google-research-datasets" / "lareqa" / "xquad-r")
    (folder / "ru.json").write_text(content)
    with pytest.raises(ValueError, match=rf"ru\.json.*{law}") as refusal:
        TASKS["lareqa"].load("en", "test", tmp_path)
    assert "\n" not in str(refusal.value)


def test_a_question_without_a_sentence_or_a_translation_is_dropped_and_counted(tmp_path: Path) -> None:
    folder = lareqa_files(tmp_path / "google-research-datasets" / "lareqa" / "xquad-r")
    broken = xquad_r("vi")
    broken["data"][0]["paragraphs"][1]["qas"][2]["answers"][0]["answer_start"] = 10_000
    (folder / "vi.json").write_text(json.dumps(broken))
    found = TASKS["lareqa"].load("en", "test", tmp_path)
    assert "q12" not in found.ids and len(found) == 5
    assert "1 questions of en dropped that another language lacks" in found.note
    assert "vi.json: 1 questions dropped whose answer begins in no sentence" in found.note


def test_half_a_character_is_replaced_where_it_stands_and_counted(tmp_path: Path) -> None:
    folder = lareqa_files(tmp_path / "google-research-datasets" / "lareqa" / "xquad-r")
    whole = TASKS["lareqa"].load("de", "test", tmp_path)
    broken = xquad_r("de")
    first = broken["data"][0]["paragraphs"][0]
    first["context"] = "\ud83d" + first["context"][1:]
    first["qas"][0]["question"] += " \udc00"
    (folder / "de.json").write_text(json.dumps(broken))
    found = TASKS["lareqa"].load("de", "test", tmp_path)
    assert len(found.fingerprint) == 64 and found.ids == whole.ids, "no break moved, and every text can be written"
    assert found.texts[0] == f"{whole.texts[0]} \ufffd"
    assert "de.json: halves of characters replaced in 2 texts" in found.note


# A study

STUDY = """
name = "tiny-retrieval"
question = "Does retrieval hold together?"

[task]
name = "tatoeba-into-english"
train_on = "home-intents"
targets = ["de", "es"]
train_examples = 24
validation_examples = 22

[[scale]]
name = "tiny"
checkpoint = "CHECKPOINT"
layers = 1

[[method]]
name = "standard"

[[method]]
name = "random-perturbation"
noise = 0.3

[train]
epochs = 1
batch_size = 8
learning_rate = 1e-3
max_length = 24
validations = 1

[tune]
trials = 1

[refit]
seeds = [1, 2]

[evaluation]
subsets = ["char-noise", "suite.tasks.retrieval_subsets:SAME_LANGUAGE_DISTRACTORS"]

[alignment]
metrics = ["csls_p1"]
pairs = 20
"""


def study_file(tmp_path: Path, checkpoint: Path) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(STUDY.replace("CHECKPOINT", str(checkpoint)))
    return path


@pytest.mark.usefixtures("cache_dir")
def test_what_retrieval_cannot_do_is_refused_in_one_line(tmp_path: Path, tiny_checkpoint: Path) -> None:
    study = load_study(study_file(tmp_path, tiny_checkpoint))
    attacked = dataclasses.replace(study.evaluation, attack_radius=0.1)
    for change, law in (
        ({"evaluation": attacked}, "attack_radius"),
        ({"tune": dataclasses.replace(study.tune, metric="macro_f1")}, "tune.metric is one of a retrieval task's"),
    ):
        with pytest.raises(ValueError, match=law) as refusal:
            plan(dataclasses.replace(study, **change))
        assert "\n" not in str(refusal.value)


def test_a_study_ends_with_records_predictions_comparisons_and_tables(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, cache_dir: Path
) -> None:
    root = mirror(tmp_path / "hub", {f"tatoeba.{CODES[code]}": bitext(40, code) for code in ("de", "es")})
    for name, value in (("SUITE_HUB", root), ("SUITE_HOME", tmp_path / "home"), ("SUITE_CACHE", cache_dir)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    path = study_file(tmp_path, tiny_checkpoint)
    assert main(["run", str(path), "--quiet", "--to", str(tmp_path / "results")]) == 0
    folders = sorted((tmp_path / "home" / "tiny-retrieval" / "runs").glob("refit-*"))
    records = [load_record(folder / "record.json") for folder in folders]
    assert len(records) == 4 and {record.state for record in records} == {"complete"}
    subsets = {"clean", "char-noise", "same-language-distractors"}
    for record in records:
        found = {(s.subset, s.language, s.metric): s.value for s in record.scores}
        assert set(found) == {(s, code, m) for s in subsets for code in ("de", "es") for m in KIND.metrics}
        assert all(found["clean", code, "map_at_20"] >= found["clean", code, "accuracy"] for code in ("de", "es"))
        assert record.selection is not None and {a.text for a in record.alignment} == {"cldr"}
    table = pq.read_table(folders[0] / "predictions.parquet")
    assert table.column_names[4:] == ["label", "predicted", "average_precision", "margin_hit"]
    assert len(table) == 2 * 3 * 40 and not table["average_precision"].null_count
    deltas = (tmp_path / "results" / "deltas.csv").read_text().splitlines()
    assert len(deltas) == 2 and "random-perturbation" in deltas[1]
    assert {"main.csv", "summary.md", "subsets.csv"} <= {p.name for p in (tmp_path / "results").iterdir()}
