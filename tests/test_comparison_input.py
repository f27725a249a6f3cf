"""Few and odd data: an answer or one clear line, never a wrong number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparison_studies import (
    LANGUAGES,
    N,
    Scores,
    draw_cells,
    draw_scores,
    make_arms,
    make_cell_study,
    numbers,
    places_of,
    primary,
    write_arm,
)

from suite.comparison import compare_arms, compare_arrays, compare_study
from suite.comparison_spec import ComparisonSpec
from suite.console import describe_comparisons
from suite.records import Dataset, Provenance
from suite.results import UNVARIED, load_results, save_results
from suite.spec import StudySpec
from suite.stats import adjust, crossed


@pytest.fixture(scope="module")
def study() -> StudySpec:
    return make_cell_study()


def refused(match: str, *arms: Scores, **more: Any) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        compare_arrays(*arms, **more)
    assert "\n" not in str(caught.value)


def test_one_seed_is_too_few_for_a_claim_about_methods() -> None:
    refused(r"at least 2 seeds.*has 1.*--claim checkpoints", draw_scores(1, seeds=1), draw_scores(2, seeds=1))


def test_one_item_is_too_few_for_a_claim_about_items() -> None:
    refused(r"at least 2 in every language, de has 1", draw_scores(1, items=1), draw_scores(2, items=1))
    refused(r"at least 2 in every language, de has 0", draw_scores(1, items=0), draw_scores(2, items=0))


def test_one_language_is_its_own_mean() -> None:
    results = compare_arrays(draw_scores(1, languages=("de",)), draw_scores(2, languages=("de",)))
    mean, language = results.comparisons
    assert (mean.kind, language.kind) == ("primary", "language")
    assert numbers(mean) == pytest.approx(numbers(language))
    assert results.breadths == ()


def test_no_language_is_refused() -> None:
    refused("needs clean items of some language; got nothing", {}, {})
    refused(r"language beside the source 'de'", *({"de": draw_scores(k)["de"]} for k in (1, 2)), source="de")
    refused(r"the source is one of the languages .*got 'fr'", draw_scores(1), draw_scores(2), source="fr")


def test_a_language_of_one_arm_only_is_refused() -> None:
    part = {t: values for t, values in draw_scores(1).items() if t != "sw"}
    refused("treatment, seed 0 has no predictions for sw on clean", part, draw_scores(2))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(value: float) -> None:
    scores = draw_scores(1)
    scores["sw"][1, 2] = value
    refused("treatment: 1 scores of clean/sw are NaN or infinite", scores, draw_scores(2))


def test_arrays_of_another_shape_are_refused() -> None:
    flat = {t: values[0] for t, values in draw_scores(1).items()}
    refused("at least 2 seeds", flat, flat)
    refused(r"one row per seed; got shape \(4, 40\) for 3 seeds", draw_scores(1), draw_scores(2), seeds=[1, 2, 3])
    refused("one run per seed, but seed 1 has 2", draw_scores(1), draw_scores(2), seeds=[1, 1, 2, 3])
    refused(r"\[seeds, items\].*got shape \(2, 2, 2\)", {"de": np.ones((2, 2, 2))}, {"de": np.ones((2, 2, 2))})
    ragged = draw_scores(1) | {"sw": draw_scores(1, seeds=3)["sw"]}
    refused(r"got shape \(3, 40\) for 4 seeds in 'sw'", ragged, draw_scores(2))


def test_arms_that_agree_everywhere_do_not_differ() -> None:
    scores = draw_scores(1)
    results = compare_arrays(scores, scores, rules=ComparisonSpec(margin=0.01))
    for row in results.comparisons:
        assert row.effect == 0.0 and not row.is_tested
        assert row.p_equivalence is None, "without noise nothing shows how far from 0 the effect may lie"
    assert results.breadths[0].holding == 0
    assert all(check.p is None or check.p == 1.0 for check in results.checks)


def constant(value: float) -> Scores:
    return {t: np.full((4, 40), value) for t in LANGUAGES}


@pytest.mark.parametrize(("ours", "effect"), [(0.0, 0.0), (1.0, 1.0)])
@pytest.mark.parametrize("pairing", ["paired", "unpaired"])
def test_a_difference_without_any_variance_is_measured_and_not_tested(ours: float, effect: float, pairing: Any) -> None:
    results = compare_arrays(constant(ours), constant(0.0), rules=ComparisonSpec(pairing=pairing, margin=0.02))
    for row in results.comparisons:
        assert row.effect == effect and not row.is_tested
        assert np.isnan([row.statistic, row.p, row.p_adjusted, row.low, row.high, row.mde]).all()
        assert (row.p_equivalence, row.p_equivalence_adjusted, row.rope, row.simultaneous) == (None,) * 4
    assert [warning for warning in results.warnings if "no test of the difference" in warning]
    assert UNVARIED in describe_comparisons(results)
    assert all(breadth.holding == 0 for breadth in results.breadths)


def test_a_language_without_variance_counts_in_its_family_as_one_that_finds_nothing() -> None:
    arms = [draw_scores(1, 0.5) | {"de": constant(1.0)["de"]}, draw_scores(2) | {"de": constant(0.0)["de"]}]
    rules = ComparisonSpec(language_correction="benjamini-hochberg")
    rows = {row.aggregate: row for row in compare_arrays(*arms, rules=rules).comparisons if row.kind == "language"}
    assert not rows["de"].is_tested and {row.family_size for row in rows.values()} == {3}
    others = [rows["sw"], rows["zh"]]
    expected = adjust([1.0, *(row.p for row in others)], "benjamini-hochberg")[1:]
    assert [row.p_adjusted for row in others] == pytest.approx(list(expected))


def test_results_without_a_test_survive_their_file(tmp_path: Path) -> None:
    save_results(compare_arrays(constant(1.0), constant(0.0)), tmp_path / "results.json")
    row = primary(load_results(tmp_path / "results.json"))
    assert row.effect == 1.0 and not row.is_tested and np.isnan([row.p, row.low, row.mde]).all()


def test_a_constant_arm_beside_a_varied_one_is_compared_as_any_other() -> None:
    baseline = draw_scores(2)
    row = primary(compare_arrays(constant(1.0), baseline))
    expected = crossed([1.0 - values for values in baseline.values()])
    assert numbers(row) == pytest.approx(numbers(expected))


# One run under two names


def test_predictions_that_stand_under_two_seeds_are_refused() -> None:
    scores = draw_scores(1)
    for values in scores.values():
        values[3] = values[1]
    refused(
        "treatment: seeds 1 and 3 predict the same on every example, [0-9]+ errors included", scores, draw_scores(2)
    )


def test_seeds_that_agree_on_few_errors_or_on_a_constant_are_no_copies() -> None:
    nearly = {"de": np.ones((3, 40))}
    nearly["de"][:, 0] = 0.0
    assert primary(compare_arrays(nearly, {"de": np.zeros((3, 40))})).effect == pytest.approx(39 / 40)


def test_the_same_file_of_predictions_under_two_seeds_is_refused(study: StudySpec, tmp_path: Path) -> None:
    records = write_arm(study, 0, draw_cells(study, 0.6, 23), tmp_path)
    records += write_arm(study, 1, draw_cells(study, 0.6, 24), tmp_path)
    there = places_of(records, tmp_path)
    source = there[records[0].run_id] / "predictions.parquet"
    (there[records[2].run_id] / "predictions.parquet").write_bytes(source.read_bytes())
    with pytest.raises(ValueError, match="standard: seeds 1 and 3 predict the same"):
        compare_study(study, records, there, items="separate")


# Other data


def seen(fingerprint: str) -> Provenance:
    data = Dataset(
        name="t", split="test", language="de", subset="clean", n=N, fingerprint=fingerprint, source="s", licence="l"
    )
    return Provenance(
        suite_version="0", commit=None, dirty=None, packages={}, python="", platform="", cpu="", device="", threads=1,
        checkpoint_fingerprint="c", parameters=1, vocabulary=1, datasets=(data,),
    )  # fmt: skip


@pytest.mark.parametrize("odd", [7, 5], ids=["in the last seed", "in a seed between"])
def test_a_run_that_saw_other_data_is_refused(study: StudySpec, tmp_path: Path, odd: int) -> None:
    records = [r for m in (0, 1) for r in write_arm(study, m, draw_cells(study, 0.6, 25 + m), tmp_path)]
    records = [replace(r, provenance=seen("b" if i == odd else "a")) for i, r in enumerate(records)]
    with pytest.raises(ValueError, match=r"saw different data in test/de/clean"):
        compare_study(study, records, places_of(records, tmp_path), items="separate")


def test_arms_that_saw_other_data_are_refused_and_unknown_data_is_not(study: StudySpec, tmp_path: Path) -> None:
    records = [r for m in (0, 1) for r in write_arm(study, m, draw_cells(study, 0.6, 27 + m), tmp_path)]
    there = places_of(records, tmp_path)
    other = [replace(r, provenance=seen(r.spec.method)) for r in records]
    with pytest.raises(ValueError, match=r"adversarial.* and .*standard.* saw different data in test/de/clean"):
        compare_study(study, other, there, items="separate")
    unknown = [replace(r, provenance=seen("a") if r.spec.method == "standard" else None) for r in records]
    assert compare_study(study, unknown, there, items="separate")[0].comparisons


def test_a_broken_file_of_predictions_is_named(study: StudySpec, tmp_path: Path) -> None:
    records = [r for m in (0, 1) for r in write_arm(study, m, draw_cells(study, 0.6, 29 + m), tmp_path)]
    path = tmp_path / records[1].run_id / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=f"{records[1].run_id}.*is no Parquet file") as caught:
        compare_study(study, records, places_of(records, tmp_path), items="separate")
    assert "\n" not in str(caught.value)


# Failed seeds


def test_a_seed_that_failed_in_one_method_costs_only_that_method(tmp_path: Path) -> None:
    study = make_cell_study()
    full = replace(study, method=(*study.method, replace(study.method[1], name="random-perturbation", parameters={})))
    records = [r for m in range(3) for r in write_arm(full, m, draw_cells(full, 0.5 + 0.1 * m, 30 + m), tmp_path)]
    records[5] = replace(records[5], state="failed", reason="the loss is nan", predictions=None, scores=())
    rows = compare_study(full, records, places_of(records, tmp_path), items="separate")[0].comparisons
    assert {(r.treatment, r.n_seeds) for r in rows if r.kind == "primary"} == {
        ("adversarial", 3),
        ("random-perturbation", 4),
    }


def test_a_method_with_fewer_than_two_seeds_left_is_not_compared(study: StudySpec, tmp_path: Path) -> None:
    records = [r for m in (0, 1) for r in write_arm(study, m, draw_cells(study, 0.6, 33 + m), tmp_path)]
    failed = [replace(r, state="failed", reason="out of memory") if i > 4 else r for i, r in enumerate(records)]
    assert compare_study(study, failed, places_of(records, tmp_path), items="separate")[0].comparisons == ()


def test_arms_need_a_baseline_at_their_scale() -> None:
    arms = make_arms()
    with pytest.raises(ValueError, match=r"the baseline is one of the methods .*got 'plain'"):
        compare_arms(arms, baseline="plain")
    with pytest.raises(ValueError, match="needs a method beside the baseline 'standard'; got no other"):
        compare_arms({("", "standard"): arms["", "standard"]}, baseline="standard")
    stray = replace(arms["", "adversarial"], scale="large")
    with pytest.raises(ValueError, match="adversarial is there at scale 'large', where the baseline 'standard' is not"):
        compare_arms(arms | {("large", "adversarial"): stray}, baseline="standard")


def test_an_unknown_metric_and_one_without_labels_are_refused() -> None:
    arms = make_arms()
    with pytest.raises(ValueError, match="unknown metric 'acuracy'; did you mean 'accuracy'"):
        compare_arms(arms, baseline="standard", metric="acuracy")
    for metric in ("accuracy", "macro_f1"):
        with pytest.raises(ValueError, match=f"{metric} needs labels and predictions"):
            compare_arms(arms, baseline="standard", metric=metric)
