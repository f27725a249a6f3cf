"""Synonym sets at the level of tokens: rewrites a packed batch without calling the tokenizer during training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.batch import Batch
from suite.models.tokens import AT_ONCE, TokenRows, rows_from_lists

Words = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextWords:
    """The words of many texts, each with its synonyms; a word that stands in many texts is held once."""

    options: tuple[Words, ...]
    """Of every distinct word its own tokens, then each synonym's, nearest first."""
    of: NDArray[np.int32]
    """Which of these each word is, text after text."""
    offsets: NDArray[np.int64]
    """Text i has the words `of[offsets[i]:offsets[i + 1]]`."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, text: int) -> tuple[Words, ...]:
        """The words of a text."""
        return tuple(self.options[k] for k in self.of[self.offsets[text] : self.offsets[text + 1]].tolist())

    def renumbered(self, rows_of: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> TextWords:
        """The same words with rows of the embedding table, to which `rows_of` maps the tokenizer's ids."""

        def rows(tokens: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(rows_of(np.array(tokens, dtype=np.int64)).tolist())

        return replace(self, options=tuple(tuple(rows(tokens) for tokens in word) for word in self.options))


@dataclass(frozen=True, slots=True)
class Rewriter:
    """For every training text, its words as tokens and each word's synonyms as tokens."""

    rows: TokenRows
    """The training texts or pairs; a rewritten one keeps their special tokens and segments."""
    words: TextWords
    """Those of every text; of pairs, all first texts come before all second ones."""
    labels: NDArray[np.int64]
    max_length: int

    def __post_init__(self) -> None:
        """Raise ValueError unless the words are those of one text, or of two, for every row."""
        if len(self.words) not in (len(self.rows), 2 * len(self.rows)):
            raise ValueError(
                f"words are those of every text, then of every second text of pairs: {len(self.rows)} rows take "
                f"{len(self.rows)} or {2 * len(self.rows)}, got {len(self.words)}"
            )

    def rewrite(self, batch: Batch, rng: np.random.Generator, *, neighbours: int, copies: int) -> Batch:
        """Draw every word uniformly from itself and its nearest `neighbours` synonyms, `copies` times over."""
        texts = [self._draw(row, rng, neighbours) for _ in range(copies) for row in batch.rows]
        labels = np.concatenate([self.labels[list(batch.rows)]] * copies)
        ids, special, types = (list(column) for column in zip(*texts, strict=True))
        table = rows_from_lists(ids, special, None if self.rows.types is None else types)
        fresh = table.batch(np.arange(len(texts)), labels, device=batch.ids_T.device, group_rows=batch.group_rows)
        return Batch(
            ids_T=fresh.ids_T,
            lengths=fresh.lengths,
            special_T=fresh.special_T,
            labels_B=fresh.labels_B,
            types_T=fresh.types_T,
            rows=tuple((list(batch.rows) * copies)[i] for i in fresh.rows),
            group_rows=batch.group_rows,
        )

    def _draw(self, row: int, rng: np.random.Generator, neighbours: int) -> tuple[list[int], list[int], list[int]]:
        """Token ids, special-token mask and segments of a row, its words drawn anew."""
        start, stop = self.rows.offsets[row], self.rows.offsets[row + 1]
        ids, special = self.rows.ids[start:stop], self.rows.special[start:stop]
        types = np.zeros_like(ids) if self.rows.types is None else self.rows.types[start:stop]
        choices = [self.words[text] for text in range(row, len(self.words), len(self.rows))]
        kept = [_pick(words, rng, neighbours) for words in choices]
        runs = _runs(~special)
        if len(runs) != len(choices) or not any(any(picks) for picks in kept):
            return ids.tolist(), special.astype(int).tolist(), types.tolist()
        bodies = [
            [t for k, word in zip(picks, words, strict=True) for t in word[k]]
            for picks, words in zip(kept, choices, strict=True)
        ]
        room = truncated_lengths([len(body) for body in bodies], self.max_length - int(special.sum()))
        bodies = [body[:n] for body, n in zip(bodies, room, strict=True)]
        return (
            _splice(ids, runs, bodies),
            _splice(special.astype(np.int64), runs, [[0] * n for n in room]),
            _splice(types, runs, [[int(types[first])] * n for (first, _), n in zip(runs, room, strict=True)]),
        )


def truncated_lengths(lengths: Sequence[int], room: int) -> list[int]:
    """Tokens kept of a text or of two, so that together they fit in `room`: the longer gives way first.

    As the strategy `longest_first` of the library `tokenizers`, so that rewritten pairs are cut as encoded ones are.
    """
    if sum(lengths) <= room:
        return list(lengths)
    if len(lengths) == 1:
        return [room]
    short = min(*lengths, room // 2)
    return [short, room - short] if lengths[0] <= lengths[1] else [room - short, short]


def _pick(words: tuple[Words, ...], rng: np.random.Generator, neighbours: int) -> list[int]:
    """For every word, uniformly, itself (0) or one of its nearest synonyms."""
    drawn = rng.random(len(words))
    return [int(u * (min(neighbours, len(word) - 1) + 1)) for u, word in zip(drawn, words, strict=True)]


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where the mask holds: (first, one past the last) of every run."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _splice(column: NDArray[np.int64], runs: Sequence[tuple[int, int]], bodies: Sequence[list[int]]) -> list[int]:
    """The column with other values in the place of every run."""
    whole: list[int] = []
    place = 0
    for (first, last), body in zip(runs, bodies, strict=True):
        whole += [*column[place:first].tolist(), *body]
        place = last
    whole += column[place:].tolist()
    return whole


def word_tokens(
    tokenizer: Any,
    texts: Sequence[str],
    synonyms: Mapping[str, Sequence[str]],
    prefix: str = "",
    pairs: Sequence[str] | None = None,
) -> tuple[TextWords, NDArray[np.int64]]:
    """Tokens of every word of every text and of the word's synonyms, and all token ids that occur in them.

    Second texts of pairs follow after all first ones; the prefix is the first texts' alone, as in `encode`.
    Words are what lies between spaces; the prefix's words have no synonyms. A text whose tokens are not the tokens of
    its words one after another (a tokenizer that merges over spaces) gets its words' own tokens when it is rewritten.
    """
    place: dict[tuple[str, bool], int] = {}
    lengths: list[int] = []

    def numbers() -> Iterator[int]:
        for start, column in ((prefix, texts), ("", pairs or ())):
            fixed = len(start.split())
            for text in column:
                words = (start + text).split()
                lengths.append(len(words))
                yield from (place.setdefault((w, i >= fixed), len(place)) for i, w in enumerate(words))

    of = np.fromiter(numbers(), dtype=np.int32)
    tokens = _tokens(tokenizer, sorted({w for w, _ in place} | {s for g in synonyms.values() for s in g}))
    options = tuple((tokens[w], *(tokens[s] for s in (synonyms.get(w, ()) if free else ()))) for w, free in place)
    used = np.array(sorted({token for word in tokens.values() for token in word}), dtype=np.int64)
    return TextWords(options=options, of=of, offsets=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])), used


def _tokens(tokenizer: Any, vocabulary: list[str]) -> dict[str, tuple[int, ...]]:
    """Tokens of words, each by itself."""
    found: dict[str, tuple[int, ...]] = {}
    for start in range(0, len(vocabulary), AT_ONCE):
        words = vocabulary[start : start + AT_ONCE]
        pieces = tokenizer(
            [[w] for w in words], is_split_into_words=True, add_special_tokens=False, return_attention_mask=False
        )["input_ids"]
        found |= {w: tuple(p) for w, p in zip(words, pieces, strict=True)}
    return found
