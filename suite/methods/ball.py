"""Balls around token embeddings: norms, projections, uniform draws. Shapes: [T, D] packed tokens.

A relative radius r is r times the mean token norm u of the untouched checkpoint at the site, and means the same amount
of displacement whichever ball is chosen:

- `l2` per token: every token moves by at most r u;
- `l2` per sentence of n ordinary tokens: the text's Frobenius norm is at most r u sqrt(n);
- `linf`: every coordinate moves by at most r u / sqrt(D), so that a corner of the box moves a token by r u.

Special tokens have no ball: they are neither drawn nor counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from suite.batch import Batch, sum_by_text
from suite.seeding import gaussian, uniform

NORMS = ("l2", "linf")
EXTENTS = ("token", "sentence")


@dataclass(frozen=True, slots=True)
class Ball:
    """A ball of absolute radius `radius` (in units of a token's L2 norm) around every token or text."""

    radius: float
    norm: str = "l2"
    per: str = "token"

    def __post_init__(self) -> None:
        if self.radius < 0:
            raise ValueError(f"a radius is not negative, got {self.radius}")
        if self.norm not in NORMS:
            raise ValueError(f"norm is one of {', '.join(NORMS)}, got {self.norm!r}")
        if self.per not in EXTENTS:
            raise ValueError(f"per is one of {', '.join(EXTENTS)}, got {self.per!r}")

    def project(self, delta_TD: Tensor, batch: Batch) -> Tensor:
        """The nearest point of the ball."""
        if self.norm == "linf":
            bound = self.radius / math.sqrt(delta_TD.shape[1])
            return delta_TD.clamp(-bound, bound)
        size, bound_T1 = self._size(delta_TD, batch)
        return delta_TD * torch.where(size > bound_T1, bound_T1 / size, torch.ones_like(size))

    def ascend(self, grad_TD: Tensor, batch: Batch, step: float) -> Tensor:
        """Steepest ascent of length `step` (in units of the radius's own norm) along a gradient.

        A token (or text) whose gradient is exactly zero does not move.
        """
        if self.norm == "linf":
            return grad_TD.sign() * (step / math.sqrt(grad_TD.shape[1]))
        size, _ = self._size(grad_TD, batch)
        length = step * self._spread(batch, grad_TD)
        return grad_TD * torch.where(size > 0, length / size, torch.zeros_like(size))

    def draw(self, like_TD: Tensor, batch: Batch, rng: np.random.Generator) -> Tensor:
        """A point drawn uniformly from the ball: a direction, and a length with density proportional to its power."""
        shape, free_T1 = tuple(like_TD.shape), (~batch.special_T)[:, None].to(like_TD.dtype)
        if self.norm == "linf":
            return (uniform(shape, rng, like=like_TD) * 2 - 1) * (self.radius / math.sqrt(shape[1])) * free_T1
        direction = gaussian(shape, rng, like=like_TD) * free_T1
        size, bound = self._size(direction, batch)
        if self.per == "token":
            dimension, draws = torch.full_like(size, float(shape[1])), uniform((shape[0], 1), rng, like=like_TD)
        else:
            dimension = (batch.free_B.to(size.dtype) * shape[1])[batch.sentence_T, None]
            draws = uniform((len(batch), 1), rng, like=like_TD)[batch.sentence_T]
        return direction * torch.where(size > 0, bound * draws ** (1 / dimension) / size, torch.zeros_like(size))

    def _size(self, x_TD: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """L2 norm per token or text, and the bound on it, both [T, 1]."""
        if self.per == "token":
            size = torch.linalg.vector_norm(x_TD, dim=1, keepdim=True)
        else:
            size = sum_by_text(x_TD.square().sum(1), batch).sqrt()[batch.sentence_T, None]
        return size, self.radius * self._spread(batch, x_TD).expand_as(size)

    def _spread(self, batch: Batch, like: Tensor) -> Tensor:
        """1 per token, sqrt(n) per sentence of n ordinary tokens."""
        if self.per == "token":
            return like.new_ones(1, 1)
        return batch.free_B.to(like.dtype).sqrt()[batch.sentence_T, None]
