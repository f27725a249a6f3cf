"""Checkpoints by name: the embedded default, a local directory, or a pinned commit of a hub repository.

Whatever the name, the result is a directory that `AutoModel` and `AutoTokenizer` load: safetensors only, and never code
that a repository brings along. An encoder is a model type that `transformers` knows with a masked-language-model head
and that is neither a decoder nor an encoder-decoder.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from suite.models import embedded, repositories, trimming

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast


_NO_WEIGHTS = "a checkpoint has whole weights in safetensors, not {!r} ({}): save it again with save_pretrained"
_VOCABULARIES = ("tokenizer.json", "*.model", "vocab.*")
"""Files that a tokenizer is made of; one of them is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFacts:
    """What a configuration says about an encoder."""

    name: str
    model_type: str
    layers: int
    """Layers of the scale: those asked for, or all."""
    hidden: int
    positions: int | None
    """Tokens of the longest text it has learnt positions for; none where they are relative or not known."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncoderParts:
    """A loaded encoder: body without pooler or head, in evaluation mode, float32."""

    facts: CheckpointFacts
    model: PreTrainedModel
    directory: Path
    fingerprint: str
    """SHA-256 over the content of weights, configuration and tokenizer; does not depend on layers or trimming."""
    vocabulary: trimming.TrimmedVocabulary | None
    """Rows of the trimmed embedding table; none when the table is whole."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The original tokenizer, read on first use and shared within the process."""
        return _tokenizer(self.directory)

    def rows(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Rows of the embedding table for token ids of `tokenizer`, same shape; ValueError names a token without."""
        if self.vocabulary is None:
            return np.asarray(ids, dtype=np.int64)
        return self.vocabulary.rows(ids, self.tokenizer)


def check_checkpoint(
    checkpoint: str, *, revision: str | None = None, layers: int | None = None, hub_root: Path | None = None
) -> CheckpointFacts:
    """Check name, revision, kind and layers without loading or converting weights.

    Of a hub repository only the configuration is fetched. Raises ValueError as `load_encoder` does.
    """
    if checkpoint == embedded.NAME:
        embedded.check_available()
        kept = _layers(checkpoint, layers, embedded.LAYERS)
        return CheckpointFacts(
            name=checkpoint, model_type="bert", layers=kept, hidden=embedded.HIDDEN, positions=embedded.POSITIONS
        )
    directory = repositories.find_repository(checkpoint, revision=revision, hub_root=hub_root, files=("config.json",))
    facts = _facts(checkpoint, _config(checkpoint, directory), layers)
    if hub_root is not None or Path(checkpoint).expanduser().is_dir():
        _check_files(checkpoint, directory)
    return facts


def _check_files(checkpoint: str, directory: Path) -> None:
    """Hold a directory to what loading reads, by names and by the headers of its weights."""
    from safetensors import SafetensorError, safe_open

    weights = sorted(directory.glob("*.safetensors"))
    reason = "" if weights else "no file *.safetensors"
    try:
        for path in weights:
            with safe_open(path, framework="numpy"):
                pass
    except (OSError, SafetensorError) as error:
        reason = f"{path.name}: {error}"
    if reason:
        raise ValueError(_NO_WEIGHTS.format(checkpoint, reason))
    if not any(any(directory.glob(pattern)) for pattern in _VOCABULARIES):
        raise ValueError(f"a checkpoint has a tokenizer, {directory} has none: add its files")


def load_tokenizer(
    checkpoint: str, *, revision: str | None = None, hub_root: Path | None = None
) -> PreTrainedTokenizerFast:
    """The checkpoint's original tokenizer, shared within the process; ValueError as in `load_encoder`."""
    return _tokenizer(_resolve(checkpoint, revision, hub_root))


def load_encoder(
    checkpoint: str,
    *,
    revision: str | None = None,
    layers: int | None = None,
    hub_root: Path | None = None,
    keep_ids: NDArray[np.int64] | None = None,
) -> EncoderParts:
    """Load the first `layers` layers of an encoder, its vocabulary trimmed to `keep_ids` where given.

    `revision` is the 40-digit commit of a hub repository, which `hub_root` redirects to `hub_root/<id>`. `keep_ids` are
    original token ids from `trimming.kept_ids`. Raises ValueError for a checkpoint that is missing, corrupt, out of
    reach, not pinned, not an encoder or not complete, and for layers out of range.
    """
    directory = _resolve(checkpoint, revision, hub_root)
    config = _config(checkpoint, directory)
    facts = _facts(checkpoint, config, layers)
    _truncate(config, facts.layers)
    model = _load(checkpoint, directory, config)
    vocabulary = _trim(model, directory, keep_ids)
    for parameter in model.parameters():  # Until here they are views of the file, which may change or shrink.
        parameter.data = parameter.data.clone()
    prints = embedded.file_hashes(directory) if checkpoint == embedded.NAME else repositories.file_hashes(directory)
    return EncoderParts(
        facts=facts, model=model, directory=directory, fingerprint=_fingerprint(prints), vocabulary=vocabulary
    )


def _resolve(checkpoint: str, revision: str | None, hub_root: Path | None) -> Path:
    """Directory of a checkpoint; converts the embedded one and downloads a hub repository on first use."""
    if checkpoint == embedded.NAME:
        return embedded.embedded_checkpoint()
    return repositories.find_repository(checkpoint, revision=revision, hub_root=hub_root)


def _config(checkpoint: str, directory: Path) -> PreTrainedConfig:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StrictDataclassError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"a checkpoint has a config.json of a known model type, not {checkpoint!r} ({reason}): correct the path"
        ) from error
    return config


def _facts(checkpoint: str, config: PreTrainedConfig, layers: int | None) -> CheckpointFacts:
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED

    kind, available = config.model_type, getattr(config, "num_hidden_layers", 0)
    if getattr(config, "is_encoder_decoder", False):
        raise ValueError(f"a checkpoint is an encoder, {checkpoint!r} ({kind}) is an encoder-decoder: choose another")
    if getattr(config, "is_decoder", False) or kind not in MASKED or not available:
        raise ValueError(f"a checkpoint is an encoder, {checkpoint!r} ({kind}) is a decoder or none: choose another")
    path = Path(checkpoint).expanduser()
    name = path.resolve().name if path.is_dir() else checkpoint
    kept = _layers(checkpoint, layers, available)
    return CheckpointFacts(
        name=name, model_type=kind, layers=kept, hidden=config.hidden_size, positions=_positions(config)
    )


def _positions(config: PreTrainedConfig) -> int | None:
    """Rows of the table of positions that texts use; RoBERTa's begin after the padding's."""
    from suite.models.encoder import FAMILIES  # needs torch

    table = getattr(config, "max_position_embeddings", None)
    if config.model_type not in FAMILIES or table is None:
        return None
    return int(table) - (0 if config.model_type == "bert" else int(config.pad_token_id) + 1)


def _layers(checkpoint: str, layers: int | None, available: int) -> int:
    if layers is not None and not 1 <= layers <= available:
        raise ValueError(f"a scale has 1 to {available} layers of {checkpoint!r}, got {layers}: choose one of these")
    return available if layers is None else layers


def _truncate(config: PreTrainedConfig, layers: int) -> None:
    """Keep the first layers, before any weight is read."""
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):  # One entry a layer where attention differs between layers.
        config.layer_types = config.layer_types[:layers]


def _load(checkpoint: str, directory: Path, config: PreTrainedConfig) -> PreTrainedModel:
    """The body of the model; every weight comes from the file, so loading draws no random number."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModel
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    known: Any = MODEL_MAPPING[type(config)]
    accepted = inspect.signature(known).parameters
    body: dict[str, Any] = {"add_pooling_layer": False} if "add_pooling_layer" in accepted else {}
    try:
        with quiet():
            model, report = AutoModel.from_pretrained(
                directory,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                **body,
            )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(_NO_WEIGHTS.format(checkpoint, reason)) from error
    if report["missing_keys"]:
        names = sorted(report["missing_keys"])
        raise ValueError(
            f"a checkpoint has every weight of its body, {checkpoint!r} lacks {len(names)}, such as {names[0]}: "
            "they would be random, so choose another"
        )
    loaded: PreTrainedModel = model
    return loaded


def _trim(
    model: PreTrainedModel, directory: Path, keep_ids: NDArray[np.int64] | None
) -> trimming.TrimmedVocabulary | None:
    """Trim a model that may have been saved trimmed; the result maps original ids to rows in either case."""
    saved = trimming.saved_vocabulary(directory)
    if keep_ids is None:
        return saved
    trimming.trim_embeddings(model, keep_ids if saved is None else saved.rows(keep_ids, _tokenizer(directory)))
    return trimming.TrimmedVocabulary(kept=keep_ids)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the library's progress bar and its report of the layers and heads that are left out on purpose."""
    from transformers.utils import logging as library

    verbosity, bar = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity(logging.ERROR)
    library.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        library.set_verbosity(verbosity)
        if bar:
            library.enable_progress_bar()  # type: ignore[no-untyped-call]


@lru_cache(maxsize=4)
def _tokenizer(directory: Path) -> PreTrainedTokenizerFast:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"a checkpoint has a tokenizer, {directory} has none that loads: add its files") from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ValueError(f"a checkpoint has a fast tokenizer, {directory} has not: save its tokenizer.json there")
    return tokenizer


def _fingerprint(hashes: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
