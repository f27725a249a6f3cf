"""Finished sentences: a carrier phrase whose slots are filled with words that fit, numbers that read well and units."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from suite.tasks.grammar import PLACEHOLDER, Grammar, Template, expand
from suite.tasks.words import PLAIN, Wording, load_wording

if TYPE_CHECKING:
    from random import Random

DATA_SEED = 20261027
"""Seeds every draw that defines the data set; part of its identity, never of a study."""
OPTIONAL = 0.3
"""Probability that an optional part of a template is said: few optional parts read most naturally."""

UNIT = "unit"
"""The form of a duration that is written with its unit in the plural its number asks for, by CLDR."""
INFLECTED_NUMBER = "number"
"""The word list of numbers that carry a case ending, as in Basque `30era`."""

NUMBERS: dict[str, tuple[int, ...]] = {
    "hours": (3, 4),
    "minutes": (3, 5, 10, 12, 15),
    "seconds": (10, 15, 20, 25),
    "start_hours": (6, 8),
    "start_minutes": (20, 30, 40, 45),
    "start_seconds": (30, 40, 45),
    "temperature": (16, 17, 18, 19, 20, 25),
    "color_temperature": (2700, 4000, 6500),
    "percentage": (20, 30, 40, 60, 70, 80),
}
"""Values by kind of number. What a timer was set to exceeds what is added or taken away; 1 and 2 are left out, as their
singular and dual forms are not what the templates decline."""

_KIND = {"brightness": "percentage", "position": "percentage", "volume_level": "percentage"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What filled one slot."""

    slot: str
    """Key of the language's words, such as `area`, or the name of a number."""
    form: str
    value: int
    """Position in the list of fillers, or the number itself."""

    @property
    def is_number(self) -> bool:
        """Whether the slot holds a number."""
        return self.slot in NUMBERS or self.slot == INFLECTED_NUMBER


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One utterance with all that is needed to say it again with other fillers."""

    language: str
    intent: str
    signature: str
    template: str
    frame: str
    """The carrier phrase, slots open."""
    choices: tuple[Choice, ...]
    """One per slot, in the order of the carrier phrase."""
    text: str

    @property
    def key(self) -> str:
        """A stable id: the intent, and a digest of language and text."""
        return f"{self.intent}-{hashlib.sha256(f'{self.language}|{self.text}'.encode()).hexdigest()[:12]}"


def draw_one(grammar: Grammar, template: Template, rng: Random) -> Sentence | None:
    """One sentence of a template; none where a slot has no filler or the language rejects the result."""
    wording = load_wording(grammar.language)
    frame = expand(grammar, template.expression, OPTIONAL, rng)
    choices = choose(wording, template, frame, rng)
    text = render(wording, frame, choices) if choices is not None else None
    if choices is None or text is None:
        return None
    return Sentence(
        language=grammar.language,
        intent=template.intent,
        signature=template.signature,
        template=template.name,
        frame=frame,
        choices=choices,
        text=text,
    )


def choose(wording: Wording, template: Template, frame: str, rng: Random) -> tuple[Choice, ...] | None:
    """Draw a filler for every slot of a carrier phrase; none where the language has no words for one."""
    choices = []
    for slot in PLACEHOLDER.findall(frame):
        options = _options(wording.language, template.domains, slot)
        if not options:
            return None
        choices.append(rng.choice(options))
    return tuple(choices)


def render(wording: Wording, frame: str, choices: Sequence[Choice]) -> str | None:
    """The carrier phrase with its slots filled; none where the language rejects the result."""
    text = with_fillers(frame, [said(wording, choice) for choice in choices])
    # The patterns are written for the phrase as the grammar has it, before its first letter was raised.
    if wording.reject is not None and wording.reject.search(text[0].lower() + text[1:]):
        return None
    return text


def with_fillers(frame: str, fillers: Sequence[str]) -> str:
    """The carrier phrase with these words in its slots, in order; marks removed and the first letter raised."""
    rest = iter(fillers)
    text = PLACEHOLDER.sub(lambda _: next(rest), frame).replace("~", "")
    return text[0].upper() + text[1:]


def said(wording: Wording, choice: Choice) -> str:
    """A filler as it stands in the sentence, its noun marked by `~`."""
    if choice.slot not in NUMBERS:
        return wording.fillers(choice.slot, choice.form)[choice.value]
    if choice.form == UNIT:
        return _with_unit(wording.language, choice.slot.removeprefix("start_"), choice.value)
    return str(choice.value)


def alternatives(wording: Wording, choice: Choice) -> list[Choice]:
    """The other fillers of the same slot in the same form; empty for a number."""
    if choice.is_number:
        return []
    count = len(wording.fillers(choice.slot, choice.form))
    return [Choice(slot=choice.slot, form=choice.form, value=i) for i in range(count) if i != choice.value]


def noun(language: str, slot: str, index: int) -> str | None:
    """The bare noun that a language has at a position of a slot's list, in the first of its forms."""
    forms = load_wording(language).words.get(slot)
    if forms is None:
        return None
    words = forms[PLAIN] if PLAIN in forms else next(iter(forms.values()))
    return words[index].partition("~")[2] or words[index]


@cache
def _options(language: str, domains: tuple[str, ...], slot: str) -> list[Choice]:
    wording = load_wording(language)
    name, _, number = slot.partition(":")
    key, _, form = name.partition(".")
    form = form or PLAIN
    keys = domains if key == "name" else (key,)
    worded = [(k, len(wording.fillers(k, form))) for k in keys]
    if any(count for _, count in worded):
        return [Choice(slot=k, form=form, value=i) for k, count in worded for i in range(count)]
    kind = key if key in NUMBERS else _KIND.get(number, number)
    if kind not in NUMBERS or not _is_number_slot(key):
        return []
    return [Choice(slot=kind, form=form, value=value) for value in NUMBERS[kind]]


def _is_number_slot(key: str) -> bool:
    """Number slots by name: word lists such as `timer_half` fill the same slots and are left out."""
    plain = {"timer_hours", "timer_minutes", "timer_seconds", "temperature", "color_temperature"}
    return key in plain or key in {"brightness", "position", "volume", "volume_level", "volume_percentage"}


@cache
def _with_unit(language: str, unit: str, number: int) -> str:
    from babel.units import format_unit

    return str(format_unit(number, f"duration-{unit.removesuffix('s')}", length="long", locale=language))
