"""The claim picks the test; a test that does not fit is refused with the reason and its measured error rate."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from comparison_studies import LANGUAGES, SEEDS, Scores, draw_scores, numbers, primary, table_of
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtr

from suite.comparison import CLAIMS, compare_arms, compare_arrays, compare_frame
from suite.comparison.arms import Arm, arm_of_arrays
from suite.comparison.claims import MISFITS, choose_test, find_claim
from suite.comparison.whole import in_whole_numbers
from suite.comparison_spec import ComparisonSpec
from suite.console import describe_comparisons
from suite.results import Comparison, Results
from suite.stats import benjamini_hochberg, holm, mcnemar, sign_flip, tabulate
from suite.stats.new_languages import new_languages

FEW = settings(deadline=None, derandomize=True, max_examples=60)


# Which test fits which claim


@pytest.mark.parametrize("test", MISFITS)
@pytest.mark.parametrize("claim", ["method", "languages"])
def test_a_misfit_is_refused_with_the_reason_the_error_rate_and_what_fits(claim: str, test: str) -> None:
    reason, rate = MISFITS[test]
    with pytest.raises(ValueError, match=re.escape(reason)) as caught:
        choose_test(CLAIMS[claim], test)
    message = str(caught.value)
    assert f"measured false positives {rate}" in message and "nominal 5 %" in message
    assert CLAIMS[claim].says in message and CLAIMS[claim].tests[0] in message
    assert "\n" not in message


@pytest.mark.parametrize("rate", [rate for _, rate in MISFITS.values()])
def test_a_misfit_has_error_rates_up_to_more_than_the_nominal_one(rate: str) -> None:
    low, high = map(int, re.findall(r"\d+", rate)[:2])
    assert low < high and high > 5, "in percent"


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_tests_of_a_claim_fit_it_and_the_first_is_its_own(claim: str) -> None:
    assert choose_test(CLAIMS[claim]) == CLAIMS[claim].tests[0]
    for test in CLAIMS[claim].tests:
        assert choose_test(CLAIMS[claim], test) == test


@pytest.mark.parametrize("claim", CLAIMS)
def test_no_test_fits_two_claims(claim: str) -> None:
    for other in set(CLAIMS) - {claim}:
        for test in CLAIMS[other].tests:
            with pytest.raises(ValueError, match=f"{test!r} does not fit the claim that {CLAIMS[claim].says}"):
                choose_test(CLAIMS[claim], test)


def test_a_mistyped_name_is_told_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown claim 'methods'; did you mean 'method'"):
        find_claim("methods")
    with pytest.raises(ValueError, match="unknown test 'mcnemmar'; did you mean 'mcnemar'"):
        choose_test(CLAIMS["method"], "mcnemmar")


def test_a_comparison_refuses_a_misfit_before_it_looks_at_the_data() -> None:
    with pytest.raises(ValueError, match="58 to 67 %"):
        compare_arms({}, baseline="standard", test="wilcoxon-languages")


def test_every_row_states_its_claim() -> None:
    for row in compare_arrays(draw_scores(1), draw_scores(2)).comparisons:
        assert "treatment beats baseline on new seeds and new items" in row.claim
        assert "languages and hyperparameters fixed" in row.claim


# These two checkpoints differ


def checkpoints(treatment: Scores, baseline: Scores, **more: Any) -> Results:
    arms = {"treatment": treatment, "baseline": baseline}
    made = {("", m): arm_of_arrays(scores, method=m, seeds=[7]) for m, scores in arms.items()}
    return compare_arms(made, baseline="baseline", claim="checkpoints", **more)


def draw_checkpoint(seed: int, lift: float = 0.0) -> Scores:
    """One run."""
    return draw_scores(seed, lift, seeds=1, items=60)


def test_two_checkpoints_are_compared_by_mid_p_mcnemar_in_every_language() -> None:
    treatment, baseline = draw_checkpoint(1, 0.4), draw_checkpoint(2)
    rows = [row for row in checkpoints(treatment, baseline).comparisons if row.kind == "language"]
    found = [mcnemar(tabulate(treatment[t][0], baseline[t][0])) for t in LANGUAGES]
    assert [row.p for row in rows] == pytest.approx([one.mid_p for one in found])
    assert [row.effect for row in rows] == pytest.approx([one.difference for one in found])
    assert [row.p_adjusted for row in rows] == pytest.approx(benjamini_hochberg([one.mid_p for one in found]))
    assert {(row.test, row.unit, row.n_seeds, row.family_size) for row in rows} == {("mcnemar-mid-p", "item", 1, 3)}
    assert all("both checkpoints fixed" in row.claim for row in rows)


@pytest.mark.parametrize(("table", "p"), [((1, 7), 0.0390625), ((6, 16), 0.0346897)])
def test_mid_p_is_the_published_one(table: tuple[int, int], p: float) -> None:
    """Fagerland et al. 2013 (Bentur; complete response)."""
    gained, lost = table
    right = [np.array([[1.0] * gained + [0.0] * lost + [1.0] * 9]), np.array([[0.0] * gained + [1.0] * (lost + 9)])]
    (row,) = checkpoints({"de": right[0]}, {"de": right[1]}).comparisons
    assert row.p == pytest.approx(p, abs=5e-8)


def all_flips(values: NDArray[np.float64]) -> float:
    """The sign-flip p by trying every combination."""
    sums = [abs(np.dot(signs, values)) for signs in itertools.product((-1, 1), repeat=len(values))]
    return float(np.mean(np.array(sums) >= abs(values.sum()) - 1e-9 * np.abs(values).sum()))


@pytest.mark.parametrize("items", ["shared", "separate"])
def test_their_mean_is_compared_by_exact_sign_flips_over_items(items: Any) -> None:
    arms = [draw_scores(k, 0.5 * k, seeds=1, items=5) for k in (1, 2)]
    made = {
        ("", m): arm_of_arrays(s, method=m, seeds=[7], ids={t: list("abcde") for t in s} if items == "shared" else None)
        for m, s in zip(("treatment", "baseline"), arms, strict=True)
    }
    row = primary(compare_arms(made, baseline="baseline", claim="checkpoints", items=items))
    differences = np.array([arms[0][t][0] - arms[1][t][0] for t in LANGUAGES])
    units = differences.sum(0) if items == "shared" else differences.ravel()
    assert row.p == pytest.approx(all_flips(units))
    assert (row.test, row.n_items) == ("sign-flip", len(units))
    assert row.effect == pytest.approx(differences.mean())


def test_languages_of_unequal_size_weigh_the_same_in_the_mean() -> None:
    rng = np.random.default_rng(0)
    arms = [{t: rng.integers(0, 2, (1, n)).astype(float) for t, n in (("de", 4), ("sw", 9))} for _ in range(2)]
    row = primary(checkpoints(*arms))
    differences = {t: arms[0][t][0] - arms[1][t][0] for t in arms[0]}
    parts = np.concatenate([d / len(d) for d in differences.values()])
    assert row.effect == pytest.approx(np.mean([d.mean() for d in differences.values()]))
    assert row.p == pytest.approx(all_flips(parts))


def test_scores_that_are_no_shares_are_compared_by_sign_flips() -> None:
    rng = np.random.default_rng(1)
    arms = [{"de": rng.normal(k, 1, (1, 12))} for k in (0.7, 0.0)]
    with pytest.raises(ValueError, match=r"McNemar's test counts right and wrong answers.*use sign-flip"):
        checkpoints(*arms)
    (row,) = checkpoints(*arms, test="sign-flip").comparisons
    assert row.p == pytest.approx(all_flips((arms[0]["de"] - arms[1]["de"])[0]), abs=2e-3)


def test_many_continuous_scores_stay_within_what_exact_counting_can_hold() -> None:
    rng = np.random.default_rng(2)
    arms = [{"de": rng.normal(k, 1, (1, 3000))} for k in (0.05, 0.0)]
    (row,) = checkpoints(*arms, test="sign-flip").comparisons
    assert row.p == pytest.approx(2 * ndtr(-abs(row.statistic)), abs=5e-3), "with many items nearly normal"


def test_families_reach_over_all_pairs_of_checkpoints() -> None:
    arms: dict[tuple[str, str], Arm] = {
        ("", m): arm_of_arrays(draw_checkpoint(k, k / 4), method=m, seeds=[1]) for k, m in enumerate("abc")
    }
    rows = compare_arms(arms, baseline="a", claim="checkpoints").comparisons
    means = [row for row in rows if row.kind == "primary"]
    assert [row.p_adjusted for row in means] == pytest.approx(holm([row.p for row in means]))
    assert {(row.correction, row.family_size) for row in means} == {("holm", 2)}
    assert {row.family_size for row in rows if row.kind == "language"} == {6}


def test_checkpoints_of_several_seeds_are_refused() -> None:
    table = table_of({"robust": draw_scores(1), "standard": draw_scores(2)})
    with pytest.raises(ValueError, match=r"about two checkpoints, but robust has 4 runs.*--claim method"):
        compare_frame(table, baseline="standard", claim="checkpoints")


def test_checkpoints_on_one_item_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 in every language"):
        checkpoints(draw_scores(1, seeds=1, items=1), draw_scores(2, seeds=1, items=1))


def test_a_checkpoint_does_not_differ_from_itself() -> None:
    scores = draw_checkpoint(1)
    for row in checkpoints(scores, scores).comparisons:
        assert (row.effect, row.p) == (0.0, 1.0), "exact tests need no variance"
        assert np.isnan([row.low, row.high, row.mde]).all()
    assert "[n/a: no variance]" in describe_comparisons(checkpoints(scores, scores))


def test_swapping_checkpoints_negates_the_effect_and_keeps_p() -> None:
    arms = draw_checkpoint(1, 0.3), draw_checkpoint(2)
    for a, b in zip(checkpoints(*arms).comparisons, checkpoints(*arms[::-1]).comparisons, strict=True):
        assert (b.effect, b.p) == pytest.approx((-a.effect, a.p))


# Whole numbers for exact counting


@FEW
@given(counts=st.lists(st.integers(-30, 30), min_size=1, max_size=8), unit=st.sampled_from([1 / 792, 1 / 75150, 0.1]))
def test_multiples_of_a_unit_are_found_so_that_ties_stay_ties(counts: list[int], unit: float) -> None:
    values = np.array(counts) * unit
    whole = in_whole_numbers(values)
    assert sign_flip(whole) == sign_flip(counts)
    if any(counts):
        np.testing.assert_array_equal(whole * np.gcd.reduce(counts), counts)


@FEW
@given(values=st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=1, max_size=8))
def test_rounding_is_symmetric_and_small(values: list[float]) -> None:
    array = np.array(values)
    whole = in_whole_numbers(array)
    np.testing.assert_array_equal(in_whole_numbers(-array), -whole)
    if np.abs(array).sum() > 0:
        scale = np.abs(whole).sum() / np.abs(array).sum()
        np.testing.assert_allclose(whole / scale, array, atol=1e-5 * float(np.abs(array).sum()))


def test_nothing_has_no_unit() -> None:
    assert sign_flip(in_whole_numbers(np.zeros(3))) == 1.0


# Languages beyond these


@pytest.mark.parametrize("items", ["shared", "separate"])
def test_a_claim_about_new_languages_takes_languages_as_random(items: Any) -> None:
    languages = ("de", "fr", "ru", "sw", "zh")
    arms = [draw_scores(k, 0.1 * k, languages=languages) for k in (2, 1)]
    row = primary(compare_arrays(*arms, items=items, claim="languages"))
    expected = new_languages([arms[0][t] - arms[1][t] for t in languages], items=items).estimate
    assert numbers(row) == pytest.approx(numbers(expected))
    assert (row.test, row.unit) == ("crossed-languages", "seed x item x language")
    assert "on new seeds, items and languages" in row.claim


def test_two_languages_are_too_few_to_speak_of_others() -> None:
    arms = [draw_scores(k, languages=("de", "fr")) for k in (1, 2)]
    with pytest.raises(ValueError, match="needs at least 3 of them; got 2"):
        compare_arrays(*arms, claim="languages")


def test_new_languages_need_paired_seeds_and_means_of_items() -> None:
    rules = ComparisonSpec(pairing="unpaired", language_correction="benjamini-hochberg")
    with pytest.raises(ValueError, match="new languages is tested on paired seeds"):
        compare_arrays(draw_scores(1), draw_scores(2), rules=rules, claim="languages")
    table = table_of({"robust": draw_scores(1), "standard": draw_scores(2)})
    with pytest.raises(ValueError, match="on means of item scores only"):
        compare_frame(table, baseline="standard", metric="macro_f1", claim="languages")


def in_other_order(items: list[str]) -> Results:
    """Shared items whose ids stand in another order in one language."""
    arms = {}
    for k, method in enumerate(("treatment", "baseline")):
        scores = draw_scores(k, items=len(items))
        ids = dict.fromkeys(scores, items) | {"sw": items[::-1]}
        turned = scores | {"sw": scores["sw"][:, ::-1]}
        arms["", method] = arm_of_arrays(turned, method=method, seeds=SEEDS, ids=ids)
    return compare_arms(arms, baseline="baseline", items="shared", claim="languages")


def test_shared_items_are_joined_by_id_and_not_by_place() -> None:
    items = [f"{i:02}" for i in range(20)]
    arms = [draw_scores(k, items=20) for k in (0, 1)]
    row: Comparison = primary(in_other_order(items))
    assert numbers(row) == pytest.approx(numbers(primary(compare_arrays(*arms, items="shared", claim="languages"))))


def test_a_shared_item_that_a_language_lacks_is_named() -> None:
    table = table_of({"robust": draw_scores(1), "standard": draw_scores(2)}, shared=True)
    part = table[(table["language"] != "zh") | (table["example_id"] != "007")]
    with pytest.raises(ValueError, match="every item in every language, but zh has no '007'"):
        compare_frame(part, baseline="standard", claim="languages")
    assert not [c for c in compare_frame(part, baseline="standard").checks if c.analysis == "new languages"]
