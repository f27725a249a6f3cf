"""Planning starts from what was measured: at the seeds that were run it finds what the comparison itself finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparison_studies import SEEDS, draw_scores, primary

from suite.comparison import compare_arrays
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
    # The comparison has degrees of freedom per language and arm, the plan for all items and both arms together.
    assert found.detectable[at] == pytest.approx(row.mde, rel=0.15 if pairing == "paired" else 0.2)


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
