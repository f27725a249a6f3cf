"""Laws of tables and their formats: rounding, marks, exact values, escaping, column counts."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from report_studies import COMPARISONS, RECORDS, STUDY
from scipy.stats import binomtest

from suite.records import RunRecord
from suite.report import TABLES, tables
from suite.report.delta_tables import primary_deltas
from suite.report.latex import to_latex
from suite.report.latex_text import escape_latex
from suite.report.render import escape_markdown, split_columns, tidy, to_csv, to_markdown, to_parquet, to_text
from suite.report.signature import signature
from suite.report.table import DAGGER, Cell, Column, Table, decimals_for, number_text, p_text, ranked, rounded, settled
from suite.report.tables import main_results, subset_results
from suite.results import Results


@pytest.fixture(scope="module")
def built() -> dict[str, Table]:
    return {table.name: table for table in tables(STUDY, RECORDS, Results(comparisons=COMPARISONS))}


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


def test_means_are_rounded_to_their_standard_error_and_spreads_alike() -> None:
    table = small_table([0.5042, 0.7, None], [0.042, 0.042, None])
    alone = rounded(table, ["accuracy"])
    rows = tuple((Cell(value=6), *row[1:]) for row in table.rows)
    over_six = rounded(dataclasses.replace(table, rows=rows), ["accuracy"], draws="scale")
    assert [t.columns[2].text(0.5042) + t.columns[2].precision(t.rows[0][2]) for t in (alone, over_six)] == [
        "50± 4",
        "50.4± 4.2",
    ]


def test_what_has_no_value_has_no_precision() -> None:
    column = Column(key="x", header="x", kind="level")
    assert [column.precision(Cell(value=value, spread=0.1)) for value in (None, math.nan, 1.0)] == ["", "", "± 0.1"]


# Columns that say the same in every row


def test_a_settled_column_moves_to_a_note_and_stays_in_csv() -> None:
    table = settled(small_table([0.5, 0.7]), ["scale", "method"])
    assert [table.columns[i].key for i in table.shown] == ["method", "accuracy"]
    assert table.notes[0] == "In every row: scale = s."
    assert [name for name, _ in tidy(table)[0]] == [name for name, _ in tidy(small_table([0.5, 0.7]))[0]]


def test_where_seeds_are_the_unit_no_number_of_items_is_claimed() -> None:
    on_seeds = tuple(dataclasses.replace(c, n_items=0, unit="seed") for c in COMPARISONS)
    table = primary_deltas(STUDY, RECORDS, on_seeds)
    assert "items" not in table.notes[0] and "items" not in table.signature
    assert {row[table.index("items")].value for row in table.rows} == {None}


def test_nothing_settles_where_nothing_is_shared() -> None:
    table = small_table([0.5, 0.7])
    assert settled(table, ["method", "accuracy"]) == table


# Comparisons and daggers


@pytest.mark.parametrize("name", ["deltas", "deltas-languages", "deltas-subsets", "deltas-alignment"])
def test_tables_of_comparisons_show_p_adjusted_p_family_and_method_in_every_format(
    built: dict[str, Table], name: str
) -> None:
    table = built[name]
    correction, size = (table.rows[0][table.index(key)].value for key in ("correction", "family_size"))
    for written in (to_markdown(table), to_text(table, 200), to_latex(table)):
        assert all(
            " ".join(text.split()) in " ".join(written.split()) for text in (" p ", "p adj.", f"family = {size}")
        )
        assert f"{correction} over {size} comparisons" in " ".join(written.split())
    names = {column for column, _ in tidy(table)[0]}
    assert {"p", "p_adjusted", "family_size", "correction", "family_name", "test"} <= names


def test_tidy_results_carry_the_test_behind_each_dagger(built: dict[str, Table]) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(built["main"]))))
    tested = {(c.scale, c.treatment, c.aggregate): c for c in COMPARISONS if c.kind == "language"}
    for row in rows:
        c = tested.get((row["scale"], row["method"], row["aggregate"]))
        if c is not None:
            assert (float(row["accuracy_p"]), float(row["accuracy_p_adjusted"])) == (c.p, c.p_adjusted)
            assert (row["accuracy_correction"], row["accuracy_family_size"]) == (c.correction, str(c.family_size))
        if row["method"] == "standard":
            assert not row["accuracy_p"] and not row["accuracy_correction"]


def test_every_dagger_is_explained_below_in_every_format(built: dict[str, Table]) -> None:
    for table in built.values():
        daggers = sum("significant" in cell.marks for row in table.rows for cell in row)
        explained = f"{DAGGER} differs from standard"
        for written in (to_markdown(table), to_text(table), to_latex(table).replace(r"$^{\dagger}$", DAGGER)):
            assert (explained in " ".join(written.split())) == bool(daggers), table.name
            assert written.count(DAGGER) == daggers + bool(daggers)


def test_a_table_without_daggers_says_that_no_difference_was_found() -> None:
    none = tuple(dataclasses.replace(c, p_adjusted=1.0) for c in COMPARISONS)
    for build in (main_results, primary_deltas, subset_results):
        below = " ".join(build(STUDY, RECORDS, none).notes)
        assert DAGGER not in below and "No difference from standard at the same scale has an adjusted p < 0.05" in below


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


def test_a_subset_of_few_items_says_so_with_its_interval() -> None:
    def of_few(record: RunRecord) -> RunRecord:
        scores = [
            dataclasses.replace(s, n=n)
            if s.subset == "char-noise" and (n := {"de": 50, "fr": 199}.get(s.language))
            else s
            for s in record.scores
        ]
        return dataclasses.replace(record, scores=tuple(scores))

    assert not any("Fewer" in note for note in subset_results(STUDY, RECORDS, COMPARISONS).notes)
    (note,) = (n for n in subset_results(STUDY, [of_few(r) for r in RECORDS], COMPARISONS).notes if "Fewer" in n)
    assert note == (
        "Fewer than 200 items per language, at the least (95 % interval of a run's score of 50): char-noise 50 (±13)."
    )
    low, high = binomtest(25, 50).proportion_ci(method="wilson")
    assert (round(100 * low), round(100 * high)) == (50 - 13, 50 + 13)


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


def test_markdown_escapes_markup_but_leaves_names_readable() -> None:
    assert escape_markdown("macro_f1 *x* a|b <i> _y_ [l](u)") == r"macro_f1 \*x\* a\|b \<i> \_y\_ \[l\](u)"


def test_marks_are_written_in_every_format() -> None:
    table = ranked(small_table([0.5, 0.7, 0.6], [0.01, 0.01, 0.01]), ["accuracy"], "scale")
    assert "**70.0** ± 1.0" in to_markdown(table) and "<ins>60.0</ins> ± 1.0" in to_markdown(table)
    latex = to_latex(table).replace(" & ", "")
    assert r"\textbf{70.0}$_{\pm 1.0}$" in latex and r"\underline{60.0}$_{\pm 1.0}$" in latex
    assert "70.0* ± 1.0" in to_text(table) and "60.0_ ± 1.0" in to_text(table)


def test_terminal_text_explains_its_signs_where_it_has_them() -> None:
    table = small_table([0.5, 0.7, 0.6])
    assert "stands for bold" not in to_text(table)
    assert "* stands for bold, _ for underlined." in to_text(ranked(table, ["accuracy"], "scale"))


def test_terminal_text_keeps_to_its_width_and_shows_every_column(built: dict[str, Table]) -> None:
    for width in (60, 100, 200):
        blocks = to_text(built["main"], width).split("\n\n")[1:-1]
        assert max(len(line) for block in blocks for line in block.splitlines()) <= width
        heads = " ".join(block.splitlines()[0] for block in blocks)
        assert all(f" {column.header}" in heads for column in built["main"].columns if column.role == "measure")


def test_a_column_wider_than_the_budget_gets_a_block_of_its_own() -> None:
    table = small_table([0.1])
    assert split_columns(table, {0: 5, 1: 5, 2: 500}, 20, gap=2) == [[0, 1, 2]]


def test_every_file_of_a_table_carries_its_signature(built: dict[str, Table]) -> None:
    for table in (table for table in built.values() if table.rows):
        assert table.signature.startswith("suite:0.1.0|study:")
        assert table.signature in to_markdown(table) and table.signature in to_text(table)
        written = to_latex(table).replace(r"$|$\allowbreak{}", "|").replace(r"\allowbreak{}", "")
        assert escape_latex(table.signature).replace("$|$", "|") in written
        assert {row[-1] for row in tidy(table)[1]} == {table.signature}


def test_signatures_of_comparisons_name_tests_seeds_pairing_and_corrections(built: dict[str, Table]) -> None:
    parts = built["deltas"].signature.split("|")
    assert {"seeds:6", "items:400", "pair:seed", "test:seed-t", "confidence:0.95", "families:holm(4)"} <= {*parts}


def test_signatures_say_when_a_test_does_not_pair_seeds() -> None:
    mixed = tuple(dataclasses.replace(c, test="seed-welch" if i else c.test) for i, c in enumerate(COMPARISONS))
    assert "pair:seed+none" in signature(STUDY, RECORDS, mixed).split("|")
    assert "pair:" not in signature(STUDY, RECORDS)


def test_csv_reads_with_a_plain_reader(built: dict[str, Table]) -> None:
    pandas = pytest.importorskip("pandas")
    for table in built.values():
        frame = pandas.read_csv(io.StringIO(to_csv(table)))
        names, rows = tidy(table)
        assert [*frame.columns] == [name for name, _ in names] and len(frame) == len(rows)


def test_tables_are_named_by_their_key() -> None:
    assert {build(STUDY, [], ()).name for build in TABLES.values()} == set(TABLES)


def test_csv_and_parquet_of_deltas_hold_every_number_of_a_comparison() -> None:
    full = dataclasses.replace(
        COMPARISONS[0], simultaneous=(-0.5, 0.5), margin=0.01, p_equivalence=0.3, p_equivalence_adjusted=0.6,
        rope=(0.1, 0.7, 0.2), look=2, look_rule="look 2, not planned: p times 6", look_factor=6.0,
    )  # fmt: skip
    (row,) = csv.DictReader(io.StringIO(to_csv(primary_deltas(STUDY, RECORDS, (full,)))))
    kept = {key for key, value in row.items() if value}
    numbers = [value for value in dataclasses.astuple(full) if isinstance(value, float)]
    numbers += [*(full.simultaneous or ()), *(full.rope or ())]
    assert {repr(number) for number in numbers} <= {row[key] for key in kept}
    assert (row["look"], row["look_rule"]) == ("2", full.look_rule)
    assert "n_seeds" not in kept and row["seeds"] == str(full.n_seeds)
    schema = set(pq.read_schema(io.BytesIO(to_parquet(primary_deltas(STUDY, RECORDS, (full,))))).names)
    assert schema == set(row)
