"""Items under attack: what of their texts may change, and the greedy step from one text to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from suite.attacks.candidates import Lexicon, Site, find_sites, real_words
from suite.tasks import Examples

Change = tuple[int, str]
"""Place of a word among those that may be replaced, and what stands there instead; nothing tells what it is worth."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """Clean items of one language, and which of their words may be replaced by what."""

    examples: Examples
    sites: tuple[tuple[Site, ...], ...]
    """Of every item's text; of a pair's second text, as in TextFooler, and the first stays."""

    def victims(self) -> list[Victim]:
        """Every item with its words in place, as if the model were certain of the right label."""
        firsts = (None,) * len(self.examples) if self.examples.pairs is None else self.examples.texts
        rows = zip(firsts, attacked_texts(self.examples), self.sites, self.examples.labels.tolist(), strict=True)
        return [_victim(first, text, sites, label) for first, text, sites, label in rows]


def find_targets(
    blocks: Iterable[Examples], lexicons: Mapping[str, Sequence[Lexicon]], seed: int
) -> tuple[Target, ...]:
    """Blocks of clean items as targets.

    Args:
        blocks: One for each language.
        lexicons: Language to lexicons, those tried first before the others; a language may have none.
        seed: Of the typing errors.
    """
    found = []
    for block in blocks:
        texts, own = attacked_texts(block), lexicons.get(block.language, ())
        real = real_words((*block.texts, *texts))
        sites = tuple(find_sites(text, block.language, own, seed, real) for text in texts)
        found.append(Target(examples=block, sites=sites))
    return tuple(found)


def attacked_texts(examples: Examples) -> Sequence[str]:
    """The texts that are attacked: of pairs the second ones."""
    return examples.texts if examples.pairs is None else examples.pairs


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says to a text with one word changed."""

    place: int
    word: str
    predicted: int
    gold: float
    """Probability of the right label."""


@dataclass(slots=True, kw_only=True)
class Victim:
    """One item under attack: its text as it is now, and what the model says to it."""

    first: str | None
    """First text of a pair."""
    gaps: tuple[str, ...]
    """What stands before, between and after the words that may be replaced."""
    words: list[str]
    options: tuple[tuple[str, ...], ...]
    label: int
    predicted: int
    gold: float
    """Probability of the right label."""
    order: list[int]
    """Words still to be tried."""
    changed: int = 0
    queries: int = 0
    unread: int = 0
    """Texts that could not be asked."""

    def text(self, place: int = -1, word: str = "") -> str:
        """The text, with another word at a place; by default as it is."""
        words = [word if i == place else own for i, own in enumerate(self.words)]
        return self.gaps[0] + "".join(part for pair in zip(words, self.gaps[1:], strict=True) for part in pair)

    def changes(self) -> list[Change]:
        """Every word left out, and replaced by each of its options."""
        return [(place, word) for place, options in enumerate(self.options) for word in ("", *options)]

    def is_open(self, budget: int) -> bool:
        """Whether the attack goes on: the label stands, there are words to try, and queries are left."""
        return self.predicted == self.label and bool(self.order) and self.queries < budget

    def omissions(self) -> list[Change]:
        """Every word left out, to rank them; nothing where one word leaves nothing to rank."""
        return [(place, "") for place in self.order] if len(self.order) > 1 else []

    def rank(self, answers: Sequence[Answer]) -> None:
        """Put first the words without which the right label is least likely; of equal ones the earlier."""
        without = {answer.place: answer.gold for answer in answers}
        self.order.sort(key=lambda place: without.get(place, self.gold))
        self.queries += len(answers)

    def replacements(self) -> list[Change]:
        """The next word replaced by each of its options."""
        return [(self.order[0], word) for word in self.options[self.order[0]]]

    def step(self, answers: Sequence[Answer]) -> None:
        """Take the first replacement that changes the label, else the one that lowers its probability most, if any."""
        flip = next((n for n, answer in enumerate(answers) if answer.predicted != self.label), None)
        self.queries += len(answers) if flip is None else flip + 1
        self.order.pop(0)
        best = min(answers, key=lambda answer: answer.gold, default=None) if flip is None else answers[flip]
        if best is not None and (flip is not None or best.gold < self.gold):
            self.words[best.place] = best.word
            self.predicted, self.gold, self.changed = best.predicted, best.gold, self.changed + 1


def _victim(first: str | None, text: str, sites: Sequence[Site], label: int) -> Victim:
    cuts = [0, *(cut for site in sites for cut in (site.start, site.stop)), len(text)]
    parts = [text[start:stop] for start, stop in pairwise(cuts)]
    return Victim(
        first=first,
        gaps=tuple(parts[::2]),
        words=parts[1::2],
        options=tuple(site.options for site in sites),
        label=label,
        predicted=label,
        gold=1.0,
        order=list(range(len(sites))),
    )
