"""Classification tasks from hub repositories: one declarative entry each, one loader for all.

Data goes through `datasets.load_dataset`: data files only, never code that a repository brings along. With a hub root,
the repository is read from `<root>/<owner>/<name>`, a directory laid out as on the hub; where `SUITE_XTREME` is set,
tasks of XTREME are read from the directory that its `download_data.sh` makes.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from suite.tasks.entries import check_parallel_text, pivot_of, source_task
from suite.tasks.examples import Examples, ParallelText
from suite.tasks.parallel import join_splits
from suite.tasks.reading import read_hub
from suite.tasks.rows import Rows, check_translations, group_ids, usable_rows
from suite.tasks.source import HubSource
from suite.tasks.types import Load, LoadParallel, Task
from suite.tasks.xtreme import read_xtreme, xtreme_folder


def hub_task(
    source: HubSource,
    *,
    metric: Literal["accuracy", "macro_f1"] = "accuracy",
    parallel: bool = False,
    parallel_text: LoadParallel | None = None,
    benchmarks: tuple[str, ...] = (),
    variant_of: str = "",
) -> Task:
    """A catalogue entry for a hub repository.

    Args:
        source: Repository, configurations, columns and labels.
        metric: The field's usual metric.
        parallel: Whether the items of a split are translations of one another and share ids; it is verified on loading.
        parallel_text: Translation pairs; by default validation and test items joined by id, which needs `parallel`.
        benchmarks: Benchmarks that it is a task of.
        variant_of: The task whose data it cuts otherwise.
    """
    check_parallel_text(source, parallel, parallel_text)
    load = partial(load_hub, source, pivot_of(source, parallel))
    return source_task(
        source,
        kind="classification",
        metric=metric,
        load=load,
        parallel_text=parallel_text or partial(join_parallel, source, load),
        parallel=parallel,
        benchmarks=benchmarks,
        variant_of=variant_of,
    )


def load_hub(source: HubSource, pivot: str | None, language: str, split: str, hub_root: Path | None) -> Examples:
    """The examples of one language and split.

    Args:
        source: Where they are.
        pivot: Language whose items all others translate; none where they are no translations.
        language: One of the source's languages.
        split: One of the source's splits.
        hub_root: Local hub mirror.

    Raises:
        ValueError: one line with counts: an unknown language or split, an absent repository, mirror or configuration,
            missing columns, defects the source is not known for, labels outside the set, repeated ids, items that are
            not the translations they are said to be.
    """
    part = source.part(split)
    rows = _rows(source, language, part.split, hub_root)
    first = rows
    # Training sets are machine translated, if at all, and large: they are not held against another language's.
    if pivot not in (None, language) and (split != "train" or not part.whole):
        first = _rows(source, str(pivot), part.split, hub_root)
        check_translations(rows, first, source)
    group_of = group_ids(first)
    groups = tuple(group_of.get(name, name) for name in rows.ids)
    return part.of(_examples(source, language, rows, groups), groups)


def join_parallel(source: HubSource, load: Load, ours: str, theirs: str, hub_root: Path | None) -> ParallelText:
    """Validation and test items of two languages joined by id; training items, which a model has seen, never.

    Of sentence pairs the first texts are taken.
    """
    splits = ("validation", "test")
    joined = join_splits(load, splits, ours, theirs, hub_root, name=source.name, licence=source.licence)
    if not joined.ids:
        raise ValueError(f"{source.repository}: {ours!r} and {theirs!r} share no id in column {source.id!r}")
    return joined


def _rows(source: HubSource, language: str, split: str, hub_root: Path | None) -> Rows:
    source.check_language(language)
    folder = xtreme_folder(source)
    table = read_xtreme(source, folder, language, split) if folder else read_hub(source, language, split, hub_root)
    return usable_rows(table, source, split)


def _examples(source: HubSource, language: str, rows: Rows, groups: tuple[str, ...]) -> Examples:
    import numpy as np

    return Examples(
        language=language,
        subset="clean",
        ids=rows.ids,
        texts=rows.texts,
        pairs=rows.pairs,
        labels=np.array(rows.labels, dtype=np.int64),
        label_names=source.labels,
        base_ids=rows.ids,
        groups=groups if source.pair else tuple(source.labels[label] for label in rows.labels),
        source=rows.source,
        licence=source.licence,
        note=rows.note,
    )
