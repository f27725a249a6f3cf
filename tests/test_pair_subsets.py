"""Laws of slices and stress tests: what a slice takes, that it takes it as it is, and what a suffix leaves alone."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from suite.tasks import SUBSETS, TASKS, Examples
from suite.tasks.cues import negates, tautology
from suite.tasks.noise import KEYBOARDS_WITH_MARKS, add_noise, key_neighbours
from suite.tasks.segmenting import bag_units, word_units
from suite.tasks.slices import SLICES, overlap
from suite.tasks.stress import append, is_latin
from suite.tasks.xnli import SOURCE as XNLI_SOURCE

HUB = Path(os.environ.get("SUITE_HUB") or Path(__file__).parents[2] / "shared" / "hub")
AT_HAND = {
    "xnli": ("en", "de", "es", "fr", "ru", "ar", "hi", "sw", "tr", "vi", "zh"),
    "paws-x-dev": ("en", "de", "es", "fr", "ja", "zh"),
}
REPOSITORIES = {"xnli": "facebook/xnli", "paws-x-dev": "google-research-datasets/paws-x"}
EVERY_CASE = pytest.mark.parametrize(
    ("task", "language"), [(t, code) for t, codes in AT_HAND.items() for code in codes]
)
EVERY_XNLI_LANGUAGE = pytest.mark.parametrize("language", AT_HAND["xnli"])
NLI = ("entailment", "neutral", "contradiction")


@cache
def whole(task: str) -> Mapping[str, Examples]:
    if not (HUB / REPOSITORIES[task]).is_dir():
        pytest.skip(f"no copy of {REPOSITORIES[task]} under {HUB}; set SUITE_HUB")
    return {language: TASKS[task].load(language, "test", HUB) for language in AT_HAND[task]}


@cache
def sliced(name: str, task: str, language: str, n: int | None = None) -> Examples | None:
    clean = whole(task)[language]
    return SUBSETS[name].examples(TASKS[task], HUB, clean if n is None else clean.take(n, 0), whole(task), 0)


def written(
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    labels: Sequence[int] = (),
    names: tuple[str, ...] = NLI,
    language: str = "en",
) -> Examples:
    ids = tuple(f"i{n}" for n in range(len(texts)))
    return Examples(
        language=language,
        subset="clean",
        ids=ids,
        texts=tuple(texts),
        pairs=None if pairs is None else tuple(pairs),
        labels=np.array(labels or [0] * len(texts), dtype=np.int64),
        label_names=names,
        base_ids=ids,
        groups=ids,
        source="made up",
        licence="CC0-1.0",
    )


def build(name: str, examples: Examples, task: str = "xnli", **others: Examples) -> Examples | None:
    return SUBSETS[name].examples(TASKS[task], None, examples, {examples.language: examples, **others}, 0)


# Slices


@EVERY_CASE
@pytest.mark.parametrize("name", [entry.name for entry in SLICES])
def test_a_slice_is_some_clean_items_as_they_are(name: str, task: str, language: str) -> None:
    found, clean = sliced(name, task, language), whole(task)[language]
    if found is None:
        assert not SUBSETS[name].applies_to(TASKS[task])
        return
    row = {example: i for i, example in enumerate(clean.ids)}
    same = clean.rows([row[base] for base in found.base_ids])
    assert (found.texts, found.pairs, found.groups) == (same.texts, same.pairs, same.groups)
    assert found.labels.tolist() == same.labels.tolist()
    assert found.ids == tuple(f"{base}~{name}" for base in found.base_ids)
    assert 10 <= len(found) < len(clean)


@EVERY_CASE
@pytest.mark.parametrize("name", [entry.name for entry in SLICES])
def test_a_sample_holds_what_the_whole_slice_has_of_it(name: str, task: str, language: str) -> None:
    found, all_of_it = sliced(name, task, language, 300), sliced(name, task, language)
    assert all_of_it is not None or found is None
    some = set(whole(task)[language].take(300, 0).ids)
    there = [base for base in (all_of_it.base_ids if all_of_it else ()) if base in some]
    assert list(found.base_ids if found else ()) == (there if len(there) >= 10 else [])


@EVERY_XNLI_LANGUAGE
def test_no_bound_on_overlap_tells_the_labels_of_its_slice(language: str) -> None:
    found = sliced("lexical-overlap", "xnli", language)
    assert found is not None and found.pairs is not None
    shares = np.array([overlap(a, b, language) for a, b in zip(found.texts, found.pairs, strict=True)])
    entailed = found.labels == found.label_names.index("entailment")
    assert shares[entailed].max() < shares[~entailed].min()  # "much overlap, so entailed" is wrong of every item
    assert Counter(found.labels.tolist()) == {0: 334, 1: 334, 2: 334}  # and so is one label for all, of two thirds


def test_overlap_is_the_share_of_the_second_texts_words() -> None:
    assert overlap("The cat, the dog.", "the Dog ran", "en") == 2 / 3
    assert overlap("a b", "?", "en") == 0
    assert overlap("我喜欢猫", "喜欢猫咪", "zh") == 2 / 3  # 喜欢, 欢猫, not 猫咪
    assert overlap("cat", "dog cat cat", "en") == 1 / 2


def test_labels_are_known_by_name() -> None:
    # A hundred pairs, the n-th sharing n words of a hundred; numbers of labels mean nothing.
    words = [f"w{n}" for n in range(100)]
    texts, pairs = [" ".join(words[:n]) or "-" for n in range(100)], [" ".join(words)] * 100
    two = written(texts, pairs, [n % 2 for n in range(100)], ("not_entailment", "entailment"))
    found = build("lexical-overlap", two)
    assert found is not None
    by_label = {
        label: [int(i[1:]) for i, y in zip(found.base_ids, found.labels, strict=True) if y == label] for label in (0, 1)
    }
    assert by_label == {0: list(range(80, 100, 2)), 1: list(range(1, 20, 2))}
    for names in (("no", "yes"), ("entailment", "something"), ("neutral", "contradiction")):
        assert build("lexical-overlap", dataclasses.replace(two, label_names=names)) is None
        assert build("word-order", dataclasses.replace(two, label_names=names), "paws-x") is None


@pytest.mark.parametrize("language", AT_HAND["paws-x-dev"])
def test_only_their_order_tells_pairs_of_the_same_words_apart(language: str) -> None:
    found, clean = sliced("word-order", "paws-x-dev", language), whole("paws-x-dev")[language]
    assert found is not None and found.pairs is not None and clean.pairs is not None
    assert {found.label_names[label] for label in found.labels} == {"different"}
    for text, pair in zip(found.texts, found.pairs, strict=True):
        assert sorted(bag_units(text, language)) == sorted(bag_units(pair, language))
    rest = [i for i, name in enumerate(clean.ids) if name not in found.base_ids and clean.labels[i] == 0]
    assert not any(
        sorted(bag_units(clean.texts[i], language)) == sorted(bag_units(clean.pairs[i], language)) for i in rest
    )


def test_words_are_folded_and_unspaced_scripts_are_cut_in_pairs() -> None:
    assert word_units("L'Été, don\u2019t ＡＢＣ 42!", "fr") == ["l", "été", "don", "t", "abc", "42"]
    assert word_units("हिन्दी में", "hi") == ["हिन्दी", "में"]
    assert word_units("我很好。你呢", "zh") == ["我很", "很好", "你呢"] and word_units("好", "zh") == ["好"]
    assert bag_units("b a b", "en") == ["b", "a", "b"] and bag_units("我很好。", "zh") == ["我", "很", "好"]


SENTENCES = {
    "ar": ("لم أتحدث معه", "تحدثت معه"),
    "bg": ("Не знам.", "Знам го."),
    "de": ("Er hat keine Zeit.", "Er hat kleine Zeiten."),
    "el": ("Δεν ξέρω κανέναν.", "Ξέρω το δέντρο."),
    "en": ("We can't go.", "We go to the canteen, notably."),
    "es": ("Nunca lo vi.", "Lo vi en noviembre."),
    "fr": ("Il n'est pas là.", "Il est là."),
    "hi": ("मैं नहीं गया।", "मैं नाना के घर गया।"),
    "ru": ("Я его не видел.", "Я видел небо."),
    "sw": ("Sijaongea naye.", "Siku sita zimepita hapa, hata leo."),
    "th": ("ฉันไม่ได้ไป", "ฉันไปอย่างเร็ว"),
    "tr": ("Onu görmüyorum, bilmedi.", "Onu görüyorum, bildi."),
    "ur": ("میں نہیں گیا", "میں گیا"),
    "vi": ("Tôi không đi.", "Tôi đi."),
    "zh": ("我没有去。", "不过我去了，非常好。"),
}


@pytest.mark.parametrize("language", SENTENCES)
def test_negation_is_told_from_what_looks_like_it(language: str) -> None:
    negated, plain = SENTENCES[language]
    assert negates(negated, language) and not negates(plain, language)


@EVERY_XNLI_LANGUAGE
def test_the_second_text_negates_and_the_first_does_not(language: str) -> None:
    found = sliced("negation", "xnli", language)
    assert found is not None and found.pairs is not None and len(found) > 600
    assert all(negates(pair, language) for pair in found.pairs)
    assert not any(negates(text, language) for text in found.texts)
    # Hypotheses written to contradict negate (Gururangan et al. 2018), so a list that finds negation finds these.
    assert np.mean(found.labels == found.label_names.index("contradiction")) > 0.7


@pytest.mark.parametrize("task", AT_HAND)
def test_lengths_are_compared_in_english_so_every_language_has_the_same_items(task: str) -> None:
    english = sliced("length-mismatch", task, "en")
    assert english is not None and len(english) == len(whole(task)["en"]) // 5
    for language in AT_HAND[task]:
        found = sliced("length-mismatch", task, language)
        known = set(whole(task)[language].ids)
        assert found is not None and list(found.base_ids) == [base for base in english.base_ids if base in known]


def test_the_fifth_that_differs_most_in_length_is_taken_however_it_differs() -> None:
    longer = [n if n % 2 else 1 for n in range(1, 101)]
    shorter = [1 if n % 2 else n for n in range(1, 101)]
    task = dataclasses.replace(TASKS["xnli"], parallel=False)
    examples = written(["a" * n for n in longer], ["a" * n for n in shorter])
    found = SUBSETS["length-mismatch"].examples(task, None, examples, {"en": examples}, 0)
    assert found is not None and found.base_ids == tuple(f"i{n}" for n in range(80, 100))


def test_without_english_the_studys_first_language_decides() -> None:
    lengths = range(1, 101)
    source = written(["a" * n for n in lengths], ["a"] * 100, language="fr")
    target = written(["a"] * 100, ["a"] * 100, language="de")
    found = SUBSETS["length-mismatch"].examples(TASKS["xnli"], None, target, {"fr": source, "de": target}, 0)
    assert found is not None and found.base_ids == tuple(f"i{n}" for n in range(80, 100))


@pytest.mark.parametrize("name", [entry.name for entry in SLICES])
def test_slices_of_pairs_are_undefined_of_single_texts_and_of_too_few(name: str) -> None:
    assert build(name, written(["one text"] * 100)) is None
    assert build(name, written(["a b"] * 9, ["b a not"] * 9)) is None
    assert not SUBSETS[name].applies_to(TASKS["sib200"]) and not SUBSETS[name].applies_to(TASKS["home-intents"])


def test_negation_is_undefined_where_there_is_no_list_of_words() -> None:
    assert build("negation", written(["ja"] * 100, ["ei"] * 100, language="fi")) is None
    with pytest.raises(ValueError, match="none for 'fi'"):
        negates("ei", "fi")


def test_languages_of_the_benchmarks_have_their_words() -> None:
    for language in XNLI_SOURCE.configurations:
        assert language in SENTENCES and tautology(language)
    assert all(tautology(language) for language in TASKS["paws-x"].languages)


# Stress tests


@EVERY_CASE
def test_a_suffix_is_appended_and_nothing_else_changes(task: str, language: str) -> None:
    found, clean, tail = sliced("stress-suffix", task, language), whole(task)[language], tautology(language)
    assert found is not None and found.pairs is not None and clean.pairs is not None and tail is not None
    assert (found.texts, found.base_ids) == (clean.texts, clean.ids)
    for before, after in zip(clean.pairs, found.pairs, strict=True):
        kept, _, end = after.rpartition(tail)
        assert kept + end == before and not any(c.isalnum() for c in end)


def test_a_single_text_takes_the_suffix_itself() -> None:
    found = build("stress-suffix", written(["Turn on the light."] * 10), "home-intents")
    assert found is not None and found.pairs is None and set(found.texts) == {"Turn on the light and true is true."}
    assert build("stress-suffix", written(["Vesi on kylmää."] * 10, language="fi"), "sib200") is None


def test_final_marks_stay_final() -> None:
    assert append("Really ?!", " and true is true") == "Really and true is true ?!"
    assert append("no mark", " and true is true") == "no mark and true is true"
    assert append("我知道。", "，而且真的就是真的") == "我知道，而且真的就是真的。"
    assert append("सच है।", " और सच सच है") == "सच है और सच सच है।"
    assert append("3.5 m", " x") == "3.5 m x"


def test_romanised_texts_are_in_ascii() -> None:
    pytest.importorskip("anyascii", reason="the extra `romanise` is not installed")
    found = build("romanised", written(["Привет, мир"] * 10, ["Как дела?"] * 10, language="ru"))
    assert found is not None and found.pairs is not None
    assert {*found.texts} == {"Privet, mir"} and {*found.pairs} == {"Kak dela?"}
    odd = build("romanised", written(["Привет"] * 10, ["\u2063"] * 10, language="ru"))
    assert odd is not None and odd.pairs is not None and all(odd.pairs)  # nothing would be left of the second texts


@pytest.mark.parametrize(
    ("language", "text", "wanted"),
    [
        ("ar", "لا قال باب", "la qal bab"),
        ("ar", "إلى أب", "ila ab"),
        ("bg", "България, ъгъл, щастие", "Balgariya, agal, shtastie"),
        ("ru", "подъезд, щука", "pod'ezd, shchuka"),
        ("hi", "मैं।", "maim."),
    ],
)
def test_alif_bulgarian_letters_and_dandas_are_not_lost(language: str, text: str, wanted: str) -> None:
    pytest.importorskip("anyascii", reason="the extra `romanise` is not installed")
    found = build("romanised", written([text] * 10, language=language))
    assert found is not None and {*found.texts} == {wanted}


def test_latin_and_japanese_are_not_romanised() -> None:
    assert build("romanised", written(["Đây là tiếng Việt, Ａ"] * 10, language="vi")) is None
    assert build("romanised", written(["日本語です"] * 10, language="ja")) is None
    assert is_latin(["İçin для"]) and not is_latin(["Привет B"])


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anyascii", None)
    with pytest.raises(
        ValueError, match=r"needs the package anyascii.*pip install 'robust-alignment-suite\[romanise\]'"
    ):
        build("romanised", written(["Привет"] * 10, language="ru"))


# Keyboards with marks


@pytest.mark.parametrize("rows", KEYBOARDS_WITH_MARKS, ids=["thai", "devanagari"])
def test_a_key_is_given_once(rows: tuple[str, ...]) -> None:
    letters = [key for row in rows for key in row if key != " "]
    assert len(letters) == len({*letters}) >= 18 and all(letter.isalpha() for letter in letters)


def test_a_replaced_letter_keeps_its_marks_and_an_inserted_one_has_none() -> None:
    assert key_neighbours("ना") and all(len(unit) == 2 and unit[1] == "ा" for unit in key_neighbours("ना"))
    noisy = {add_noise("कमला", str(key), 0.5) for key in range(200)}
    assert noisy & {f"कम{unit}" for unit in key_neighbours("ला")}
    assert all(text.count("ा") <= 1 for text in noisy)
