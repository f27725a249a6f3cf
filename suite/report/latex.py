"""Tables as LaTeX: `table*` floats with booktabs rules that compile under pdflatex and fit a page in both directions.

Numbers are aligned by pairs of columns instead of siunitx's `S`, in which bold and underlined numbers lose their place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from suite.report.latex_columns import Setting, bare_label, set_column
from suite.report.latex_text import escape_running
from suite.report.render import split_columns
from suite.report.table import Table

_TEXT_WIDTH = 448
"""Points: 6.2 inches, a two-column conference page or A4 with 1-inch margins."""
_TEXT_HEIGHT = 470.0
"""Points that the rows of one float may take: a 9-inch page less caption, notes and signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Face:
    """A size of type in an article at 10 points."""

    size: str
    digit: float
    """Width of a digit of Computer Modern, points."""
    line: float
    """Baseline to baseline, points."""
    separation: float
    """Points on each side of a column."""

    def width(self, columns: Sequence[Setting]) -> float:
        """Width of columns beside each other, points."""
        between = 2 * self.separation * (len(columns) - 1)
        return sum(column.width * self.digit + column.gap for column in columns) + between


_FACES = tuple(
    _Face(size=size, digit=digit, line=line, separation=separation)
    for size, digit, line in (("small", 4.63, 11.0), ("footnotesize", 4.25, 9.5), ("scriptsize", 3.99, 8.0))
    for separation in (5.0, 3.5, 2.5)
)
"""What is tried, the most legible first."""
_LONGEST = (28, 20, 14, 10)
"""Characters of a line of a label, tried in turn."""

_TEMPLATE = r"""% Preamble: \usepackage{booktabs}
% Text: \input{<<file>>}, then Table~\ref{<<label>>}.
% Set for a text at least <<width>> pt wide: both columns of a two-column paper, or one of A4 or letter.
<% for float in floats %>
\begin{table*}[tp]
\centering
<% if loop.first %>
\caption[<<short>>]{<<caption>>}\label{<<label>>}
<% else %>
\tablename~\thetable{} (continued): <<short>>\par\medskip
<% endif %>
\<<face.size>>\setlength{\tabcolsep}{<<face.separation>>pt}
<% for grid in float %>
\begin{tabular}{@{}<<grid.columns>>@{}}
\toprule
<<grid.head>> \\
\midrule
<% for line in grid.lines %>
<<line>>
<% endfor %>
\bottomrule
\end{tabular}

\medskip
<% endfor %>
<% if loop.last and below %>
\begin{minipage}{\textwidth}\raggedright
<% for line in below %>
<<line>>\par
<% endfor %>
\end{minipage}
<% endif %>
\end{table*}
<% endfor %>
"""


def to_latex(table: Table) -> str:
    r"""A captioned booktabs table, labelled `tab:NAME`, with notes and signature below: ASCII, ready for `\input`.

    The fewest blocks of columns are used, in the largest of three sizes that makes do with them; blocks stand below
    each other, and rows that a page does not hold continue in further floats. Best is bold, second underlined, spreads
    are subscripts.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        trim_blocks=True,
        undefined=StrictUndefined,
        autoescape=False,
    )
    settings, face, blocks = _fit(table)
    return environment.from_string(_TEMPLATE).render(
        file=re.sub(r"[^\w.-]", "-", table.name, flags=re.ASCII),
        label=bare_label(table.name),
        width=_TEXT_WIDTH,
        short=escape_running(re.split(r"[;,(]", table.title, maxsplit=1)[0].strip()),
        caption=escape_running(table.title),
        face=face,
        floats=list(_floats(table, settings, face, blocks)),
        below=[*(rf"\footnotesize {escape_running(note)}" for note in table.notes), *_signature(table.signature)],
    )


def _signature(signature: str) -> list[str]:
    """In small typewriter face, breakable at its bars."""
    parts = r"$|$\allowbreak{}".join(escape_running(part) for part in signature.split("|"))
    return [rf"\scriptsize\ttfamily {parts}"] if signature else []


def _fit(table: Table) -> tuple[dict[int, Setting], _Face, list[list[int]]]:
    """The fewest blocks of columns, in the first face in which they fit, about equally wide.

    Text is broken into shorter lines only where it fits in no face.
    """
    for longest in _LONGEST:
        settings = {i: set_column(table, i, longest) for i in table.shown}
        misfits = {face: _misfit(table, settings, face) for face in _FACES}
        face = min(misfits, key=misfits.__getitem__)
        too_wide, fewest = misfits[face]
        if not too_wide:
            break
    budgets = range(0, _TEXT_WIDTH + 1, 8)
    blocks = (_blocks(table, settings, face, budget) for budget in budgets)
    return settings, face, next(found for found in blocks if len(found) == fewest)


def _misfit(table: Table, settings: dict[int, Setting], face: _Face) -> tuple[bool, int]:
    """Whether any block is too wide, and how many there are."""
    found = _blocks(table, settings, face, _TEXT_WIDTH)
    return max(face.width([settings[i] for i in block]) for block in found) > _TEXT_WIDTH, len(found)


def _blocks(table: Table, settings: dict[int, Setting], face: _Face, budget: float) -> list[list[int]]:
    widths = {i: face.width([setting]) for i, setting in settings.items()}
    return split_columns(table, widths, budget, gap=2 * face.separation)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """One `tabular`."""

    columns: str
    head: str
    lines: list[str]
    height: float
    """Points."""


def _floats(table: Table, settings: dict[int, Setting], face: _Face, blocks: list[list[int]]) -> Iterator[list[_Grid]]:
    """Blocks of columns, each with all its rows, one after another onto as few pages as they need."""
    held: list[_Grid] = []
    stems = _Stems.of(table)
    for block in blocks:
        for rows in _pages(stems, [settings[i] for i in block], face):
            grid = _grid(stems, settings, face, block, rows)
            if held and sum(g.height for g in held) + grid.height > _TEXT_HEIGHT:
                yield held
                held = []
            held.append(grid)
    yield held


def _pages(stems: _Stems, block: Sequence[Setting], face: _Face) -> Iterator[range]:
    """Rows that fit one page; a page ends with a group of rows where that leaves it more than half full."""
    heights = [face.line * max(setting.lines[r] for setting in block) for r in range(len(stems.rows))]
    starts = [r for r in range(1, len(stems.rows)) if stems.rows[r] != stems.rows[r - 1]]
    parted = set(starts)
    room = _TEXT_HEIGHT - _head_height(block, face)
    first, used = 0, 0.0
    for r, height in enumerate(heights):
        used += height + (_SPACE if r in parted else 0)
        if used > room and r > first:
            half = first + (r - first) / 2
            end = max((start for start in starts if half < start <= r), default=r)
            yield range(first, end)
            first, used = end, sum(heights[end : r + 1])
    yield range(first, len(heights))


_SPACE = 5.5
"""Points of booktabs' `\\addlinespace`."""


def _head_height(block: Sequence[Setting], face: _Face) -> float:
    return face.line * max(len(setting.head) for setting in block) + 4 * _SPACE


def _grid(stems: _Stems, settings: dict[int, Setting], face: _Face, block: list[int], rows: range) -> _Grid:
    shown = [settings[i] for i in block]
    lines = list(_lines(stems, settings, block, rows))
    heads = [setting.heading(first=n == 0, last=n == len(block) - 1) for n, setting in enumerate(shown)]
    height = sum(face.line * max(setting.lines[r] for setting in shown) for r in rows)
    return _Grid(
        columns="".join(setting.columns for setting in shown),
        head=" & ".join(heads),
        lines=lines,
        height=height + _head_height(shown, face) + _SPACE * lines.count(_PART) + 2 * _SPACE,
    )


_PART = r"\addlinespace"


def _lines(stems: _Stems, settings: dict[int, Setting], block: list[int], rows: range) -> Iterator[str]:
    """Table rows; what a row's labels share with the row above is left out, and groups are parted by a little space."""
    for r in rows:
        here, above = stems.rows[r], stems.rows[r - 1] if r > rows.start else ()
        if above and here != above:
            yield _PART
        shared = {i for n, i in enumerate(stems.columns) if here[: n + 1] == above[: n + 1]}
        yield " & ".join(settings[i].blank if i in shared else settings[i].cells[r] for i in block) + r" \\"


@dataclass(frozen=True, slots=True)
class _Stems:
    """The label columns in words, less the last ones as far as these tell every row from every other."""

    columns: list[int]
    rows: list[tuple[object, ...]]
    """What each row says in those columns."""

    @classmethod
    def of(cls, table: Table) -> _Stems:
        columns = [i for i in table.shown if table.columns[i].role == "label" and table.columns[i].alignment == "left"]
        rows: list[tuple[object, ...]] = [tuple(row[i].value for i in columns) for row in table.rows]
        while columns and len(set(rows)) == len(rows):
            columns.pop()
            rows = [row[:-1] for row in rows]
        return cls(columns, rows)
