"""Standard fine-tuning: cross-entropy, the baseline every robust method is compared with."""

from __future__ import annotations

import torch.nn.functional as F

from suite.batch import Batch
from suite.methods.interface import EMBEDDINGS, Loss, Method, Model, StepStreams


def standard(batch: Batch, model: Model, streams: StepStreams) -> Loss:
    """Mean cross-entropy of the batch."""
    logits = model.finish(batch, model.enter(batch, EMBEDDINGS), EMBEDDINGS)
    return Loss(value=F.cross_entropy(logits, batch.labels_B))


STANDARD = Method(loss=standard, strength=None, site=False)
