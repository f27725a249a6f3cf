"""How many seeds does an effect need, given how much finished runs vary?"""

from __future__ import annotations

from collections.abc import Sequence

from suite.comparison.contest import Contest
from suite.results import SeedPlan
from suite.stats.planning import check_plan

SEEDS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30)


def plan_seeds(contest: Contest, effects: Sequence[float], power: float) -> SeedPlan:
    """The plan for the primary comparison of a contest; effects in units of the metric.

    At the seeds that were run it finds what the comparison itself finds.

    Raises:
        ValueError: runs that do not vary, effects that are not positive, or a power outside (alpha, 1).
    """
    spread, alpha = contest.spread(), 1 - contest.design.rules.confidence
    check_plan(effects, SEEDS, power, alpha)
    n_seeds = len(contest.treatment.seeds)
    if not spread.at(spread.n_seeds)[0]:
        raise ValueError(
            "a plan needs some variance, and the difference is the same for every seed and item; take runs that differ"
        )
    return SeedPlan(
        scale=contest.treatment.scale,
        treatment=contest.treatment.method,
        baseline=contest.baseline.method,
        n_seeds=n_seeds,
        n_items=spread.n_items,
        power=power,
        seeds=SEEDS,
        detectable=tuple(spread.mde(n, power=power, alpha=alpha) for n in SEEDS),
        effects=tuple(effects),
        needed=tuple(spread.seeds_needed(effect, power=power, alpha=alpha) for effect in effects),
        limit=spread.limit(power=power, alpha=alpha),
        seed_share=spread.seed_share,
    )
