"""Laws of benchmark averages: the published averages come out, and what is missing is named, never averaged away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.tasks.averages import Average, benchmark_averages, question_answering_scores
from suite.tasks.benchmarks import BENCHMARKS, XTREME, XTREME_R
from suite.tasks.reference import ReferenceFigure, reference_figures

Scores = dict[str, dict[str, float]]


def constant(benchmark: str, by_task: dict[str, float]) -> Scores:
    """Scores with the same value in every language, so that a task's average is that value."""
    return {task: dict.fromkeys(BENCHMARKS[benchmark].tasks[task], score) for task, score in by_task.items()}


def whole(benchmark: str, score: float = 50.0) -> Scores:
    return constant(benchmark, dict.fromkeys(BENCHMARKS[benchmark].tasks, score))


def figure(task: str, model: str, metric: str) -> ReferenceFigure:
    return next(f for f in reference_figures(task) if (f.model, f.metric) == (model, metric) and f.values)


# Rows of XTREME's table of results (Hu et al. 2020), cited from memory but for XNLI, PAWS-X, NER and F1: XNLI, PAWS-X,
# POS, NER, F1 and exact match of XQuAD, MLQA and TyDiQA, BUCC, Tatoeba, and the average that the paper prints.
XTREME_TABLE = {
    "mBERT": ((65.4, 81.9, 70.3, 62.2), (64.5, 49.4), (61.4, 44.2), (59.7, 43.9), (56.7, 38.7), 59.6),
    "XLM": ((69.1, 80.9, 70.1, 61.2), (59.8, 44.3), (48.5, 32.6), (43.6, 29.1), (56.8, 32.6), 55.5),
    "XLM-R Large": ((79.2, 86.4, 72.6, 65.4), (76.6, 60.8), (71.6, 53.2), (65.1, 45.0), (66.0, 57.3), 68.1),
}


@pytest.mark.parametrize("model", XTREME_TABLE)
def test_the_average_that_xtreme_prints_comes_out(model: str) -> None:
    first, xquad, mlqa, tydiqa, retrieval, printed = XTREME_TABLE[model]
    scores = constant("XTREME", dict(zip(("xnli", "paws-x", "ud-pos", "pan-x"), first, strict=True)))
    for task, (f1, exact) in {"xquad": xquad, "mlqa": mlqa, "tydiqa-goldp": tydiqa}.items():
        languages = XTREME.tasks[task]
        scores[task] = question_answering_scores(dict.fromkeys(languages, f1), dict.fromkeys(languages, exact))
    scores |= constant("XTREME", dict(zip(("bucc", "tatoeba"), retrieval, strict=True)))
    overall = benchmark_averages("XTREME", scores).overall
    assert overall.value == pytest.approx(printed, abs=0.05)
    f1_alone = constant("XTREME", {"xquad": xquad[0], "mlqa": mlqa[0], "tydiqa-goldp": tydiqa[0]})
    assert benchmark_averages("XTREME", scores | f1_alone).overall.value != pytest.approx(printed, abs=1)


@pytest.mark.parametrize(
    ("benchmark", "task", "model", "metric", "printed"),
    [
        ("XTREME-R", "xcopa", "XLM-R Large", "accuracy", 68.69),
        ("XTREME-R", "mewsli-x", "mBERT", "map_at_20", 41.45),
        ("XTREME-R", "xquad", "mBERT", "f1", 65.2),
        ("XTREME-R", "mlqa", "XLM-R large", "exact_match", 52.7),
        ("XTREME", "xnli", "XLM-R-large", "accuracy", 80.9),
        ("XTREME", "paws-x", "mBERT", "accuracy", 81.9),
    ],
)
def test_a_tasks_published_average_comes_out(
    benchmark: str, task: str, model: str, metric: str, printed: float
) -> None:
    found = benchmark_averages(benchmark, {task: figure(task, model, metric).values}).tasks[task]
    assert found.missing == ()
    assert found.value == pytest.approx(printed, abs=0.1)


def test_question_answering_is_half_f1_and_half_exact_match() -> None:
    f1, exact = (figure("xquad", "mBERT", metric) for metric in ("f1", "exact_match"))
    score = benchmark_averages("XTREME-R", {"xquad": question_answering_scores(f1.values, exact.values)}).tasks["xquad"]
    assert score.value == pytest.approx((65.2 + 50.3) / 2, abs=0.1)
    with pytest.raises(ValueError, match="only one of them in en, ro"):
        question_answering_scores({"de": 1.0, "en": 1.0}, {"de": 1.0, "ro": 1.0})


def test_the_overall_average_is_over_tasks_and_not_over_categories() -> None:
    scores = whole("XTREME", 30.0) | constant("XTREME", {"xquad": 60.0, "mlqa": 60.0, "tydiqa-goldp": 60.0})
    found = benchmark_averages("XTREME", scores)
    assert found.categories["question answering"].value == pytest.approx(60)
    assert found.overall.value == pytest.approx(40)  # (6 x 30 + 3 x 60) / 9; over the four categories it were 37.5


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_one_missing_language_leaves_no_average_above_it_and_all_others(benchmark: str) -> None:
    scores = whole(benchmark)
    del scores["xnli"]["sw"]
    found = benchmark_averages(benchmark, scores)
    lacking = Average(value=None, missing=("xnli/sw",))
    assert found.tasks["xnli"] == found.categories["classification"] == found.overall == lacking
    others = [a for name, a in (found.tasks | found.categories).items() if name not in ("xnli", "classification")]
    assert all(a == Average(value=50.0) for a in others)


def test_a_task_without_any_score_is_named_once() -> None:
    scores = whole("XTREME-R")
    del scores["lareqa"]
    scores["tatoeba"] = {}
    found = benchmark_averages("XTREME-R", scores)
    assert found.overall == found.categories["retrieval"] == Average(value=None, missing=("tatoeba", "lareqa"))
    assert benchmark_averages("XTREME", {}).overall.missing == tuple(XTREME.tasks)


def test_languages_that_the_benchmark_does_not_average_count_nowhere_and_are_named() -> None:
    scores = whole("XTREME")
    scores["xquad"]["ro"] = 0.0
    found = benchmark_averages("XTREME", scores)
    assert found.left_out == ("xquad/ro",)
    assert found.overall == Average(value=50.0)
    assert benchmark_averages("XTREME-R", {"xquad": scores["xquad"]}).left_out == ()


@given(st.dictionaries(st.sampled_from(XTREME.tasks["paws-x"]), st.floats(2, 100), min_size=7, max_size=7))
def test_shares_and_points_average_alike_in_any_order(scores: dict[str, float]) -> None:
    points = benchmark_averages("XTREME", {"paws-x": scores}).tasks["paws-x"].value
    turned = {language: scores[language] / 100 for language in reversed(scores)}
    shares = benchmark_averages("XTREME", {"paws-x": turned}).tasks["paws-x"].value
    assert points is not None
    assert shares == pytest.approx(points / 100)
    assert min(scores.values()) <= points * (1 + 1e-12)
    assert points * (1 - 1e-12) <= max(scores.values())


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ({"xnil": {"en": 50.0}}, "did you mean 'xnli'"),
        ({"xnli": {"en": 101.0}}, r"0\.\.1 or 0\.\.100, got 101.0 for xnli/en"),
        ({"xnli": {"en": float("nan")}}, "got nan for xnli/en"),
        ({"xnli": {"en": -0.1}}, "got -0.1"),
        ({"xnli": {"en": 0.8}, "paws-x": {"en": 90.0}}, "got xnli within"),
    ],
)
def test_what_would_average_something_else_is_refused(scores: Scores, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        benchmark_averages("XTREME", scores)


def test_an_unknown_benchmark_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown benchmark 'XTREM'; known: XTREME, XTREME-R"):
        benchmark_averages("XTREM", {})


def test_the_benchmarks_have_as_many_tasks_and_languages_as_their_papers_say() -> None:
    counts = {name: [len(languages) for languages in b.tasks.values()] for name, b in BENCHMARKS.items()}
    assert counts == {"XTREME": [15, 7, 33, 40, 11, 7, 9, 4, 36], "XTREME-R": [15, 11, 38, 48, 12, 7, 9, 41, 11, 11]}
    union = {name: {code for codes in b.tasks.values() for code in codes} for name, b in BENCHMARKS.items()}
    assert {name: len(codes) for name, codes in union.items()} == {"XTREME": 40, "XTREME-R": 50}
    assert union["XTREME-R"] - union["XTREME"] == set("az gu ht lt pa pl qu ro uk wo".split())
    assert {"paws-x", "bucc"} == XTREME.tasks.keys() - XTREME_R.tasks.keys()
