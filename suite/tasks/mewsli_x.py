"""The task `mewsli-x`, which cannot be loaded: which of a million entities does this mention in the news mean?

Botha et al. 2020; Ruder et al. 2021. The entry names the benchmark's tenth task and says why it is not here.
"""

from __future__ import annotations

from pathlib import Path

from suite.tasks.cldr import cldr_pairs
from suite.tasks.examples import Examples
from suite.tasks.types import Task

NAME = "mewsli-x"


def load(language: str, split: str, hub_root: Path | None) -> Examples:
    """Nothing.

    Raises:
        ValueError: always; one line says what is missing.
    """
    raise ValueError(
        f"task {NAME!r} cannot be loaded: its mentions are places in WikiNews pages that get-mewsli-x.sh extracts from "
        "dumps, and its 1,003,893 candidates are in no hub repository whose columns could be verified; "
        "leave it out, and compare no average of XTREME-R with published ones"
    )


MEWSLI_X = Task(
    name=NAME,
    kind="retrieval",
    labels=(),
    languages=("en", "ar", "de", "es", "fa", "ja", "pl", "ro", "ta", "tr", "uk"),
    metric="map_at_20",
    licence="other (WikiNews CC-BY-2.5, Wikipedia CC-BY-SA-3.0)",
    source="google-research/google-research (GitHub dense_representations_for_entity_retrieval/mel, unpinned)",
    parallel=False,
    splits=("validation", "test"),
    benchmarks=("XTREME-R",),
    trained_on="squad",
    load=load,
    parallel_text=cldr_pairs,
)
