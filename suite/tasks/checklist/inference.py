"""Plans of the inference items: triads of an entailment, a contradiction and a neutral pair.

Members of a triad share their premise or their hypothesis, or differ in one word or in the order of names; across
triads the hypotheses of one wording bear several labels, so that a hypothesis alone says little.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from suite.tasks.checklist.items import Group, Plan, Said, Turn, plans, said, with_casts
from suite.tasks.checklist.topics import ANIMALS, ANTONYMS, COPIES, DEEDS, EVENTS, STATES, THINGS, VEHICLES

YES, MAYBE, NO = "entailment", "neutral", "contradiction"
DEGREES = ("", "_very", "_slightly", "_not")


def inference_plans() -> Iterator[Plan]:
    """All plans, in order: 408 items of nine capabilities, a third of each label."""
    return plans(
        {
            "comparison": _comparison(),
            "transitivity": _transitivity(),
            "intensity": _intensity(),
            "negation": _negation(),
            "conjunction": _conjunction(),
            "order": _order(),
            "number": _number(),
            "roles": _roles(),
            "category": _category(),
        }
    )


def _comparison() -> Iterator[Group]:
    """From "A is older than B": B is younger (yes), A is younger or B is older (no), A is taller (maybe)."""
    for ((i, told, opposite), copy), who in with_casts(product(_directions(), COPIES)):
        other = ANTONYMS[(i + 1) % len(ANTONYMS)][copy - 1]
        premise = [_compare(who.a, told, who.b)]
        denial = _compare(who.a, opposite, who.b) if copy == 1 else _compare(who.b, told, who.a)
        turns: list[Turn] = [
            (premise, _compare(who.b, opposite, who.a), YES),
            (premise, denial, NO),
            (premise, _compare(who.a, other, who.b), MAYBE),
        ]
        yield f"{told}-{copy}", who, turns


def _transitivity() -> Iterator[Group]:
    """From "A is older than B. B is older than C": A is older than C; not so if it is C who is older than B."""
    for (_, told, _), who in with_casts(_directions()):
        chain = [_compare(who.a, told, who.b), _compare(who.b, told, who.c)]
        fork = [_compare(who.a, told, who.b), _compare(who.c, told, who.b)]
        turns: list[Turn] = [
            (chain, _compare(who.a, told, who.c), YES),
            (chain, _compare(who.c, told, who.a), NO),
            (fork, _compare(who.a, told, who.c), MAYBE),
        ]
        yield told, who, turns


def _directions() -> Iterator[tuple[int, str, str]]:
    """Place of the antonyms, the one told, its opposite."""
    for i, (more, less) in enumerate(ANTONYMS):
        yield i, more, less
        yield i, less, more


def _compare(a: str, x: str, b: str) -> Said:
    return said("compare", a=a, x=x, b=b)


def _intensity() -> Iterator[Group]:
    """Very tired and a little tired are tired; not tired is not very tired; tired may be very tired."""
    for (state, copy), who in with_casts(product(STATES, COPIES)):
        plain, very, slightly, no = (said(f"state{degree}", a=who.a, x=state) for degree in DEGREES)
        turns: list[Turn] = [
            ([very], plain, YES),
            ([very], no, NO),
            ([plain], very, MAYBE),
            ([slightly], plain, YES),
            ([no], very, NO),
            ([said("state_very", a=who.b, x=state)], plain, MAYBE),
        ]
        yield f"{state}-{copy}", who, turns


def _negation() -> Iterator[Group]:
    """From "A is tired. B is not tired": what holds of A, of B, and of C, of whom nothing is said."""
    for (state, copy), who in with_casts(product(STATES, COPIES)):
        is_so = {name: said("state", a=name, x=state) for name in (who.a, who.b, who.c)}
        is_not = {name: said("state_not", a=name, x=state) for name in (who.a, who.b, who.c)}
        premise = [is_so[who.a], is_not[who.b]]
        premise = premise if copy == 1 else premise[::-1]
        turns: list[Turn] = [
            (premise, is_so[who.a], YES),
            (premise, is_so[who.b], NO),
            (premise, is_so[who.c], MAYBE),
            (premise, is_not[who.b], YES),
            (premise, is_not[who.a], NO),
            (premise, is_not[who.c], MAYBE),
        ]
        yield f"{state}-{copy}", who, turns


def _conjunction() -> Iterator[Group]:
    """A horse and a car; a horse or a car; neither: whether it is a horse, and whether a car."""
    for ((x, y), copy), who in with_casts(product(zip(ANIMALS, VEHICLES, strict=True), COPIES)):
        for thing in (x, y):
            turns: list[Turn] = [
                ([said(frame, a=who.a, x=x, y=y)], said("buys", a=who.a, x=thing), label)
                for frame, label in (("buys_both", YES), ("buys_neither", NO), ("buys_either", MAYBE))
            ]
            yield f"{x}-{y}-{thing}-{copy}", who, turns


def _order() -> Iterator[Group]:
    """From "A arrived before B": B after A (yes), A after B or B before A (no), A left before B (maybe)."""
    frames = (("before", "after"), ("after", "before"))
    for ((i, event), (told, opposite), copy), who in with_casts(product(enumerate(EVENTS), frames, COPIES)):
        other = EVENTS[(i + copy) % len(EVENTS)]
        premise = [said(told, a=who.a, x=event, b=who.b)]
        one, two = (who.a, who.b) if copy == 1 else (who.b, who.a)
        turns: list[Turn] = [
            (premise, said(opposite, a=who.b, x=event, b=who.a), YES),
            (premise, said(opposite if copy == 1 else told, a=one, x=event, b=two), NO),
            (premise, said(told, a=who.a, x=other, b=who.b), MAYBE),
        ]
        yield f"{event}-{told}-{copy}", who, turns


def _number() -> Iterator[Group]:
    """At least seven books: from eight (yes), from six (no), from at least six (maybe); at most likewise."""
    bounds = (("count_least", "8", "6", "6"), ("count_most", "6", "8", "8"))
    for (thing, (frame, inside, outside, looser), copy), who in with_casts(product(THINGS, bounds, COPIES)):
        hypothesis = said(frame, a=who.a, n="7", x=thing)
        turns: list[Turn] = [
            ([said("count", a=who.a, n=inside, x=thing)], hypothesis, YES),
            ([said("count", a=who.a, n=outside, x=thing)], hypothesis, NO),
            ([said(frame, a=who.a, n=looser, x=thing)], hypothesis, MAYBE),
        ]
        yield f"{thing}-{frame.removeprefix('count_')}-{copy}", who, turns


def _roles() -> Iterator[Group]:
    """From "A has invited B": somebody has invited B (yes), nobody has (no), somebody has invited A (maybe)."""
    for (deed, copy), who in with_casts(product(DEEDS, COPIES)):
        did, did_not = (said(frame, a=who.b, x=deed, b=who.a) for frame in ("did", "did_not"))
        some, none = ({n: said(f, x=deed, b=n) for n in (who.a, who.b)} for f in ("somebody", "nobody"))
        done, undone = [said("did", a=who.a, x=deed, b=who.b)], [none[who.a]]
        turns: list[Turn] = [
            (done, some[who.b], YES),
            (done, none[who.b], NO),
            (done, some[who.a], MAYBE),
            (undone, did_not, YES),
            (undone, did, NO),
            (undone, none[who.b], MAYBE),
            ([did], some[who.a], YES),
            ([did_not], did, NO),
            (done, did, MAYBE),
        ]
        yield f"{deed}-{copy}", who, turns


def _category() -> Iterator[Group]:
    """A horse is an animal, an animal may be a horse; negated, it is the other way round."""
    kinds = [(thing, kind) for kind, things in (("animal", ANIMALS), ("vehicle", VEHICLES)) for thing in things]
    for (thing, kind), who in with_casts(kinds):
        one, some = (said("buys", a=who.a, x=x) for x in (thing, kind))
        not_one, none = (said("buys_not", a=who.a, x=x) for x in (thing, kind))
        turns: list[Turn] = [
            ([one], some, YES),
            ([none], one, NO),
            ([some], one, MAYBE),
            ([none], not_one, YES),
            ([one], none, NO),
            ([not_one], none, MAYBE),
        ]
        yield thing, who, turns
