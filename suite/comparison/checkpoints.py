"""The narrow claim: these two checkpoints differ, on items like these; what other seeds would do is another matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from suite.comparison.arms import Arm, Block, check_pair
from suite.comparison.claims import choose_test, find_claim
from suite.comparison.contest import MEAN, ZERO_SHOT, Term
from suite.comparison.design import Design
from suite.comparison.families import adjust_families
from suite.comparison.strata import Weighted, join_items
from suite.comparison.whole import in_whole_numbers
from suite.evaluation_spec import CLEAN
from suite.results import Comparison, Kind
from suite.stats import infer, mcnemar, sign_flip, tabulate
from suite.stats.components import sample_variance

CLAIM = "the {} checkpoint differs from the {} checkpoint on new items like these; both checkpoints fixed"


def compare_checkpoints(
    design: Design, treatment: Arm, baseline: Arm, test: str | None = None
) -> tuple[Comparison, ...]:
    """McNemar's mid-p per language, and exact sign flips over items for their mean; adjusted as families.

    Args:
        design: Names, languages, confidence.
        treatment: One run.
        baseline: One run on the same examples.
        test: `mcnemar` or `sign-flip` for the languages; the mean over several is always by sign flips.

    Raises:
        ValueError: several runs of one method, other examples, a test that does not fit, or scores that are not 0 or 1.
    """
    chosen = choose_test(find_claim("checkpoints"), test)
    for arm in (treatment, baseline):
        if len(arm.seeds) != 1:
            raise ValueError(
                f"the claim is about two checkpoints, but {arm.method} has {len(arm.seeds)} runs; name one file each, "
                "or claim that the method is better (`--claim method`)"
            )
    check_pair(treatment, baseline)
    targets = [t for t in design.targets if (CLEAN, t) in treatment.blocks]
    languages = [t for t in (design.source, *targets) if t and (CLEAN, t) in treatment.blocks]
    _check_scores([treatment.blocks[CLEAN, t] for t in languages], chosen)
    rows = [_row(design, treatment, baseline, "language", t, [(CLEAN, t, 1.0)], chosen) for t in languages]
    if len(targets) > 1:
        mean = [(CLEAN, t, 1 / len(targets)) for t in targets]
        name = ZERO_SHOT if design.source else MEAN
        rows = [_row(design, treatment, baseline, "primary", name, mean, "sign-flip"), *rows]
    return adjust_families(rows, design.rules)


def _check_scores(blocks: Sequence[Block], test: str) -> None:
    for block in blocks:
        if len(block.ids) < 2:
            raise ValueError(f"a claim about new items needs at least 2 in every language, got only {block.ids}")
        odd = block.values_SN[~np.isin(block.values_SN, (0, 1))]
        if test == "mcnemar" and odd.size:
            raise ValueError(f"McNemar's test counts right and wrong answers, got the score {odd[0]:g}; use sign-flip")


def _row(
    design: Design, treatment: Arm, baseline: Arm, kind: Kind, aggregate: str, terms: list[Term], test: str
) -> Comparison:
    differences = join_items([_difference(design, treatment, baseline, term) for term in terms])
    # An item's part in the sum of the strata's means.
    values_N = np.concatenate([stratum[0] / stratum.shape[1] for stratum in differences])
    effect = sum(float(stratum.mean()) for stratum in differences)
    variance = sum(sample_variance(stratum[0]) / stratum.shape[1] for stratum in differences)
    items = sum(stratum.shape[1] for stratum in differences)
    estimate = infer(
        effect, variance, items - len(differences), test=test, n_seeds=1, n_items=items,
        confidence=design.rules.confidence,
    )  # fmt: skip
    means = [sum(w * float(arm.blocks[s, t].values_SN.mean()) for s, t, w in terms) for arm in (treatment, baseline)]
    row = Comparison(
        study=design.study,
        scale=treatment.scale,
        baseline=baseline.method,
        treatment=treatment.method,
        task=design.task,
        quantity=design.metric,
        subset=CLEAN,
        aggregate=aggregate,
        kind=kind,
        unit="item",
        claim=CLAIM.format(treatment.method, baseline.method),
        n_seeds=1,
        n_items=items,
        test="mcnemar-mid-p" if test == "mcnemar" else test,
        statistic=estimate.statistic,
        degrees_of_freedom=estimate.degrees_of_freedom,
        p=(p := _p(treatment, baseline, terms, values_N, test)),
        p_adjusted=p,
        correction="none",
        family="",
        family_size=1,
        baseline_mean=means[1],
        treatment_mean=means[0],
        effect=effect,
        low=estimate.low,
        high=estimate.high,
        confidence=estimate.confidence,
        mde=estimate.mde,
    )
    # The tests are exact and need no variance; interval and smallest effect found do.
    return row if variance else replace(row, statistic=math.nan, low=math.nan, high=math.nan, mde=math.nan)


def _difference(design: Design, treatment: Arm, baseline: Arm, term: Term) -> Weighted:
    subset, language, weight = term
    ours, theirs = (arm.blocks[subset, language] for arm in (treatment, baseline))
    where = "" if design.shared_items else language
    return Weighted(where, ours.base_ids, ours.values_SN - theirs.values_SN, weight)


def _p(treatment: Arm, baseline: Arm, terms: list[Term], values_N: NDArray[np.float64], test: str) -> float:
    if test == "mcnemar":
        ((subset, language, _),) = terms
        right = [arm.blocks[subset, language].values_SN[0] for arm in (treatment, baseline)]
        return mcnemar(tabulate(right[0], right[1])).mid_p
    return sign_flip(in_whole_numbers(values_N))
