"""What every loader of tasks shares: how items are joined, rows left out, and files read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.tasks.characters import mended, undo_csv_quotes
from suite.tasks.defects import dropped, usable
from suite.tasks.examples import Examples, derived_id, root_id
from suite.tasks.parallel import join_by_id, join_splits
from suite.tasks.source import check_known, held_out
from suite.tasks.text_files import decode, end_of, first_of, miscounted, split_lines

TEXTS = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["one", "two", "three"]), max_size=8)
DEFECTS = st.lists(st.sampled_from([None, "empty text", "missing label"]), min_size=1, max_size=12)


def items(language: str, texts: dict[str, str]) -> Examples:
    return Examples(
        language=language,
        subset="clean",
        ids=tuple(texts),
        texts=tuple(texts.values()),
        labels=np.zeros(len(texts), dtype=np.int64),
        label_names=("only",),
        base_ids=tuple(texts),
        groups=tuple(texts),
        source="test",
        licence="none",
    )


@given(TEXTS, TEXTS)
def test_joined_texts_have_one_id_and_stand_once(ours: dict[str, str], theirs: dict[str, str]) -> None:
    joined = join_by_id(ours, theirs, name="test", licence="none")
    assert joined.source_texts == tuple(ours[name] for name in joined.ids)
    assert joined.target_texts == tuple(theirs[name] for name in joined.ids)
    assert len({*joined.source_texts}) == len({*joined.target_texts}) == len(joined)
    assert list(joined.ids) == [name for name in ours if name in joined.ids]
    assert bool(joined.ids) == bool(ours.keys() & theirs.keys())


def test_one_id_in_two_splits_is_two_items() -> None:
    texts = {("en", "validation"): "dog", ("en", "test"): "cat", ("de", "validation"): "Hund", ("de", "test"): "Katze"}

    def load(language: str, split: str, hub_root: Path | None) -> Examples:
        return items(language, {"1": texts[language, split]})

    joined = join_splits(load, ("validation", "test"), "en", "de", None, name="test", licence="none")
    assert joined.ids == ("validation/1", "test/1")
    assert joined.target_texts == ("Hund", "Katze")


@given(DEFECTS)
def test_rows_are_kept_or_counted(found: list[str | None]) -> None:
    count, words = dropped(found)
    if count == len(found):
        with pytest.raises(ValueError, match=f"no row is left of {count}"):
            usable(found, ("empty text", "missing label"), "file")
    else:
        assert len(usable(found, ("empty text", "missing label"), "file")) + count == len(found)
    assert words.startswith(f"{count} of {len(found)} rows dropped")


def test_a_defect_that_is_not_expected_is_refused_with_its_first_place() -> None:
    found = [None, "empty text", "missing label", "missing label"]
    with pytest.raises(ValueError, match=r"^file: .* 2 of 4 rows \(missing label: 2\), the first is row 3; repair"):
        usable(found, ("empty text",), "file")
    with pytest.raises(ValueError, match=r"2 of 4 questions \(missing label: 2\), the first is number 3"):
        usable(found, ("empty text",), "file", unit="question")


@given(st.text(max_size=6), st.floats(0.1, 0.9))
def test_a_held_out_training_item_trains_or_selects(key: str, trained: float) -> None:
    splits = held_out(trained)
    assert splits["train"].holds(key) != splits["validation"].holds(key)
    assert splits["test"].whole


def test_csv_quotes_are_undone_in_all_fields_or_in_none() -> None:
    wrapped, bare = [['"He said ""no""."', "plain"]], [['"He said ""no""."', 'a "bare" one']]
    assert undo_csv_quotes(wrapped) == ("CSV quotes of 1 texts undone",)
    assert wrapped == [['He said "no".', "plain"]]
    assert undo_csv_quotes(bare) == ()
    assert bare == [['"He said ""no""."', 'a "bare" one']]


def test_half_a_character_moves_no_other() -> None:
    assert mended("a\ud83db") == "a\ufffdb"
    assert mended("a\U0001f600b") == "a\U0001f600b"


def test_a_line_ends_where_a_file_says(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes("\ufeffone\r\ntwo\u2028still two".encode())
    text, marked = decode(path, "the file is UTF-8")
    assert (split_lines(text), marked) == (["one", "two\u2028still two"], True)
    assert end_of(text) == (False, ("no line end after the last row",))
    assert end_of("one\n") == (True, ())


def test_a_file_that_is_absent_is_refused_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "second.json").touch()
    assert first_of(tmp_path, ["first.json", "second.json"], "xquad").name == "second.json"
    with pytest.raises(ValueError, match=r"there is no .*first\.json, in its place second\.json; run .* read xquad"):
        first_of(tmp_path, ["first.json"], "xquad")


def test_a_count_is_told_where_it_is_not_the_published_one() -> None:
    assert miscounted(9, 10) == ("9 rows, published are 10",)
    assert miscounted(10, 10) == miscounted(9, None) == ()


def test_an_unknown_split_names_the_known_ones() -> None:
    check_known("xnli", "split", "test", ("train", "test"))
    with pytest.raises(
        ValueError, match=r"task 'xnli': unknown split 'tset'; did you mean 'test'\? Known: train, test"
    ):
        check_known("xnli", "split", "tset", ("train", "test"))


def test_what_is_derived_has_the_root_of_its_base() -> None:
    assert root_id(derived_id(derived_id("a1b2", "char-noise"), "generalised-de")) == "a1b2"
