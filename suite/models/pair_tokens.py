"""Tokens of many blocks of pairs, every distinct text tokenised once however many pairs it stands in.

A cross-encoder reads both texts of a pair together, so nothing of its own work can be shared between pairs; the
tokenizer's can: a text in all pairs of languages of a study of 15 would be tokenised 29 times over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.models.tokens import AT_ONCE, TokenRows, join_rows, positions, rows_from_lists

Ints = NDArray[np.int64]
Pairs = tuple[Sequence[str], Sequence[str]]
"""First and second texts."""


def encode_pairs(tokenizer: Any, blocks: Sequence[Pairs], max_length: int, prefix: str = "") -> list[TokenRows]:
    """What `encode` makes of each block of pairs, each distinct text tokenised once.

    Args:
        tokenizer: A fast Hugging Face tokenizer.
        blocks: First and second texts of every block.
        max_length: Tokens kept of a pair, special tokens included.
        prefix: Put before every first text.
    """
    named = [([prefix + text for text in first], second) for first, second in blocks]
    place: dict[str, int] = {}
    for texts in (texts for pair in named for texts in pair):
        for text in texts:
            place.setdefault(text, len(place))
    if not place:
        return []
    bodies = _bodies(tokenizer, list(place))
    frame = Frame.of(tokenizer)
    at = [tuple(np.array([place[text] for text in texts], dtype=np.int64) for texts in pair) for pair in named]
    return [frame.join(bodies, first, second, max_length) for first, second in at]


def _bodies(tokenizer: Any, texts: list[str]) -> TokenRows:
    """Tokens of single texts without special tokens, none cut."""
    parts = []
    for start in range(0, len(texts), AT_ONCE):
        some = texts[start : start + AT_ONCE]
        ids = tokenizer(some, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
        parts.append(rows_from_lists(ids, [[0] * len(row) for row in ids], None))
    return join_rows(parts)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Frame:
    """What a tokenizer puts around and between the two texts of a pair."""

    ids: tuple[Ints, Ints, Ints]
    """Special tokens before, between and after."""
    types: tuple[Ints, Ints, Ints]
    """Their segments."""
    sides: tuple[int, int]
    """Segments of the two texts."""

    @classmethod
    def of(cls, tokenizer: Any) -> Frame:
        """Read off a pair that the tokenizer encodes whole."""
        out = tokenizer("a", "a", return_token_type_ids=True)
        ids, types = (np.array(out[name], dtype=np.int64) for name in ("input_ids", "token_type_ids"))
        sides = out.sequence_ids()  # none for special tokens, so the first text's tokens are its first run of zeros
        first, second = sides.index(0), sides.index(1)
        cuts = [first, first + sides.count(0), second, second + sides.count(1)]
        return cls(
            ids=(ids[: cuts[0]], ids[cuts[1] : cuts[2]], ids[cuts[3] :]),
            types=(types[: cuts[0]], types[cuts[1] : cuts[2]], types[cuts[3] :]),
            sides=(int(types[first]), int(types[second])),
        )

    def join(self, bodies: TokenRows, first: Ints, second: Ints, max_length: int) -> TokenRows:
        """Pairs of texts, given as rows of `bodies`, cut to `max_length` tokens together, the longer first."""
        special = np.concatenate(self.ids)
        starts, sizes = len(bodies.ids) + np.cumsum([0, *map(len, self.ids)])[:3], [len(part) for part in self.ids]
        whole = np.stack([bodies.lengths[first], bodies.lengths[second]], axis=1)
        kept = truncated_lengths(whole, max_length - len(special)).T
        rows = np.ones(len(first), dtype=np.int64)
        begins = [rows * starts[0], bodies.offsets[first], rows * starts[1], bodies.offsets[second], rows * starts[2]]
        lengths = np.stack([rows * sizes[0], kept[0], rows * sizes[1], kept[1], rows * sizes[2]], axis=1)
        at = positions(np.stack(begins, axis=1).ravel(), lengths.ravel())
        types = np.concatenate([np.zeros_like(bodies.ids), *self.types])[at]
        types += np.repeat(np.tile([0, self.sides[0], 0, self.sides[1], 0], len(first)), lengths.ravel())
        return TokenRows(
            ids=np.concatenate([bodies.ids, special])[at],
            special=at >= len(bodies.ids),
            types=types,
            offsets=np.concatenate([[0], np.cumsum(lengths.sum(1))]),
        )


def truncated_lengths(lengths: Ints, room: Ints | int) -> Ints:
    """Tokens kept of the text of every row, or of its two, so that they fit in its room: the longer gives way first.

    As the strategy `longest_first` of the library `tokenizers`.

    Args:
        lengths: Tokens of every row's texts, [rows, 1 or 2].
        room: Tokens that every row has room for, [rows] or one number.
    """
    if lengths.shape[1] == 1:
        alone: Ints = np.minimum(lengths, np.reshape(room, (-1, 1)))
        return alone
    first, second = lengths.T
    short = np.minimum(np.minimum(first, second), room // 2)
    left = np.where(first <= second, short, room - short)
    return np.where((first + second <= room)[:, None], lengths, np.stack([left, room - left], axis=1))
