"""Whole-text perturbations: a tautology at the end, and another script."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from suite.tasks.cues import tautology
from suite.tasks.deriving import derive
from suite.tasks.examples import Examples
from suite.tasks.types import Subset, Task

FINAL_MARKS = re.compile(r"[\s.!?…。．！？।۔؟]*$")
"""What ends a sentence in the languages at hand, with the spaces before it."""
READ_OTHERWISE = frozenset({"ja"})
"""Languages that share characters with one that the transliteration reads them in: kanji would be read as Mandarin."""
SAID_FIRST = str.maketrans({"ا": "a", "ٱ": "a", "أ": "a", "إ": "i", "।": "."})
"""What the library drops or misreads: alif, also with hamza, and the danda, which it takes for a comma."""
SAID_FIRST_IN = {"bg": str.maketrans({"ъ": "a", "Ъ": "A", "щ": "sht", "Щ": "Sht", "ь": "y", "Ь": "Y"})}
"""The same by language: the Bulgarian streamlined system, where the library reads Russian."""
GLANCE = 50
"""Texts that tell a language's script."""


def stress_suffix(task: Task, language: str, hub_root: Path | None, clean: Examples, seed: int) -> Examples | None:
    """Every item with "and true is true" at the end of its second text, or of its only one.

    Naik et al. 2018 (word overlap), who append it to the hypothesis; the translations are this project's own.
    """
    tail = tautology(language)
    if tail is None:
        return None
    longer = [append(text, tail) for text in clean.pairs or clean.texts]
    if clean.pairs is None:
        return derive(clean, "stress-suffix", dict(enumerate(longer)))
    return derive(clean, "stress-suffix", dict(enumerate(clean.texts)), longer)


def append(text: str, tail: str) -> str:
    """A text with a tail before its final marks."""
    end = FINAL_MARKS.search(text)
    at = end.start() if end else len(text)
    return text[:at] + tail + text[at:]


def romanised(task: Task, language: str, hub_root: Path | None, clean: Examples, seed: int) -> Examples | None:
    """Every text in ASCII, character by character, by the package anyascii; none where the script is Latin already.

    What it drops or misreads of Arabic, Bulgarian and Hindi is written first (`SAID_FIRST`). No reader of the language
    would write it so: Arabic loses its short vowels, Hindi its inherent ones, Chinese its tones and word boundaries. A
    text of which nothing would be left stays as it is.

    Raises:
        ValueError: the package is not installed.
    """
    if language in READ_OTHERWISE or is_latin(clean.texts[:GLANCE]):
        return None
    to_ascii = _transliteration()
    own = SAID_FIRST_IN.get(language, {})

    def said(text: str) -> str:
        return to_ascii(text.translate(SAID_FIRST).translate(own)).strip() or text

    texts, pairs = ([said(text) for text in column] for column in (clean.texts, clean.pairs or ()))
    return derive(clean, "romanised", dict(enumerate(texts)), pairs or None)


def is_latin(texts: Sequence[str]) -> bool:
    """Whether most letters of some texts are of the Latin script."""
    letters = [c for text in texts for c in text if c.isalpha()]
    return 2 * sum(unicodedata.name(c, "").startswith("LATIN") for c in letters) > len(letters)


def _transliteration() -> Callable[[str], str]:
    try:
        from anyascii import anyascii as to_ascii
    except ImportError:
        raise ValueError(
            "the subset 'romanised' needs the package anyascii, which is not installed: "
            "pip install 'robust-alignment-suite[romanise]', or take the subset off evaluation.subsets"
        ) from None
    transliteration: Callable[[str], str] = to_ascii
    return transliteration


STRESS = (
    Subset(
        name="stress-suffix",
        description='"And true is true" in the language at the end of the second text of a pair, or of the only text.',
        provenance="published perturbation",
        defined_for=("classification",),
        same_items=True,
        build=stress_suffix,
    ),
    Subset(
        name="romanised",
        description="Texts of other scripts (both of a pair) in Latin letters, character by character.",
        provenance="synthetic",
        defined_for=("classification",),
        same_items=True,
        build=romanised,
    ),
)
"""Entries of `suite.tasks.SUBSETS`."""
