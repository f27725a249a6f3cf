"""Generalised cross-lingual transfer: both texts of a pair in different languages, joined by the ids they share.

Lewis et al. 2020 (G-XLT, for questions); Huang et al. 2021 for XNLI and PAWS-X. An item keeps its label, as its
translations have the same: it is defined for pairs of texts in tasks whose languages are translations of one another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from suite.tasks.deriving import FEWEST
from suite.tasks.examples import Examples, derived_id, hash_order
from suite.tasks.types import Subset, Task

PAIR_TASKS = ("xnli", "xnli-dev", "paws-x", "paws-x-dev")

Join = tuple[int, str]
"""Row of a clean item and the language that its second text is taken from."""


def join_one(task: Task, clean: Examples, languages: Mapping[str, Examples], seed: int) -> Examples | None:
    """Every item with its second text in one other language.

    Items in the order of a hash, label by label, take the others in turn, starting from the next in the study's order:
    so languages come equally often with every label, and where all languages have the same items, every language is
    the second of an item exactly once, as it is in the clean items.
    """
    others = _others(clean.language, languages)
    known = _second_texts(others, languages)
    rows = sorted(range(len(clean)), key=lambda i: (int(clean.labels[i]), hash_order(seed, clean.ids[i]), clean.ids[i]))
    joins: list[Join] = []
    for turn, row in enumerate(rows):
        in_turn = (others[(turn + k) % len(others)] for k in range(len(others)))
        partner = next((language for language in in_turn if clean.ids[row] in known[language]), None)
        joins += [] if partner is None else [(row, partner)]
    return _joined(task, clean, known, "generalised", sorted(joins))


def join_all(task: Task, clean: Examples, languages: Mapping[str, Examples], seed: int) -> Examples | None:
    """Every item with its second text in every other language."""
    others = _others(clean.language, languages)
    known = _second_texts(others, languages)
    joins = ((row, language) for row, name in enumerate(clean.ids) for language in others if name in known[language])
    return _joined(task, clean, known, "generalised-all", joins)


def _others(language: str, languages: Mapping[str, Examples]) -> list[str]:
    """The other languages of the study, from the one after this on."""
    order = list(languages)
    at = order.index(language)
    return order[at + 1 :] + order[:at]


def _second_texts(others: Iterable[str], languages: Mapping[str, Examples]) -> dict[str, dict[str, str]]:
    """Language to id to second text."""
    return {code: dict(zip(languages[code].ids, languages[code].pairs or (), strict=False)) for code in others}


def _joined(
    task: Task, clean: Examples, known: Mapping[str, Mapping[str, str]], subset: str, joins: Iterable[Join]
) -> Examples | None:
    """The clean items at some rows, each with the second text of its translation."""
    chosen = list(joins) if task.parallel and clean.pairs is not None else []
    if len(chosen) < FEWEST:
        return None
    rows = [row for row, _ in chosen]
    return dataclasses.replace(
        clean,
        subset=subset,
        ids=tuple(derived_id(clean.ids[row], f"{subset}-{language}") for row, language in chosen),
        texts=tuple(clean.texts[row] for row in rows),
        pairs=tuple(known[language][clean.ids[row]] for row, language in chosen),
        labels=clean.labels[rows],
        base_ids=tuple(clean.ids[row] for row in rows),
        groups=tuple(clean.groups[row] for row in rows),
        pair_languages=tuple(language for _, language in chosen),
    )


GENERALISED = Subset(
    name="generalised",
    description="Pairs in two languages: the second text of every item is its translation into one other language of "
    "the study, each language in turn.",
    provenance="published perturbation",
    defined_for=PAIR_TASKS,
    same_items=True,
    build_across=join_one,
)
GENERALISED_ALL = Subset(
    name="generalised-all",
    description="Pairs in two languages: every item once with its second text in each other language of the study.",
    provenance="published perturbation",
    defined_for=PAIR_TASKS,
    same_items=True,
    build_across=join_all,
)
