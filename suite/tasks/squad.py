"""The tasks `squad` and `xquad`: which words of a paragraph answer the question? SQuAD 1.1, Rajpurkar et al. 2016.

XQuAD (Artetxe et al. 2020) is 1,190 questions of SQuAD's development set, with their ids, translated by people. So that
set reports and selects nothing: a model is selected on a thirtieth of the training paragraphs, held out by a hash of
the paragraph (XTREME trains on all and takes the last checkpoint).
"""

from __future__ import annotations

from suite.tasks.answers import SQUAD as BY_SQUAD
from suite.tasks.cldr import cldr_parallel_text
from suite.tasks.question_rows import QuestionSource, SquadRepository
from suite.tasks.questions import question_task
from suite.tasks.source import UNPINNED, Part, XtremeFiles, held_out

TRAINED = 29 / 30
"""Share of the training paragraphs that trains: some 84,700 of 87,599 questions."""

SQUAD = question_task(
    QuestionSource(
        rows=SquadRepository(
            name="squad",
            repository="rajpurkar/squad",
            revision=UNPINNED,
            configurations={"en": "plain_text"},
            labels=(BY_SQUAD,),
            licence="CC-BY-SA-4.0",
            splits=held_out(TRAINED),
            xtreme=XtremeFiles(
                folder="squad",
                labels=(BY_SQUAD,),
                published={"train": 87_599, "validation": 10_570},
                files={"train": "train-v1.1.json", "validation": "dev-v1.1.json"},
            ),
        )
    ),
    parallel_text=cldr_parallel_text,
)

XQUAD = question_task(
    QuestionSource(
        rows=SquadRepository(
            name="xquad",
            repository="google/xquad",
            revision=UNPINNED,
            configurations={
                code: f"xquad.{code}"
                for code in ("en", "ar", "de", "el", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh")
            },
            labels=(BY_SQUAD,),
            licence="CC-BY-SA-4.0",
            splits={"test": Part(split="validation")},
            xtreme=XtremeFiles(
                folder="xquad",
                labels=(BY_SQUAD,),
                published={"validation": 1190},
                files={"validation": "xquad.{language}.json"},
            ),
        )
    ),
    parallel=True,
    trained_on="squad",
    benchmarks=("XTREME", "XTREME-R"),
)
