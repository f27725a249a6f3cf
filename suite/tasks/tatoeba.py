"""The tasks `tatoeba` and `tatoeba-into-english`: which sentence of the other language says the same?

Tatoeba's test sets, Artetxe and Schwenk 2019: up to 1,000 sentences of a language with their English translations.
These differ from language to language, so that scores of two languages do not compare. XTREME has 36, XTREME-R 41.
Nothing is trained for it: XTREME takes the checkpoint as it is, XTREME-R one that was tuned on SQuAD, at layer 7 of
mBERT and 13 of XLM-R large. Here it is SQuAD, or what a study names in `task.train_on`, and the last layer.
"""

from __future__ import annotations

import dataclasses

from suite.tasks.bitext import ENGLISH, OWN, BitextSource, bitext_task
from suite.tasks.source import UNPINNED, HubSource, Part, XtremeFiles

CODES = {
    **{"af": "afr", "ar": "ara", "az": "aze", "bg": "bul", "bn": "ben", "de": "deu", "el": "ell", "es": "spa"},
    **{"et": "est", "eu": "eus", "fa": "pes", "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin", "hu": "hun"},
    **{"id": "ind", "it": "ita", "ja": "jpn", "jv": "jav", "ka": "kat", "kk": "kaz", "ko": "kor", "lt": "lit"},
    **{"ml": "mal", "mr": "mar", "nl": "nld", "pl": "pol", "pt": "por", "ro": "ron", "ru": "rus", "sw": "swh"},
    **{"ta": "tam", "te": "tel", "th": "tha", "tl": "tgl", "tr": "tur", "uk": "ukr", "ur": "urd", "vi": "vie"},
    "zh": "cmn",
}
FEWER = {"jv": 205, "ka": 746, "kk": 575, "ml": 687, "sw": 390, "ta": 307, "te": 234, "th": 548}
"""Rows where there are fewer than 1,000."""

_SOURCE = BitextSource(
    rows=HubSource(
        name="tatoeba",
        repository="google/xtreme",
        revision=UNPINNED,
        # The hub has the 36 of XTREME; az, lt, pl, ro and uk, which XTREME-R adds, come from a mirror or from XTREME.
        configurations={language: f"tatoeba.{code}" for language, code in CODES.items()},
        labels=(),
        licence="CC-BY-2.0-FR",
        text=ENGLISH,
        pair=OWN,
        label=OWN,
        splits={"test": Part(split="validation")},
        xtreme=XtremeFiles(
            folder="tatoeba",
            labels=(),
            published={"validation": {language: FEWER.get(language, 1000) for language in CODES}},
            files={"validation": "{language}-en.{language}"},
        ),
    ),
    renamed=("tatoeba.{code}-eng.{code}", "tatoeba.{code}-eng.eng"),
)

TATOEBA = bitext_task(_SOURCE, trained_on="squad", benchmarks=("XTREME", "XTREME-R"))
"""Every English sentence looks among those of the language: XTREME's script indexes these and searches with English."""

TATOEBA_INTO_ENGLISH = bitext_task(
    dataclasses.replace(
        _SOURCE,
        rows=dataclasses.replace(
            _SOURCE.rows,
            name="tatoeba-into-english",
            text=OWN,
            pair=ENGLISH,
            label=ENGLISH,
        ),
    ),
    trained_on="squad",
    variant_of="tatoeba",
)
"""The other direction, which most later papers report: every sentence of the language looks among the English ones."""
