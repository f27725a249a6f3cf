r"""Any text as plain ASCII that pdflatex sets without packages, and how wide Computer Modern sets it."""

from __future__ import annotations

import functools
import itertools
import textwrap
import unicodedata

from suite.report.table import DAGGER, KNOWN, MINUS, MISSING, TIMES

_LETTERS = dict(zip("ßæÆœŒøØłŁıåÅ", "ss ae AE oe OE o O l L i aa AA".split(), strict=True))
_COMMANDS = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{
        sign: f"{{{sign}}}" for sign in "[]*"
    },  # bare, they are an argument of what stands before: a row's end, a caption
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "''",
    "±": r"$\pm$",
    TIMES: r"$\times$",
    MINUS: "$-$",
    MISSING: "--",
    "\N{EM DASH}": "---",
    DAGGER: r"$^{\dagger}$",
    "…": r"\dots{}",
    "∞": r"$\infty$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "·": r"$\cdot$",
    "\N{GREEK SMALL LETTER ALPHA}": r"$\alpha$",
    "ε": r"$\varepsilon$",
    "\N{GREEK SMALL LETTER SIGMA}": r"$\sigma$",
    "Δ": r"$\Delta$",
    "\N{LEFT SINGLE QUOTATION MARK}": "`",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    **{letter: rf"\{name}{{}}" for letter, name in _LETTERS.items()},
}
_ACCENTS = {
    **dict(zip("\u0300\u0301\u0302\u0303\u0308\u0304\u0307", "`'^~\"=.", strict=True)),
    **dict(zip("\u0306\u030c\u030b\u0327\u0323\u0331", "uvHcdb", strict=True)),
}
"""Combining characters to the accents that the OT1 encoding has, pdflatex's default."""
_DOTLESS = {"i": r"\i", "j": r"\j"}

_DIGITS = {
    **dict.fromkeys("ilI.,:;'!|[]·", 0.6),
    **dict.fromkeys("fjrst()-_` ", 0.8),
    **dict.fromkeys("bdhknpquvxyJ", 1.12),
    **dict.fromkeys("ABCDEFGHKLNOPQRTUVXYZw&", 1.55),
    **dict.fromkeys("mM%#@", 1.85),
    "W": 2.1,
    **dict.fromkeys(f"+±<>={MINUS}{TIMES}~^…", 1.6),
}
"""Width of a character in digits of the same size; every other has one digit's, code points are counted as written."""
_LONGEST = 24
"""A word of running text longer than this may be broken within."""


@functools.lru_cache(KNOWN)
def spelled(text: str) -> str:
    """One line of text in which every character that `escape_latex` has no command for is a code point, `[U+4E2D]`."""
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(c if _command(c) is not None else f"[U+{ord(c):04X}]" for c in composed)


@functools.lru_cache(KNOWN)
def escape_latex(text: str) -> str:
    """Text as pdflatex sets it literally, in ASCII; what it has no letter for is written as its code point."""
    line = spelled(text)
    return "".join(
        (_command(c) or c) + ("{}" if c in "-," and c == after else "")  # two would be set as one sign: en dash, quote
        for c, after in itertools.zip_longest(line, line[1:], fillvalue="")
    )


def escape_running(text: str) -> str:
    """`escape_latex` for captions and notes: long words may be broken at every fourth character, without a hyphen."""
    return " ".join(_breakable(word) for word in spelled(text).split(" "))


@functools.lru_cache(KNOWN)
def width(text: str) -> float:
    """Width of a line in digits of its own size, as Computer Modern sets it; other faces are narrower."""
    return sum(_DIGITS.get(_stem(c), 1.0) for c in spelled(text))


def _command(character: str) -> str | None:
    """What sets a character, none where OT1 has nothing for it."""
    if character in _COMMANDS:
        return _COMMANDS[character]
    if " " <= character <= "~":
        return character
    stem, *accents = list(unicodedata.normalize("NFD", character))
    if not accents or not stem.isascii() or any(accent not in _ACCENTS for accent in accents):
        return None
    written = _DOTLESS.get(stem, stem) if _ACCENTS[accents[0]] not in "cdb" else stem
    for accent in accents:
        written = rf"\{_ACCENTS[accent]}{{{written}}}"
    return written


def _stem(character: str) -> str:
    return unicodedata.normalize("NFD", character)[0]


def _breakable(word: str) -> str:
    if len(word) <= _LONGEST:
        return escape_latex(word)
    return r"\allowbreak{}".join(escape_latex(part) for part in textwrap.wrap(word, 4, break_on_hyphens=False))
