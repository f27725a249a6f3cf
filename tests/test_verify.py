"""Published claims are held against intervals, not against stars: supported, contradicted, or undecided and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from comparison_studies import make_row
from hypothesis import given, settings
from hypothesis import strategies as st
from report_studies import make_study

from suite.comparison.verify import verify
from suite.comparison_spec import PublishedClaim
from suite.console import describe_verdicts
from suite.results import UNVARIED, Comparison, Verdict
from suite.stats import holm, infer
from suite.study_file import load_claims, load_study

STUDY = replace(make_study(), task=replace(make_study().task, name="xnli"))
ROBUST_XLT = Path(__file__).parent.parent / "studies" / "claims" / "robust_xlt.toml"


def make_claim(delta: float | None = 0.02, **changes: Any) -> PublishedClaim:
    fields: dict[str, Any] = {"name": "c", "source": "s", "treatment": "adversarial", "task": "xnli"} | changes
    return PublishedClaim(delta=delta, **fields)


def measured(effect: float, error: float, **changes: Any) -> Comparison:
    """A row with that effect and standard error at 10 degrees of freedom."""
    e = infer(effect, error**2, 10, test="crossed-paired", n_seeds=5, n_items=400)
    return make_row(
        effect=effect, low=e.low, high=e.high, p=e.p, p_adjusted=e.p, mde=e.mde, degrees_of_freedom=10.0, **changes
    )


def answer(row: Comparison, claim: PublishedClaim) -> Verdict:
    (verdict,) = verify(STUDY, [row], [claim])
    return verdict


# Against the interval


@pytest.mark.parametrize(
    ("effect", "error", "delta", "expected"),
    [
        (0.02, 0.005, 0.02, "supported"),
        (0.03, 0.005, 0.02, "supported"),
        (0.02, 0.005, None, "supported"),
        (0.000, 0.005, 0.02, "contradicted"),
        (-0.02, 0.005, 0.02, "contradicted"),
        (-0.02, 0.005, None, "contradicted"),
        (0.012, 0.003, 0.021, "contradicted"),
        (0.01, 0.02, 0.02, "undecided"),
        (0.00, 0.02, 0.02, "undecided"),
        (0.00, 0.02, None, "undecided"),
        (-0.01, 0.02, None, "undecided"),
    ],
)
def test_the_interval_decides(effect: float, error: float, delta: float | None, expected: str) -> None:
    verdict = answer(measured(effect, error), make_claim(delta))
    assert verdict.answer == expected
    assert (verdict.effect, verdict.n_seeds, verdict.n_items, verdict.family_size) == (effect, 5, 400, 1)
    assert verdict.low is not None and verdict.high is not None and verdict.mde is not None
    assert verdict.low < effect < verdict.high


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    effect=st.floats(-0.1, 0.1),
    error=st.floats(1e-4, 0.1),
    delta=st.none() | st.floats(0.001, 0.09),
)
def test_alone_a_claim_is_decided_by_what_its_interval_excludes(
    effect: float, error: float, delta: float | None
) -> None:
    row = measured(effect, error)
    verdict = answer(row, make_claim(delta))
    if row.high < (delta or 0.0):
        assert verdict.answer == "contradicted"
    elif row.low > 0.0:
        assert verdict.answer == "supported"
    else:
        assert verdict.answer == "undecided"


@pytest.mark.parametrize("effect", [0.05, -0.05, 0.0])
@pytest.mark.parametrize("delta", [0.02, None])
def test_an_effect_without_any_variance_decides_nothing_and_says_why(effect: float, delta: float | None) -> None:
    verdict = answer(measured(effect, 0.01).untested(), make_claim(delta))
    assert (verdict.answer, verdict.effect, verdict.p_adjusted, verdict.mde) == ("undecided", effect, None, None)
    assert UNVARIED in verdict.reason
    assert "undecided" in describe_verdicts([verdict])


def test_a_smaller_gain_than_reported_is_told_from_none() -> None:
    smaller = answer(measured(0.012, 0.003), make_claim(0.021)).reason
    assert smaller == "an improvement, but a smaller one: +2.1 points is excluded"
    assert answer(measured(0.0, 0.003), make_claim(0.021)).reason == "no such improvement: +2.1 points is excluded"


def test_what_is_undecided_says_what_could_have_been_found() -> None:
    row = measured(0.01, 0.02)
    assert f"80 % power is {100 * row.mde:.1f} points" in answer(row, make_claim(0.02)).reason
    assert answer(row, make_claim(0.02)).reason.startswith("neither 0 nor +2 points is excluded")
    assert answer(row, make_claim(None)).reason.startswith("no improvement is found")


def test_source_and_certainty_stand_in_every_answer() -> None:
    claim = make_claim(source="somebody 2021", certainty="from memory")
    for rows in ([measured(0.02, 0.005)], []):
        (verdict,) = verify(STUDY, rows, [claim])
        assert (verdict.source, verdict.certainty, verdict.expected) == ("somebody 2021", "from memory", 0.02)
        text = describe_verdicts([verdict])
        assert "somebody 2021; from memory" in text and verdict.answer in text and verdict.reason in text


# Which rows bear on which claim


def test_a_claim_about_any_robust_method_is_held_against_each_of_them() -> None:
    rows = [
        measured(0.03, 0.005, scale=scale, treatment=method)
        for scale in ("2-layer", "4-layer")
        for method in STUDY.robust_methods
    ]
    verdicts = verify(STUDY, rows, [make_claim(treatment="robust")])
    assert [(v.scale, v.treatment) for v in verdicts] == [(r.scale, r.treatment) for r in rows]
    assert {v.family_size for v in verdicts} == {4}
    assert len(verify(STUDY, rows, [make_claim(treatment="adversarial")])) == 2


def test_a_claim_is_held_against_its_own_subset_and_aggregate_only() -> None:
    rows = [
        measured(0.03, 0.005),
        measured(0.01, 0.02, kind="language", aggregate="sw"),
        measured(-0.03, 0.005, kind="interaction", subset="generalised - clean"),
        measured(0.00, 0.02, kind="subset", subset="generalised"),
        measured(0.50, 0.005, kind="alignment", quantity="csls_p1.layer-2"),
    ]
    claims = [
        make_claim(name="mean"),
        make_claim(name="swahili", aggregate="sw"),
        make_claim(None, name="larger", subset="generalised - clean"),
        make_claim(name="subset", subset="generalised"),
    ]
    verdicts = verify(STUDY, rows, claims)
    assert {v.name: (v.effect, v.answer) for v in verdicts} == {
        "mean": (0.03, "supported"),
        "swahili": (0.01, "undecided"),
        "larger": (-0.03, "contradicted"),
        "subset": (0.00, "undecided"),
    }


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"task": "paws-x"}, "the claim is about paws-x, the study measures xnli"),
        ({"treatment": "freelb"}, "no such arm: its methods are standard, adversarial, random-perturbation"),
        ({"baseline": "plain"}, "no such arm"),
        ({"subset": "generalised - clean"}, "zero-shot mean on generalised - clean was not compared in this study"),
        ({"aggregate": "xx"}, "xx on clean was not compared"),
    ],
)
def test_a_claim_that_nothing_bears_on_is_undecided_and_says_why(changes: dict[str, Any], why: str) -> None:
    verdict = answer(measured(0.03, 0.005), make_claim(**changes))
    assert verdict.answer == "undecided"
    assert why in verdict.reason
    assert (verdict.effect, verdict.p_adjusted, verdict.family_size, verdict.mde) == (None, None, 0, None)


def test_verdicts_come_in_the_order_of_the_claims() -> None:
    claims = [make_claim(name="a", task="paws-x"), make_claim(name="b"), make_claim(name="c", task="paws-x")]
    assert [v.name for v in verify(STUDY, [measured(0.03, 0.005)], claims)] == ["a", "b", "c"]


# Multiplicity and looks


def test_p_is_adjusted_by_holm_over_everything_verified() -> None:
    effects = {"de": 0.012, "fr": 0.020, "sw": 0.015}
    rows = [measured(e, 0.005, kind="language", aggregate=t) for t, e in effects.items()]
    verdicts = verify(STUDY, rows, [make_claim(None, aggregate=t) for t in effects])
    assert [v.p_adjusted for v in verdicts] == pytest.approx(holm([row.p for row in rows]))
    assert {v.family_size for v in verdicts} == {3}


def test_a_longer_list_of_claims_finds_no_more() -> None:
    row = measured(0.0125, 0.005)
    assert row.p < 0.05 and answer(row, make_claim(None)).answer == "supported"
    weak = [measured(0.0, 0.005, kind="language", aggregate=t) for t in ("de", "fr", "sw")]
    claims = [make_claim(None), *(make_claim(None, aggregate=t) for t in ("de", "fr", "sw"))]
    assert verify(STUDY, [row, *weak], claims)[0].answer == "undecided"


def test_a_verdict_pays_for_the_look_it_is_made_at() -> None:
    for effect, delta in ((0.0125, None), (0.0, 0.0125)):
        once = measured(effect, 0.005)
        assert answer(once, make_claim(delta)).answer != "undecided"
        later = replace(once, look=2, look_factor=6.0, look_rule="look 2, not planned: p times 6")
        verdict = answer(later, make_claim(delta))
        assert verdict.answer == "undecided"
        assert verdict.reason.endswith("look 2, not planned: p times 6")
    never = measured(0.2, 1e-9, look=0, look_factor=float("inf"), look_rule="nothing may be concluded yet")
    assert answer(never, make_claim(None)).answer == "undecided"


# Claims files


def test_the_claims_of_robust_xlt_load_with_their_certainty() -> None:
    claims = {claim.name: claim for claim in load_claims(ROBUST_XLT)}
    assert claims["paws-x-gain"].delta == 0.021
    assert claims["xnli-gain"].delta == 0.016
    larger = [claim for claim in claims.values() if "larger" in claim.name]
    assert {claim.task for claim in larger} == {"paws-x", "xnli"}
    assert all(claim.subset.endswith(" - clean") and claim.delta is None for claim in larger)
    assert all(claim.source and claim.certainty for claim in claims.values())
    assert len(claims) == len(load_claims(ROBUST_XLT)), "names are distinct"


def test_the_claims_of_robust_xlt_find_their_rows_in_a_study_of_their_task() -> None:
    rows = [
        measured(0.018, 0.004),
        measured(0.01, 0.004, kind="interaction", subset="generalised - clean"),
    ]
    verdicts = {v.name: v for v in verify(STUDY, rows, load_claims(ROBUST_XLT))}
    assert verdicts["xnli-gain"].answer == "supported"
    assert verdicts["xnli-generalised-gain-is-larger"].effect == 0.01
    assert "the study measures xnli" in verdicts["paws-x-gain"].reason


CLAIM = '[[claim]]\nname = "n"\nsource = "s"\ntreatment = "robust"\ntask = "xnli"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CLAIM + "delat = 0.02\n", r"claim\[0\].delat: unknown key; did you mean 'delta'"),
        (CLAIM + CLAIM + "soruce = 's'\n", r"claim\[1\].soruce: unknown key; did you mean 'source'"),
        (CLAIM.replace("[[claim]]", "[[clam]]"), "clam: unknown key; did you mean 'claim'"),
        (CLAIM + "[refit]\nseeds = [1, 2]\n", "refit: unknown key; known here: claim$"),
        (CLAIM.replace('task = "xnli"\n', ""), r"claim\[0\].task: required key is missing"),
        (CLAIM + "delta = 2.1\n", r"claim\[0\].delta lies above 0 and below 1 \(0.021: 2.1\), got 2.1"),
        (CLAIM + "delta = -0.02\n", r"claim\[0\].delta lies above 0"),
        (CLAIM + "delta = nan\n", "finite"),
        (CLAIM + 'delta = "2.1"\n', r"claim\[0\].delta: should be a number, got '2.1'"),
        (CLAIM.replace('"xnli"', '" "'), r"claim\[0\].task is not empty"),
        (CLAIM.replace("[[claim]]", "[claim]"), r"claim: should be a list.*write \[\[claim\]\]"),
        (CLAIM + "seen = 2021-11-07\n", r"claim\[0\].seen: dates and times have no place in a claims file; quote"),
        ("", "claim: required key is missing"),
        ("[[claim", "is not TOML"),
    ],
)
def test_a_fault_in_a_claims_file_is_told_on_one_line(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=expected) as caught:
        load_claims(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_claims_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no claims file at .*nowhere.toml"):
        load_claims(tmp_path / "nowhere.toml")


def test_a_study_may_list_claims_of_its_own(tmp_path: Path) -> None:
    quickstart = (Path(__file__).parent.parent / "studies" / "quickstart.toml").read_text(encoding="utf-8")
    path = tmp_path / "study.toml"
    path.write_text(f"{quickstart}\n{CLAIM}delta = 0.016\n", encoding="utf-8")
    (claim,) = load_study(path).claim
    assert (claim.baseline, claim.treatment, claim.delta) == ("standard", "robust", 0.016)
    path.write_text(f"{quickstart}\n{CLAIM}treatmant = 'x'\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"claim\[0\].treatmant: unknown key; did you mean 'treatment'"):
        load_study(path)
