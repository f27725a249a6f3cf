"""Tables, sentences and figures as parts of one HTML page: escaped, sortable, with nothing fetched from anywhere."""

from __future__ import annotations

import functools
import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from suite.report.table import DAGGER, KNOWN, MISSING, Cell, Column, Mark, Table, number_text, p_text
from suite.results import Comparison

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

Tested = Mapping[tuple[int, int], Comparison]
"""Row and column of a cell to the comparison behind it."""
_ELEMENTS: dict[Mark, str] = {"best": "strong", "second": "u"}
_INLINE = re.compile(r"\\(?P<sign>.)|\*\*(?P<strong>.+?)\*\*|`(?P<code>[^`]*)`", re.S)
_IDS = re.compile(r'(?P<before>\b(?:id|href)="#?|url\(#)(?P<id>[^")]+)')
_COLOURS = {"#ffffff": "var(--paper)", "#222222": "currentColor", "#000000": "currentColor", "#bbbbbb": "var(--faint)"}
"""What figures draw for white paper (`suite.report.figures`: INK, FAINT) to what follows the page."""


@functools.cache
def templates() -> Environment:
    """The page's templates, which escape all they are given but `Markup`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(loader=PackageLoader("suite", "report"), undefined=StrictUndefined, autoescape=True)


def to_html(table: Table, tested: Tested | None = None) -> Markup:
    """A captioned table that the page's script sorts by its unrounded values, with notes and signature below.

    Best is bold, second underlined; a cell's tooltip holds its value to six digits, interval and p-values, and what
    the comparison in `tested` says.
    """
    from markupsafe import Markup

    classes = {i: _classes(table, i) for i in table.shown}
    heads = [_Head(table.columns[i].header, own, table.columns[i].unit) for i, own in classes.items()]
    columns = [_cells(table, i, own, tested or {}) for i, own in classes.items()]
    rows = [Markup("\n".join(cells)) for cells in zip(*columns, strict=True)]
    signature = Markup(html.escape(table.signature).replace("|", "|<wbr>"))
    body = templates().get_template("table.html").render(table=table, heads=heads, rows=rows, signature=signature)
    return Markup(body)


@dataclass(frozen=True, slots=True)
class _Head:
    text: str
    classes: str
    tip: str


def _classes(table: Table, i: int) -> str:
    """How a column is set; its first two labels (scale and method, in most tables) stay in sight."""
    column, labels = table.columns[i], [j for j in table.shown if table.columns[j].role == "label"]
    places = dict(zip(labels, ("first", "pin") if len(labels) > 1 else ("pin",), strict=False))
    return " ".join(filter(None, [column.alignment, "prose" if column.kind == "prose" else "", places.get(i)]))


def _cells(table: Table, i: int, classes: str, tested: Tested) -> list[str]:
    """The cells of a column."""
    column = table.columns[i]
    p_values = [(c.header, j) for j, c in enumerate(table.columns) if c.kind == "p"]
    cells = []
    for r, ((text, precision), row) in enumerate(zip(table.reads(i), table.rows, strict=True)):
        cell = row[i]
        tip = "; ".join(
            filter(None, [_exact(column, cell, text), _row_p(row, cell, p_values), _compared(tested.get((r, i)))])
        )
        mark = next((_ELEMENTS[mark] for mark in ("best", "second") if mark in cell.marks), "")
        cells.append(_cell(text, classes, _sort_value(cell), mark, "significant" in cell.marks, precision, tip))
    return cells


@functools.lru_cache(KNOWN)
def _cell(text: str, classes: str, value: str | None, mark: str, dagger: bool, precision: str, tip: str) -> str:
    """One cell; `value` is what the column is sorted by, none sorts last."""
    from markupsafe import escape

    sorted_by = "" if value is None else f' data-value="{escape(value)}"'
    title = f' title="{escape(tip)}"' if tip else ""
    core = f"<{mark}>{escape(text)}</{mark}>" if mark else f"{escape(text)}"
    beside = f' <span class="precision">{escape(precision)}</span>' if precision else ""
    sup = f"<sup>{DAGGER}</sup>" if dagger else ""
    return f'<td class="{escape(classes)}"{sorted_by}{title}>{core}{sup}{beside}</td>'


def _sort_value(cell: Cell) -> str | None:
    if cell.value in (None, "") or (isinstance(cell.value, float) and math.isnan(cell.value)):
        return None
    return cell.value if isinstance(cell.value, str) else repr(cell.value)


def _exact(column: Column, cell: Cell, text: str) -> str:
    """What rounding and shortening left out; empty where a cell shows all it has."""
    if isinstance(cell.value, str):
        return cell.value if text != cell.value else ""
    if cell.value is None or column.kind in ("count", "plain") or text == MISSING:
        return ""
    parts = [f"{cell.value * column.factor:.6g}"]
    if cell.spread is not None:
        parts.append(f"sd {cell.spread * column.factor:.3g}")
    if cell.interval is not None:
        parts.append("interval {:.4g} to {:.4g}".format(*(bound * column.factor for bound in cell.interval)))
    return ", ".join(parts) + (f" {column.unit}" if column.unit else "")


def _row_p(row: Sequence[Cell], cell: Cell, p_values: Sequence[tuple[str, int]]) -> str:
    """The p-values of the row that an effect with an interval stands in; `p_values` are their headers and columns."""
    if cell.interval is None:
        return ""
    found = [(header, row[j].value) for header, j in p_values]
    return ", ".join(f"{header}: {p_text(value)}" for header, value in found if isinstance(value, int | float))


def _compared(c: Comparison | None) -> str:
    if c is None:
        return ""
    if not c.is_tested:
        return f"{number_text(100 * c.effect, 2, signed=True)} points against {c.baseline}, no variance to test by"
    effect, low, high = (number_text(100 * x, 2, signed=True) for x in (c.effect, c.low, c.high))
    return (
        f"{effect} points against {c.baseline}, {100 * c.confidence:g} % interval {low} to {high}, "
        f"p: {p_text(c.p)}, adjusted: {p_text(c.p_adjusted)} ({c.correction} over {c.family_size})"
    )


def to_inline(markdown: str) -> Markup:
    """A sentence of the summary: bold, code and escapes; further lines that begin with a dash become a list."""
    from markupsafe import Markup

    first, *others = markdown.split("\n")
    items = "".join(f"<li>{_inline(line.strip().removeprefix('- '))}</li>" for line in others)
    return Markup(_inline(first) + (f"<ul>{items}</ul>" if items else ""))


def _inline(text: str) -> str:
    parts, end = [], 0
    for found in _INLINE.finditer(text):
        parts.append(html.escape(text[end : found.start()]))
        if found["sign"] is not None:
            parts.append(html.escape(found["sign"]))
        elif found["code"] is not None:
            parts.append(f"<code>{html.escape(found['code'])}</code>")
        else:
            parts.append(f"<strong>{_inline(found['strong'])}</strong>")
        end = found.end()
    return "".join([*parts, html.escape(text[end:])])


def to_drawing(svg: bytes, name: str) -> Markup:
    """A figure's SVG to stand in a page among others: its ids begin with `name`, ink and paper follow the page.

    The XML head, metadata and global style are dropped; the page's style sheet says what the latter said.
    """
    from markupsafe import Markup

    text = svg.decode()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>|<title>.*?</title>|<style.*?</style>", "", text, flags=re.S)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text, count=2).replace("xlink:href=", "href=")
    text = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r'\1 aria-hidden="true"', text, count=1)
    text = _IDS.sub(lambda found: f"{found['before']}{name}-{found['id']}", text)
    for drawn, shown in _COLOURS.items():
        text = re.sub(f"((?:fill|stroke): ){drawn}", rf"\1{shown}", text)
    return Markup(re.sub(r"\s*\n\s*", "\n", text))
