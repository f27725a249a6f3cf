"""Arms from a study's records and the predictions beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.comparison.arms import Arm, Block, Fingerprints, Key, Quantity, check_arm, same_data, stack
from suite.comparison.scoring import measured_columns, scored_block
from suite.records import IDS, PREDICTION_COLUMNS, RunRecord


def read_arm(records: Sequence[RunRecord], folder_of: Mapping[str, Path], layouts: list[Layout] | None = None) -> Arm:
    """Read the predictions of one (scale, method); `layouts` as in `read_blocks`.

    Raises:
        ValueError: a file that is none of predictions, or two runs that were not measured on the same examples; names
            the first that differs.
    """
    ordered = sorted(records, key=lambda r: r.spec.seed)
    runs = [r.run_id for r in ordered]
    metric = ordered[0].spec.metric
    known = [] if layouts is None else layouts
    tables = [read_blocks(folder_of[r.run_id] / str(r.predictions), metric, known) for r in ordered]
    return check_arm(
        Arm(
            scale=ordered[0].spec.scale.name,
            method=ordered[0].spec.method,
            seeds=tuple(r.spec.seed for r in ordered),
            runs=tuple(runs),
            blocks=stack(tables, runs),
            alignment=_alignment(ordered),
            fingerprints=same_data([fingerprints_of(r) for r in ordered], runs),
        )
    )


def fingerprints_of(record: RunRecord) -> Fingerprints:
    """The digests of the data that a run has read; empty where its provenance was not recorded."""
    datasets = record.provenance.datasets if record.provenance else ()
    return {(d.split, d.language, d.subset): d.fingerprint for d in datasets}


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Which rows of a table of predictions are which example: the same in all runs on the same data, so found once."""

    columns: Any
    """The ids as the file has them."""
    places: Mapping[Key, tuple[tuple[str, ...], tuple[str, ...], NDArray[np.intp]]]
    """Ids, ids of the clean items, and rows, in the order of the ids."""

    @classmethod
    def of(cls, columns: Any, path: Path) -> Layout:
        """Sort the rows of a table; ValueError where an example is there twice."""
        ids, bases, languages, subsets = (np.asarray(columns[name].to_pylist(), dtype=object) for name in IDS)
        rows: dict[Key, list[int]] = {}
        for row, key in enumerate(zip(subsets, languages, strict=True)):
            rows.setdefault(key, []).append(row)
        places = {}
        for key, found in rows.items():
            here = np.array(found)
            here = here[np.argsort(ids[here], kind="stable")]
            if len({*ids[here]}) < len(here):
                name = "/".join(key)
                raise ValueError(f"{path}: {name!r} has an example twice; delete the run's folder to run it again")
            places[key] = tuple(ids[here]), tuple(bases[here]), here
        return cls(columns, places)


def read_blocks(path: Path, metric: str, layouts: list[Layout] | None = None) -> dict[Key, Block]:
    """The predictions of one run of this suite as a metric scores them, examples in the order of their ids.

    `layouts` are those of runs read before; one that is not among them is added.

    Raises:
        ValueError: one line: the file is none of predictions, or an example is there twice.
    """
    known = [] if layouts is None else layouts
    table = _read_table(path, metric)
    ids = table.select(IDS)
    layout = next((one for one in known if one.columns.equals(ids)), None)
    if layout is None:
        layout = Layout.of(ids, path)
        known.append(layout)
    columns = {name: table[name].to_numpy() for name in table.column_names if name not in IDS}
    return {
        key: scored_block(names, bases, {name: column[here] for name, column in columns.items()})
        for key, (names, bases, here) in layout.places.items()
    }


def _read_table(path: Path, metric: str) -> Any:
    """Ids and the columns that a metric is of, of the types that runs write, without an empty cell."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = (*IDS, *measured_columns(file.schema_arrow.names, metric, str(path)))
            read = file.read(list(names), use_threads=False).select(names)
        table = read.cast(pa.schema([(name, PREDICTION_COLUMNS[name]) for name in names]))
        table.validate(full=True)
        empty = next((name for name in names if table[name].null_count), None)
    except (pa.ArrowException, OSError, KeyError, UnicodeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{path} is no Parquet file of predictions ({first}); delete the run's folder to run it again"
        ) from None
    if empty:
        raise ValueError(f"{path} has an empty cell in {empty!r}; delete the run's folder to run it again")
    return table


def _alignment(records: Sequence[RunRecord]) -> dict[Quantity, NDArray[np.float64]]:
    means = [mean_alignments(record) for record in records]
    return {q: np.array([own.get(q, math.nan) for own in means]) for q in means[0]}


def mean_alignments(record: RunRecord) -> dict[Quantity, float]:
    """Mean over target languages of every alignment statistic at every layer."""
    found: dict[Quantity, list[float]] = {}
    for score in record.alignment:
        found.setdefault((score.metric, score.layer), []).append(score.value)
    return {quantity: float(np.mean(values)) for quantity, values in found.items()}
