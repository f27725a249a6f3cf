"""Synonym sets at the level of tokens: rewrites a packed batch without calling the tokenizer during training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.batch import Batch
from suite.models.tokens import TokenRows, rows_from_lists

Words = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Rewriter:
    """For every training text, its words as tokens and each word's synonyms as tokens."""

    rows: TokenRows
    """The training texts; a rewritten text keeps their special tokens."""
    words: tuple[tuple[Words, ...], ...]
    """Per text and word: the word's own tokens, then each synonym's, nearest first."""
    labels: NDArray[np.int64]
    max_length: int

    def __post_init__(self) -> None:
        """Raise ValueError for sentence pairs, whose halves this module does not tell apart."""
        if self.rows.types is not None:
            raise ValueError("data augmentation rewrites single texts, the task has sentence pairs; drop the method")

    def rewrite(self, batch: Batch, rng: np.random.Generator, *, neighbours: int, copies: int) -> Batch:
        """Draw every word uniformly from itself and its nearest `neighbours` synonyms, `copies` times over."""
        texts = [self._draw(row, rng, neighbours) for _ in range(copies) for row in batch.rows]
        labels = np.concatenate([self.labels[list(batch.rows)]] * copies)
        table = rows_from_lists([ids for ids, _ in texts], [special for _, special in texts], None)
        fresh = table.batch(np.arange(len(texts)), labels, device=batch.ids_T.device, group_rows=batch.group_rows)
        return Batch(
            ids_T=fresh.ids_T,
            lengths=fresh.lengths,
            special_T=fresh.special_T,
            labels_B=fresh.labels_B,
            rows=tuple((list(batch.rows) * copies)[i] for i in fresh.rows),
            group_rows=batch.group_rows,
        )

    def _draw(self, row: int, rng: np.random.Generator, neighbours: int) -> tuple[list[int], list[int]]:
        ids = self.rows.ids[self.rows.offsets[row] : self.rows.offsets[row + 1]]
        special = self.rows.special[self.rows.offsets[row] : self.rows.offsets[row + 1]]
        choices = self.words[row]
        drawn = rng.random(len(choices))
        kept = [int(u * (min(neighbours, len(c) - 1) + 1)) for u, c in zip(drawn, choices, strict=True)]
        if not any(kept):
            return ids.tolist(), special.astype(int).tolist()
        body = [t for pick, c in zip(kept, choices, strict=True) for t in c[pick]]
        head = int(np.argmin(special)) if not special.all() else len(ids)
        tail = len(ids) - head - int((~special).sum())
        body = body[: self.max_length - head - tail]
        whole = [*ids[:head].tolist(), *body, *ids[len(ids) - tail :].tolist()]
        return whole, [1] * head + [0] * len(body) + [1] * tail


def word_tokens(
    tokenizer: Any, texts: Sequence[str], synonyms: Mapping[str, Sequence[str]], prefix: str = ""
) -> tuple[list[list[list[NDArray[np.int64]]]], NDArray[np.int64]]:
    """Tokens of every word of every text and of the word's synonyms, and all token ids that occur in them.

    Words are what lies between spaces; the prefix's words have no synonyms. A text whose tokens are not the tokens of
    its words one after another (a tokenizer that merges over spaces) gets its words' own tokens when it is rewritten.
    """
    split = [(prefix + t).split() for t in texts]
    fixed = len(prefix.split())
    vocabulary = sorted({w for words in split for w in words} | {s for g in synonyms.values() for s in g})
    pieces = tokenizer(
        [[w] for w in vocabulary] or [[""]],
        is_split_into_words=True,
        add_special_tokens=False,
        return_attention_mask=False,
    )["input_ids"]
    tokens = {w: np.asarray(p, dtype=np.int64) for w, p in zip(vocabulary, pieces, strict=False)}
    table = [
        [[tokens[w], *(tokens[s] for s in (synonyms.get(w, ()) if i >= fixed else ()))] for i, w in enumerate(words)]
        for words in split
    ]
    used = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *tokens.values()]))
    return table, used


def freeze_words(
    table: list[list[list[NDArray[np.int64]]]], rows_of: Callable[[NDArray[np.int64]], NDArray[np.int64]]
) -> tuple[tuple[Words, ...], ...]:
    """Word tokens as rows of the embedding table, as tuples; `rows_of` maps the tokenizer's ids."""

    def freeze(ids: NDArray[np.int64]) -> tuple[int, ...]:
        return tuple(rows_of(ids).tolist())

    return tuple(tuple(tuple(freeze(option) for option in word) for word in words) for words in table)
