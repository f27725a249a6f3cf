"""Planning starts from what was measured: at the seeds that were run it finds what the comparison itself finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from comparison_studies import SEEDS, draw_scores, primary

from suite.comparison import compare_arrays, compare_frame
from suite.comparison.arms import arm_of_arrays
from suite.comparison.contest import Contest
from suite.comparison.design import Design
from suite.comparison.planning import plan_seeds
from suite.comparison_spec import ComparisonSpec
from suite.results import SeedPlan

LANGUAGES = ("de", "sw", "zh")
SHIFTS = np.array([[0.1], [-0.2], [0.25], [0.0]])
"""What each seed adds to the treatment: enough for a seed component."""
TREATMENT = {t: values + SHIFTS for t, values in draw_scores(1, 0.2, items=200).items()}
BASELINE = draw_scores(2, items=200)


def plan(pairing: Any = "paired", effects: tuple[float, ...] = (0.3, 0.1, 0.05), power: float = 0.8) -> SeedPlan:
    design = Design(
        study="s", task="t", source=None, targets=LANGUAGES, metric="score", rules=ComparisonSpec(pairing=pairing)
    )
    arms = [arm_of_arrays(s, method=m, seeds=SEEDS) for m, s in (("treatment", TREATMENT), ("baseline", BASELINE))]
    return plan_seeds(Contest(design, *arms), effects, power)


@pytest.mark.parametrize("pairing", ["paired", "unpaired"])
def test_at_the_seeds_that_were_run_the_plan_finds_what_the_comparison_finds(pairing: Any) -> None:
    row = primary(compare_arrays(TREATMENT, BASELINE, rules=ComparisonSpec(pairing=pairing)))
    found = plan(pairing)
    assert (found.n_seeds, found.n_items) == (row.n_seeds, row.n_items) == (4, 600)
    at = found.seeds.index(4)
    assert found.detectable[at] == row.mde == dict(row.detectable)[4]


@pytest.mark.parametrize("shift", [0.0, 1e-3, 0.2])
@pytest.mark.parametrize("pairing", ["paired", "unpaired"])
def test_plan_figure_and_comparison_agree_where_a_component_is_left_out_as_negative(pairing: Any, shift: float) -> None:
    """Seeds that differ less than their items would make them have no variance of their own at any number of them."""
    for draw in range(4):
        rng = np.random.default_rng(draw)
        arms = [{t: rng.normal(0, 1, (4, 50)) + shift * rng.normal(0, 1, (4, 1)) for t in LANGUAGES} for _ in range(2)]
        rules = ComparisonSpec(pairing=pairing)
        row = primary(compare_arrays(*arms, rules=rules))
        design = Design(study="s", task="t", source=None, targets=LANGUAGES, metric="score", rules=rules)
        both = [arm_of_arrays(s, method=m, seeds=SEEDS) for m, s in zip(("treatment", "baseline"), arms, strict=True)]
        found = plan_seeds(Contest(design, *both), (0.1,), 0.8)
        drawn, planned = dict(row.detectable), dict(zip(found.seeds, found.detectable, strict=True))
        assert planned[4] == row.mde
        assert all(planned[n] == drawn[n] for n in planned.keys() & drawn.keys())
        assert list(drawn.values()) == sorted(drawn.values(), reverse=True)


@pytest.mark.parametrize("metric", ["entity_f1", "token_accuracy"])
def test_a_metric_of_counts_is_planned_by_its_own_variance(metric: str) -> None:
    rng = np.random.default_rng(5)
    wanted = np.random.default_rng(6).integers(1, 4, 60)
    table = pd.DataFrame(
        [
            {"method": m, "seed": s, "language": t, "example_id": f"{t}-{i}", "hits": (h := int(rng.binomial(w, rate))),
             "made": h + int(rng.integers(0, 2)), "wanted": int(w), "right": h, "tokens": int(w)}
            for m, rate in (("standard", 0.5), ("robust", 0.6)) for s in range(4) for t in LANGUAGES
            for i, w in enumerate(wanted)
        ]
    )  # fmt: skip
    row = primary(compare_frame(table, baseline="standard", metric=metric))
    assert dict(row.detectable)[4] == pytest.approx(row.mde, rel=1e-9)


@pytest.mark.parametrize("pairing", ["paired", "unpaired"])
def test_more_seeds_find_smaller_effects_down_to_what_the_items_hide(pairing: Any) -> None:
    found = plan(pairing)
    assert list(found.detectable) == sorted(found.detectable, reverse=True)
    assert found.limit <= found.detectable[-1]
    assert 0.0 <= found.seed_share <= 1.0


def test_smaller_effects_and_more_power_need_more_seeds() -> None:
    needed = [count or 10_000 for count in plan().needed]
    assert needed == sorted(needed)
    surer = [count or 10_000 for count in plan(power=0.95).needed]
    assert all(more >= fewer for more, fewer in zip(surer, needed, strict=True))


def test_an_effect_below_the_limit_needs_what_no_number_of_seeds_gives() -> None:
    found = plan()
    assert plan(effects=(found.limit / 2,)).needed == (None,)


def test_runs_that_do_not_vary_cannot_be_planned_by() -> None:
    scores = {t: values[:1].repeat(4, axis=0) * 0 for t, values in BASELINE.items()}
    arms = [arm_of_arrays(scores, method=m, seeds=SEEDS) for m in ("treatment", "baseline")]
    design = Design(study="s", task="t", source=None, targets=LANGUAGES)
    with pytest.raises(ValueError, match="a plan needs some variance") as caught:
        plan_seeds(Contest(design, *arms), (0.02,), 0.8)
    assert "\n" not in str(caught.value)
