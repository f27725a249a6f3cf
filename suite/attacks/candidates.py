"""Which words of a text an attack may replace, and by what: entries of lexicons, then typing errors.

A lexicon holds synonyms or translations. Nearest neighbours of word embeddings are no lexicon: they hold opposites,
which change the label (Mrkšić et al. 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from suite.tasks import home_intents
from suite.tasks.lexicon import donor_files, donors, key, read_lexicon
from suite.tasks.noise import add_noise, graphemes
from suite.tasks.segmenting import UNSPACED
from suite.tasks.sentences import noun
from suite.tasks.subsets import UNMIXED
from suite.tasks.terms import find_terms, term_lexicon
from suite.tasks.words import load_wording

EACH = 4
"""Most entries of one lexicon, and most typing errors, that are tried for a word."""
WORDS_OF_A_TERM = 3
LETTERS_OF_A_TERM = 8
"""Units of the longest term that is looked up, with and without spaces between words; without, a term has two or more:
single characters are part of too many words."""
PIECE = 4
"""Letters of a stretch of unspaced text that no lexicon knows: about a word of Thai, two of Chinese."""

Lexicon = Mapping[str, Sequence[str]]
"""Word or phrase, as `suite.tasks.lexicon.key` writes it, to what may stand for it, best first."""
Span = tuple[int, int]


class Names(dict[str, tuple[str, ...]]):
    """The CLDR's names as a lexicon, which holds only where `suite.tasks.terms` finds one."""


@dataclass(frozen=True, slots=True)
class Site:
    """A word or phrase of a text, `text[start:stop]`, and what may stand there instead: at least one, in order."""

    start: int
    stop: int
    options: tuple[str, ...]


def find_sites(
    text: str, language: str, lexicons: Sequence[Lexicon], seed: int, real: Collection[str] = ()
) -> tuple[Site, ...]:
    """The words and phrases of a text that something may stand for, in order and apart from one another.

    Args:
        text: Any script.
        language: Says whether spaces part its words.
        lexicons: Their entries come before the typing errors, in this order.
        seed: Of the typing errors; a word has the same ones wherever it stands.
        real: Words, as `key` writes them, that no typing error may make of another.
    """
    named = {*find_terms(text, language)} if any(isinstance(one, Names) for one in lexicons) else set()

    def open_at(span: Span) -> list[Lexicon]:
        return [one for one in lexicons if span in named or not isinstance(one, Names)]

    found = []
    for start, stop in _spans(
        text, language, lambda span: any(key(text[slice(*span)]) in one for one in open_at(span))
    ):
        word = text[start:stop]
        options = [entry for one in open_at((start, stop)) for entry in _entries(word, one)]
        options += _typos(word, seed, real)
        distinct = tuple(option for option in dict.fromkeys(options) if option != word)
        found += [Site(start, stop, distinct)] if distinct else []
    return tuple(found)


def _entries(word: str, lexicon: Lexicon) -> list[str]:
    """What a lexicon has for a word, with a capital where the word has one."""
    found = [entry for entry in lexicon.get(key(word), ()) if key(entry) != key(word)][:EACH]
    return [entry[:1].upper() + entry[1:] for entry in found] if word[:1].isupper() else found


def _typos(word: str, seed: int, real: Collection[str]) -> list[str]:
    """Different misspellings of a word, as in the subset `char-noise`; none of what is too short to be edited."""
    made = dict.fromkeys(add_noise(word, f"{seed} {word} {k}") for k in range(2 * EACH))
    return [typo for typo in made if typo != word and key(typo) not in real][:EACH]


def real_words(texts: Iterable[str]) -> frozenset[str]:
    """The words of some texts, as `key` writes them."""
    return frozenset(key(text[start:stop]) for text in texts for start, stop in _words(text))


def _spans(text: str, language: str, known: Callable[[Span], bool]) -> Iterator[Span]:
    """The longest known terms, and between them single words; of unspaced text, pieces of `PIECE` letters."""
    if language not in UNSPACED:
        for (start, stop), _ in _terms(_words(text), WORDS_OF_A_TERM, known):
            yield start, stop
        return
    for start, stop in _words(text):
        loose: list[Span] = []
        for span, units in _terms(_letters(text, start, stop), LETTERS_OF_A_TERM, known):
            if loose and (units > 1 or len(loose) == PIECE):
                yield loose[0][0], loose[-1][1]
                loose = []
            if units > 1:
                yield span
            else:
                loose.append(span)
        if loose:
            yield loose[0][0], loose[-1][1]


def _terms(units: Sequence[Span], most: int, known: Callable[[Span], bool]) -> Iterator[tuple[Span, int]]:
    """Units joined to the longest known terms of at least two, from the left; and how many each joins."""
    first = 0
    while first < len(units):
        sizes = range(min(most, len(units) - first), 1, -1)
        size = next((n for n in sizes if known((units[first][0], units[first + n - 1][1]))), 1)
        yield (units[first][0], units[first + size - 1][1]), size
        first += size


def _words(text: str) -> list[Span]:
    """Runs of letters with their marks."""
    runs: list[Span] = []
    inside = False
    for start, stop in _letters(text, 0, len(text)):
        if text[start].isalpha():
            runs[-1:] = [(runs[-1][0], stop)] if inside else [*runs[-1:], (start, stop)]
        inside = text[start].isalpha()
    return runs


def _letters(text: str, start: int, stop: int) -> list[Span]:
    """What a reader counts as one character, each."""
    found = []
    for unit in graphemes(text[start:stop]):
        found.append((start, start + len(unit)))
        start += len(unit)
    return found


def fold_keys(*tables: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Word to candidates, of several tables in their order, as a `Lexicon`."""
    joined: dict[str, dict[str, None]] = {}
    for table in tables:
        for word, entries in table.items():
            joined.setdefault(key(word), {}).update(dict.fromkeys(entries))
    return {word: tuple(entries) for word, entries in joined.items()}


def study_lexicons(
    task: str, language: str, *, synonyms: Mapping[str, Sequence[str]] | None = None, lexicon: str | None = None
) -> list[Lexicon]:
    """What a study knows of the words of a language, in the order in which it is tried.

    Args:
        task: Name of the task.
        language: Of the texts.
        synonyms: Synonym sets of this language.
        lexicon: Where translations in MUSE's format are, as `suite.tasks.lexicon.lexicon_file` takes it.
    """
    files = donor_files(lexicon, language).values() if lexicon else ()
    known = [
        fold_keys(synonyms or {}),
        fold_keys(*(read_lexicon(path) for path in files)),
        _fillers_of(task, language),
        _names(language),
    ]
    return [one for one in known if one]


def translations(task: str, language: str) -> dict[str, tuple[str, ...]]:
    """What a text may be mixed with: translations into English, of English into German, Spanish and French.

    Countries, days and months by the CLDR; in home-intents also the nouns of its grammar. Empty where the CLDR does not
    know the language.
    """
    return fold_keys(_fillers_of(task, language), _names(language))


def _fillers_of(task: str, language: str) -> dict[str, tuple[str, ...]]:
    if task != home_intents.NAME:
        return {}
    return fold_keys(*(_grouped(_fillers(language, donor)) for donor in donors(language)))


def _names(language: str) -> Names:
    """Empty where the CLDR knows no such language."""
    try:
        tables = [term_lexicon(language, donor) for donor in donors(language)]
    except ValueError:
        return Names()
    return Names(fold_keys(*({own: (other,) for own, other in table.items()} for table in tables)))


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for word, other in pairs:
        grouped.setdefault(word, []).append(other)
    return grouped


def _fillers(language: str, donor: str) -> Iterator[tuple[str, str]]:
    """Every noun that fills a slot of the commands, in each of its forms."""
    for slot, forms in load_wording(language).words.items():
        for words in forms.values() if slot not in UNMIXED else ():
            for place, word in enumerate(words):
                other = noun(donor, slot, place)
                if other:
                    yield word.partition("~")[2] or word, other
