"""Classification of texts and of sentence pairs: one label each, from the mean of the last states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from suite.batch import Batch
from suite.kinds.kind import Columns, Encoded, Kind
from suite.models.pair_tokens import encode_pairs
from suite.models.row_words import RowWords, Synonyms, words_of_texts
from suite.models.tokens import encode
from suite.tasks.examples import Examples


def _encode(tokenizer: Any, blocks: Sequence[Examples], max_length: int, prefix: str) -> list[Encoded]:
    joined = [(block.texts, block.pairs) for block in blocks if block.pairs is not None]
    pairs = iter(encode_pairs(tokenizer, joined, max_length, prefix))
    rows = [encode(tokenizer, b.texts, None, max_length, prefix) if b.pairs is None else next(pairs) for b in blocks]
    return [Encoded(examples=b, rows=r, labels=b.labels) for b, r in zip(blocks, rows, strict=True)]


def _words(tokenizer: Any, block: Encoded, max_length: int, prefix: str, synonyms: Synonyms) -> RowWords:
    return words_of_texts(tokenizer, block.examples.texts, block.examples.pairs, prefix, synonyms)


def _loss(logits_BC: Tensor, batch: Batch) -> Tensor:
    return F.cross_entropy(logits_BC, batch.labels_B)


def _decode(block: Encoded, logits_NC: NDArray[np.float32]) -> Columns:
    return choose(block.examples.labels, logits_NC)


def choose(labels_N: NDArray[np.int64], logits_NC: NDArray[np.float32]) -> Columns:
    """The likeliest label of every row, and the softmax probability of the right one."""
    shifted = logits_NC.astype(np.float64) - logits_NC.max(1, keepdims=True)
    log_sum_N = np.log(np.exp(shifted).sum(1))
    return {
        "label": labels_N,
        "predicted": logits_NC.argmax(1),
        "gold_probability": np.exp(shifted[np.arange(len(labels_N)), labels_N] - log_sum_N),
    }


CLASSIFICATION = Kind(
    name="classification",
    metrics=("accuracy", "macro_f1"),
    columns=("label", "predicted", "gold_probability", "certified_radius"),
    encode=_encode,
    outputs=lambda labels: labels,
    loss=_loss,
    decode=_decode,
    words=_words,
    one_label=True,
)
