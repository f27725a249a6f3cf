"""What a kind of task consists of, and a block of its examples as tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from suite.batch import Batch
from suite.models.row_words import RowWords, Synonyms
from suite.models.tokens import TokenRows
from suite.tasks.examples import Examples
from suite.tasks.types import TaskKind

Columns = dict[str, NDArray[Any]]
"""Columns of the predictions' table beside the ids, one value per example."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Encoded:
    """A block of examples as rows of tokens."""

    examples: Examples
    rows: TokenRows
    labels: NDArray[np.int64]
    """Label of every row; of a choice, 1 where it is the right one."""
    example_of: NDArray[np.int64] | None = None
    """Which example each row is of, where an example has as many rows as its length takes; none is one row each, or
    `rows.rows_per_item`."""
    marks: NDArray[np.int64] | None = None
    """What decoding needs to know of every token, [T, k]."""

    def __len__(self) -> int:
        """Number of items that a training batch is made of."""
        return self.rows.items

    def with_ids(self, ids: NDArray[np.int64]) -> Encoded:
        """The same block with other token ids."""
        return replace(self, rows=self.rows.with_ids(ids))

    def take(self, examples: Examples) -> Encoded:
        """Some of the examples, in their order."""
        place = {name: i for i, name in enumerate(self.examples.ids)}
        wanted = np.array([place[name] for name in examples.ids], dtype=np.int64)
        if self.example_of is None:
            rows, example_of = self.rows.rows_of(wanted), None
        else:
            own = [np.flatnonzero(self.example_of == i) for i in wanted]
            rows = np.concatenate([np.zeros(0, dtype=np.int64), *own])
            example_of = np.repeat(np.arange(len(own)), [len(some) for some in own])
        return replace(
            self,
            examples=examples,
            rows=self.rows.take(rows),
            labels=self.labels[rows],
            example_of=example_of,
            marks=None if self.marks is None else self.marks[self.rows.indices(rows)],
        )


Encode = Callable[[Any, Sequence[Examples], int, str], list[Encoded]]
"""(fast tokenizer, blocks, most tokens of a row, prefix of every text) -> each block as tokens."""
Words = Callable[[Any, Encoded, int, str, Synonyms], RowWords]
"""(fast tokenizer, block with its ids, most tokens of a row, prefix, synonyms) -> the words that may be replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How a task of this kind is read, learnt, answered and scored."""

    name: TaskKind
    metrics: tuple[str, ...]
    """Entries of `suite.scores.METRICS` that every block is scored by."""
    columns: tuple[str, ...]
    """Columns of the predictions' table beside the ids, entries of `suite.records.PREDICTION_COLUMNS`."""
    encode: Encode
    outputs: Callable[[int], int]
    """Number of labels -> outputs of the head."""
    loss: Callable[[Tensor, Batch], Tensor]
    """(outputs of the head, batch) -> the scalar that training minimises and an attack maximises."""
    decode: Callable[[Encoded, NDArray[np.float32]], Columns]
    """(block, outputs of the head [rows or tokens, ...]) -> predictions."""
    words: Words | None = None
    """The words of every row, for data augmentation; none for what trains nothing."""
    unasked: int = 0
    """Target of a token that is asked for nothing."""
    weight: Callable[[Batch], int] = len
    """How many terms the loss of a batch is the mean of (texts, or as many for every item, unless the kind says
    otherwise): so much a part of a batch counts in the gradient of the whole."""
    note: Callable[[Encoded], str] | None = None
    """What reading a block as tokens had to change, with counts; for kinds that cut no text short."""
    per_token: bool = False
    """Whether the head reads every token's last state instead of the text's pooled one."""
    embeds: bool = False
    """Whether it is answered from the texts' pooled states, without a head; such a task trains nothing."""
    one_label: bool = False
    """Whether a text has one label, on which noisy copies can vote and which an attack on words can change."""
    per_example_labels: bool = False
    """Whether the answers are an example's own (choices, spans), so that tasks need not share a set of labels."""

    def selects_by(self, metric: str) -> str:
        """The metric that selects a model of this kind in a study of `metric`: that one, or the kind's first."""
        return metric if metric in self.metrics else self.metrics[0]
