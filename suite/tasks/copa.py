"""The tasks `copa` and `xcopa`: which of two events is the cause, or the effect, of a third?

COPA, Roemmele et al. 2011, as SuperGLUE has it: 400 training and 100 validation items; the labels of its test items are
hidden. XCOPA, Ponti et al. 2020, translates the validation and test items into 11 languages and labels the latter.
The question is put in English in every language, as XTREME-R does: "What was the cause?", "What was the effect?".
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from suite.tasks.choices import ChoiceSource, choice_task, join_premises, load_premises
from suite.tasks.cldr import cldr_parallel_text
from suite.tasks.examples import Examples, ParallelText
from suite.tasks.source import UNPINNED, HubSource, Part, XtremeFiles, held_out

ENGLISH = "en"
ASKED = {"cause": "What was the cause?", "effect": "What was the effect?"}
CHOICES = ("choice1", "choice2")
FILES = {"train": "train.{language}.jsonl", "validation": "val.{language}.jsonl", "test": "test.{language}.jsonl"}
"""As XTREME's download script calls them; its own reader looks for `RENAMED`."""
RENAMED = {split: name.replace(".", "-", 1) for split, name in FILES.items()}

COPA_SOURCE = ChoiceSource(
    rows=HubSource(
        name="copa",
        repository="aps/super_glue",
        revision=UNPINNED,
        configurations={ENGLISH: "copa"},
        labels=CHOICES,
        licence="BSD-2-Clause",
        text="premise",
        pair="question",
        id="idx",
        splits=held_out(0.8),
        xtreme=XtremeFiles(
            folder="xcopa", labels=("0", "1"), published={"train": 400, "validation": 100, "test": 500}, files=FILES
        ),
    ),
    choices=CHOICES,
    asked=ASKED,
    renamed=RENAMED,
)

COPA = choice_task(COPA_SOURCE, parallel_text=cldr_parallel_text)
"""The source of `xcopa`. A fifth of its 400 training items selects, so that its 100 labelled validation items are free
to report English; published results train on all 400 and select on those 100."""

XCOPA_SOURCE = ChoiceSource(
    rows=HubSource(
        name="xcopa",
        repository="cambridgeltl/xcopa",
        revision=UNPINNED,
        configurations={code: code for code in ("et", "ht", "id", "it", "qu", "sw", "ta", "th", "tr", "vi", "zh")},
        labels=CHOICES,
        licence="CC-BY-4.0",
        text="premise",
        pair="question",
        id="idx",
        splits={split: Part(split=split) for split in ("validation", "test")},
        xtreme=XtremeFiles(folder="xcopa", labels=("0", "1"), published={"validation": 100, "test": 500}, files=FILES),
    ),
    choices=CHOICES,
    asked=ASKED,
    renamed=RENAMED,
)


def _premises_of(ours: str, theirs: str, hub_root: Path | None) -> ParallelText:
    """Premises of all validation and test items, English ones too: of those only the labels are hidden."""
    both: list[dict[str, str]] = [{}, {}]
    for known, language in zip(both, (ours, theirs), strict=True):
        source = COPA_SOURCE if language == ENGLISH else XCOPA_SOURCE
        for split in ("validation", "test"):
            known |= load_premises(source, language, split, hub_root)
    return join_premises(XCOPA_SOURCE.rows.name, XCOPA_SOURCE.rows.licence, *both)


_TRANSLATED = choice_task(
    XCOPA_SOURCE,
    parallel_text=_premises_of,
    parallel=True,
    trained_on=COPA_SOURCE.rows.name,
    benchmarks=("XTREME-R",),
)


def _load(language: str, split: str, hub_root: Path | None) -> Examples:
    """The items of a language; English stands in with COPA's validation items for both splits.

    On the validation split they are the items that the others translate; on the test split they are other items, whose
    ids no other language has.
    """
    if language == ENGLISH and split in _TRANSLATED.splits:
        return COPA.load(ENGLISH, "test", hub_root)
    return _TRANSLATED.load(language, split, hub_root)


XCOPA = dataclasses.replace(
    _TRANSLATED,
    languages=(ENGLISH, *_TRANSLATED.languages),
    sources=(*_TRANSLATED.sources, COPA_SOURCE.rows),
    load=_load,
)
"""English is COPA's 100 labelled items: neither a translation of the 500 test items, nor in XTREME-R's average."""
