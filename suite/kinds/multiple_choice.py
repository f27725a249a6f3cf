"""Multiple choice: every choice is read after what it is a choice for, and the one with the highest score is taken.

A row is a premise with its question, and one choice; the choices of an item are rows one after another. So XTREME-R
reads Social IQa, COPA and XCOPA (Ruder et al. 2021), with the choices scored as BERT's authors did for SWAG (Devlin et
al. 2019, section 4.4).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from suite.batch import Batch, cross_entropy_within
from suite.kinds.classification import choose
from suite.kinds.kind import Columns, Encoded, Kind
from suite.models.pair_tokens import Pairs, encode_pairs
from suite.models.row_words import RowWords, Synonyms, words_of_texts
from suite.tasks.examples import Examples


def _encode(tokenizer: Any, blocks: Sequence[Examples], max_length: int, prefix: str) -> list[Encoded]:
    encoded = encode_pairs(tokenizer, [_pairs(block) for block in blocks], max_length, prefix)
    return [
        Encoded(examples=b, rows=dataclasses.replace(rows, rows_per_item=_size(b)), labels=_right(b))
        for b, rows in zip(blocks, encoded, strict=True)
    ]


def _pairs(block: Examples) -> Pairs:
    """What is asked and a choice, item after item; a block without questions asks by its texts alone."""
    choices = block.choices or ()
    asked = block.texts
    if block.pairs is not None:
        asked = tuple(f"{text} {question}" for text, question in zip(block.texts, block.pairs, strict=True))
    first = [text for text, own in zip(asked, choices, strict=True) for _ in own]
    return first, [choice for own in choices for choice in own]


def _size(block: Examples) -> int:
    """Choices of an item, the same for all."""
    return len((block.choices or ((),))[0])


def _right(block: Examples) -> NDArray[np.int64]:
    """1 at the row of every item's right choice, 0 at the others."""
    marks = np.zeros((len(block), _size(block)), dtype=np.int64)
    marks[np.arange(len(block)), block.labels] = 1
    return marks.ravel()


def _words(tokenizer: Any, block: Encoded, max_length: int, prefix: str, synonyms: Synonyms) -> RowWords:
    return words_of_texts(tokenizer, *_pairs(block.examples), prefix, synonyms)


def _loss(scores_B1: Tensor, batch: Batch) -> Tensor:
    assert batch.items_B is not None  # rows of one choice each are no choice
    items = int(batch.items_B.max()) + 1
    return cross_entropy_within(scores_B1[:, 0], batch.items_B, batch.labels_B == 1, items)


def _decode(block: Encoded, scores_R1: NDArray[np.float32]) -> Columns:
    return choose(block.examples.labels, scores_R1.reshape(len(block.examples), -1))


MULTIPLE_CHOICE = Kind(
    name="multiple choice",
    metrics=("accuracy",),  # which place the right choice has means nothing, so neither does an F1 of places
    columns=("label", "predicted", "gold_probability"),
    encode=_encode,
    outputs=lambda labels: 1,
    loss=_loss,
    decode=_decode,
    words=_words,
    per_example_labels=True,
)
