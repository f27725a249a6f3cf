"""Laws of synonym replacement: uniform over a word and its synonyms, independent, and otherwise the same text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare
from tiny import make_labelled, make_rewriter, make_rows, make_tokenizer, make_words

from suite.batch import Batch
from suite.models.rewriting import Rewriter, word_tokens
from suite.models.tokens import encode, rows_from_lists

FEW = settings(deadline=None, derandomize=True, max_examples=30)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def make_small(options: list[list[list[int]]], max_length: int = 128) -> tuple[Rewriter, Batch]:
    """One text; of each word the tokens of itself and of its synonyms, all of which are below 1,000."""
    ids = [1000, *(token for word in options for token in word[0]), 1001]
    rows = rows_from_lists([ids], [[1, *[0] * (len(ids) - 2), 1]], None)
    words = make_words([[tuple(tuple(option) for option in word) for word in options]])
    labels = np.array([7])
    return Rewriter(rows, words, labels, max_length), rows.batch(np.array([0]), labels)


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
    spans = zip(rows.offsets, rows.offsets[1:], strict=False)
    words = make_words([[((int(t),),) for t in rows.ids[a + 1 : b - 1]] for a, b in spans])
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
    spans = zip(rows.offsets, rows.offsets[1:], strict=False)
    words = make_words([[((int(t),), (300, 301, 302)) for t in rows.ids[a + 1 : b - 1]] for a, b in spans])
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


def test_tokens_of_words_in_a_row_are_the_tokens_of_the_text() -> None:
    tokenizer, lines = make_tokenizer(), ["turn on the light", "Küche  bitte", "", "ไฟ ใน"]
    table, used = word_tokens(tokenizer, lines, {}, "please ")
    rows = encode(tokenizer, lines, None, 128, "please ")
    for i, words in enumerate(table):
        tokens = [int(t) for word in words for t in word[0]]
        assert tokens == rows.ids[rows.offsets[i] + 1 : rows.offsets[i + 1] - 1].tolist()
        assert set(tokens) <= set(used.tolist())


def test_synonyms_follow_the_word_and_the_prefix_has_none() -> None:
    tokenizer = make_tokenizer()
    sets = {"light": ["lamp", "red light"], "please": ["now"], "absent": ["milk"]}
    table, used = word_tokens(tokenizer, ["please light", "lamp"], sets, "please ")

    def pieces(option: Iterable[int]) -> list[str]:
        return tokenizer.convert_ids_to_tokens([*option])

    written = [[[pieces(option) for option in word] for word in words] for words in table]
    assert written[0] == [
        [["▁please"]],
        [["▁please"], ["▁", "n", "o", "w"]],
        [["▁light"], ["▁lamp"], ["▁red", "▁light"]],
    ]
    assert written[1] == [[["▁please"]], [["▁lamp"]]]
    assert set(pieces(used.tolist())) >= {"▁milk", "▁please", "▁red"}, (
        "every token that may be drawn is kept in the vocabulary"
    )


def test_no_texts_have_no_words() -> None:
    table, used = word_tokens(make_tokenizer(), [], {})
    assert len(table) == len(used) == 0


def test_word_tokens_become_rows_of_the_embedding_table() -> None:
    table, _ = word_tokens(make_tokenizer(), ["turn light"], {"light": ["lamp"]})
    rows = table.renumbered(lambda ids: ids + 1000)
    assert [*rows] == [tuple(tuple(tuple(t + 1000 for t in option) for option in word) for word in table[0])]


def test_a_word_is_held_once_wherever_it_stands() -> None:
    """Memory grows with the vocabulary, and by 4 bytes a place: MultiNLI has 10 million places."""
    synonyms = {"light": ["lamp"]}
    one, many = (word_tokens(make_tokenizer(), ["turn on the light"] * n, synonyms)[0] for n in (1, 50))
    assert many.options == one.options and many.of.nbytes == 4 * 4 * 50
    assert all(many[i] == one[0] for i in range(50))
