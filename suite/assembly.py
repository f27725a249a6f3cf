"""Workspaces put together once per (task, scale): tokens, the vocabulary trimmed to them, the encoder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter

from suite.attacks import Reader, Target, WordAttack, candidate_ids, find_targets, rows_by_id, study_lexicons
from suite.canonical import to_json
from suite.evaluation import SAMPLE_SEED, Reported
from suite.evaluation_spec import CLEAN, EvaluationSpec
from suite.kinds import KINDS, Encoded, Kind
from suite.kinds.cached import encode_cached
from suite.methods import resolve_method
from suite.models.array_file import ArrayFile
from suite.models.checkpoints import EncoderParts, load_encoder, load_tokenizer
from suite.models.rewriting import Rewriter
from suite.models.row_words import RowWords
from suite.models.tokens import TokenRows, encode
from suite.models.trimming import distinct_ids, kept_ids
from suite.tasks.synonyms import embedding_neighbours, load_synonyms
from suite.tasks.xtreme import xtreme_root
from suite.texts import Texts, limited, load_texts
from suite.training import Lesson
from suite.trial_spec import Scale, TaskSpec, TrialSpec
from suite.workspace import ParallelRows, Workspace, device

TOKENS_AT_ONCE = 1_000_000
"""Tokens that are renumbered together: 8 MB, and as much again for each step of it."""


def load_workspace(spec: TrialSpec, root: Path | None) -> Workspace:
    """The workspace of a trial; the last two are kept, as a study visits scales one after another."""
    key = {
        "task": to_json(spec.task),
        "scale": to_json(spec.scale),
        "max_length": spec.train.max_length,
        "select_on": spec.select_on,
        "evaluation": to_json(_of_data(spec.evaluation)),
        "pairs": spec.alignment.pairs,
        "xtreme": str(xtreme_root()),
        "synonyms": spec.phase != "checkpoint" and resolve_method(spec.method).synonyms,
        "attacked": [spec.evaluation.attack_examples] if spec.evaluation.word_attack_queries else [],
    }
    return _load(json.dumps(key), root, device())


@lru_cache(maxsize=2)
def _load(key: str, root: Path | None, at: torch.device) -> Workspace:
    wanted = json.loads(key)
    task = _task_spec(wanted["task"])
    scale = Scale(**{**wanted["scale"], "learning_rate": None})
    evaluation = _EVALUATION.validate_json(json.dumps(wanted["evaluation"]))
    texts = load_texts(task, wanted["select_on"], evaluation, wanted["pairs"], root)
    targets = tuple(
        target for limit in wanted["attacked"] for target in _targets(texts, task, evaluation.lexicon, limit)
    )
    splits = wanted["select_on"], evaluation.report_on
    return _assemble(texts, task, scale, wanted["max_length"], splits, wanted["synonyms"], targets, root, at)


_EVALUATION = TypeAdapter(EvaluationSpec)


def _of_data(evaluation: EvaluationSpec) -> EvaluationSpec:
    """What of an evaluation says which texts are read: nothing of attacks and votes."""
    return EvaluationSpec(
        report_on=evaluation.report_on,
        subsets=evaluation.subsets,
        lexicon=evaluation.lexicon,
        external=evaluation.external,
    )


def _task_spec(table: dict[str, Any]) -> TaskSpec:
    return TaskSpec(**{**table, "targets": tuple(table["targets"])})


def _assemble(
    texts: Texts,
    task: TaskSpec,
    scale: Scale,
    max_length: int,
    splits: tuple[str, str],
    synonyms: bool,
    targets: tuple[Target, ...],
    root: Path | None,
    at: torch.device,
) -> Workspace:
    tokenizer = load_tokenizer(scale.checkpoint, revision=scale.revision, hub_root=root)

    def tokens(lines: Sequence[str]) -> TokenRows:
        return encode(tokenizer, lines, None, max_length, scale.prefix)

    kinds = KINDS[texts.trained.kind], KINDS[texts.task.kind]
    learnt = (*texts.taught, texts.validation)
    *lessons, validation = encode_cached(kinds[0], tokenizer, learnt, max_length, scale.prefix)
    reported = encode_cached(kinds[1], tokenizer, texts.reported, max_length, scale.prefix)
    distinct = sorted({line for p in texts.parallel.values() for line in (*p.source_texts, *p.target_texts)})
    place = {line: i for i, line in enumerate(distinct)}
    parallel = tokens(distinct)
    words = [_words(kinds[0], b, max_length, task, scale, tokenizer, root) if synonyms else None for b in lessons]
    trained = [*(block.rows.ids for block in lessons), *(own.used for own in words if own is not None)]
    reader = Reader(tokenizer=tokenizer, max_length=max_length, prefix=scale.prefix)
    used = [parallel.ids, candidate_ids(reader, targets), *(block.rows.ids for block in (validation, *reported))]
    parts = load_encoder(
        scale.checkpoint,
        revision=scale.revision,
        layers=scale.layers,
        hub_root=root,
        keep_ids=kept_ids(tokenizer, distinct_ids([*trained, *used])),
    )
    trained_ids = distinct_ids(trained)
    table = _trained_first(parts, trained_ids)
    *before, lesson = (
        _lesson(table.renumbered(block), own, table, max_length, kinds[0])
        for block, own in zip(lessons, words, strict=True)
    )
    return Workspace(
        texts=texts,
        parts=parts,
        kind=kinds[0],
        lesson=lesson,
        intermediate=before[0] if before else None,
        validation=table.renumbered(validation),
        reported=Reported(kind=kinds[1], blocks=tuple(map(table.renumbered, reported))),
        parallel=ParallelRows(
            rows=parallel.with_ids(table.rows(parallel.ids)),
            pairs={
                t: (_places(p.source_texts, place), _places(p.target_texts, place)) for t, p in texts.parallel.items()
            },
        ),
        word_attack=WordAttack(targets=targets, reader=reader, row_of=rows_by_id(table.original_ids, len(tokenizer)))
        if targets
        else None,
        datasets=texts.datasets(*splits),
        trained_rows=len(trained_ids),
        original_ids=table.original_ids,
        units={},
        device=at,
    )


@dataclass(frozen=True, slots=True, eq=False)
class WordTable:
    """Which row of the embedding table a token has after `_trained_first`."""

    parts: EncoderParts
    place: NDArray[np.int64]
    """New row of every row of the trimmed table."""

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the tokenizer's ids [T]; those of a large block in a mapped file, as the ids are."""
        if len(ids) <= TOKENS_AT_ONCE:
            return self.place[self.parts.rows(ids)]
        file = ArrayFile()
        for start in range(0, len(ids), TOKENS_AT_ONCE):
            file.add(self.place[self.parts.rows(ids[start : start + TOKENS_AT_ONCE])])
        return file.mapped()

    def renumbered(self, block: Encoded) -> Encoded:
        """A block whose ids are the tokenizer's, with rows instead."""
        return block.with_ids(self.rows(block.rows.ids))

    @property
    def original_ids(self) -> NDArray[np.int64]:
        """The tokenizer's id of every row."""
        assert self.parts.vocabulary is not None
        return self.parts.vocabulary.kept[np.argsort(self.place)]


def _trained_first(parts: EncoderParts, trained_ids: NDArray[np.int64]) -> WordTable:
    """Move the words of the training texts to the top of the embedding table, in place.

    There they are one slice, which the optimiser can hold without the words that only evaluation meets.
    """
    embedding = parts.model.get_input_embeddings()
    assert isinstance(embedding, torch.nn.Embedding)
    first = parts.rows(trained_ids)
    order = np.concatenate([first, np.setdiff1d(np.arange(embedding.num_embeddings), first)])
    embedding.weight.data = embedding.weight.data[torch.from_numpy(order)]
    embedding.padding_idx = None  # packed texts have no padding, and the row it named has moved
    return WordTable(parts, np.argsort(order))


def _places(lines: Sequence[str], place: Mapping[str, int]) -> NDArray[np.int64]:
    return np.array([place[line] for line in lines], dtype=np.int64)


def _targets(texts: Texts, task: TaskSpec, lexicon: str | None, limit: int | None) -> tuple[Target, ...]:
    """The clean items whose words are attacked, at most `limit` of a language; synonyms are the source language's."""
    blocks = [limited(block, limit) for block in texts.reported if block.subset == CLEAN]
    known = {task.source: load_synonyms(Path(task.synonyms).expanduser())} if task.synonyms else {}
    lexicons = {
        b.language: study_lexicons(task.name, b.language, synonyms=known.get(b.language), lexicon=lexicon)
        for b in blocks
    }
    return find_targets(blocks, lexicons, SAMPLE_SEED)


def _lesson(train: Encoded, words: RowWords | None, table: WordTable, max_length: int, kind: Kind) -> Lesson:
    if words is None:
        return Lesson(train=train)
    moved = words.with_ids(table.rows(words.options.ids))
    return Lesson(train=train, rewriter=Rewriter(train.rows, moved, train.labels, max_length, kind.unasked))


def _words(
    kind: Kind, train: Encoded, max_length: int, task: TaskSpec, scale: Scale, tokenizer: Any, root: Path | None
) -> RowWords:
    """The words of the training rows, with the synonyms that may replace them."""
    assert kind.words is not None  # a kind without trains nothing, which `plan` refuses
    examples = train.examples
    lines = chain(examples.texts, examples.pairs or (), chain.from_iterable(examples.choices or ()))
    synonyms = _synonyms(lines, task, scale, tokenizer, root)
    return kind.words(tokenizer, train, max_length, scale.prefix, synonyms)


def _synonyms(
    lines: Iterable[str], task: TaskSpec, scale: Scale, tokenizer: Any, root: Path | None
) -> Mapping[str, Sequence[str]]:
    """Synonym sets from the study's file, or from the encoder's own word embeddings."""
    if task.synonyms is not None:
        return load_synonyms(Path(task.synonyms).expanduser())
    words = sorted({word for line in lines for word in line.split()})
    pieces = tokenizer([[w] for w in words], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    whole = {w: p[0] for w, p in zip(words, pieces, strict=True) if len(p) == 1}
    kept = kept_ids(tokenizer, np.array(sorted(set(whole.values())), dtype=np.int64))
    parts = load_encoder(scale.checkpoint, revision=scale.revision, layers=1, hub_root=root, keep_ids=kept)
    table: NDArray[np.float32] = parts.model.get_input_embeddings().get_parameter("weight").detach().numpy()
    return embedding_neighbours(table, tokenizer.convert_ids_to_tokens(kept.tolist()), list(whole))
