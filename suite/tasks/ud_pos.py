"""The tasks `ud-pos` and `ud-pos-2.5`: the part of speech of every word, in the treebanks of Universal Dependencies.

English trains: all its treebanks pooled, 21,253 sentences of UD 2.5. Test splits have 47 (Marathi) to 22,458 sentences
(German). The share of words that are right comes first; `entity_f1` is the number that XTREME publishes, which depends
on seqeval's version (`suite.tasks.entities`). Reported by a user of XTREME: XLM-R large 74.2 F1 where accuracy is 78.2.
"""

from __future__ import annotations

from suite.tasks.source import UNPINNED, HubSource, XtremeFiles
from suite.tasks.tagging import tagged_task

LABELS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ"),
    *("SYM", "VERB", "X"),
)
LICENCE = "by treebank (UD): CC-BY-SA-4.0 to CC-BY-NC-SA-4.0 and others"

TESTED = {
    **{"en": 5440, "af": 425, "ar": 1680, "de": 22_458, "el": 2809, "fr": 9465, "he": 491, "hi": 2684, "mr": 47},
    **{"nl": 1471, "tl": 55, "vi": 800},
}
"""Sentences of test splits in UD 2.5, which XTREME's directory has, as google/xtreme states them; those of other
languages could not be looked up."""

UD_POS = tagged_task(
    HubSource(
        name="ud-pos",
        repository="izhx/xtreme-r-udpos",
        revision=UNPINNED,
        configurations={
            code: code
            for code in (
                *("en", "af", "ar", "bg", "de", "el", "es", "et", "eu", "fa", "fi", "fr", "he", "hi", "hu", "id", "it"),
                *("ja", "kk", "ko", "lt", "mr", "nl", "pl", "pt", "ro", "ru", "ta", "te", "th", "tl", "tr", "uk", "ur"),
                *("vi", "wo", "yo", "zh"),
            )
        },
        labels=LABELS,
        licence=LICENCE,
        text="tokens",  # these two columns as the scripts of its author (izhx/nlu-evals) take them; not seen here
        label="pos_tags",
        xtreme=XtremeFiles(
            folder="udpos",
            labels=LABELS,
            published={"train": {"en": 21_253}, "validation": {"en": 3974}, "test": TESTED},
        ),
    ),
    metric="token_accuracy",
    benchmarks=("XTREME", "XTREME-R"),
)
"""UD 2.7 in all 38 languages of XTREME-R, as the paper says and XTREME's download script has it now."""

UD_POS_2_5 = tagged_task(
    HubSource(
        name="ud-pos-2.5",
        repository="google/xtreme",
        revision=UNPINNED,
        configurations={
            code: f"udpos.{name}"
            for code, name in {
                **{"en": "English", "af": "Afrikaans", "ar": "Arabic", "bg": "Bulgarian", "de": "German"},
                **{"el": "Greek", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian"},
                **{"fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian"},
                **{"id": "Indonesian", "it": "Italian", "ja": "Japanese", "kk": "Kazakh", "ko": "Korean"},
                **{"mr": "Marathi", "nl": "Dutch", "pt": "Portuguese", "ru": "Russian", "ta": "Tamil"},
                **{"te": "Telugu", "th": "Thai", "tl": "Tagalog", "tr": "Turkish", "ur": "Urdu"},
                **{"vi": "Vietnamese", "yo": "Yoruba", "zh": "Chinese"},
            }.items()
        },
        labels=LABELS,
        licence=LICENCE,
        text="tokens",
        label="pos_tags",
    ),
    metric="token_accuracy",
)
"""UD 2.5 in the 33 languages of XTREME: the release that its published figures are of. A task of its own, and of no
average, as XTREME-R's has the same name for UD 2.7."""
