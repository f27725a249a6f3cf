"""The adversarial subsets: what each does to which task. An entry is a function and a line in `SUBSETS`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from suite.tasks import home_intents
from suite.tasks.checklist_subset import CHECKLIST
from suite.tasks.code_mixing import CODE_MIXED
from suite.tasks.deriving import FEWEST, derive
from suite.tasks.examples import Examples, hash_order
from suite.tasks.generalised import GENERALISED, GENERALISED_ALL
from suite.tasks.hypothesis_only import HYPOTHESIS_ONLY
from suite.tasks.lexicon import DONOR, donors
from suite.tasks.noise import RATE, add_noise
from suite.tasks.qa_subsets import QA_SUBSETS
from suite.tasks.retrieval_subsets import SAME_LANGUAGE_DISTRACTORS, noisy_choices, noisy_sentences
from suite.tasks.sentences import Sentence, alternatives, noun, render, said, with_fillers
from suite.tasks.slices import SLICES
from suite.tasks.stress import STRESS
from suite.tasks.tagged_subsets import UNSEEN_ENTITIES, noisy_words
from suite.tasks.terms import replace_terms
from suite.tasks.types import Subset, Task
from suite.tasks.words import load_wording

UNMIXED = frozenset({"weather", "timer_command"})
"""Slots that code-mixing leaves alone: cities have no language of their own, commands are no nouns."""

Rewrite = Callable[[str, Sentence, random.Random], str | None]
"""(language, sentence, generator) -> another text with the same label, or none."""


def _char_noise(task: Task, language: str, hub_root: Path | None, clean: Examples, seed: int) -> Examples | None:
    if clean.words is not None:
        return noisy_words(clean, seed)
    if clean.choices is not None:
        return noisy_choices(clean, seed)
    if clean.candidates:
        return noisy_sentences(task, clean, seed)
    texts = [add_noise(text, f"{seed} {i}") for i, text in zip(clean.ids, clean.texts, strict=True)]
    if clean.pairs is None or clean.answers is not None:  # answers stand in their contexts letter by letter
        return derive(clean, "char-noise", dict(enumerate(texts)))
    pairs = [add_noise(pair, f"{seed} {i} pair") for i, pair in zip(clean.ids, clean.pairs, strict=True)]
    return derive(clean, "char-noise", dict(enumerate(texts)), pairs)


def _code_mixed(task: Task, language: str, hub_root: Path | None, clean: Examples, seed: int) -> Examples | None:
    if task.name == home_intents.NAME:
        return _rewritten(clean, "code-mixed", _mix_filler, seed)
    texts = _mix_terms(clean, clean.texts, seed)
    pairs = None if clean.pairs is None else _mix_terms(clean, clean.pairs, seed)
    return derive(clean, "code-mixed", dict(enumerate(texts)), pairs)


def _filler_swap(task: Task, language: str, hub_root: Path | None, clean: Examples, seed: int) -> Examples | None:
    return _rewritten(clean, "filler-swap", _swap_filler, seed) if task.name == home_intents.NAME else None


def _polarity(task: Task, language: str, hub_root: Path | None, clean: Examples, seed: int) -> Examples | None:
    return _generated(task, language, "polarity-pairs")


def _unseen(task: Task, language: str, hub_root: Path | None, clean: Examples, seed: int) -> Examples | None:
    return _generated(task, language, "unseen-templates")


def _generated(task: Task, language: str, part: str) -> Examples | None:
    if task.name != home_intents.NAME:
        return None
    found = home_intents.items(language, part)
    return home_intents.to_examples(language, part, found) if len(found) >= FEWEST else None


def _rewritten(clean: Examples, subset: str, rewrite: Rewrite, seed: int) -> Examples | None:
    """Clean items of home-intents said again with another filler."""
    changed: dict[int, str] = {}
    for row, name in enumerate(clean.ids):
        item = home_intents.find_item(clean.language, name)
        text = rewrite(clean.language, item.sentence, random.Random(f"{seed} {subset} {name}"))
        if text is not None:
            changed[row] = text
    return derive(clean, subset, changed)


def _swap_filler(language: str, sentence: Sentence, rng: random.Random) -> str | None:
    """The same command about another room, device or thing: one filler replaced, the label unchanged."""
    wording = load_wording(language)
    swaps = [(i, other) for i, choice in enumerate(sentence.choices) for other in alternatives(wording, choice)]
    rng.shuffle(swaps)
    for i, other in swaps:
        choices = (*sentence.choices[:i], other, *sentence.choices[i + 1 :])
        text = render(wording, sentence.frame, choices)
        if text is not None and text != sentence.text:
            return text
    return None


def _mix_filler(language: str, sentence: Sentence, rng: random.Random) -> str | None:
    """The same command with the noun of one filler in another language."""
    wording = load_wording(language)
    donor = DONOR if language != DONOR else rng.choice(donors(DONOR))
    words = [said(wording, choice) for choice in sentence.choices]
    places = [i for i, c in enumerate(sentence.choices) if not c.is_number and c.slot not in UNMIXED]
    rng.shuffle(places)
    for i in places:
        choice = sentence.choices[i]
        foreign = noun(donor, choice.slot, choice.value)
        before, mark, own = words[i].partition("~")
        if foreign and foreign.casefold() != (own if mark else before).casefold():
            return with_fillers(sentence.frame, [*words[:i], (before if mark else "") + foreign, *words[i + 1 :]])
    return None


def _mix_terms(clean: Examples, texts: Sequence[str], seed: int) -> list[str]:
    """Running texts with every country, day and month that `suite.tasks.terms` finds in another language.

    Both texts of a pair take the same language, so what they share they go on sharing.
    """
    mixed: list[str] = []
    for name, text in zip(clean.ids, texts, strict=True):
        donor = min(donors(clean.language), key=lambda d: hash_order(seed, f"{name} {d}"))
        mixed.append(replace_terms(text, clean.language, donor))
    return mixed


_GRAMMAR = (home_intents.NAME,)
_ENTRIES = (
    Subset(
        name="polarity-pairs",
        description="Minimal pairs of opposite commands, a word or two apart, both members present (group = pair).",
        provenance="native",
        defined_for=_GRAMMAR,
        same_items=False,
        build=_polarity,
    ),
    Subset(
        name="unseen-templates",
        description="Commands that fill a set of slots which no training sentence of that intent fills.",
        provenance="slice",
        defined_for=_GRAMMAR,
        same_items=False,
        build=_unseen,
    ),
    Subset(
        name="char-noise",
        description=f"Typing errors in {RATE:.0%} of the letters inside words (of both texts of a pair): swap, delete, "
        "insert, neighbouring key.",
        provenance="published perturbation",
        defined_for=("classification", "multiple choice", "question answering", "retrieval", "token classification"),
        same_items=True,
        build=_char_noise,
    ),
    Subset(
        name="code-mixed",
        description="One noun (commands) or the countries, days and months (running text, both of a pair) in another "
        "language.",
        provenance="synthetic",
        defined_for=("classification",),
        same_items=True,
        build=_code_mixed,
    ),
    Subset(
        name="filler-swap",
        description="The same command about another room, device or thing; the label must not change.",
        provenance="synthetic",
        defined_for=_GRAMMAR,
        same_items=True,
        build=_filler_swap,
    ),
    *CODE_MIXED,
    *SLICES,
    HYPOTHESIS_ONLY,
    *STRESS,
    *QA_SUBSETS,
    CHECKLIST,
    UNSEEN_ENTITIES,
    SAME_LANGUAGE_DISTRACTORS,
    GENERALISED,
    GENERALISED_ALL,
)

SUBSETS: dict[str, Subset] = {entry.name: entry for entry in _ENTRIES}
"""Every adversarial subset by name."""
