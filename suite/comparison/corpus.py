"""F1 and its like: no mean of item scores, so seeds and items are drawn again together instead of summed up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.comparison.arms import Arm, Block
from suite.comparison.design import Design
from suite.comparison.strata import are_one_to_one, kindred, numbered
from suite.stats import (
    Estimate,
    counted_macro,
    f1_counts,
    macro_f1_from_counts,
    micro_f1_from_counts,
    share_from_counts,
)
from suite.stats.counted import CountMetric

Term = tuple[str, str, float]
"""Subset, language and the weight of its mean."""
ABSTAINED = -1
COUNTED: dict[str, CountMetric] = {
    "macro_f1": macro_f1_from_counts,
    "entity_f1": micro_f1_from_counts,
    "token_accuracy": share_from_counts,
}
"""Metrics that are ratios of sums, from the sums."""


def corpus_estimate(
    arms: tuple[Arm, Arm], terms: Sequence[Term], design: Design
) -> tuple[Estimate, list[NDArray[np.float64]]]:
    """The effect on the mean over equally weighted languages of a metric of counts, and either arm's mean per seed [S].

    An item is drawn once for all that has it: every language where items are shared, and every row with its base id.

    Raises:
        ValueError: blocks without what the metric counts, seeds that do not pair, or whatever `counted_macro` refuses.
    """
    if design.rules.pairing != "paired":
        raise ValueError(
            f'{design.metric} is compared on paired seeds only; set comparison.pairing = "paired", or use accuracy'
        )
    blocks = [[arm.blocks[subset, language] for subset, language, _ in terms] for arm in arms]
    counts, metric = _counted(blocks, design.metric), COUNTED[design.metric]
    places = [
        ("" if design.shared_items else language, block.base_ids)
        for (_, language, _), block in zip(terms, blocks[0], strict=True)
    ]
    joined, groups = _joined(counts, places)
    estimate = counted_macro(
        joined[0],
        joined[1],
        metric,
        items=groups,
        generator=np.random.default_rng(design.entropy),
        confidence=design.rules.confidence,
    )
    means = [np.mean([metric(c.sum(axis=1, dtype=np.int64)) for c in own], axis=0) for own in counts]
    return estimate, means


def _joined(
    counts: Sequence[Sequence[NDArray[Any]]], places: Sequence[tuple[str, tuple[str, ...]]]
) -> tuple[list[list[NDArray[Any]]], list[int]]:
    """Counts [S, n, K] of either arm's blocks by distinct item, and the number of each block's group: one n a group."""
    joined, groups = [list(own) for own in counts], [0] * len(places)
    for number, kin in enumerate(kindred(places)):
        items = [places[i][1] for i in kin]
        one_to_one, index = are_one_to_one(items), numbered(items)
        for i in kin:
            groups[i] = number
            if not one_to_one:
                columns = np.array([index[item] for item in places[i][1]])
                for own in joined:
                    own[i] = _by_item(own[i], columns, len(index))
    return joined, groups


def _by_item(counts_SRK: NDArray[Any], columns_R: NDArray[np.int64], n_items: int) -> NDArray[Any]:
    """The sums [S, n, K] of the counts [S, R, K] of rows of the same item; 0 for an item without a row."""
    n_seeds, _, n_counts = counts_SRK.shape
    # One byte holds the counts of a row, not those of all rows of an item.
    total_NSK = np.zeros((n_items, n_seeds, n_counts), dtype=np.result_type(counts_SRK.dtype, np.int32))
    np.add.at(total_NSK, columns_R, counts_SRK.swapaxes(0, 1))
    return total_NSK.swapaxes(0, 1)


def _counted(blocks: Sequence[Sequence[Block]], metric: str) -> list[list[NDArray[Any]]]:
    """Counts [S, n, K] of every block of either arm."""
    if metric != "macro_f1":
        return [[block.counts[metric] for block in own] for own in blocks]
    number = _classes([block for own in blocks for block in own])
    return [[_counts(block, number) for block in own] for own in blocks]


def _classes(blocks: Sequence[Block]) -> NDArray[np.int64]:
    """Every label that occurs, in order; its place is its number."""
    found = []
    for block in blocks:
        if block.labels_N is None or block.predicted_SN is None:
            raise ValueError("macro_f1 needs labels and predictions, and these are scores; compare the metric 'score'")
        found += [block.labels_N, block.predicted_SN.ravel()]
    labels: NDArray[np.int64] = np.unique(np.concatenate(found))
    return np.asarray(labels[labels != ABSTAINED], dtype=np.int64)


def _counts(block: Block, classes: NDArray[np.int64]) -> NDArray[np.int8]:
    assert block.labels_N is not None and block.predicted_SN is not None  # `_classes` has seen them
    predicted = np.where(block.predicted_SN == ABSTAINED, ABSTAINED, np.searchsorted(classes, block.predicted_SN))
    return f1_counts(np.searchsorted(classes, block.labels_N), predicted, len(classes))
