"""The one table type: cells that carry their uncertainty, columns that know how to show them.

A `Table` holds unrounded values; how a value reads (`text`) follows from its column, so no format can disagree with
another. `suite.report.render` and `suite.report.latex` turn tables into files.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
import textwrap
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

from suite.trial_spec import FOLDER_LAW, names_a_folder

Value = str | int | float | None
Mark = Literal["best", "second", "significant"]
Kind = Literal["text", "prose", "count", "level", "difference", "p", "plain"]
"""`prose` is shortened for people; `level` and `difference` are measured, a difference shows its sign; `plain` is a
setting, shown as it is."""
Role = Literal["label", "measure", "detail"]
"""`label` says what a row is, `measure` is a number of interest, `detail` stands in CSV and Parquet only."""

MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
MISSING = "\N{EN DASH}"
"""What a cell without a value shows."""
DAGGER = "†"
PROSE = 40
"""Characters that people see of prose."""
KNOWN = 1 << 14
"""Texts remembered where the same are set again and again: a table of thousands of rows says the same few."""
PERCENT = "points"
"""The unit of shares: stored 0 to 1, shown times 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """What a dagger rests on, or its absence."""

    p: float
    p_adjusted: float
    correction: str
    family_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A value with what is known of its precision, all in stored (unscaled) units."""

    value: Value
    spread: float | None = None
    """Standard deviation over seeds."""
    interval: tuple[float, float] | None = None
    marks: frozenset[Mark] = frozenset()
    test: Test | None = None
    """Of the value against the baseline's; in CSV and Parquet."""

    @property
    def uncertainty(self) -> float | None:
        """The spread, or half the half-width of the interval (about a standard error at 95 %)."""
        if self.spread is not None:
            return self.spread
        return None if self.interval is None else (self.interval[1] - self.interval[0]) / 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What a column is called, means, and how its numbers are shown."""

    key: str
    """Name in CSV and Parquet."""
    header: str
    kind: Kind
    role: Role = "measure"
    unit: str = ""
    """`points` multiplies the shown number by 100; any other unit is only named."""
    decimals: int = 1

    @property
    def alignment(self) -> Literal["left", "right"]:
        """Words to the left, numbers to the right."""
        return "left" if self.kind in ("text", "prose") else "right"

    @property
    def factor(self) -> float:
        """What a stored number is multiplied by to be shown."""
        return 100.0 if self.unit == PERCENT else 1.0

    def text(self, value: Value) -> str:
        """A value as read by people, without its spread, interval or marks."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return MISSING
        if isinstance(value, str):
            return _shortened(value) if self.kind == "prose" else value
        if self.kind == "p":
            return p_text(value)
        if self.kind == "count":
            return f"{value:,.0f}"
        if self.kind == "plain":
            return f"{value:.4g}"
        return number_text(value * self.factor, self.decimals, signed=self.kind == "difference")

    def precision(self, cell: Cell) -> str:
        """The spread or the interval as read by people; empty where there is none, or no value."""
        if (cell.spread is None and cell.interval is None) or self.text(cell.value) == MISSING:
            return ""
        if cell.spread is not None:
            return f"± {number_text(cell.spread * self.factor, self.decimals)}"
        if cell.interval is not None:
            return "[{}, {}]".format(*(self.text(bound) for bound in cell.interval))
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under columns, the notes that explain them and the signature of how they were made."""

    name: str
    """Stem of its files."""
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    signature: str = ""
    variable: str = ""
    """Where the measure columns are one quantity in many places: what they vary over, such as `language`; CSV and
    Parquet then have one row per place."""
    quantity: str = ""
    """With `variable`: the quantity's name, such as `accuracy`."""
    _read: dict[int, list[tuple[str, str]]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check that rows and columns fit."""
        if not names_a_folder(self.name):
            raise ValueError(f"a table's {FOLDER_LAW} {self.name!r}: correct the record that says so")
        keys = [column.key for column in self.columns]
        if len(set(keys)) != len(keys):
            raise ValueError(f"column keys are distinct, got {keys} in table {self.name!r}")
        for row in self.rows:
            if len(row) != len(keys):
                raise ValueError(f"table {self.name!r} has {len(keys)} columns, got a row of {len(row)} cells")
        if bool(self.variable) != bool(self.quantity):
            raise ValueError(f"variable and quantity go together, got {self.variable!r} and {self.quantity!r}")

    @property
    def shown(self) -> tuple[int, ...]:
        """Indices of the columns that people see."""
        return tuple(i for i, column in enumerate(self.columns) if column.role != "detail")

    def reads(self, i: int) -> list[tuple[str, str]]:
        """Text and precision of every cell of a column as people read them, worked out once for all formats."""
        if i not in self._read:
            column = self.columns[i]
            self._read[i] = [(column.text(row[i].value), column.precision(row[i])) for row in self.rows]
        return self._read[i]

    def index(self, key: str) -> int:
        """Where the column of that key stands."""
        return next(i for i, column in enumerate(self.columns) if column.key == key)


@functools.lru_cache(KNOWN)
def _shortened(text: str) -> str:
    return textwrap.shorten(text, PROSE, placeholder="…")


def number_text(number: float, decimals: int, *, signed: bool = False) -> str:
    """A number with fixed decimals and a true minus sign; what rounds to zero has no sign."""
    if math.isinf(number):
        return f"{MINUS}∞" if number < 0 else "∞"
    shown = round(number, decimals)
    sign = MINUS if shown < 0 else "+" if signed and shown > 0 else ""
    return f"{sign}{abs(shown):.{decimals}f}"


def p_text(p: float) -> str:
    """A p-value: three decimals, `<0.001` below, and more digits where three would show `0.050` for p < 0.05."""
    if p < 0.001:
        return "<0.001"
    return f"{p:.4f}" if 0.0495 <= p < 0.05 else f"{p:.3f}"


def decimals_for(uncertainties: Iterable[float], *, default: int = 1) -> int:
    """Decimals that the median uncertainty warrants, 0 to 4; `default` where no uncertainty is positive.

    One significant digit of the uncertainty is kept, or two where they are 10 to 35.

    Source: the rounding rule of the Particle Data Group, Review of Particle Physics, Introduction 5.3.
    """
    positive = [u for u in uncertainties if u > 0 and math.isfinite(u)]
    if not positive:
        return default
    median = statistics.median(positive)
    exponent = math.floor(math.log10(median))
    leading = round(median / 10.0**exponent, 2)
    return min(4, max(0, -exponent + (leading < 3.55)))


def rounded(table: Table, keys: Collection[str], draws: str = "") -> Table:
    """Show the named columns with the decimals that the median uncertainty among all their cells warrants.

    `draws` names the column that says how many seeds a mean is over: the mean of n is known sqrt(n) times better than
    one seed, so it is rounded to its standard error, while its spread stays the standard deviation.
    """
    chosen = [(i, column) for i, column in enumerate(table.columns) if column.key in keys]
    uncertainties = [
        known * column.factor / math.sqrt(_draws(table, row, draws))
        for i, column in chosen
        for row in table.rows
        if (known := row[i].uncertainty) is not None
    ]
    default = 1 if all(column.unit == PERCENT for _, column in chosen) else 3
    decimals = decimals_for(uncertainties, default=default)
    columns = tuple(
        dataclasses.replace(column, decimals=decimals) if column.key in keys else column for column in table.columns
    )
    return dataclasses.replace(table, columns=columns)


def _draws(table: Table, row: tuple[Cell, ...], key: str) -> int:
    count = row[table.index(key)].value if key else 1
    return count if isinstance(count, int) else 1


def settled(table: Table, keys: Iterable[str]) -> Table:
    """Say in a note what is the same in every row, instead of in a column; CSV and Parquet keep the column."""
    found = {i: {row[i].value for row in table.rows} for i in map(table.index, keys)}
    constant = {i: values.pop() for i, values in found.items() if len(values) == 1}
    if not constant:
        return table
    said = ", ".join(
        f"{table.columns[i].header} = {table.columns[i].text(value)}"
        for i, value in constant.items()
        if value is not None
    )
    columns = tuple(
        dataclasses.replace(column, role="detail") if i in constant else column
        for i, column in enumerate(table.columns)
    )
    return dataclasses.replace(
        table, columns=columns, notes=(*([f"In every row: {said}."] if said else []), *table.notes)
    )


def ranked(table: Table, keys: Collection[str], within: str) -> Table:
    """Mark the highest value of each named column as best, the next as second, per value of the column `within`.

    Values that read the same share the mark. A column with one value in a group has no best; with two, no second.
    """
    group = table.index(within)
    marks: dict[tuple[int, int], Mark] = {}
    for i in (table.index(key) for key in keys):
        for value in dict.fromkeys(row[group].value for row in table.rows):
            members = [r for r, row in enumerate(table.rows) if row[group].value == value]
            marks.update(_places(table, i, members))
    rows = tuple(
        tuple(
            dataclasses.replace(cell, marks=cell.marks | {marks[r, c]}) if (r, c) in marks else cell
            for c, cell in enumerate(row)
        )
        for r, row in enumerate(table.rows)
    )
    return dataclasses.replace(table, rows=rows)


def _places(table: Table, column: int, members: list[int]) -> dict[tuple[int, int], Mark]:
    digits, factor = table.columns[column].decimals, table.columns[column].factor
    shown = {r: round(v * factor, digits) for r in members if isinstance(v := table.rows[r][column].value, int | float)}
    ladder = sorted(set(shown.values()), reverse=True)
    if len(shown) < 2:
        return {}
    places: dict[float, Mark] = {ladder[0]: "best"}
    if len(shown) > 2 and len(ladder) > 1:
        places[ladder[1]] = "second"
    return {(r, column): places[value] for r, value in shown.items() if value in places}
