"""Laws of question answering: windows as the tokenizer makes them, a loss like any other's, the best span of all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny import WORDS, make_encoder, make_tokenizer, rewriter_of

from suite.evaluation import Reported
from suite.kinds import KINDS, Encoded
from suite.kinds.question_answering import LONGEST_ANSWER, best_spans
from suite.methods import METHODS, StepStreams, hyperparameters
from suite.methods.interface import EMBEDDINGS
from suite.models.classifier import Classifier, Pass, training_pass
from suite.models.encoder import NoDropout
from suite.models.predict import predict_logits
from suite.seeding import Streams
from suite.tasks.answers import MLQA, SQUAD
from suite.tasks.examples import Answer, Examples

KIND = KINDS["question answering"]
FEW = settings(deadline=None, derandomize=True, max_examples=60)
Logits = NDArray[np.float32]

Item = tuple[str, str, Sequence[Answer]]


def questions(items: Sequence[Item], language: str = "en", rule: str = SQUAD) -> Examples:
    ids = tuple(f"q{i}" for i in range(len(items)))
    return Examples(
        language=language,
        subset="clean",
        ids=ids,
        texts=tuple(text for text, _, _ in items),
        pairs=tuple(context for _, context, _ in items),
        answers=tuple(tuple(right) for _, _, right in items),
        labels=np.zeros(len(items), dtype=np.int64),
        label_names=(rule,),
        base_ids=ids,
        groups=ids,
        source="made up 1.0",
        licence="CC0-1.0",
    )


@st.composite
def blocks(draw: st.DrawFn, longest: int = 40) -> Examples:
    """Questions about words of the tokenizer, each answered by some words in a row of its context."""
    items: list[Item] = []
    for _ in range(draw(st.integers(1, 4))):
        words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=longest))
        first = draw(st.integers(0, len(words) - 1))
        last = draw(st.integers(first, min(len(words), first + LONGEST_ANSWER // 2) - 1))
        start = sum(len(word) + 1 for word in words[:first])
        asked = " ".join(draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6)))
        items.append((asked, " ".join(words), [Answer(" ".join(words[first : last + 1]), start)]))
    return questions(items)


def encode(block: Examples, max_length: int) -> Encoded:
    (encoded,) = KIND.encode(make_tokenizer(), [block], max_length, "")
    return encoded


def gold_logits(encoded: Encoded) -> Logits:
    """What a model says that is sure of the right answer, and of the first token where a window has none."""
    targets = encoded.rows.targets
    assert targets is not None
    return np.stack([targets & 1, targets >> 1], axis=1).astype(np.float32)


# Windows


@FEW
@given(blocks(), st.integers(36, 80))
def test_windows_are_those_of_the_tokenizer(block: Examples, max_length: int) -> None:
    """The tokenizer counts what windows share, this project what they do not; questions here are never cut."""
    tokenizer, encoded, rows = make_tokenizer(), encode(block, max_length), []
    for text, context in zip(block.texts, block.pairs or (), strict=True):
        room = max_length - 3 - len(tokenizer(text, add_special_tokens=False)["input_ids"])
        how = {"truncation": "only_second", "max_length": max_length, "stride": room - max_length // 3}
        rows += tokenizer(text, context, return_overflowing_tokens=True, **how)["input_ids"]
    assert np.split(encoded.rows.ids, encoded.rows.offsets[1:-1])[0].tolist() == rows[0]
    assert [part.tolist() for part in np.split(encoded.rows.ids, encoded.rows.offsets[1:-1])] == rows


@FEW
@given(blocks(), st.integers(12, 60))
def test_every_token_of_a_context_is_read_and_says_its_characters(block: Examples, max_length: int) -> None:
    encoded = encode(block, max_length)
    marks, of = encoded.marks, encoded.example_of
    assert marks is not None and of is not None and encoded.rows.lengths.max() <= max_length
    example_T = np.repeat(of, encoded.rows.lengths)
    for number, context in enumerate(block.pairs or ()):
        spans = {tuple(span) for span in marks[(example_T == number) & (marks[:, 0] >= 0)].tolist()}
        assert " ".join(context[a:b] for a, b in sorted(spans)) == context


@FEW
@given(blocks(), st.integers(12, 60))
def test_a_window_points_to_the_answer_where_it_holds_it_and_to_its_first_token_elsewhere(
    block: Examples, max_length: int
) -> None:
    encoded = encode(block, max_length)
    assert encoded.marks is not None and encoded.rows.targets is not None and encoded.example_of is not None
    cuts = encoded.rows.offsets[1:-1]
    found = set()
    for number, marks, targets in zip(
        encoded.example_of, np.split(encoded.marks, cuts), np.split(encoded.rows.targets, cuts), strict=True
    ):
        ((answer,),) = [(block.answers or ())[number]]
        first, last = np.flatnonzero(targets & 1).item(), np.flatnonzero(targets & 2).item()
        whole = answer.start in marks[:, 0] and answer.start + len(answer.text) in marks[:, 1]
        assert (marks[first, 0], marks[last, 1]) == (
            (answer.start, answer.start + len(answer.text)) if whole else (-1, -1)
        )
        assert whole or first == last == 0
        found |= {number} if whole else set()
    assert max_length < 60 or found == {*range(len(block))}


def test_characters_of_any_script_are_found_whatever_tokens_they_make() -> None:
    items: list[Item] = [
        ("何", "  北京\r\n 大学\r\n 1953年 ", [Answer("大学\r\n", 7)]),
        ("a", "light\ufeff الرياض 20 °C", [Answer(" الرياض", 6)]),
        ("a", "ein 𝔘nd e\u0301te", [Answer("e\u0301te", 8)]),
    ]
    encoded = encode(questions(items), 96)
    given = KIND.decode(encoded, gold_logits(encoded))
    assert given["answer"].tolist() == ["大学", "الرياض", "e\u0301te"]
    assert given["f1"].tolist() == [1.0] * 3


def test_a_length_without_room_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"got 5; raise train\.max_length") as refusal:
        encode(questions([("a", "light", [Answer("light", 0)])]), 5)
    assert "\n" not in str(refusal.value)


@FEW
@given(blocks(), st.integers(12, 40), st.data())
def test_some_of_the_examples_are_encoded_as_if_alone(block: Examples, max_length: int, data: st.DataObject) -> None:
    where = data.draw(st.lists(st.sampled_from(range(len(block))), min_size=1, unique=True))
    taken, alone = encode(block, max_length).take(block.rows(where)), encode(block.rows(where), max_length)
    for name in ("ids", "special", "types", "offsets", "targets"):
        assert np.array_equal(getattr(taken.rows, name), getattr(alone.rows, name))
    assert np.array_equal(taken.marks, alone.marks) and np.array_equal(taken.example_of, alone.example_of)


# Loss


@FEW
@given(blocks(), st.integers(12, 40), st.integers(0, 9))
def test_the_loss_is_that_of_padded_pytorch(block: Examples, max_length: int, seed: int) -> None:
    encoded = encode(block, max_length)
    batch = encoded.rows.batch(np.arange(len(encoded.rows)), encoded.labels)
    logits = torch.randn(len(batch.ids_T), 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert batch.targets_T is not None
    padded = torch.nn.utils.rnn.pad_sequence(logits.split(batch.lengths), batch_first=True, padding_value=-torch.inf)
    targets = torch.nn.utils.rnn.pad_sequence(batch.targets_T.split(batch.lengths), batch_first=True)
    start = F.cross_entropy(padded[..., 0], (targets & 1).argmax(1))
    end = F.cross_entropy(padded[..., 1], (targets & 2).argmax(1))
    assert KIND.loss(logits, batch).item() == pytest.approx(((start + end) / 2).item())


LIGHTS = [
    ("what is red", "the kitchen light is red and the door is green", [Answer("kitchen light", 4)]),
    ("what is green", "the kitchen light is red and the door is green " * 3, [Answer("door", 33)]),
    ("where is it", "milk is in the hall", [Answer("hall", 15)]),
]


def view_of(encoded: Encoded) -> Pass:
    torch.manual_seed(0)
    classifier = Classifier(make_encoder("bert"), 1, Streams(3), KIND)
    return training_pass(classifier, 0.1, Streams(5), 0, {EMBEDDINGS: 1.0}, None)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("strength", [0, 1])
def test_every_method_trains_on_questions_and_is_standard_without_strength(name: str, strength: int) -> None:
    method, encoded = METHODS[name], encode(questions(LIGHTS), 24)
    batch = encoded.rows.batch(np.arange(len(encoded.rows)), encoded.labels)
    given: dict[str, float] = {}
    if method.strength is not None:
        whole = hyperparameters(method)[method.strength].annotation is int
        given = {method.strength: strength if whole else strength / 10}
    view = view_of(encoded)
    view.rewriter = rewriter_of(KIND, encoded, {"red": ["green", "blue"], "the": ["a"], "light": ["fan"]}, 24)
    loss = method.loss(batch, view, StepStreams(Streams(1), 0), **given)
    loss.value.backward()  # type: ignore[no-untyped-call]  # torch's is
    gradients = [p.grad for p in view.classifier.parameters() if p.grad is not None]
    assert gradients and all(bool(g.isfinite().all()) for g in gradients)
    standard = METHODS["standard"].loss(batch, view_of(encoded), StepStreams(Streams(1), 0))
    assert (strength > 0 and method.strength is not None) or torch.equal(loss.value, standard.value)


# Decoding


@FEW
@given(blocks(longest=20), st.integers(24, 60))
def test_a_model_that_is_right_answers_right(block: Examples, max_length: int) -> None:
    encoded = encode(block, max_length)
    targets = encoded.rows.targets
    assert targets is not None and encoded.example_of is not None
    first = np.zeros(len(targets), dtype=bool)
    first[encoded.rows.offsets[:-1]] = True
    answered = {*np.repeat(encoded.example_of, encoded.rows.lengths)[(targets > 0) & ~first].tolist()}
    given = KIND.decode(encoded, gold_logits(encoded))
    for number in answered:
        right = (block.answers or ())[number][0].text
        assert given["answer"][number] == right and given["exact_match"][number] == 1.0
        assert given["f1"][number] == float(not {*right.split()} <= {"a", "the"}), "of articles nothing is left"


def by_hand(encoded: Encoded, logits: Logits, longest: int) -> list[tuple[int, int]]:
    """The best span of every example by looking at all of them."""
    assert encoded.marks is not None and encoded.example_of is not None
    best: dict[int, tuple[float, tuple[int, int]]] = {}
    for row, number in enumerate(encoded.example_of.tolist()):
        tokens = range(encoded.rows.offsets[row], encoded.rows.offsets[row + 1])
        for i in tokens:
            for j in tokens:
                if i <= j < i + longest and encoded.marks[i, 0] >= 0 and encoded.marks[j, 0] >= 0:
                    score = float(logits[i, 0]) + float(logits[j, 1])
                    if number not in best or score > best[number][0]:
                        best[number] = score, (int(encoded.marks[i, 0]), int(encoded.marks[j, 1]))
    return [best[number][1] for number in range(len(encoded.examples))]


@FEW
@given(blocks(longest=60), st.integers(12, 60), st.integers(0, 99), st.booleans())
def test_the_answer_is_the_best_span_of_all_windows(block: Examples, max_length: int, seed: int, ties: bool) -> None:
    encoded = encode(block, max_length)
    logits = np.random.default_rng(seed).normal(size=(len(encoded.rows.ids), 2)).astype(np.float32)
    logits = np.round(logits) if ties else logits
    assert [*map(tuple, best_spans(encoded, logits).tolist())] == by_hand(encoded, logits, LONGEST_ANSWER)


def test_a_context_of_nothing_the_tokenizer_knows_has_an_empty_answer() -> None:
    block = encode(questions(LIGHTS), 24)
    assert block.marks is not None and block.example_of is not None
    marks = np.where(np.repeat(block.example_of == 1, block.rows.lengths)[:, None], -1, block.marks)
    given = KIND.decode(dataclasses.replace(block, marks=marks), gold_logits(block))
    assert given["answer"].tolist() == ["kitchen light", "", "hall"] and given["f1"].tolist() == [1.0, 0.0, 1.0]


def test_answers_are_scored_by_the_rule_that_the_label_names_in_the_language_of_the_context() -> None:
    items: list[Item] = [("wo", "der light", [Answer("der light", 0)])]
    logits = np.zeros((64, 2), dtype=np.float32)
    for rule, second, f1 in ((SQUAD, "de", 2 / 3), (MLQA, "de", 1.0), (MLQA, "en", 2 / 3)):
        block = dataclasses.replace(questions(items, "de", rule), pair_languages=(second,))
        encoded = encode(block, 48)
        assert encoded.marks is not None
        logits[np.flatnonzero(encoded.marks[:, 0] == 4)] = 1.0
        assert KIND.decode(encoded, logits[: len(encoded.rows.ids)])["f1"].tolist() == [pytest.approx(f1)]


def test_blocks_are_predicted_together_as_they_are_alone() -> None:
    classifier = Classifier(make_encoder("bert"), 1, Streams(3), KIND)
    parts = KIND.encode(make_tokenizer(), [questions(LIGHTS), questions(LIGHTS[1:])], 24, "")
    together = Reported(kind=KIND, blocks=tuple(parts))
    found = [*together.decode(predict_logits(classifier, together.rows))]
    for part, predicted in zip(parts, found, strict=True):
        alone = KIND.decode(part, predict_logits(classifier, part.rows))
        assert predicted.columns["answer"].tolist() == alone["answer"].tolist()
    whole = Pass(classifier, NoDropout(), {}).predict(parts[0].rows.batch(np.arange(2), parts[0].labels))
    assert whole.shape == (int(parts[0].rows.lengths[:2].sum()), 2)
