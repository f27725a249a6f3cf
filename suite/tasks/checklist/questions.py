"""Plans of the question answering items: in every group each question is asked of both answers' places."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from suite.tasks.checklist.items import Cast, Group, Plan, Turn, plans, said, with_casts
from suite.tasks.checklist.topics import (
    ANIMALS,
    ANTONYMS,
    CATEGORIES,
    COPIES,
    DEEDS,
    EVENTS,
    JOBS,
    NATIONS,
    STATES,
    THINGS,
    VEHICLES,
)

NUMBERS = (("8", "6"), ("9", "5"), ("7", "6"), ("9", "8"), ("7", "5"), ("8", "5"))
"""More and fewer, by group; five and above, where languages with several plurals have one."""


def question_plans() -> Iterator[Plan]:
    """All plans, in order: 312 items of nine capabilities."""
    return plans(
        {
            "comparison": _comparison(),
            "intensity": _intensity(),
            "negation": _negation(),
            "order": _order(),
            "number": _number(),
            "roles": _roles(),
            "category": _category(),
            "profession": _profession(),
            "vocabulary": _vocabulary(),
        }
    )


def _comparison() -> Iterator[Group]:
    """From "A is older than B": who is older, who is younger?"""
    for ((more, less), copy), who in with_casts(product(ANTONYMS, COPIES)):
        turns: list[Turn] = []
        for told in (more, less):
            context = [said("compare", a=who.a, x=told, b=who.b)]
            turns += [
                (context, said("ask_compare", x=asked), who.a if asked == told else who.b) for asked in (more, less)
            ]
        yield f"{more}-{copy}", who, turns


def _intensity() -> Iterator[Group]:
    """From "A is very tired. B is a little tired": who is more, who is less tired?"""
    for (state, copy), who in with_casts(product(STATES, COPIES)):
        turns: list[Turn] = []
        for frames in (("state_very", "state_slightly"), ("state_slightly", "state_very")):
            context = [said(frame, a=name, x=state) for frame, name in zip(frames, (who.a, who.b), strict=True)]
            very, slightly = (who.a, who.b) if frames[0] == "state_very" else (who.b, who.a)
            turns += [(context, said("ask_state_more", x=state), very)]
            turns += [(context, said("ask_state_less", x=state), slightly)]
        yield f"{state}-{copy}", who, turns


def _negation() -> Iterator[Group]:
    """From "A is tired. B is not tired": who is tired, who is not?"""
    for (state, copy), who in with_casts(product(STATES, COPIES)):
        is_so, is_not = said("state", a=who.a, x=state), said("state_not", a=who.b, x=state)
        turns: list[Turn] = []
        for context in ([is_so, is_not], [is_not, is_so]):
            turns += [(context, said("ask_state", x=state), who.a), (context, said("ask_state_not", x=state), who.b)]
        yield f"{state}-{copy}", who, turns


def _order() -> Iterator[Group]:
    """From "A arrived before B": who arrived first, who last?"""
    for (event, copy), who in with_casts(product(EVENTS, COPIES)):
        turns: list[Turn] = []
        for frame, first, last in (("before", who.a, who.b), ("after", who.b, who.a)):
            context = [said(frame, a=who.a, x=event, b=who.b)]
            turns += [(context, said("ask_before", x=event), first), (context, said("ask_after", x=event), last)]
        yield f"{event}-{copy}", who, turns


def _number() -> Iterator[Group]:
    """From "A is buying 8 books. B is buying 6 books": who buys more, who fewer; how many does A buy, how many B?"""
    told = zip(NUMBERS, product(THINGS, COPIES), strict=True)
    for ((many, few), (thing, copy)), who in with_casts(told):
        turns: list[Turn] = []
        for a, b in ((many, few), (few, many)):
            context = [said("count", a=name, n=n, x=thing) for name, n in ((who.a, a), (who.b, b))]
            more, fewer = (who.a, who.b) if a == many else (who.b, who.a)
            turns += [(context, said("ask_count_more", x=thing), more)]
            turns += [(context, said("ask_count_fewer", x=thing), fewer)]
            turns += [(context, said("ask_count", a=name, x=thing), n) for name, n in ((who.a, a), (who.b, b))]
        yield f"{thing}-{copy}", who, turns


def _roles() -> Iterator[Group]:
    """From "A has invited B. B has invited C": who has invited B, whom has B invited?"""
    for (deed, copy), who in with_casts(product(DEEDS, COPIES)):
        done = [said("did", a=who.a, x=deed, b=who.b), said("did", a=who.b, x=deed, b=who.c)]
        turns: list[Turn] = []
        for context in (done, done[::-1]):
            turns += [(context, said("ask_who", b=who.b, x=deed), who.a)]
            turns += [(context, said("ask_whom", a=who.b, x=deed), who.c)]
        yield f"{deed}-{copy}", who, turns


def _category() -> Iterator[Group]:
    """From "A is buying a horse. B is buying a car": who is buying an animal, who a vehicle?"""
    for ((animal, vehicle), copy), who in with_casts(product(zip(ANIMALS, VEHICLES, strict=True), COPIES)):
        turns: list[Turn] = []
        for x, y in ((animal, vehicle), (vehicle, animal)):
            context = [said("buys", a=who.a, x=x), said("buys", a=who.b, x=y)]
            owner = {x: who.a, y: who.b}
            turns += [(context, said("ask_buys", x="animal"), owner[animal])]
            turns += [(context, said("ask_buys", x="vehicle"), owner[vehicle])]
        yield f"{animal}-{vehicle}-{copy}", who, turns


def _profession() -> Iterator[Group]:
    """From "A is a doctor. A is Chinese": what is A's profession, what is A's nationality?"""
    for ((i, job), copy), who in with_casts(product(enumerate(JOBS), COPIES)):
        nation = NATIONS[(i + copy) % len(NATIONS)]
        facts = [said("job", a=who.a, x=job), said("nation", a=who.a, x=nation)]
        turns: list[Turn] = []
        for context in (facts, facts[::-1]):
            turns += [(context, said("ask_job", a=who.a), job), (context, said("ask_nation", a=who.a), nation)]
        yield f"{job}-{nation}-{copy}", who, turns


def _vocabulary() -> Iterator[Group]:
    """From "A has written two words: red, apple": which is the name of a colour, which of a fruit?"""
    kinds = tuple(CATEGORIES)
    for ((i, kind), copy), who in with_casts(product(enumerate(kinds), COPIES)):
        other = kinds[(i + 1) % len(kinds)]
        word, second = CATEGORIES[kind][copy - 1], CATEGORIES[other][copy]
        yield f"{kind}-{other}-{copy}", who, _named(who, (kind, word), (other, second))


def _named(who: Cast, one: tuple[str, str], other: tuple[str, str]) -> list[Turn]:
    turns: list[Turn] = []
    for x, y in ((one, other), (other, one)):
        context = [said("wrote", a=who.a, x=x[1], y=y[1])]
        turns += [(context, said("ask_word", x=kind), word) for kind, word in (one, other)]
    return turns
