"""Laws of tables and their formats: rounding, marks, exact values, escaping, column counts."""

from __future__ import annotations

import csv
import io
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from report_studies import COMPARISONS, RECORDS, STUDY

from suite.report import TABLES, tables
from suite.report.latex import PAGE_ROWS, escape_latex, to_latex
from suite.report.render import escape_markdown, split_columns, tidy, to_csv, to_markdown, to_parquet, to_text
from suite.report.table import Cell, Column, Table, decimals_for, number_text, p_text, ranked, rounded


@pytest.fixture(scope="module")
def built() -> dict[str, Table]:
    return {table.name: table for table in tables(STUDY, RECORDS, COMPARISONS)}


def small_table(values: list[float | None], spreads: list[float | None] | None = None) -> Table:
    columns = (
        Column(key="scale", header="scale", kind="text", role="label"),
        Column(key="method", header="a_method | 100 %", kind="text", role="label"),
        Column(key="accuracy", header="accuracy", kind="level", unit="points"),
    )
    given = spreads or [None] * len(values)
    rows = tuple(
        (Cell(value="s"), Cell(value=f"m_{i} & co"), Cell(value=value, spread=spread))
        for i, (value, spread) in enumerate(zip(values, given, strict=True))
    )
    return Table(name="small", title="A < B & 5 % of x_1", columns=columns, rows=rows, notes=("Note #1.",))


def marks(table: Table, key: str = "accuracy") -> list[set[str]]:
    return [set(row[table.index(key)].marks) for row in table.rows]


# Numbers


@pytest.mark.parametrize(
    ("uncertainty", "decimals"), [(4.2, 0), (1.3, 1), (0.42, 1), (0.13, 2), (0.36, 1), (0.034, 3), (30.0, 0)]
)
def test_decimals_keep_one_digit_of_the_uncertainty_or_two_where_it_is_small(uncertainty: float, decimals: int) -> None:
    assert decimals_for([uncertainty]) == decimals


def test_decimals_without_uncertainty_are_the_default() -> None:
    assert decimals_for([0.0, math.nan], default=3) == 3


def test_what_rounds_to_zero_has_no_sign() -> None:
    assert [number_text(x, 1, signed=True) for x in (-0.04, 0.04, -0.06, 0.06)] == [
        "0.0",
        "0.0",
        "\N{MINUS SIGN}0.1",
        "+0.1",
    ]


def test_p_below_alpha_never_reads_as_alpha() -> None:
    assert [p_text(p) for p in (0.0, 0.00099, 0.0496, 0.05, 1.0)] == ["<0.001", "<0.001", "0.0496", "0.050", "1.000"]


def test_columns_rounded_together_share_the_decimals_of_the_median_spread() -> None:
    table = rounded(small_table([0.7831, 0.7712, 0.7], [0.0013, 0.0042, 0.09]), ["accuracy"])
    assert [table.columns[2].text(row[2].value) for row in table.rows] == ["78.3", "77.1", "70.0"]


# Marks


def test_best_and_second_are_marked_within_a_group() -> None:
    assert marks(ranked(small_table([0.5, 0.7, 0.6]), ["accuracy"], "scale")) == [set(), {"best"}, {"second"}]


def test_values_that_read_the_same_share_the_mark() -> None:
    table = ranked(small_table([0.7001, 0.6999, 0.651, 0.6512, 0.6]), ["accuracy"], "scale")
    assert marks(table) == [{"best"}, {"best"}, {"second"}, {"second"}, set()]


def test_one_of_two_is_best_and_the_other_is_not_second() -> None:
    assert marks(ranked(small_table([0.5, 0.7, None]), ["accuracy"], "scale")) == [set(), {"best"}, set()]


def test_a_lone_value_is_not_best() -> None:
    assert marks(ranked(small_table([0.5, None]), ["accuracy"], "scale")) == [set(), set()]


def test_the_transfer_gap_is_not_ranked(built: dict[str, Table]) -> None:
    assert not any(marks(built["main"], "transfer_gap"))


def test_daggers_in_the_main_table_are_the_adjusted_p_values(built: dict[str, Table]) -> None:
    table = built["main"]
    columns = {"zero-shot mean": "zero_shot_mean"}
    for c in (c for c in COMPARISONS if c.kind in ("primary", "language")):
        row = next(r for r in table.rows if (r[0].value, r[1].value) == (c.scale, c.treatment))
        cell = row[table.index(columns.get(c.aggregate, c.aggregate))]
        assert ("significant" in cell.marks) == (c.p_adjusted < 0.05), (c.scale, c.treatment, c.aggregate)


# Files for machines


def test_csv_values_survive_the_round_trip_exactly(built: dict[str, Table]) -> None:
    for table in built.values():
        names, rows = tidy(table)
        read = list(csv.reader(io.StringIO(to_csv(table))))
        assert read[0] == [name for name, _ in names]
        for line, row in zip(read[1:], rows, strict=True):
            for text, value in zip(line, row, strict=True):
                assert text == "" if value is None else type(value)(text) == value


def test_parquet_holds_what_csv_holds_typed(built: dict[str, Table]) -> None:
    import pyarrow.parquet

    for table in built.values():
        names, rows = tidy(table)
        read = pyarrow.parquet.read_table(io.BytesIO(to_parquet(table)))
        assert [list(row.values()) for row in read.to_pylist()] == rows
        assert [str(read.schema.field(name).type) for name, kind in names if kind == "count"] == ["int64"] * sum(
            kind == "count" for _, kind in names
        )
        assert read.schema.metadata[b"signature"].decode() == table.signature


def test_the_main_csv_has_one_row_per_scale_method_and_place(built: dict[str, Table]) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(built["main"]))))
    assert len(rows) == 2 * 3 * (1 + 12 + 2)
    wanted = [
        r for r in RECORDS if (r.spec.phase, r.spec.scale.name, r.spec.method) == ("refit", "4-layer", "standard")
    ]
    cell = next(r for r in rows if (r["scale"], r["method"], r["aggregate"]) == ("4-layer", "standard", "sw"))
    values = [r.by_language()["sw"] for r in wanted]
    assert float(cell["accuracy"]) == pytest.approx(np.mean(values), abs=1e-15)
    assert float(cell["accuracy_sd"]) == pytest.approx(np.std(values, ddof=1), abs=1e-15)


def test_delta_rows_say_all_that_a_comparison_says(built: dict[str, Table]) -> None:
    primary = [c for c in COMPARISONS if c.kind == "primary"]
    rows = list(csv.DictReader(io.StringIO(to_csv(built["deltas"]))))
    for c, row in zip(primary, rows, strict=True):
        numbers = ("effect", "effect_low", "effect_high", "t", "df", "p", "p_adjusted", "mde")
        wanted = (c.effect, c.low, c.high, c.statistic, c.degrees_of_freedom, c.p, c.p_adjusted, c.mde)
        assert tuple(float(row[name]) for name in numbers) == wanted
        assert (row["correction"], row["family_size"], row["claim"]) == (c.correction, str(c.family_size), c.claim)


def test_every_run_stands_in_the_tables_of_runs(built: dict[str, Table]) -> None:
    def ids(name: str) -> list[object]:
        return [row[built[name].index("run_id")].value for row in built[name].rows]

    assert sorted(map(str, ids("runs"))) == sorted(r.run_id for r in RECORDS)
    assert len(set(ids("tuning"))) == len(ids("tuning")) == sum(r.spec.phase == "tune" for r in RECORDS)


def test_the_refitted_trial_is_the_best_complete_one(built: dict[str, Table]) -> None:
    table = built["tuning"]
    scale, method, state, selection = (table.index(k) for k in ("scale", "method", "state", "selection"))
    for arm in {(row[scale].value, row[method].value) for row in table.rows}:
        rows = [row for row in table.rows if (row[scale].value, row[method].value) == arm]
        best = max(row[selection].value for row in rows if row[state].value == "complete")  # type: ignore[type-var]
        assert [row[selection].value for row in rows if row[selection].marks] == [best]


# Files for people


def unescaped_bars(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line))


def test_markdown_rows_have_as_many_cells_as_the_head(built: dict[str, Table]) -> None:
    for table in [*built.values(), small_table([0.1, None])]:
        lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
        assert len(lines) == len(table.rows) + 2
        assert {unescaped_bars(line) for line in lines} == {len(table.shown) + 1}


def test_latex_rows_have_as_many_cells_as_columns(built: dict[str, Table]) -> None:
    for table in [*built.values(), small_table([0.1, None])]:
        for columns, body in re.findall(
            r"\\begin\{(?:tabular|longtable)\}\{@\{\}(\w+)@\{\}\}(.*?)\\end", to_latex(table), re.S
        ):
            rows = [line for line in body.splitlines() if line.endswith(r"\\") and "caption" not in line]
            assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in rows} == {len(columns)}


def test_latex_escapes_every_special_character() -> None:
    assert escape_latex("a_b & 5 % {#1} $x^2$ ~ \\ |") == (
        r"a\_b \& 5 \% \{\#1\} \$x\textasciicircum{}2\$ \textasciitilde{} \textbackslash{} $|$"
    )
    assert escape_latex("± \N{MINUS SIGN} 中") == r"$\pm$ $-$ [U+4E2D]"


def test_markdown_escapes_markup_but_leaves_names_readable() -> None:
    assert escape_markdown("macro_f1 *x* a|b <i> _y_ [l](u)") == r"macro_f1 \*x\* a\|b \<i> \_y\_ \[l\](u)"


def test_marks_are_written_in_every_format() -> None:
    table = ranked(small_table([0.5, 0.7, 0.6], [0.01, 0.01, 0.01]), ["accuracy"], "scale")
    assert "**70.0** ± 1.0" in to_markdown(table) and "<ins>60.0</ins> ± 1.0" in to_markdown(table)
    assert r"\textbf{70.0}$_{\pm 1.0}$" in to_latex(table) and r"\underline{60.0}$_{\pm 1.0}$" in to_latex(table)
    assert "70.0* ± 1.0" in to_text(table) and "60.0_ ± 1.0" in to_text(table)


def test_terminal_text_keeps_to_its_width_and_shows_every_column(built: dict[str, Table]) -> None:
    for width in (60, 100, 200):
        blocks = to_text(built["main"], width).split("\n\n")[1:-1]
        assert max(len(line) for block in blocks for line in block.splitlines()) <= width
        heads = " ".join(block.splitlines()[0] for block in blocks)
        assert all(f" {column.header}" in heads for column in built["main"].columns if column.role == "measure")


def test_a_column_wider_than_the_budget_gets_a_block_of_its_own() -> None:
    table = small_table([0.1])
    assert split_columns(table, {0: 5, 1: 5, 2: 500}, 20, gap=2) == [[0, 1, 2]]


def test_every_table_carries_its_signature(built: dict[str, Table]) -> None:
    for table in built.values():
        assert table.signature.startswith("suite:0.1.0|study:")
    assert "test:seed-t" in built["deltas"].signature and "holm(4)" in built["deltas"].signature


def test_latex_compiles_without_overfull_lines(built: dict[str, Table], tmp_path: Path) -> None:
    pdflatex = shutil.which("pdflatex")
    if pdflatex is None:
        pytest.skip("pdflatex is not installed (Debian: texlive-latex-base, texlive-latex-recommended)")
    body = "\\clearpage\n".join(to_latex(table) for table in [*built.values(), small_table([0.1, None])])
    document = rf"""\documentclass[10pt,a4paper]{{article}}
\usepackage[margin=1in]{{geometry}}\usepackage{{booktabs,longtable}}
\begin{{document}}
{body}
\end{{document}}"""
    (tmp_path / "all.tex").write_text(document, encoding="utf-8")
    command = [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    log = run.stdout.decode("latin-1")
    assert run.returncode == 0, log[-2000:]
    assert not [float(x) for x in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log) if float(x) > 5], log


def test_latex_tables_have_one_label_and_break_over_pages_where_they_must(built: dict[str, Table]) -> None:
    for table in built.values():
        written = to_latex(table)
        assert written.count(rf"\label{{tab:{table.name}}}") == 1
        assert r"\begin{table*}" in written or len(table.rows) > PAGE_ROWS / 4
        assert r"\begin{longtable}" in written or len(table.rows) <= PAGE_ROWS


def test_tables_are_named_by_their_key() -> None:
    assert {build(STUDY, [], ()).name for build in TABLES.values()} == set(TABLES)
