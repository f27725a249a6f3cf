"""The task `sib200`: what is the text about? SIB-200, Adelani et al. 2024, sentences of FLORES-200 with 7 topics."""

from __future__ import annotations

from suite.tasks.hub import hub_task
from suite.tasks.source import UNPINNED, HubSource

SIB200 = hub_task(
    HubSource(
        name="sib200",
        repository="Davlan/sib200",
        revision=UNPINNED,
        configurations={
            "en": "eng_Latn",
            "ar": "arb_Arab",
            "bg": "bul_Cyrl",
            "cs": "ces_Latn",
            "de": "deu_Latn",
            "el": "ell_Grek",
            "es": "spa_Latn",
            "eu": "eus_Latn",
            "fi": "fin_Latn",
            "fr": "fra_Latn",
            "hi": "hin_Deva",
            "hu": "hun_Latn",
            "ja": "jpn_Jpan",
            "ko": "kor_Hang",
            "ml": "mal_Mlym",
            "pl": "pol_Latn",
            "qu": "quy_Latn",
            "ru": "rus_Cyrl",
            "sw": "swh_Latn",
            "th": "tha_Thai",
            "tr": "tur_Latn",
            "vi": "vie_Latn",
            "yo": "yor_Latn",
            "zh": "zho_Hans",
        },
        labels=(
            "entertainment",
            "geography",
            "health",
            "politics",
            "science/technology",
            "sports",
            "travel",
        ),
        licence="CC-BY-SA-4.0",
        label="category",
        id="index_id",
    ),
    parallel=True,
)
