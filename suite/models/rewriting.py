"""Synonyms at the level of tokens: rewrites a packed batch without calling the tokenizer during training."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from suite.batch import Batch
from suite.models.pair_tokens import truncated_lengths
from suite.models.row_words import Ints, Options, RowWords, text_starts
from suite.models.tokens import TokenRows, positions


@dataclass(frozen=True, slots=True, eq=False)
class Rewriter:
    """Draws the words of training rows anew, whatever is asked of them.

    Special tokens, segments, labels and items stay as they are. What a replaced word was asked for is asked of the
    first token of what stands in its place. A row that gets longer than `max_length` is cut at the end, of two texts
    the longer first; one that would lose what a token is asked for is left as it was.
    """

    rows: TokenRows
    """The training rows."""
    words: RowWords
    """Their words; of rows whose tokens are asked for something, exactly the tokens that are there."""
    labels: Ints
    max_length: int
    unasked: int = 0
    """Target of a token that is asked for nothing."""

    def __post_init__(self) -> None:
        """Raise ValueError unless there are words for every row."""
        if len(self.words) != len(self.rows):
            raise ValueError(f"every row has its words, got {len(self.rows)} rows and words of {len(self.words)}")

    def rewrite(self, batch: Batch, rng: np.random.Generator, *, neighbours: int, copies: int) -> Batch:
        """Draw every word uniformly from itself and its nearest `neighbours` synonyms, `copies` times over.

        A text that rows of an item share, such as the premise of its choices, is drawn once for all of them in every
        copy: else the draw would tell the choices apart.
        """
        rows, to = np.array(batch.rows * copies, dtype=np.int64), batch.ids_T.device
        items = self._items(rows, copies)
        old = replace(self.rows.take(rows), rows_per_item=1)
        found = self._spliced(old, self._draw(rows, items, rng, neighbours), items)
        fresh = found.batch(np.arange(len(rows)), self.labels[rows], device=to, group_rows=batch.group_rows)
        order = np.array(fresh.rows, dtype=np.int64)
        items_B = None if batch.items_B is None else torch.from_numpy(items[order]).to(to)
        return replace(fresh, rows=tuple(rows[order].tolist()), items_B=items_B)

    def _items(self, rows: Ints, copies: int) -> Ints:
        """Which item of which copy each row is of, numbered as in a batch, copy after copy."""
        size = self.rows.rows_per_item
        if size == 1:
            return np.arange(len(rows))
        one = np.unique(rows[: len(rows) // copies] // size, return_inverse=True)[1]
        return np.concatenate([one + copy * (len(one) // size) for copy in range(copies)])

    def _draw(self, rows: Ints, items: Ints, rng: np.random.Generator, neighbours: int) -> Drawn:
        words = self.words
        texts = words.texts[rows].ravel()
        counts = words.offsets[texts + 1] - words.offsets[texts]
        word_W = words.words[positions(words.offsets[texts], counts)].astype(np.int64)
        drawn_W = rng.random(len(word_W))
        if self.rows.rows_per_item > 1:
            shared = np.repeat(items, words.texts.shape[1]) * len(words.offsets) + texts
            _, first, like = np.unique(shared, return_index=True, return_inverse=True)
            drawn_W = drawn_W[positions((np.cumsum(counts) - counts)[first[like]], counts)]
        last_W = np.minimum(neighbours, words.options.synonyms(word_W))
        return Drawn.of(words.options, counts, word_W, (drawn_W * (last_W + 1)).astype(np.int64))

    def _spliced(self, old: TokenRows, drawn: Drawn, items: Ints) -> TokenRows:
        """The rows with what was drawn in the place of their texts; where nothing was replaced, as they are."""
        texts = self.words.texts.shape[1]
        row_T = np.repeat(np.arange(len(old)), old.lengths)
        starts_T, right = text_starts(old, texts)
        first_N = np.zeros(len(drawn.sizes_N), dtype=np.int64)
        first_N[np.repeat(right, texts)] = np.flatnonzero(starts_T)
        room = self.max_length - np.bincount(row_T[old.special], minlength=len(old))
        kept_N = truncated_lengths(drawn.sizes_N.reshape(-1, texts), room).ravel()
        fits_T = drawn.place_T < kept_N[drawn.text_T]
        changed = drawn.replaced_N.reshape(-1, texts).any(1)
        new = right & (np.bincount(items[changed], minlength=len(old))[items] > 0)
        targets_T = drawn.ids_T[:0]
        if old.targets is not None:
            targets_T = drawn.targets(old.targets, first_N, self.unasked)
            new[drawn.text_T[~fits_T & (targets_T != self.unasked)] // texts] = False
        stay_T, come_T = old.special | ~new[row_T], fits_T & new[drawn.text_T // texts]
        # What was drawn comes where the first token of its text was, from which it has its segment.
        at = np.concatenate([np.flatnonzero(stay_T), first_N[drawn.text_T[come_T]]])
        order = np.argsort(at, kind="stable")
        return replace(
            old,
            ids=np.concatenate([old.ids[stay_T], drawn.ids_T[come_T]])[order],
            special=old.special[at[order]],
            types=None if old.types is None else old.types[at[order]],
            offsets=np.concatenate([[0], np.cumsum(np.bincount(row_T[at], minlength=len(old)))]),
            targets=None if old.targets is None else np.concatenate([old.targets[stay_T], targets_T[come_T]])[order],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """Tokens of what was drawn for some texts, text after text and none cut.

    Shape legend: W words, T tokens, N texts.
    """

    ids_T: Ints
    text_T: Ints
    """Which text each token is of."""
    place_T: Ints
    """Its place there, from 0."""
    sizes_N: Ints
    """Tokens of every text."""
    replaced_N: NDArray[np.bool_]
    """Whether any of its words was replaced."""
    own_T: Ints
    """Place, in the text as it was, of the same token of a word that was kept, or of the first of one that was not."""
    added_T: NDArray[np.bool_]
    """True at all tokens of a replacement but its first."""

    @classmethod
    def of(cls, options: Options, counts: Ints, word_W: Ints, pick_W: Ints) -> Drawn:
        """From the words of every text, and of each word which of its options was drawn."""
        option_W = options.first[word_W] + pick_W
        sizes_W = options.sizes(option_W)
        word_T, inside_T = np.repeat(np.arange(len(sizes_W)), sizes_W), positions(np.zeros_like(sizes_W), sizes_W)
        place_W, sizes_N = _places(sizes_W, counts)
        own_W, _ = _places(options.sizes(options.first[word_W]), counts)
        text_W = np.repeat(np.arange(len(counts)), counts)
        replaced_T = pick_W[word_T] > 0
        return cls(
            ids_T=options.ids[positions(options.offsets[option_W], sizes_W)],
            text_T=text_W[word_T],
            place_T=place_W[word_T] + inside_T,
            sizes_N=sizes_N,
            replaced_N=np.bincount(text_W[pick_W > 0], minlength=len(counts)) > 0,
            own_T=own_W[word_T] + np.where(replaced_T, 0, inside_T),
            added_T=replaced_T & (inside_T > 0),
        )

    def targets(self, old_T: Ints, first_N: Ints, unasked: int) -> Ints:
        """What each token is asked for, from the targets of the rows as they were and each text's first token there."""
        return np.where(self.added_T, unasked, old_T[first_N[self.text_T] + self.own_T])


def _places(sizes_W: Ints, counts_N: Ints) -> tuple[Ints, Ints]:
    """Where each word begins in its text, and the tokens of every text."""
    ends = np.concatenate([[0], np.cumsum(sizes_W)])
    edges = ends[np.concatenate([[0], np.cumsum(counts_N)])]
    return ends[:-1] - np.repeat(edges[:-1], counts_N), np.diff(edges)
