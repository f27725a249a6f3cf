"""The cache of tokens: what it gives back is what the tokenizer would make, bit for bit, or it is made again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suite.kinds import KINDS, Encoded
from suite.kinds.cached import encode_cached
from suite.models.checkpoints import load_tokenizer
from suite.tasks import Examples
from tests.tiny_checkpoints import tiny_checkpoint

KIND = KINDS["classification"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_tokenizer(str(tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path))
    return tmp_path / "tokens"


def texts(seed: int, n: int = 12, pairs: bool = False) -> Examples:
    rng = np.random.default_rng(seed)

    def draw() -> tuple[str, ...]:
        return tuple(" ".join(f"w{i}" for i in rng.integers(0, 60, rng.integers(1, 9))) for _ in range(n))

    ids = tuple(f"{seed}-{i}" for i in range(n))
    return Examples(
        language="en",
        subset="clean",
        ids=ids,
        texts=draw(),
        pairs=draw() if pairs else None,
        labels=rng.integers(0, 2, n),
        label_names=("no", "yes"),
        base_ids=ids,
        groups=ids,
        source="tests",
        licence="none",
    )


def columns(block: Encoded) -> dict[str, Any]:
    own = {name: getattr(block, name) for name in ("labels", "example_of", "marks")}
    return own | {f.name: getattr(block.rows, f.name) for f in dataclasses.fields(block.rows)}


def same(one: Encoded, other: Encoded) -> bool:
    left, right = columns(one), columns(other)
    return all(
        np.array_equal(left[name], right[name]) and getattr(left[name], "dtype", 0) == getattr(right[name], "dtype", 0)
        for name in left
    )


class Counting:
    """A tokenizer that counts what it is asked for."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.backend_tokenizer = tokenizer.backend_tokenizer
        self.calls = 0

    def __call__(self, *texts: Sequence[str], **options: Any) -> Any:
        self.calls += 1
        return self.tokenizer(*texts, **options)


@pytest.mark.parametrize("pairs", [False, True], ids=["texts", "pairs"])
def test_what_the_cache_gives_is_what_the_tokenizer_makes(tokenizer: Any, cache: Path, pairs: bool) -> None:
    blocks = [texts(1, pairs=pairs), texts(2, n=3, pairs=pairs), texts(3, pairs=pairs)]
    made = KIND.encode(tokenizer, blocks, 9, "w1 ")
    for _ in range(2):
        found = encode_cached(KIND, tokenizer, blocks, 9, "w1 ", large=10)
        assert all(same(a, b) for a, b in zip(made, found, strict=True))
        assert [block.examples for block in found] == blocks
    assert len(list(cache.iterdir())) == 2, "small blocks are not kept"


def test_the_second_time_nothing_is_tokenised(tokenizer: Any, cache: Path) -> None:
    counting = Counting(tokenizer)
    encode_cached(KIND, counting, [texts(1)], 9, "", large=10)
    assert counting.calls > 0
    counting.calls = 0
    encode_cached(KIND, counting, [texts(1)], 9, "", large=10)
    assert counting.calls == 0


@pytest.mark.parametrize("change", ["text", "length", "prefix"])
def test_whatever_changes_the_tokens_changes_the_file(tokenizer: Any, cache: Path, change: str) -> None:
    encode_cached(KIND, tokenizer, [texts(1)], 9, "", large=10)
    block, length, prefix = (
        texts(2 if change == "text" else 1),
        5 if change == "length" else 9,
        "w3 " * (change == "prefix"),
    )
    found = encode_cached(KIND, tokenizer, [block], length, prefix, large=10)
    assert same(found[0], KIND.encode(tokenizer, [block], length, prefix)[0]) and len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "changed", "nothing"])
def test_a_damaged_file_is_made_again(
    tokenizer: Any, cache: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    encode_cached(KIND, tokenizer, [texts(1)], 9, "", large=10)
    (made,) = KIND.encode(tokenizer, [texts(1)], 9, "")
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(
        {"cut": whole[:-20], "changed": whole[:-20] + bytes(255 - byte for byte in whole[-20:]), "nothing": b""}[damage]
    )
    (found,) = encode_cached(KIND, tokenizer, [texts(1)], 9, "", large=10)
    assert same(made, found) and path.read_bytes() == whole
    assert "is damaged" in caplog.text and "tokenised again" in caplog.text


def test_a_cache_that_cannot_be_written_costs_no_run(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path / "file"))
    (found,) = encode_cached(KIND, tokenizer, [texts(1)], 9, "", large=10)
    assert same(found, KIND.encode(tokenizer, [texts(1)], 9, "")[0]) and "set SUITE_CACHE" in caplog.text
