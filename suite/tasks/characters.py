"""What writing and copying files leave in texts: byte-order marks, quotes of CSV, halves of characters."""

from __future__ import annotations

import re
from collections.abc import Sequence

BYTE_ORDER_MARK = "\ufeff"
CSV_QUOTED = re.compile(r'"(?:[^"]|"")*""(?:[^"]|"")*"', re.DOTALL)
"""A field as CSV writes it, with quotes doubled inside: it went through a writer, and through no reader."""
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a character, which JSON can hold and no text can."""
REPLACEMENT = "\ufffd"


def mended(text: str) -> str:
    """A text with `REPLACEMENT` for each half of a character, so that no other character moves."""
    return SURROGATE.sub(REPLACEMENT, text)


def undo_csv_quotes(fields: Sequence[list[str]]) -> tuple[str, ...]:
    """Take the quotes of CSV off in place where every field with a quote has them; a word on it where some had.

    Args:
        fields: Rows, or columns, of a whole file.
    """
    quoted = [(line, i) for line in fields for i, text in enumerate(line) if '"' in text]
    if not quoted or not all(CSV_QUOTED.fullmatch(line[i]) for line, i in quoted):
        return ()
    for line, i in quoted:
        line[i] = line[i][1:-1].replace('""', '"')
    return (f"CSV quotes of {len(quoted)} texts undone",)
