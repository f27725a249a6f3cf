"""Laws of the comparison: what is paired, what is joined, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from comparison_studies import (
    LANGUAGES,
    Cells,
    N,
    Scores,
    compare_cells,
    draw_cells,
    draw_scores,
    make_arms,
    make_cell_study,
    numbers,
    places_of,
    primary,
    table_of,
    write_arm,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from suite.comparison import compare_arms, compare_arrays, compare_frame, compare_study
from suite.comparison.contest import undirected
from suite.comparison.runs import read_arm
from suite.comparison.strata import Weighted, join_items
from suite.comparison_spec import ComparisonSpec
from suite.results import Results
from suite.spec import StudySpec
from suite.stats import crossed, crossed_paired, crossed_unpaired, equivalence, holm

FEW = settings(deadline=None, derandomize=True, max_examples=25)


@pytest.fixture(scope="module")
def study() -> StudySpec:
    return make_cell_study()


def differences(arms: list[Cells], key: tuple[str, str]) -> NDArray[np.float64]:
    treatment, baseline = (arm[key].astype(np.float64) for arm in arms[::-1])
    return treatment - baseline


def test_the_primary_test_is_the_crossed_one_over_languages_with_items_of_their_own(
    study: StudySpec, tmp_path: Path
) -> None:
    arms = [draw_cells(study, 0.6, 1), draw_cells(study, 0.8, 2)]
    row = compare_cells(study, arms, tmp_path)["primary", "clean", "zero-shot mean"]
    keys = [("clean", t) for t in study.task.targets]
    expected = crossed_paired([arms[1][k].astype(float) for k in keys], [arms[0][k].astype(float) for k in keys])
    assert row.effect == pytest.approx(expected.estimate, abs=1e-12)
    assert row.p == pytest.approx(expected.p, abs=1e-12)
    assert row.degrees_of_freedom == pytest.approx(expected.degrees_of_freedom, abs=1e-9)
    assert (row.n_seeds, row.n_items) == (4, 2 * N)


def test_translated_items_are_averaged_over_languages_before_the_test(study: StudySpec, tmp_path: Path) -> None:
    arms = [draw_cells(study, 0.6, 3), draw_cells(study, 0.8, 4)]
    row = compare_cells(study, arms, tmp_path, shared=True)["primary", "clean", "zero-shot mean"]
    keys = [("clean", t) for t in study.task.targets]
    macro = [np.mean([a[k].astype(float) for k in keys], axis=0) for a in arms]
    expected = crossed_paired([macro[1]], [macro[0]])
    assert row.n_items == N
    assert row.p == pytest.approx(expected.p, abs=1e-12)


def test_duplicating_a_language_of_the_same_items_does_not_shrink_the_error(study: StudySpec, tmp_path: Path) -> None:
    arms = []
    for seed, rate in ((5, 0.6), (6, 0.8)):
        cells = draw_cells(study, rate, seed)
        for subset in ("clean", "char-noise"):
            cells[subset, study.task.targets[1]] = cells[subset, study.task.targets[0]]
        arms.append(cells)
    rows = compare_cells(study, arms, tmp_path, shared=True)
    macro, one = rows["primary", "clean", "zero-shot mean"], rows["language", "clean", study.task.targets[0]]
    assert macro.high - macro.low == pytest.approx(one.high - one.low, rel=1e-9)


def test_the_interaction_is_the_difference_of_the_two_effects_on_the_same_items(
    study: StudySpec, tmp_path: Path
) -> None:
    arms = [draw_cells(study, 0.6, 7), draw_cells(study, 0.8, 8)]
    rows = compare_cells(study, arms, tmp_path)
    subset = rows["subset", "char-noise", "zero-shot mean"].effect
    clean = rows["primary", "clean", "zero-shot mean"].effect
    row = rows["interaction", "char-noise - clean", "zero-shot mean"]
    assert row.effect == pytest.approx(subset - clean, abs=1e-12)
    assert row.n_items == 2 * N, "perturbed items are joined to the clean ones they were made from"
    strata = [differences(arms, ("char-noise", t)) - differences(arms, ("clean", t)) for t in study.task.targets]
    zeros = [np.zeros_like(s) for s in strata]
    assert row.p == pytest.approx(crossed_paired(strata, zeros).p, abs=1e-12)


def test_swapping_the_arms_negates_every_effect_and_keeps_every_p(study: StudySpec, tmp_path: Path) -> None:
    arms = [draw_cells(study, 0.6, 9), draw_cells(study, 0.8, 10)]
    there, back = compare_cells(study, arms, tmp_path / "a"), compare_cells(study, arms[::-1], tmp_path / "b")
    for key, row in there.items():
        assert back[key].effect == pytest.approx(-row.effect, abs=1e-12)
        assert back[key].p == pytest.approx(row.p, abs=1e-12)


def test_a_method_does_not_differ_from_itself(study: StudySpec, tmp_path: Path) -> None:
    cells = draw_cells(study, 0.7, 11)
    rows = compare_cells(study, [cells, cells], tmp_path)
    assert {row.is_tested for row in rows.values()} == {False}
    assert {row.effect for row in rows.values()} == {0.0}


def test_families_are_adjusted_within_their_kind(tmp_path: Path) -> None:
    study = make_cell_study(language_correction="benjamini-hochberg")
    rows = compare_cells(study, [draw_cells(study, 0.6, 12), draw_cells(study, 0.8, 13)], tmp_path)
    languages = [row for (kind, _, _), row in rows.items() if kind == "language"]
    assert {row.family_size for row in languages} == {3}
    assert {row.correction for row in languages} == {"benjamini-hochberg"}
    assert all(row.p_adjusted >= row.p for row in languages)
    assert rows["primary", "clean", "zero-shot mean"].correction == study.comparison.correction


def test_pairing_is_refused_when_example_ids_differ(study: StudySpec, tmp_path: Path) -> None:
    cells = draw_cells(study, 0.6, 14)
    other = {key: correct[:, 1:] if key == ("clean", "en") else correct for key, correct in cells.items()}
    with pytest.raises(ValueError, match=r"paired by example id.*clean/en.*'en-39'"):
        compare_cells(study, [cells, other], tmp_path)


def test_pairing_is_refused_when_a_seed_has_only_one_arm(study: StudySpec, tmp_path: Path) -> None:
    cells = draw_cells(study, 0.6, 15)
    records = write_arm(study, 0, cells, tmp_path) + write_arm(study, 1, cells, tmp_path)[1:]
    with pytest.raises(ValueError, match="seed 1 has only one of them"):
        compare_study(study, records, places_of(records, tmp_path), items="separate")


def test_tuning_trials_are_never_compared(study: StudySpec, tmp_path: Path) -> None:
    cells = draw_cells(study, 0.6, 16)
    refits = write_arm(study, 0, cells, tmp_path) + write_arm(study, 1, cells, tmp_path)
    tuned = [replace(r, spec=replace(r.spec, phase="tune", number=0)) for r in refits]
    assert compare_study(study, tuned, {r.run_id: tmp_path for r in tuned}, items="separate") == (Results(), [])


def test_alignment_is_compared_seed_by_seed_at_the_last_layer(study: StudySpec, tmp_path: Path) -> None:
    cells = draw_cells(study, 0.6, 17)
    records = write_arm(study, 0, cells, tmp_path) + write_arm(study, 1, cells, tmp_path)
    places = places_of(records, tmp_path)
    rows = compare_study(study, records, places, items="separate")[0].comparisons
    alignment = [row for row in rows if row.kind == "alignment"]
    assert {row.unit for row in alignment} == {"seed"}
    assert {row.effect for row in alignment} == {1.0}
    assert all(row.quantity.endswith(".layer-2") for row in alignment)


def test_a_direction_is_not_tested_beside_the_mean_of_both() -> None:
    assert undirected(["csls_p1", "csls_p1_forward", "hubness_backward"]) == ["csls_p1", "hubness_backward"]


def test_joined_blocks_keep_the_weighted_sum_of_their_means() -> None:
    rng = np.random.default_rng(0)
    a = Weighted("de", ("1", "2", "3"), rng.random((3, 3)), 0.5)
    b = Weighted("de", ("3", "2"), rng.random((3, 2)), -0.25)
    c = Weighted("fr", ("1", "2"), rng.random((3, 2)), 0.75)
    strata = join_items([a, b, c])
    assert [s.shape for s in strata] == [(3, 3), (3, 2)]
    expected = sum(w.weight * w.values_SN.mean(1) for w in (a, b, c))
    np.testing.assert_allclose(sum(s.mean(1) for s in strata), expected, atol=1e-12)


def test_predictions_are_read_in_the_order_of_their_ids(study: StudySpec, tmp_path: Path) -> None:
    cells = draw_cells(study, 0.6, 18)
    records = write_arm(study, 0, cells, tmp_path)
    path = tmp_path / records[0].run_id / "predictions.parquet"
    before = read_arm(records, places_of(records, tmp_path))
    table = pq.read_table(path)
    pq.write_table(table.take(np.random.default_rng(0).permutation(len(table))), path)
    after = read_arm(records[::-1], places_of(records, tmp_path))
    for key, block in before.blocks.items():
        np.testing.assert_array_equal(block.values_SN, after.blocks[key].values_SN)


def test_a_failed_refit_leaves_its_seed_out_on_both_sides(study: StudySpec, tmp_path: Path) -> None:
    arms = [draw_cells(study, 0.6, 19), draw_cells(study, 0.8, 20)]
    records = [r for method, cells in enumerate(arms) for r in write_arm(study, method, cells, tmp_path)]
    records[-1] = replace(records[-1], state="failed", reason="the loss is nan", predictions=None, scores=())
    places = places_of(records, tmp_path)
    rows = compare_study(study, records, places, items="separate")[0].comparisons
    primary = next(row for row in rows if row.kind == "primary")
    keys = [("clean", t) for t in study.task.targets]
    expected = crossed_paired(*([a[k][:3].astype(float) for k in keys] for a in arms[::-1]))
    assert primary.n_seeds == 3
    assert primary.p == pytest.approx(expected.p, abs=1e-12)


# Forms of the test


def test_the_unpaired_form_pools_the_arms_and_the_paired_one_their_differences() -> None:
    treatment, baseline = draw_scores(1, 0.2), draw_scores(2)
    strata = [list(arm.values()) for arm in (treatment, baseline)]
    paired = primary(compare_arrays(treatment, baseline))
    unpaired = primary(compare_arrays(treatment, baseline, rules=ComparisonSpec(pairing="unpaired")))
    assert numbers(paired) == pytest.approx(numbers(crossed_paired(*strata)))
    assert numbers(unpaired) == pytest.approx(numbers(crossed_unpaired(*strata)))
    assert (paired.test, unpaired.test) == ("crossed-paired", "crossed-unpaired")
    assert paired.seed_correlation is not None and unpaired.seed_correlation is None


def test_unpaired_arms_may_differ_in_seeds() -> None:
    treatment, baseline = draw_scores(3, seeds=3), draw_scores(4, seeds=5)
    row = primary(compare_arrays(treatment, baseline, rules=ComparisonSpec(pairing="unpaired")))
    assert numbers(row) == pytest.approx(numbers(crossed_unpaired(list(treatment.values()), list(baseline.values()))))
    assert row.n_seeds == 3
    with pytest.raises(ValueError, match=r"seed 3 has only one of them.*--unpaired"):
        compare_arrays(treatment, baseline)


def test_a_test_asked_for_by_name_is_the_one_that_is_run() -> None:
    arms = {k: v for k, v in make_arms().items() if k[1] != "random-perturbation"}
    for test in ("crossed-paired", "crossed-unpaired"):
        for pairing in ("paired", "unpaired"):
            rules = ComparisonSpec(pairing=pairing)
            assert primary(compare_arms(arms, baseline="standard", rules=rules, test=test)).test == test
    with pytest.raises(ValueError, match="'pigeonhole-bootstrap-t' is for metrics that are no mean of item scores"):
        compare_arms(arms, baseline="standard", test="pigeonhole-bootstrap-t")


def test_a_margin_adds_equivalence_adjusted_by_holm_and_the_region_of_practical_equivalence() -> None:
    results = compare_arms(make_arms(), baseline="standard", rules=ComparisonSpec(margin=0.05))
    rows = [row for row in results.comparisons if row.kind == "primary"]
    strata = {m: [b.values_SN for b in arm.blocks.values()] for (_, m), arm in make_arms().items()}
    for row in rows:
        expected = equivalence(crossed_paired(strata[row.treatment], strata["standard"]), 0.05)
        assert row.margin == 0.05
        assert row.p_equivalence == pytest.approx(expected.p)
        assert row.rope == pytest.approx((expected.below, expected.within, expected.above))
        assert row.rope is not None and sum(row.rope) == pytest.approx(1.0)
    assert [r.p_equivalence_adjusted for r in rows] == pytest.approx(holm([r.p_equivalence or 0.0 for r in rows]))
    assert [r.p_adjusted for r in rows] == pytest.approx(holm([r.p for r in rows]))


def test_without_a_margin_nothing_is_said_of_equivalence() -> None:
    for row in compare_arrays(draw_scores(1), draw_scores(2)).comparisons:
        assert (row.margin, row.p_equivalence, row.p_equivalence_adjusted, row.rope) == (None, None, None, None)


# Order and symmetry


def test_conclusions_do_not_depend_on_the_order_of_records(study: StudySpec, tmp_path: Path) -> None:
    arms = [draw_cells(study, 0.6, 21), draw_cells(study, 0.8, 22)]
    records = [r for method, cells in enumerate(arms) for r in write_arm(study, method, cells, tmp_path)]
    found = [
        compare_study(study, [records[i] for i in order], places_of(records, tmp_path), items="separate")[0]
        for order in (range(8), range(7, -1, -1), np.random.default_rng(0).permutation(8))
    ]
    assert found[0].comparisons and found[0].checks and found[0].breadths
    assert found[0] == found[1] == found[2]


@st.composite
def two_arms(draw: st.DrawFn) -> tuple[Scores, Scores]:
    """Right answers of 2 to 5 seeds on 3 to 9 items in 1 to 3 languages; any pattern, constants included."""
    shape = draw(st.integers(2, 5)), draw(st.integers(3, 9))
    bits = st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])
    languages = LANGUAGES[: draw(st.integers(1, 3))]
    arms = [{t: np.reshape(draw(bits), shape).astype(float) for t in languages} for _ in range(2)]
    return arms[0], arms[1]


PAIRINGS = st.sampled_from(["paired", "unpaired"])
ITEMS = st.sampled_from(["shared", "separate"])


@FEW
@given(arms=two_arms(), pairing=PAIRINGS, items=ITEMS)
def test_swapping_treatment_and_baseline_negates_every_effect_and_keeps_every_p(
    arms: tuple[Scores, Scores], pairing: Any, items: Any
) -> None:
    rules = ComparisonSpec(pairing=pairing, margin=0.1, language_correction="benjamini-hochberg")
    forth, back = (compare_arrays(*pair, items=items, rules=rules) for pair in (arms, arms[::-1]))
    for a, b in zip(forth.comparisons, back.comparisons, strict=True):
        assert b.effect == pytest.approx(-a.effect, abs=1e-12)
        assert a.effect == pytest.approx(a.treatment_mean - a.baseline_mean, abs=1e-12)
        assert b.is_tested == a.is_tested
        if not a.is_tested:
            continue
        assert (b.low, b.high) == pytest.approx((-a.high, -a.low), abs=1e-12)
        assert (b.p, b.p_adjusted, b.p_equivalence) == pytest.approx((a.p, a.p_adjusted, a.p_equivalence), abs=1e-9)
        assert 0.0 <= a.p <= a.p_adjusted + 1e-12
        assert a.p_adjusted <= 1.0
        assert a.low <= a.effect <= a.high


@FEW
@given(shape=st.tuples(st.integers(2, 5), st.integers(2, 9)), pairing=PAIRINGS, items=ITEMS, seed=st.integers(0, 99))
def test_permuting_seeds_or_items_of_both_arms_changes_nothing(
    shape: tuple[int, int], pairing: Any, items: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    arms = [{t: rng.normal(size=shape) for t in LANGUAGES} for _ in range(2)]
    seeds, places = rng.permutation(shape[0]), rng.permutation(shape[1])
    mixed = [{t: values[seeds][:, places] for t, values in arm.items()} for arm in arms]
    rules = ComparisonSpec(pairing=pairing, language_correction="benjamini-hochberg")
    before, after = (compare_arrays(*pair, items=items, rules=rules) for pair in (arms, mixed))
    for a, b in zip(before.comparisons, after.comparisons, strict=True):
        assert numbers(a) == pytest.approx(numbers(b), abs=1e-9)


@FEW
@given(order=st.permutations(range(3)))
def test_renaming_and_reordering_methods_permutes_the_rows_and_nothing_else(order: list[int]) -> None:
    arms = make_arms()
    mixed = {list(arms)[i]: arms[list(arms)[i]] for i in order}
    results = [compare_arms(a, baseline="standard") for a in (arms, mixed)]
    by_name = [{(r.treatment, r.kind, r.aggregate): r for r in found.comparisons} for found in results]
    assert by_name[0] == by_name[1]


@FEW
@given(order=st.permutations(range(4)), seed=st.integers(0, 99))
def test_joining_blocks_does_not_depend_on_their_order(order: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    chosen = [tuple(str(i) for i in sorted(rng.choice(12, size, replace=False))) for size in (3, 4, 3, 2)]
    blocks = [Weighted("", ids, rng.random((3, len(ids))), float(rng.normal())) for ids in chosen]
    found = [join_items(b) for b in (blocks, [blocks[i] for i in order])]
    assert sorted(s.shape for s in found[0]) == sorted(s.shape for s in found[1])
    estimates = [crossed(strata, np.ones(len(strata))) for strata in found]
    assert numbers(estimates[0]) == pytest.approx(numbers(estimates[1]), abs=1e-12)


def test_a_block_joins_groups_that_had_nothing_in_common() -> None:
    ones = np.ones((2, 2))
    blocks = [Weighted("", ids, ones, 1.0) for ids in (("1", "2"), ("3", "4"), ("2", "3"))]
    assert [s.shape for s in join_items(blocks)] == [(2, 4)]


def test_a_slice_is_set_against_the_items_it_leaves_out(study: StudySpec, tmp_path: Path) -> None:
    arms = [draw_cells(study, rate, seed, ("clean",)) for rate, seed in ((0.6, 31), (0.8, 32))]
    for cells in arms:
        cells |= {("negation", language): right[:, :15] for (_, language), right in cells.items()}
    row = compare_cells(study, arms, tmp_path)["interaction", "negation - rest", "zero-shot mean"]
    gains = {t: differences(arms, ("clean", t)).mean(axis=0) for t in study.task.targets}
    assert row.effect == pytest.approx(np.mean([g[:15].mean() - g[15:].mean() for g in gains.values()]), abs=1e-12)
    assert row.n_items == 2 * N


@pytest.mark.parametrize("subset", ["code-mixed", "word-attack", "embedding-attack"])
def test_a_perturbation_that_changes_no_score_is_no_slice(study: StudySpec, tmp_path: Path, subset: str) -> None:
    arms = [draw_cells(study, rate, seed, ("clean",)) for rate, seed in ((0.6, 31), (0.8, 32))]
    for cells in arms:
        cells |= {(subset, language): right[:, :15] for (_, language), right in cells.items()}
    rows = compare_cells(study, arms, tmp_path)
    assert [key[1] for key in rows if key[0] == "interaction"] == [f"{subset} - clean"]
    assert rows["interaction", f"{subset} - clean", "zero-shot mean"].effect == 0.0


def test_items_of_files_that_keep_their_clean_ids_are_a_slice() -> None:
    table = table_of({"standard": draw_scores(1), "robust": draw_scores(2, 0.3)})
    hard = table[table["example_id"].str[-3:] < "015"]
    parts = [part.assign(subset=name, base_id=part["example_id"]) for name, part in (("clean", table), ("hard", hard))]
    rows = compare_frame(pd.concat(parts), baseline="standard").comparisons
    assert [row.subset for row in rows if row.kind == "interaction"] == ["hard - rest"]


@pytest.mark.parametrize("subset", ["word-attack", "embedding-attack", "char-noise"])
def test_attacked_items_that_keep_their_clean_ids_are_no_slice(subset: str) -> None:
    table = table_of({"standard": draw_scores(1), "robust": draw_scores(2, 0.3)})
    attacked = table[table["example_id"].str[-3:] < "015"].assign(predicted="no")
    parts = [
        part.assign(subset=name, base_id=part["example_id"]) for name, part in (("clean", table), (subset, attacked))
    ]
    rows = compare_frame(pd.concat(parts), baseline="standard").comparisons
    assert [row.subset for row in rows if row.kind == "interaction"] == [f"{subset} - clean"]
