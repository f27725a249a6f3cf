"""The task `tydiqa-goldp`: which words of a passage answer the question? TyDiQA, Clark et al. 2020, gold passages.

Questions were asked in each language and are no translations. XTREME reports on the development set, so that set
selects nothing here: a tenth of the English training passages does, held out by a hash of the passage. So 3,330 of the
3,696 English questions train and 366 select.
"""

from __future__ import annotations

import dataclasses

from suite.tasks.answers import SQUAD
from suite.tasks.cldr import cldr_parallel_text
from suite.tasks.question_rows import QuestionSource, SquadRepository
from suite.tasks.questions import question_task
from suite.tasks.source import UNPINNED, XtremeFiles, held_out

NAMES = {
    "en": "english",
    "ar": "arabic",
    "bn": "bengali",
    "fi": "finnish",
    "id": "indonesian",
    "ko": "korean",
    "ru": "russian",
    "sw": "swahili",
    "te": "telugu",
}
"""What the ids of a language begin with."""
TRAINED = 0.9
"""Share of the training passages that trains."""

SOURCE = SquadRepository(
    name="tydiqa-goldp",
    repository="google/xtreme",
    revision=UNPINNED,
    configurations=dict.fromkeys(NAMES, "tydiqa"),
    labels=(SQUAD,),
    licence="Apache-2.0",
    splits=held_out(TRAINED),
    xtreme=XtremeFiles(
        folder="tydiqa",
        labels=(SQUAD,),
        published={
            "train": {"en": 3696},
            "validation": {
                **{"en": 440, "ar": 921, "bn": 113, "fi": 782, "id": 565, "ko": 276, "ru": 812, "sw": 499, "te": 669},
            },
        },
        files={
            "train": "tydiqa-goldp-v1.1-train/tydiqa.goldp.{language}.train.json",
            "validation": "tydiqa-goldp-v1.1-dev/tydiqa.goldp.{language}.dev.json",
        },
    ),
)

TYDIQA = question_task(
    QuestionSource(
        rows=SOURCE,
        prefixes={code: f"{name}-" for code, name in NAMES.items()},
        mirrored=dataclasses.replace(
            SOURCE, repository="local/tydiqa_goldp", configurations={code: code for code in NAMES}
        ),
        unnamed=("train",),
        renamed={  # XTREME's own training script asks for these names, which its preprocessing does not write
            "train": "tydiqa-goldp-v1.1-train/tydiqa.{language}.train.json",
            "validation": "tydiqa-goldp-v1.1-dev/tydiqa.{language}.dev.json",
        },
    ),
    parallel_text=cldr_parallel_text,
    benchmarks=("XTREME", "XTREME-R"),
)
