"""The task `siqa`: what does a person want, do or feel? Social IQa, Sap et al. 2019, English, three answers each.

XTREME-R trains on it before COPA. Its test labels are hidden, so it is a source of training only (`task.train_on`).
"""

from __future__ import annotations

from suite.tasks.choices import ChoiceSource, choice_task
from suite.tasks.cldr import cldr_parallel_text
from suite.tasks.source import UNPINNED, HubSource, Part, XtremeFiles

NAME = "socialIQa_v1.4"

SIQA = choice_task(
    ChoiceSource(
        rows=HubSource(
            name="siqa",
            repository="lighteval/siqa",
            revision=UNPINNED,
            configurations={"en": "default"},
            labels=("1", "2", "3"),
            licence="other (none is stated; distributed by the authors for research)",
            text="context",
            pair="question",
            splits={split: Part(split=split) for split in ("train", "validation")},
            xtreme=XtremeFiles(
                folder="siqa",
                labels=("A", "B", "C"),
                published={"train": 33_410, "validation": 1954},
                files={"train": f"{NAME}_trn.jsonl", "validation": f"{NAME}_dev.jsonl"},
            ),
        ),
        choices=("answerA", "answerB", "answerC"),
        keys={"label": "correct"},
        renamed={"train": f"{NAME}/{NAME}_trn.jsonl", "validation": f"{NAME}/{NAME}_dev.jsonl"},
    ),
    parallel_text=cldr_parallel_text,
)
