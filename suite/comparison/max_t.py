"""Per-language rows adjusted together by max-t, where a study asks for it: one family per (scale, method)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from suite.comparison.contest import Contest
from suite.comparison.families import MAX_T
from suite.evaluation_spec import CLEAN
from suite.results import Comparison
from suite.stats import Simultaneous, max_t_each

FAMILY = "every language of this scale and method"


def adjust_languages(contests: Sequence[Contest]) -> list[Comparison]:
    """The rows of contests of one design, those per language with max-t p and intervals where the rules say so.

    Where seeds do not pair or the metric is no mean over items there is no max-t; Benjamini-Hochberg follows then, as
    every row's `correction` says. Contests of one shape share their draws of seeds and items, which changes no number.
    """
    rows = [contest.rows() for contest in contests]
    families = {i: _differences(contest) for i, contest in enumerate(contests) if _has_max_t(contest)}
    alike: dict[tuple[object, ...], list[int]] = {}
    for i, family in families.items():
        alike.setdefault((_is_parallel(contests[i]), *(matrix_SN.shape for matrix_SN in family)), []).append(i)
    for (parallel, *_), members in alike.items():
        design = contests[members[0]].design
        found = max_t_each(
            [families[i] for i in members],
            items="shared" if parallel else "separate",
            generator=np.random.default_rng(design.entropy),
            confidence=design.rules.confidence,
        )
        for i, family_found in zip(members, found, strict=True):
            rows[i] = _adjusted(rows[i], family_found)
    return [row for own in rows for row in own]


def _has_max_t(contest: Contest) -> bool:
    return contest.design.rules.language_correction == MAX_T and contest.paired and not contest.design.counted


def _differences(contest: Contest) -> list[NDArray[np.float64]]:
    """Paired differences of every language, [S, n_l] each."""
    return [contest.strata([(CLEAN, language, 1.0)])[0] for language in contest.languages]


def _is_parallel(contest: Contest) -> bool:
    """Whether the languages share all their items; where one lacks an item, none counts as shared."""
    items = {contest.treatment.blocks[CLEAN, language].base_ids for language in contest.languages}
    return contest.design.shared_items and len(items) == 1


def _adjusted(rows: Sequence[Comparison], found: Simultaneous) -> list[Comparison]:
    """The rows of one contest with the family's p and intervals on those per language, which stand in its order."""
    numbers = zip(found.adjusted_p, found.low, found.high, strict=True)
    size = len(found.adjusted_p)
    adjusted = []
    for row in rows:
        if row.kind == "language":
            p, low, high = next(numbers)
            simultaneous = (low, high)
            row = replace(
                row, p_adjusted=p, simultaneous=simultaneous, correction=MAX_T, family=FAMILY, family_size=size
            )
            row = row if row.is_tested else row.untested()
        adjusted.append(row)
    return adjusted
