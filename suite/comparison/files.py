"""Arms from predictions that anybody's code has made: Parquet or CSV files, or a pandas DataFrame.

Columns: `example_id`; `label` and `predicted`, or `score` (any number whose mean is the metric), or what another metric
of `suite.scores` is of (`hits`, `made`, `wanted` of tagged sentences; `f1` of answers); and where there is more than
one, `method`, `seed`, `scale`, `language`, `subset`, `base_id`. A file without `method` and `seed` columns says them in
its name, `METHOD-seedN.parquet`, or in the `record.json` beside it, as the runs of this suite do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.comparison.arms import Arm, Block, Fingerprints, Key, check_arm, same_data, stack
from suite.comparison.rows import read_rows
from suite.comparison.runs import fingerprints_of
from suite.comparison.scoring import OF_SCORES, measured_columns, metric_measured
from suite.evaluation_spec import CLEAN
from suite.naming import nearest
from suite.records import RECORD, RunRecord, load_record
from suite.scores import METRICS

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("example_id", "base_id", "method", "scale", "language", "subset")
"""Columns of names: texts, even where they look like numbers."""
ALL = "all"
"""The language of predictions that name none."""
_NAME = re.compile(r"(?P<method>.+?)[-_.]seed[-_.]?(?P<seed>\d+)", re.IGNORECASE)
_SEED = re.compile(r"[0-9]{1,15}(\.0)?")
"""Fifteen digits are exact as a float, which a column with an empty cell is read as."""

RunKey = tuple[str, str, int]
"""Scale, method, seed."""


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One run and where it was read."""

    name: str
    blocks: Mapping[Key, Block]
    fingerprints: Fingerprints


def read_files(paths: Sequence[Path], metric: str | None = None) -> dict[tuple[str, str], Arm]:
    """The arms, by (scale, method), of files of predictions, scored by a metric or by what their columns are of.

    Raises:
        ValueError: one line naming the file and what is wrong with it, or the first example that two runs do not share.
    """
    runs: dict[RunKey, _Run] = {}
    for path in paths:
        table, record = _read(path), _record_beside(path)
        prints = fingerprints_of(record) if record else {}
        try:
            found = frame_runs(table, str(path), _identity(path, record), metric)
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: ids and names are texts, got bytes that are none: {error}") from None
        for key, blocks in found.items():
            if key in runs:
                raise ValueError(f"{path} and {runs[key].name} both hold {_named(key)}; one file per run")
            runs[key] = _Run(str(path), blocks, prints)
    return _arms(runs)


def read_frame(frame: pd.DataFrame, metric: str | None = None) -> dict[tuple[str, str], Arm]:
    """The arms, by (scale, method), of one long table of predictions."""
    runs = frame_runs(frame, "the table", {}, metric)
    return _arms({key: _Run(_named(key), blocks, {}) for key, blocks in runs.items()})


def frame_runs(
    frame: pd.DataFrame, where: str, identity: Mapping[str, Any], metric: str | None = None
) -> dict[RunKey, dict[Key, Block]]:
    """The blocks of every run in a table; `identity` fills columns that it lacks."""
    measured = metric or metric_measured(frame.columns)
    table = _completed(frame, where, identity, measured)
    columns = measured_columns(table.columns, measured, where)
    found: dict[RunKey, dict[Key, Block]] = {}
    for (scale, method, seed), rows in table.groupby(["scale", "method", "seed"], sort=True):
        blocks = {}
        for (subset, language), part in rows.groupby(["subset", "language"], sort=False):
            blocks[subset, language] = read_rows(part, columns, f"{where}, {subset}/{language}")
        found[scale, method, int(seed)] = blocks
    return found


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        raise ValueError(f"no file of predictions at {path}")
    texts = dict.fromkeys(NAMES, str)
    try:
        if path.suffix == ".csv":
            # "NA" and "None" are labels like any other; only an empty cell is missing.
            return pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=[""])
        return pd.read_parquet(path)
    except Exception as error:  # pyarrow and pandas raise a dozen kinds for a broken file
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        kind = "CSV" if path.suffix == ".csv" else "Parquet"
        raise ValueError(f"{path} is not a {kind} file of predictions: {first}") from None


def _record_beside(path: Path) -> RunRecord | None:
    """The record of the run of this suite that a file belongs to."""
    record_path = path.with_name(RECORD)
    ours = path.name == "predictions.parquet" and record_path.is_file()
    return load_record(record_path) if ours else None


def _identity(path: Path, record: RunRecord | None) -> dict[str, Any]:
    """Method, seed and scale as the record beside a file or the file's name says them."""
    if record:
        return {"method": record.spec.method, "seed": record.spec.seed, "scale": record.spec.scale.name}
    named = _NAME.fullmatch(path.stem)
    return {"method": named["method"], "seed": int(named["seed"])} if named else {"method": path.stem, "seed": 0}


def _completed(frame: pd.DataFrame, where: str, identity: Mapping[str, Any], metric: str) -> pd.DataFrame:
    """The table with every column that is needed, of the types that are needed."""
    _check_columns(frame, where, identity, metric)
    defaults = {"scale": "", "language": ALL, "subset": CLEAN} | dict(identity)
    table = frame.assign(**{name: value for name, value in defaults.items() if name not in frame})
    if "base_id" not in table:
        table["base_id"] = table["example_id"]
    for name in (*NAMES, "seed"):
        if table[name].isna().any():
            raise ValueError(f"{where} has rows without {name!r}; fill them, or leave the column out")
    odd = [seed for seed in table["seed"].map(str).unique() if not _SEED.fullmatch(seed)]
    if odd:
        raise ValueError(f"{where}: a seed is a whole number, got {' '.join(odd[0].split())}")
    table = table.astype({**dict.fromkeys(NAMES, str), "seed": float}).astype({"seed": int})
    for name in ("method", "scale", "language", "subset"):  # messages name these
        broken = [text for text in table[name].unique() if text.splitlines() not in ([], [text])]
        if broken:
            raise ValueError(f"{where}: a {name} is a word on one line, got {broken[0]!r}; repair the file")
    return table


def _check_columns(frame: pd.DataFrame, where: str, identity: Mapping[str, Any], metric: str) -> None:
    has = [" ".join(str(column).splitlines()) for column in frame.columns]
    answers = [OF_SCORES] if metric == OF_SCORES else METRICS[metric].columns
    for name in ("example_id", *answers, *(name for name in ("method", "seed") if name not in identity)):
        if name not in has:
            guess = nearest(name, [column for column in has if column not in (*NAMES, *answers, "seed")])
            meant = f"; did you mean its {guess!r}?" if guess else ""
            instead = " (or 'score')" if name in ("label", "predicted") else ""
            raise ValueError(f"{where} needs a column {name!r}{instead}{meant}; it has {', '.join(has) or 'none'}")
    if frame.empty:
        raise ValueError(f"{where} has columns but no rows: there are no predictions in it")


def _arms(runs: Mapping[RunKey, _Run]) -> dict[tuple[str, str], Arm]:
    arms = {}
    for scale, method in dict.fromkeys(key[:2] for key in runs):
        mine = {key[2]: runs[key] for key in sorted(runs) if key[:2] == (scale, method)}
        names = [run.name for run in mine.values()]
        arm = Arm(
            scale=scale,
            method=method,
            seeds=tuple(mine),
            runs=tuple(names),
            blocks=stack([run.blocks for run in mine.values()], names),
            fingerprints=same_data([run.fingerprints for run in mine.values()], names),
        )
        arms[scale, method] = check_arm(arm)
    return arms


def _named(key: RunKey) -> str:
    scale, method, seed = key
    return " · ".join(part for part in (scale, method, f"seed {seed}") if part)


def shared_items(arms: Sequence[Arm]) -> bool:
    """Whether languages have items in common, as translations do: the same ids, none of them with two labels.

    Row numbers that languages happen to share may pass for such. That does no harm: items that have nothing to do with
    each other are as independent joined by number as apart.
    """
    languages = [block for arm in arms[:1] for (subset, _), block in arm.blocks.items() if subset == CLEAN]
    labels: dict[str, int | None] = {}
    shared = False
    for block in languages:
        marks = [None] * len(block.ids) if block.labels_N is None else block.labels_N.tolist()
        own = dict(zip(block.ids, marks, strict=True))
        common = own.keys() & labels.keys()
        if any(own[item] != labels[item] for item in common):
            return False
        shared = shared or bool(common)
        labels |= own
    return shared
