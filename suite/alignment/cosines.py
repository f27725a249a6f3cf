"""Cosines of every query with every candidate in bounded memory, and the nearest candidates of every query."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

HELD_ROWS = 4096
"""Up to this many rows a cosine matrix is held (64 MiB in float32); above it, blocks are computed anew at each pass."""
BLOCK_CELLS = 2**20
"""Cells of a block: 4 MiB in float32, so that the passes after the matrix product find it in the cache."""
BLOCK_ROWS = 128
"""Rows of a block at least, however many the candidates: thinner products run below the machine's rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The k nearest candidates of every query, nearest first; equal cosines in the order of their indices."""

    values_QK: Tensor
    indices_QK: Tensor


class Cosines:
    """The cosine matrix [Q, C] of unit vectors, read in blocks of rows."""

    def __init__(self, queries_QD: Tensor, candidates_CD: Tensor, *, held_QC: Tensor | None = None) -> None:
        """Take unit vectors, and their product where it is known already."""
        self.queries_QD, self.candidates_CD, self._given_QC = queries_QD, candidates_CD, held_QC

    @cached_property
    def _held_QC(self) -> Tensor | None:
        if self._given_QC is not None:
            return self._given_QC
        if max(len(self.queries_QD), len(self.candidates_CD)) > HELD_ROWS:
            return None
        return self.queries_QD @ self.candidates_CD.T

    @property
    def transposed(self) -> Cosines:
        """Queries and candidates exchanged."""
        held_QC = self._held_QC
        swapped_CQ = None if held_QC is None else held_QC.T.contiguous()
        return Cosines(self.candidates_CD, self.queries_QD, held_QC=swapped_CQ)

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield (rows, cosines of these rows [B, C]); a block may be a view, so it is not to be written to."""
        n_queries, n_candidates = len(self.queries_QD), len(self.candidates_CD)
        step = max(BLOCK_ROWS, BLOCK_CELLS // n_candidates)
        for start in range(0, n_queries, step):
            rows = slice(start, min(start + step, n_queries))
            held_QC = self._held_QC
            yield rows, self.queries_QD[rows] @ self.candidates_CD.T if held_QC is None else held_QC[rows]

    def nearest(self, k: int, *, skip_self: bool = False) -> Nearest:
        """The k nearest candidates of every query; `skip_self` leaves out the candidate of the query's own row."""
        # Written into place: small results kept between large blocks would fragment the heap to many times their size.
        values_QK = self.queries_QD.new_empty(len(self.queries_QD), k)
        indices_QK = torch.empty_like(values_QK, dtype=torch.int64)
        for rows, cosines_BC in self.blocks():
            if skip_self:
                cosines_BC = cosines_BC.clone()
                cosines_BC[:, rows].fill_diagonal_(-math.inf)
            found = top_k(cosines_BC, k)
            values_QK[rows], indices_QK[rows] = found.values_QK, found.indices_QK
        return Nearest(values_QK=values_QK, indices_QK=indices_QK)


def top_k(scores_QC: Tensor, k: int) -> Nearest:
    """The k highest scores of every row, highest first; among equal scores the lowest index comes first.

    `torch.topk` leaves the choice among equal scores open, so one more than k is taken, and the rows in which two of
    these agree (duplicates in the text) are settled apart.
    """
    if k == scores_QC.shape[1]:
        values_QK, indices_QK = scores_QC.sort(dim=1, descending=True, stable=True)
        return Nearest(values_QK=values_QK, indices_QK=indices_QK)
    values_QK, indices_QK = _candidates(scores_QC, k + 1)
    tied_Q = (values_QK[:, 1:] == values_QK[:, :-1]).any(dim=1)
    indices_QK = indices_QK[:, :k].contiguous()
    if tied_Q.any():
        indices_QK[tied_Q] = _lowest_first(scores_QC[tied_Q], values_QK[tied_Q, k - 1 : k], k)
    return Nearest(values_QK=values_QK[:, :k].contiguous(), indices_QK=indices_QK)


def _candidates(scores_QC: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """`torch.topk`, for many candidates in two stages: the k best groups by their maximum hold the k best scores.

    With groups of g the slow selection sees C/g maxima and k*g scores in place of C; g = sqrt(C/k) balances them.
    """
    n_candidates = scores_QC.shape[1]
    size = math.isqrt(n_candidates // k)
    if n_candidates < 2048 or size < 2:
        return _pair(scores_QC.topk(k, dim=1))
    n_groups = n_candidates // size
    grouped_QSG = scores_QC[:, : size * n_groups].view(-1, size, n_groups)
    best_QK = grouped_QSG.amax(dim=1).topk(k, dim=1).indices
    inside_QX = grouped_QSG.gather(2, best_QK[:, None, :].expand(-1, size, -1)).flatten(1)
    offsets_G = n_groups * torch.arange(size, device=scores_QC.device)
    columns_QX = (best_QK[:, None, :] + offsets_G[:, None]).flatten(1)
    rest_R = torch.arange(size * n_groups, n_candidates, device=scores_QC.device)
    columns_QX = torch.cat([columns_QX, rest_R.expand(len(scores_QC), -1)], dim=1)
    values_QK, places_QK = _pair(torch.cat([inside_QX, scores_QC[:, size * n_groups :]], dim=1).topk(k, dim=1))
    return values_QK, columns_QX.gather(1, places_QK)


def _pair(selected: torch.return_types.topk) -> tuple[Tensor, Tensor]:
    return selected.values, selected.indices


def _lowest_first(scores_QC: Tensor, kth_Q1: Tensor, k: int) -> Tensor:
    """The indices of the k highest scores given the k-th of each row, equal scores by index."""
    above_QC, level_QC = scores_QC > kth_Q1, scores_QC == kth_Q1
    room_Q1 = k - above_QC.sum(dim=1, keepdim=True)
    kept_QC = above_QC | (level_QC & (level_QC.cumsum(dim=1) <= room_Q1))
    indices_QK = kept_QC.nonzero()[:, 1].view(-1, k)
    order_QK = scores_QC.gather(1, indices_QK).argsort(dim=1, descending=True, stable=True)
    return indices_QK.gather(1, order_QK)
