"""The task `lareqa`: which sentence, in whatever language, answers the question? XQuAD-R of LAReQA, Roy et al. 2020.

A question of one language looks among the sentences of all 11 languages, each followed by its paragraph as XTREME-R
has them, and every language has one that answers it. Sentence breaks are in the files on GitHub alone, which XTREME's
download_lareqa_data.sh fetches; the hub's google-research-datasets/xquad_r lacks them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from suite.tasks.defects import named_note
from suite.tasks.examples import Examples, ParallelText
from suite.tasks.parallel import join_by_id
from suite.tasks.source import check_known
from suite.tasks.text_files import first_of, mend, miscounted, read_json
from suite.tasks.types import Task
from suite.tasks.xtreme import xtreme_root

NAME = "lareqa"
REPOSITORY = "google-research-datasets/lareqa"
"""On GitHub; a hub mirror may hold a copy under this name."""
SOURCE = f"{REPOSITORY} (GitHub, revision unpinned)"
FOLDER = "xquad-r"
LANGUAGES = ("en", "ar", "de", "el", "es", "hi", "ru", "th", "tr", "vi", "zh")
SPLIT = "test"
SENTENCES = dict(zip(LANGUAGES, (1180, 1222, 1276, 1234, 1215, 1244, 1219, 852, 1167, 1209, 1196), strict=True))
"""Sentences of the published files, 13,014 in all; another number is told in the run's warnings."""
LICENCE = "CC-BY-SA-4.0"
LAYOUT = "XQuAD-R's layout is data > paragraphs > context, sentence_breaks and qas > id, question and answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence with its paragraph, and the questions that it answers."""

    text: str
    questions: tuple[str, ...]
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One language's file."""

    questions: dict[str, str]
    """Id to question."""
    sentences: tuple[Sentence, ...]
    note: str


def load(language: str, split: str, hub_root: Path | None) -> Examples:
    """The questions of a language, with the sentences of all languages to choose from.

    Raises:
        ValueError: one line: an unknown language or split, no files, a file that is not XQuAD-R's, or questions that
            the languages do not share.
    """
    check_known(NAME, "language", language, LANGUAGES)
    check_known(NAME, "split", split, (SPLIT,))
    folder = _folder(hub_root)
    read = {code: _read(folder, code) for code in LANGUAGES}
    pool = [sentence for code in LANGUAGES for sentence in read[code].sentences]
    return _examples(language, read, pool)


def join_questions(ours: str, theirs: str, hub_root: Path | None) -> ParallelText:
    """Questions of two languages joined by id; one that is asked twice counts once."""
    folder = _folder(hub_root)
    left, right = (_read(folder, code).questions for code in (ours, theirs))
    return join_by_id(left, right, name=NAME, licence=LICENCE)


def _folder(hub_root: Path | None) -> Path:
    root = xtreme_root()
    tried = [path for path in (root and root / NAME, hub_root and hub_root / REPOSITORY) if path]
    found = next((path / FOLDER for path in tried if (path / FOLDER).is_dir()), None)
    if found is None:
        looked = f"; there is none in {' or '.join(map(str, tried))}" if tried else ""
        raise ValueError(
            f"task {NAME!r} needs sentence breaks, which {REPOSITORY} on GitHub has and the hub has not{looked}; run "
            f"XTREME's download_lareqa_data.sh and set SUITE_XTREME, or copy {FOLDER}/ to {REPOSITORY} under SUITE_HUB"
        )
    return found


def _read(folder: Path, language: str) -> Reading:
    path = first_of(folder, [f"{language}.json"], NAME)
    return _parsed(path, language, path.stat().st_mtime_ns)


@lru_cache(maxsize=2 * len(LANGUAGES))
def _parsed(path: Path, language: str, changed: int) -> Reading:
    """One file, read once for all languages that look through it."""
    whole, oddities = read_json(path)
    questions: dict[str, str] = {}
    sentences: list[Sentence] = []
    unanswered = halves = 0
    try:
        for number, paragraph in enumerate(_paragraphs(whole), start=1):
            halves += _mend(paragraph)
            asked = {str(q["id"]): str(q["question"]) for q in paragraph["qas"]}
            own = list(_sentences(paragraph, f"{language}/{number}"))
            answered = {name for sentence in own for name in sentence.questions}
            unanswered += len(asked.keys() - answered)
            questions |= {name: text for name, text in asked.items() if name in answered}
            sentences += own
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ValueError(f"{path}: {LAYOUT}, this has not ({type(error).__name__}: {error}); get it anew") from None
    said = [*oddities]
    said += [f"{unanswered} questions dropped whose answer begins in no sentence"] if unanswered else []
    said += [f"halves of characters replaced in {halves} texts"] if halves else []
    said += miscounted(len(sentences), SENTENCES[language], "sentences")
    note = named_note(f"{FOLDER}/{path.name}", said)
    return Reading(questions=questions, sentences=tuple(sentences), note=note)


def _paragraphs(whole: Any) -> Iterator[Any]:
    for article in whole["data"]:
        yield from article["paragraphs"]


def _mend(paragraph: Any) -> int:
    """Put the replacement character for halves of characters, in place, so that no break moves; the texts that had."""
    texts = [paragraph["context"], *(str(q["question"]) for q in paragraph["qas"])]
    count = mend(texts)
    paragraph["context"] = texts[0]
    for question, text in zip(paragraph["qas"], texts[1:], strict=True):
        question["question"] = text
    return count


def _sentences(paragraph: Any, place: str) -> Iterator[Sentence]:
    """The sentences of a paragraph; a question is answered by the one in which its answer begins."""
    context = paragraph["context"]
    starts = {str(q["id"]): int(q["answers"][0]["answer_start"]) for q in paragraph["qas"]}
    for number, (begin, end) in enumerate(paragraph["sentence_breaks"], start=1):
        answered = tuple(name for name, start in starts.items() if begin <= start < end)
        yield Sentence(text=f"{context[begin:end]} {context}", questions=answered, place=f"{place}/{number}")


def _examples(language: str, read: dict[str, Reading], pool: list[Sentence]) -> Examples:
    import numpy as np

    shared = set.intersection(*(set(reading.questions) for reading in read.values()))
    asked = {name: text for name, text in read[language].questions.items() if name in shared}
    lost = len(read[language].questions) - len(asked)
    notes = [reading.note for reading in read.values() if reading.note]
    notes += [f"{lost} questions of {language} dropped that another language lacks"] if lost else []
    if not asked:
        raise ValueError(f"the files of {FOLDER} share no question; get all {len(LANGUAGES)} from one revision")
    ids, first = tuple(asked), _first_answers(pool)
    return Examples(
        language=language,
        subset="clean",
        ids=ids,
        texts=tuple(asked.values()),
        candidates=tuple(sentence.text for sentence in pool),
        labels=np.array([first[name] for name in ids], dtype=np.int64),
        label_names=tuple(" ".join(s.questions) or s.place for s in pool),
        base_ids=ids,
        groups=tuple(pool[first[name]].place.rpartition("/")[0] for name in ids),
        source=SOURCE,
        licence=LICENCE,
        note="; ".join(notes),
    )


def _first_answers(pool: list[Sentence]) -> dict[str, int]:
    """Question to the place of the first sentence that answers it."""
    first: dict[str, int] = {}
    for index, sentence in enumerate(pool):
        for name in sentence.questions:
            first.setdefault(name, index)
    return first


LAREQA = Task(
    name=NAME,
    kind="retrieval",
    labels=(),
    languages=LANGUAGES,
    metric="map_at_20",
    licence=LICENCE,
    source=SOURCE,
    parallel=True,
    splits=(SPLIT,),
    benchmarks=("XTREME-R",),
    trained_on="squad",
    xtreme_folder=NAME,
    load=load,
    parallel_text=join_questions,
)
"""XTREME-R trains by contrast on SQuAD's questions and answer sentences; a model that was tuned otherwise, such as for
SQuAD's spans as here by default, has not learnt to bring the two together."""
