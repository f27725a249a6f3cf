"""Laws of synonym replacement: uniform over a word and its synonyms, independent, and otherwise the same text."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare
from tiny import WORDS, make_labelled, make_rewriter, make_rows, make_tokenizer, make_words

from suite.batch import Batch
from suite.models.rewriting import Rewriter
from suite.models.row_words import RowWords, words_of_texts
from suite.models.tokens import TokenRows, encode, rows_from_lists

FEW = settings(deadline=None, derandomize=True, max_examples=30)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def make_small(options: list[list[list[int]]], max_length: int = 128) -> tuple[Rewriter, Batch]:
    """One text; of each word the tokens of itself and of its synonyms, all of which are below 1,000."""
    ids = [1000, *(token for word in options for token in word[0]), 1001]
    rows = rows_from_lists([ids], [[1, *[0] * (len(ids) - 2), 1]], None)
    labels = np.array([7])
    return Rewriter(rows, make_words([options]), labels, max_length), rows.batch(np.array([0]), labels)


def inner(rows: TokenRows) -> list[list[int]]:
    """Tokens of every row between its first and its last."""
    return [part[1:-1].tolist() for part in np.split(rows.ids, rows.offsets[1:-1])]


def texts(batch: Batch) -> list[list[int]]:
    return [part.tolist() for part in batch.ids_T.split(batch.lengths)]


@pytest.mark.parametrize("neighbours", [1, 2, 5])
def test_each_word_is_kept_once_in_its_set_size(neighbours: int) -> None:
    """P(keep) = 1 / (k + 1) with k synonyms, k at most `neighbours`; no synonym is likelier than another."""
    sets = [[[w * 10 + k] for k in range(size + 1)] for w, size in enumerate((0, 1, 2, 5))]
    rewriter, batch = make_small(sets)
    drawn = np.array(texts(rewriter.rewrite(batch, rng(), neighbours=neighbours, copies=4000)))[:, 1:-1]
    for w, size in enumerate((0, 1, 2, 5)):
        allowed = min(size, neighbours)
        counts = np.bincount(drawn[:, w] - w * 10, minlength=allowed + 1)
        assert len(counts) == allowed + 1, "the nearest come first, and no more than were asked for"
        assert binomtest(int(counts[0]), 4000, 1 / (allowed + 1)).pvalue > 0.001
        assert chisquare(counts).pvalue > 0.001 if allowed else counts[0] == 4000


def test_words_and_copies_are_drawn_independently() -> None:
    rewriter, batch = make_small([[[w * 10], [w * 10 + 1]] for w in range(2)])
    drawn = np.array(texts(rewriter.rewrite(batch, rng(), neighbours=1, copies=4000)))[:, 1:-1] % 10
    joint = Counter(map(tuple, drawn.tolist()))
    assert chisquare(list(joint.values())).pvalue > 0.001 and len(joint) == 4
    assert abs(np.corrcoef(drawn[:-1, 0], drawn[1:, 0])[0, 1]) < 0.06  # 4,000 pairs: 3.8 standard errors


@FEW
@given(lengths=st.lists(st.integers(2, 9), min_size=1, max_size=9), copies=st.integers(1, 3))
def test_without_neighbours_a_batch_stays_as_it_is(lengths: list[int], copies: int) -> None:
    rows = make_rows(lengths)
    labels = np.arange(len(lengths))
    words = make_words([[[[int(t)]] for t in text] for text in inner(rows)])
    batch = rows.batch(labels, labels)
    again = Rewriter(rows, words, labels, 128).rewrite(batch, rng(), neighbours=0, copies=copies)
    assert sorted(texts(again)) == sorted(texts(batch) * copies)
    if copies == 1:
        assert torch.equal(again.ids_T, batch.ids_T) and again.lengths == batch.lengths
        assert torch.equal(again.labels_B, batch.labels_B) and again.rows == batch.rows
        assert torch.equal(again.special_T, batch.special_T)


@FEW
@given(seed=st.integers(0, 99), copies=st.integers(1, 3), max_length=st.integers(4, 20))
def test_a_rewritten_batch_keeps_labels_special_tokens_and_the_length_limit(
    seed: int, copies: int, max_length: int
) -> None:
    """Every word has a synonym of three tokens, so texts grow beyond the limit."""
    lengths = np.random.default_rng(seed).integers(2, 9, 6).clip(max=max_length)
    rows = make_rows(lengths.tolist(), seed=seed)
    words = make_words([[[[int(t)], [300, 301, 302]] for t in text] for text in inner(rows)])
    labels = np.arange(6) * 10
    rewriter = Rewriter(rows, words, labels, max_length)
    batch = rows.batch(np.array([4, 0, 2]), labels)
    found = rewriter.rewrite(batch, rng(seed), neighbours=3, copies=copies)
    assert len(found) == 3 * copies and Counter(found.rows) == dict.fromkeys((0, 2, 4), copies)
    assert found.labels_B.tolist() == [row * 10 for row in found.rows]
    assert max(found.lengths) <= max_length and list(found.lengths) == sorted(found.lengths, reverse=True)
    for text, special in zip(texts(found), found.special_T.split(found.lengths), strict=True):
        assert text[0] == 0 and text[-1] == 2
        assert special.nonzero().ravel().tolist() == [0, len(text) - 1]


def test_synonyms_may_be_longer_or_shorter_than_the_word() -> None:
    rewriter, batch = make_small([[[1, 2], [3]], [[4], [5, 6, 7]]])
    found = {tuple(text[1:-1]) for text in texts(rewriter.rewrite(batch, rng(), neighbours=1, copies=50))}
    assert found == {(1, 2, 4), (3, 4), (1, 2, 5, 6, 7), (3, 5, 6, 7)}


def test_the_same_stream_rewrites_alike_and_another_differently() -> None:
    data = make_labelled(20)
    rewriter, batch = make_rewriter(data), data.rows.batch(np.arange(20), data.labels)
    first, same, other = (rewriter.rewrite(batch, rng(seed), neighbours=4, copies=1) for seed in (0, 0, 1))
    assert torch.equal(first.ids_T, same.ids_T) and not torch.equal(first.ids_T, other.ids_T)


def test_a_text_without_words_stays_as_it_is() -> None:
    rewriter, batch = make_small([])
    assert texts(rewriter.rewrite(batch, rng(), neighbours=3, copies=2)) == [[1000, 1001]] * 2


# From texts to tokens of words


def options_of(words: RowWords) -> list[list[list[list[int]]]]:
    """Of every word of every distinct text, the tokens of itself and of its synonyms."""
    options = words.options
    tokens = [part.tolist() for part in np.split(options.ids, options.offsets[1:-1])]
    return [
        [tokens[options.first[w] : options.first[w + 1]] for w in text]
        for text in np.split(words.words, words.offsets[1:-1])
    ]


def test_tokens_of_words_in_a_row_are_the_tokens_of_the_text() -> None:
    tokenizer, lines = make_tokenizer(), ["turn on the light", "Küche  bitte", "", "ไฟ ใน"]
    words = words_of_texts(tokenizer, lines, None, "please ", {})
    rows = encode(tokenizer, lines, None, 128, "please ")
    assert words.texts.tolist() == [[0], [1], [2], [3]]
    for text, ids in zip(options_of(words), inner(rows), strict=True):
        assert [token for word in text for token in word[0]] == ids and set(ids) <= set(words.used.tolist())


def test_synonyms_follow_the_word_and_the_prefix_has_none() -> None:
    tokenizer = make_tokenizer()
    sets = {"light": ["lamp", "red light"], "please": ["now"], "absent": ["milk"]}
    words = words_of_texts(tokenizer, ["please light", "lamp"], None, "please ", sets)
    written = [
        [[tokenizer.convert_ids_to_tokens(option) for option in word] for word in text] for text in options_of(words)
    ]
    assert written[0] == [
        [["▁please"]],
        [["▁please"], ["▁", "n", "o", "w"]],
        [["▁light"], ["▁lamp"], ["▁red", "▁light"]],
    ]
    assert written[1] == [[["▁please"]], [["▁lamp"]]]
    assert {*tokenizer.convert_tokens_to_ids(["▁milk", "▁please", "▁red"])} <= {*words.used.tolist()}


def test_texts_and_words_that_are_alike_are_held_once() -> None:
    first, second = ["turn light", "the fan", "turn light"], ["light", "the fan", "turn light"]
    words = words_of_texts(make_tokenizer(), first, second, "", {"light": ["lamp"]})
    assert words.texts.tolist() == [[0, 2], [1, 1], [0, 0]]
    assert len(words.words) == 5 and len(words.options.first) == 4 + 1


def test_no_texts_have_no_words() -> None:
    words = words_of_texts(make_tokenizer(), [], None, "", {})
    assert len(words) == len(words.used) == len(words.words) == 0


def test_word_tokens_become_rows_of_the_embedding_table() -> None:
    words = words_of_texts(make_tokenizer(), ["turn light"], None, "", {"light": ["lamp"]})
    moved = options_of(words.with_ids(words.options.ids + 1000))
    assert moved == [[[[t + 1000 for t in option] for option in word] for word in text] for text in options_of(words)]


# What is drawn, word by word


def by_hand(
    rows: TokenRows, texts: list[list[list[list[list[int]]]]], order: list[int], seed: int, neighbours: int, room: int
) -> list[tuple[list[int], list[int]]]:
    """Ids and segments of rows drawn one word after another, in their order; the longer of two texts is cut first."""
    stream, found = rng(seed), []
    for row in order:
        ids, special = rows.ids[rows.offsets[row] : rows.offsets[row + 1]].tolist(), [0, 2]
        bodies, replaced = [], False
        for text in texts[row]:
            picks = [int(stream.random() * (min(neighbours, len(word) - 1) + 1)) for word in text]
            bodies.append([token for k, word in zip(picks, text, strict=True) for token in word[k]])
            replaced |= any(picks)
        types = [0] * len(ids) if rows.types is None else rows.types[rows.offsets[row] : rows.offsets[row + 1]].tolist()
        if replaced and all(ids[i] not in special or ids[i + 1] not in special for i in range(len(ids) - 1)):
            shorter = min(bodies, key=len)  # the first of equals
            while sum(map(len, bodies)) > room - 1 - len(bodies):
                longest = max(map(len, bodies))
                (shorter if len(shorter) == longest else max(bodies, key=len)).pop()
            ids, types = [0], [0]
            for side, body in enumerate(bodies):
                ids, types = [*ids, *body, 2], [*types, *[side if rows.types is not None else 0] * (len(body) + 1)]
        found.append((ids, types))
    return found


LINES = st.lists(st.lists(st.sampled_from((*WORDS[:9], "Küche", "a  b", "")), max_size=7), min_size=1, max_size=4)


@FEW
@given(
    lines=LINES,
    pairs=st.booleans(),
    prefix=st.sampled_from(["", "query: "]),
    max_length=st.integers(12, 40),
    neighbours=st.integers(0, 4),
    copies=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_a_batch_is_drawn_word_by_word_from_one_stream(
    lines: list[list[str]], pairs: bool, prefix: str, max_length: int, neighbours: int, copies: int, seed: int
) -> None:
    """Copy after copy, row after row as the batch has them, first texts before second ones, one number a word."""
    tokenizer, first = make_tokenizer(), [" ".join(words) for words in lines]
    second = [" ".join(reversed(words)) for words in lines[::-1]] if pairs else None
    drawn = rng(seed)
    sets = {w: [" ".join(drawn.choice(WORDS, 1 + i % 2)) for i in range(drawn.integers(0, 5))] for w in WORDS[:8]}
    words = words_of_texts(tokenizer, first, second, prefix, sets)
    rows = encode(tokenizer, first, second, max_length, prefix)
    labels, options = np.arange(len(first)), options_of(words)
    batch = rows.batch(labels, labels)
    found = Rewriter(rows, words, labels, max_length).rewrite(batch, rng(seed), neighbours=neighbours, copies=copies)
    order = list(batch.rows) * copies
    wanted = by_hand(rows, [[options[i] for i in own] for own in words.texts], order, seed, neighbours, max_length)
    longest_first = sorted(range(len(order)), key=lambda i: -len(wanted[i][0]))
    assert list(found.rows) == [order[i] for i in longest_first] == found.labels_B.tolist()
    assert texts(found) == [wanted[i][0] for i in longest_first]
    if found.types_T is not None:
        types = [part.tolist() for part in found.types_T.split(found.lengths)]
        assert types == [wanted[i][1] for i in longest_first]
