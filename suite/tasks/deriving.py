"""Examples made from clean ones, changed or chosen, under ids that name their origin."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from suite.tasks.examples import Examples, derived_id

FEWEST = 10
"""Items below which a subset says nothing; it is then undefined."""


def derive(
    clean: Examples, subset: str, changed: Mapping[int, str], changed_pairs: Sequence[str] | None = None
) -> Examples | None:
    """The clean rows of which a text was changed; none where they are fewer than `FEWEST`.

    Args:
        clean: The rows.
        subset: Its name.
        changed: New texts by row.
        changed_pairs: New second texts of every row, where texts are pairs.
    """
    before = clean.pairs or clean.texts
    after = changed_pairs or before
    rows = [i for i, text in sorted(changed.items()) if (text, after[i]) != (clean.texts[i], before[i])]
    kept = choose(clean, subset, rows)
    if kept is None:
        return None
    return dataclasses.replace(
        kept,
        texts=tuple(changed[i] for i in rows),
        pairs=None if kept.pairs is None else tuple(after[i] for i in rows),
    )


def choose(clean: Examples, subset: str, rows: Sequence[int]) -> Examples | None:
    """Some clean rows as they are; none where they are fewer than `FEWEST`."""
    if len(rows) < FEWEST:
        return None
    kept = clean.rows(rows)
    ids = tuple(derived_id(base, subset) for base in kept.ids)
    return dataclasses.replace(kept, subset=subset, ids=ids, base_ids=kept.ids)
