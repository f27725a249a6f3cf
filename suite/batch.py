"""Batches without padding: the tokens of all texts one after another, and the index arithmetic that attention needs.

Shape legend: T tokens in the batch, B texts, D hidden size, L longest text of a group, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

GROUP_ROWS, GROUP_SLOTS = 8, 512
"""Texts that attend in one padded block: as many as fill 512 slots, and at least 8. Attention works on L x L scores, so
long texts attend in small blocks of neighbours in length (at 32 texts of SIB-200, four blocks of 8 hold 2.7 times fewer
scores than one), short ones in large blocks that call fewer operations."""


@dataclass(frozen=True, slots=True)
class Group:
    """Texts of similar length that attend together, padded to the longest of them."""

    start: int
    """First token of the group in the packed batch; its tokens are contiguous."""
    stop: int
    rows: int
    length: int
    slots_T: Tensor | None
    """Slot of each token in the padded block of `rows * length`; none (as below) when all texts are equally long."""
    pad_BL: Tensor | None
    """Token of the group that fills each slot, flat; padding slots repeat token 0."""
    hide_BL: Tensor | None
    """True at padding, [rows, length]."""


@dataclass(frozen=True)
class Batch:
    """Texts as packed tokens. There is no padding, so no method can perturb it."""

    ids_T: Tensor
    """Token ids, the texts one after another, int64."""
    lengths: tuple[int, ...]
    """Tokens of each text, longest first or in any order; neighbours share an attention block."""
    special_T: Tensor
    """True at special tokens, which are never perturbed."""
    labels_B: Tensor
    """Label of each text; of a choice, 1 where it is the right one."""
    targets_T: Tensor | None = None
    """What each token is asked for, where tokens are (`suite.kinds` says what the numbers mean)."""
    items_B: Tensor | None = None
    """Which item of the batch each text is a choice of, where items have several texts."""
    types_T: Tensor | None = None
    """Segment ids of sentence pairs where the model has them."""
    rows: tuple[int, ...] = ()
    """Rows of the training set the texts come from."""
    group_rows: int | None = None
    """Texts per attention block; none decides by length."""

    def __len__(self) -> int:
        return len(self.lengths)

    # What is kept may be needed under gradients later, which refuse what was made in inference mode.

    @cached_property
    @torch.inference_mode(False)
    def sentence_T(self) -> Tensor:
        """Index of the text each token belongs to."""
        return torch.from_numpy(np.repeat(np.arange(len(self.lengths)), self.lengths)).to(self.ids_T.device)

    @cached_property
    @torch.inference_mode(False)
    def position_T(self) -> Tensor:
        """Position of each token in its text, from 0."""
        return torch.from_numpy(np.concatenate([np.arange(n) for n in self.lengths])).to(self.ids_T.device)

    @cached_property
    @torch.inference_mode(False)
    def lengths_B(self) -> Tensor:
        """Tokens of each text."""
        return torch.tensor(self.lengths, device=self.ids_T.device)

    @cached_property
    @torch.inference_mode(False)
    def first_B(self) -> Tensor:
        """First token of each text."""
        return torch.from_numpy(np.cumsum((0, *self.lengths[:-1]))).to(self.ids_T.device)

    @cached_property
    @torch.inference_mode(False)
    def free_B(self) -> Tensor:
        """Tokens of each text that are not special, and so may be perturbed."""
        return sum_by_text((~self.special_T).to(torch.int64), self)

    @cached_property
    @torch.inference_mode(False)
    def groups(self) -> tuple[Group, ...]:
        """The batch cut into attention blocks of neighbouring texts."""
        blocks, start = [], 0
        first = 0
        while first < len(self.lengths):
            rows = self.group_rows or max(GROUP_ROWS, GROUP_SLOTS // self.lengths[first])
            lengths = self.lengths[first : first + rows]
            stop = start + sum(lengths)
            blocks.append(_group(lengths, start, stop, self.ids_T.device))
            start, first = stop, first + rows
        return tuple(blocks)


def _group(lengths: Sequence[int], start: int, stop: int, device: torch.device) -> Group:
    rows, longest = len(lengths), max(lengths)
    if min(lengths) == longest:
        return Group(start, stop, rows, longest, None, None, None)
    real = np.arange(longest)[None, :] < np.asarray(lengths)[:, None]
    slots = np.flatnonzero(real)
    pad = np.zeros(rows * longest, dtype=np.int64)
    pad[slots] = np.arange(stop - start)
    slots_T, pad_BL, hide_BL = (torch.from_numpy(a).to(device) for a in (slots, pad, ~real))
    return Group(start, stop, rows, longest, slots_T, pad_BL, hide_BL)


def sum_by_text(values_T: Tensor, batch: Batch) -> Tensor:
    """Sum of a per-token quantity over each text: [T, ...] to [B, ...]."""
    sums = values_T.new_zeros((len(batch), *values_T.shape[1:]))
    return sums.index_add(0, batch.sentence_T, values_T)


def cross_entropy_within(scores_N: Tensor, parts_N: Tensor, right_N: Tensor, parts: int) -> Tensor:
    """Mean over parts of the cross-entropy of choosing a part's right one among all that are in it.

    Args:
        scores_N: A score of each candidate.
        parts_N: Which part (item, text) each candidate belongs to, 0 to `parts` - 1; no part is empty.
        right_N: True at the right candidate, one in each part.
        parts: Number of parts.
    """
    highest_P = scores_N.detach().new_full((parts,), -torch.inf)
    highest_P = highest_P.scatter_reduce(0, parts_N, scores_N.detach(), "amax")
    sums_P = scores_N.new_zeros(parts).index_add(0, parts_N, (scores_N - highest_P[parts_N]).exp())
    return (sums_P.log() + highest_P).sum().sub(scores_N[right_N].sum()) / parts


def mean_by_text(hidden_TD: Tensor, batch: Batch) -> Tensor:
    """Mean over the tokens of each text, special tokens included: [T, D] to [B, D] (mean pooling as in E5)."""
    return sum_by_text(hidden_TD, batch) / batch.lengths_B[:, None].to(hidden_TD.dtype)
