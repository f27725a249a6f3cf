"""The words that rows of tokens are made of, and the tokens of their synonyms: what data augmentation draws from."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.models.tokens import TokenRows, positions

Ints = NDArray[np.int64]
Synonyms = Mapping[str, Sequence[str]]
"""Word to synonyms, nearest first."""
SPACES = np.array([code for code in range(0x3001) if chr(code).isspace()], dtype=np.uint32)
"""Characters that words lie between."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Options:
    """What may stand in the place of every distinct word: its own tokens, then each synonym's, nearest first."""

    ids: Ints
    """Tokens of all options, one after another."""
    offsets: Ints
    """Option i is `ids[offsets[i]:offsets[i + 1]]`."""
    first: Ints
    """The options of word i are those from `first[i]`, its own tokens, up to `first[i + 1]`."""

    @classmethod
    def of(cls, words: Sequence[Sequence[Sequence[int]]]) -> Options:
        """From the options of every word."""
        options = [option for word in words for option in word]
        sizes, counts = [len(option) for option in options], [len(word) for word in words]
        return cls(
            ids=np.fromiter((token for option in options for token in option), np.int64, sum(sizes)),
            offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        )

    def sizes(self, options: Ints) -> Ints:
        """Tokens of some options."""
        return self.offsets[options + 1] - self.offsets[options]

    def synonyms(self, words: Ints) -> Ints:
        """Synonyms of some words."""
        return self.first[words + 1] - self.first[words] - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowWords:
    """The words of every text of every row; texts and words that are alike are held once."""

    texts: Ints
    """Which of the distinct texts lie between a row's special tokens, [rows, 1 or 2]."""
    offsets: Ints
    """Text i is `words[offsets[i]:offsets[i + 1]]`."""
    words: NDArray[np.int32]
    """Which of the distinct words stand in each text."""
    options: Options
    used: Ints
    """Every token that a study may draw; an embedding table that is trimmed keeps them."""

    def __len__(self) -> int:
        return len(self.texts)

    def with_ids(self, ids: Ints) -> RowWords:
        """The same words, their options with other token ids, such as their rows in a trimmed embedding table."""
        return replace(self, options=replace(self.options, ids=ids))


def words_of_texts(
    tokenizer: Any, first: Sequence[str], second: Sequence[str] | None, prefix: str, synonyms: Synonyms
) -> RowWords:
    """The words of texts, or of pairs of texts, that rows are made of: what lies between spaces.

    The prefix, which is the first texts' alone, has no synonyms. The words are those of the whole text, so that one
    that was cut brings more of its words in where others get shorter. A text whose tokens are not the tokens of its
    words one after another (a tokenizer that merges over spaces) gets its words' own tokens when it is rewritten.
    """
    fixed = len(prefix.split())
    place: dict[tuple[str, int], int] = {}
    texts = [[place.setdefault((prefix + text, fixed), len(place)) for text in first]]
    if second is not None:
        texts.append([place.setdefault((text, 0), len(place)) for text in second])
    known: dict[tuple[str, bool], int] = {}
    offsets, words = [0], array("i")  # 4 bytes a word, where a list takes up to 40
    for text, skipped in place:
        for i, word in enumerate(text.split()):
            words.append(known.setdefault((word, i >= skipped and word in synonyms), len(known)))
        offsets.append(len(words))
    tokens = _tokens(tokenizer, {word for word, _ in known} | _values(synonyms))
    return RowWords(
        texts=np.array(texts, dtype=np.int64).T,
        offsets=np.array(offsets, dtype=np.int64),
        words=np.array(words, dtype=np.int32),
        options=Options.of([[tokens[w], *(tokens[s] for s in (synonyms[w] if free else ()))] for w, free in known]),
        used=_distinct(tokens.values()),
    )


def words_in_rows(
    tokenizer: Any, rows: TokenRows, word_T: Ints, names: Sequence[str], synonyms: Synonyms, *, texts: int = 1
) -> RowWords:
    """The words that stand in rows; every other token is a word of its own, which is never replaced.

    So the tokens of a row are those of its words one after another, and what a token is asked for stays with its word.
    A word is left alone where its tokens are not all there, or not those that it has by itself.

    Args:
        tokenizer: A fast Hugging Face tokenizer.
        rows: The rows, with the tokenizer's ids.
        word_T: Which word each token is of, the same number for all tokens of one; -1 is left alone.
        names: The word of every number.
        synonyms: Synonyms of words; one of which the tokenizer leaves nothing is none, for it could be asked nothing.
        texts: Texts of a row, between special tokens; a row with another number of them is left as it is.
    """
    known = [word for word in dict.fromkeys(names) if synonyms.get(word)]
    tokens = _tokens(tokenizer, {*known, *_values({word: synonyms[word] for word in known})})
    singles = np.unique(rows.ids)
    whole = [[tokens[w], *(tokens[s] for s in synonyms[w] if tokens[s])] for w in known]
    options = Options.of([*whole, *([[token]] for token in singles.tolist())])
    place = {word: i for i, word in enumerate(known)}
    word_N = np.array([place.get(name, -1) for name in names], dtype=np.int64)
    first, length, word = _runs(rows, np.where(word_T < 0, -1, word_N[word_T]), word_T, options)
    found_T = len(known) + np.searchsorted(singles, rows.ids)
    found_T[first] = word
    kept_T = ~rows.special
    kept_T[positions(first + 1, length - 1)] = False
    starts_T, right = text_starts(rows, texts)
    kept_T &= np.repeat(right, rows.lengths)
    counts = np.bincount(np.cumsum(starts_T)[kept_T] - 1, minlength=int(right.sum()) * texts)
    sizes = np.zeros((len(rows), texts), dtype=np.int64)
    sizes[right] = counts.reshape(-1, texts)
    return RowWords(
        texts=np.arange(sizes.size).reshape(sizes.shape),
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        words=found_T[kept_T].astype(np.int32),
        options=options,
        used=_distinct(tokens.values()),
    )


def words_at(texts: Sequence[str], text_T: Ints, first_T: Ints) -> tuple[Ints, list[str]]:
    """Which word each token is of, and the words of all texts, one text after another.

    Args:
        texts: The texts.
        text_T: Which text each token is of.
        first_T: Its first character there; -1 is a space, which counts as the beginning of what follows.
    """
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    base = np.cumsum(sizes) - sizes
    space = np.isin(np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32), SPACES)
    before = np.concatenate([[True], space])
    before[base] = True
    number = np.cumsum(~space & before[: len(space)]) - 1
    last = len(first_T) - 1
    next_T = np.minimum.accumulate(np.where(first_T < 0, last, np.arange(len(first_T)))[::-1])[::-1]
    character_T = first_T[next_T]
    word_T = np.where(character_T < 0, -1, number[base[text_T[next_T]] + character_T])
    return word_T, [word for text in texts for word in text.split()]


def text_starts(rows: TokenRows, texts: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which tokens begin a text in the rows that have so many, and which rows these are.

    A text is a run of tokens between special ones; where the tokenizer leaves nothing of a text, its row has fewer.
    """
    before = np.concatenate([[True], rows.special[:-1]])
    before[rows.offsets[:-1][rows.lengths > 0]] = True
    starts_T = ~rows.special & before[: len(rows.ids)]
    row_T = np.repeat(np.arange(len(rows)), rows.lengths)
    right = np.bincount(row_T[starts_T], minlength=len(rows)) == texts
    return starts_T & right[row_T], right


def _runs(rows: TokenRows, known_T: Ints, word_T: Ints, options: Options) -> tuple[Ints, Ints, Ints]:
    """First token, number of tokens and word of every run of tokens that are those of a word with synonyms."""
    begins = known_T >= 0
    row_T = np.repeat(np.arange(len(rows)), rows.lengths)
    inside = begins.copy()
    begins[1:] &= (word_T[1:] != word_T[:-1]) | (row_T[1:] != row_T[:-1])
    first = np.flatnonzero(begins)
    length = np.bincount(np.cumsum(begins)[inside] - 1, minlength=len(first))
    word = known_T[first]
    whole = length == options.sizes(options.first[word])
    first, length, word = first[whole], length[whole], word[whole]
    own = options.ids[positions(options.offsets[options.first[word]], length)]
    other = rows.ids[positions(first, length)] != own
    alike = np.bincount(np.repeat(np.arange(len(first)), length)[other], minlength=len(first)) == 0
    return first[alike], length[alike], word[alike]


def _tokens(tokenizer: Any, words: Iterable[str]) -> dict[str, list[int]]:
    """Tokens of distinct words, each by itself."""
    distinct = sorted(words)
    pieces: list[list[int]] = tokenizer(
        [[word] for word in distinct] or [[""]],
        is_split_into_words=True,
        add_special_tokens=False,
        return_attention_mask=False,
        verbose=False,
    )["input_ids"]
    return dict(zip(distinct, pieces, strict=False))


def _values(synonyms: Synonyms) -> set[str]:
    return {synonym for found in synonyms.values() for synonym in found}


def _distinct(rows: Iterable[Sequence[int]]) -> Ints:
    return np.unique(np.fromiter((token for row in rows for token in row), np.int64))
