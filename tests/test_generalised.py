"""Laws of pairs in two languages: how they are joined, tokenised, scored, named, tabulated and drawn."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_studies import RECORDS, STUDY
from tiny import make_tokenizer
from tokenizers import processors

from suite.evaluation_spec import CLEAN, EvaluationSpec
from suite.models.pair_tokens import encode_pairs
from suite.models.tokens import encode
from suite.naming import parse_metric_name
from suite.records import PairScore, RunRecord, load_record, save_record
from suite.report import tables
from suite.report.figures import TooLittleData, to_png, to_svg
from suite.report.pair_figure import generalised
from suite.report.pair_table import MEAN, generalised_results, matrices
from suite.report.table import Table
from suite.results import Results
from suite.tasks import SUBSETS, TASKS, Examples, ParallelText, Task
from suite.texts import load_texts
from suite.tracking.describe import is_final, metrics_of
from suite.trial import run_trial
from suite.trial_spec import AlignmentSpec, Scale, TaskSpec, TrainSpec, TrialSpec

pytestmark = pytest.mark.usefixtures("cache_dir")

HUB = Path(os.environ.get("SUITE_HUB") or Path(__file__).parents[2] / "shared" / "hub")
LANGUAGES = ("en", "de", "fr", "sw")
LABELS = ("no", "yes")


def pairs_in(language: str, n: int = 60, missing: Sequence[int] = ()) -> Examples:
    """Items whose two texts say their language and number; the label is the number's parity."""
    rows = [i for i in range(n) if i not in missing]
    ids = tuple(f"test-{i}" for i in rows)
    return Examples(
        language=language,
        subset=CLEAN,
        ids=ids,
        texts=tuple(f"{language} light {i}" for i in rows),
        pairs=tuple(f"{language} door {i} {'on' if i % 2 else 'off'}" for i in rows),
        labels=np.array([i % 2 for i in rows]),
        label_names=LABELS,
        base_ids=ids,
        groups=ids,
        source="owner/world",
        licence="CC0-1.0",
    )


def load(language: str, split: str, hub_root: Path | None) -> Examples:
    return pairs_in(language)


def parallel_text(source: str, target: str, hub_root: Path | None) -> ParallelText:
    ours, theirs = pairs_in(source), pairs_in(target)
    return ParallelText(
        ids=ours.ids, source_texts=ours.texts, target_texts=theirs.texts, name="world", licence="CC0-1.0"
    )


WORLD = Task(
    name="world", labels=LABELS, languages=LANGUAGES, metric="accuracy", licence="CC0-1.0", source="owner/world",
    parallel=True, load=load, parallel_text=parallel_text,
)  # fmt: skip


def world(n: int = 60, languages: Sequence[str] = LANGUAGES) -> dict[str, Examples]:
    return {language: pairs_in(language, n) for language in languages}


def join(subset: str, clean: Examples, everywhere: dict[str, Examples], seed: int = 0) -> Examples:
    found = SUBSETS[subset].examples(WORLD, None, clean, everywhere, seed)
    assert found is not None
    return found


# How items are joined


@pytest.mark.parametrize("subset", ["generalised", "generalised-all"])
def test_an_item_keeps_label_and_first_text_and_takes_a_translation_of_its_second(subset: str) -> None:
    everywhere = world()
    for language, clean in everywhere.items():
        found = join(subset, clean, everywhere)
        assert found.pairs is not None and (found.subset, found.language) == (subset, language)
        row = {name: i for i, name in enumerate(clean.ids)}
        for i, (base, partner) in enumerate(zip(found.base_ids, found.pair_languages, strict=True)):
            other = everywhere[partner]
            assert partner != language and other.pairs is not None
            assert found.ids[i] == f"{base}~{subset}-{partner}"
            assert found.labels[i] == clean.labels[row[base]] == other.labels[other.ids.index(base)]
            assert found.texts[i] == clean.texts[row[base]]
            assert found.pairs[i] == other.pairs[other.ids.index(base)]


@given(st.integers(10, 70), st.integers(2, 7), st.integers(0, 5))
@settings(deadline=None, derandomize=True, max_examples=40)
def test_partners_are_balanced_for_every_label_and_second_exactly_once(n: int, count: int, seed: int) -> None:
    everywhere = world(n, ("en", "de", "fr", "sw", "zh", "ar", "hi")[:count])
    seconds: dict[str, list[str]] = {}
    for clean in everywhere.values():
        found = join("generalised", clean, everywhere, seed)
        assert found.base_ids == clean.ids, "as many items as clean, in their order"
        for chosen in (found.labels == 0, found.labels == 1, found.labels >= 0):
            times = Counter(np.array(found.pair_languages)[chosen].tolist())
            assert max(times.values()) - min(times[code] for code in everywhere if code != clean.language) <= 1
        for base, partner in zip(found.base_ids, found.pair_languages, strict=True):
            seconds.setdefault(base, []).append(partner)
    assert all(sorted(codes) == sorted(everywhere) for codes in seconds.values())


def test_partners_depend_on_items_and_seed_but_not_on_their_order() -> None:
    everywhere = world()
    clean = everywhere["de"]
    found = join("generalised", clean, everywhere)
    backwards = join("generalised", clean.rows(range(59, -1, -1)), everywhere)
    assert set(backwards.ids) == set(found.ids) == set(join("generalised", clean, everywhere).ids)
    assert set(join("generalised", clean, everywhere, seed=1).ids) != set(found.ids)


def test_all_pairs_hold_every_item_once_with_every_other_language() -> None:
    everywhere = world()
    joined = {language: join("generalised-all", clean, everywhere) for language, clean in everywhere.items()}
    for language, found in joined.items():
        others = [code for code in LANGUAGES if code != language]
        assert Counter(found.pair_languages) == dict.fromkeys(others, 60)
        assert Counter(found.base_ids) == dict.fromkeys(everywhere[language].ids, 3)
    # Swapping the languages swaps the texts: what is first in (a, b) is what the clean items of a have first.
    here, there = (
        {base: (text, pair) for base, text, pair, code in zip(
            joined[a].base_ids, joined[a].texts, joined[a].pairs or (), joined[a].pair_languages, strict=True
        ) if code == b}
        for a, b in (("de", "fr"), ("fr", "de"))
    )  # fmt: skip
    assert here.keys() == there.keys()
    for base, (text, pair) in here.items():
        assert text.startswith("de light") and pair.startswith("fr door")
        assert there[base] == (text.replace("de", "fr"), pair.replace("fr", "de"))


def test_an_item_that_a_language_lacks_goes_to_one_that_has_it() -> None:
    everywhere = world() | {"fr": pairs_in("fr", missing=range(20)), "sw": pairs_in("sw", missing=range(10, 40))}
    found = join("generalised", everywhere["de"], everywhere)
    place = dict(zip(found.base_ids, found.pair_languages, strict=True))
    assert all(place[f"test-{i}"] == "en" for i in range(10, 20)) and len(found) == 60
    for language in ("en", "de"):
        everywhere[language] = pairs_in(language, missing=range(15))
    found = join("generalised", everywhere["fr"], everywhere)
    assert found.base_ids == everywhere["fr"].ids
    found = join("generalised", everywhere["sw"], everywhere)
    assert not set(found.base_ids) & {f"test-{i}" for i in range(10)}, "of these nobody else has a translation"


def test_without_pairs_translations_another_language_or_enough_items_it_is_undefined() -> None:
    everywhere = world()
    single = {code: dataclasses.replace(clean, pairs=None) for code, clean in everywhere.items()}
    apart = dataclasses.replace(WORLD, parallel=False)
    for subset in (SUBSETS["generalised"], SUBSETS["generalised-all"]):
        assert subset.examples(WORLD, None, single["de"], single, 0) is None
        assert subset.examples(apart, None, everywhere["de"], everywhere, 0) is None
        assert subset.examples(WORLD, None, everywhere["de"], {"de": everywhere["de"]}, 0) is None
        assert subset.examples(WORLD, None, pairs_in("de", 2), everywhere, 0) is None


def test_a_limit_holds_for_the_clean_items_and_leaves_all_their_partners() -> None:
    spec = TaskSpec(name=f"{__name__}:WORLD", targets=("de", "fr", "sw"), test_examples=20)
    texts = load_texts(
        spec, "validation", EvaluationSpec(subsets=("generalised", "generalised-all", "char-noise")), 20, None
    )
    sizes = {(block.subset, block.language): len(block) for block in texts.reported}
    assert {sizes[CLEAN, code] for code in LANGUAGES} == {sizes["generalised", code] for code in LANGUAGES} == {20}
    assert {sizes["generalised-all", code] for code in LANGUAGES} == {60} and sizes["char-noise", "de"] <= 20


@pytest.mark.skipif(not (HUB / "facebook/xnli").is_dir(), reason=f"no copy of facebook/xnli under {HUB}; set SUITE_HUB")
def test_xnli_is_joined_as_published() -> None:
    task = TASKS["xnli-dev"]
    everywhere = {code: task.load(code, "test", HUB) for code in ("en", "hi", "zh")}
    found = SUBSETS["generalised"].examples(task, None, everywhere["hi"], everywhere, 0)
    assert found is not None and Counter(found.pair_languages) == {"en": 2505, "zh": 2505}
    assert found.labels.tolist() == everywhere["hi"].labels.tolist() and found.texts == everywhere["hi"].texts
    chinese = dict(zip(everywhere["zh"].ids, everywhere["zh"].pairs or (), strict=True))
    for base, pair, code in zip(found.base_ids, found.pairs or (), found.pair_languages, strict=True):
        assert code == "en" or pair == chinese[base]


# Tokens


def tokenizers() -> dict[str, Any]:
    """Tokenizers that put two, three or four special tokens around a pair, with and without segments."""
    found = {"bert": make_tokenizer("bert"), "xlm-roberta": make_tokenizer("xlm-roberta")}
    for name, processor in (("roberta", processors.RobertaProcessing), ("bert-as-was", processors.BertProcessing)):
        found[name] = make_tokenizer("xlm-roberta")
        found[name].backend_tokenizer.post_processor = processor(("</s>", 2), ("<s>", 0))
    return found


@pytest.mark.parametrize("name", tokenizers())
def test_pairs_of_texts_tokenised_once_are_the_pairs_that_the_tokenizer_makes(name: str) -> None:
    tokenizer, texts = tokenizers()[name], ["light " * n + "Tür" * (n % 2) for n in range(8)]
    blocks = [([a] * 8, texts) for a in texts] + [(texts, texts[::-1])]
    for max_length in range(4, 20):
        for (first, second), found in zip(blocks, encode_pairs(tokenizer, blocks, max_length, "the "), strict=True):
            wanted = encode(tokenizer, first, second, max_length, "the ")
            for column in ("ids", "special", "types", "offsets"):
                assert getattr(found, column).tolist() == getattr(wanted, column).tolist()


def test_every_distinct_text_is_tokenised_once() -> None:
    tokenizer, everywhere, read = make_tokenizer(), world(), Counter[str]()

    def counting(texts: Sequence[str] | str, *more: str, **options: Any) -> Any:
        read.update([texts] if isinstance(texts, str) else texts)
        return tokenizer(texts, *more, **options)

    joined = [join("generalised-all", clean, everywhere) for clean in everywhere.values()]
    blocks = [(block.texts, block.pairs or ()) for block in (*everywhere.values(), *joined)]
    encode_pairs(counting, blocks, 32)
    assert sum(len(first) for first, _ in blocks) == 960 and len(read) == 481  # 2 x 60 x 4, and the frame's sample
    assert set(read.values()) == {1}


def test_no_pairs_need_no_tokenizer() -> None:
    assert encode_pairs(None, [], 16) == []


# One trial


@pytest.fixture(scope="module")
def record(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    trial = TrialSpec(
        study="world",
        phase="refit",
        scale=Scale(name="tiny", checkpoint=str(tiny_checkpoint)),
        method="standard",
        hyperparameters={},
        learning_rate=1e-3,
        seed=1,
        task=TaskSpec(name=f"{__name__}:WORLD", targets=("de", "fr", "sw"), train_examples=30),
        train=TrainSpec(learning_rate=1e-3, batch_size=16, epochs=1, validations=1, max_length=32),
        evaluation=EvaluationSpec(subsets=("generalised", "generalised-all")),
        alignment=AlignmentSpec(metrics=("csls_p1",), pairs=20),
    )
    folder = tmp_path_factory.mktemp("world")
    found = run_trial(trial, folder)
    assert found.state == "complete" and load_record(save_record(found, folder)) == found
    return found


@pytest.mark.parametrize("subset", ["generalised", "generalised-all"])
def test_cells_are_the_parts_of_their_language_s_score(record: RunRecord, subset: str) -> None:
    scores = {s.language: s for s in record.scores if (s.subset, s.metric) == (subset, "accuracy")}
    assert set(scores) == set(LANGUAGES)
    for language, score in scores.items():
        cells = [s for s in record.pairs if (s.subset, s.first) == (subset, language)]
        assert sorted(s.second for s in cells) == sorted(set(LANGUAGES) - {language})
        assert sum(s.n for s in cells) == score.n == (60 if subset == "generalised" else 180)
        assert sum(s.n * s.value for s in cells) / score.n == pytest.approx(score.value)


def test_cells_have_names_of_their_own_that_mlflow_takes(record: RunRecord) -> None:
    from mlflow.utils.validation import validate_param_and_metric_name

    metrics = metrics_of(record)
    assert metrics["test.generalised-all.accuracy/de-fr"] == next(
        s.value for s in record.pairs if (s.subset, s.first, s.second) == ("generalised-all", "de", "fr")
    )
    cells = [name for name in metrics if "-" in parse_metric_name(name).last]
    assert len(cells) == len(record.pairs) == 2 * 12
    assert all(parse_metric_name(name).write() == name and is_final(name) for name in metrics)
    assert all(validate_param_and_metric_name(name) for name in cells)
    assert metrics["zero_shot.generalised/mean"] == record.zero_shot_mean("generalised")


# Table and figure


def with_cells(record: RunRecord, subset: str = "generalised") -> RunRecord:
    """A run whose score of a pair is the mean of its languages' clean scores, less a point for every step apart."""
    if record.spec.phase != "refit":
        return record
    clean, codes = record.by_language(CLEAN), record.spec.task.languages
    cell = partial(PairScore, task="home-intents", subset=subset, metric="accuracy")
    cells = [
        cell(first=a, second=b, value=(clean[a] + clean[b]) / 2 - abs(i - j) / 100, n=30 + i)
        for i, a in enumerate(codes)
        for j, b in enumerate(codes)
        if i != j
    ]
    return dataclasses.replace(record, pairs=(*record.pairs, *cells))


MEASURED = [with_cells(record) for record in RECORDS]


def value(table: Table, method: str, first: str, column: str) -> float:
    rows = [row for row in table.rows if [row[table.index(k)].value for k in ("scale", "method", "first")]
            == ["4-layer", method, first]]  # fmt: skip
    (row,) = rows
    found = row[table.index(column)].value
    assert isinstance(found, int | float)
    return found


def test_the_matrix_has_clean_scores_on_its_diagonal_and_means_off_it() -> None:
    table = generalised_results(STUDY, MEASURED, ())
    runs = [r for r in MEASURED if (r.spec.phase, r.spec.scale.name, r.spec.method) == ("refit", "4-layer", "standard")]
    codes = STUDY.task.languages
    for code in codes:
        clean = np.mean([r.by_language()[code] for r in runs])
        assert value(table, "standard", code, code) == pytest.approx(clean)
        others = [value(table, "standard", code, other) for other in codes if other != code]
        assert value(table, "standard", code, "off_diagonal") == pytest.approx(np.mean(others))
        assert value(table, "standard", code, "items") == 30 + codes.index(code)
    cells = [s.value for r in runs for s in r.pairs]
    assert value(table, "standard", MEAN, "off_diagonal") == pytest.approx(np.mean(cells))
    every = [v for r in runs for v in r.by_language().values()]
    assert value(table, "standard", MEAN, "diagonal") == pytest.approx(np.mean(every))
    assert value(table, "standard", MEAN, "items") == 30
    assert len(table.rows) == 6 * (len(codes) + 1)


def test_of_two_subsets_the_matrix_shows_the_one_with_more_pairs() -> None:
    both = [with_cells(with_cells(record), "generalised-all") for record in RECORDS]
    more = [
        dataclasses.replace(
            r, pairs=tuple(dataclasses.replace(s, n=2 * s.n) if "all" in s.subset else s for s in r.pairs)
        )
        for r in both
    ]
    assert {matrix.subset for matrix in matrices(STUDY, more).values()} == {"generalised-all"}


def test_a_change_is_taken_over_the_seeds_that_both_have() -> None:
    kept = [r for r in MEASURED if (r.spec.method, r.spec.seed) != ("standard", 1)]
    found = matrices(STUDY, kept)
    ours, theirs = found["4-layer", "adversarial"], found["4-layer", "standard"]
    assert ours.seeds == (1, 2, 3, 4, 5, 6) and theirs.seeds == (2, 3, 4, 5, 6)
    assert ours.change(theirs) == pytest.approx((ours.scores_SLL[1:] - theirs.scores_SLL).mean(0))
    assert np.all(ours.change(ours) == 0)


def test_a_study_without_such_pairs_has_neither_table_nor_figure() -> None:
    assert not next(t for t in tables(STUDY, RECORDS, Results()) if t.name == "generalised").rows
    for task, advice in (("home-intents", "^$"), ("xnli", r"name `generalised` in evaluation\.subsets")):
        asked = dataclasses.replace(STUDY, task=dataclasses.replace(STUDY.task, name=task))
        with pytest.raises(TooLittleData, match=advice):
            generalised(asked, RECORDS, ())


def test_the_figure_shows_every_method_and_every_change() -> None:
    figure = generalised(STUDY, MEASURED, ())
    shown = [axes for axes in figure.axes if axes.get_visible() and axes.get_title()]
    names = [f"{scale.name} · {method.name}" for scale in STUDY.scale for method in STUDY.method]
    changes = [name for name in names if "standard" not in name]
    assert sorted(axes.get_title() for axes in shown) == sorted(names + changes)
    assert all(len(axes.patches) == len(STUDY.task.languages) for axes in shown), "the diagonal is framed"


def test_without_a_baseline_the_figure_shows_scores_alone() -> None:
    alone = [r for r in MEASURED if r.spec.method == "adversarial" and r.spec.scale.name == "2-layer"]
    shown = [axes for axes in generalised(STUDY, alone, ()).axes if axes.get_visible() and axes.get_title()]
    assert [axes.get_title() for axes in shown] == ["2-layer · adversarial"]


def test_the_figure_is_the_same_bytes_again() -> None:
    alone = dataclasses.replace(STUDY, scale=STUDY.scale[:1], method=STUDY.method[:2])
    drawn = [generalised(alone, records, ()) for records in (MEASURED, MEASURED[::-1])]
    assert to_svg(drawn[0], "x") == to_svg(drawn[1], "x")
    assert to_png(drawn[0], "x")[:4] == b"\x89PNG"
