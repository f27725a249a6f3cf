"""The tasks `xnli` and `xnli-dev`: does the premise entail the hypothesis? XNLI, Conneau et al. 2018, 15 languages.

Validation and test were translated by people from English, row by row; the training set is MultiNLI (392,702 pairs).
Three consecutive rows share a premise, one of each label.
"""

from __future__ import annotations

import dataclasses

from suite.tasks.hub import hub_task
from suite.tasks.source import UNPINNED, HubSource, Part, XtremeFiles

SOURCE = HubSource(
    name="xnli",
    repository="facebook/xnli",
    revision=UNPINNED,
    configurations={
        code: code
        for code in ("en", "ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
    },
    labels=("entailment", "neutral", "contradiction"),  # the hub's order; XTREME's scripts number them otherwise
    licence="CC-BY-NC-4.0",
    text="premise",
    pair="hypothesis",
    xtreme=XtremeFiles(
        folder="xnli",
        labels=("entailment", "neutral", "contradiction"),
        published={"train": 392_702, "validation": 2490, "test": 5010},
    ),
)

XNLI = hub_task(SOURCE, parallel=True, benchmarks=("XTREME", "XTREME-R", "XGLUE"))

XNLI_DEV = hub_task(
    dataclasses.replace(
        SOURCE,
        name="xnli-dev",
        splits={
            "train": Part(split="validation", high=0.8),
            "validation": Part(split="validation", low=0.8),
            "test": Part(split="test"),
        },
    ),
    parallel=True,
    variant_of="xnli",
)
"""For places without the training set: four fifths of the English validation split train, the premises of the rest
select, and the test split reports. Its scores are lower than those of `xnli` and not comparable with published ones."""
