"""Columns of text that lie in a file: read through a map and decoded where they are read, never held whole.

A text of XNLI's training set takes 49 bytes and more besides its characters as an object of Python, and all 785,404 of
them 200 MB; as columns of a mapped file they take none, and reading one costs 0.1 us in order and 1.5 us anywhere.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar, overload

from suite.tasks.cache import scratch_file

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

T = TypeVar("T")

DECODED = 10_000
"""Texts that are objects of Python at once when a column is read in order."""


class TextColumn(Sequence[str]):
    """Some rows of a column of an Arrow table; where the table is mapped, in the memory of the file alone."""

    __slots__ = ("_column", "_rows")

    def __init__(self, column: pa.ChunkedArray, rows: NDArray[np.int64] | None = None) -> None:
        """Hold a column, or those of its rows that are given, in that order."""
        self._column = column
        self._rows = rows

    def __len__(self) -> int:
        return len(self._column) if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> TextColumn: ...

    def __getitem__(self, at: int | slice) -> str | TextColumn:
        """A text, or a part of the column that is no copy."""
        if isinstance(at, slice):
            return self.take(range(len(self))[at])
        row = range(len(self))[at]
        text: str = self._column[row if self._rows is None else int(self._rows[row])].as_py()
        return text

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), DECODED):
            if self._rows is None:
                yield from self._column.slice(start, DECODED).to_pylist()
            else:  # Arrow's own `take` copies the whole column together first
                yield from (self._column[row].as_py() for row in self._rows[start : start + DECODED].tolist())

    def __eq__(self, other: object) -> bool:
        """Whether another sequence has the same texts in the same order."""
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # equal to tuples, whose hash it cannot have cheaply

    def take(self, rows: Sequence[int]) -> TextColumn:
        """Some of the texts, in the order asked for, as a view."""
        import numpy as np

        if isinstance(rows, range) and rows.step == 1 and self._rows is None:
            return TextColumn(self._column.slice(rows.start, len(rows)))
        at = np.asarray(rows, dtype=np.int64)
        return TextColumn(self._column, at if self._rows is None else self._rows[at])


def pick(column: Sequence[T], rows: Sequence[int]) -> tuple[T, ...]:
    """Some cells of a column, in the order asked for."""
    return tuple(column[i] for i in rows)


def pick_texts(column: Sequence[str], rows: Sequence[int]) -> Sequence[str]:
    """Some texts of a column, in the order asked for: a view where the column is a `TextColumn`."""
    return column.take(rows) if isinstance(column, TextColumn) else pick(column, rows)


def map_tables(tables: Iterable[pa.Table]) -> pa.Table:
    """Arrow tables of one schema as one that lies in a file and is mapped; one of them is held at a time.

    Raises:
        OSError: no file can be written, such as on a full disk.
    """
    import pyarrow as pa

    writer: pa.RecordBatchStreamWriter | None = None
    with scratch_file() as file:
        for table in tables:
            writer = writer or pa.ipc.new_stream(file, table.schema)
            writer.write_table(table)
        if writer is None:
            return pa.table({})
        writer.close()
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    pa.default_memory_pool().release_unused()  # Arrow keeps what it decoded the file in: 90 MB of XNLI's
    return pa.ipc.open_stream(pa.py_buffer(mapped)).read_all()
