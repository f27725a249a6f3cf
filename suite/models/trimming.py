"""Vocabulary trimming: only the embedding rows that a study's texts use, and not one output changed.

Abdaoui et al. 2020, "Load What You Need: Smaller Versions of Multilingual BERT". Texts are tokenised with the original
tokenizer and the ids are renumbered afterwards, so segmentation cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

FILE = "kept_ids.safetensors"
"""Where a saved trimmed model keeps the original ids of its rows."""

LOW = 256
"""A padding id below this keeps its place, since RoBERTa counts positions from it; that costs LOW rows at most."""

SPECIAL = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "mask_token_id")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrimmedVocabulary:
    """Which of the original token ids a trimmed model has a row for."""

    kept: NDArray[np.int64]
    """Original ids, ascending, int64 [rows]; row i of the trimmed embedding table is that of token kept[i]."""

    def __post_init__(self) -> None:
        """Raise ValueError unless the ids are ascending, distinct and not negative."""
        kept = self.kept
        if kept.ndim != 1 or not len(kept) or kept[0] < 0 or bool(np.any(np.diff(kept) <= 0)):
            raise ValueError(f"kept token ids are distinct and ascending from 0 or more, got {kept!r}: use kept_ids()")

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.kept)

    def rows(self, ids: ArrayLike, tokenizer: PreTrainedTokenizerFast) -> NDArray[np.int64]:
        """Rows of original token ids, of the same shape; ValueError names the first token without a row."""
        wanted = np.asarray(ids, dtype=np.int64)
        rows = np.minimum(np.searchsorted(self.kept, wanted), len(self.kept) - 1)
        missing = wanted[self.kept[rows] != wanted]
        if missing.size:
            first = int(missing.flat[0])
            token = tokenizer.convert_ids_to_tokens(first) if 0 <= first < len(tokenizer) else "no token"
            raise ValueError(
                f"every token has a row in the trimmed vocabulary of {len(self):,}, but not token {first} ({token!r}): "
                "trim to the ids of all texts that the study reads"
            )
        return rows


def distinct_ids(arrays: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The token ids that occur in some arrays, ascending; found in one pass, without a sorted copy of them."""
    seen = np.zeros(1 + max((int(ids.max(initial=-1)) for ids in arrays), default=-1), dtype=np.bool_)
    for ids in arrays:
        seen[ids] = True
    return np.flatnonzero(seen)


def kept_ids(tokenizer: PreTrainedTokenizerFast, used: ArrayLike) -> NDArray[np.int64]:
    """Original ids to keep, ascending and distinct: those used, the special tokens, and those up to the padding token.

    The ids up to the padding token are kept where there are few of them, so that it keeps its place (see `LOW`).
    """
    pad = tokenizer.pad_token_id
    if not isinstance(pad, int):
        raise ValueError(f"a checkpoint needs a padding token, {tokenizer.name_or_path!r} has none: set pad_token")
    low = np.arange(pad + 1 if pad < LOW else 0)
    kept = np.unique(np.concatenate([low, tokenizer.all_special_ids, np.asarray(used, dtype=np.int64).ravel()]))
    if kept[0] < 0 or kept[-1] >= len(tokenizer):
        raise ValueError(
            f"token ids lie in 0..{len(tokenizer) - 1}, got {kept[0]}..{kept[-1]}: use this tokenizer's own"
        )
    return kept.astype(np.int64)


def trim_embeddings(model: PreTrainedModel, kept: NDArray[np.int64]) -> TrimmedVocabulary:
    """Replace the model's word embeddings by their rows `kept`, in place; the configuration follows.

    `kept` are rows of the table as it is now. Raises ValueError when a row does not exist, when the padding row is left
    out, or when it would move in a model that counts positions from it.
    """
    import torch

    vocabulary, table = TrimmedVocabulary(kept=kept), model.get_input_embeddings()
    if not isinstance(table, torch.nn.Embedding) or kept[-1] >= table.num_embeddings:
        raise ValueError(f"kept ids are rows of the word-embedding table, got {kept[-1]} of {table}")
    padding = _padding_row(model, table.padding_idx, kept)
    trimmed = torch.nn.Embedding.from_pretrained(  # type: ignore[no-untyped-call]
        table.weight.detach()[torch.from_numpy(kept)], freeze=not table.weight.requires_grad, padding_idx=padding
    )
    model.set_input_embeddings(trimmed)
    model.config.vocab_size = len(kept)
    for name in SPECIAL:
        if isinstance(old := getattr(model.config, name, None), int):
            setattr(model.config, name, _row(kept, old))
    return vocabulary


def _padding_row(model: PreTrainedModel, padding: int | None, kept: NDArray[np.int64]) -> int | None:
    if padding is None:
        return None
    row = _row(kept, padding)
    counted = hasattr(getattr(model, "embeddings", None), "padding_idx")
    if row is None or (counted and row != padding):
        raise ValueError(f"the padding row {padding} is kept in its place, got {row}: take the ids from kept_ids()")
    return row


def _row(kept: NDArray[np.int64], original: int) -> int | None:
    row = int(np.searchsorted(kept, original))
    return row if row < len(kept) and kept[row] == original else None


def save_trimmed(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, vocabulary: TrimmedVocabulary, directory: Path
) -> None:
    """Save a trimmed model, the original tokenizer, and the map between them, which `load_encoder` reads back."""
    from safetensors.numpy import save_file

    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    save_file({"kept_ids": vocabulary.kept}, directory / FILE)


def saved_vocabulary(directory: Path) -> TrimmedVocabulary | None:
    """The map of a trimmed checkpoint, or none when the checkpoint is not trimmed."""
    from safetensors.numpy import load_file

    path = directory / FILE
    return TrimmedVocabulary(kept=load_file(path)["kept_ids"]) if path.is_file() else None
