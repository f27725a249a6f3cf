"""Named random streams: every draw has a seed, a purpose and a step, so methods at one seed see the same world.

A stream is a pure function of (seed, purpose, step): nothing is carried from step to step, so a run that is stopped
and resumed draws what the uninterrupted run would have drawn, and a method that draws more does not shift the others.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch

from suite.naming import unknown

Purpose = Literal["init", "order", "dropout", "noise", "augment", "attack", "sampler"]


@dataclass(frozen=True, slots=True)
class Streams:
    """The random streams of one run."""

    seed: int

    def key(self, purpose: Purpose, *position: int | str) -> int:
        """A 128-bit key for a purpose at a position (step, pass, layer, ...)."""
        if purpose not in get_args(Purpose):
            raise ValueError(unknown("stream", purpose, get_args(Purpose)))
        text = f"{self.seed}/{purpose}/{'/'.join(map(str, position))}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")

    def numpy(self, purpose: Purpose, *position: int | str) -> np.random.Generator:
        """A NumPy generator (SFC64, the fastest of NumPy's) for a purpose at a position."""
        return np.random.Generator(np.random.SFC64(self.key(purpose, *position)))

    def torch(self, purpose: Purpose, *position: int | str) -> torch.Generator:
        """A PyTorch CPU generator for a purpose at a position."""
        return torch.Generator().manual_seed(self.key(purpose, *position) >> 65)


def gaussian(shape: tuple[int, ...], rng: np.random.Generator, *, like: torch.Tensor) -> torch.Tensor:
    """Standard normal noise on the device and in the dtype of `like`, drawn on the CPU so that devices agree."""
    noise = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    return noise.to(device=like.device, dtype=like.dtype)


def uniform(shape: tuple[int, ...], rng: np.random.Generator, *, like: torch.Tensor) -> torch.Tensor:
    """Uniform noise in [0, 1) on the device and in the dtype of `like`, drawn on the CPU so that devices agree."""
    return torch.from_numpy(rng.random(shape, dtype=np.float32)).to(device=like.device, dtype=like.dtype)
