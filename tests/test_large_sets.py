"""Laws of large sets: what lies in files is what would be held, bit for bit, and memory does not grow with the text."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cached_tokens import same
from test_pair_tasks import PAIRS, mirror, written
from tiny import make_tokenizer
from tiny_checkpoints import tiny_checkpoint

from suite import assembly
from suite.evaluation_spec import EvaluationSpec
from suite.kinds import KINDS, cached, sliced
from suite.models import tokens
from suite.models.array_file import ArrayFile
from suite.models.trimming import distinct_ids
from suite.records import RunRecord
from suite.tasks import Examples, examples, reading, text_column
from suite.tasks.examples import Answer
from suite.tasks.rows import Rows, group_ids
from suite.tasks.text_column import TextColumn, map_tables
from suite.trial import run_trial
from suite.trial_spec import AlignmentSpec, Scale, TaskSpec, TrainSpec, TrialSpec

pytestmark = pytest.mark.usefixtures("cache_dir")
FEW = settings(deadline=None, derandomize=True, max_examples=40)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything goes by way of files, a few rows at a time."""
    for module, name, size in (
        (reading, "MAPPED_ROWS", 1),
        (reading, "BATCH_ROWS", 50),
        (text_column, "DECODED", 7),
        (examples, "AT_ONCE", 9),
        (tokens, "AT_ONCE", 40),
        (sliced, "SLICE", 50),
        (cached, "LARGE", 10),
        (assembly, "TOKENS_AT_ONCE", 11),
    ):
        monkeypatch.setattr(module, name, size)


def column(texts: Sequence[str | None]) -> TextColumn:
    """Texts in a mapped file, in batches of three."""
    return TextColumn(map_tables(pa.table({"t": texts[i : i + 3]}) for i in range(0, len(texts), 3))["t"])


# What lies in files is what would be held


@FEW
@given(texts=st.lists(st.text(max_size=4), min_size=1, max_size=20), data=st.data())
def test_a_mapped_column_is_the_sequence_of_its_texts(texts: list[str], data: st.DataObject) -> None:
    held, mapped = tuple(texts), column(texts)
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=9))
    first, last = sorted(data.draw(st.tuples(st.integers(-3, 22), st.integers(-3, 22))))
    assert mapped == held and [*mapped] == texts and len(mapped) == len(held) and mapped[-1] == held[-1]
    assert mapped[first:last] == held[first:last] and mapped[first:last][::-1] == held[first:last][::-1]
    assert mapped.take(rows) == [held[i] for i in rows] and mapped.take(rows)[1:][:2] == [held[i] for i in rows][1:3]
    assert mapped != (*held, "") and mapped != "".join(held)
    with pytest.raises(IndexError):
        mapped[len(texts)]


def test_a_task_read_through_a_map_is_the_task_held(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    tables = {"en": written("en"), "de": written("de")}
    held = PAIRS.load("de", "train", mirror(tmp_path / "held", tables))
    request.getfixturevalue("small_pieces")
    mapped = PAIRS.load("de", "train", mirror(tmp_path / "mapped", tables))
    assert isinstance(mapped.texts, TextColumn) and isinstance(held.texts, tuple)
    assert mapped.fingerprint == held.fingerprint
    for found, known in ((mapped, held), (mapped.take(31, 5), held.take(31, 5))):
        names = [field.name for field in dataclasses.fields(found)]
        assert all(np.array_equal(getattr(found, name), getattr(known, name)) for name in names if name != "source")
    assert isinstance(mapped.take(31, 5).pairs, TextColumn), "a part of what is mapped is mapped"


def test_text_that_is_not_utf8_is_refused_as_ever(tmp_path: Path, small_pieces: None) -> None:
    bad = pa.array([b"good", b"b\xffd"] * 20)
    text = pa.StringArray.from_buffers(40, bad.buffers()[1], bad.buffers()[2])
    with pytest.raises(ValueError, match="not UTF-8"):
        reading._values(pa.table({"one": text}), "one", "owner/pairs en/train")


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_a_fingerprint_is_that_of_the_content_as_one_line_of_json(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "AT_ONCE", at_once)
    for block in blocks(7):
        spans = block.answers and [[(a.text, a.start) for a in right] for right in block.answers]
        content = [block.ids, block.texts, block.pairs, block.labels.tolist(), block.label_names]
        content += [part for part in (block.choices, block.words, block.tags, spans, block.candidates) if part]
        whole = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        assert block.fingerprint == hashlib.sha256(whole.encode()).hexdigest()


def blocks(n: int, width: int = 6) -> list[Examples]:
    """A block of every kind that trains, and one of texts alone."""
    rng = np.random.default_rng(n)

    def draw(size: int) -> tuple[str, ...]:
        return tuple(" ".join(rng.choice(["turn", "on", "the", "light", "Küche", "ไฟ"], size)) for _ in range(n))

    texts, ids = draw(width), tuple(f"id{i}" for i in range(n))
    labels, names = rng.integers(0, 2, n), ("no", "yes")
    plain = Examples(
        language="en", subset="clean", ids=ids, texts=texts, labels=labels, label_names=names, base_ids=ids,
        groups=ids, source="tests", licence="none",
    )  # fmt: skip
    words = tuple(tuple(text.split()) for text in texts)
    tags = tuple(tuple(int(tag) for tag in rng.integers(0, 2, len(own))) for own in words)
    contexts = draw(7 * width)
    answers = tuple((Answer(text=context.split()[3], start=context.index(context.split()[3])),) for context in contexts)
    return [
        plain,
        dataclasses.replace(plain, pairs=draw(width + 1)),
        dataclasses.replace(plain, choices=tuple(zip(draw(2), draw(3), strict=True))),
        dataclasses.replace(plain, words=words, tags=tags),
        dataclasses.replace(plain, pairs=contexts, answers=answers, labels=labels * 0, label_names=("squad",)),
    ]


NAMES = ("classification", "classification", "multiple choice", "token classification", "question answering")


@pytest.mark.parametrize("at", range(5), ids=["texts", "pairs", "choices", "words", "questions"])
@pytest.mark.parametrize("size", [1, 7, 20])
def test_a_block_in_slices_is_the_block_as_a_whole(at: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    block, kind, tokenizer = blocks(20)[at], KINDS[NAMES[at]], make_tokenizer()
    (whole,) = kind.encode(tokenizer, [block], 24, "please ")
    monkeypatch.setattr(sliced, "SLICE", size)
    monkeypatch.setattr(tokens, "AT_ONCE", size + 1)
    assert same(whole, sliced.encode_sliced(kind, tokenizer, block, 24, "please "))


def run(root: Path, checkpoint: Path, method: str, folder: Path) -> tuple[RunRecord, bytes]:
    trial = TrialSpec(
        study="large",
        phase="refit",
        scale=Scale(name="tiny", checkpoint=str(checkpoint)),
        method=method,
        hyperparameters={"neighbours": 2} if method == "data-augmentation" else {},
        learning_rate=1e-3,
        seed=1,
        task=TaskSpec(name="test_pair_tasks:PAIRS", targets=("de",)),
        train=TrainSpec(learning_rate=1e-3, batch_size=16, epochs=1, validations=1, max_length=32),
        evaluation=EvaluationSpec(subsets=("char-noise",)),
        alignment=AlignmentSpec(metrics=("csls_p1",), pairs=30),
    )
    return run_trial(trial, folder, hub_root=root), (folder / "predictions.parquet").read_bytes()


@pytest.mark.parametrize("method", ["standard", "data-augmentation"])
def test_a_run_in_files_is_the_run_in_memory(method: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    tables, checkpoint = {"en": written("en"), "de": written("de")}, tiny_checkpoint(tmp_path / "checkpoint")
    held, predicted = run(mirror(tmp_path / "held", tables), checkpoint, method, tmp_path / "run")
    request.getfixturevalue("small_pieces")
    root = mirror(tmp_path / "mapped", tables)
    for folder in ("tokenised", "from the cache"):
        assembly._load.cache_clear()
        mapped, again = run(root, checkpoint, method, tmp_path / folder)
        assert again == predicted and mapped.spec.digest == held.spec.digest
        for name in ("scores", "curve", "alignment", "selection"):
            assert getattr(mapped, name) == getattr(held, name)
        assert mapped.provenance.datasets == held.provenance.datasets


@FEW
@given(pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12), second=st.booleans())
def test_items_are_a_group_when_texts_join_them(pairs: list[tuple[int, int]], second: bool) -> None:
    """Against joining one by one: what shares a text with any of a group is of the group."""
    rows = Rows(
        where="", source="", total=0, note="", labels=(), ids=tuple(f"id{i}" for i in range(len(pairs))),
        texts=[f"t{a}" for a, _ in pairs], pairs=[f"t{b}" for _, b in pairs] if second else None,
    )  # fmt: skip
    of = list(range(len(pairs)))
    texts = [{a, b} if second else {a} for a, b in pairs]
    for _ in pairs:
        of = [min(of[j] for j in range(len(pairs)) if texts[i] & texts[j]) for i in range(len(pairs))]
    assert group_ids(rows) == {f"id{i}": f"id{first}" for i, first in enumerate(of)}


@FEW
@given(st.lists(st.lists(st.integers(0, 40), max_size=9), max_size=4))
def test_distinct_ids_are_those_that_occur(lists: list[list[int]]) -> None:
    found = distinct_ids([np.array(ids, dtype=np.int64) for ids in lists])
    assert found.tolist() == sorted({i for ids in lists for i in ids}) and found.dtype == np.int64


@FEW
@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.sampled_from([(), (2,), (1, 3)]))
def test_an_array_file_holds_its_pieces(sizes: list[int], tail: tuple[int, ...]) -> None:
    pieces = [np.arange(n * int(np.prod(tail)), dtype=np.int64).reshape(n, *tail) + n for n in sizes]
    file = ArrayFile()
    for piece in pieces:
        file.add(piece)
    found, known = file.mapped(), np.concatenate(pieces)
    assert np.array_equal(found, known) and found.shape == known.shape and found.dtype == known.dtype


def test_where_the_cache_cannot_be_written_the_systems_temporary_files_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path / "file"))
    assert column(["a", "b", "c", "d"]) == ["a", "b", "c", "d"]


# Memory


def peak(work: Callable[[], Any]) -> tuple[int, Any]:
    """Most bytes that Python and numpy held at once, above what they held before, and what the work gave."""
    tracemalloc.start()
    try:
        found = work()
        return tracemalloc.get_traced_memory()[1], found
    finally:
        tracemalloc.stop()


def long_table(rows: int, words: int) -> dict[str, list[object]]:
    draw = np.random.default_rng(rows).integers(0, 10**6, (2, rows, words)).astype(str)
    first, second = ([" ".join(text) for text in texts] for texts in draw)
    return {"one": [*first], "two": [*second], "label": [0] * rows}


def test_memory_to_load_a_set_does_not_grow_with_its_text(tmp_path: Path, small_pieces: None) -> None:
    """Texts ten times as long, 4 MB more in all, take a tenth of that more: those that are decoded at once."""
    used, sizes = [], []
    for words in (50, 500):
        table = long_table(600, words)
        root = mirror(tmp_path / f"{words}", {"en": table})
        PAIRS.load("en", "train", root)  # `datasets` reads the file, of which it holds groups of rows
        used.append(peak(lambda root=root: PAIRS.load("en", "train", root).fingerprint)[0])
        sizes.append(sum(len(text) for name in ("one", "two") for text in table[name]))
    assert used[1] - used[0] < (sizes[1] - sizes[0]) / 10, (used, sizes)


def test_memory_to_encode_a_set_does_not_grow_with_the_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times as many texts take a fifth of the bytes of their tokens more, which is by the text."""
    monkeypatch.setattr(sliced, "SLICE", 100)
    kind, tokenizer = KINDS["classification"], make_tokenizer()
    used, sizes = [], []
    for n in (300, 1200):
        block = blocks(n, width=12)[1]
        bytes_, encoded = peak(lambda block=block: sliced.encode_sliced(kind, tokenizer, block, 64, ""))
        used.append(bytes_)
        sizes.append(sum(a.nbytes for name, a in sliced.to_arrays(encoded).items() if name != "offsets"))
    assert used[1] - used[0] < (sizes[1] - sizes[0]) / 5, (used, sizes)
