"""Token classification: a tag for every word, read at the word's first token.

Words are tokenised each by itself, as fast tokenizers do with words that are given apart. A sentence too long for one
row is read in several, cut between words where the next would not fit, as XTREME's preprocessing cuts it: no word goes
untagged. A word of which the tokenizer leaves nothing stands as the unknown token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from suite.batch import Batch
from suite.kinds.kind import Columns, Encoded, Kind
from suite.models.row_words import RowWords, Synonyms, words_in_rows
from suite.models.tokens import TokenRows, positions, rows_from_lists
from suite.tasks.entities import count_entities
from suite.tasks.examples import Examples

Ints = NDArray[np.int64]

IGNORED = -100
"""Target of tokens that are asked for no tag: special tokens, the prefix, all of a word but its first token."""
WHOLE, UNKNOWN, CUT = 0, 1, 2
"""Marks of a word's first token: all its tokens follow; it had none; those beyond one row's room are left out."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Margins:
    """What a tokenizer puts before and after the words of every row, prefix included."""

    before: Ints
    special: NDArray[np.bool_]
    """True at the special tokens before the words, false at the prefix."""
    after: Ints

    @classmethod
    def of(cls, tokenizer: Any, prefix: str) -> Margins:
        """Read off a word that the tokenizer encodes after the prefix."""
        words = [*prefix.split(), "a"]
        out = tokenizer([words], is_split_into_words=True, return_special_tokens_mask=True)
        ids, special = (np.array(out[name][0], dtype=np.int64) for name in ("input_ids", "special_tokens_mask"))
        places = [i for i, word in enumerate(out.word_ids(0)) if word == len(words) - 1]
        return cls(before=ids[: places[0]], special=special[: places[0]] > 0, after=ids[places[-1] + 1 :])

    def __len__(self) -> int:
        return len(self.before) + len(self.after)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Words:
    """Tokens of distinct words, none without a token and none longer than a row."""

    place: dict[str, int]
    """Word to row."""
    rows: TokenRows
    marks: Ints
    """`WHOLE`, `UNKNOWN` or `CUT` by row."""


def _encode(tokenizer: Any, blocks: Sequence[Examples], max_length: int, prefix: str) -> list[Encoded]:
    margins = Margins.of(tokenizer, prefix)
    room = max_length - len(margins)
    if room < 1:
        raise ValueError(f"max_length holds {len(margins)} tokens around a word, got {max_length}; raise it")
    words = _words(tokenizer, chain.from_iterable(w for block in blocks for w in block.words or ()), room)
    return [_rows(margins, words, block, room) for block in blocks]


def _words(tokenizer: Any, words: chain[str], room: int) -> Words:
    """Tokenise every distinct word once, and leave at most `room` tokens of it."""
    distinct = list(dict.fromkeys(words))
    out = tokenizer(
        [[word] for word in distinct],
        is_split_into_words=True,
        add_special_tokens=False,
        return_attention_mask=False,
        verbose=False,
    )
    ids: list[list[int]] = out["input_ids"] if distinct else []
    empty = [i for i, row in enumerate(ids) if not row]
    if empty and tokenizer.unk_token_id is None:
        raise ValueError(
            f"the tokenizer leaves nothing of {len(empty)} words, the first is {distinct[empty[0]]!r}, and has no "
            "unknown token to read in its place; repair the file"
        )
    lengths = np.array([len(row) for row in ids], dtype=np.int64)
    kept = [row[:room] or [tokenizer.unk_token_id] for row in ids]
    return Words(
        place={word: row for row, word in enumerate(distinct)},
        rows=rows_from_lists(kept, [[0] * len(row) for row in kept], None),
        marks=np.select([lengths == 0, lengths > room], [UNKNOWN, CUT], WHOLE),
    )


def _rows(margins: Margins, words: Words, block: Examples, room: int) -> Encoded:
    """The sentences of a block, a row for each, or as many as its length takes."""
    sentences = block.words or ()
    at_W = np.array([words.place[word] for sentence in sentences for word in sentence], dtype=np.int64)
    sizes_W = words.rows.lengths[at_W]
    counts_N = np.array([len(sentence) for sentence in sentences], dtype=np.int64)
    first_W = _first_of_rows(sizes_W, counts_N, room)
    row_W = np.cumsum(first_W) - 1
    sizes_R = np.bincount(row_W, weights=sizes_W).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes_R + len(margins))])
    ids, special = np.empty(offsets[-1], dtype=np.int64), np.ones(offsets[-1], dtype=np.bool_)
    before_RT = offsets[:-1, None] + np.arange(len(margins.before))
    ids[before_RT], special[before_RT] = margins.before, margins.special
    ids[offsets[1:, None] - len(margins.after) + np.arange(len(margins.after))] = margins.after
    start_W = np.cumsum(sizes_W) - sizes_W + row_W * len(margins) + len(margins.before)
    own = positions(start_W, sizes_W)
    ids[own], special[own] = words.rows.ids[words.rows.indices(at_W)], False
    targets, marks = np.full(len(ids), IGNORED), np.zeros((len(ids), 1), dtype=np.int64)
    targets[start_W], marks[start_W, 0] = [tag for tags in block.tags or () for tag in tags], words.marks[at_W]
    return Encoded(
        examples=block,
        rows=TokenRows(ids=ids, special=special, types=None, offsets=offsets, targets=targets),
        labels=np.zeros(len(sizes_R), dtype=np.int64),
        example_of=np.repeat(np.arange(len(block)), counts_N)[first_W],
        marks=marks,
    )


def _first_of_rows(sizes_W: Ints, counts_N: Ints, room: int) -> NDArray[np.bool_]:
    """Which words begin a row: the first of a sentence, and each that would not fit into the row before."""
    stops_N = np.cumsum(counts_N)
    first_W = np.zeros(len(sizes_W), dtype=np.bool_)
    first_W[stops_N - counts_N] = True
    tokens_N = np.add.reduceat(sizes_W, stops_N - counts_N) if len(sizes_W) else stops_N
    for i in np.flatnonzero(tokens_N > room):
        filled = 0
        for word in range(stops_N[i] - counts_N[i], stops_N[i]):
            filled += int(sizes_W[word])
            if filled > room:
                first_W[word], filled = True, int(sizes_W[word])
    return first_W


def _replaceable(tokenizer: Any, block: Encoded, max_length: int, prefix: str, synonyms: Synonyms) -> RowWords:
    """The words that are tagged, inside and outside of entities; one that was cut or stands as unknown is left alone.

    A replacement has the tag of the word at its first token. Few names have synonyms, so entities mostly stay.
    """
    rows = block.rows
    assert rows.targets is not None
    begun_T = np.cumsum(rows.targets != IGNORED)
    before_R = np.concatenate([[0], begun_T])[rows.offsets[:-1]]
    word_T = np.where(rows.special | (begun_T == np.repeat(before_R, rows.lengths)), -1, begun_T - 1)
    names = [word for sentence in block.examples.words or () for word in sentence]
    return words_in_rows(tokenizer, rows, word_T, names, synonyms)


def _loss(logits_TC: Tensor, batch: Batch) -> Tensor:
    """Mean cross-entropy over the words of the batch."""
    assert batch.targets_T is not None
    return F.cross_entropy(logits_TC, batch.targets_T, ignore_index=IGNORED)


def _asked(batch: Batch) -> int:
    """Words of the batch, of which the loss is the mean."""
    assert batch.targets_T is not None
    return int((batch.targets_T != IGNORED).sum())


def _decode(block: Encoded, logits_TC: NDArray[np.float32]) -> Columns:
    """Each word's likeliest tag; entities and words counted by sentence, however many rows it has."""
    examples, targets = block.examples, block.rows.targets
    assert targets is not None and block.example_of is not None
    asked = targets != IGNORED
    sentence_W = np.repeat(block.example_of, block.rows.lengths)[asked]
    found_W = logits_TC[asked].argmax(1)
    tokens = np.bincount(sentence_W, minlength=len(examples))
    names = np.array(examples.label_names, dtype=object)
    cuts = np.cumsum(tokens)[:-1]
    gold, given = ([part.tolist() for part in np.split(names[tags_W], cuts)] for tags_W in (targets[asked], found_W))
    hits, made, wanted = count_entities(gold, given)
    return {
        "answer": np.array([" ".join(tags) for tags in given], dtype=object),
        "hits": hits,
        "made": made,
        "wanted": wanted,
        "right": np.bincount(sentence_W[found_W == targets[asked]], minlength=len(examples)),
        "tokens": tokens,
    }


def reading_note(block: Encoded) -> str:
    """What tokenising a block of tagged sentences had to change, with counts; empty where nothing."""
    assert block.example_of is not None and block.marks is not None
    several = int((np.bincount(block.example_of) > 1).sum())
    lines = (
        (several, f"{several} of {len(block.examples)} sentences read in several rows"),
        (unknown := int((block.marks == UNKNOWN).sum()), f"{unknown} words without a token read as unknown"),
        (cut := int((block.marks == CUT).sum()), f"{cut} words cut to the length of a row"),
    )
    return ", ".join(line for count, line in lines if count)


TOKEN_CLASSIFICATION = Kind(
    name="token classification",
    metrics=("entity_f1", "token_accuracy"),
    columns=("answer", "hits", "made", "wanted", "right", "tokens"),
    encode=_encode,
    outputs=lambda labels: labels,
    loss=_loss,
    decode=_decode,
    words=_replaceable,
    unasked=IGNORED,
    weight=_asked,
    note=reading_note,
    per_token=True,
)
