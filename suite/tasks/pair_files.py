"""Tab-separated files of labelled pairs of texts, as those publish them who change XNLI.

The header is XNLI's (`sentence1`, `sentence2`, `gold_label` and more), or has `premise`, `hypothesis` and `label`;
without one a row is the two texts and the label. Texts hold neither tabs nor line ends, so a line is a row whatever its
quotes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.tasks.characters import undo_csv_quotes
from suite.tasks.text_files import end_of, read_text, split_lines

TEXTS = (("premise", "hypothesis"), ("sentence1", "sentence2"))
"""First and second text, as headers call them."""
LABELS = ("label", "gold_label")
LANGUAGE = "language"
"""The column of XNLI's header that says of which language a row is."""
SINGLE = "'"

Rows = Mapping[int, Sequence[str]]
"""Number of a row in its file, from 1, to its fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRows:
    """The rows of one file."""

    numbers: tuple[int, ...]
    """Of the rows in their file, from 1, a header counted."""
    texts: tuple[str, ...]
    pairs: tuple[str, ...]
    labels: tuple[int, ...]
    oddities: tuple[str, ...]
    """What was undone in reading or is odd about the file, with counts."""


def read_pairs(path: Path, form: str, labels: Sequence[str], language: str) -> PairRows:
    """The pairs of a language.

    Args:
        path: The file.
        form: `xnli-tsv`, or `noisy-xnli` whose texts are all in single quotes.
        labels: Names of the labels in the order of their numbers; a file has either.
        language: Whose rows are taken, where a column says of which they are.

    Raises:
        ValueError: one line with file, row and counts: not UTF-8, cut, other columns, empty texts, unknown labels.
    """
    text, oddities = read_text(path)
    lines, (ended, unended) = split_lines(text), end_of(text)
    whole = {i: line.split("\t") for i, line in enumerate(lines, start=1)}
    header, body = _header(whole, path)
    _check_widths(body, header, path, ended)
    first, second, label = _places(header, path)
    rows = _of_language(body, header, language, path)
    columns = [[row[place] for row in rows.values()] for place in (first, second)]
    oddities += (*unended, *_unquote(columns, form))
    _refuse_empty(rows, columns, path)
    return PairRows(
        numbers=tuple(rows),
        texts=tuple(columns[0]),
        pairs=tuple(columns[1]),
        labels=_numbers({i: row[label].strip() for i, row in rows.items()}, labels, path),
        oddities=oddities,
    )


def _header(rows: Rows, path: Path) -> tuple[Sequence[str], Rows]:
    """The names of the columns, and the rows below them: all of a file without a header."""
    if not rows:
        raise ValueError(f"{path}: the file is empty; get it anew")
    named = [name.strip() for name in rows[1]]
    if any({*pair} <= {*named} for pair in TEXTS):
        return named, {i: row for i, row in rows.items() if i > 1}
    plain = (*TEXTS[0], LABELS[0])
    if len(named) == len(plain):
        return plain, rows
    raise ValueError(
        f"{path}: a header names {' or '.join(' and '.join(pair) for pair in TEXTS)}, or there is none and rows have "
        f"{', '.join(plain)}; the first row has {len(named)} columns ({', '.join(named)!r:.80}); name the columns so"
    )


def _places(header: Sequence[str], path: Path) -> tuple[int, int, int]:
    first, second = next(pair for pair in TEXTS if {*pair} <= {*header})
    label = next((name for name in LABELS if name in header), None)
    if label is None:
        raise ValueError(f"{path}: a column is called {' or '.join(LABELS)}, there are {', '.join(header)}; name it so")
    return header.index(first), header.index(second), header.index(label)


def _check_widths(rows: Rows, header: Sequence[str], path: Path, ended: bool) -> None:
    wrong = [i for i, row in rows.items() if len(row) != len(header)]
    if wrong:
        cut = wrong[0] == max(rows) and not ended
        remedy = "the file was cut there, get it anew" if cut else "repair the file"
        raise ValueError(
            f"{path}: a row has the columns {', '.join(header)}, but {len(wrong)} of {len(rows)} rows have not, the "
            f"first is row {wrong[0]} with {len(rows[wrong[0]])}: {remedy}"
        )


def _of_language(rows: Rows, header: Sequence[str], language: str, path: Path) -> Rows:
    """The rows of one language where a column tells it; some are left."""
    if not rows:
        raise ValueError(f"{path}: no row is below the header; get the file anew")
    if LANGUAGE not in header:
        return rows
    place = header.index(LANGUAGE)
    there = ", ".join(sorted({row[place] for row in rows.values()}))
    own = {i: row for i, row in rows.items() if row[place] == language}
    if not own:
        raise ValueError(f"{path}: its rows are of {there:.80}, none of {language}; correct the subset's languages")
    return own


def _unquote(columns: Sequence[list[str]], form: str) -> Iterator[str]:
    """Take off in place the quotes that wrap texts, and say how many had them.

    Single ones of noisy XNLI, where they are; those of `csv` where every text with a quote has them, doubled inside.
    """
    if form == "noisy-xnli":
        wrapped = [(column, i) for column in columns for i, text in enumerate(column) if _is_wrapped(text)]
        for column, i in wrapped:
            column[i] = column[i][1:-1]
        bare = sum(map(len, columns)) - len(wrapped)
        yield f"single quotes taken off {len(wrapped)} texts" + (f", {bare} had none" if bare else "")
        return
    yield from undo_csv_quotes(columns)


def _is_wrapped(text: str) -> bool:
    return len(text) >= 2 and text.startswith(SINGLE) and text.endswith(SINGLE)


def _refuse_empty(rows: Rows, columns: Sequence[Sequence[str]], path: Path) -> None:
    empty = [i for i, *both in zip(rows, *columns, strict=True) if not all(text.strip() for text in both)]
    if empty:
        raise ValueError(
            f"{path}: no text is empty, but {len(empty)} of {len(rows)} rows have one that is, the first is row "
            f"{empty[0]}; repair the file"
        )


def _numbers(written: Mapping[int, str], labels: Sequence[str], path: Path) -> tuple[int, ...]:
    """Labels as numbers, whether names or numbers are written."""
    number = {str(i): i for i in range(len(labels))} | {name: i for i, name in enumerate(labels)}
    wrong = [i for i, label in written.items() if label not in number]
    if wrong:
        raise ValueError(
            f"{path}: a label is one of {', '.join(labels)}, or its number from 0, but "
            f"{len(wrong)} of {len(written)} are not, the first is {written[wrong[0]]!r:.40} in row {wrong[0]}; repair "
            "the file"
        )
    return tuple(number[label] for label in written.values())
