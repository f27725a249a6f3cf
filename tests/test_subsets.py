"""Laws of adversarial subsets, enrolled by the catalogue: every task by every subset, in every language at hand."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.evaluation_spec import EvaluationSpec
from suite.tasks import SUBSETS, TASKS, Examples, Subset, study_subsets, subsets_left_out
from suite.tasks.code_mixing import CODE_MIXED, with_lexicon, word_spans
from suite.tasks.home_intents import LABELS, LANGUAGES
from suite.tasks.lexicon import donors
from suite.tasks.noise import RATE, add_noise, editable, graphemes, key_neighbours
from suite.tasks.polarity import MOST_CHARACTERS, MOST_WORDS, OPPOSITES

pytestmark = pytest.mark.usefixtures("cache_dir")

HUB = Path(os.environ.get("SUITE_HUB") or Path(__file__).parents[2] / "shared" / "hub")
AT_HAND = {  # tasks of other kinds than classification have tests of their own
    "home-intents": LANGUAGES,
    "sib200": ("en", "de", "ar", "zh", "th", "qu", "yo"),
    "xnli": ("en", "hi", "zh"),
    "xnli-dev": ("de",),
    "paws-x": (),  # the mirror has no test split
    "paws-x-dev": ("en", "ja"),
}
REPOSITORIES = {
    "sib200": "Davlan/sib200",
    "xnli": "facebook/xnli",
    "xnli-dev": "facebook/xnli",
    "paws-x-dev": "google-research-datasets/paws-x",
}
CASES = [(task, language) for task in TASKS for language in AT_HAND.get(task, ())]
EVERY_CASE = pytest.mark.parametrize(("task", "language"), CASES)
EVERY_SUBSET = pytest.mark.parametrize("subset", SUBSETS.values(), ids=SUBSETS)
EVERY_LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)
TASK = TASKS["home-intents"]
SEEDED = frozenset({"char-noise", "filler-swap", *(subset.name for subset in CODE_MIXED)})
"""What another seed changes in every language; of others it changes what it can, or nothing."""
NOT_EVERYWHERE = frozenset({"stress-suffix", "romanised", *(subset.name for subset in CODE_MIXED)})
"""What some languages lack: a translation of the tautology, another script than the Latin one, spaces."""


@cache
def whole(task: str, language: str) -> Examples:
    repository = REPOSITORIES.get(task)
    if repository and not (HUB / repository).is_dir():
        pytest.skip(f"no copy of {repository} under {HUB}; set SUITE_HUB")
    return TASKS[task].load(language, "test", HUB)


@cache
def clean(task: str, language: str) -> Examples:
    found = whole(task, language)
    return found if found.pairs is None else found.take(300, 0)


@cache
def lexicon(task: str, language: str) -> str:
    """A folder with a lexicon that knows every word of some clean items."""
    folder = Path(tempfile.mkdtemp())
    texts = [text for both in said(clean(task, language)) for text in both]
    words = sorted({text[a:b] for text in texts for a, b in word_spans(text)})
    for donor in donors(language):
        rows = "".join(f"{word}\t{donor}{word}\n" for word in words)
        (folder / f"{language}-{donor}.txt").write_text(rows, encoding="utf-8")
    return str(folder)


EVERYWHERE = Subset(
    name="everywhere",
    description="Every clean item as it is.",
    provenance="slice",
    defined_for=("xnli",),
    same_items=True,
    build=lambda task, language, hub_root, clean, seed: clean,
)
"""A subset of somebody's own that would give examples of any task."""


def test_a_subset_is_of_no_study_whose_task_it_is_not_defined_for() -> None:
    named = EvaluationSpec(subsets=("test_subsets:EVERYWHERE", "polarity-pairs", "char-noise"))
    assert [subset.name for subset in study_subsets(named, TASKS["sib200"])] == ["char-noise"]
    assert [subset.name for subset in study_subsets(named, TASKS["xnli"])] == ["everywhere", "char-noise"]
    left_out = {"test_subsets:EVERYWHERE": "xnli", "polarity-pairs": "home-intents"}
    assert subsets_left_out(named, TASKS["sib200"]) == left_out


def make(subset: Subset, task: str, examples: Examples, seed: int) -> Examples | None:
    if subset.name == "romanised":
        pytest.importorskip("anyascii", reason="the extra `romanise` is not installed")
    if subset.build_trained is not None and task == "xnli":
        pytest.skip("the mirror has no training set of xnli; that of xnli-dev is its validation split")
    # Only subsets of pairs look at other languages; the commands of all fifteen would be generated for nothing.
    languages = AT_HAND[task] if examples.pairs is not None else (examples.language,)
    subset = with_lexicon(subset, lexicon(task, examples.language))
    return subset.examples(TASKS[task], HUB, examples, {code: whole(task, code) for code in languages}, seed)


@cache
def build(subset: str, task: str, language: str, seed: int = 0) -> Examples | None:
    return make(SUBSETS[subset], task, clean(task, language), seed)


def built(subset: str, language: str) -> Examples:
    found = build(subset, TASK.name, language)
    assert found is not None
    return found


def said(examples: Examples) -> list[tuple[str, str]]:
    """The texts, or both texts of every pair."""
    return list(zip(examples.texts, examples.pairs or examples.texts, strict=True))


def bases(subset: Examples, language: str, task: str = TASK.name) -> list[str]:
    """The clean text that each item derives from."""
    by_id = dict(zip(clean(task, language).ids, clean(task, language).texts, strict=True))
    return [by_id[base] for base in subset.base_ids]


@EVERY_SUBSET
def test_an_entry_says_what_kind_of_evidence_it_is(subset: Subset) -> None:
    assert subset.provenance in ("native", "published perturbation", "slice", "synthetic")
    assert subset.description.endswith(".") and SUBSETS[subset.name] is subset
    assert any(subset.applies_to(task) for task in TASKS.values())


@EVERY_CASE
@EVERY_SUBSET
def test_a_subset_is_undefined_or_says_enough(subset: Subset, task: str, language: str) -> None:
    found = build(subset.name, task, language)
    if not subset.applies_to(TASKS[task]):
        assert found is None
    if found is None:
        return
    assert len(found) >= 10
    assert (found.subset, found.language, found.label_names) == (subset.name, language, TASKS[task].labels)
    if subset.name == "checklist":  # written for this project
        assert found.source.startswith("checklist of this project") and found.licence == "Apache-2.0"
    else:
        assert (found.source, found.licence) == (TASKS[task].source, TASKS[task].licence)
    assert found.dataset_record("test").n == len(found)


@EVERY_CASE
@EVERY_SUBSET
def test_changed_items_keep_their_label_and_name_their_origin(subset: Subset, task: str, language: str) -> None:
    found, origin = build(subset.name, task, language), clean(task, language)
    if found is None:
        return
    if not subset.same_items:
        assert found.base_ids == found.ids and not set(found.ids) & set(origin.ids)
        return
    row = {i: r for r, i in enumerate(origin.ids)}
    rows = [row[base] for base in found.base_ids]
    assert found.labels.tolist() == origin.labels[rows].tolist()
    assert all(i.startswith(f"{base}~{subset.name}") for i, base in zip(found.ids, found.base_ids, strict=True))
    before = said(origin)
    unchanged = [after == before[r] for after, r in zip(said(found), rows, strict=True)]
    assert all(unchanged) if subset.provenance == "slice" else not any(unchanged)


@EVERY_CASE
@EVERY_SUBSET
def test_a_change_depends_on_the_item_and_the_seed_alone(subset: Subset, task: str, language: str) -> None:
    found, origin = build(subset.name, task, language), clean(task, language)
    if found is None or not subset.same_items:
        return
    backwards = origin.rows(list(reversed(range(0, len(origin)))))
    again = make(subset, task, backwards, 0)
    assert again is not None
    assert dict(zip(again.ids, said(again), strict=True)) == dict(zip(found.ids, said(found), strict=True))
    other = build(subset.name, task, language, seed=1)
    assert other is not None and (other.texts != found.texts or subset.name not in SEEDED)


@EVERY_LANGUAGE
def test_home_intents_has_at_least_a_hundred_of_each(language: str) -> None:
    for name in (name for name, subset in SUBSETS.items() if subset.applies_to(TASK)):
        found = build(name, TASK.name, language)
        assert name in NOT_EVERYWHERE if found is None else len(found) >= 100


@EVERY_CASE
def test_noise_is_near_its_rate_and_leaves_first_letters(task: str, language: str) -> None:
    found = build("char-noise", task, language)
    assert found is not None and len(found) >= 0.95 * len(clean(task, language))
    places = wanted = edits = 0
    for before, after in zip(bases(found, language, task)[:60], found.texts, strict=False):
        units = graphemes(before)
        places += len(editable(units))
        wanted += max(1, round(RATE * len(editable(units))))
        edits += distance(units, graphemes(after))
        assert before.split()[0][0] == after.split()[0][0]
        assert len(before.split()) == len(after.split())
    assert 0.7 * wanted <= edits <= 2 * wanted  # a swap counts as two
    assert edits < 0.35 * places


def distance(a: list[str], b: list[str]) -> int:
    """Levenshtein distance: insertions, deletions and replacements."""
    previous = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        row = [i]
        for j, right in enumerate(b, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (left != right)))
        previous = row
    return previous[-1]


@given(st.text(alphabet="abcdefghij кот", min_size=1, max_size=40), st.integers(0, 9), st.floats(0, 1))
@settings(deadline=None, derandomize=True, max_examples=150)
def test_noise_never_edits_more_than_asked(text: str, key: int, rate: float) -> None:
    noisy, places = add_noise(text, str(key), rate), editable(graphemes(text))
    assert noisy == add_noise(text, str(key), rate)
    wanted = max(1, round(rate * len(places))) if places and rate > 0 else 0
    assert distance(list(text), list(noisy)) <= 2 * wanted
    assert [word[0] for word in text.split()] == [word[0] for word in noisy.split()]


def test_noise_knows_scripts() -> None:
    assert set(key_neighbours("g")) >= {"f", "h", "t"} and set(key_neighbours("G")) >= {"F", "H", "T"}
    assert "ф" in key_neighbours("ы") and "α" in key_neighbours("σ") and "ش" in key_neighbours("س")
    assert "ห" in key_neighbours("ก") and "प" in key_neighbours("र") and "ग" in key_neighbours("र")
    assert "हि" in key_neighbours("गि") and " " not in key_neighbours("ब") + key_neighbours("ร")
    assert key_neighbours("é") == key_neighbours("e\u0301") == key_neighbours("关") == key_neighbours("ക") == ()
    assert graphemes("ക്ഷി") == ["ക്ഷി"] and graphemes("ที่") == ["ที่"]
    with pytest.raises(ValueError, match=r"lies in 0\.\.1, got 2"):
        add_noise("word", "k", 2)


@EVERY_LANGUAGE
def test_noise_stays_within_the_script(language: str) -> None:
    found = built("char-noise", language)
    for before, after in zip(bases(found, language), found.texts, strict=True):
        known = {unicodedata.name(c).split()[0] for c in before if c.isalpha()}
        assert {unicodedata.name(c).split()[0] for c in after if c.isalpha()} <= known


@EVERY_LANGUAGE
def test_minimal_pairs_are_complete_and_minimal(language: str) -> None:
    found = built("polarity-pairs", language)
    opposites = {frozenset(intent.removeprefix("Hass") for intent in pair) for pair in OPPOSITES}
    members: dict[str, list[int]] = {}
    for row, group in enumerate(found.groups):
        members.setdefault(group, []).append(row)
    assert {len(rows) for rows in members.values()} == {2}
    for a, b in members.values():
        assert frozenset((LABELS[found.labels[a]], LABELS[found.labels[b]])) in opposites
        assert found.ids[a].partition("~")[0] == found.ids[b].partition("~")[0] == found.groups[a]
        assert found.texts[a] != found.texts[b]
    spaced = language not in MOST_CHARACTERS
    said = [t.casefold().split() if spaced else list(t) for t in found.texts]
    most = MOST_CHARACTERS.get(language, MOST_WORDS)
    assert max(distance(said[a], said[b]) for a, b in members.values()) <= most


@EVERY_LANGUAGE
def test_every_pair_of_opposites_has_a_pair(language: str) -> None:
    labels = {LABELS[label] for label in built("polarity-pairs", language).labels}
    assert len(labels) >= 2 * (len(OPPOSITES) - 1)


@EVERY_LANGUAGE
def test_mixed_commands_hold_a_word_of_another_language(language: str) -> None:
    found = built("code-mixed", language)
    scripts = ("LATIN",) if language in ("ru", "bg", "ar", "el", "ml", "th", "zh") else ()
    for before, after in zip(bases(found, language), found.texts, strict=True):
        added = [c for c in after if c.isalpha() and c not in before]
        assert not scripts or any(unicodedata.name(c).startswith(scripts) for c in added)


@EVERY_LANGUAGE
def test_swapped_fillers_leave_the_language_and_the_sentence(language: str) -> None:
    found = built("filler-swap", language)
    for before, after in zip(bases(found, language), found.texts, strict=True):
        assert not any(mark in after for mark in "{}~<>")
        assert [c for c in before if c.isdigit()] == [c for c in after if c.isdigit()]


def test_swaps_do_not_produce_what_the_language_rejects() -> None:
    from suite.tasks.words import load_wording

    for language in LANGUAGES:
        reject = load_wording(language).reject
        texts = built("filler-swap", language).texts
        assert reject is None or not [t for t in texts if reject.search(t[0].lower() + t[1:])]
