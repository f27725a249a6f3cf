"""Tasks of finding translations: a sentence looks for its own among all of the other language. One loader for all.

Which row translates which is told by their order, and by nothing else: a file whose rows were sorted on one side, as
XTREME's download script leaves Tatoeba's to hide the answers, looks like any other and scores near zero. It is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from suite.tasks.cldr import cldr_pairs
from suite.tasks.defects import note_on
from suite.tasks.entries import source_task
from suite.tasks.examples import Examples
from suite.tasks.reading import Table, read_hub
from suite.tasks.source import HubSource
from suite.tasks.text_files import file_table, first_of, miscounted, read_text, split_lines
from suite.tasks.types import Task
from suite.tasks.xtreme import xtreme_folder

TELLING = 10
"""Rows from which alphabetical order is no chance: of ten rows one order in 3,628,800."""
OWN, ENGLISH = "source_sentence", "target_sentence"
"""Columns of the hub's tables, whichever of them looks among the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BitextSource:
    """Where a task's sentences are."""

    rows: HubSource
    """The repository; text is the column of the sentences that look, pair of those that are looked through: `OWN` and
    `ENGLISH` in either order. There are no labels."""
    renamed: tuple[str, str] = ("", "")
    """The two files in XTREME's directory as they are published, where its script renames them; by configuration."""


def bitext_task(
    source: BitextSource,
    *,
    metric: Literal["accuracy", "map_at_20", "margin_p1"] = "accuracy",
    trained_on: str,
    benchmarks: tuple[str, ...] = (),
    variant_of: str = "",
) -> Task:
    """A catalogue entry for sentences that look for their translations.

    Alignment is measured on the CLDR: on the task's own sentences it would be the score once more.

    Args:
        source: Repository, configurations and columns.
        metric: The field's usual metric.
        trained_on: The task that trains the encoder and selects, unless a study names another in `task.train_on`.
        benchmarks: Benchmarks that it is a task of.
        variant_of: The task whose data it uses otherwise.
    """
    return source_task(
        source.rows,
        kind="retrieval",
        metric=metric,
        load=partial(load_bitext, source),
        parallel_text=cldr_pairs,
        benchmarks=benchmarks,
        variant_of=variant_of,
        trained_on=trained_on,
    )


def load_bitext(source: BitextSource, language: str, split: str, hub_root: Path | None) -> Examples:
    """The queries of one language and split, with all that they are looked for among.

    A sentence that stands in several rows is one candidate, and the answer to each of them.

    Raises:
        ValueError: one line with counts: an unknown language or split, an absent file, empty sentences, two columns
            whose rows do not belong together.
    """
    rows = source.rows
    rows.check_language(language)
    own = rows.part(split).split
    folder = xtreme_folder(rows)
    table = _from_xtreme(source, folder, language, own) if folder else read_hub(rows, language, own, hub_root)
    table, dropped = _usable(table, rows)
    queries, answers = ([str(text).strip() for text in table.columns[str(c)]] for c in (rows.text, rows.pair))
    _check_order(queries, answers, table.where)
    return _examples(rows, language, table, queries, answers, dropped)


def _from_xtreme(source: BitextSource, folder: Path, language: str, split: str) -> Table:
    """Two files of lines: sentences of the language, and English ones."""
    rows = source.rows
    assert rows.xtreme is not None
    columns: dict[str, list[Any]] = {}
    oddities: tuple[str, ...] = ()
    code = rows.configurations[language].rpartition(".")[2]
    made = rows.xtreme.files[split].format(language=language)
    names = ((made, source.renamed[0]), (f"{made.rpartition('.')[0]}.en", source.renamed[1]))
    for column, tried in zip((OWN, ENGLISH), names, strict=True):
        path = first_of(folder, [name.format(code=code) for name in tried if name], rows.name)
        text, odd = read_text(path)
        columns[column], oddities = split_lines(text), (*oddities, *odd)
    lengths = {column: len(lines) for column, lines in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{folder / made}: line i of one file translates line i of the other, but there are {lengths}")
    oddities += miscounted(lengths[OWN], rows.xtreme.rows(split, language))
    return file_table(folder / made, folder.name, columns, oddities, kept="rows in their published order")


def _usable(table: Table, rows: HubSource) -> tuple[Table, int]:
    """Rows with both sentences, and how many had not; ValueError where the entry knows of none such."""
    columns = [table.columns[name] for name in rows.text_columns]
    keep = [i for i, both in enumerate(zip(*columns, strict=True)) if all(str(text or "").strip() for text in both)]
    dropped = len(columns[0]) - len(keep)
    if not keep or (dropped and "empty text" not in rows.droppable):
        raise ValueError(f"{table.where}: {dropped} of {len(columns[0])} rows lack a sentence; get the published file")
    return dataclasses.replace(table, columns={n: [c[i] for i in keep] for n, c in table.columns.items()}), dropped


def _check_order(queries: Sequence[str], answers: Sequence[str], where: str) -> None:
    """Refuse two columns of which one alone is in alphabetical order."""
    if len(queries) >= TELLING and (list(queries) == sorted(queries)) != (list(answers) == sorted(answers)):
        raise ValueError(
            f"{where}: row i of one column translates row i of the other, but one of them is sorted, as XTREME's "
            "preprocessing leaves the English side to hide the answers; put the published file in its place (LASER's "
            "data/tatoeba/v1 has both sides in one order)"
        )


def _examples(
    rows: HubSource, language: str, table: Table, queries: Sequence[str], answers: Sequence[str], dropped: int
) -> Examples:
    import numpy as np

    ids = tuple(f"{language}-{i}" for i in range(len(queries)))
    place: dict[str, int] = {}
    labels = [place.setdefault(text, len(place)) for text in answers]
    named: list[list[str]] = [[] for _ in place]
    for name, label in zip(ids, labels, strict=True):
        named[label].append(name)
    return Examples(
        language=language,
        subset="clean",
        ids=ids,
        texts=tuple(queries),
        candidates=tuple(place),
        labels=np.array(labels, dtype=np.int64),
        label_names=tuple(" ".join(names) for names in named),
        base_ids=ids,
        groups=ids,
        source=table.source,
        licence=rows.licence,
        note=note_on(table, [(dropped, f"{dropped} rows without a sentence dropped")]),
    )
