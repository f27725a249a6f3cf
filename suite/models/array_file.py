"""Arrays that grow with a training set: written piece by piece into a file, and read through a map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.tasks.cache import scratch_file


class ArrayFile:
    """An array in an unnamed file, its pieces one after another along the first axis."""

    def __init__(self) -> None:
        """Open the file, which is gone when nothing maps it.

        Raises:
            OSError: it cannot be made; `add` raises it where it cannot be written, such as on a full disk.
        """
        self._file = scratch_file()
        self._like: NDArray[Any] = np.zeros(0)
        self._rows = 0

    def add(self, piece: NDArray[Any]) -> None:
        """Write a piece; all have the type of the first, and its shape but for the first axis."""
        if not self._rows:
            self._like = piece[:0].copy()
        if piece.dtype != self._like.dtype or piece.shape[1:] != self._like.shape[1:]:
            raise ValueError(
                f"pieces of an array are alike, got {piece.dtype} {piece.shape} after {self._like.dtype} "
                f"{self._like.shape}"
            )
        self._file.write(piece.tobytes())
        self._rows += len(piece)

    def mapped(self) -> NDArray[Any]:
        """All that was written, read-only; nothing can be added afterwards."""
        with self._file as file:
            file.flush()
            if not file.tell():  # nothing cannot be mapped
                return self._like
            shape = (self._rows, *self._like.shape[1:])
            return np.asarray(np.memmap(file, dtype=self._like.dtype, mode="r", shape=shape))
