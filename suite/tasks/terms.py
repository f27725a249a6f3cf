"""Where running text holds a place, a day or a month that the CLDR translates: few are found, and those are meant.

A name is taken as it is written, and only where it stands by itself. In scripts without spaces there is no segmenter
here to say so: neighbouring characters decide, and names that are short or are part of longer ones are passed over.
What is an ordinary word as well, or the name of something else, is listed and never taken.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from suite.tasks.cldr import cldr_lexicon, entries

KINDS = ("territory", "day", "month")
"""Kinds of entry that are looked for; names of languages, scripts and currencies are ordinary words too."""
NAMESAKES = frozenset(
    {"001", "019", "BL", "DM", "GD", "GE", "GP", "JE", "JO", "LC", "MF", "ML", "MS", "SH", "TD", "ZZ", "XA", "XB"}
)
"""Territories passed over in every language: their names are also those of people, saints, cities or states (Georgia,
Jersey, Granada, Guadalupe), or ordinary words (the world, `mali`), or mean another thing than in English (America)."""
ORDINARY: Mapping[str, frozenset[str]] = {
    "ar": frozenset({"المغرب", "بنين", "الاثنين", "الأحد", "عمان"}),
    "de": frozenset({"Island"}),
    "en": frozenset({"Turkey", "China", "Guinea"}),
    "es": frozenset({"Irán"}),
    "fr": frozenset({"Maurice"}),
    "hi": frozenset({"संयुक्त राज्य"}),
    "pl": frozenset({"Dania"}),
    "pt": frozenset({"Maurício", "Catar", "Peru"}),
    "ru": frozenset({"среда", "Того", "Перу"}),
    "tr": frozenset({"Pazar", "Mısır", "Katar"}),
    "uk": frozenset({"Того", "Перу"}),
    "zh": frozenset({"伪地区", "未知地区"}),
}
"""Names that are ordinary words, given names, or part of a longer name, where they begin a sentence or always."""
DATED: Mapping[str, frozenset[str]] = {
    "ar": frozenset({"مارس"}),
    "en": frozenset({"March"}),
    "fa": frozenset({"مارس"}),
    "hi": frozenset({"मार्च"}),
    "tr": frozenset({"Ocak", "Nisan", "Eylül", "Ekim", "Kasım", "Aralık"}),
    "ur": frozenset({"مارچ"}),
}
"""Months that are ordinary words or given names too: taken beside a number only."""
SHORTEST = 4
"""Characters of the shortest name; shorter ones are other words too often."""
SHORTEST_UNSPACED = {"ja": 2, "th": 5, "zh": 3}
"""The same where no spaces part words; in Chinese two characters do where the second is 国 (country)."""
INITIAL = 2
"""Letters of a capitalised word before a name that may be a preposition or article at the start of a sentence."""
FINAL = re.compile(r"(?:^|[.!?…:;।؟۔\n])[\s\"'“”‘’«»()¿¡-]*$")
"""What stands before the first word of a sentence."""
JOINED_BEFORE, JOINED_AFTER = r"\w[-‐‑]?$", r"[-‐‑]?\w"
"""Letters, with a hyphen between or none, that make a longer word of a name."""
AFTER_HAN = frozenset("家际内会王土民防务产营情旗歌人语文族裔籍州省市县郡镇湾城二")
"""What makes another word of the name of a country before it: 美国人, 中国家, 墨西哥湾."""
BEFORE_HAN = frozenset("其合无道新老")
"""What makes another word or place of the name of a country after it: 其中国家, 无法国, 新墨西哥."""
BETWEEN_HAN = frozenset("和以及向")
"""Characters of names that are conjunctions and prepositions as well."""
BEFORE: Mapping[str, tuple[str, ...]] = {"th": ("นิว", "ภาษา", "รัฐ"), "vi": ("tiếng ", "Tiếng ")}
"""Words that make another thing of the name after them: new, language, state."""

Span = tuple[int, int]


def find_terms(text: str, language: str) -> list[Span]:
    """Where the names of a text begin and end, in order and apart.

    Raises:
        ValueError: the CLDR knows no such language.
    """
    found = (match.span() for match in _pattern(language).finditer(text))
    alone = {"ja": _in_japanese, "th": _in_thai, "zh": _in_chinese}.get(language, _in_spaced)
    return [(a, b) for a, b in found if alone(text, a, b) and _is_meant(text, a, b, language)]


@lru_cache(maxsize=256)
def term_lexicon(language: str, donor: str) -> Mapping[str, str]:
    """What a donor calls the names that `find_terms` finds, as they are written; ValueError as there."""
    names = _names(language)
    return {own: other for own, other in cldr_lexicon(language, donor, KINDS).items() if own in names}


def replace_terms(text: str, language: str, donor: str) -> str:
    """A text with every name in the words of another language, where that has another."""
    lexicon = term_lexicon(language, donor)
    pieces: list[str] = []
    end = 0
    for start, stop in find_terms(text, language):
        pieces += [text[end:start], lexicon.get(text[start:stop], text[start:stop])]
        end = stop
    return "".join((*pieces, text[end:]))


@lru_cache(maxsize=64)
def _names(language: str) -> frozenset[str]:
    kept = {text for key, text in entries(language).items() if _is_kept(*key.split("/", 1))}
    return frozenset(text for text in kept - ORDINARY.get(language, frozenset()) if _is_long_enough(text, language))


def _is_kept(kind: str, code: str) -> bool:
    return kind in KINDS and not (kind == "territory" and code in NAMESAKES)


def _is_long_enough(name: str, language: str) -> bool:
    shortest = SHORTEST_UNSPACED.get(language, SHORTEST)
    return len(name) >= shortest or (language == "zh" and len(name) == 2 and name[1] == "国")


@lru_cache(maxsize=64)
def _pattern(language: str) -> re.Pattern[str]:
    """All places, days and months, longest first, so that one within another is not found; what is kept is asked."""
    whole = {text for key, text in entries(language).items() if key.partition("/")[0] in KINDS}
    return re.compile("|".join(re.escape(term) for term in sorted(whole, key=lambda t: (-len(t), t))) or r"(?!)")


def _is_meant(text: str, start: int, stop: int, language: str) -> bool:
    name = text[start:stop]
    if name not in _names(language) or text[:start].endswith(BEFORE.get(language, ())):
        return False
    if language == "vi" and " " not in name and FINAL.search(text[:start]):
        return False  # the first syllable of some other word: Pháp luật (law)
    dated = name in DATED.get(language, ())
    return not dated or bool(re.search(r"\d[.,]?\s$", text[:start]) or re.match(r",?\s\d", text[stop:]))


def _in_spaced(text: str, start: int, stop: int) -> bool:
    """A whole word, and no part of a longer name: after a capital, no neighbour begins with one."""
    if re.search(JOINED_BEFORE, text[:start]) or re.match(JOINED_AFTER, text[stop:]):
        return False
    if _is_mark(text[stop : stop + 1]):
        return False
    return not text[start].isupper() or not (_capital_before(text[:start]) or _capital_after(text[stop:]))


def _capital_before(text: str) -> bool:
    word = re.search(r"(\w[\w'’.-]*)\s$", text)
    if not word or not word[1][0].isupper():
        return False
    return len(word[1]) > INITIAL or word[1].isupper() or not FINAL.search(text[: word.start()])


def _capital_after(text: str) -> bool:
    return bool(re.match(r"\s\w", text)) and text[1].isupper()


def _in_chinese(text: str, start: int, stop: int) -> bool:
    """No neighbour that foreign names are written with, or that makes another word."""
    before, after = text[start - 1 : start], text[stop : stop + 1]
    parts = _characters_of_names()
    return not (before in BEFORE_HAN | parts or after in AFTER_HAN | parts)


@lru_cache(maxsize=1)
def _characters_of_names() -> frozenset[str]:
    names = (text for key, text in entries("zh").items() if key.startswith(("territory/", "city/")))
    return frozenset(c for text in names for c in text if c.isalpha()) - BETWEEN_HAN


def _in_japanese(text: str, start: int, stop: int) -> bool:
    """The whole of a run of kanji and katakana: hiragana, marks or numbers stand around it."""
    return not any(_is_kanji_or_katakana(c) for c in (text[start - 1 : start], text[stop : stop + 1]))


def _is_kanji_or_katakana(char: str) -> bool:
    return "\u30a1" <= char <= "\u30ff" or "\u3400" <= char <= "\u9fff" or char == "々"


def _in_thai(text: str, start: int, stop: int) -> bool:
    """Not within a syllable: no mark follows, and no vowel that is written before its consonant stands before."""
    return not _is_mark(text[stop : stop + 1]) and text[start - 1 : start] not in (*"เแโใไ",)


def _is_mark(char: str) -> bool:
    """Whether a character goes on the letter before it; regular expressions do not count them among words."""
    return bool(char) and unicodedata.category(char)[0] == "M"
