"""Questions of files in SQuAD's JSON layout, as XTREME's download directory has them (Hu et al. 2020).

XTREME's `utils_preprocess.py` puts one empty answer in place of those of its test files, drops titles, and keeps of the
ids of TyDiQA's training questions only what follows the last hyphen, so that they repeat.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from suite.tasks.reading import Table
from suite.tasks.source import HubSource
from suite.tasks.text_files import decode, file_table, first_of, miscounted

LAYOUT = "SQuAD's layout is data > paragraphs > context and qas > id, question and answers > text and answer_start"


def read_squad(source: HubSource, folder: Path, names: Sequence[str], published: int | None) -> Table:
    """The questions of the first of some files that exists.

    Args:
        source: The task, and the columns that its questions go to.
        folder: The task's folder in XTREME's directory.
        names: Of the file, the one that XTREME's script writes first; what users rename it to, after.
        published: Questions of the published file, where that is known.

    Raises:
        ValueError: one line with the file: there is none, it was cut, is not UTF-8 or not in SQuAD's layout.
    """
    path = first_of(folder, names, source.name, like="*.json", script="download_data.sh")
    whole, oddities = _parsed(path)
    try:
        rows = list(_questions(whole, source))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: {LAYOUT}, this has not ({type(error).__name__}: {error}); get it anew") from None
    if not rows:
        raise ValueError(f"{path}: the file has no question; get it anew")
    oddities += miscounted(len(rows), published, "questions")
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in rows[0]}
    return file_table(path, source.name, columns, oddities)


def _parsed(path: Path) -> tuple[Any, tuple[str, ...]]:
    """What a file holds, and a word on the mark at its beginning where there is one."""
    try:
        text, marked = decode(path, "the file is UTF-8 in SQuAD's layout")
        whole = json.loads(text)
    except UnicodeDecodeError as error:
        bad = f"byte 0x{error.object[error.start]:02x} at {error.start}, {error.reason}"
        raise ValueError(f"{path}: the file is not UTF-8 ({bad}); get it anew") from None
    except json.JSONDecodeError as error:
        cut = "is not JSON" if text.rstrip().endswith("}") else "was cut"
        raise ValueError(f"{path}: the file {cut} ({error.msg}, line {error.lineno}); get it anew") from None
    return whole, ("a byte-order mark before the file",) if marked else ()


def _questions(whole: Mapping[str, Any], source: HubSource) -> Iterator[dict[str, Any]]:
    """A row for every question, its answers as the hub stores them."""
    for article in whole["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                right = question["answers"]
                answers = {name: [answer[name] for answer in right] for name in ("text", "answer_start")}
                yield {
                    str(source.id): str(question["id"]),
                    source.text: question["question"],
                    str(source.pair): paragraph["context"],
                    source.label: answers,
                }
