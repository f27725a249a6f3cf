"""The task `bucc-pairs`: which English sentence translates this one? The gold pairs of BUCC 2018 (Zweigenbaum et al.).

XTREME mines these pairs out of 70,000 to 460,000 sentences a side and scores the F1 of a threshold. The hub's copy has
the pairs alone, so they are looked for among each other here: another measure, and no score of XTREME's task.
"""

from __future__ import annotations

from suite.tasks.bitext import ENGLISH, OWN, BitextSource, bitext_task
from suite.tasks.source import UNPINNED, HubSource, Part

BUCC_PAIRS = bitext_task(
    BitextSource(
        rows=HubSource(
            name="bucc-pairs",
            repository="google/xtreme",
            revision=UNPINNED,
            configurations={language: f"bucc18.{language}" for language in ("de", "fr", "ru", "zh")},
            labels=(),
            licence="other (for research; distributed by the BUCC shared task)",
            text=OWN,
            pair=ENGLISH,
            label=ENGLISH,
            splits={"test": Part(split="test")},
            droppable=("empty text",),  # some rows of the hub's copy are empty
        )
    ),
    trained_on="squad",
)
