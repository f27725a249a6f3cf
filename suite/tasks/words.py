"""What each language adds to its grammar: words for rooms and devices, and corrections that make samples read well.

The grammars carry no names of rooms or devices (a home supplies its own), and are written to accept anything a
speaker may say, wrong articles included. `wording/<language>.toml` holds, per language,

- `edits`: regular expressions replaced in every template and rule before it is parsed,
- `rules`: expansion rules narrowed to their natural wordings,
- `reject`: patterns that no finished sentence may match,
- `words`: fillers per slot; position i means the same in every language. A table gives forms by context (`in`, `of`).
  `~` marks the noun within a phrase (`in der ~Küche`), which is what code-mixing replaces.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("wording")
PLAIN = "plain"
"""The form of a filler where the template asks for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The additions of one language."""

    language: str
    code: str
    """Name of the language's file in the package."""
    edits: tuple[tuple[re.Pattern[str], str], ...]
    rules: dict[str, str]
    reject: re.Pattern[str] | None
    words: dict[str, dict[str, tuple[str, ...]]]
    """Slot, then form, to fillers."""

    def edit(self, template: str) -> str:
        """Apply the corrections to the source of a template or rule, in order."""
        for pattern, replacement in self.edits:
            template = pattern.sub(replacement, template)
        return template

    def fillers(self, slot: str, form: str) -> tuple[str, ...]:
        """Fillers of a slot in a form; empty when the language has none, so that the template is not used."""
        return self.words.get(slot, {}).get(form, ())


@cache
def load_wording(language: str) -> Wording:
    """Read `wording/<language>.toml`; ValueError names a malformed entry."""
    path = FOLDER / f"{language}.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    reject = "|".join(f"(?:{p})" for p in table.get("reject", []))
    return Wording(
        language=language,
        code=table["code"],
        edits=tuple((re.compile(pattern), replacement) for pattern, replacement in table.get("edits", [])),
        rules=table.get("rules", {}),
        reject=re.compile(reject) if reject else None,
        words={slot: _forms(slot, entry, path.name) for slot, entry in table["words"].items()},
    )


def _forms(slot: str, entry: str | dict[str, str], where: str) -> dict[str, tuple[str, ...]]:
    forms = {PLAIN: entry} if isinstance(entry, str) else entry
    split = {form: tuple(word.strip() for word in words.split(",")) for form, words in forms.items()}
    if len({len(words) for words in split.values()}) != 1:
        counts = {form: len(words) for form, words in split.items()}
        raise ValueError(f"{where}: every form of {slot!r} lists the same things in the same order, got {counts}")
    return split
