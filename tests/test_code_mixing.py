"""Laws of code-mixing by a lexicon: which words are replaced, by what, at which rate; and of files in MUSE's format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.evaluation_spec import EvaluationSpec
from suite.study_file import load_study
from suite.tasks import SUBSETS, TASKS, Examples, resolve_subset, study_subsets
from suite.tasks.code_mixing import (
    CODE_MIXED,
    RATES,
    check_lexicon,
    code_mixed,
    in_case_of,
    mix,
    with_lexicon,
    word_spans,
)
from suite.tasks.lexicon import donor_files, lexicon_file, read_lexicon

HUB = Path(os.environ.get("SUITE_HUB") or Path(__file__).parents[2] / "shared" / "hub")
FEW = settings(deadline=None, derandomize=True, max_examples=150)
WORDS = ("dog", "cat", "runs", "sees", "the", "big", "old", "house")
KNOWN = {word: (f"x{word}", f"y{word}") for word in WORDS[:6]}
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=30)
LABELS = ("entailment", "neutral", "contradiction")


def examples(texts: list[str], pairs: list[str] | None = None, language: str = "de") -> Examples:
    ids = tuple(f"i{n}" for n in range(len(texts)))
    return Examples(
        language=language,
        subset="clean",
        ids=ids,
        texts=tuple(texts),
        pairs=None if pairs is None else tuple(pairs),
        labels=np.zeros(len(texts), dtype=np.int64),
        label_names=LABELS,
        base_ids=ids,
        groups=ids,
        source="made up 1.0",
        licence="CC0-1.0",
    )


def save(folder: Path, tables: Mapping[str, Mapping[str, tuple[str, ...]]]) -> str:
    for name, table in tables.items():
        rows = (f"{word}\t{other}\n" for word, others in table.items() for other in others)
        (folder / f"{name}.txt").write_text("".join(rows), encoding="utf-8")
    return str(folder)


def build(rate: int, lexicon: str, clean: Examples, seed: int = 0) -> Examples | None:
    return code_mixed(rate, lexicon).examples(TASKS["xnli"], None, clean, {clean.language: clean}, seed)


# Words


@FEW
@given(TEXT, st.integers(0, 9), st.lists(st.floats(0, 1), min_size=2, max_size=4))
def test_words_replaced_at_a_rate_are_replaced_at_every_higher_one(
    words: list[str], item: int, shares: list[float]
) -> None:
    before: set[int] = set()
    for share in sorted(shares):
        mixed = mix(" ".join(words), KNOWN, str(item), share)
        after = mixed.text.split(" ")
        changed = {i for i, (a, b) in enumerate(zip(words, after, strict=True)) if a != b}
        assert before <= changed and len(changed) == mixed.replaced
        assert all(after[i] in KNOWN[words[i]] for i in changed)
        known = sum(word in KNOWN for word in words)
        assert (mixed.words, mixed.known) == (len(words), known)
        wanted = share * len(words)
        assert mixed.replaced == known if wanted - 1 >= known else int(wanted) <= max(mixed.replaced, known)
        assert mixed.replaced <= wanted + 1
        before = changed


def test_the_mean_share_is_the_rate_however_short_the_texts() -> None:
    table = {word: (f"x{word}",) for word in WORDS}
    done = [mix(" ".join(WORDS[: 2 + i % 5]), table, f"0 i{i}", 0.25) for i in range(2000)]
    assert sum(m.replaced for m in done) / sum(m.words for m in done) == pytest.approx(0.25, abs=0.01)


def test_the_ends_of_the_scale_are_nothing_and_everything_known() -> None:
    text = "the old dog sees the house"
    assert mix(text, KNOWN, "0 a", 0).text == text
    assert [w[1:] if w not in text.split() else w for w in mix(text, KNOWN, "0 a", 1).text.split()] == text.split()
    assert mix(text, KNOWN, "0 a", 1).replaced == 4


def test_case_and_punctuation_are_kept() -> None:
    table = {"dog": ("perro",), "cat": ("gato",), "i": ("yo",)}
    assert mix("The DOG, the “Cat”... I!", table, "k", 1).text == "The PERRO, the “Gato”... Yo!"
    assert mix("cat-dog (dog) dog", table, "k", 1).text == "gato-perro (perro) perro"
    assert [in_case_of(w, "straße") for w in ("a", "A", "Ab", "AB", "aB")] == [
        "straße",
        "Straße",
        "Straße",
        "STRASSE",
        "straße",
    ]


def test_only_whole_words_are_replaced() -> None:
    table = {"dog": ("x",), "don": ("x",), "t": ("x",), "क": ("x",), "कि": ("y",), "9": ("x",)}
    text = "dogs hotdog don't don’t 9 कि"
    assert mix(text, table, "k", 1).text == "dogs hotdog don't don’t 9 y"
    assert [text[a:b] for a, b in word_spans(text)] == ["dogs", "hotdog", "don't", "don’t", "कि"]
    assert [text[a:b] for text in ("'ere' x9 9x 10%",) for a, b in word_spans(text)] == ["ere", "x9", "9x"]


def test_composed_and_capital_letters_are_looked_up_as_one(tmp_path: Path) -> None:
    folder = save(tmp_path, {"de-en": {"Cafe\u0301": ("coffee",)}})
    assert mix("CAF\u00c9", read_lexicon(lexicon_file(folder, "de", "en")), "k", 1).text == "COFFEE"


def test_a_word_of_both_texts_has_one_translation() -> None:
    table = {word: tuple(f"{word}{n}" for n in range(20)) for word in WORDS}
    for item in range(30):
        first, second = (mix(text, table, f"0 i{item}", 1).text.split() for text in ("the dog", "a dog sees the cat"))
        assert first == [second[3], second[1]]
    assert len({mix("dog", table, f"0 i{item}", 1).text for item in range(200)}) == 20


# Subsets


def test_the_subset_is_the_clean_items_mixed_and_says_its_rate(tmp_path: Path) -> None:
    folder = save(tmp_path, {"de-en": KNOWN})
    clean = examples(["The dog runs, the cat sees"] * 40, ["old cat"] * 40)
    found = build(50, folder, clean)
    assert found is not None and len(found) == 40 and found.ids[0] == "i0~code-mixed-50" and found.base_ids == clean.ids
    words = 40 * 8
    moved = sum(
        a != b
        for before, after in zip(
            (*clean.texts, *(clean.pairs or ())), (*found.texts, *(found.pairs or ())), strict=True
        )
        for a, b in zip(before.split(), after.split(), strict=True)
    )
    assert found.note == f"code-mixed-50/de: {moved / words:.1%} of {words} words put into en, {280 / 320:.1%} could be"
    assert moved / words == pytest.approx(0.5, abs=0.05)


def test_items_and_seeds_decide_and_nothing_else(tmp_path: Path) -> None:
    folder = save(tmp_path, {"de-en": KNOWN})
    clean = examples([" ".join(WORDS)] * 30, ["the old dog"] * 30)
    found, backwards = build(25, folder, clean), build(25, folder, clean.rows(list(reversed(range(30)))))
    other = build(25, folder, clean, seed=1)
    assert found is not None and backwards is not None and other is not None
    assert dict(zip(found.ids, found.texts, strict=True)) == dict(zip(backwards.ids, backwards.texts, strict=True))
    assert found.texts != other.texts and len({*found.texts}) > 5


def test_unspaced_languages_and_those_without_a_file_have_none(tmp_path: Path) -> None:
    folder = save(tmp_path, {"zh-en": {"猫": ("cat",)}, "de-en": KNOWN})
    assert build(50, folder, examples(["猫 猫"] * 20, language="zh")) is None
    assert build(50, folder, examples(["the dog"] * 20, language="fr")) is None
    assert build(50, folder, examples(["house old"] * 20)) is None  # nothing that the lexicon knows


def test_an_english_text_takes_its_words_from_one_of_three_languages(tmp_path: Path) -> None:
    tables = {f"en-{code}": {word: (f"{word}~{code}",) for word in WORDS} for code in ("de", "es", "fr", "it")}
    clean = examples(["the big dog sees the old house"] * 60, ["the cat runs"] * 60, language="en")
    found = build(50, save(tmp_path, tables), clean)
    assert found is not None and "put into de or es or fr" in found.note
    donors = [
        {code for code in ("de", "es", "fr", "it") if any(word.endswith(f"~{code}") for word in f"{a} {b}".split())}
        for a, b in zip(found.texts, found.pairs or (), strict=True)
    ]
    assert {*map(len, donors)} == {1} and set.union(*donors) == {"de", "es", "fr"}


def test_each_rate_is_an_entry_that_takes_the_studys_lexicon(tmp_path: Path) -> None:
    assert [entry.name for entry in CODE_MIXED] == [f"code-mixed-{rate}" for rate in RATES]
    assert all(SUBSETS[entry.name] is entry for entry in CODE_MIXED)
    folder = save(tmp_path, {"de-en": KNOWN})
    clean = examples(["the big dog sees"] * 30)
    named = EvaluationSpec(subsets=("char-noise", "code-mixed-25", "code-mixed"), lexicon=folder)
    chosen = study_subsets(named, TASKS["sib200"])
    assert [subset.name for subset in chosen] == ["char-noise", "code-mixed-25", "code-mixed"]
    assert chosen[0] is SUBSETS["char-noise"] and chosen[2] is SUBSETS["code-mixed"]
    found, same = chosen[1].examples(TASKS["sib200"], None, clean, {}, 0), build(25, folder, clean)
    assert found is not None and same is not None and found.texts == same.texts


def test_without_a_lexicon_it_is_refused_with_where_to_get_one() -> None:
    told = (
        "the subset 'code-mixed-25' needs a bilingual lexicon: get MUSE's dictionaries (facebookresearch/MUSE on "
        "GitHub, data/get_evaluation.sh) and name their folder in evaluation.lexicon; terms of the CLDR alone give "
        "'code-mixed'"
    )
    with pytest.raises(ValueError) as refused:
        check_lexicon(["char-noise", "code-mixed-25"], None, ["en", "de"])
    assert str(refused.value) == told
    with pytest.raises(ValueError) as never_made:
        with_lexicon(resolve_subset("code-mixed-25"), None).examples(TASKS["xnli"], None, examples(["a"]), {}, 0)
    assert str(never_made.value) == told
    check_lexicon(["char-noise", "code-mixed"], None, ["en", "de"])


def test_a_lexicon_has_a_file_for_some_language_of_the_study(tmp_path: Path) -> None:
    folder = save(tmp_path, {"de-en": KNOWN})
    check_lexicon(["code-mixed-10"], folder, ["en", "sw", "de"])
    check_lexicon(["code-mixed-10"], f"{folder}/{{source}}-{{target}}.txt", ["de"])
    check_lexicon(["code-mixed-10"], folder, ["zh"])  # undefined there, whatever there is
    with pytest.raises(ValueError, match=r"such as \S+/en-de\.txt, but there is none for any of en, sw; correct"):
        check_lexicon(["code-mixed-10"], folder, ["en", "sw", "zh"])


def test_a_lexicon_is_a_folder_or_a_path_with_both_languages(tmp_path: Path) -> None:
    assert lexicon_file("lex", "de", "en") == Path("lex/de-en.txt")
    assert lexicon_file("lex/{target}/{source}.0-5000.txt", "de", "en") == Path("lex/en/de.0-5000.txt")
    assert donor_files(save(tmp_path, {"de-en": KNOWN, "de-fr": KNOWN}), "de") == {"en": tmp_path / "de-en.txt"}
    for wrong in ("lex/{source}.txt", "lex/{target}"):
        with pytest.raises(ValueError, match=r"lexicon is a folder, or a path with \{source\} and \{target\}, got"):
            EvaluationSpec(lexicon=wrong)


def test_a_study_names_its_lexicon(tmp_path: Path) -> None:
    study = """
name = "mixed"
question = "?"
task = { name = "xnli-dev", targets = ["de"] }
scale = [{ name = "s", checkpoint = "me5-small-q4" }]
method = [{ name = "standard" }]
train = { learning_rate = 1e-4 }
tune = { trials = 1 }
[evaluation]
subsets = ["code-mixed-25", "code-mixed-50"]
lexicon = "muse/dictionaries"
"""
    (tmp_path / "study.toml").write_text(study, encoding="utf-8")
    assert load_study(tmp_path / "study.toml").evaluation.lexicon == "muse/dictionaries"


# Files


def test_fields_are_parted_by_a_tab_or_by_spaces(tmp_path: Path) -> None:
    path = tmp_path / "de-en.txt"
    path.write_bytes(
        "\ufeffHund dog\r\nHund  hound\r\nKatze\tcat\r\n\r\nfalls\tin case\r\nTaxi taxi\r\nHund dog\r\n".encode()
    )
    assert read_lexicon(path) == {"hund": ("dog", "hound"), "katze": ("cat",), "falls": ("in case",)}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "translates words, none of 0 rows does; get the file anew"),
        (b"taxi taxi\n", "translates words, none of 1 rows does; get the file anew"),
        (b"a b\nc d e\nf\ng h\n", "but 2 of 4 are not, the first is row 2 ('c d e'): repair the file"),
        (b"a\tb\tc\n", "but 1 of 1 are not, the first is row 1 ('a\\tb\\tc'): repair the file"),
        (b"a\t\n", "but 1 of 1 are not, the first is row 1 ('a\\t'): repair the file"),
        (b"a b\nhou", "but 1 of 2 are not, the first is row 2 ('hou'): the file was cut there, get it anew"),
        (b"a b\n\xe4 c\n", "the file is UTF-8, but row 2 has 0xe4 (invalid continuation byte); get it anew"),
        ("a b\n".encode("utf-16"), "the file is UTF-8, this is UTF-16; convert it, or get it anew"),
    ],
    ids=["empty", "no translation", "fields", "tabs", "half", "cut", "latin", "utf-16"],
)
def test_a_damaged_lexicon_is_told_in_one_line(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "de-en.txt").write_bytes(content)
    with pytest.raises(ValueError) as error:
        read_lexicon(tmp_path / "de-en.txt")
    assert str(error.value).startswith(f"{tmp_path / 'de-en.txt'}: ") and str(error.value).endswith(told)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(not (HUB / "facebook/xnli").is_dir(), reason=f"no copy of facebook/xnli under {HUB}; set SUITE_HUB")
@pytest.mark.parametrize("language", ["en", "de", "hi", "ar"])
def test_xnli_is_mixed_at_the_stated_rates(language: str, tmp_path: Path) -> None:
    clean = TASKS["xnli-dev"].load(language, "test", HUB).take(600, 0)
    whole = (*clean.texts, *(clean.pairs or ()))
    table = {text[a:b]: (f"x{text[a:b]}",) for text in whole for a, b in word_spans(text)}
    donor = "de" if language == "en" else "en"
    folder = save(tmp_path, {f"{language}-{donor}": table})
    for rate in RATES:
        found = build(rate, folder, clean)
        assert found is not None and f"{donor}, 100.0% could be" in found.note
        assert float(found.note.split(": ")[1].split("%")[0]) == pytest.approx(rate, abs=1.5)
        assert len(found) > 0.9 * len(clean)
