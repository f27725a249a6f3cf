"""One column of a table as LaTeX sets it: its cells, its heading, and the room that both take."""

from __future__ import annotations

import functools
import re
import textwrap
from dataclasses import dataclass

from suite.report.latex_text import escape_latex, spelled, width
from suite.report.table import KNOWN, Cell, Column, Table

_HEADING = 6.0
"""Digits: a heading no wider than this is not broken, however narrow its numbers."""
_BOLD = 1.15
"""Width of bold type to that of medium, Computer Modern."""
_SUBSCRIPT = 0.87
"""Width of subscripts to that of their text: 6 points to 9 or 8, 5 to 7; small sizes are cut wider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A column in type."""

    columns: str
    """Its letters in the preamble of `tabular`: one column, or a pair that meets where numbers are aligned."""
    head: tuple[str, ...]
    """Lines of the heading, escaped."""
    cells: tuple[str, ...]
    """One per row, with the `&` between the two of a pair."""
    lines: tuple[int, ...]
    """Lines of each cell."""
    width: float
    """Digits."""
    gap: float = 0.0
    """Points between the two of a pair, not in `width`."""

    @property
    def blank(self) -> str:
        """An empty cell."""
        return "&" if _paired(self.columns) else ""

    def heading(self, *, first: bool, last: bool) -> str:
        """The head's cell: centred over a pair, otherwise aligned as its column; a block's edges have no margin."""
        paired = _paired(self.columns)
        text = _stack(self.head, "b", "c" if paired else self.columns)
        edges = f"{'@{}' if first else ''}c{'@{}' if last else ''}"
        return rf"\multicolumn{{2}}{{{edges}}}{{{text}}}" if paired else text


def set_column(table: Table, i: int, longest: int) -> Setting:
    """Set the heading and every cell of a column; labels are broken into lines of `longest` characters.

    Other text may be twice as long.
    Numbers with a spread are aligned at their last digit, with an interval at that and at the interval's end, of
    unequal precision at the decimal point.
    """
    column, cells = table.columns[i], [row[i] for row in table.rows]
    if column.alignment == "left":
        return _words(table, i, longest)
    if any(cell.interval is not None for cell in cells):
        return _numbers(table, i, r"r@{\hspace{4.5pt}}r", longest, gap=4.5)
    if column.kind in ("p", "plain") or any(cell.spread is not None for cell in cells):
        return _numbers(table, i, "r@{}l", longest)
    return _numbers(table, i, "r", longest)


def bare_label(name: str) -> str:
    r"""`tab:NAME` with nothing in it that `\label` or `\ref` cannot take."""
    return "tab:" + re.sub(r"[^A-Za-z0-9_.:+-]", "-", name)


def _words(table: Table, i: int, longest: int) -> Setting:
    column, cells = table.columns[i], [row[i] for row in table.rows]
    room = longest if column.role == "label" else 2 * longest
    wrapped = [_wrapped(text, room) for text, _ in table.reads(i)]
    widest = max(
        (width(line) * _weight(cell) for lines, cell in zip(wrapped, cells, strict=True) for line in lines), default=0.0
    )
    head = _broken(column.header, widest, longest)
    return Setting(
        columns="l",
        head=tuple(map(escape_latex, head)),
        cells=tuple(
            _stack([_marked(escape_latex(line), cell) for line in lines], "t", "l")
            for lines, cell in zip(wrapped, cells, strict=True)
        ),
        lines=tuple(map(len, wrapped)),
        width=max([widest, *map(width, head)]),
    )


@functools.lru_cache(KNOWN)
def _wrapped(text: str, room: int) -> tuple[str, ...]:
    return tuple(textwrap.wrap(spelled(text), room)) or ("",)


def _numbers(table: Table, i: int, columns: str, longest: int, gap: float = 0.0) -> Setting:
    column, cells = table.columns[i], [row[i] for row in table.rows]
    texts = [_halves(column, text) for text, _ in table.reads(i)]
    extras = [precision.removeprefix("± ") for _, precision in table.reads(i)]
    room = [
        (width(left) * _weight(cell), width(right) * _weight(cell) + _beside(extra, cell))
        for (left, right), extra, cell in zip(texts, extras, cells, strict=True)
    ]
    body = sum(max(sides, default=0.0) for sides in zip(*room, strict=True))
    head = _broken(column.header, body, longest)
    join = " & " if _paired(columns) else ""
    return Setting(
        columns=columns,
        head=tuple(map(escape_latex, head)),
        cells=tuple(
            join.join(_sides(text, extra, cell, paired=bool(join)))
            for text, extra, cell in zip(texts, extras, cells, strict=True)
        ),
        lines=(1,) * len(cells),
        width=max([body, *map(width, head)]),
        gap=gap,
    )


def _halves(column: Column, text: str) -> tuple[str, str]:
    """A number before and from its decimal point where a column's numbers differ in decimals, otherwise undivided."""
    point = text.find(".") if column.kind in ("p", "plain") else -1
    return (text, "") if point < 0 else (text[:point], text[point:])


def _sides(text: tuple[str, str], extra: str, cell: Cell, *, paired: bool) -> tuple[str, ...]:
    """What stands in the columns of a number; a dagger beside an interval or a spread stands in the gap after it."""
    left, right = (_marked(escape_latex(half), cell) if half else "" for half in text)
    dagger = r"\rlap{$^{\dagger}$}" if _starred(cell) else ""
    if cell.interval is not None:
        return left + dagger, escape_latex(extra)
    spread = r"$_{\pm " + extra.replace("∞", r"\infty") + "}$" if extra else ""
    return (left, right + spread + dagger) if paired else (left + right + spread + dagger,)


def _beside(extra: str, cell: Cell) -> float:
    """Room for what follows a number, in digits."""
    if cell.interval is not None:
        return width(extra)
    return width(f"±{extra}") * _SUBSCRIPT if extra else 0.0


def _marked(text: str, cell: Cell) -> str:
    if "best" in cell.marks:
        return rf"\textbf{{{text}}}"
    return rf"\underline{{{text}}}" if "second" in cell.marks else text


def _weight(cell: Cell) -> float:
    return _BOLD if "best" in cell.marks else 1.0


def _starred(cell: Cell) -> bool:
    return "significant" in cell.marks


def _paired(columns: str) -> bool:
    return "@" in columns


def _broken(header: str, body: float, longest: int) -> list[str]:
    """A heading in lines no wider than its column where spaces, hyphens, underscores or slashes let it."""
    lines = [""]
    for piece in re.findall(rf"[^\s_/-]{{1,{longest}}}[\s_/-]*|[\s_/-]+", spelled(header)):
        if lines[-1] and width((lines[-1] + piece).strip()) > max(body, _HEADING):
            lines.append("")
        lines[-1] += piece
    return [line.strip() for line in lines]


def _stack(lines: list[str] | tuple[str, ...], at: str, alignment: str) -> str:
    r"""Lines above each other in one cell, level with its row at top or bottom."""
    if len(lines) == 1:
        return lines[0]
    return rf"\begin{{tabular}}[{at}]{{@{{}}{alignment}@{{}}}}" + r"\\".join(lines) + r"\end{tabular}"
