"""Tables as LaTeX: booktabs, compiles under pdflatex, every character of the data escaped or named."""

from __future__ import annotations

from suite.report.render import split_columns
from suite.report.table import DAGGER, MINUS, MISSING, TIMES, Cell, Column, Table

PAGE_ROWS = 40
"""Tables with more rows than a page holds are set as `longtable`."""
_SIZES = (("small", 4.63), ("footnotesize", 4.25), ("scriptsize", 3.99))
"""Font sizes to try, with the width of a digit in points (Computer Modern 9, 8 and 7)."""
_TEXT_WIDTH = 448.0
"""Points: 6.2 inches, a two-column conference page or A4 with 1-inch margins."""
_GAP = 5.6
"""Points between columns: twice a `\\tabcolsep` of 2.5, and slack."""

_COMMANDS = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "''",
    "±": r"$\pm$",
    TIMES: r"$\times$",
    MINUS: "$-$",
    MISSING: "--",
    "\N{EM DASH}": "---",
    DAGGER: r"$^{\dagger}$",
    "…": r"\dots{}",
    "∞": r"$\infty$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "·": r"$\cdot$",
    "\N{GREEK SMALL LETTER ALPHA}": r"$\alpha$",
    "ε": r"$\varepsilon$",
    "\N{GREEK SMALL LETTER SIGMA}": r"$\sigma$",
    "Δ": r"$\Delta$",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
}

_TEMPLATE = r"""% <<table.name>>: needs \usepackage{booktabs}<% if long %> and \usepackage{longtable}<% endif %>

<% if long %>
{\<<size>>\setlength{\tabcolsep}{2.5pt}
<% for block in blocks %>
<% if not loop.first %>\addtocounter{table}{-1}
<% endif %>
\begin{longtable}{@{}<<block.columns>>@{}}
\caption{<<caption>><% if loop.first %>}\label{<<label>>}<% else %> (continued)}<% endif %>\\
\toprule
<<block.head>> \\
\midrule
\endfirsthead
\toprule
<<block.head>> \\
\midrule
\endhead
\bottomrule
\endfoot
<% for line in block.lines %>
<<line>>
<% endfor %>
\end{longtable}
<% endfor %>
\raggedright\noindent <<below>>\par}
<% else %>
\begin{table*}[t]
\centering
\caption{<<caption>>}\label{<<label>>}
\<<size>>\setlength{\tabcolsep}{2.5pt}
<% for block in blocks %>
\begin{tabular}{@{}<<block.columns>>@{}}
\toprule
<<block.head>> \\
\midrule
<% for line in block.lines %>
<<line>>
<% endfor %>
\bottomrule
\end{tabular}

\medskip
<% endfor %>
\begin{minipage}{\textwidth}\footnotesize\raggedright <<below>>\end{minipage}
\end{table*}
<% endif %>
"""


def to_latex(table: Table) -> str:
    """A captioned booktabs table, labelled `tab:NAME`, with notes and signature below.

    The largest of three font sizes at which all columns fit is used; if none does, the columns continue in a second
    block below the first. Best is bold, second underlined, spreads are subscripts.
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
    widths = {i: _width(table, i) for i in table.shown}
    size, blocks = _fit(table, widths)
    return environment.from_string(_TEMPLATE).render(
        table=table,
        size=size,
        long=len(table.rows) * len(blocks) > PAGE_ROWS,
        caption=escape_latex(table.title),
        label=f"tab:{table.name}",
        blocks=[_block(table, block) for block in blocks],
        below=" ".join([*map(escape_latex, table.notes), _signature(table.signature)]).strip(),
    )


def escape_latex(text: str) -> str:
    """Text as LaTeX sets it literally; a character outside Latin script is written as its code point."""
    return "".join(_COMMANDS.get(c, c if ord(c) < 0x180 else f"[U+{ord(c):04X}]") for c in " ".join(text.split()))


def _signature(signature: str) -> str:
    """In typewriter face, breakable at its bars."""
    return r"\texttt{" + escape_latex(signature).replace("$|$", r"$|$\allowbreak{}") + "}" if signature else ""


def _fit(table: Table, widths: dict[int, float]) -> tuple[str, list[list[int]]]:
    """The fewest blocks of columns, at the largest font size that makes do with them."""
    fits = [(size, split_columns(table, widths, _TEXT_WIDTH / point, gap=_GAP / point)) for size, point in _SIZES]
    return min(fits, key=lambda fit: len(fit[1]))


def _width(table: Table, i: int) -> float:
    """Width of the widest cell in digits; bold is wider, spreads are smaller, a dagger stands above them."""
    column = table.columns[i]
    widths = [_ink(column.header)]
    for cell in (row[i] for row in table.rows):
        precision = _ink(column.precision(cell)) * (1.0 if cell.spread is None else 0.65)
        dagger = 0.8 if cell.spread is None and "significant" in cell.marks else 0.0
        widths.append(_ink(column.text(cell.value)) * (1.15 if "best" in cell.marks else 1.0) + precision + dagger)
    return max(widths)


def _ink(text: str) -> float:
    """Width of text in digits of Computer Modern: signs are half as wide again, letters, stops and spaces narrower."""
    return sum(
        1.5 if c in f"+±<{MINUS}{TIMES}" else 0.6 if c in " .,:;[]()|" else 0.9 if c.islower() else 1.0 for c in text
    )


def _block(table: Table, block: list[int]) -> dict[str, object]:
    columns = [table.columns[i] for i in block]
    return {
        "columns": "".join("l" if column.alignment == "left" else "r" for column in columns),
        "head": " & ".join(escape_latex(column.header) for column in columns),
        "lines": _lines(table, block),
    }


def _lines(table: Table, block: list[int]) -> list[str]:
    """Table rows; the first label is written once per group, and groups are parted by a rule or a little space."""
    lines: list[str] = []
    group = None
    for row in table.rows:
        first = row[block[0]].value
        cells = [_cell(table.columns[i], row[i]) for i in block]
        if table.columns[block[0]].role == "label" and first == group:
            cells[0] = ""
        elif lines:
            lines.append(r"\addlinespace")
        group = first
        lines.append(" & ".join(cells) + r" \\")
    return lines


def _cell(column: Column, cell: Cell) -> str:
    core = escape_latex(column.text(cell.value))
    if "best" in cell.marks:
        core = rf"\textbf{{{core}}}"
    elif "second" in cell.marks:
        core = rf"\underline{{{core}}}"
    dagger = r"^{\dagger}" if "significant" in cell.marks else ""
    if cell.spread is not None:
        spread = column.precision(cell).removeprefix("± ")
        return rf"{core}${dagger}_{{\pm {spread}}}$"
    return f"{core}{dagger and f'${dagger}$'} {escape_latex(column.precision(cell))}".strip()
