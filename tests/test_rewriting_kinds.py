"""Laws of synonym replacement where more is asked than a label: tags, spans and choices stay what they were."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from test_multiple_choice import copa_mirror, items
from test_qa_tasks import by_language
from test_question_answering import blocks, questions
from test_tagging_tasks import mirror
from test_tagging_tasks import written as tagged_rows
from test_token_classification import EMPTY, stripping, tagged
from tiny import LAYERS, WORDS, make_encoder, make_labelled, make_rewriter, make_tokenizer, make_trial, rewriter_of

from suite.assembly import load_workspace
from suite.batch import Batch
from suite.kinds import KINDS, Encoded, Kind
from suite.kinds.question_answering import END, START
from suite.kinds.token_classification import IGNORED
from suite.models.classifier import Classifier
from suite.models.rewriting import Rewriter
from suite.models.row_words import words_in_rows
from suite.models.tokens import rows_from_lists
from suite.seeding import Streams
from suite.tasks import Examples
from suite.tasks.examples import Answer
from suite.tasks.types import TaskKind
from suite.training import Fit, Lesson
from suite.trial import run_trial
from suite.trial_spec import AlignmentSpec, Metric, Scalar, Scale, TaskSpec

FEW = settings(deadline=None, derandomize=True, max_examples=40)
CHOICE, TAGS, SPANS = (KINDS[name] for name in ("multiple choice", "token classification", "question answering"))
TOKENIZER = make_tokenizer()
Sets = Mapping[str, Sequence[str]]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@st.composite
def synonyms(draw: st.DrawFn) -> Sets:
    """For most words up to three others, some of them two words, some of letters only."""
    other = st.sampled_from([*WORDS, "red light", "zoo", "the kitchen fan"])
    return {word: draw(st.lists(other, max_size=3, unique=True)) for word in draw(st.sets(st.sampled_from(WORDS)))}


SYNONYMS = synonyms()
SENTENCES = st.lists(st.lists(st.sampled_from([*WORDS, "zebra"]), min_size=1, max_size=12), min_size=1, max_size=4)


def encode(kind: Kind, examples: Examples, max_length: int, prefix: str = "") -> Encoded:
    (encoded,) = kind.encode(TOKENIZER, [examples], max_length, prefix)
    return encoded


def whole(block: Encoded) -> Batch:
    return block.rows.batch(np.arange(len(block.rows)), block.labels)


def spelt(text: str) -> list[int]:
    ids: list[int] = TOKENIZER([text.split()], is_split_into_words=True, add_special_tokens=False)["input_ids"][0]
    return ids


def parts(batch: Batch) -> list[tuple[int, list[int], list[int]]]:
    """Row, ids and targets of every text."""
    assert batch.targets_T is not None
    ids, targets = (column.split(batch.lengths) for column in (batch.ids_T, batch.targets_T))
    return [(row, i.tolist(), t.tolist()) for row, i, t in zip(batch.rows, ids, targets, strict=True)]


def reads_as(ids: Sequence[int], words: Sequence[str], sets: Sets) -> bool:
    """Whether tokens are those of words, each itself or one of its synonyms, up to where they may have been cut."""
    ends = {0}
    for word in words:
        options = [spelt(option) for option in (word, *sets.get(word, ()))]
        if any(o[: len(ids) - e] == ids[e:] for o in options for e in ends):
            return True
        ends = {e + len(o) for e in ends for o in options if ids[e : e + len(o)] == o}
    return len(ids) in ends


# Tags


@FEW
@given(SENTENCES, SYNONYMS, st.integers(10, 40), st.sampled_from(["", "the light "]), st.integers(0, 9))
def test_every_word_keeps_its_tag_at_the_first_token_of_what_replaces_it(
    words: list[list[str]], sets: Sets, max_length: int, prefix: str, seed: int
) -> None:
    block = encode(TAGS, tagged(words), max_length, prefix)
    assert block.rows.targets is not None
    found = rewriter_of(TAGS, block, sets, max_length, prefix).rewrite(whole(block), rng(seed), neighbours=3, copies=2)
    assert Counter(found.rows) == dict.fromkeys(range(len(block.rows)), 2) and max(found.lengths) <= max_length
    assert TAGS.weight(found) == 2 * TAGS.weight(whole(block)), "no word goes unasked, however long its row gets"
    asked = np.split(block.rows.targets, block.rows.offsets[1:-1])
    names = iter(word for sentence in words for word in sentence)
    own = [[next(names) for target in row if target != IGNORED] for row in asked]
    head = [0, *spelt(prefix)]
    for row, ids, targets in parts(found):
        tags = asked[row][asked[row] != IGNORED].tolist()
        firsts = [i for i, target in enumerate(targets) if target != IGNORED]
        assert [targets[i] for i in firsts] == tags and ids[: firsts[0]] == head and ids[-1] == 2
        for word, start, stop in zip(own[row], firsts, [*firsts[1:], len(ids) - 1], strict=True):
            assert ids[start:stop] in [spelt(option) for option in (word, *sets.get(word, ()))]


def test_an_entity_is_replaced_only_by_its_own_synonyms_and_keeps_its_tag() -> None:
    sets = {"light": ["red fan", "lamp"], "turn": ["switch"]}
    block = encode(TAGS, tagged([["turn", "light", "Saunders"]], [[0, 1, 2]]), 40)
    rewriter = rewriter_of(TAGS, block, sets, 40)
    found = parts(rewriter.rewrite(whole(block), rng(), neighbours=2, copies=200))
    name = spelt("Saunders")
    counts = Counter((tuple(ids[1 : -1 - len(name)]), tuple(targets[1 : -len(name)])) for _, ids, targets in found)
    one, two = (0, 1, 2), (0, 1, IGNORED, 2)
    assert set(counts) == {
        ((*spelt(a), *spelt(b)), two if " " in b else one)
        for a in ("turn", "switch")
        for b in ("light", "red fan", "lamp")
    }
    assert min(counts.values()) > 15, "1 of 6 each"
    assert {tuple(ids[-1 - len(name) : -1]) for _, ids, _ in found} == {tuple(name)}


def test_the_prefix_is_no_word_of_the_sentence_before_it() -> None:
    block = encode(TAGS, tagged([["turn", "light"], ["light", "fan"]]), 40, "light ")
    rewriter = rewriter_of(TAGS, block, {"light": ["lamp"], "fan": ["door"]}, 40, "light ")
    found = parts(rewriter.rewrite(whole(block), rng(), neighbours=1, copies=50))
    assert {TOKENIZER.decode(ids[1:-1]).strip() for row, ids, _ in found if row == 1} == {
        f"light {one} {other}" for one in ("light", "lamp") for other in ("fan", "door")
    }


def test_a_synonym_of_which_the_tokenizer_leaves_nothing_is_none() -> None:
    (block,) = TAGS.encode(stripping(), [tagged([["light"]])], 40, "")
    assert TAGS.words is not None
    words = TAGS.words(stripping(), block, 40, "", {"light": [EMPTY, "lamp"]})
    assert words.options.synonyms(words.words.astype(np.int64)).tolist() == [1]


def test_only_a_words_own_tokens_are_replaced_and_only_in_rows_of_so_many_texts() -> None:
    """Rows as of a tokenizer that spells words otherwise in a text, and one in which nothing is left of a text."""
    (fan,), (door,), (light,) = (spelt(word) for word in ("fan", "door", "light"))
    rows = rows_from_lists(
        [[0, fan, 2, door, light, 2], [0, light, 2], [0, light, 2, fan, 2]],
        [[1, 0, 1, 0, 0, 1], [1, 0, 1], [1, 0, 1, 0, 1]],
        None,
    )
    word_T, names = np.where(rows.special, -1, np.arange(14)), ["door"] * 4 + ["light"] * 10
    words = words_in_rows(TOKENIZER, rows, word_T, names, {"light": ["lamp"], "door": ["hall", "tv"]}, texts=2)
    found = np.split(words.options.synonyms(words.words.astype(np.int64)), words.offsets[1:-1])
    assert [text.tolist() for text in found] == [[0], [2, 1], [], [], [1], [0]]


def test_a_row_that_would_lose_a_tag_is_left_as_it_is() -> None:
    block = encode(TAGS, tagged([["light", "turn"]]), 4)
    found = rewriter_of(TAGS, block, {"light": ["red fan"]}, 4).rewrite(whole(block), rng(), neighbours=1, copies=9)
    assert {tuple(ids) for _, ids, _ in parts(found)} == {tuple(block.rows.ids.tolist())}


# Spans


@FEW
@given(blocks(), SYNONYMS, st.integers(20, 60), st.integers(0, 9))
def test_the_answers_tokens_stay_and_so_does_what_points_to_them(
    examples: Examples, sets: Sets, max_length: int, seed: int
) -> None:
    block = encode(SPANS, examples, max_length)
    old = dict(enumerate(parts_of(block)))
    found = rewriter_of(SPANS, block, sets, max_length).rewrite(whole(block), rng(seed), neighbours=3, copies=2)
    assert Counter(found.rows) == dict.fromkeys(old, 2) and max(found.lengths) <= max_length
    assert block.example_of is not None
    for row, ids, targets in parts(found):
        ids_before, targets_before = old[row]
        assert sorted(t for t in targets if t) == sorted(t for t in targets_before if t), "one first and one last token"
        (a, b), (c, d) = span(targets), span(targets_before)
        assert ids[a : b + 1] == ids_before[c : d + 1] and (c > 0 or a == 0)
        asked = examples.texts[block.example_of[row]]
        question = ids[1 : ids.index(2)]
        assert reads_as(question, asked.split(), sets) or question == ids_before[1 : ids_before.index(2)]


def parts_of(block: Encoded) -> list[tuple[list[int], list[int]]]:
    assert block.rows.targets is not None
    cuts = block.rows.offsets[1:-1]
    columns = [np.split(column, cuts) for column in (block.rows.ids, block.rows.targets)]
    return [(ids.tolist(), targets.tolist()) for ids, targets in zip(*columns, strict=True)]


def span(targets: Sequence[int]) -> tuple[int, int]:
    return [bool(t & START) for t in targets].index(True), [bool(t & END) for t in targets].index(True)


def contexts(found: Batch) -> set[str]:
    """What stands between the second special token and the last, spelt out."""
    return {TOKENIZER.decode(ids[ids.index(2) + 1 : -1]).strip() for _, ids, _ in parts(found)}


def test_words_of_the_context_are_replaced_but_for_those_that_the_answer_is_in() -> None:
    context = "the milk is in the kitchen (red) today"
    block = encode(SPANS, questions([("what light", context, [Answer("red", context.index("red"))])]), 60)
    sets = {"milk": ["bread"], "(red)": ["green"], "red": ["blue"], "today": ["tomorrow now"], "light": ["lamp"]}
    found = rewriter_of(SPANS, block, sets, 60).rewrite(whole(block), rng(), neighbours=2, copies=60)
    lead = {f"the {drink} is in the kitchen (red)" for drink in ("milk", "bread")}
    assert contexts(found) == {f"{text} {day}" for text in lead for day in ("today", "tomorrow now")}
    asked = {TOKENIZER.decode(ids[1 : ids.index(2)]).strip() for _, ids, _ in parts(found)}
    assert asked == {"what light", "what lamp"}


def test_words_are_found_whatever_space_lies_between_them_and_the_prefix_is_left_alone() -> None:
    context = "milk  and\tmilk\nbread milk"
    block = encode(SPANS, questions([("milk", context, [Answer("bread", 15)])]), 60, "milk: milk ")
    found = rewriter_of(SPANS, block, {"milk": ["fan"]}, 60, "milk: milk ").rewrite(
        whole(block), rng(), neighbours=1, copies=60
    )
    assert {TOKENIZER.decode(ids[1 : ids.index(2)]).strip() for _, ids, _ in parts(found)} == {
        f"milk: milk {word}" for word in ("milk", "fan")
    }
    said = contexts(found)
    assert {text.split(" ")[0] for text in said} == {text.split(" ")[-1] for text in said} == {"milk", "fan"}


def test_what_does_not_fit_is_cut_behind_the_answer_and_never_the_answer() -> None:
    context, found = "the the the the light the the the the", {}
    for answer in ("light", "the"):
        block = encode(SPANS, questions([("a", context, [Answer(answer, context.rindex(answer))])]), 13)
        assert block.rows.lengths.tolist() == [13]
        rewriter = rewriter_of(SPANS, block, {"the": ["red green blue"]}, 13)
        found[answer] = rewriter.rewrite(whole(block), rng(3), neighbours=1, copies=99)
        for _, ids, targets in parts(found[answer]):
            first, last = span(targets)
            assert len(ids) == 13 and TOKENIZER.decode(ids[first : last + 1]).strip() == answer
    assert contexts(found["the"]) == {context}, "the last word is the answer, so no word before it can get longer"
    assert len(contexts(found["light"])) > 5


def test_a_window_without_the_answer_points_to_its_first_token_as_before() -> None:
    context = " ".join(["light", *["milk bread"] * 20])
    block = encode(SPANS, questions([("fan", context, [Answer("light", 0)])]), 24)
    assert len(block.rows) > 2
    found = rewriter_of(SPANS, block, {"milk": ["door"]}, 24).rewrite(whole(block), rng(), neighbours=1, copies=1)
    for row, ids, targets in parts(found):
        assert (span(targets) == (0, 0)) == (row > 0) and sum(targets) == START + END
        assert spelt("door")[0] in ids


# Choices


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("max_length", [16, 99])
def test_an_item_has_one_premise_in_every_copy(size: int, max_length: int) -> None:
    things = ("light", "lamp", "window", "door", "fan", "music")
    sets = {word: things for word in (*things, "turn", "on", "is")}
    block = encode(CHOICE, items(9, size), max_length)
    batch = block.rows.batch(block.rows.rows_of(np.array([4, 0, 7, 2])), block.labels)
    rewriter = rewriter_of(CHOICE, block, sets, max_length)
    found = rewriter.rewrite(batch, rng(), neighbours=6, copies=3)
    assert found.items_B is not None and batch.items_B is not None and len(found) == 3 * len(batch)
    assert max(found.lengths) <= max_length
    texts = [ids.tolist() for ids in found.ids_T.split(found.lengths)]
    premises: dict[int, set[tuple[int, ...]]] = {}
    for item, row, text in zip(found.items_B.tolist(), found.rows, texts, strict=True):
        premises.setdefault(item, set()).add(tuple(text[1 : text.index(2)]))
        assert row // size == sorted({row // size for row in batch.rows})[item % 4]
    assert sorted(premises) == list(range(12))
    if max_length == 99:
        assert all(len(own) == 1 for own in premises.values())
        assert len({*map(tuple, premises.values())}) > 8, "copies differ"
    else:
        assert all(a[: len(b)] == b or b[: len(a)] == a for own in premises.values() for a in own for b in own)
    assert Counter(zip(found.items_B.tolist(), found.labels_B.tolist(), strict=True)) == {
        **{(item, 1): 1 for item in range(12)},
        **{(item, 0): size - 1 for item in range(12)},
    }


def test_choices_are_drawn_each_by_itself() -> None:
    block = encode(CHOICE, items(1), 40)
    sets = {"light": ["lamp"], **dict.fromkeys(WORDS, ("fan", "door", "milk"))}
    found = rewriter_of(CHOICE, block, sets, 40).rewrite(whole(block), rng(), neighbours=3, copies=50)
    second = [tuple(ids.tolist()[ids.tolist().index(2) + 2 : -1]) for ids in found.ids_T.split(found.lengths)]
    assert found.items_B is not None
    by_item = [[s for s, i in zip(second, found.items_B.tolist(), strict=True) if i == item] for item in range(50)]
    assert sum(a != b for a, b in by_item) > 25


def test_the_loss_of_copies_is_the_mean_over_their_items() -> None:
    block = encode(CHOICE, items(5, 3), 40)
    found = rewriter_of(CHOICE, block, {"light": ["lamp"], "turn": ["switch"]}, 40).rewrite(
        whole(block), rng(), neighbours=2, copies=4
    )
    scores = torch.randn(len(found), 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    losses = []
    assert found.items_B is not None
    for item in range(20):
        own = found.items_B == item
        losses.append(F.cross_entropy(scores[own, 0][None], found.labels_B[own].argmax()[None]))
    assert CHOICE.loss(scores, found).item() == pytest.approx(torch.stack(losses).mean().item())


# All kinds


def block_of(name: TaskKind) -> tuple[Encoded, Rewriter]:
    """Some examples of a kind, a good part of whose words have synonyms."""
    kind, sets = KINDS[name], {word: WORDS[i + 1 : i + 4] for i, word in enumerate(WORDS)}
    drawn = rng(3)
    lines = [" ".join(drawn.choice(WORDS, n)) for n in drawn.integers(2, 20, 24)]
    if name == "classification":
        block = make_labelled(24)
        return block, make_rewriter(block)
    asked = [(a[:9].strip(), b, [Answer(b.split()[0], 0)]) for a, b in pairwise(lines)]
    examples = {
        "multiple choice": items(24, 3),
        "token classification": tagged([line.split() for line in lines]),
        "question answering": questions(asked),
    }[name]
    block = encode(kind, examples, 24, "query: ")
    return block, rewriter_of(kind, block, sets, 24, "query: ")


TRAINED = [name for name, kind in KINDS.items() if not kind.embeds]
BY_KIND = pytest.mark.parametrize("name", TRAINED)


def fit_of(name: TaskKind, method: str, **more: int) -> Fit:
    block, rewriter = block_of(name)
    classifier = Classifier(make_encoder("bert"), len(block.examples.label_names), Streams(2), KINDS[name])
    sites = ("embeddings", *(f"hidden:{layer}" for layer in range(LAYERS + 1)))
    spec = make_trial(method, dict(more), dropout=0.1, learning_rate=0.01, batch_size=8, micro_batch=5)
    return Fit(spec, classifier, Lesson(train=block, rewriter=rewriter), block, dict.fromkeys(sites, 1.0))


@BY_KIND
@pytest.mark.parametrize("copies", [1, 3])
def test_without_neighbours_every_kind_trains_as_standard_bit_for_bit(name: TaskKind, copies: int) -> None:
    ends = []
    for fit in (fit_of(name, "standard"), fit_of(name, "data-augmentation", neighbours=0, copies=copies)):
        losses = [fit._update()["loss"] for _ in range(3)]
        ends.append((losses, fit.classifier.state_dict()))
    assert ends[0][0] == ends[1][0]
    assert all(torch.equal(value, ends[1][1][key]) for key, value in ends[0][1].items())


@BY_KIND
def test_with_neighbours_every_kind_trains_and_not_as_standard(name: TaskKind) -> None:
    one, other = fit_of(name, "standard"), fit_of(name, "data-augmentation", neighbours=3, copies=2)
    losses = [[fit._update()["loss"] for _ in range(3)] for fit in (one, other)]
    assert np.isfinite(losses).all() and losses[0] != losses[1]
    again = fit_of(name, "data-augmentation", neighbours=3, copies=2)
    assert [again._update()["loss"] for _ in range(3)] == losses[1]


@BY_KIND
def test_without_neighbours_a_batch_of_every_kind_stays_as_it_is(name: TaskKind) -> None:
    block, rewriter = block_of(name)
    chosen = block.rows.rows_of(rng(1).permutation(len(block))[:9])
    batch = block.rows.batch(chosen, block.labels, group_rows=4)
    again = rewriter.rewrite(batch, rng(), neighbours=0, copies=1)
    for column in ("ids_T", "special_T", "labels_B", "targets_T", "items_B", "types_T"):
        one, other = getattr(batch, column), getattr(again, column)
        assert (one is None and other is None) or torch.equal(one, other), column
    assert (again.lengths, again.rows, again.group_rows) == (batch.lengths, batch.rows, 4)


@BY_KIND
def test_rows_of_every_kind_are_drawn_anew_and_alike_from_one_stream(name: TaskKind) -> None:
    block, rewriter = block_of(name)
    one, same, other = (rewriter.rewrite(whole(block), rng(seed), neighbours=3, copies=1) for seed in (0, 0, 1))
    assert torch.equal(one.ids_T, same.ids_T) and not torch.equal(one.ids_T, other.ids_T)
    assert not torch.equal(one.ids_T, whole(block).ids_T) and one.special_T.sum() == whole(block).special_T.sum()


# From file to record


@pytest.fixture
def mirrors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_dir: Path) -> Path:
    """COPA, PAN-X and TyDiQA as made up in the tests of their kinds."""
    for name in ("SUITE_XTREME", "SUITE_HUB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SUITE_CACHE", str(cache_dir))
    root = by_language(copa_mirror(tmp_path / "hub"))
    splits = {split: tagged_rows(40, seed) for seed, split in enumerate(("train", "validation", "test"))}
    return mirror(root, "google/xtreme", {f"PAN-X.{code}": splits for code in ("en", "de")})


@pytest.mark.parametrize(
    ("task", "target", "metric"),
    [("xcopa", "et", "accuracy"), ("pan-x", "de", "entity_f1"), ("tydiqa-goldp", "fi", "f1")],
)
@pytest.mark.parametrize("file", [False, True], ids=["nearest", "file"])
def test_a_trial_of_every_kind_runs_from_file_to_record(
    tiny_checkpoint: Path, tmp_path: Path, mirrors: Path, task: str, target: str, metric: Metric, file: bool
) -> None:
    sets = {word: [WORDS[i - 1], "very new " + word] for i, word in enumerate(WORDS)} | {"lived": ["stayed"]}
    (tmp_path / "synonyms.json").write_text(json.dumps(sets))
    given: dict[str, Scalar] = {"neighbours": 2, "copies": 2}
    trial = dataclasses.replace(
        make_trial("data-augmentation", given, max_length=64, epochs=1, validations=1, batch_size=8),
        scale=Scale(name="tiny", checkpoint=str(tiny_checkpoint), prefix="query: "),
        metric=metric,
        task=TaskSpec(name=task, targets=(target,), synonyms=str(tmp_path / "synonyms.json") if file else None),
        alignment=AlignmentSpec(metrics=("csls_p1",), pairs=20),
    )
    workspace = load_workspace(trial, mirrors)
    assert workspace.lesson.rewriter is not None
    whole_batch = whole(workspace.lesson.train)
    found = workspace.lesson.rewriter.rewrite(whole_batch, rng(), neighbours=2, copies=2)
    assert int(found.ids_T.max()) < workspace.trained_rows, "every token that may be drawn is trained"
    assert not file or found.ids_T.tolist() != whole_batch.ids_T.tolist() * 2
    record = run_trial(trial, tmp_path / "run", hub_root=mirrors)
    assert record.state == "complete" and record.selection is not None
