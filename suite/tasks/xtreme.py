"""Tables of the directory that XTREME's `download_data.sh` makes (Hu et al. 2020), where `SUITE_XTREME` names one.

The script writes with Python's `csv` (a text with a quote is wrapped in quotes, those inside are doubled), but XTREME's
own processors read without, so that `He said "no".` reaches their models as `"He said ""no""."`. Users who patch the
script leave quotes alone. No text holds a tab or a line end, as the script splits the published files at both. So here
every line is a row whatever its quotes, and the wrapping is undone where it is consistent in the whole file.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from suite.tasks.characters import undo_csv_quotes
from suite.tasks.reading import Table
from suite.tasks.source import HubSource, XtremeFiles
from suite.tasks.text_files import MARKED, absent, decode, end_of, file_table, miscounted, split_lines

LAW = "SUITE_XTREME is the `download` directory that XTREME's download_data.sh makes"
FEWEST_OF_ONE_LABEL = 10
"""Rows from which one label in all of them is a placeholder and no chance: XTREME's processors put one where labels are
hidden."""


def xtreme_root() -> Path | None:
    """The directory `SUITE_XTREME`; none where that is not set.

    Raises:
        ValueError: it does not exist.
    """
    named = os.environ.get("SUITE_XTREME")
    root = Path(named).expanduser().resolve() if named else None
    if root is not None and not root.is_dir():
        raise ValueError(
            f"{LAW}, but {root} is not a directory; correct it, or unset it to read the tasks from the hub"
        )
    return root


def xtreme_folder(source: HubSource) -> Path | None:
    """The task's folder in `SUITE_XTREME`; none where that is not set, or XTREME has not the task.

    Raises:
        ValueError: one line: the directory, or the task's folder in it, does not exist.
    """
    root = xtreme_root()
    if root is None or source.xtreme is None:
        return None
    folder = root / source.xtreme.folder
    if not folder.is_dir():
        there = ", ".join(sorted(path.name for path in root.iterdir() if path.is_dir())[:12]) or "none"
        raise ValueError(
            f"{LAW}, but {root} has no folder {source.xtreme.folder!r} (it has {there}); correct it, or unset it to "
            f"read {source.name} from the hub"
        )
    return folder


def read_xtreme(source: HubSource, folder: Path, language: str, split: str) -> Table:
    """The rows that XTREME has of one language and split.

    Args:
        source: What the files hold; its `xtreme` says how.
        folder: The task's folder.
        language: Of the source.
        split: Of the source's repository.

    Raises:
        ValueError: one line with file and row (line of the file): no such file, text that is not UTF-8, lines with
            another number of columns, a file that was cut, hidden labels.
    """
    files = source.xtreme
    assert files is not None
    path = folder / files.files[split].format(language=language)
    names = (*source.text_columns, source.label)
    text, oddities = _decoded(path, source.name)
    rows = [line.split("\t") for line in split_lines(text)]
    ended, unended = end_of(text)
    _check_widths(rows, names, path, ended)
    unquoted = undo_csv_quotes(rows)
    columns: dict[str, list[Any]] = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    columns[source.label] = _labels(columns[source.label], files, path, ended)
    if source.id is not None:
        columns[source.id] = list(range(files.first_id, files.first_id + len(rows)))
    oddities += (*unended, *unquoted, *miscounted(len(rows), files.rows(split, language)))
    return file_table(path, folder.name, columns, oddities)


def _decoded(path: Path, task: str) -> tuple[str, tuple[str, ...]]:
    """The text of a file without the mark at its beginning, and a word on the mark where there is one."""
    if not path.is_file():
        there = sorted(other.name for other in path.parent.glob(f"{path.name.partition('-')[0]}-*.tsv"))
        remedy = "run XTREME's download_data.sh again (its training sets are English)"
        raise ValueError(absent(path, there, remedy, task))
    try:
        text, marked = decode(path, "XTREME's files are UTF-8")
    except UnicodeDecodeError as error:
        data, start = error.object, error.start
        row, column = data.count(b"\n", 0, start) + 1, start - data.rfind(b"\n", 0, start)
        raise ValueError(
            f"{path}: XTREME's files are UTF-8, but byte {column} of row {row} is 0x{data[start]:02x} "
            f"({error.reason}); get the file anew"
        ) from None
    return text, (MARKED,) if marked else ()


def _check_widths(rows: Sequence[Sequence[str]], names: tuple[str, ...], path: Path, ended: bool) -> None:
    if not rows:
        raise ValueError(f"{path}: the file is empty; get it anew")
    if all(len(row) == len(names) - 1 for row in rows):
        raise ValueError(_hidden(path, f"none of the {len(rows)} rows has a label"))
    wrong = [(i, len(row)) for i, row in enumerate(rows, start=1) if len(row) != len(names)]
    if not wrong:
        return
    row, width = wrong[0]
    if row == len(rows) and not ended and width < len(names):
        raise ValueError(
            f"{path}: the file was cut in row {row}, which has {width} of the columns {', '.join(names)} and no line "
            "end; get it anew"
        )
    raise ValueError(
        f"{path}: a row has the {len(names)} columns {', '.join(names)}, but {len(wrong)} of {len(rows)} rows have "
        f"not, the first is row {row} with {width}; repair the file, or run download_data.sh again"
    )


def _labels(written: Sequence[str], files: XtremeFiles, path: Path, ended: bool) -> list[int | None]:
    """Labels as numbers, none where there is none."""
    number: dict[str, int | None] = {"": None} | {name: i for i, name in enumerate(files.labels)}
    unknown = [(i, label) for i, label in enumerate(written, start=1) if label.strip() not in number]
    if unknown:
        row, label = unknown[0]
        what = "delete the header" if row == 1 == len(unknown) else "repair the file"
        what = "the file was cut there, get it anew" if row == len(written) and not ended else what
        raise ValueError(
            f"{path}: a label is one of {', '.join(files.labels)}, but {len(unknown)} of {len(written)} are not, the "
            f"first is {label!r} in row {row}: {what}, or run download_data.sh again"
        )
    found = Counter(label.strip() for label in written)
    if len(found) == 1 and ("" in found or len(written) >= FEWEST_OF_ONE_LABEL):
        (only,) = found
        raise ValueError(_hidden(path, f"all {len(written)} rows have the label {only!r}"))
    return [number[label.strip()] for label in written]


def _hidden(path: Path, law: str) -> str:
    return (
        f"{path}: {law}, as XTREME's preprocessing hides those of its test files; put the published labels into the "
        "third column, or unset SUITE_XTREME to read the split from the hub, which has them"
    )
