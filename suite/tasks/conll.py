"""Tagged sentences in the directory that XTREME's `download_data.sh` makes: a word, a tab and its tag on each line.

A line of nothing ends a sentence; the last one may lack it, which is told, as a file that was cut lacks it. The script
strips every line before it is read again, so that a no-break space that is a word gives its place to its tag; here a
line is split at the tab, whatever is in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from suite.tasks.reading import Table
from suite.tasks.source import HubSource
from suite.tasks.text_files import end_of, file_table, first_of, miscounted, read_text, split_lines
from suite.tasks.xtreme import FEWEST_OF_ONE_LABEL


def read_conll(source: HubSource, folder: Path, language: str, split: str) -> Table:
    """The sentences that XTREME has of one language and split, as lists of words and of tags.

    Args:
        source: What the files hold; its `xtreme` says how they are called.
        folder: The task's folder.
        language: Of the task.
        split: Of the source's repository.

    Raises:
        ValueError: one line with file and row (line of the file): no such file, text that is not UTF-8, rows with
            another number of columns, a file that was cut, hidden tags.
    """
    assert source.xtreme is not None
    path = first_of(folder, (source.xtreme.files[split].format(language=language),), source.name)
    text, oddities = read_text(path)
    rows = [line.split("\t") if line.strip() else [] for line in split_lines(text)]
    ended, unended = end_of(text)
    _check_widths(rows, path, ended)
    sentences = _sentences(rows)
    columns: dict[str, list[Any]] = {
        source.text: [[word for word, _ in sentence] for sentence in sentences],
        source.label: [[tag.strip() for _, tag in sentence] for sentence in sentences],
    }
    oddities += (*unended, *miscounted(len(sentences), source.xtreme.rows(split, language), "sentences"))
    oddities += () if not rows[-1] else ("no empty line after the last sentence, which may be cut",)
    return file_table(path, folder.name, columns, oddities)


def _sentences(rows: Sequence[list[str]]) -> list[list[list[str]]]:
    """The rows between rows of nothing; several of those in a row part no more than one does."""
    sentences: list[list[list[str]]] = [[]]
    for row in rows:
        if row:
            sentences[-1].append(row)
        elif sentences[-1]:
            sentences.append([])
    return sentences if sentences[-1] else sentences[:-1]


def _check_widths(rows: Sequence[list[str]], path: Path, ended: bool) -> None:
    words = [(i, row) for i, row in enumerate(rows, start=1) if row]
    if not words:
        raise ValueError(f"{path}: the file has no word; get it anew")
    tags = Counter(row[1].strip() if len(row) > 1 else "" for _, row in words)
    if len(tags) == 1 and ("" in tags or len(words) >= FEWEST_OF_ONE_LABEL):
        (only,) = tags
        law = f"all {len(words)} words have the tag {only!r}" if only else f"none of the {len(words)} words has a tag"
        raise ValueError(
            f"{path}: {law}, as XTREME's preprocessing hides those of its test files; put the published tags into the "
            "second column, or unset SUITE_XTREME to read the split from the hub, which has them"
        )
    wrong = [(i, len(row)) for i, row in words if len(row) != 2]
    if wrong == [(len(rows), 1)] and not ended:
        raise ValueError(f"{path}: the file was cut in row {len(rows)}, which has no tag and no line end; get it anew")
    if wrong:
        row, width = wrong[0]
        raise ValueError(
            f"{path}: a row is a word, a tab and its tag, but {len(wrong)} of {len(words)} rows are not, the first is "
            f"row {row} with {width} columns; repair the file, or run download_data.sh again"
        )
