"""Subsets that others published, from files of theirs that a study names.

Formats: `xnli-tsv`, tab-separated pairs (XNLI-CleanDL, Tan & Joty 2021); `noisy-xnli`, the same with every text in
single quotes (Stickland et al. 2023); `squad-json`, SQuAD's layout (adversarial SQuAD, Jia & Liang 2017).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from suite.naming import unknown
from suite.tasks.examples import Answer, Examples, derived_id
from suite.tasks.pair_files import read_pairs
from suite.tasks.question_rows import QuestionSource, SquadRepository, usable_questions
from suite.tasks.squad_json import read_squad
from suite.tasks.subsets import SUBSETS
from suite.tasks.types import Subset, Task, TaskKind

if TYPE_CHECKING:
    from suite.evaluation_spec import ExternalSpec

KINDS_OF: dict[str, TaskKind] = {
    "xnli-tsv": "classification",
    "noisy-xnli": "classification",
    "squad-json": "question answering",
}
"""Format to the kind of task that its files are of."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The rows of one file."""

    names: tuple[str, ...]
    """Id or number of every row in its file; of a pair that is a clean item, the item's id."""
    texts: tuple[str, ...]
    pairs: tuple[str, ...]
    labels: tuple[int, ...]
    answers: tuple[tuple[Answer, ...], ...] | None = None
    bases: tuple[str, ...] | None = None
    """The clean item that every row changes; none where some row changes none."""
    note: str = ""
    """What was undone or is odd, with counts."""


def external_subset(spec: ExternalSpec) -> Subset:
    """The subset that a study's files are."""
    return Subset(
        name=spec.name,
        description=f"Files in the format {spec.format} that others published ({spec.licence}).",
        provenance="published perturbation",
        defined_for=(KINDS_OF[spec.format],),
        same_items=False,  # it may have items of its own; where it has the task's, `load_external` limits it to them
        build_across=partial(load_external, spec),
    )


def check_external(spec: ExternalSpec, task: Task, languages: Sequence[str]) -> None:
    """Hold an external subset to the study that names it; nothing is read.

    Args:
        spec: The subset.
        task: The task that is reported.
        languages: Of the study.

    Raises:
        ValueError: one line: a name that is taken, a format of another kind of task, a language that the study has not,
            a file that is absent.
    """
    where = f"evaluation.external {spec.name!r}"
    if spec.name in SUBSETS:
        raise ValueError(f"{where}: the suite has a subset of that name; give it another")
    if KINDS_OF[spec.format] != task.kind:
        raise ValueError(
            f"{where}: the format {spec.format} is of {KINDS_OF[spec.format]} tasks, {task.name!r} is one of "
            f"{task.kind}; leave it out"
        )
    for language in spec.languages or languages:
        if language not in languages:
            raise ValueError(f"{where}: {unknown('language', language, languages)}")
        _file(spec, language)


def load_external(
    spec: ExternalSpec, task: Task, clean: Examples, languages: Mapping[str, Examples], seed: int
) -> Examples | None:
    """The rows of a language's file; none in languages that the files are not of.

    Rows that are the task's items changed name them, and are limited to those in `clean`. A file of pairs is the task's
    split where it has as many rows with the same labels in their order. A question is the item of its id, or of what
    stands in its id before the first hyphen, where there is one for every row. Other rows are items of their own, which
    no other language shares.

    Raises:
        ValueError: one line with file, row and counts: no file, not UTF-8, cut, other columns, empty texts, unknown
            labels, repeated ids; or the task is of single texts.
    """
    if spec.languages and clean.language not in spec.languages:
        return None
    path, whole = _file(spec, clean.language), languages[clean.language]
    if whole.pairs is None:
        raise ValueError(
            f"evaluation.external {spec.name!r} is of pairs of texts, {task.name!r} of single ones; drop it"
        )
    read, matched = (_questions, _by_id) if whole.answers is not None else (_pairs, _by_row)
    rows = matched(read(spec, path, task, clean.language), whole)
    repeated = len(rows.names) - len({*rows.names})
    if repeated:
        raise ValueError(f"{path}: ids are unique, {repeated} of {len(rows.names)} are repeated; repair the file")
    examples = _examples(spec, path, rows, whole)
    there = {*clean.ids}
    return examples if rows.bases is None else examples.rows([i for i, b in enumerate(rows.bases) if b in there])


def _file(spec: ExternalSpec, language: str) -> Path:
    """The file of a language; ValueError where there is none."""
    path = Path(spec.path.replace("{language}", language)).expanduser()
    if not path.is_file():
        raise ValueError(
            f"evaluation.external {spec.name!r}: there is no file {path}; correct its path, or list those languages in "
            "its languages that it has files of"
        )
    return path


def _by_row(rows: Published, whole: Examples) -> Published:
    if rows.labels != tuple(whole.labels.tolist()):
        return rows
    return dataclasses.replace(rows, names=whole.ids, bases=whole.ids)


def _by_id(rows: Published, whole: Examples) -> Published:
    known = {*whole.ids}
    bases = tuple(name if name in known else name.partition("-")[0] for name in rows.names)
    return dataclasses.replace(rows, bases=bases) if known.issuperset(bases) else rows


def _examples(spec: ExternalSpec, path: Path, rows: Published, whole: Examples) -> Examples:
    import numpy as np

    ids = _ids(spec, rows, whole.language)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    of = "items of their own" if rows.bases is None else f"of {len({*rows.bases})} of the task's {len(whole)} items"
    return Examples(
        language=whole.language,
        subset=spec.name,
        ids=ids,
        texts=rows.texts,
        pairs=rows.pairs,
        answers=rows.answers,
        labels=np.array(rows.labels, dtype=np.int64),
        label_names=whole.label_names,
        base_ids=ids if rows.bases is None else rows.bases,
        groups=_groups(rows, ids, whole),
        source=f"{spec.name} ({path.name}, SHA-256 {digest})",
        licence=spec.licence,
        note=" and ".join(part for part in (f"{len(ids)} rows, {of}", rows.note) if part),
    )


def _ids(spec: ExternalSpec, rows: Published, language: str) -> tuple[str, ...]:
    if rows.bases is None:
        return tuple(f"{spec.name}/{language}/{name}" for name in rows.names)
    named = zip(rows.bases, rows.names, strict=True)
    return tuple(derived_id(base, f"{spec.name}{name.removeprefix(base)}") for base, name in named)


def _groups(rows: Published, ids: Sequence[str], whole: Examples) -> tuple[str, ...]:
    """Those of the clean items; of others the first item with the same premise, or context."""
    if rows.bases is not None:
        group_of = dict(zip(whole.ids, whole.groups, strict=True))
        return tuple(group_of[base] for base in rows.bases)
    leader: dict[str, str] = {}
    tied = rows.texts if rows.answers is None else rows.pairs
    return tuple(leader.setdefault(text, name) for text, name in zip(tied, ids, strict=True))


def _questions(spec: ExternalSpec, path: Path, task: Task, language: str) -> Published:
    """The questions of a file in SQuAD's layout; one without an answer that stands in its context is refused."""
    rows = SquadRepository(
        name=task.name,
        repository=spec.name,
        revision=None,
        configurations={},
        labels=task.labels,
        licence=spec.licence,
    )
    found = usable_questions(read_squad(rows, path.parent, [path.name], None), QuestionSource(rows=rows), "test")
    return Published(
        names=found.ids,
        texts=found.texts,
        pairs=found.contexts,
        labels=(0,) * len(found.ids),
        answers=found.answers,
        note=found.note,
    )


def _pairs(spec: ExternalSpec, path: Path, task: Task, language: str) -> Published:
    """The pairs of a tab-separated file."""
    found = read_pairs(path, spec.format, task.labels, language)
    return Published(
        names=tuple(str(number) for number in found.numbers),
        texts=found.texts,
        pairs=found.pairs,
        labels=found.labels,
        note=", ".join(found.oddities),
    )
