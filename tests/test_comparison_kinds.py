"""Predictions of every kind of task, compared by the metric that they are of: counts are summed, scores averaged."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from suite.comparison import compare_frame
from suite.comparison.scoring import measured_columns, metric_measured, scored_block
from suite.results import Comparison
from suite.scores import METRICS
from suite.stats import counted_macro, micro_f1_from_counts, pigeonhole
from suite.stats.checks import Items

SEEDS, ITEMS, LANGUAGES = 4, 60, ("de", "fi")


def draw(method: str, boost: float) -> pd.DataFrame:
    """Tagged sentences and answers of four runs in two languages."""
    parts = []
    for s in range(SEEDS):
        for at, language in enumerate(LANGUAGES):
            rng = np.random.default_rng([at, s, round(100 * boost)])
            wanted = np.random.default_rng(at).integers(0, 4, ITEMS)
            hits = rng.binomial(wanted, 0.5 + boost)
            made = hits + rng.integers(0, 2, ITEMS)
            tokens = np.random.default_rng(10 + at).integers(5, 12, ITEMS)
            f1 = np.clip(rng.random(ITEMS) * 0.6 + boost, 0, 1)
            columns: Mapping[str, Any] = {
                "hits": hits,
                "made": made,
                "wanted": wanted,
                "right": rng.binomial(tokens, 0.7 + boost),
                "tokens": tokens,
                "f1": f1,
                "exact_match": (f1 > 0.5).astype(float),
            }
            ids = [f"{language}-{i}" for i in range(ITEMS)]
            parts.append(
                pd.DataFrame({"example_id": ids, "language": language, "seed": s + 1, "method": method, **columns})
            )
    return pd.concat(parts, ignore_index=True)


TABLE = pd.concat([draw("standard", 0.0), draw("robust", 0.15)], ignore_index=True)
TAGGED = TABLE.drop(columns=["f1", "exact_match"])


def primary(table: pd.DataFrame, metric: str | None = None, items: Items | None = None) -> Comparison:
    results = compare_frame(table, baseline="standard", metric=metric, items=items)
    (row,) = [c for c in results.comparisons if c.kind == "primary"]
    return row


def sums(table: pd.DataFrame, metric: str) -> float:
    """The mean over runs and languages of a metric, straight from its definition."""
    groups = table.groupby(["seed", "language"])
    return float(np.mean([METRICS[metric]({name: part[name].to_numpy() for name in part}) for _, part in groups]))


@pytest.mark.parametrize("metric", ["entity_f1", "token_accuracy", "f1", "exact_match"])
def test_both_means_and_the_effect_are_the_metrics_own(metric: str) -> None:
    row = primary(TABLE, metric)
    standard, robust = (sums(TABLE[TABLE["method"] == name], metric) for name in ("standard", "robust"))
    assert (row.quantity, row.n_seeds) == (metric, SEEDS)
    assert (row.baseline_mean, row.treatment_mean) == (pytest.approx(standard), pytest.approx(robust))
    assert row.effect == pytest.approx(robust - standard) and row.low < row.effect < row.high


def test_metrics_of_counts_draw_the_sentences_anew() -> None:
    assert primary(TABLE, "entity_f1").test == primary(TABLE, "token_accuracy").test == "pigeonhole-bootstrap-t"
    assert primary(TABLE, "f1").test == primary(TABLE, "exact_match").test == "crossed-paired"


def test_entity_f1_is_the_test_of_summed_hits_inventions_and_misses() -> None:
    row = primary(TABLE, "entity_f1")
    arms = []
    for name in ("robust", "standard"):
        runs = TABLE[TABLE["method"] == name]
        blocks = [
            runs[runs["language"] == language].sort_values(["seed", "example_id"], kind="stable")
            for language in LANGUAGES
        ]
        counts = [np.stack([b["hits"], b["made"] - b["hits"], b["wanted"] - b["hits"]], axis=-1) for b in blocks]
        arms.append([c.reshape(SEEDS, ITEMS, 3) for c in counts])
    expected = counted_macro(
        *arms, micro_f1_from_counts, items="separate", generator=np.random.default_rng(0), resamples=2000
    )
    assert row.effect == pytest.approx(expected.estimate)
    # Other draws of the same bootstrap: the standard error agrees to the Monte Carlo error of 2,000 draws.
    assert (row.high - row.low) == pytest.approx(expected.high - expected.low, rel=0.15)


def repeated(n_items: int = 40, seeds: int = 4) -> pd.DataFrame:
    """Labels and predictions of translations: three rows of every item in `de`, one in `sw`, which lacks two items."""
    rng = np.random.default_rng(5)
    labels, hard = rng.integers(0, 3, n_items), rng.normal(size=n_items)
    parts = []
    for method in ("standard", "robust"):
        own = hard + rng.normal(size=n_items)
        for seed, (language, row) in product(range(seeds), [("de", 0), ("de", 1), ("de", 2), ("sw", 0)]):
            right = own + 0.2 * rng.normal(size=n_items) > -0.3
            part = {
                "example_id": [f"{item:02d}-{row}" for item in range(n_items)],
                "base_id": [f"{item:02d}" for item in range(n_items)],
                "label": labels,
                "predicted": np.where(right, labels, (labels + 1) % 3),
            }
            parts.append(pd.DataFrame({**part, "method": method, "seed": seed, "language": language}))
    table = pd.concat(parts)
    return table[~((table["language"] == "sw") & table["base_id"].isin(["07", "21"]))]


def weighted_macro_f1(rows: pd.DataFrame, weights_BI: NDArray[np.float64]) -> NDArray[np.float64]:
    """Macro-F1 of every resample by weighted confusion matrices, a row weighing as often as its item is drawn."""
    found = []
    for weights_I in weights_BI:
        weights_R = weights_I[rows["base_id"].astype(int).to_numpy()]
        confusion = np.zeros((3, 3))
        np.add.at(confusion, (rows["label"].to_numpy(), rows["predicted"].to_numpy()), weights_R)
        found.append(np.mean(2 * np.diag(confusion) / (confusion.sum(axis=0) + confusion.sum(axis=1))))
    return np.array(found)


def test_an_item_is_drawn_once_for_all_its_rows_and_languages_and_counts_once() -> None:
    table = repeated()
    runs = {key: rows for key, rows in table.groupby(["method", "seed", "language"])}

    def effects(weights_BI: NDArray[np.float64]) -> NDArray[np.float64]:
        def of(method: str, seed: int) -> NDArray[np.float64]:
            de, sw = (weighted_macro_f1(runs[method, seed, language], weights_BI) for language in ("de", "sw"))
            return (de + sw) / 2

        return np.stack([of("robust", seed) - of("standard", seed) for seed in range(4)], axis=1)

    oracle = pigeonhole(effects, 40, generator=np.random.default_rng(0))
    row = primary(table, "macro_f1", items="shared")
    assert row.n_items == 40
    assert (row.effect, row.low, row.high) == pytest.approx((oracle.estimate, oracle.low, oracle.high), rel=1e-9)


def test_languages_of_their_own_join_no_items_but_the_rows_of_one() -> None:
    row = primary(repeated(), "macro_f1", items="separate")
    assert row.n_items == 40 + 38


def test_columns_say_what_they_are_of() -> None:
    assert metric_measured(TAGGED.columns) == "entity_f1"
    assert metric_measured(["example_id", "label", "predicted"]) == "accuracy"
    assert metric_measured(["example_id", "f1", "exact_match"]) == "f1"
    assert metric_measured(["example_id", "score", "label", "predicted"]) == "score"
    assert primary(TAGGED).quantity == "entity_f1"


def test_a_metric_without_its_columns_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"needs a column 'hits'.*it has example_id, f1"):
        measured_columns(["example_id", "f1"], "entity_f1", "x")
    with pytest.raises(ValueError, match="needs a column 'label'"):
        primary(TAGGED, "accuracy")
    with pytest.raises(ValueError, match="unknown metric 'entity_f2'; did you mean 'entity_f1'"):
        primary(TAGGED, "entity_f2")


def test_the_score_beside_counts_is_the_share_of_words_or_all_entities_right() -> None:
    columns = {"hits": [1, 2], "made": [1, 2], "wanted": [2, 2], "right": [3, 5], "tokens": [4, 5]}
    arrays = {name: np.array(values) for name, values in columns.items()}
    assert scored_block(("a", "b"), ("a", "b"), arrays).values_SN.tolist() == [[0.75, 1.0]]
    entities = {name: arrays[name] for name in ("hits", "made", "wanted")}
    assert scored_block(("a", "b"), ("a", "b"), entities).values_SN.tolist() == [[0.0, 1.0]]
