"""Laws of names: the nearest known one, and one grammar of metric names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.naming import METRIC_FAMILIES, MetricName, metric_name, nearest, parse_metric_name, unknown

KNOWN = ("standard", "adversarial", "random-perturbation", "data-augmentation")
PARTS = st.from_regex(r"[a-z][a-z0-9_:-]{0,12}", fullmatch=True).filter(lambda part: not part.startswith("layer-"))
LAST = st.from_regex(r"[A-Za-z][A-Za-z0-9_. -]{0,8}", fullmatch=True)
LAYERS = st.none() | st.integers(0, 48)


@st.composite
def metric_names(draw: st.DrawFn) -> MetricName:
    family = draw(st.sampled_from(METRIC_FAMILIES))
    metric = "" if family == "zero_shot" else draw(st.just("") | PARTS)
    subset = draw(st.just("") | PARTS) if metric or family == "zero_shot" else ""
    return MetricName(family=family, metric=metric, subset=subset, layer=draw(LAYERS), last=draw(LAST))


@given(metric_names())
@settings(deadline=None, derandomize=True, max_examples=200)
def test_parsing_is_the_inverse_of_writing(name: MetricName) -> None:
    assert parse_metric_name(name.write()) == name


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("train/loss", {"family": "train", "metric": "", "last": "loss"}),
        ("validation.accuracy/en", {"family": "validation", "metric": "accuracy", "last": "en"}),
        ("test.accuracy/de", {"family": "test", "metric": "accuracy", "last": "de"}),
        (
            "test.char-noise.macro_f1/zh-Hans",
            {"family": "test", "metric": "macro_f1", "subset": "char-noise", "last": "zh-Hans"},
        ),
        ("alignment.csls_p1.layer-4/de", {"family": "alignment", "metric": "csls_p1", "layer": 4, "last": "de"}),
        (
            "alignment.sib200.csls_p1.layer-0/de",
            {"family": "alignment", "metric": "csls_p1", "subset": "sib200", "layer": 0, "last": "de"},
        ),
        ("zero_shot/mean", {"family": "zero_shot", "metric": "", "last": "mean"}),
        ("zero_shot.char-noise/mean", {"family": "zero_shot", "metric": "", "subset": "char-noise", "last": "mean"}),
        ("test.layer-less/de", {"family": "test", "metric": "layer-less", "last": "de"}),
    ],
)
def test_every_family_is_written_as_the_table_says(name: str, parts: dict[str, object]) -> None:
    assert parse_metric_name(name) == MetricName(**parts)  # type: ignore[arg-type]
    assert MetricName(**parts).write() == name  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["test.package.module:metric/de", "zero_shot.package.module:subset/mean", "alignment.p.m:f.layer-3/de"]
)
def test_a_name_from_outside_the_package_is_written_back_as_it_was(name: str) -> None:
    assert parse_metric_name(name).write() == name


def test_the_clean_split_is_not_spelt_out() -> None:
    assert metric_name("test", "de", metric="accuracy", subset="clean") == metric_name("test", "de", metric="accuracy")
    assert metric_name("test", "de", metric="accuracy", subset="polarity") == "test.polarity.accuracy/de"


@pytest.mark.parametrize("name", ["", "loss", "train/", "/de", "tset.accuracy/de", "test/accuracy/de", "test.accuracy"])
def test_what_is_not_of_the_grammar_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"FAMILY\[\.SUBSET\]") as caught:
        parse_metric_name(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("standart", "standard"), ("Adversarial", "adversarial"), ("random_perturbation", "random-perturbation")],
)
def test_a_typo_finds_the_name_that_was_meant(typed: str, meant: str) -> None:
    assert nearest(typed, KNOWN) == meant
    assert (
        unknown("method", typed, KNOWN)
        == f"unknown method {typed!r}; did you mean {meant!r}? Known: {', '.join(KNOWN)}"
    )


def test_a_name_that_is_near_nothing_is_answered_with_the_list() -> None:
    assert nearest("qqq", KNOWN) is None
    assert unknown("method", "qqq", KNOWN) == f"unknown method 'qqq'; known: {', '.join(KNOWN)}"
    assert unknown("scale", "x", ()) == "unknown scale 'x'; known: none"
    assert "\n" not in unknown("scale", "a\nb", KNOWN)


@given(st.sampled_from(KNOWN))
def test_a_known_name_is_nearest_to_itself(name: str) -> None:
    assert nearest(name, KNOWN) == name
