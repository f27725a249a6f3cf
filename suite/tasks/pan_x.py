"""The tasks `pan-x` and `pan-x-dev`: names of people, organisations and places in Wikipedia's sentences, 48 languages.

PAN-X is XTREME's name for WikiANN (Pan et al. 2017), tagged from Wikipedia's links, in the balanced splits of Rahimi et
al. 2019. English trains on 20,000 sentences; test splits have 10,000, 1,000 or (gu jv my pa qu yo) 100.
"""

from __future__ import annotations

import dataclasses

from suite.tasks.source import UNPINNED, HubSource, Part, XtremeFiles
from suite.tasks.tagging import tagged_task

LABELS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
SUBSETS = ("char-noise", "unseen-entities")

FEWER = {
    **dict.fromkeys(("af", "az", "bn", "hi", "kk", "ml", "mr", "ms", "sw", "ta", "te", "tl", "ur"), 1000),
    **dict.fromkeys(("gu", "jv", "my", "pa", "qu", "yo"), 100),
}
"""Sentences of a validation or test split where there are fewer than 10,000."""

_XTREME = (
    *("en", "af", "ar", "bg", "bn", "de", "el", "es", "et", "eu", "fa", "fi", "fr", "he", "hi", "hu", "id"),
    *("it", "ja", "jv", "ka", "kk", "ko", "ml", "mr", "ms", "my", "nl", "pt", "ru", "sw", "ta", "te", "th"),
    *("tl", "tr", "ur", "vi", "yo", "zh"),
)
_ADDED = ("az", "gu", "lt", "pa", "pl", "qu", "ro", "uk")
_SIZES = {code: FEWER.get(code, 10_000) for code in (*_XTREME, *_ADDED)}

SOURCE = HubSource(
    name="pan-x",
    repository="google/xtreme",
    revision=UNPINNED,
    configurations={code: f"PAN-X.{code}" for code in _XTREME},
    labels=LABELS,
    licence="ODC-By-1.0",
    text="tokens",
    label="ner_tags",
    xtreme=XtremeFiles(
        folder="panx", labels=LABELS, published={"train": {"en": 20_000}, "validation": _SIZES, "test": _SIZES}
    ),
)
WIKIANN = dataclasses.replace(
    SOURCE,
    repository="unimelb-nlp/wikiann",
    configurations={code: code for code in _ADDED},
)
"""The same splits of all WikiANN: the languages that XTREME-R added are not in XTREME's repository."""

PAN_X = tagged_task(SOURCE, WIKIANN, metric="entity_f1", benchmarks=("XTREME", "XTREME-R"))

_DEV = {
    "train": Part(split="train"),
    "validation": Part(split="validation", low=0.8),
    "test": Part(split="validation", high=0.8),
}
PAN_X_DEV = tagged_task(
    dataclasses.replace(SOURCE, name="pan-x-dev", splits=_DEV),
    dataclasses.replace(WIKIANN, name="pan-x-dev", splits=_DEV),
    metric="entity_f1",
    variant_of="pan-x",
)
"""For places without the test splits: the whole English training set trains, a fifth of the English validation split
selects, and the rest of the validation split reports. Near the scores of `pan-x`, and not comparable with published
ones."""
