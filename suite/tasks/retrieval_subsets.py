"""Adversarial subsets of retrieval and of multiple choice, which change other parts of an item than its one text."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from suite.tasks.deriving import FEWEST, choose, derive
from suite.tasks.examples import Examples
from suite.tasks.noise import add_noise
from suite.tasks.types import Subset, Task

DISTRACTORS = "same-language-distractors"
NOISE = "char-noise"
OWN_AMONG_CANDIDATES = frozenset({"tatoeba"})
"""Tasks whose queries are English in every language."""


def same_language_distractors(
    task: Task, clean: Examples, languages: Mapping[str, Examples], seed: int
) -> Examples | None:
    """Every query, with all other queries of its language among the candidates.

    Where an encoder tells languages before it tells meanings, they crowd out the translation (Roy et al. 2020, strong
    alignment). A query never meets itself: `suite.kinds.retrieval` passes over a candidate with its own text.
    """
    kept = choose(clean, DISTRACTORS, range(len(clean)))
    if kept is None or not clean.candidates:
        return None
    whole, known = languages[clean.language], {*clean.candidates}
    added = {text: name for name, text in zip(whole.ids, whole.texts, strict=True) if text not in known}
    if len(added) < FEWEST:
        return None
    return dataclasses.replace(
        kept,
        candidates=(*clean.candidates, *added),
        label_names=(*clean.label_names, *(f"query:{name}" for name in added.values())),
    )


def noisy_sentences(task: Task, clean: Examples, seed: int) -> Examples | None:
    """Typing errors on the side of the language that is reported: in every query, or in every candidate.

    English sentences look among those of the language in `OWN_AMONG_CANDIDATES`; queries stay there, and a candidate
    gets its errors by its text, whatever it answers.
    """
    if task.name not in OWN_AMONG_CANDIDATES:
        texts = [add_noise(text, f"{seed} {name}") for name, text in zip(clean.ids, clean.texts, strict=True)]
        return derive(clean, NOISE, dict(enumerate(texts)))
    noisy = tuple(add_noise(text, f"{seed} {text}") for text in clean.candidates)
    kept = choose(
        clean, NOISE, [row for row, label in enumerate(clean.labels) if noisy[label] != clean.candidates[label]]
    )
    return None if kept is None else dataclasses.replace(kept, candidates=noisy)


def noisy_choices(clean: Examples, seed: int) -> Examples | None:
    """Every item of multiple choice with typing errors in the premise and in each choice; the question stays."""
    if clean.choices is None:
        return None
    texts = [add_noise(text, f"{seed} {name}") for name, text in zip(clean.ids, clean.texts, strict=True)]
    choices = [
        tuple(add_noise(choice, f"{seed} {name} choice {k}") for k, choice in enumerate(own))
        for name, own in zip(clean.ids, clean.choices, strict=True)
    ]
    rows = [i for i in range(len(clean)) if (texts[i], choices[i]) != (clean.texts[i], clean.choices[i])]
    kept = choose(clean, NOISE, rows)
    if kept is None:
        return None
    return dataclasses.replace(kept, texts=tuple(texts[i] for i in rows), choices=tuple(choices[i] for i in rows))


SAME_LANGUAGE_DISTRACTORS = Subset(
    name=DISTRACTORS,
    description="Every query with all other queries of its own language among the candidates.",
    provenance="published perturbation",
    defined_for=("tatoeba", "tatoeba-into-english", "bucc-pairs"),
    same_items=True,
    build_across=same_language_distractors,
)
"""LAReQA has sentences of all languages among its candidates as it is."""
