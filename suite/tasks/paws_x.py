"""The tasks `paws-x` and `paws-x-dev`: do two sentences of the same words mean the same? PAWS-X, Yang et al. 2019.

Validation and test were translated by people from English; rows without a translation say `NS` (once `WL`) and carry
label 0, whatever the label in English, so they are dropped, language by language, and counted.
"""

from __future__ import annotations

import dataclasses

from suite.tasks.hub import hub_task
from suite.tasks.source import UNPINNED, HubSource, Part, XtremeFiles

SOURCE = HubSource(
    name="paws-x",
    repository="google-research-datasets/paws-x",
    revision=UNPINNED,
    configurations={code: code for code in ("en", "de", "es", "fr", "ja", "ko", "zh")},
    labels=("different", "paraphrase"),
    licence="other (free for any purpose, with acknowledgement of Google LLC as the data source)",
    text="sentence1",
    pair="sentence2",
    id="id",
    placeholders=("NS", "WL"),
    droppable=("placeholder", "empty text"),  # machine-translated training sets have blank lines
    xtreme=XtremeFiles(
        folder="pawsx", labels=("0", "1"), published={"train": 49_401, "validation": 2000, "test": 2000}
    ),
)

PAWS_X = hub_task(SOURCE, parallel=True, benchmarks=("XTREME", "XGLUE"))

PAWS_X_DEV = hub_task(
    dataclasses.replace(
        SOURCE,
        name="paws-x-dev",
        splits={
            "train": Part(split="validation", high=0.6),
            "validation": Part(split="validation", low=0.6, high=0.7),
            "test": Part(split="validation", low=0.7),
        },
    ),
    parallel=True,
    variant_of="paws-x",
)
"""For places with the validation split alone: it is cut in three, so that no English sentence lies on two sides. About
1,200 pairs train, where the benchmark has 49,401: near chance is what to expect of small encoders."""
