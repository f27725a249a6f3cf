"""The primary conclusion from other sides: does it hang on one seed, one family, the pairing, the test?

Nothing here is a claim of its own, nothing is adjusted; what disagrees is pointed out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from suite.comparison.beyond import beyond_languages, find_gap
from suite.comparison.contest import Contest, arm_mean
from suite.comparison.strata import join_items
from suite.comparison.whole import in_whole_numbers
from suite.evaluation_spec import CLEAN
from suite.results import Breadth, Check
from suite.stats import (
    Estimate,
    almost_stochastic_order,
    count_holding,
    crossed,
    crossed_unpaired,
    leave_one_seed_out,
    mcnemar,
    one_sided,
    paired_t,
    partial_conjunction,
    sign_flip,
    superiority_interval_paired,
    superiority_interval_unpaired,
    tabulate,
)
from suite.stats.families import family_of

METHOD = "method beats baseline, on new seeds and items"
CHECKPOINTS = "these two checkpoints differ, on new items"
SEEDS = "method beats baseline on these items, on new seeds"
LANGUAGES = "method beats baseline in languages beyond these"
DESCRIPTIVE = "descriptive"
NO_VARIANCE = "nothing varies, so there is no test"


def checks(contest: Contest) -> list[Check]:
    """Every check of the primary comparison of a contest; those of accuracy, whichever metric selects."""
    return [*_other_pairing(contest), *_seeds(contest), *_left_out(contest), *_languages(contest), *_pairs(contest)]


def breadth(contest: Contest, p_of: dict[str, tuple[float, float]]) -> Breadth | None:
    """In how many target languages at least the method improves.

    `p_of` is language to (two-sided p, effect) of the per-language comparisons, not adjusted.
    """
    tested = [t for t in contest.targets if t in p_of]
    if len(tested) < 2:
        return None
    p, effects = zip(*(p_of[t] for t in tested), strict=True)
    sided = one_sided(p, effects)
    alpha = 1 - contest.design.rules.confidence
    return Breadth(
        scale=contest.treatment.scale,
        baseline=contest.baseline.method,
        treatment=contest.treatment.method,
        languages=tuple(tested),
        p_by_count=tuple(float(value) for value in partial_conjunction(sided)),
        holding=count_holding(sided, alpha),
        alpha=alpha,
    )


def _check(contest: Contest, analysis: str, about: str, claim: str, estimate: Estimate, note: str = "") -> Check:
    tested = estimate.standard_error > 0
    return Check(
        scale=contest.treatment.scale,
        baseline=contest.baseline.method,
        treatment=contest.treatment.method,
        analysis=analysis,
        about=about,
        claim=claim,
        quantity=_quantity(contest),
        estimate=estimate.estimate,
        low=estimate.low if tested else None,
        high=estimate.high if tested else None,
        p=estimate.p if tested else None,
        n_seeds=estimate.n_seeds,
        n_items=estimate.n_items if estimate.n_items > 1 else 0,
        note="; ".join(filter(None, [note, "" if tested else NO_VARIANCE])),
    )


def _quantity(contest: Contest) -> str:
    """What the checks are of: scores of items, which have no F1 over all of them."""
    return "accuracy" if contest.design.counted else contest.design.metric


def _macro_means(contest: Contest) -> list[NDArray[np.float64]]:
    """Macro-average per seed of either arm."""
    return [arm_mean(contest.parts(arm, contest.primary_terms)) for arm in contest.arms]


def _other_pairing(contest: Contest) -> Iterator[Check]:
    """The form that takes the seeds the other way."""
    treatment, baseline = (join_items(contest.parts(arm, contest.primary_terms)) for arm in contest.arms)
    confidence, weights = contest.design.rules.confidence, np.ones(len(baseline))
    if contest.paired:
        estimate = crossed_unpaired(treatment, baseline, weights, confidence=confidence)
        yield _check(contest, "unpaired", "", METHOD, estimate, "pays for a seed that both arms share")
    elif contest.treatment.seeds == contest.baseline.seeds:
        strata = [t - b for t, b in zip(treatment, baseline, strict=True)]
        yield _check(contest, "paired", "", METHOD, crossed(strata, weights, confidence=confidence))


def _seeds(contest: Contest) -> Iterator[Check]:
    """Seeds as the only unit: t, exact sign flips, wins, stochastic order."""
    means = _macro_means(contest)
    confidence, generator = contest.design.rules.confidence, np.random.default_rng(contest.design.entropy)
    n_seeds = min(map(len, means))
    say = partial(
        Check, scale=contest.treatment.scale, baseline=contest.baseline.method, treatment=contest.treatment.method,
        about="", n_seeds=n_seeds, n_items=0,
    )  # fmt: skip
    if contest.paired:
        differences = means[0] - means[1]
        yield _check(contest, "seed-t", "", SEEDS, paired_t(differences, confidence=confidence))
        p = sign_flip(in_whole_numbers(differences))
        yield say(
            analysis="sign-flip of seeds", claim=SEEDS, quantity=_quantity(contest), estimate=float(differences.mean()),
            p=p, note=_reach(differences, 1 - confidence),
        )  # fmt: skip
        won = superiority_interval_paired(means[0], means[1], confidence=confidence)
    else:
        won = superiority_interval_unpaired(means[0], means[1], confidence=confidence)
    note = "meaningful from 0.75 on"
    yield say(
        analysis="superiority", claim=SEEDS, quantity="P(treatment > baseline)", estimate=won.probability,
        low=won.low, high=won.high, note=note,
    )  # fmt: skip
    epsilon = almost_stochastic_order(means[0], means[1], generator=generator, confidence=confidence)
    note = "below 0.2 is commonly read as better; no test of level 5 %"
    yield say(analysis="stochastic order", claim=DESCRIPTIVE, quantity="violation ratio", estimate=epsilon, note=note)


def _reach(differences: NDArray[np.float64], alpha: float) -> str:
    """What so few seeds cannot reach: with k that differ, sign flips give 2^(1 - k) at the least."""
    differing = int(np.count_nonzero(differences))
    least = min(1.0, 2.0 ** (1 - differing))
    if least < alpha:
        return ""
    only = "" if differing == len(differences) else f", of which {differing} differ,"
    bare = [f"{p:.4g}".removeprefix("0") for p in (alpha, least)]
    return f"{len(differences)} paired seeds{only} cannot reach p < {bare[0]} by sign-flip; its smallest p is {bare[1]}"


def _left_out(contest: Contest) -> Iterator[Check]:
    """The primary test without one seed, and without one family of languages."""
    confidence = contest.design.rules.confidence
    strata = contest.strata(contest.primary_terms) if contest.paired else []
    if strata and len(contest.treatment.seeds) > 2:
        weights = np.ones(len(strata))
        shorter = leave_one_seed_out(strata, weights, items="separate", confidence=confidence)
        for seed, estimate in zip(contest.treatment.seeds, shorter, strict=True):
            yield _check(contest, "without seed", str(seed), METHOD, estimate)
    families = dict.fromkeys(family_of(language) for language in contest.targets)
    for family in families if contest.paired and len(families) > 1 else ():
        left = [t for t in contest.targets if family_of(t) != family]
        rest = contest.strata([(CLEAN, t, 1 / len(left)) for t in left])
        yield _check(
            contest, "without family", family, METHOD, crossed(rest, np.ones(len(rest)), confidence=confidence)
        )


def _languages(contest: Contest) -> Iterator[Check]:
    """The wider claim, with languages random too; exploratory, as a study's languages are chosen, not drawn."""
    if not contest.paired or len(contest.targets) < 3 or find_gap(contest):
        return
    families = len({family_of(t) for t in contest.targets})
    found = beyond_languages(contest)
    few = "; too few families to speak of new languages" if families < 5 else ""
    yield _check(
        contest, "new languages", "", LANGUAGES, found.estimate,
        f"exploratory: {len(contest.targets)} languages of {families} families, sd between languages "
        f"{100 * found.between:.2f} points{few}",
    )  # fmt: skip


def _pairs(contest: Contest) -> Iterator[Check]:
    """McNemar for every pair of checkpoints in every language: what can be said of these two, and of no others."""
    if not contest.paired:
        return
    for language in contest.targets:
        blocks = [arm.blocks[CLEAN, language] for arm in contest.arms]
        if not all(((block.values_SN == 0) | (block.values_SN == 1)).all() for block in blocks):
            continue
        tables = tabulate(*(block.values_SN for block in blocks))
        for seed, table in zip(contest.treatment.seeds, tables, strict=True):
            yield _mcnemar(contest, language, seed, table)


def _mcnemar(contest: Contest, language: str, seed: int, table: NDArray[np.int64]) -> Check:
    found = mcnemar(table, confidence=contest.design.rules.confidence)
    return Check(
        scale=contest.treatment.scale,
        baseline=contest.baseline.method,
        treatment=contest.treatment.method,
        analysis="McNemar",
        about=f"{language}, seed {seed}",
        claim=CHECKPOINTS,
        quantity="odds ratio",
        estimate=found.odds_ratio,
        low=found.odds_interval[0],
        high=found.odds_interval[1],
        p=found.mid_p,
        n_seeds=1,
        n_items=found.n,
        note=f"exact p {found.exact_p:.4g}",
    )
