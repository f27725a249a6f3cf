"""Laws of the subsets of questions: the answer stays where it was, and what is added is the data's own and wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.tasks import TASKS
from suite.tasks.answers import SQUAD
from suite.tasks.examples import Answer, Examples
from suite.tasks.qa_subsets import (
    ANSWER_CONFLICT,
    DISTRACTOR,
    MOST_USES,
    QA_SUBSETS,
    _distractors,
    sentences,
    shape,
)
from suite.tasks.types import Subset

TASK = TASKS["tydiqa-goldp"]
FEW = settings(deadline=None, derandomize=True, max_examples=100)
THAI = (
    "จังหวัดเชียงใหม่ตั้งอยู่ทางภาคเหนือของประเทศไทย มีประชากรประมาณ 1,763,742 คน ในปี พ.ศ. 2561",
    "แม่น้ำปิงไหลผ่านตัวเมืองและเป็นแหล่งน้ำสำคัญของเกษตรกร ผู้คนจำนวนมากเดินทางมาเที่ยววัดต่าง ๆ ทุกปี",
)
"""Two sentences, with spaces between clauses and around numbers and signs."""
NAMES = ("Ada", "Bob", "Eve", "Kim", "Lea", "Max", "Ned", "Ora", "Pia", "Rex", "Sam", "Tom")


def questions(rows: Sequence[tuple[str, str, str]], language: str = "en") -> Examples:
    """Question, context and the answer, which begins where it first stands."""
    ids = tuple(f"q{i}" for i in range(len(rows)))
    return Examples(
        language=language,
        subset="clean",
        ids=ids,
        texts=tuple(text for text, _, _ in rows),
        pairs=tuple(context for _, context, _ in rows),
        answers=tuple((Answer(answer, context.index(answer)),) for _, context, answer in rows),
        labels=np.zeros(len(rows), dtype=np.int64),
        label_names=(SQUAD,),
        base_ids=ids,
        groups=ids,
        source="made up 1.0",
        licence="CC0-1.0",
    )


def english() -> Examples:
    things = ("bridge", "tower", "school", "harbour", "church", "market")
    rows = []
    for i, name in enumerate(NAMES):
        thing, year = things[i % 6], 1810 + 7 * i
        context = (
            f"It rains a lot. The old {thing} of place {i} was built by {name} in {year}. It is still there today."
        )
        rows += [(f"who built the old {thing}", context, name), (f"when was the {thing} built", context, str(year))]
    return questions(rows)


def chinese() -> Examples:
    things = ("大桥", "塔楼", "学校", "港口", "教堂", "市场")
    return questions(
        [
            (
                f"哪一年建成这座{things[i % 6]}",
                f"这里经常下雨。城里的{things[i % 6]}在{1810 + i}年建成。它还在那里。",
                f"{1810 + i}年",
            )
            for i in range(14)
        ],
        "zh",
    )


def thai() -> Examples:
    return questions(
        [
            (
                f"เมืองที่ {i} มีประชากรกี่คน",
                f"เมืองที่ {i} ตั้งอยู่ทางภาคเหนือของประเทศ มีประชากรประมาณ {1300 + i} คน ในปีนั้น {THAI[1]}",
                f"{1300 + i}",
            )
            for i in range(12)
        ],
        "th",
    )


def build(subset: Subset, clean: Examples, whole: Examples | None = None, seed: int = 0) -> Examples | None:
    return subset.examples(TASK, None, clean, {clean.language: whole or clean}, seed)


@pytest.mark.parametrize("subset", QA_SUBSETS, ids=lambda s: s.name)
@pytest.mark.parametrize("clean", [english(), chinese()], ids=["en", "zh"])
def test_questions_and_answers_stay_and_one_sentence_is_added(subset: Subset, clean: Examples) -> None:
    found = build(subset, clean)
    assert found is not None and found.subset == subset.name and len(found) >= 10
    assert found.ids == tuple(f"{base}~{subset.name}" for base in found.base_ids)
    rows = [clean.ids.index(base) for base in found.base_ids]
    space = "" if clean.language == "zh" else " "
    for n, row in enumerate(rows):
        context, before = (found.pairs or ())[n], (clean.pairs or ())[row]
        (answer,), (was,) = (found.answers or ())[n], (clean.answers or ())[row]
        assert found.texts[n] == clean.texts[row] and answer.text == was.text
        if context.startswith(before):
            added, moved = context.removeprefix(before + space), 0
        else:
            added, moved = context.removesuffix(space + before), len(context) - len(before)
        assert added and answer.start - was.start == moved and was.text not in added
        assert subset is DISTRACTOR or moved == 0, "the right answer comes first"


def test_a_distractor_is_a_sentence_of_another_context_that_shares_words_with_the_question() -> None:
    clean = english()
    found = build(DISTRACTOR, clean)
    assert found is not None and len(found) == len(clean)
    sides = set()
    for base, question, context in zip(found.base_ids, found.texts, found.pairs or (), strict=True):
        own = (clean.pairs or ())[clean.ids.index(base)]
        added = context.replace(own, "").strip()
        sides.add(context.startswith(own))
        assert added not in own and any(added in other for other in clean.pairs or ())
        assert question.split()[-1 if question.startswith("who") else -2] in added, "the same kind of building"
    assert sides == {True, False}, "some come before, some after"


def test_a_conflict_says_the_same_of_another_answer_of_its_shape() -> None:
    clean = english()
    found = build(ANSWER_CONFLICT, clean)
    assert found is not None and len(found) == len(clean)
    for base, context, (answer,) in zip(found.base_ids, found.pairs or (), found.answers or (), strict=True):
        own = (clean.pairs or ())[clean.ids.index(base)]
        added = context.removeprefix(own + " ")
        before, after = own.split(". ")[1].split(answer.text)
        other = (added + "|").removeprefix(before).removesuffix(f"{after}.|")
        assert other != answer.text and shape(other, "en") == shape(answer.text, "en") and other not in own


def test_question_words_do_not_tell_what_a_question_is_about() -> None:
    filler = [f"The year when parliament {k} did open is known well." for k in range(3)]
    rows = []
    for i, name in enumerate(NAMES):
        context = f"{filler[i % 3]} The observatory {name}{i} has had a dome since {1800 + i}."
        rows += [(f"When did they open the dome of {name}{i}?", context, str(1800 + i))]
        rows += [
            (
                f"When did painting begin in the gallery of {name}{i}?",
                f"Painter {name}{i} worked there in {1900 + i}.",
                str(1900 + i),
            )
        ]
    found = build(DISTRACTOR, clean := questions(rows))
    assert found is not None
    for base, question, context in zip(found.base_ids, found.texts, found.pairs or (), strict=True):
        added = context.replace((clean.pairs or ())[clean.ids.index(base)], "")
        assert question.rstrip("?").split()[-1] in added, "when, did and open are no topic"


def test_a_distractor_is_no_fragment_and_serves_few_questions() -> None:
    lone = "The famous lighthouse of the northern coast was painted white."
    pieces = (
        "in the lighthouse of the coast it says. Lighthouse coast north sea. A lighthouse heading on the coast of the"
    )
    rows = [(f"who saw the lighthouse of {n}", f"{n} kept that for {i} years.", n) for i, n in enumerate(NAMES[:6])]
    rows += [(f"what is {k}", f"{lone}\n{pieces}\n{k} more", f"{k} more") for k in ("xx", "yy", "zz")]
    chosen = _distractors(questions(rows), 0)
    assert {*chosen.values()} == {lone} and len(chosen) == MOST_USES


def test_thai_sentences_are_long_and_part_no_number_from_its_words() -> None:
    whole = " ".join(THAI)
    found = [whole[a:b] for a, b in sentences(whole, "th")]
    assert " ".join(found) == whole and len(found) == 3
    assert all(len(piece) >= 40 and not piece.split()[0].isdecimal() for piece in found)
    assert any("มีประชากรประมาณ 1,763,742 คน" in piece for piece in found)


def test_a_thai_conflict_has_what_stands_around_the_number_and_is_set_off_by_a_space() -> None:
    clean = thai()
    found = build(ANSWER_CONFLICT, clean)
    assert found is not None and len(found) == len(clean)
    for base, context in zip(found.base_ids, found.pairs or (), strict=True):
        row = clean.ids.index(base)
        before = (clean.pairs or ())[row]
        added = context.removeprefix(f"{before} ")
        assert added != context and str(1300 + row) not in added and len(added) >= 40
        start, _, end = before.partition(str(1300 + row))
        assert start.endswith("มีประชากรประมาณ ") and end.startswith(" คน")
        assert "มีประชากรประมาณ 13" in added and " คน" in added


def test_an_answer_within_a_range_is_not_replaced() -> None:
    rows = [
        (f"when did war {i} end", f"The war of place {i} (1701–{1714 + i}) was long.", str(1714 + i)) for i in range(12)
    ]
    assert build(ANSWER_CONFLICT, questions(rows)) is None


def test_a_conflict_prefers_the_answer_to_a_question_that_begins_alike() -> None:
    pairs = [
        (f"who made thing {i}", f"It was the doing of {n} Smith alone.", f"{n} Smith") for i, n in enumerate(NAMES)
    ]
    pairs += [
        (f"where lies thing {i}", f"It can be seen in {n} Falls today.", f"{n} Falls") for i, n in enumerate(NAMES)
    ]
    found = build(ANSWER_CONFLICT, questions(pairs))
    assert found is not None and len(found) == len(pairs)
    for (answer,), context in zip(found.answers or (), found.pairs or (), strict=True):
        assert context.count(answer.text.split()[1]) == 2, "a person for a person, a place for a place"


@pytest.mark.parametrize("subset", QA_SUBSETS, ids=lambda s: s.name)
def test_a_sample_has_of_every_question_what_the_whole_has(subset: Subset) -> None:
    whole = english()
    every, some = build(subset, whole), build(subset, whole.take(15, 3), whole)
    assert every is not None and some is not None
    known = dict(zip(every.ids, zip(every.pairs or (), every.answers or (), strict=True), strict=True))
    assert all(known[n] == (c, a) for n, c, a in zip(some.ids, some.pairs or (), some.answers or (), strict=True))
    again = build(subset, whole, seed=1)
    assert again is not None and again.fingerprint != every.fingerprint


@pytest.mark.parametrize("subset", QA_SUBSETS, ids=lambda s: s.name)
def test_nothing_is_made_of_too_few_or_of_other_tasks(subset: Subset) -> None:
    clean = english()
    assert build(subset, clean.rows(range(6)), clean) is None
    assert build(subset, dataclasses.replace(clean, pairs=None, answers=None)) is None
    alike = questions([(f"what is said {i}", "It rains a lot in this place.", "It rains") for i in range(12)])
    assert build(subset, alike) is None, "there is neither another context nor another answer"
    assert {s for s, task in TASKS.items() if subset.applies_to(task)} == {"squad", "xquad", "mlqa", "tydiqa-goldp"}


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("1953", "1888", True),
        ("1953", "188", False),
        ("May 1953", "June 1888", True),
        ("1,200 km", "9,300 km", True),
        ("1,200 km", "9,300 miles", False),
        ("Ada Lovelace", "New York", True),
        ("University of Oxford", "Bank of England", True),
        ("73 CE", "26 March", False),
        ("73 CE", "26 BC", False),
        ("5 million", "5 metres", False),
        ("Monday", "May", False),
        ("Monday", "Ada", False),
        ("1953년", "1888년", True),
        ("1953년", "1888명", False),
        ("১৯৫৩", "1953", True),
    ],
)
def test_shapes(one: str, other: str, alike: bool) -> None:
    assert shape(one, "en") and (shape(one, "en") == shape(other, "en")) == alike


def test_months_are_told_in_every_form_and_language() -> None:
    assert shape("3 марта", "ru") == shape("5 июня", "ru") != shape("5 дней", "ru")
    assert shape("12 de mayo", "es") == shape("30 de enero", "es") != shape("12 de ellos", "es")
    assert shape("5 May", "qqq") == "0 W"


@pytest.mark.parametrize("text", ["the red door", "서울", "北京", "", "May 1953 " * 9])
def test_other_answers_have_no_shape(text: str) -> None:
    assert shape(text, "en") == ""


@FEW
@given(st.text(st.sampled_from("aB. ?。।\n\r\"'3"), max_size=30), st.sampled_from(["en", "zh", "th"]))
def test_sentences_cover_all_that_is_no_space_between_them(text: str, language: str) -> None:
    found, end = [*sentences(text, language)], 0
    for start, stop in found:
        assert end <= start < stop and text[start:stop].strip()
        end = stop
    kept = "".join(text[a:b] for a, b in found)
    assert {*text} - {*kept} <= {*" \n\r"}
    assert sum(kept.count(c) for c in "aB3") == sum(text.count(c) for c in "aB3")


def test_sentences_of_several_scripts() -> None:
    cases = {
        "en": "It is 3.5 km. “Yes!” He said?\nNo. St. Hedwig's and Lyndon B. Johnson of the U.S. won. vs. e.g. a",
        "zh": "下雨。“它在。”好。",
        "hi": "वह आया। वह गया।",
    }
    found = {code: [text[a:b] for a, b in sentences(text, code)] for code, text in cases.items()}
    assert found == {
        "en": [
            "It is 3.5 km.",
            "“Yes!”",
            "He said?",
            "No. St. Hedwig's and Lyndon B. Johnson of the U.S. won. vs. e.g. a",
        ],
        "zh": ["下雨。", "“它在。”", "好。"],
        "hi": ["वह आया।", "वह गया।"],
    }
