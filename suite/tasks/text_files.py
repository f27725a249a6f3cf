"""Files of text, most of them in XTREME's download directory: as lines, as JSON, as JSON line by line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from suite.tasks.characters import BYTE_ORDER_MARK, mended
from suite.tasks.reading import Table
from suite.tasks.source import HubSource

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
MARKED = "a byte-order mark before the first row"


def first_of(
    folder: Path, names: Sequence[str], task: str, *, like: str = "*", script: str = "download scripts"
) -> Path:
    """The first of some files that is there.

    Args:
        folder: Where they are looked for.
        names: What the script calls the file, then what users rename it to.
        task: What is read.
        like: Pattern of the files that are named where there is none of these.
        script: Of XTREME's, what fetches the file.

    Raises:
        ValueError: one line that names what is there in its place.
    """
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        wanted = folder / names[0]
        there = sorted(path.name for path in wanted.parent.glob(like) if path.is_file())[:12]
        raise ValueError(absent(wanted, there, f"run XTREME's {script} again", task))
    return found


def absent(path: Path, there: Sequence[str], remedy: str, task: str) -> str:
    """The error for a file of a task that XTREME's directory lacks: what is there instead, how it comes there."""
    return (
        f"there is no {path}, in its place {', '.join(there) or 'nothing'}; {remedy}, or unset SUITE_XTREME to read "
        f"{task} from the hub"
    )


def decode(path: Path, law: str) -> tuple[str, bool]:
    """The text of a file without the mark at its beginning, and whether there was one.

    Args:
        path: The file.
        law: What it should be, as errors say it.

    Raises:
        ValueError: one line: the file is UTF-16.
        UnicodeDecodeError: it is not UTF-8; `object` is the whole file.
    """
    data = path.read_bytes()
    if data.startswith(UTF_16):
        raise ValueError(f"{path}: {law}, this is UTF-16; convert it, or get it anew")
    text = data.decode("utf-8")
    return text.removeprefix(BYTE_ORDER_MARK), text.startswith(BYTE_ORDER_MARK)


def read_text(path: Path) -> tuple[str, tuple[str, ...]]:
    """The text of a file without the mark at its beginning, and a word on the mark where there is one.

    Raises:
        ValueError: one line: the file is not UTF-8.
    """
    try:
        text, marked = decode(path, "the file is UTF-8")
    except UnicodeDecodeError as error:
        data, start = error.object, error.start
        row = data.count(b"\n", 0, start) + 1
        raise ValueError(
            f"{path}: the file is UTF-8, but row {row} has 0x{data[start]:02x} ({error.reason}); get it anew"
        ) from None
    return text, (MARKED,) if marked else ()


def split_lines(text: str) -> list[str]:
    """Lines without their ends, LF or CR LF; other characters that Unicode counts as line ends stay in their text."""
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def end_of(text: str) -> tuple[bool, tuple[str, ...]]:
    """Whether the last line of a text has an end, and a word on it where it has none."""
    ended = text.endswith("\n")
    return ended, () if ended else ("no line end after the last row",)


def miscounted(count: int, published: int | None, unit: str = "rows") -> tuple[str, ...]:
    """A word on a count that is not the published one, where that is known."""
    return (f"{count} {unit}, published are {published}",) if published not in (None, count) else ()


def file_table(
    path: Path,
    folder: str,
    columns: dict[str, list[Any]],
    oddities: tuple[str, ...],
    kept: str = "as its download_data.sh writes it",
) -> Table:
    """A file of XTREME's directory as a table.

    Args:
        path: The file.
        folder: In the directory, as reports name it.
        columns: Column to values.
        oddities: What was undone in reading it or is odd about it.
        kept: How its rows are there.
    """
    name, source = f"{path.parent.name}/{path.name}", f"xtreme/{folder} ({kept})"
    return Table(where=str(path), name=name, source=source, columns=columns, oddities=oddities)


def read_json(path: Path) -> tuple[Any, tuple[str, ...]]:
    """What a file of JSON holds, and a word on what is odd about it.

    Raises:
        ValueError: one line: the file is not UTF-8, is no JSON, or was cut.
    """
    text, oddities = read_text(path)
    return _parsed(text, str(path)), oddities


def read_json_lines(source: HubSource, path: Path, keys: Mapping[str, str], published: int | None) -> Table:
    """A file with one JSON object a line.

    Args:
        source: The task.
        path: The file.
        keys: Column to the key of its values; a label, or a column that is no text, may be absent, and is then none.
        published: Rows of the published file, where that is known; another number is told.

    Raises:
        ValueError: one line with file and row: no JSON, a cut file, an object that lacks a key.
    """
    text, oddities = read_text(path)
    rows = [_parsed(line, f"{path}: row {i}") for i, line in enumerate(split_lines(text), start=1)]
    needed = [key for column, key in keys.items() if column not in source.other_columns]
    for i, row in enumerate(rows, start=1):
        missing = [key for key in needed if not isinstance(row, dict) or key not in row]
        if missing:
            raise ValueError(f"{path}: row {i} lacks {', '.join(missing)}; get the published file")
    if not rows:
        raise ValueError(f"{path}: the file is empty; get it anew")
    columns = {column: [row.get(key) for row in rows] for column, key in keys.items()}
    halves = sum(mend(column) for column in columns.values())
    oddities += (f"{halves} texts with half a character",) if halves else ()
    oddities += miscounted(len(rows), published)
    return file_table(path, path.parent.name, columns, oddities)


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        cut = "was cut" if error.pos >= len(text.rstrip()) - 1 or "Unterminated" in error.msg else "is no JSON"
        raise ValueError(f"{where} {cut} ({error.msg} at character {error.pos}); get the file anew") from None


def mend(column: list[Any]) -> int:
    """Put the replacement character for halves of characters, in place; the number of texts that had some."""
    broken = [i for i, text in enumerate(column) if isinstance(text, str) and mended(text) != text]
    for i in broken:
        column[i] = mended(column[i])
    return len(broken)
