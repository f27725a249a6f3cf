"""Predictions of anybody's code: however they are stored the numbers are the same, and what is wrong is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from comparison_studies import (
    SEEDS,
    Scores,
    compare_cells,
    draw_cells,
    draw_scores,
    make_cell_study,
    places_of,
    primary,
    table_of,
    write_arm,
    write_files,
)

from suite.comparison import compare_arrays, compare_files, compare_frame
from suite.comparison.files import read_files, read_frame, shared_items
from suite.comparison.rows import read_rows
from suite.comparison.scoring import LABELS
from suite.records import save_record
from suite.results import Comparison, Results

ARMS = {"adversarial": draw_scores(1, 0.2), "standard": draw_scores(2)}
Change = Callable[[pd.DataFrame], pd.DataFrame]


def effects(results: Results) -> list[tuple[str, str, float, float, float, int]]:
    """What must not depend on how predictions are stored."""
    return [(r.kind, r.aggregate, r.effect, r.p, r.p_adjusted, r.n_items) for r in results.comparisons]


# One answer from every form


@pytest.mark.parametrize("shared", [True, False], ids=["translated items", "items of their own"])
def test_csv_parquet_a_data_frame_and_arrays_give_the_same_numbers(shared: bool, tmp_path: Path) -> None:
    table = table_of(ARMS, shared=shared)
    expected = compare_arrays(*ARMS.values(), items="shared" if shared else "separate")
    for results in (
        compare_frame(table, baseline="standard"),
        compare_files(write_files(table, tmp_path / "csv"), baseline="standard"),
        compare_files(write_files(table, tmp_path / "parquet", ".parquet"), baseline="standard"),
    ):
        assert effects(results) == effects(expected)
        assert {check.analysis: check.p for check in results.checks} == {c.analysis: c.p for c in expected.checks}
        assert {row.quantity for row in results.comparisons} == {"accuracy"}


@pytest.mark.parametrize("shared", [True, False], ids=["translated items", "items of their own"])
def test_the_files_of_a_study_give_the_numbers_of_the_study(shared: bool, tmp_path: Path) -> None:
    study = make_cell_study(margin=None)
    arms = [draw_cells(study, 0.6, 1), draw_cells(study, 0.8, 2)]
    expected = compare_cells(study, arms, tmp_path, shared=shared)
    records = [r for method, cells in enumerate(arms) for r in write_arm(study, method, cells, tmp_path, shared=shared)]
    for record in records:
        save_record(record, tmp_path / record.run_id)
    files = [path / "predictions.parquet" for path in places_of(records, tmp_path).values()]
    found = compare_files(files, baseline="standard", source="en")
    found_rows: dict[tuple[str, str, str], Comparison] = {(r.kind, r.subset, r.aggregate): r for r in found.comparisons}
    assert found_rows.keys() == expected.keys()
    for key, row in expected.items():
        assert (found_rows[key].scale, found_rows[key].treatment) == (row.scale, row.treatment)
        numbers = [(r.effect, r.p, r.low, r.high, r.mde, r.n_items) for r in (found_rows[key], row)]
        assert numbers[0] == pytest.approx(numbers[1])


def test_one_file_may_hold_every_run(tmp_path: Path) -> None:
    table = table_of(ARMS)
    table.to_parquet(tmp_path / "all.parquet")
    assert effects(compare_files([tmp_path / "all.parquet"], baseline="standard")) == effects(
        compare_arrays(*ARMS.values())
    )


def test_neither_the_order_of_files_nor_of_rows_matters(tmp_path: Path) -> None:
    table = table_of(ARMS)
    mixed = table.sample(frac=1.0, random_state=0)
    results = [
        compare_files(write_files(table, tmp_path / "a"), baseline="standard"),
        compare_files(write_files(mixed, tmp_path / "b")[::-1], baseline="standard"),
    ]
    assert primary(results[0]) == primary(results[1])


def test_scores_are_compared_by_their_mean() -> None:
    rng = np.random.default_rng(0)
    arms: dict[str, Scores] = {m: {"de": rng.normal(k, 1, (4, 30))} for k, m in enumerate(("standard", "robust"))}
    table = table_of(arms).drop(columns=["label", "predicted"])
    table["score"] = np.concatenate([arm["de"].ravel() for arm in arms.values()])
    found = primary(compare_frame(table, baseline="standard"))
    expected = primary(compare_arrays(arms["robust"], arms["standard"]))
    assert (found.effect, found.p, found.quantity) == (expected.effect, expected.p, "score")


# Whose predictions a file holds


@pytest.mark.parametrize(
    ("name", "method", "seed"),
    [
        ("standard-seed3.parquet", "standard", 3),
        ("data-augmentation-seed10.parquet", "data-augmentation", 10),
        ("my_method_seed_7.parquet", "my_method", 7),
        ("xlmr.Seed-2.parquet", "xlmr", 2),
        ("unlabelled.parquet", "unlabelled", 0),
    ],
)
def test_a_file_says_method_and_seed_in_its_name(name: str, method: str, seed: int, tmp_path: Path) -> None:
    table_of({"x": draw_scores(1, seeds=1)}).drop(columns=["method", "seed"]).to_parquet(tmp_path / name)
    ((key, arm),) = read_files([tmp_path / name]).items()
    assert (key, arm.seeds) == (("", method), (seed,))


def test_columns_outrank_the_name(tmp_path: Path) -> None:
    table_of({"robust": draw_scores(1, seeds=2)}).to_parquet(tmp_path / "standard-seed9.parquet")
    ((key, arm),) = read_files([tmp_path / "standard-seed9.parquet"]).items()
    assert (key, arm.seeds) == (("", "robust"), (0, 1))


def test_the_record_beside_a_file_says_method_seed_scale_and_data(tmp_path: Path) -> None:
    study = make_cell_study()
    records = write_arm(study, 1, draw_cells(study, 0.6, 3), tmp_path)
    for record in records:
        save_record(record, tmp_path / record.run_id)
    files = [path / "predictions.parquet" for path in places_of(records, tmp_path).values()]
    ((key, arm),) = read_files(files).items()
    assert (key, arm.seeds) == ((study.scale[0].name, "adversarial"), SEEDS)


def test_an_id_that_looks_like_a_number_is_a_text(tmp_path: Path) -> None:
    table = table_of(ARMS, shared=True)
    paths = write_files(table, tmp_path / "a") + write_files(
        table[table["method"] == "standard"].assign(method="again"), tmp_path / "b", ".parquet"
    )
    results = compare_files(paths, baseline="standard")
    again = next(row for row in results.comparisons if (row.treatment, row.kind) == ("again", "primary"))
    assert again.effect == 0.0 and not again.is_tested


# Labels


@pytest.mark.parametrize(
    "relabel",
    [
        {"yes": 1, "no": 0},
        {"yes": 1.0, "no": 0.0},
        {"yes": "1", "no": "0"},
        {"yes": True, "no": False},
        {"yes": "None", "no": "NA"},
        {"yes": "entailment", "no": "contradiction"},
    ],
    ids=str,
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_labels_of_any_kind_give_the_same_answer(relabel: dict[str, object], suffix: str, tmp_path: Path) -> None:
    table = table_of(ARMS)
    changed = table.assign(**{name: table[name].map(relabel) for name in ("label", "predicted")})
    expected = effects(compare_frame(table, baseline="standard"))
    assert effects(compare_files(write_files(changed, tmp_path, suffix), baseline="standard")) == expected


def test_a_label_has_one_number_in_every_file_however_its_column_is_typed() -> None:
    table = table_of({"m": draw_scores(1, seeds=1, languages=("de",))})
    ones = [read_rows(table.assign(label=one, base_id=table["example_id"]), LABELS, "x") for one in (1, 1.0, "1", True)]
    for block in ones:
        assert block.labels_N is not None and set(block.labels_N.tolist()) == {1}


def test_whole_numbers_and_fractions_in_one_column_do_not_lose_the_right_answers() -> None:
    """A column that is read as fractions, since one cell was empty, still holds the labels it held."""
    table = table_of(ARMS)
    whole = table.assign(label=1, predicted=(table["predicted"] == "yes").astype(int))
    mixed = whole.assign(predicted=whole["predicted"].astype(float))
    assert effects(compare_frame(mixed, baseline="standard")) == effects(compare_frame(whole, baseline="standard"))


# Translations


def test_ids_shared_by_languages_are_translations_only_with_agreeing_labels() -> None:
    table = table_of(ARMS, shared=True)
    assert shared_items(list(read_frame(table).values()))
    assert not shared_items(list(read_frame(table_of(ARMS)).values())), "no id in common"
    odd = table.copy()
    odd.loc[(odd["language"] == "sw") & (odd["example_id"] == "007"), "label"] = "no"
    assert not shared_items(list(read_frame(odd).values())), "row numbers, which say nothing"
    assert not shared_items(list(read_frame(table[table["language"] == "de"]).values())), "one language"


def test_translations_that_lack_an_item_in_one_language_are_still_joined() -> None:
    table = table_of(ARMS, shared=True)
    part = table[(table["language"] != "zh") | (table["example_id"] != "039")]
    assert shared_items(list(read_frame(part).values()))
    whole, lacking = (primary(compare_frame(t, baseline="standard")) for t in (table, part))
    assert lacking.n_items == whole.n_items == 40
    assert lacking.high - lacking.low == pytest.approx(whole.high - whole.low, rel=0.1)


def test_whether_items_are_shared_can_be_said() -> None:
    table = table_of(ARMS, shared=True)
    rows = {items: primary(compare_frame(table, baseline="standard", items=items)) for items in ("shared", "separate")}
    assert {items: row.n_items for items, row in rows.items()} == {"shared": 40, "separate": 120}
    assert rows["shared"].effect == pytest.approx(rows["separate"].effect)


# What is wrong is told in one line


def first(table: pd.DataFrame) -> pd.Series:
    """Which rows are of the first run."""
    return (table["method"] == "adversarial") & (table["seed"] == 0)


BAD: dict[str, tuple[Change, str]] = {
    "no ids": (lambda t: t.drop(columns="example_id"), "needs a column 'example_id'"),
    "ids under another name": (lambda t: t.rename(columns={"example_id": "exmaple_id"}), "mean its 'exmaple_id'"),
    "no predictions": (lambda t: t.drop(columns="predicted"), r"needs a column 'predicted' \(or 'score'\)"),
    "no labels": (lambda t: t.drop(columns="label"), r"needs a column 'label' \(or 'score'\)"),
    "no methods": (lambda t: t.drop(columns="method"), "needs a column 'method'"),
    "no seeds": (lambda t: t.drop(columns="seed"), "needs a column 'seed'"),
    "no rows": (lambda t: t.iloc[:0], "no rows"),
    "a missing id": (lambda t: t.assign(example_id=t["example_id"].where(t.index != 3)), "rows without 'example_id'"),
    "a missing language": (lambda t: t.assign(language=t["language"].where(t.index != 3)), "rows without 'language'"),
    "a missing method": (lambda t: t.assign(method=t["method"].where(t.index != 3)), "rows without 'method'"),
    "a missing label": (lambda t: t.assign(label=t["label"].where(t.index != 3)), "'de-003' has no 'label'"),
    "a seed and a half": (lambda t: t.assign(seed=t["seed"] + 0.5), "a seed is a whole number, got 0.5"),
    "a seed in words": (lambda t: t.assign(seed="one"), "a seed is a whole number, got one"),
    "an id twice": (lambda t: pd.concat([t, t.iloc[[5]]]), "clean/de: example 'de-005' is there 2 times"),
    "an id too few": (lambda t: t.drop(index=5), "paired by example id.*clean/de at 'de-005'"),
    "an id of its own": (lambda t: t.replace({"example_id": {"de-005": "de-xxx"}}).where(first(t), t), "at 'de-005'"),
    "a language too few": (
        lambda t: t[~first(t) | (t["language"] != "sw")],
        "adversarial . seed 0 has no predictions for sw on clean",
    ),
    "a language that the baseline lacks": (
        lambda t: t[(t["method"] != "standard") | (t["language"] != "sw")],
        "standard . seed 0 has no predictions for sw on clean",
    ),
    "other labels in a seed": (
        lambda t: t.assign(label=t["label"].mask(first(t) & (t["example_id"] == "de-005"), "no")),
        "different labels for 'de-005' in clean/de",
    ),
    "other labels in a method": (
        lambda t: t.assign(label=t["label"].mask((t["method"] == "standard") & (t["example_id"] == "zh-001"), "no")),
        "different labels for 'zh-001' in clean/zh",
    ),
    "another item underneath": (
        lambda t: t.assign(base_id=t["example_id"].mask(first(t) & (t["example_id"] == "de-005"), "de-006")),
        "at the item that 'de-005' derives from",
    ),
    "a score that is none": (lambda t: t.assign(score=1.0).assign(score=np.nan), "scores are missing, NaN or infinite"),
    "a score in words": (lambda t: t.assign(score="good"), "scores are numbers: could not convert string"),
    "no clean items": (lambda t: t.assign(subset="char-noise"), "needs clean items of some language"),
    "seeds of one method only": (lambda t: t[(t["method"] != "standard") | (t["seed"] != 2)], "seed 2 has only one"),
    "one seed": (lambda t: t[t["seed"] == 0], "at least 2 seeds"),
    "one method": (lambda t: t[t["method"] == "standard"], "needs a method beside the baseline"),
    "one item": (lambda t: t[t["example_id"].str.endswith("-000")], "at least 2 in every language"),
}


@pytest.mark.parametrize("case", BAD)
def test_one_line_says_what_is_wrong_with_a_table(case: str) -> None:
    change, expected = BAD[case]
    with pytest.raises(ValueError, match=expected) as caught:
        compare_frame(change(table_of(ARMS)), baseline="standard")
    assert "\n" not in str(caught.value)


def test_some_files_of_scores_and_some_of_predictions_are_refused(tmp_path: Path) -> None:
    table = table_of({"m": draw_scores(1, seeds=2)})
    paths = write_files(table, tmp_path, ".parquet")
    own = pd.read_parquet(paths[1])
    own.drop(columns=["label", "predicted"]).assign(score=1.0).to_parquet(paths[1])
    with pytest.raises(ValueError, match=r"one of .*m-seed0.parquet and .*m-seed1.parquet has scores"):
        read_files(paths)


def test_a_run_in_two_files_is_refused(tmp_path: Path) -> None:
    paths = write_files(table_of(ARMS), tmp_path)
    shutil.copy(paths[0], tmp_path / "adversarial_seed0.csv")
    with pytest.raises(
        ValueError, match=r"adversarial_seed0.csv and .*adversarial-seed0.csv both hold adversarial · seed 0"
    ):
        read_files([*paths, tmp_path / "adversarial_seed0.csv"])


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.parquet", b"PAR1 and then nothing", "is not a Parquet file of predictions"),
        ("a.parquet", b"", "is not a Parquet file of predictions"),
        ("a.csv", b"", "is not a CSV file of predictions: No columns to parse"),
        ("a.csv", b"\xff\xfe\x00", "is not a CSV file of predictions"),
        ("a.csv", b"example_id,label,predicted\n1,2,3\n1,2,3,4,5\n", "is not a CSV file of predictions"),
        ("a.csv", b"example_id,label,predicted\n", "no rows"),
        ("a.txt", b"example_id,label,predicted\n", "is not a Parquet file of predictions"),
    ],
)
def test_a_broken_or_empty_file_is_named_in_one_line(name: str, content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=expected) as caught:
        read_files([tmp_path / name])
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no file of predictions at .*nowhere.csv"):
        read_files([tmp_path / "nowhere.csv"])
    with pytest.raises(ValueError, match="no file of predictions at"):
        read_files([tmp_path])


def test_a_subset_is_joined_to_the_clean_items_it_derives_from() -> None:
    table = table_of(ARMS)
    noisy = table.assign(subset="noise", base_id=table["example_id"], example_id=table["example_id"] + "~noise")
    both = pd.concat([table.assign(subset="clean", base_id=table["example_id"]), noisy])
    rows: dict[str, Comparison] = {row.kind: row for row in compare_frame(both, baseline="standard").comparisons}
    assert rows["interaction"].n_items == 120
    assert rows["interaction"].effect == 0.0, "the subset is the clean items again"
    assert not rows["interaction"].is_tested
