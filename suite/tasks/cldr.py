"""Words and phrases that people translated for hundreds of locales: the CLDR as carried by Babel.

Territories, languages, scripts, currencies, cities, months, days and counted units make word and phrase pairs for any
two languages of a study without a download.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from suite.tasks.examples import ParallelText

CLDR_LICENCE = "Unicode-3.0"
COUNT = 5
"""The number that units are counted by: a plural in every language here, never a dual or a special form."""
CLDR_CODES = {"tl": "fil"}
"""What the CLDR calls a language, where it is another name."""
NAMED = {"territory": "territories", "language": "languages", "script": "scripts", "currency": "currency_names"}
"""Kinds of entry that map codes to names, with Babel's table for each."""


def cldr_parallel_text(source: str, target: str, hub_root: Path | None = None) -> ParallelText:
    """Translation pairs from the CLDR, ordered by entry; `hub_root` plays no part.

    Entries written the same in both languages are dropped, and so is every text that names two things in either
    language: what is left can be retrieved.

    Raises:
        ValueError: Babel knows no such language, or the two have no entries in common.
    """
    pairs = _pairs(source, target)
    if not pairs:
        raise ValueError(f"the CLDR has no entry that {source!r} and {target!r} both translate; check the codes")
    return ParallelText.of_pairs(pairs, name="cldr", licence=CLDR_LICENCE)


def cldr_pairs(ours: str, theirs: str, hub_root: Path | None = None) -> ParallelText:
    """The same for languages by the codes of tasks, of which the CLDR has some under another name."""
    return cldr_parallel_text(CLDR_CODES.get(ours, ours), CLDR_CODES.get(theirs, theirs))


def cldr_lexicon(source: str, target: str, kinds: tuple[str, ...]) -> dict[str, str]:
    """The pairs of some kinds of entry (`territory`, `month`, ...) as a dictionary from source to target texts."""
    return dict(pair for key, pair in _pairs(source, target).items() if key.partition("/")[0] in kinds)


@lru_cache(maxsize=256)
def _pairs(source: str, target: str) -> dict[str, tuple[str, str]]:
    ours, theirs = entries(source), entries(target)
    shared = {
        key: (ours[key], theirs[key])
        for key in sorted(ours.keys() & theirs.keys())
        if ours[key].casefold() != theirs[key].casefold()
    }
    left = Counter(s.casefold() for s, _ in shared.values())
    right = Counter(t.casefold() for _, t in shared.values())
    return {k: (s, t) for k, (s, t) in shared.items() if left[s.casefold()] == 1 == right[t.casefold()]}


@lru_cache(maxsize=128)
def entries(language: str) -> dict[str, str]:
    """Everything a language translates, by entry (`territory/DE`, `month/1`, ...)."""
    from babel import Locale, UnknownLocaleError

    try:
        locale = Locale.parse(language)
    except (UnknownLocaleError, ValueError) as error:
        raise ValueError(f"the CLDR knows no language {language!r} ({error}); use a code such as 'de'") from None
    found = _entries(_own_data(str(locale)), locale.plural_form(COUNT))
    return {key: " ".join(text.split()) for key, text in found if _is_plain(text)}


def _own_data(identifier: str) -> dict[str, Any]:
    """What a locale states itself, without what it inherits.

    Read from Babel's file: `Locale` shares the inherited tables between locales and resolves aliases inside them, so
    that Thai month names are Chinese in a process that looked at Chinese first (Babel 2.18).
    """
    import pickle

    from babel.localedata import resolve_locale_filename

    with open(resolve_locale_filename(identifier), "rb") as file:
        data: dict[str, Any] = pickle.load(file)
    return data


def _entries(data: dict[str, Any], plural: str) -> Iterator[tuple[str, str]]:
    """Names first, then the calendar, then counted units."""
    for kind, table in NAMED.items():
        yield from ((f"{kind}/{code}", str(name)) for code, name in data.get(table, {}).items())
    for zone, names in data.get("time_zones", {}).items():
        if names.get("city"):
            yield f"city/{zone}", str(names["city"])
    for kind in ("month", "day"):
        yield from ((f"{kind}/{i}", name) for i, name in _calendar(data.get(f"{kind}s", {})).items())
    for unit, styles in data.get("unit_patterns", {}).items():
        pattern = _first_table(styles, ("long", "short")).get(plural)
        if isinstance(pattern, str):
            yield f"unit/{unit}", pattern.replace("{0}", str(COUNT))


@lru_cache(maxsize=128)
def calendar_words(language: str) -> dict[str, str]:
    """Names of months (`month`) and days (`day`), case-folded, in each form that the CLDR has; none of other languages.

    Within a date some languages inflect a month (Russian `марта`).
    """
    from babel.localedata import exists

    if not exists(CLDR_CODES.get(language, language)):
        return {}
    data = _own_data(CLDR_CODES.get(language, language))
    found: dict[str, str] = {}
    for kind in ("month", "day"):
        for widths in data.get(f"{kind}s", {}).values():
            for names in (widths.get(width) for width in ("wide", "abbreviated")):
                for name in names.values() if isinstance(names, dict) else ():
                    found.setdefault(str(name).casefold().rstrip("."), kind)
    return found


def _calendar(table: dict[str, Any]) -> dict[Any, str]:
    """Names as they stand alone, for which languages without case use those within a date."""
    return _first_table({use: names.get("wide") for use, names in table.items()}, ("stand-alone", "format"))


def _first_table(tables: dict[str, Any], order: tuple[str, ...]) -> dict[Any, str]:
    """The first table that the locale states itself; empty where it states none."""
    return next((tables[name] for name in order if isinstance(tables.get(name), dict)), {})


def _is_plain(text: str) -> bool:
    """A word or phrase as one would say it: no comments in brackets, no codes."""
    return bool(text.strip()) and not any(c in text for c in "()[]{}/") and any(c.isalpha() for c in text)
