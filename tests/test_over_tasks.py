"""Laws of means over tasks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from report_studies import make_comparisons, make_records, make_study

from suite.comparison.over_tasks import over_tasks
from suite.results import Comparison
from suite.stats import adjust, independent_mean, paired_t

STUDY = make_study()
ROWS = make_comparisons(STUDY, make_records(STUDY))


def on(task: str, rows: tuple[Comparison, ...] = ROWS) -> tuple[Comparison, ...]:
    return tuple(replace(row, task=task, study=f"study-{task}") for row in rows)


def test_the_mean_of_one_estimate_is_that_estimate() -> None:
    estimate = paired_t([0.1, 0.3, 0.2, 0.5])
    mean = independent_mean([estimate])
    assert (mean.estimate, mean.p, mean.low) == pytest.approx((estimate.estimate, estimate.p, estimate.low), rel=1e-12)


def test_the_precision_of_a_mean_is_welch_satterthwaites() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.3, 1, 6), rng.normal(0.1, 2, 9)
    mean = independent_mean([paired_t(first), paired_t(second)], [0.5, -0.5])
    # Half the difference of two samples' means: Welch's test of the samples, its effect and its precision halved.
    from scipy.stats import ttest_ind

    oracle = ttest_ind(first, second, equal_var=False)
    assert mean.estimate == pytest.approx((first.mean() - second.mean()) / 2, rel=1e-12)
    assert (mean.statistic, mean.degrees_of_freedom, mean.p) == pytest.approx(
        (oracle.statistic, oracle.df, oracle.pvalue), rel=1e-9
    )


def test_a_row_over_tasks_is_the_mean_of_the_rows() -> None:
    rows = over_tasks([on("a"), on("b")])
    primary = [row for row in ROWS if row.kind == "primary"]
    assert [row.effect for row in rows] == pytest.approx([row.effect for row in primary], abs=1e-12)
    assert all(row.high - row.low < own.high - own.low for row, own in zip(rows, primary, strict=True))
    assert {row.task for row in rows} == {"a + b"}


def test_the_order_of_studies_changes_no_number() -> None:
    shifted = tuple(replace(row, effect=row.effect + 0.01, low=row.low + 0.01, high=row.high + 0.01) for row in ROWS)
    forth, back = over_tasks([on("a"), on("b", shifted)]), over_tasks([on("b", shifted), on("a")])
    assert [row.p for row in forth] == pytest.approx([row.p for row in back], rel=1e-12)


def test_rows_over_tasks_are_a_family_of_their_own() -> None:
    rows = over_tasks([on("a"), on("b")])
    assert [row.p_adjusted for row in rows] == pytest.approx(adjust([row.p for row in rows], "holm").tolist())
    assert {row.family_size for row in rows} == {len(rows)}


def looked(task: str, look: int, factor: float) -> tuple[Comparison, ...]:
    return tuple(replace(row, look=look, look_rule=f"look {look}", look_factor=factor) for row in on(task))


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(("look", "factor"), [(3, 12.0), (0, math.inf)])
def test_a_mean_pays_for_the_dearest_look_among_its_studies(look: int, factor: float, swapped: bool) -> None:
    studies = [looked("a", look, factor), looked("b", 2, 6.0), on("c")]
    rows = over_tasks(studies[::-1] if swapped else studies)
    free = adjust([row.p for row in rows], "holm").tolist()
    paid = [1.0 if math.isinf(factor) else min(1.0, factor * p) for p in free]
    assert [row.p_adjusted for row in rows] == pytest.approx(paid)
    assert {(row.look, row.look_rule, row.look_factor) for row in rows} == {(look, f"look {look}", factor)}


@pytest.mark.parametrize(("studies", "message"), [(["a"], "at least two studies"), (["a", "a"], "different tasks")])
def test_one_task_is_no_mean_over_tasks(studies: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        over_tasks([on(task) for task in studies])


def test_studies_with_nothing_in_common_are_refused() -> None:
    other = tuple(replace(row, scale="large") for row in on("b"))
    with pytest.raises(ValueError, match="name the scales alike"):
        over_tasks([on("a"), other])
