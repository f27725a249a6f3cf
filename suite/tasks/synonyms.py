"""Synonym sets for data augmentation: from a file, or from the encoder's own word embeddings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

METASPACE = "\u2581"
"""What a whole word's piece starts with in sentence-piece vocabularies (U+2581)."""
WORDS_AT_ONCE = 4096
"""Words whose cosines with all others are held at once: of 30,000 words 0.5 GB, where all with all are 3.6 GB."""


def load_synonyms(path: Path) -> dict[str, tuple[str, ...]]:
    """Read word -> neighbours from JSON, the format of `counterfitted_neighbors.json` (Jia et al. 2019).

    Raises:
        ValueError: the file is absent, is not JSON, or maps something else than words to lists of words.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"no synonym file at {path}") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not a JSON file of synonyms: {error}") from None
    if not isinstance(table, dict):
        raise ValueError(f"{path}: synonyms map words to lists of words, got a {type(table).__name__}")
    for word, neighbours in table.items():
        if not isinstance(neighbours, list) or not all(isinstance(n, str) and n for n in neighbours):
            raise ValueError(f"{path}: the synonyms of {word!r} are a list of words, got {neighbours!r}")
    return {word: tuple(dict.fromkeys(n for n in found if n != word)) for word, found in table.items()}


def embedding_neighbours(
    embedding_VD: NDArray[np.float32], pieces: Sequence[str], words: Sequence[str], k: int = 8, min_cosine: float = 0.5
) -> dict[str, tuple[str, ...]]:
    """Nearest neighbours among the words that are one piece of the vocabulary.

    The embeddings are centred on the mean of these words first: they are anisotropic, and raw cosines are all high.
    Neighbours are related words, opposites included (`up` has `down`): embeddings learnt from contexts do not tell them
    from synonyms (Mrkšić et al. 2016). Where a swapped opposite changes the label, give a file to `load_synonyms`.

    Args:
        embedding_VD: Word embeddings, [V, D].
        pieces: The piece of every row, [V]; a word's piece starts with U+2581.
        words: Words of the source language, such as those of the training texts.
        k: Most neighbours per word.
        min_cosine: Least cosine of a neighbour after centring, -1 to 1.

    Returns:
        Word to neighbours, nearest first; words without one are left out. A word's other spellings in upper and lower
        case are no neighbours.

    Raises:
        ValueError: as many pieces as rows are needed, `k` at least 1, `min_cosine` in [-1, 1].
    """
    import numpy as np

    if len(pieces) != len(embedding_VD):
        raise ValueError(f"one piece per embedding row, got {len(pieces)} pieces and {len(embedding_VD)} rows")
    if k < 1 or not -1 <= min_cosine <= 1:
        raise ValueError(f"k is at least 1 and min_cosine lies in [-1, 1], got k = {k}, min_cosine = {min_cosine}")
    row = {piece: i for i, piece in enumerate(pieces)}
    whole = [word for word in dict.fromkeys(words) if word.isalpha() and METASPACE + word in row]
    if len(whole) < 2:
        return {}
    units_WD = _centred_units(np.asarray(embedding_VD, dtype=np.float32)[[row[METASPACE + word] for word in whole]])
    found = {}
    for start in range(0, len(whole), WORDS_AT_ONCE):
        cosine_BW = units_WD[start : start + WORDS_AT_ONCE] @ units_WD.T
        for word, cosine_W in zip(whole[start:], cosine_BW, strict=False):
            close = np.flatnonzero(cosine_W >= min_cosine)
            order = close[np.argsort(-cosine_W[close], kind="stable")]
            near = [whole[j] for j in order if whole[j].lower() != word.lower()]
            if near:
                found[word] = tuple(near[:k])
    return found


def _centred_units(rows_WD: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows minus their mean, scaled to length 1; a row equal to the mean stays 0."""
    import numpy as np

    centred_WD = rows_WD - rows_WD.mean(axis=0, keepdims=True)
    norms_W1 = np.linalg.norm(centred_WD, axis=1, keepdims=True)
    units_WD: NDArray[np.float32] = np.divide(centred_WD, norms_W1, out=np.zeros_like(centred_WD), where=norms_W1 > 0)
    return units_WD
