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
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from suite.models import embedded, trimming
from suite.naming import nearest

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

COMMIT = re.compile(r"[0-9a-f]{40}")
HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")

READ = (
    "config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*",
    "special_tokens_map.json",
    "*.model",
    "vocab.*",
    "merges.txt",
)
"""Files of a repository that are read, and so downloaded and fingerprinted."""
ESSENTIAL = ("config.json", "*.safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFacts:
    """What a configuration says about an encoder."""

    name: str
    model_type: str
    layers: int
    """Layers of the scale: those asked for, or all."""
    hidden: int


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
        return CheckpointFacts(name=checkpoint, model_type="bert", layers=kept, hidden=embedded.HIDDEN)
    directory = _local(checkpoint, hub_root) or _hub(checkpoint, revision, ("config.json",))
    return _facts(checkpoint, _config(checkpoint, directory), layers)


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
    prints = embedded.file_hashes(directory) if checkpoint == embedded.NAME else _file_hashes(directory)
    return EncoderParts(
        facts=facts, model=model, directory=directory, fingerprint=_fingerprint(prints), vocabulary=vocabulary
    )


def _resolve(checkpoint: str, revision: str | None, hub_root: Path | None) -> Path:
    """Directory of a checkpoint; converts the embedded one and downloads a hub repository on first use."""
    if checkpoint == embedded.NAME:
        return embedded.embedded_checkpoint()
    return _local(checkpoint, hub_root) or _hub(checkpoint, revision, READ)


def _local(checkpoint: str, hub_root: Path | None) -> Path | None:
    """An existing directory, or that of a hub id in the local mirror; none for a hub id without a mirror."""
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        return path.resolve()
    if not HUB_ID.fullmatch(checkpoint):
        raise ValueError(
            f"a checkpoint is {embedded.NAME}, a directory or a hub id, and there is no directory {checkpoint!r}: "
            "correct the path"
        )
    if hub_root is None:
        return None
    mirrored = hub_root / checkpoint
    if not mirrored.is_dir():
        raise ValueError(f"the hub mirror has no {checkpoint!r}{_hint(checkpoint)}: copy the repository to {mirrored}")
    return mirrored.resolve()


def _hint(checkpoint: str) -> str:
    near = nearest(checkpoint, [embedded.NAME])
    return f" (did you mean {near!r}?)" if near else ""


def _hub(checkpoint: str, revision: str | None, files: tuple[str, ...]) -> Path:
    """Snapshot directory of a pinned hub repository with these files; no request is made for what was had before."""
    import huggingface_hub as hub
    from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError  # type: ignore[attr-defined]

    if revision is None or not COMMIT.fullmatch(revision):
        raise ValueError(
            f"a hub checkpoint is pinned to a commit of 40 hex digits, {checkpoint!r} to {revision!r}"
            f"{_hint(checkpoint)}: set revision to a commit of its repository"
        )
    # Weights in other formats lie in subfolders.
    wanted: dict[str, Any] = {"revision": revision, "allow_patterns": list(files), "ignore_patterns": ["*/*"]}
    try:
        with suppress(LocalEntryNotFoundError):
            had = Path(hub.snapshot_download(checkpoint, local_files_only=True, **wanted))
            if all(any(had.glob(pattern)) for pattern in ESSENTIAL if pattern in files):
                return had
        # One request, because the download repeats a failing one for 23 s.
        hub.get_hf_file_metadata(hub.hf_hub_url(checkpoint, "config.json", revision=revision))
        return Path(hub.snapshot_download(checkpoint, **wanted))
    except (OSError, ValueError, HTTPError) as error:
        raise ValueError(
            f"{checkpoint!r} at {revision} is not on this machine and the hub does not give it "
            f"({type(error).__name__}){_hint(checkpoint)}: name a local directory, set a hub mirror, "
            f"or use {embedded.NAME}"
        ) from error


def _config(checkpoint: str, directory: Path) -> PreTrainedConfig:
    from transformers import AutoConfig

    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
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
    return CheckpointFacts(name=name, model_type=kind, layers=kept, hidden=config.hidden_size)


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
        with _quiet():
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
        raise ValueError(
            f"a checkpoint has whole weights in safetensors, not {checkpoint!r} ({reason}): "
            "save it again with save_pretrained"
        ) from error
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
def _quiet() -> Iterator[None]:
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
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"a checkpoint has a tokenizer, {directory} has none that loads: add its files") from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ValueError(f"a checkpoint has a fast tokenizer, {directory} has not: save its tokenizer.json there")
    return tokenizer


def _file_hashes(directory: Path) -> dict[str, str]:
    paths = sorted({path for pattern in READ for path in directory.glob(pattern)})
    stats = [(path, path.stat()) for path in paths]
    return {path.name: _sha256(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats}


@lru_cache(maxsize=64)
def _sha256(path: Path, _size: int, _changed: int) -> str:
    """A gigabyte takes a second, so a file is hashed once per process and content."""
    return embedded.sha256_file(path)


def _fingerprint(hashes: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
