"""Large blocks as tokens: encoded some examples at a time into files, so that memory does not grow with the block."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.kinds.kind import Encoded, Kind
from suite.models.array_file import ArrayFile
from suite.models.tokens import TokenRows
from suite.tasks.examples import Examples

SLICE = 10_000
"""Examples of a slice. A text that stands in several slices is tokenised in each."""

Arrays = dict[str, NDArray[Any]]


def sliceable(block: Examples) -> bool:
    """Whether a block has several slices; one with candidates, which belong to all its queries, has none."""
    return len(block) > SLICE and not block.candidates


def encode_sliced(kind: Kind, tokenizer: Any, block: Examples, max_length: int, prefix: str) -> Encoded:
    """What `kind.encode` makes of a block of at least one example, number for number, its arrays in mapped files.

    Raises:
        OSError: the files cannot be written, such as on a full disk.
    """
    files: dict[str, ArrayFile] = {}
    for start in range(0, len(block), SLICE):
        some = block.rows(range(start, min(start + SLICE, len(block))))
        (encoded,) = kind.encode(tokenizer, [some], max_length, prefix)
        for name, piece in _pieces(encoded, start).items():
            files.setdefault(name, ArrayFile()).add(piece)
    arrays = {name: file.mapped() for name, file in files.items()}
    arrays["offsets"] = np.concatenate([[0], np.cumsum(arrays.pop("lengths"))])
    return from_arrays(block, arrays, encoded.rows.rows_per_item)


def _pieces(encoded: Encoded, start: int) -> Arrays:
    """The arrays of a slice that begins at an example, as pieces of the whole block's."""
    pieces = to_arrays(encoded)
    del pieces["offsets"]
    if encoded.example_of is not None:
        pieces["example_of"] = encoded.example_of + start
    return pieces | {"lengths": encoded.rows.lengths}


def to_arrays(encoded: Encoded) -> Arrays:
    """All that a block consists of besides its examples and `rows.rows_per_item`."""
    rows = encoded.rows
    arrays: dict[str, NDArray[Any] | None] = {
        "ids": rows.ids,
        "special": rows.special.view(np.uint8),
        "types": rows.types,
        "offsets": rows.offsets,
        "targets": rows.targets,
        "labels": encoded.labels,
        "example_of": encoded.example_of,
        "marks": encoded.marks,
    }
    return {name: array for name, array in arrays.items() if array is not None}


def from_arrays(block: Examples, arrays: Arrays, rows_per_item: int) -> Encoded:
    """The inverse of `to_arrays`; KeyError names an array that is missing."""
    rows = TokenRows(
        ids=arrays["ids"],
        special=arrays["special"].view(np.bool_),
        types=arrays.get("types"),
        offsets=arrays["offsets"],
        targets=arrays.get("targets"),
        rows_per_item=rows_per_item,
    )
    own = {name: arrays.get(name) for name in ("example_of", "marks")}
    return Encoded(examples=block, rows=rows, labels=arrays["labels"], **own)
