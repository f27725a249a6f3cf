"""Extractive question answering: the span of a context that answers, from scores of its first and its last token.

A question and its context are read together. Contexts too long for that are read in windows that overlap, each a row
with the whole question (Devlin et al. 2019, SQuAD 1.1; XTREME's scripts: 384 tokens, a window every 128, questions of
at most 64 tokens, answers of at most 30).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from suite.batch import Batch, cross_entropy_within
from suite.kinds.kind import Columns, Encoded, Kind
from suite.models.pair_tokens import Frame
from suite.models.row_words import SPACES, RowWords, Synonyms, words_at, words_in_rows
from suite.models.tokens import TokenRows, positions, rows_from_lists
from suite.tasks.answers import score_answer
from suite.tasks.examples import Examples

Ints = NDArray[np.int64]

WINDOWS_PER_LENGTH = 3
"""A window begins every `max_length` // 3 tokens of the context: 128 at XTREME's length of 384."""
QUESTIONS_PER_LENGTH = 6
"""Questions are cut to `max_length` // 6 tokens: 64 at 384."""
LONGEST_ANSWER = 30
"""Tokens of the longest answer that is given."""
START, END = 1, 2
"""Targets of a token: 1 the answer's first, 2 its last, 3 both, 0 neither."""
TEXTS_AT_ONCE = 1000
"""Texts whose characters are looked up together: the tokenizer's own record of a token is 100 bytes and more."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Tokens:
    """Tokens of distinct texts without special tokens, none cut, and the characters that each stands for."""

    place: dict[str, int]
    """Text to row."""
    rows: TokenRows
    spans: Ints
    """First character of each token and the one after its last, without spaces, [T, 2]; -1 for a space."""

    def at(self, texts: Sequence[str]) -> Ints:
        """Rows of some texts."""
        return np.array([self.place[text] for text in texts], dtype=np.int64)


def _tokens(tokenizer: Any, texts: Sequence[str]) -> Tokens:
    """Tokenise every distinct text once."""
    distinct = list(dict.fromkeys(texts))
    ids: list[list[int]] = []
    spans = [np.zeros((0, 2), dtype=np.int64)]
    for start in range(0, len(distinct), TEXTS_AT_ONCE):
        some = distinct[start : start + TEXTS_AT_ONCE]
        out = tokenizer(
            some, add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False, verbose=False
        )
        ids += out["input_ids"]
        spans.append(_without_spaces(out["offset_mapping"], some))
    return Tokens(
        place={text: row for row, text in enumerate(distinct)},
        rows=rows_from_lists(ids, [[0] * len(row) for row in ids], None),
        spans=np.concatenate(spans),
    )


def _without_spaces(offsets: Sequence[Sequence[tuple[int, int]]], texts: Sequence[str]) -> Ints:
    """Spans of characters in their own text, spaces at either end left out; -1 where nothing else is there."""
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    base = np.repeat(np.cumsum(sizes) - sizes, [len(row) for row in offsets])
    codes = np.frombuffer("".join([*texts, " "]).encode("utf-32-le"), dtype=np.uint32)
    space = np.isin(codes, SPACES)
    flat = np.array([*chain.from_iterable(offsets)], dtype=np.int64).reshape(-1, 2)
    first, stop = flat[:, 0] + base, flat[:, 1] + base
    while (leading := (first < stop) & space[first]).any():
        first = first + leading
    while (trailing := (first < stop) & space[stop - 1]).any():
        stop = stop - trailing
    return np.where((first < stop)[:, None], np.stack([first - base, stop - base], axis=1), -1)


def _encode(tokenizer: Any, blocks: Sequence[Examples], max_length: int, prefix: str) -> list[Encoded]:
    frame = Frame.of(tokenizer)
    special = sum(map(len, frame.ids))
    longest, step = max_length // QUESTIONS_PER_LENGTH, max_length // WINDOWS_PER_LENGTH
    if longest < 1 or max_length - special - longest < step:
        raise ValueError(
            f"max_length holds a sixth of itself for the question, {special} special tokens and a third for the "
            f"context, got {max_length}; raise train.max_length"
        )
    questions = _tokens(tokenizer, [prefix + text for block in blocks for text in block.texts])
    contexts = _tokens(tokenizer, [text for block in blocks for text in block.pairs or ()])
    return [_windows(frame, b, questions, contexts, max_length, prefix) for b in blocks]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Windows:
    """Which part of which context each row reads, the windows of an example one after another."""

    of: Ints
    """Example of each row."""
    asked: Ints
    """Tokens of its question that are kept."""
    begins: Ints
    """First token of the window, counted in the context."""
    lengths: Ints
    """Tokens of the window."""

    @classmethod
    def over(cls, questions: Ints, contexts: Ints, special: int, max_length: int) -> Windows:
        """Windows over contexts of so many tokens, each with a question of so many; the last may be shorter."""
        step, asked = max_length // WINDOWS_PER_LENGTH, np.minimum(questions, max_length // QUESTIONS_PER_LENGTH)
        room = max_length - special - asked
        counts = 1 + np.maximum(0, -((room - contexts) // step))
        of = np.repeat(np.arange(len(counts)), counts)
        begins = step * positions(np.zeros_like(counts), counts)
        return cls(of=of, asked=asked[of], begins=begins, lengths=np.minimum(room[of], contexts[of] - begins))


def _windows(
    frame: Frame, block: Examples, questions: Tokens, contexts: Tokens, max_length: int, prefix: str
) -> Encoded:
    asked, read = questions.at([prefix + text for text in block.texts]), contexts.at(block.pairs or ())
    special = sum(map(len, frame.ids))
    windows = Windows.over(questions.rows.lengths[asked], contexts.rows.lengths[read], special, max_length)
    of, lengths = windows.of, windows.lengths
    asked_at = positions(questions.rows.offsets[asked[of]], windows.asked)
    read_at = positions(contexts.rows.offsets[read[of]] + windows.begins, lengths)
    bodies = _in_rows(
        np.concatenate([questions.rows.ids[asked_at], contexts.rows.ids[read_at]]),
        np.concatenate([windows.asked, lengths]),
    )
    rows = frame.join(bodies, np.arange(len(of)), np.arange(len(of)) + len(of), max_length)
    inside = rows.offsets[1:] - len(frame.ids[2]) - lengths  # where the context begins in each row
    marks = np.full((len(rows.ids), 2), -1, dtype=np.int64)
    marks[positions(inside, lengths)] = contexts.spans[read_at]
    gold = _answer_tokens(block, contexts, read)[of] - windows.begins[:, None]
    rows = replace(rows, targets=_targets(rows, gold, inside, lengths))
    return Encoded(examples=block, rows=rows, labels=block.labels[of], example_of=of, marks=marks)


def _in_rows(ids: Ints, lengths: Ints) -> TokenRows:
    """Tokens of plain texts, one after another."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return TokenRows(ids=ids, special=np.zeros(len(ids), dtype=np.bool_), types=None, offsets=offsets)


def _answer_tokens(block: Examples, contexts: Tokens, read: Ints) -> Ints:
    """First and last token in its context of every example's first answer, [N, 2]; last < first where there is none."""
    right = [answers[0] for answers in block.answers or ()]
    first = np.array([a.start + len(a.text) - len(a.text.lstrip()) for a in right], dtype=np.int64)
    stop = np.array([a.start + len(a.text.rstrip()) for a in right], dtype=np.int64)
    filled = contexts.spans[:, 0] >= 0
    at, bounds = np.flatnonzero(filled), contexts.rows.offsets
    text_of = np.repeat(np.arange(len(contexts.rows)), contexts.rows.lengths)[at]
    far = int(max(contexts.spans.max(initial=0), stop.max(initial=0))) + 1  # more than any character's number
    ends, begins = (contexts.spans[at, side] + far * text_of for side in (1, 0))
    # Spans come in the order of the text, so the first that ends after the answer begins is its first token.
    low = np.searchsorted(ends, first + far * read, side="right")
    high = np.searchsorted(begins, stop + far * read, side="left") - 1
    at = np.append(at, len(filled))
    return np.stack([at[low], np.where(high < low, -1, at[np.maximum(high, 0)])], axis=1) - bounds[read][:, None]


def _targets(rows: TokenRows, gold: Ints, inside: Ints, lengths: Ints) -> Ints:
    """Target of every token; a window that does not hold the whole answer points to its first special token."""
    held = (gold[:, 0] >= 0) & (gold[:, 0] <= gold[:, 1]) & (gold[:, 1] < lengths)
    special = np.flatnonzero(rows.special)
    none = special[np.searchsorted(special, rows.offsets[:-1])]
    targets = np.zeros(len(rows.ids), dtype=np.int64)
    targets[np.where(held, inside + gold[:, 0], none)] += START
    targets[np.where(held, inside + gold[:, 1], none)] += END
    return targets


def _words(tokenizer: Any, block: Encoded, max_length: int, prefix: str, synonyms: Synonyms) -> RowWords:
    """Words of question and context, each window's by itself, but for the prefix and what the answer's tokens are in.

    A window that does not hold the whole answer points to its first special token, which no rewriting moves.
    """
    rows, targets, of = block.rows, block.rows.targets, block.example_of
    assert block.marks is not None and of is not None and targets is not None
    asked, read = [prefix + text for text in block.examples.texts], block.examples.pairs or ()
    questions, place = _tokens(tokenizer, asked), {text: i for i, text in enumerate(dict.fromkeys([*asked, *read]))}
    at = questions.at(asked)[of]
    kept = np.minimum(questions.rows.lengths[at], max_length // QUESTIONS_PER_LENGTH)
    asked_T = positions(rows.offsets[:-1] + len(Frame.of(tokenizer).ids[0]), kept)
    first_T = block.marks[:, 0].copy()
    first_T[asked_T] = questions.spans[positions(questions.rows.offsets[at], kept), 0]
    text_T = np.repeat(np.array([place[text] for text in read], dtype=np.int64)[of], rows.lengths)
    text_T[asked_T] = np.repeat(np.array([place[text] for text in asked], dtype=np.int64)[of], kept)
    word_T, names = words_at([*place], text_T, first_T)
    held_T = (targets > 0) | (np.cumsum(targets & START) > np.cumsum((targets & END) // END))
    held_T[asked_T] |= (first_T[asked_T] >= 0) & (first_T[asked_T] < len(prefix))
    word_T = np.where(rows.special | held_T, -1, word_T)
    return words_in_rows(tokenizer, rows, word_T, names, synonyms, texts=2)


def _loss(logits_T2: Tensor, batch: Batch) -> Tensor:
    """Mean of the cross-entropies of the first and of the last token, each among all tokens of its row."""
    assert batch.targets_T is not None
    one, other = (
        cross_entropy_within(logits_T2[:, side], batch.sentence_T, (batch.targets_T & code) > 0, len(batch))
        for side, code in enumerate((START, END))
    )
    return (one + other) / 2


def _decode(block: Encoded, logits_T2: NDArray[np.float32]) -> Columns:
    examples = block.examples
    assert examples.pairs is not None and examples.answers is not None
    spans = best_spans(block, logits_T2).tolist()
    given = [context[max(a, 0) : max(b, 0)] for context, (a, b) in zip(examples.pairs, spans, strict=True)]
    languages = examples.pair_languages or (examples.language,) * len(examples)
    (rule,) = examples.label_names
    scores = [
        score_answer(text, [answer.text for answer in right], language, rule)
        for text, right, language in zip(given, examples.answers, languages, strict=True)
    ]
    exact_match, f1 = np.array(scores, dtype=np.float64).reshape(-1, 2).T
    return {"answer": np.array(given, dtype=object), "exact_match": exact_match, "f1": f1}


def best_spans(block: Encoded, logits_T2: NDArray[np.float32]) -> Ints:
    """Characters of the context from the first to the last token of the likeliest answer of every example, [N, 2].

    Of all spans of at most `LONGEST_ANSWER` tokens of a context in all windows, the one with the highest sum of both
    scores, the first and shortest of equals; -1 where a context has no token. XTREME's scripts pair the 20 best first
    tokens with the 20 best last ones, and take a token from the window with most context on both its sides.
    """
    rows, marks = block.rows, block.marks
    assert marks is not None and block.example_of is not None
    row_T = np.repeat(np.arange(len(rows)), rows.lengths)
    inside = marks[:, 0] >= 0
    best, last = np.full(len(row_T), -np.inf), np.arange(len(row_T))
    for longer in range(min(LONGEST_ANSWER, len(row_T))):
        n = len(row_T) - longer
        within = inside[:n] & inside[longer:] & (row_T[:n] == row_T[longer:])
        scores = np.where(within, logits_T2[:n, 0].astype(np.float64) + logits_T2[longer:, 1], -np.inf)
        last[:n] = np.where(scores > best[:n], np.arange(longer, longer + n), last[:n])
        best[:n] = np.maximum(best[:n], scores)
    firsts = rows.offsets[np.searchsorted(block.example_of, np.arange(len(block.examples)))]
    top = np.repeat(np.maximum.reduceat(best, firsts), np.diff(np.append(firsts, len(best))))
    equals = np.flatnonzero(best == top)
    chosen = equals[np.searchsorted(equals, firsts)]
    return np.stack([marks[chosen, 0], marks[last[chosen], 1]], axis=1)


QUESTION_ANSWERING = Kind(
    name="question answering",
    metrics=("f1", "exact_match"),
    columns=("answer", "f1", "exact_match"),
    encode=_encode,
    outputs=lambda labels: 2,
    loss=_loss,
    decode=_decode,
    words=_words,
    per_token=True,
    per_example_labels=True,
)
