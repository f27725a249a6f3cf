"""A trained classifier as a folder: an encoder that any tool loads, its head, and how texts are put to it.

`encoder/` is a checkpoint like any other (safetensors, configuration, tokenizer) with the whole vocabulary, so that
texts which no study read have rows too; `head.safetensors` holds the linear layer, `classifier.json` the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from suite.models import trimming
from suite.models.checkpoints import EncoderParts, load_encoder, quiet
from suite.models.classifier import Classifier
from suite.models.pair_tokens import encode_pairs
from suite.models.predict import predict_logits
from suite.models.tokens import encode
from suite.seeding import Streams
from suite.trial_spec import Pooling

if TYPE_CHECKING:
    from suite.kinds.kind import Kind

ENCODER, HEAD, READING = "encoder", "head.safetensors", "classifier.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How texts are put to a classifier, and what its outputs are called."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    run_id: str
    """The run that trained it."""
    labels: tuple[str, ...]
    """Name of every output of the head."""
    pairs: bool
    """Whether it reads two texts together."""
    max_length: int
    """Tokens kept of a text or a pair, special tokens included."""
    prefix: str
    """Put before every (first) text."""
    pooling: Pooling = "mean"
    """What the head reads of a text."""


_READING = TypeAdapter(Reading)


@dataclass(frozen=True, slots=True)
class SavedClassifier:
    """A classifier read back from its folder."""

    reading: Reading
    parts: EncoderParts
    classifier: Classifier

    def logits(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> NDArray[np.float32]:
        """Outputs of the head for every text, or every pair of texts, [N, C].

        Raises:
            ValueError: second texts are missing, or given to a classifier of single texts.
        """
        if (pairs is not None) != self.reading.pairs:
            wanted = "pairs of texts" if self.reading.pairs else "single texts"
            raise ValueError(f"this classifier reads {wanted}, got {'no ' if pairs is None else ''}second texts")
        if not len(texts):
            return np.empty((0, len(self.reading.labels)), dtype=np.float32)
        tokenizer, length, prefix = self.parts.tokenizer, self.reading.max_length, self.reading.prefix
        if pairs is None:
            rows = encode(tokenizer, texts, None, length, prefix)
        else:
            rows = encode_pairs(tokenizer, [(texts, pairs)], length, prefix)[0]
        return predict_logits(self.classifier, rows.with_ids(self.parts.rows(rows.ids)))


def save_classifier(
    folder: Path, whole: EncoderParts, classifier: Classifier, original_ids: NDArray[np.int64], reading: Reading
) -> None:
    """Write a trained classifier, whose embedding table may be trimmed and reordered, with the whole vocabulary.

    Args:
        folder: Folder to write to; created.
        whole: The untouched encoder it started from, with as many layers; its weights are overwritten.
        classifier: The trained classifier.
        original_ids: The tokenizer's id of every row of the classifier's embedding table.
        reading: How texts are put to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _fill(whole, classifier, original_ids)
    with quiet():
        if whole.vocabulary is None:
            whole.model.save_pretrained(folder / ENCODER)
            whole.tokenizer.save_pretrained(folder / ENCODER)
        else:
            trimming.save_trimmed(whole.model, whole.tokenizer, whole.vocabulary, folder / ENCODER)
    head = {name: value.detach().cpu().contiguous() for name, value in classifier.head.state_dict().items()}
    save_file(head, folder / HEAD)
    (folder / READING).write_bytes(_READING.dump_json(reading, indent=1) + b"\n")


def _fill(whole: EncoderParts, classifier: Classifier, original_ids: NDArray[np.int64]) -> None:
    """Overwrite an encoder's weights with the trained ones; words the classifier has no row for stay untouched."""
    trained = dict(classifier.encoder.named_parameters())
    words = whole.model.get_input_embeddings().get_parameter("weight")
    with torch.no_grad():
        for name, parameter in whole.model.named_parameters():
            if parameter is not words:
                parameter.copy_(trained[name])
        table = classifier.encoder.get_input_embeddings().weight
        words[torch.from_numpy(whole.rows(original_ids))] = table.detach().to(words.device)


def load_classifier(folder: Path, kind: Kind, device: torch.device) -> SavedClassifier:
    """Read a classifier of a kind of task back from its folder.

    Raises:
        ValueError: a file is missing or cannot be read; the message says which.
    """
    try:
        reading = _READING.validate_json((folder / READING).read_bytes())
        head = load_file(folder / HEAD)
        parts = load_encoder(str(folder / ENCODER))
        classifier = Classifier(parts.model, len(reading.labels), Streams(0), kind, reading.pooling)
        classifier.head.load_state_dict(head)
    except ValidationError as error:
        raise ValueError(f"{folder / READING} is not what `suite model` writes: {error.errors()[0]['msg']}") from None
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{folder} is no whole classifier ({reason}); log it again with `suite model`") from None
    return SavedClassifier(reading, parts, classifier.to(device))
