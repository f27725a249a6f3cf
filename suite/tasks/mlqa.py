"""The task `mlqa`: which words of a paragraph answer the question, both in one language? MLQA, Lewis et al. 2020.

Questions were translated by people from English and share their ids, on average in four languages; the paragraphs are
of each language's own Wikipedia. Scored by MLQA's own rules. Read from google/xtreme, as facebook/mlqa may still be a
loading script.
"""

from __future__ import annotations

from suite.tasks.answers import MLQA as BY_MLQA
from suite.tasks.question_rows import QuestionSource, SquadRepository
from suite.tasks.questions import question_task
from suite.tasks.source import UNPINNED, Part, XtremeFiles

MLQA = question_task(
    QuestionSource(
        rows=SquadRepository(
            name="mlqa",
            repository="google/xtreme",
            revision=UNPINNED,
            configurations={code: f"MLQA.{code}.{code}" for code in ("en", "ar", "de", "es", "hi", "vi", "zh")},
            labels=(BY_MLQA,),
            licence="CC-BY-SA-3.0",
            splits={split: Part(split=split) for split in ("validation", "test")},
            xtreme=XtremeFiles(
                folder="mlqa",
                labels=(BY_MLQA,),
                published={
                    "validation": {"en": 1148, "ar": 517, "de": 512, "es": 500},
                    "test": {
                        **{"en": 11_590, "ar": 5335, "de": 4517, "es": 5253, "hi": 4918, "vi": 5495, "zh": 5137},
                    },
                },
                files={
                    "validation": "MLQA_V1/dev/dev-context-{language}-question-{language}.json",
                    "test": "MLQA_V1/test/test-context-{language}-question-{language}.json",
                },
            ),
        )
    ),
    parallel=True,
    trained_on="squad",
    benchmarks=("XTREME", "XTREME-R", "XGLUE"),
)
