"""Looking until it is significant costs what it costs; looking early, or again, at what was announced costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from comparison_studies import N, draw_cells, make_cell_study, make_row, places_of, primary, write_arm

from suite.comparison import compare_study
from suite.comparison.families import pay_for_looks
from suite.comparison.looking import Standing, price_of
from suite.comparison_spec import ComparisonSpec
from suite.look_log import Look, load_looks, log_looks
from suite.results import Comparison
from suite.spec import StudySpec
from suite.stats import spend, unplanned_look_bound

ARM = ("2-layer", "adversarial")


def look_at(declared: Sequence[int], used: Sequence[int] | None = None, arm: tuple[str, str] = ARM) -> Look:
    """A look at the seeds that were there (all of those declared unless said)."""
    return Look(
        when="2026-01-01T00:00:00+00:00", scale=arm[0], treatment=arm[1], baseline="standard",
        declared=tuple(declared), used=tuple(declared if used is None else used), p=0.04,
    )  # fmt: skip


def paid(standing: Standing, looks: Sequence[Look] = (), rules: ComparisonSpec | None = None) -> Comparison:
    """A row of p .01 after it has paid for its look."""
    row = make_row(p=0.01, p_adjusted=0.01, p_equivalence=0.02, p_equivalence_adjusted=0.02)
    return pay_for_looks([row], price_of(rules or ComparisonSpec(), {ARM: standing}, looks))[0]


def standing(declared: Sequence[int], used: Sequence[int] | None = None) -> Standing:
    return Standing(declared=tuple(declared), used=tuple(declared if used is None else used))


THREE, FIVE, SIX = (1, 2, 3), (1, 2, 3, 4, 5), (1, 2, 3, 4, 5, 6)


def free(row: Comparison) -> bool:
    return (row.p_adjusted, row.p_equivalence_adjusted, row.look_factor) == (0.01, 0.02, 1.0)


# Without a plan


def test_the_first_look_at_all_declared_seeds_is_free_and_unmarked() -> None:
    row = paid(standing(FIVE))
    assert free(row)
    assert (row.look, row.look_rule) == (1, "")


def test_looking_again_at_the_same_declared_seeds_is_free() -> None:
    row = paid(standing(FIVE), [look_at(FIVE)] * 3)
    assert free(row)
    assert (row.look, row.look_rule) == (1, "")
    assert free(paid(standing(FIVE), [look_at(FIVE[::-1])])), "in whatever order they were declared"


def test_an_interim_look_is_marked_and_free() -> None:
    row = paid(standing(FIVE, THREE))
    assert free(row)
    assert "interim: 3 of 5 declared seeds" in row.look_rule and "waits for all" in row.look_rule


def test_interim_looks_cost_the_final_one_nothing() -> None:
    looks = [look_at(FIVE, FIVE[:k]) for k in (2, 3, 4)]
    row = paid(standing(FIVE), looks)
    assert free(row)
    assert row.look_rule == ""


def test_seeds_added_after_a_complete_look_multiply_p_by_the_looks() -> None:
    row = paid(standing(FIVE), [look_at(THREE)])
    assert row.look == 2
    assert row.p_adjusted == pytest.approx(0.01 * 2 * 3)
    assert row.p_equivalence_adjusted == pytest.approx(0.02 * 2 * 3)
    assert row.look_factor == 6.0
    assert row.look_rule == unplanned_look_bound(0.01, 2).rule
    assert "look 2, not planned: p times 6" in row.look_rule
    third = paid(standing(SIX), [look_at(THREE), look_at(FIVE), look_at(FIVE)])
    assert third.look == 3
    assert third.p_adjusted == pytest.approx(0.01 * 3 * 4)
    assert paid(standing(SIX), [look_at(range(k)) for k in range(2, 30)]).p_adjusted == 1.0, "at most 1"


def test_an_interim_look_after_a_complete_one_pays_for_that() -> None:
    row = paid(standing(SIX, FIVE), [look_at(THREE)])
    assert row.look == 2
    assert row.p_adjusted == pytest.approx(0.06)
    assert "interim: 5 of 6" in row.look_rule


def test_naming_other_seeds_after_an_interim_look_costs_too() -> None:
    assert paid(standing(SIX), [look_at(FIVE, THREE)]).p_adjusted == pytest.approx(0.06)


def test_a_seed_that_failed_for_good_is_not_waited_for() -> None:
    assert free(paid(Standing(declared=SIX, used=FIVE, lost=(6,)), [look_at(SIX, FIVE)]))


def test_leaving_seeds_out_after_a_look_costs_as_adding_them_does() -> None:
    assert paid(standing(THREE), [look_at(FIVE)]).p_adjusted == pytest.approx(0.06)


def test_looks_at_another_method_or_scale_cost_nothing() -> None:
    others = [look_at(THREE, arm=("4-layer", "adversarial")), look_at(THREE, arm=("2-layer", "data-augmentation"))]
    assert free(paid(standing(FIVE), others))


# With a plan


PLAN = ComparisonSpec(looks=(3, 5))


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
def test_declared_looks_share_alpha_by_the_spending_function(spending: Any) -> None:
    rules = replace(PLAN, spending=spending)
    increments = spend([3 / 5, 1.0], 0.05, rules.spending)
    for number, (seeds, increment) in enumerate(zip((THREE, FIVE), increments, strict=True), start=1):
        row = paid(standing(FIVE, seeds), [look_at(FIVE, THREE)], rules)
        assert row.look == number
        assert row.p_adjusted == pytest.approx(0.01 * 0.05 / increment)
        assert f"look {number} of 2 planned" in row.look_rule
        assert (row.p_adjusted < 0.05) == (0.01 < increment), "significant where it fits into what may be spent"


def test_between_declared_looks_nothing_may_be_concluded() -> None:
    for p in (0.0, 0.01):
        row = pay_for_looks([make_row(p=p, p_adjusted=p)], price_of(PLAN, {ARM: standing(FIVE, FIVE[:4])}, []))[0]
        assert (row.p_adjusted, row.look) == (1.0, 0)
        assert "4 seeds are none of the declared looks [3, 5]: nothing may be concluded" in row.look_rule


@pytest.mark.parametrize("looks", [(5, 3), (3, 3), (1, 3)])
def test_declared_looks_rise_from_two_seeds(looks: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="looks are rising numbers of seeds from 2"):
        ComparisonSpec(looks=looks)


# In a study


def compare(study: StudySpec, seeds: int, folder: Path, log: Path) -> tuple[Comparison, list[str]]:
    """The primary row of a study's first seeds, and the warnings; the look is logged."""
    records = [
        record
        for method, rate in enumerate((0.6, 0.8))
        for record in write_arm(study, method, draw_cells(study, rate, method), folder, seeds=range(1, seeds + 1))
    ]
    results, looks = compare_study(study, records, places_of(records, folder), items="separate", looks=load_looks(log))
    log_looks(looks, log)
    return primary(results), list(results.warnings)


def test_a_study_pays_for_seeds_that_were_added_after_a_look(tmp_path: Path) -> None:
    four = make_cell_study()
    three = replace(four, refit=replace(four.refit, seeds=(1, 2, 3)))
    log = tmp_path / "looks.jsonl"
    first, _ = compare(three, 3, tmp_path, log)
    again, _ = compare(three, 3, tmp_path, log)
    assert first == again and (first.look, first.look_factor) == (1, 1.0)
    last, warnings = compare(four, 4, tmp_path, log)
    assert last.look == 2
    assert last.p_adjusted == pytest.approx(min(1.0, 6 * last.p))
    assert any("look 2, not planned" in warning for warning in warnings)
    assert [(look.declared, look.used) for look in load_looks(log)] == [
        ((1, 2, 3), (1, 2, 3)),
        ((1, 2, 3), (1, 2, 3)),
        ((1, 2, 3, 4), (1, 2, 3, 4)),
    ]


def test_a_study_that_announced_all_its_seeds_may_be_looked_at_while_it_runs(tmp_path: Path) -> None:
    study, log = make_cell_study(), tmp_path / "looks.jsonl"
    interim = [compare(study, seeds, tmp_path, log) for seeds in (2, 3)]
    for (row, warnings), seeds in zip(interim, (2, 3), strict=True):
        assert (row.n_seeds, row.look_factor) == (seeds, 1.0)
        assert any(f"interim: {seeds} of 4 declared seeds" in warning for warning in warnings)
    final, warnings = compare(study, 4, tmp_path, log)
    assert (final.look, final.look_rule, final.p_adjusted) == (1, "", final.p)
    assert not [warning for warning in warnings if "look" in warning or "interim" in warning]


def test_between_declared_looks_no_language_is_said_to_improve(tmp_path: Path) -> None:
    records = []
    study = make_cell_study(looks=(2, 4))
    for method, rate in enumerate((0.2, 0.95)):
        cells = draw_cells(study, rate, method)
        records += write_arm(study, method, cells, tmp_path, seeds=(1, 2, 3))
    results, _ = compare_study(study, records, places_of(records, tmp_path), items="separate")
    assert {row.p_adjusted for row in results.comparisons if row.is_tested} == {1.0}
    assert results.breadths[0].holding == 0
    free_study = make_cell_study()
    open_results, _ = compare_study(free_study, records, places_of(records, tmp_path), items="separate")
    assert open_results.breadths[0].holding == 2, f"a gain of {75} points on {N} items is found"


# The log


def test_the_log_only_grows_and_survives_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "study" / "looks.jsonl"
    assert load_looks(path) == ()
    written: list[Look] = []
    for look in (look_at(THREE), look_at(FIVE, THREE), look_at(FIVE)):
        before = path.read_bytes() if path.is_file() else b""
        log_looks([look], path)
        written.append(look)
        assert path.read_bytes().startswith(before)
        assert load_looks(path) == tuple(written)
    log_looks([], path)
    assert load_looks(path) == tuple(written)


@pytest.mark.parametrize("line", [b"{}", b"not json", b'{"when": "now"}', b"[1, 2]", b"\xff"])
def test_a_broken_line_of_the_log_is_named_and_nothing_is_overwritten(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "looks.jsonl"
    log_looks([look_at(THREE)], path)
    path.write_bytes(path.read_bytes() + line + b"\n")
    content = path.read_bytes()
    for act in (lambda: load_looks(path), lambda: log_looks([look_at(FIVE)], path)):
        with pytest.raises(ValueError, match=r"looks.jsonl, line 2 is not a look at results; restore") as caught:
            act()
        assert "\n" not in str(caught.value)
    assert path.read_bytes() == content
