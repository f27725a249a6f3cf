"""Randomized smoothing by data augmentation (RS-DA): words are replaced by synonyms, afresh at every visit.

Each word is drawn uniformly from itself and its synonym set, P(keep) = 1 / (k + 1) with k synonyms, independently per
token and per copy; the original text is not added (Huang et al. 2021 and its public `perturb.py`; after SAFER, Ye et
al. 2020). Where that code writes a fixed set of copies to disk once, here every visit draws anew. What is asked of a
replaced word is asked of what replaces it, and the answer to a question stays (`suite.models.rewriting`).
"""

from __future__ import annotations

from suite.batch import Batch
from suite.methods.interface import EMBEDDINGS, Loss, Method, Model, StepStreams


def data_augmentation(
    batch: Batch, model: Model, streams: StepStreams, *, neighbours: int = 8, copies: int = 1
) -> Loss:
    """Mean cross-entropy over rewritten copies of the batch.

    Args:
        batch: Packed texts, with whatever is asked of them.
        model: The classifier; it knows the synonym sets.
        streams: Random streams of this update; draws come from `augment`.
        neighbours: Synonyms considered per word, nearest first, >= 0.
        copies: Rewritten copies of each text per update, >= 1; the update costs so many standard ones. Without
            neighbours they would all be alike, and one is taken.
    """
    if neighbours < 0:
        raise ValueError(f"neighbours is not negative, got {neighbours}")
    if copies < 1:
        raise ValueError(f"copies is at least 1, got {copies}")
    different = copies if neighbours > 0 else 1
    rewritten = model.rewrite(batch, streams.numpy("augment"), neighbours=neighbours, copies=different)
    return Loss(value=model.loss(rewritten, model.enter(rewritten, EMBEDDINGS), EMBEDDINGS))


DATA_AUGMENTATION = Method(loss=data_augmentation, strength="neighbours", site=False, synonyms=True, passes="copies")
