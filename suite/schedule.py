"""Which items an update sees and how far it goes, as pure functions of the seed and the recipe."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from suite.seeding import Streams


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Which items each update sees, and its learning rate: a pure function of the seed and the recipe."""

    examples: int
    batch_size: int
    epochs: int
    warmup: float
    streams: Streams

    @property
    def steps_per_epoch(self) -> int:
        """Updates per epoch; the last batch may be smaller."""
        return math.ceil(self.examples / self.batch_size)

    @property
    def steps(self) -> int:
        """Updates in all."""
        return self.epochs * self.steps_per_epoch

    def items(self, step: int) -> NDArray[np.int64]:
        """Items of update `step` (from 0): every epoch is a fresh permutation."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = _permutation(self.streams, epoch, self.examples)
        return order[place * self.batch_size : (place + 1) * self.batch_size]

    def rate(self, step: int) -> float:
        """Share of the peak learning rate at update `step`: linear warm-up, then linear decay to 0."""
        warm = math.ceil(self.warmup * self.steps)
        if step < warm:
            return (step + 1) / warm
        return (self.steps - step) / max(1, self.steps - warm)


def validation_points(steps: int, count: int) -> list[int]:
    """Of so many updates those after which the validation metric is measured; the last is the end."""
    return sorted({max(1, round(steps * (i + 1) / count)) for i in range(count)})


def part_streams(streams: Streams, part: int) -> Streams:
    """The random streams of one part of a batch (from 0), in which each of its updates has its own place.

    The first part's are the run's own, so that a batch in one part draws what it always did.
    """
    return streams if part == 0 else Streams(streams.key("order", "part", part))


@lru_cache(maxsize=2)
def _permutation(streams: Streams, epoch: int, examples: int) -> NDArray[np.int64]:
    return streams.numpy("order", epoch).permutation(examples)
