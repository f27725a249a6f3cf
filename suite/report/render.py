"""Tables as CSV and Parquet (tidy, unrounded, for machines), Markdown and terminal text (rounded, for people)."""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import json
import re
import textwrap
from collections.abc import Collection, Mapping, Sequence

from suite.report.table import DAGGER, KNOWN, Cell, Kind, Mark, Table, Test, Value

_MARK_SIGNS: dict[Mark, str] = {"best": "*", "second": "_", "significant": DAGGER}


def tidy(table: Table) -> tuple[list[tuple[str, Kind]], list[list[Value]]]:
    """Names and kinds of the tidy columns, and the rows: one observation each, values as measured.

    A spread becomes a column `KEY_sd`, an interval `KEY_low` and `KEY_high`, a test `KEY_p`, `KEY_p_adjusted`,
    `KEY_correction` and `KEY_family_size`, wherever any cell of the column has one. The measures of a table with a
    `variable` are stacked: one row per cell that has a value. The last column repeats the signature, so that a row
    copied elsewhere still says how it was made.
    """
    names, rows = _stacked(table) if table.variable else _flat(table)
    return [*names, ("signature", "text")], [[*row, table.signature] for row in rows]


def _flat(table: Table) -> tuple[list[tuple[str, Kind]], list[list[Value]]]:
    names: list[tuple[str, Kind]] = []
    columns: list[list[Value]] = []
    for i, column in enumerate(table.columns):
        parts = _parts(column.key, column.kind, [row[i] for row in table.rows])
        names += [(name, kind) for name, kind, _ in parts]
        columns += [values for _, _, values in parts]
    return names, [list(row) for row in zip(*columns, strict=True)]


def _stacked(table: Table) -> tuple[list[tuple[str, Kind]], list[list[Value]]]:
    labels = [i for i, column in enumerate(table.columns) if column.role != "measure"]
    found = [
        ([*(row[j] for j in labels), Cell(value=column.key)], row[i])
        for row in table.rows
        for i, column in enumerate(table.columns)
        if column.role == "measure" and row[i].value is not None
    ]
    parts = _parts(table.quantity, "level", [cell for _, cell in found])
    names = [(table.columns[j].key, table.columns[j].kind) for j in labels] + [(table.variable, "text")]
    rows = [
        [*(cell.value for cell in label), *(values[r] for _, _, values in parts)] for r, (label, _) in enumerate(found)
    ]
    return names + [(name, kind) for name, kind, _ in parts], rows


def _parts(key: str, kind: Kind, cells: Sequence[Cell]) -> list[tuple[str, Kind, list[Value]]]:
    parts: list[tuple[str, Kind, list[Value]]] = [(key, kind, [cell.value for cell in cells])]
    if any(cell.spread is not None for cell in cells):
        parts.append((f"{key}_sd", "level", [cell.spread for cell in cells]))
    if any(cell.interval is not None for cell in cells):
        for end, name in enumerate(("low", "high")):
            bounds: list[Value] = [None if cell.interval is None else cell.interval[end] for cell in cells]
            parts.append((f"{key}_{name}", "level", bounds))
    if any(cell.test is not None for cell in cells):
        tests = [(None,) * 4 if cell.test is None else dataclasses.astuple(cell.test) for cell in cells]
        kinds: tuple[Kind, ...] = ("p", "p", "text", "count")
        columns = zip(*tests, strict=True)
        names = [field.name for field in dataclasses.fields(Test)]
        parts += [(f"{key}_{n}", k, list(values)) for n, k, values in zip(names, kinds, columns, strict=True)]
    return parts


def to_csv(table: Table) -> str:
    """Tidy rows; floats by their shortest exact form, missing values empty."""
    names, rows = tidy(table)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([name for name, _ in names])
    writer.writerows(rows)
    return written.getvalue()


def to_parquet(table: Table) -> bytes:
    """The rows of `to_csv`, typed; title, notes, signature and units are in the schema's metadata."""
    import pyarrow
    import pyarrow.parquet

    names, rows = tidy(table)
    types = {"text": pyarrow.string(), "prose": pyarrow.string(), "count": pyarrow.int64()}
    arrays = [
        pyarrow.array([row[i] for row in rows], type=types.get(kind, pyarrow.float64()))
        for i, (_, kind) in enumerate(names)
    ]
    about = {
        "title": table.title,
        "notes": json.dumps(table.notes, ensure_ascii=False),
        "signature": table.signature,
    }
    schema = pyarrow.schema([(name, array.type) for (name, _), array in zip(names, arrays, strict=True)], about)
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(arrays, schema=schema), sink, compression="zstd")
    return sink.getvalue()


def to_markdown(table: Table) -> str:
    """A GitHub table under its title, with notes and signature below; best is bold, second underlined."""
    columns = [table.columns[i] for i in table.shown]
    rules = ["---:" if column.alignment == "right" else ":---" for column in columns]
    lines = [[escape_markdown(column.header) for column in columns], rules]
    lines += [list(row) for row in zip(*(_markdown_column(table, i) for i in table.shown), strict=True)]
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    below = [escape_markdown(note) for note in table.notes]
    signature = [f"`{table.signature}`"] if table.signature else []
    return "\n\n".join([f"**{escape_markdown(table.title)}**", body, *below, *signature]) + "\n"


@functools.lru_cache(KNOWN)
def escape_markdown(text: str) -> str:
    """Text with the characters that GitHub would read as markup escaped, on one line."""
    return re.sub(r"([\\|*`<~\[\]]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", " ".join(text.split()))


def _markdown_column(table: Table, i: int) -> list[str]:
    return [
        _markdown_cell(text, precision, row[i].marks)
        for (text, precision), row in zip(table.reads(i), table.rows, strict=True)
    ]


def _markdown_cell(text: str, precision: str, marks: Collection[Mark]) -> str:
    core = escape_markdown(text)
    if "best" in marks:
        core = f"**{core}**"
    elif "second" in marks:
        core = f"<ins>{core}</ins>"
    dagger = DAGGER if "significant" in marks else ""
    return " ".join(filter(None, [core + dagger, precision]))


def to_text(table: Table, width: int = 100) -> str:
    """Aligned columns for a terminal `width` characters wide; what does not fit continues in a block below.

    Best is marked `*`, second `_`, which a line below says. The label columns are repeated in every block.
    """
    written = {i: _text_column(table, i) for i in table.shown}
    widths = {i: max(len(line) for line in lines) for i, lines in written.items()}
    blocks = [
        "\n".join(_text_lines(table, block, written, widths)) for block in split_columns(table, widths, width, gap=2)
    ]
    notes = [textwrap.fill(note, max(width, 20)) for note in table.notes]
    below = [_text_legend(table), *notes, table.signature]
    return "\n\n".join([table.title, *blocks, "\n".join(filter(None, below))]).rstrip() + "\n"


def _text_legend(table: Table) -> str:
    """What stands for bold and underline where a terminal has neither, if anything does."""
    found = {mark for row in table.rows for cell in row for mark in cell.marks}
    signs = {"best": "* stands for bold", "second": "_ for underlined"}
    return ", ".join(sign for mark, sign in signs.items() if mark in found) + "." if found & {*signs} else ""


def split_columns(table: Table, widths: Mapping[int, float], budget: float, gap: float) -> list[list[int]]:
    """Shown columns in blocks no wider than the budget, labels first in each; a block has at least one other column."""
    labels = [i for i in table.shown if table.columns[i].role == "label"]
    room = budget - sum(widths[i] + gap for i in labels) + gap
    blocks: list[list[int]] = [[]]
    left = room
    for i in (i for i in table.shown if i not in labels):
        if blocks[-1] and widths[i] + gap > left:
            blocks.append([])
            left = room
        blocks[-1].append(i)
        left -= widths[i] + gap
    return [labels + block for block in blocks]


def _text_column(table: Table, i: int) -> list[str]:
    """The header and every cell of a column, padded to one width; numbers, marks and precision each line up."""
    column, cells = table.columns[i], [row[i] for row in table.rows]
    cores = [text for text, _ in table.reads(i)]
    signs = ["".join(sign for mark, sign in _MARK_SIGNS.items() if mark in cell.marks) for cell in cells]
    extras = [precision for _, precision in table.reads(i)]
    core, sign, extra = (max(map(len, part), default=0) for part in (cores, signs, extras))
    justify = str.ljust if column.alignment == "left" else str.rjust
    bodies = [
        justify(c, core) + s.ljust(sign) + (" " + e.rjust(extra) if extra else "")
        for c, s, e in zip(cores, signs, extras, strict=True)
    ]
    width = max(map(len, [column.header, *bodies]))
    return [justify(text, width) for text in (column.header, *bodies)]


def _text_lines(
    table: Table, block: list[int], written: Mapping[int, list[str]], widths: Mapping[int, int]
) -> list[str]:
    lines = ["  ".join(written[i][r] for i in block).rstrip() for r in range(len(table.rows) + 1)]
    return [lines[0], "  ".join("-" * widths[i] for i in block), *lines[1:]]
