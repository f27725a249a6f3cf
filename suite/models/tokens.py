"""Tokenised texts in flat arrays: encoded once, remapped to the kept vocabulary, cut into packed batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from suite.batch import Batch

AT_ONCE = 2_000
"""Texts that are tokenised together: until they are numbers in arrays, a token takes 100 bytes and more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRows:
    """Token ids of many texts, one after another."""

    ids: NDArray[np.int64]
    special: NDArray[np.bool_]
    types: NDArray[np.int64] | None
    """Segment ids of sentence pairs; none where the model has one segment."""
    offsets: NDArray[np.int64]
    """Row i is `ids[offsets[i]:offsets[i + 1]]`."""
    targets: NDArray[np.int64] | None = None
    """What each token is asked for; none where only texts are asked."""
    rows_per_item: int = 1
    """So many rows one after another are the choices of one item."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text."""
        return np.diff(self.offsets)

    def lengths_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tokens of some texts; unlike `lengths` it looks at no other text."""
        found: NDArray[np.int64] = self.offsets[rows + 1] - self.offsets[rows]
        return found

    @property
    def items(self) -> int:
        """Number of items: of rows, unless several rows make one."""
        return len(self) // self.rows_per_item

    def rows_of(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of some items, item after item."""
        rows: NDArray[np.int64] = (items[:, None] * self.rows_per_item + np.arange(self.rows_per_item)).ravel()
        return rows

    def with_ids(self, ids: NDArray[np.int64]) -> TokenRows:
        """The same texts with other ids, such as their rows in a trimmed embedding table."""
        return replace(self, ids=ids)

    def take(self, rows: NDArray[np.int64]) -> TokenRows:
        """Some of the texts, in the order asked for; of items of several rows, whole ones."""
        at = self.indices(rows)
        return replace(
            self,
            ids=self.ids[at],
            special=self.special[at],
            types=None if self.types is None else self.types[at],
            offsets=np.concatenate([[0], np.cumsum(self.lengths_of(rows))]),
            targets=None if self.targets is None else self.targets[at],
        )

    def indices(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions in `ids` of the tokens of some rows, row after row."""
        return positions(self.offsets[rows], self.lengths_of(rows))

    def distinct(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first of all rows of the same tokens, and which of these each row is like."""
        place: dict[bytes, int] = {}
        spans = zip(self.offsets[:-1], self.offsets[1:], strict=True)
        like = np.array([place.setdefault(self.ids[a:b].tobytes(), len(place)) for a, b in spans], dtype=np.int64)
        return np.unique(like, return_index=True)[1], like

    def batch(
        self,
        rows: NDArray[np.int64],
        labels: NDArray[np.int64],
        *,
        device: torch.device | None = None,
        group_rows: int | None = None,
    ) -> Batch:
        """Pack some rows, longest first (so that neighbours in length attend together).

        Args:
            rows: Row numbers, in any order; of items of several rows, whole ones.
            labels: Label of every row of this table (not only of the chosen ones).
            device: Where the tensors go.
            group_rows: Texts per attention block; none decides by length.
        """
        rows = rows[np.argsort(-self.lengths_of(rows), kind="stable")]
        at = self.indices(rows)
        to = device or torch.device("cpu")
        items = None if self.rows_per_item == 1 else np.unique(rows // self.rows_per_item, return_inverse=True)[1]

        def tensor(column: NDArray[Any] | None) -> torch.Tensor | None:
            return None if column is None else torch.from_numpy(column).to(to)

        return Batch(
            ids_T=torch.from_numpy(self.ids[at]).to(to),
            lengths=tuple(self.lengths_of(rows).tolist()),
            special_T=torch.from_numpy(self.special[at]).to(to),
            labels_B=torch.from_numpy(labels[rows]).to(to),
            targets_T=tensor(None if self.targets is None else self.targets[at]),
            items_B=tensor(items),
            types_T=tensor(None if self.types is None else self.types[at]),
            rows=tuple(rows.tolist()),
            group_rows=group_rows,
        )


def positions(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every position of spans, one span after another."""
    found: NDArray[np.int64] = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    return found


def join_rows(tables: Sequence[TokenRows]) -> TokenRows:
    """Several tables one after another."""
    sizes = np.concatenate([[0], *(t.lengths for t in tables)])
    if len({t.rows_per_item for t in tables}) > 1:
        raise ValueError("tables whose items have different numbers of rows cannot be joined")
    return TokenRows(
        ids=np.concatenate([t.ids for t in tables]),
        special=np.concatenate([t.special for t in tables]),
        types=_joined([t.types for t in tables], "segment ids"),
        offsets=np.cumsum(sizes),
        targets=_joined([t.targets for t in tables], "targets"),
        rows_per_item=tables[0].rows_per_item if tables else 1,
    )


def _joined(columns: Sequence[NDArray[np.int64] | None], what: str) -> NDArray[np.int64] | None:
    there = [column for column in columns if column is not None]
    if there and len(there) != len(columns):
        raise ValueError(f"tables with and without {what} cannot be joined")
    return np.concatenate(there) if there else None


def rows_from_lists(
    ids: Sequence[Sequence[int]], special: Sequence[Sequence[int]], types: Sequence[Sequence[int]] | None
) -> TokenRows:
    """Flatten lists of token ids."""
    lengths = [len(row) for row in ids]
    total = sum(lengths)

    def flat(lists: Sequence[Sequence[int]]) -> NDArray[np.int64]:
        return np.fromiter((x for row in lists for x in row), np.int64, total)

    return TokenRows(
        ids=flat(ids),
        special=flat(special).astype(bool),
        types=None if types is None else flat(types),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )


def encode(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, max_length: int, prefix: str = ""
) -> TokenRows:
    """Tokenise texts (or pairs), truncated to `max_length` tokens, special tokens marked.

    Args:
        tokenizer: A fast Hugging Face tokenizer.
        texts: The texts.
        pairs: Second texts of sentence pairs.
        max_length: Tokens kept, special tokens included.
        prefix: Put before every text, such as E5's `query: `.
    """
    parts = [
        _encode(
            tokenizer, texts[i : i + AT_ONCE], None if pairs is None else pairs[i : i + AT_ONCE], max_length, prefix
        )
        for i in range(0, len(texts), AT_ONCE)
    ]
    return join_rows(parts) if parts else _encode(tokenizer, texts, pairs, max_length, prefix)


def _encode(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, max_length: int, prefix: str
) -> TokenRows:
    first = [prefix + t for t in texts] if prefix else list(texts)
    second = None if pairs is None else list(pairs)
    out = tokenizer(
        first,
        second,
        truncation=True,
        max_length=max_length,
        return_special_tokens_mask=True,
        return_attention_mask=False,
        return_token_type_ids=second is not None,
    )
    types = out.get("token_type_ids") if second is not None else None
    return rows_from_lists(out["input_ids"], out["special_tokens_mask"], types)
