"""Checklist items: the plan of an item, which no language enters, and the item that a language makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import TypeVar

from suite.law import law
from suite.tasks.checklist.wording import MARK, Wording

T = TypeVar("T")

LABELS = ("entailment", "neutral", "contradiction")

CAPABILITIES = {
    "comparison": "Comparatives and their antonyms: who is older is not younger.",
    "transitivity": "Two comparisons that make a third, or do not.",
    "intensity": "Degrees: very, a little, more, less.",
    "negation": "Of two persons one is in a state and the other is not.",
    "conjunction": "And, or, and neither ... nor between two things.",
    "order": "Before and after, first and last.",
    "number": "Numbers compared and counted; at least and at most.",
    "roles": "Who did it and to whom it was done, with somebody and nobody.",
    "category": "A kind of thing and what belongs to it (animals, vehicles), negated or not.",
    "profession": "A person's profession against a person's nationality.",
    "vocabulary": "What a word is the name of: colour, fruit, metal, month, part of the body, clothing.",
}
"""Capability to what it asks for. No question is about transitivity or conjunction, no inference about the last two."""

MEN = ("marko", "bruno", "diego", "pedro", "paolo", "dario")
WOMEN = ("clara", "paula", "diana", "greta", "bianca", "tania")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistItem:
    """A context with its question and answer, or a premise with its hypothesis and label."""

    id: str
    """The same in every language: items are translations of one another."""
    capability: str
    language: str
    first: str
    """Context or premise."""
    second: str
    """Question or hypothesis."""
    answer: str = ""
    start: int = -1
    """Where the answer begins in `first`, in characters; -1 for inference."""
    label: str = ""

    def __post_init__(self) -> None:
        law(self.capability in CAPABILITIES, f"capability is one of {', '.join(CAPABILITIES)}, got {self.capability!r}")
        law(bool(self.answer) != bool(self.label), f"an item has either an answer or a label, got {self}")
        law(not self.label or self.label in LABELS, f"label is one of {', '.join(LABELS)}, got {self.label!r}")
        found = self.start >= 0 and self.first.startswith(self.answer, self.start)
        law(found if self.answer else self.start == -1, f"the answer is found at start, got {self}")

    @property
    def group(self) -> str:
        """Items of a group form minimal pairs; an id is its group and a letter."""
        return self.id[:-1]


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence to be: its frame, and the key of the word in every slot."""

    frame: str
    slots: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Three persons of one gender, by the keys of their names."""

    a: str
    b: str
    c: str
    women: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An item before any language."""

    id: str
    capability: str
    women: bool
    first: tuple[Said, ...]
    second: Said
    answer: str = ""
    """Key of a word of `first`."""
    label: str = ""


Turn = tuple[Sequence[Said], Said, str]
"""Context, question and the key of the answer; or premise, hypothesis and label."""
Group = tuple[str, Cast, Sequence[Turn]]
"""What parts a group from others of its capability, its persons, and what is said of them."""


def said(frame: str, **slots: str) -> Said:
    """A sentence to be, as a call: `said("compare", a="marko", x="older", b="bruno")`."""
    return Said(frame, slots)


def with_casts(topics: Iterable[T]) -> Iterator[tuple[T, Cast]]:
    """The topics of a capability, each with its persons: men and women by turns, names and their order rotated."""
    for k, topic in enumerate(topics):
        names = WOMEN if k % 2 else MEN
        start, step = k // 2, 1 if k // 12 % 2 == 0 else -1
        a, b, c = (names[(start + i * step) % len(names)] for i in range(3))
        yield topic, Cast(a=a, b=b, c=c, women=bool(k % 2))


def plans(capabilities: Mapping[str, Iterable[Group]]) -> Iterator[Plan]:
    """The plans of some capabilities, group by group, in order."""
    for capability, groups in capabilities.items():
        for topic, who, turns in groups:
            yield from _lettered(capability, f"{capability}-{topic}", who, turns)


def _lettered(capability: str, name: str, who: Cast, turns: Sequence[Turn]) -> Iterator[Plan]:
    """The plans of one group; a turn's last part is a label where it is one of `LABELS`."""
    for letter, (first, second, outcome) in zip(ascii_lowercase, turns, strict=False):
        labelled = outcome in LABELS
        yield Plan(
            id=f"{name}{letter}",
            capability=capability,
            women=who.women,
            first=tuple(first),
            second=second,
            answer="" if labelled else outcome,
            label=outcome if labelled else "",
        )


def render(plan: Plan, wording: Wording) -> ChecklistItem:
    """What a language makes of a plan; ValueError names what its file lacks."""
    sentences = (wording.say(s.frame, s.slots, women=plan.women, answer=plan.answer) for s in plan.first)
    before, *rest = wording.between.join(sentences).split(MARK)
    law(len(rest) == (2 if plan.answer else 0), f"{wording.language}: {plan.id}: a context says its answer once")
    return ChecklistItem(
        id=plan.id,
        capability=plan.capability,
        language=wording.language,
        first="".join([before, *rest]),
        second=wording.say(plan.second.frame, plan.second.slots, women=plan.women),
        answer=rest[0] if plan.answer else "",
        start=len(before) if plan.answer else -1,
        label=plan.label,
    )
