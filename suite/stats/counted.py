"""Metrics of summed counts, such as F1: no mean of item scores, but a function of what the items add up to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from suite.stats.bootstrap import calibrate, draw_seeds, group_by_items, weighted_totals
from suite.stats.checks import Items, Matrix
from suite.stats.estimate import Estimate
from suite.stats.seeds import seed_correlation

Totals = NDArray[np.float64]

CountMetric = Callable[[Totals], Totals]
"""Maps counts summed over items [..., K] to one finite value each [...]; every resample's sums pass through it."""


def f1_counts(labels_N: ArrayLike, predicted_SN: ArrayLike, classes: int) -> NDArray[np.int8]:
    """Return each item's true positives, false positives and false negatives per class [S, n, 3C].

    The last axis holds C true positives, then C false positives, then C false negatives, each 0 or 1. A prediction of
    -1 (a vote that abstained) is of no class and a miss for its label's.

    Raises:
        ValueError: labels [n] outside 0..C-1, predictions [S, n] outside -1..C-1, or shapes that do not match.
    """
    labels_N, predicted_SN = np.asarray(labels_N), np.asarray(predicted_SN)
    if predicted_SN.ndim != 2 or labels_N.shape != predicted_SN.shape[1:]:
        raise ValueError(
            f"predictions must be [seeds, items] of the labelled items; got {predicted_SN.shape} for labels "
            f"{labels_N.shape}; stack the runs' predictions"
        )
    for name, values, least in (("labels", labels_N, 0), ("predictions", predicted_SN, -1)):
        wrong = values[~np.isin(values, np.arange(least, classes))]
        if wrong.size:
            raise ValueError(f"{name} must lie in {least}..{classes - 1}; got {wrong[0]}; pass the number of classes")
    of_label_NC = labels_N[:, None] == np.arange(classes)
    of_prediction_SNC = predicted_SN[..., None] == np.arange(classes)
    return np.concatenate(
        [of_label_NC & of_prediction_SNC, of_prediction_SNC & ~of_label_NC, of_label_NC & ~of_prediction_SNC], axis=-1
    ).astype(np.int8)


def macro_f1_from_counts(totals: ArrayLike) -> Totals:
    """Return the mean over classes of F1 = 2 TP / (2 TP + FP + FN) from sums [..., 3C] as `f1_counts` orders them.

    As in `suite.scores.macro_f1`, the classes are those that occur among labels or predictions; 0 where none does.
    """
    hits, sizes = _hits_and_sizes(totals)
    occur = sizes > 0
    f1 = np.divide(2.0 * hits, sizes, out=np.zeros_like(sizes), where=occur)
    return np.asarray(f1.sum(axis=-1) / np.maximum(occur.sum(axis=-1), 1))


def micro_f1_from_counts(totals: ArrayLike) -> Totals:
    """Return F1 = 2 TP / (2 TP + FP + FN) of the counts of all classes together; 0 where nothing is to be found.

    From sums [..., 3C] as `f1_counts` orders them. With C = 1 this is the F1 of entities: each item a sentence with its
    numbers of entities found, invented and missed.
    """
    hits, sizes = (part.sum(axis=-1) for part in _hits_and_sizes(totals))
    return np.asarray(np.divide(2.0 * hits, sizes, out=np.zeros_like(sizes), where=sizes > 0))


def share_from_counts(totals: ArrayLike) -> Totals:
    """Return the share that is right from sums [..., 2] of what is right and of all; 0 of nothing."""
    right, all_of_them = np.moveaxis(np.asarray(totals, dtype=np.float64), -1, 0)
    return np.asarray(np.divide(right, all_of_them, out=np.zeros_like(right), where=all_of_them > 0))


def counted_paired(
    treatment_SNK: ArrayLike,
    baseline_SNK: ArrayLike,
    metric: CountMetric,
    *,
    generator: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """Test the difference of a metric of summed counts in one language: `counted_macro` with one stratum."""
    return counted_macro(
        [treatment_SNK], [baseline_SNK], metric, generator=generator, resamples=resamples, confidence=confidence
    )


def counted_macro(
    treatment: Sequence[ArrayLike],
    baseline: Sequence[ArrayLike],
    metric: CountMetric,
    *,
    items: Items | Sequence[int] = "shared",
    generator: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """Test the mean over languages of a metric of summed counts, treatment minus baseline, seeds and items random.

    Each arm is one array [S, n_l, K] of K counts per seed and item for every language; row s of both arms is one seed.
    `items` says whether languages share their items, which are then drawn together, or have texts of their own; one
    number per language says it of each: those of one number share theirs. An item that a language lacks has counts of 0
    there, and one that it has several times the sum of their counts.

    Raises:
        ValueError: arms that differ in languages, seeds, items or counts, fewer than two seeds, items or resamples,
            counts that are not finite, or a metric that is not finite or of the wrong shape.

    Source: `pigeonhole` on weighted totals; see `calibrate` for the variance and Student's t.
    """
    groups = _pair(treatment, baseline, items)
    totals_LASK = np.stack([arms_ASNK.astype(np.float64).sum(axis=2) for group in groups for arms_ASNK in group])
    left_S, right_S = _apply(metric, totals_LASK).mean(axis=0)
    seed_weights_BS = draw_seeds(left_S.size, generator=generator, resamples=resamples)
    values_BS = np.sum([_group_values(group, metric, generator, resamples) for group in groups], axis=0)
    return calibrate(
        (seed_weights_BS * values_BS).mean(axis=1) / len(totals_LASK),
        left_S - right_S,
        [group[0].shape[2] for group in groups],
        confidence=confidence,
        correlation=seed_correlation(left_S, right_S),
    )


def _hits_and_sizes(totals: ArrayLike) -> tuple[Totals, Totals]:
    """Return TP and 2 TP + FP + FN per class, [..., C] each."""
    counts = np.asarray(totals, dtype=np.float64)
    if counts.ndim == 0 or counts.shape[-1] % 3:
        raise ValueError(
            f"F1 needs true positives, false positives and false negatives of each class; got shape {counts.shape}; "
            "order the last axis as `f1_counts` does"
        )
    hits, false, missed = np.moveaxis(counts.reshape(*counts.shape[:-1], 3, -1), -2, 0)
    return hits, 2.0 * hits + false + missed


def _group_values(
    group: Sequence[NDArray[np.generic]], metric: CountMetric, generator: np.random.Generator, resamples: int
) -> Matrix:
    """Return the resampled effects [B, S], summed over languages [2, S, n, K] that share their items."""
    n_arms, n_seeds, n_items, n_counts = group[0].shape
    columns_NC = np.concatenate([np.moveaxis(arms_ASNK, 2, 0).reshape(n_items, -1) for arms_ASNK in group], axis=1)
    blocks = []
    for totals_BC in weighted_totals(columns_NC, generator=generator, resamples=resamples):
        values_BLAS = _apply(metric, totals_BC.reshape(-1, len(group), n_arms, n_seeds, n_counts))
        blocks.append((values_BLAS[:, :, 0] - values_BLAS[:, :, 1]).sum(axis=1))
    return np.concatenate(blocks)


def _apply(metric: CountMetric, totals: Totals) -> Totals:
    values = np.asarray(metric(totals), dtype=np.float64)
    if values.shape != totals.shape[:-1]:
        raise ValueError(
            f"the metric must map sums [..., K] = {totals.shape} to [...]; got {values.shape}; reduce the last axis"
        )
    if not np.isfinite(values).all():
        raise ValueError(
            "the metric must be finite in every resample; got NaN or infinity; define it where counts are 0"
        )
    return values


def _pair(
    treatment: Sequence[ArrayLike], baseline: Sequence[ArrayLike], items: Items | Sequence[int]
) -> list[list[NDArray[np.generic]]]:
    """Return checked arrays [2 arms, S, n_l, K], one per language, grouped by shared items."""
    if len(treatment) != len(baseline) or not len(treatment):
        raise ValueError(
            f"both arms need the same languages, at least one; got {len(treatment)} and {len(baseline)}; align them"
        )
    pairs = []
    for index, arms in enumerate(zip(treatment, baseline, strict=True)):
        left, right = (np.asarray(arm) for arm in arms)
        if left.ndim != 3 or left.shape != right.shape:
            raise ValueError(
                f"both arms must be counts [seeds, items, counts] of one shape; got {left.shape} and {right.shape} in "
                f"language {index}; align seeds and items first"
            )
        pairs.append(_check_counts(np.stack([left, right]), index))
    groups = group_by_items(pairs, items)
    _check_same([pair.shape[1] for pair in pairs], "seeds", "keep the seeds present in every language")
    _check_same([pair.shape[3] for pair in pairs], "counts", "use the same classes in every language")
    for group in groups:
        _check_same([pair.shape[2] for pair in group], "items", "or pass items='separate'")
    return groups


def _check_counts(arms_ASNK: NDArray[np.generic], index: int) -> NDArray[np.generic]:
    for size, unit in zip(arms_ASNK.shape[1:3], ("seeds", "items"), strict=True):
        if size < 2:
            raise ValueError(f"counts need at least 2 {unit}; got {size} in language {index}; add {unit}")
    if not np.isfinite(arms_ASNK.astype(np.float64)).all():
        raise ValueError(f"counts must be finite; got NaN or infinity in language {index}; drop or rescore the item")
    return arms_ASNK


def _check_same(sizes: Sequence[int], unit: str, remedy: str) -> None:
    if len(set(sizes)) > 1:
        raise ValueError(f"languages must share their {unit}; got {list(sizes)}; {remedy}")
