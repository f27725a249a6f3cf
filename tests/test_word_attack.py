"""Laws of the attack on words: it asks within its budget, changes only what was right, and equals asking one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import CLASSES, VOCABULARY, examples_of, make_classifier, make_tokenizer

from suite.attacks import (
    Attacked,
    Reader,
    Site,
    Target,
    WordAttack,
    candidate_ids,
    find_sites,
    find_targets,
    fold_keys,
    rows_by_id,
    study_lexicons,
    translations,
)
from suite.attacks.candidates import EACH, real_words
from suite.attacks.victims import Answer, Victim
from suite.kinds import KINDS, Columns
from suite.models.classifier import Classifier
from suite.models.predict import predict_logits
from suite.tasks import Examples

FEW = settings(deadline=None, derandomize=True, max_examples=60)
KIND = KINDS["classification"]
TEXTS = {
    "en": (
        "turn on the kitchen lights please",
        "stop the music in my bedroom",
        "what is the temperature today",
        "close all blinds and open the door",
        "set a timer of minutes",
        "make the living room warmer",
        "my",
        "pause the song; play the next!",
    ),
    "de": (
        "schalte das Licht in der Küche an",
        "stoppe die Musik im Schlafzimmer",
        "wie warm ist es heute im Büro",
        "mach alle Rollläden zu",
        "stelle einen Timer auf zehn Minuten",
        "mach das Wohnzimmer wärmer",
        "ja",
        "spiel bitte das nächste Lied",
    ),
}
LEXICONS = {
    "en": [fold_keys({"kitchen": ["Küche", "cuisine"], "living room": ["Wohnzimmer"], "Music": ["Musik"]})],
    "de": [fold_keys({"Küche": ["kitchen"], "licht": ["light", "lamp"], "Musik": ["music"]})],
}
BUDGETS = (0, 1, 4, 11, 30, 200)


def columns_of(classifier: Classifier, examples: Examples, prefix: str = "") -> Columns:
    (block,) = KIND.encode(make_tokenizer(), [examples], 32, prefix)
    return KIND.decode(block, predict_logits(classifier, block.rows))


def make_blocks(classifier: Classifier, pairs: bool) -> list[Examples]:
    """Items in two languages that the model gets right, except every fourth."""
    found = []
    for language, texts in TEXTS.items():
        block = dataclasses.replace(
            examples_of(np.zeros(len(texts), dtype=np.int64)),
            language=language,
            texts=texts[::-1] if pairs else texts,
            pairs=texts if pairs else None,
        )
        labels = columns_of(classifier, block)["predicted"]
        labels[::4] = (labels[::4] + 1) % CLASSES
        found.append(dataclasses.replace(block, labels=labels))
    return found


def make_model(pairs: bool = False) -> Classifier:
    """A classifier whose predictions vary; in double precision, so that the size of a batch decides nothing."""
    classifier = make_classifier().double()
    with torch.no_grad():
        classifier.head.weight.mul_(50)
        rows = [columns_rows(classifier, texts, pairs) for texts in TEXTS.values()]
        classifier.head.bias.sub_(torch.from_numpy(np.concatenate(rows).mean(0)))
    return classifier


def columns_rows(classifier: Classifier, texts: Sequence[str], pairs: bool) -> np.ndarray:
    rows = reader().rows([(first if pairs else None, text) for first, text in zip(texts[::-1], texts, strict=True)])
    return predict_logits(classifier, rows)


def reader(prefix: str = "") -> Reader:
    return Reader(tokenizer=make_tokenizer(), max_length=32, prefix=prefix)


class Fight:
    """A model, its items, and the attack between them."""

    def __init__(self, pairs: bool = False) -> None:
        self.model = make_model(pairs)
        self.blocks = make_blocks(self.model, pairs)
        self.clean = {block.language: (block.ids, columns_of(self.model, block)) for block in self.blocks}
        self.targets = find_targets(self.blocks, LEXICONS, seed=0)
        self.attack = WordAttack(targets=self.targets, reader=reader(), row_of=np.arange(VOCABULARY))

    def run(self, budget: int) -> Attacked:
        return self.attack.run(self.model, self.clean, budget)


@pytest.fixture(scope="module", params=[False, True], ids=["texts", "pairs"])
def fight(request: pytest.FixtureRequest) -> Fight:
    return Fight(request.param)


@pytest.fixture(scope="module")
def found(fight: Fight) -> dict[int, Attacked]:
    return {budget: fight.run(budget) for budget in BUDGETS}


def flat(attacked: Attacked, name: str) -> np.ndarray:
    return np.concatenate([block.columns[name] for block in attacked.blocks])


def right(attacked: Attacked) -> np.ndarray:
    return flat(attacked, "predicted") == flat(attacked, "label")


def texts(attacked: Attacked) -> list[str]:
    return [text for block in attacked.blocks for text in block.texts]


def queries(attacked: Attacked) -> np.ndarray:
    return np.concatenate([block.queries for block in attacked.blocks])


def one_by_one(
    model: Classifier, block: Examples, row: int, sites: Sequence[Site], budget: int
) -> tuple[str, int, float, int]:
    """The attack as the paper tells it, one text at a time: the text found, its label and gold probability, queries."""

    def ask(words: Sequence[str]) -> tuple[int, float]:
        text = "".join(part for pair in zip(gaps, [*words, ""], strict=True) for part in pair)
        one = block.rows([row])
        changed = {"texts": (text,)} if block.pairs is None else {"pairs": (text,)}
        said = columns_of(model, dataclasses.replace(one, **changed))
        return int(said["predicted"][0]), float(said["gold_probability"][0])

    whole = (block.texts if block.pairs is None else block.pairs)[row]
    stops, starts = [0, *(s.stop for s in sites)], [*(s.start for s in sites), len(whole)]
    gaps = [whole[a:b] for a, b in zip(stops, starts, strict=True)]
    words = [whole[s.start : s.stop] for s in sites]
    label, spent = int(block.labels[row]), 0
    predicted, gold = ask(words)
    if predicted != label:
        return whole, predicted, gold, 0
    worth = dict.fromkeys(range(len(sites)), gold)
    for place in worth if len(sites) > 1 else ():
        if spent < budget:
            worth[place], spent = ask([*words[:place], "", *words[place + 1 :]])[1], spent + 1
    for place in sorted(worth, key=lambda p: (worth[p], p)):
        best = words
        for option in sites[place].options:
            if spent >= budget:
                break
            spent += 1
            tried = [*words[:place], option, *words[place + 1 :]]
            now, chance = ask(tried)
            if now != label:
                return "".join(p for pair in zip(gaps, [*tried, ""], strict=True) for p in pair), now, chance, spent
            if chance < gold:
                best, gold = tried, chance
        words = best
    return "".join(p for pair in zip(gaps, [*words, ""], strict=True) for p in pair), label, gold, spent


@pytest.mark.parametrize("budget", [0, 4, 30])
def test_one_pooled_pass_a_round_equals_asking_one_text_at_a_time(
    fight: Fight, found: dict[int, Attacked], budget: int
) -> None:
    for block, target, got in zip(fight.blocks, fight.targets, found[budget].blocks, strict=True):
        for row, sites in enumerate(target.sites):
            text, predicted, gold, spent = one_by_one(fight.model, block, row, sites, budget)
            assert (got.texts[row], got.columns["predicted"][row], got.queries[row]) == (text, predicted, spent)
            assert got.columns["gold_probability"][row] == pytest.approx(gold, abs=1e-6)


def test_the_attack_has_something_to_show(found: dict[int, Attacked]) -> None:
    """Otherwise the laws below hold of nothing."""
    held = [int(right(found[budget]).sum()) for budget in BUDGETS]
    assert held[0] >= 10 and held[-1] <= held[0] - 5 and len(set(held)) >= 3


def test_without_queries_the_clean_predictions_stay_bit_for_bit(fight: Fight, found: dict[int, Attacked]) -> None:
    for block, got in zip(fight.blocks, found[0].blocks, strict=True):
        clean = fight.clean[block.language][1]
        assert all(np.array_equal(got.columns[name], clean[name]) for name in clean)
        assert got.texts == (block.texts if block.pairs is None else block.pairs)
    assert not queries(found[0]).any()


def test_no_item_takes_more_queries_than_the_budget(found: dict[int, Attacked]) -> None:
    for budget in BUDGETS:
        assert queries(found[budget]).max() <= budget


def test_what_was_wrong_stays_as_it_was_and_is_never_asked(fight: Fight, found: dict[int, Attacked]) -> None:
    for budget in BUDGETS:
        for target, block in zip(fight.targets, found[budget].blocks, strict=True):
            clean = fight.clean[block.examples.language][1]
            wrong = clean["predicted"] != clean["label"]
            assert wrong.sum() == 2 and not block.queries[wrong].any() and not block.changed[wrong].any()
            assert all(np.array_equal(block.columns[name][wrong], clean[name][wrong]) for name in clean)
            assert target.victims()[0].text() == block.texts[0]


def test_a_larger_budget_flips_all_that_a_smaller_one_does_by_the_same_texts(found: dict[int, Attacked]) -> None:
    for small, large in pairwise(BUDGETS):
        less, more = found[small], found[large]
        flipped = right(found[0]) & ~right(less)
        assert not (flipped & right(more)).any()
        for i in np.flatnonzero(flipped):
            assert texts(less)[i] == texts(more)[i] and queries(less)[i] == queries(more)[i]
        held = right(more)
        assert (flat(more, "gold_probability")[held] <= flat(less, "gold_probability")[held]).all()
        assert (queries(more) >= queries(less)).all()


def test_accuracy_under_attack_is_at_most_the_clean_one(found: dict[int, Attacked]) -> None:
    clean = right(found[0])
    for attacked in found.values():
        assert not (right(attacked) & ~clean).any()
        assert attacked.right == clean.sum() and attacked.flipped == clean.sum() - right(attacked).sum()


def test_the_same_attack_finds_the_same_twice(fight: Fight, found: dict[int, Attacked]) -> None:
    again = fight.run(30)
    assert texts(again) == texts(found[30]) and np.array_equal(queries(again), queries(found[30]))
    for name in ("label", "predicted", "gold_probability"):
        assert np.array_equal(flat(again, name), flat(found[30], name))


def test_a_found_text_gets_the_prediction_that_is_reported(fight: Fight, found: dict[int, Attacked]) -> None:
    for block, got in zip(fight.blocks, found[30].blocks, strict=True):
        changed = {"texts": got.texts} if block.pairs is None else {"pairs": got.texts}
        said = columns_of(fight.model, dataclasses.replace(block, **changed))
        assert np.array_equal(said["predicted"], got.columns["predicted"])
        assert np.allclose(said["gold_probability"], got.columns["gold_probability"], atol=1e-6)


def test_a_vocabulary_trimmed_to_the_candidates_changes_nothing(fight: Fight, found: dict[int, Attacked]) -> None:
    kept = np.union1d(candidate_ids(reader(), fight.targets), [0, 2])[::-1]  # rows in another order than ids
    assert len(kept) < VOCABULARY
    small = Fight(fight.blocks[0].pairs is not None).model
    table = small.encoder.get_input_embeddings()
    table.weight.data = table.weight.data[torch.from_numpy(kept.copy())]
    attack = dataclasses.replace(fight.attack, row_of=rows_by_id(kept, VOCABULARY))
    again = attack.run(small, fight.clean, 30)
    assert again.unread == 0 and texts(again) == texts(found[30]) and np.array_equal(queries(again), queries(found[30]))


def test_a_text_with_a_token_that_was_not_kept_is_never_asked(fight: Fight, found: dict[int, Attacked]) -> None:
    own = np.unique(np.concatenate([KIND.encode(make_tokenizer(), [b], 32, "")[0].rows.ids for b in fight.blocks]))
    table = fight.model.encoder.get_input_embeddings().weight
    row_of = np.full(VOCABULARY, -1, dtype=np.int64)
    row_of[own] = own
    with torch.no_grad():
        lost = np.setdiff1d(np.arange(VOCABULARY), own)
        before = table[torch.from_numpy(lost)].clone()
        table[torch.from_numpy(lost)] = torch.nan  # whatever reads one of them is not finite
        try:
            got = dataclasses.replace(fight.attack, row_of=row_of).run(fight.model, fight.clean, 200)
        finally:
            table[torch.from_numpy(lost)] = before
    assert got.unread > 0 and np.isfinite(flat(got, "gold_probability")).all()
    firsts = [v.first for target in fight.targets for v in target.victims()]
    read = reader().rows(list(zip(firsts, texts(got), strict=True)))
    assert set(read.ids.tolist()) <= set(own.tolist())


@pytest.mark.parametrize("prefix", ["", "query: "])
def test_texts_are_read_as_the_study_reads_them(prefix: str) -> None:
    block = dataclasses.replace(examples_of(np.zeros(8, dtype=np.int64)), texts=TEXTS["de"])
    pair = dataclasses.replace(block, pairs=TEXTS["en"])
    for examples, own in ((block, (None,) * 8), (pair, block.texts)):
        (wanted,) = KIND.encode(make_tokenizer(), [examples], 32, prefix)
        rows = reader(prefix).rows(list(zip(own, examples.pairs or examples.texts, strict=True)))
        assert np.array_equal(rows.ids, wanted.rows.ids) and np.array_equal(rows.offsets, wanted.rows.offsets)
        assert (rows.types is None) == (wanted.rows.types is None)


def victim(**more: object) -> Victim:
    facts = {"first": None, "gaps": ("", " ", ""), "words": ["a", "b"], "options": (("x", "y"), ("z",))}
    facts |= {"label": 1, "predicted": 1, "gold": 0.6, "order": [0, 1]}
    return Victim(**(facts | more))  # type: ignore[arg-type]  # a field of any type may change


def test_words_are_tried_in_the_order_of_what_the_label_loses_without_them() -> None:
    one = victim(gaps=("",) * 4, words=["a", "b", "c"], options=(("x",),) * 3, order=[0, 1, 2])
    one.rank([Answer(0, "", 1, 0.5), Answer(1, "", 0, 0.2), Answer(2, "", 1, 0.5)])
    assert one.order == [1, 0, 2] and one.queries == 3


def test_of_replacements_that_flip_the_first_is_taken_and_later_ones_cost_nothing() -> None:
    one = victim()
    one.step([Answer(0, "x", 0, 0.45), Answer(0, "y", 0, 0.1)])
    assert (one.text(), one.predicted, one.gold, one.queries) == ("x b", 0, 0.45, 1)
    assert not one.is_open(99)


def test_of_others_the_one_under_which_the_label_is_least_likely_of_equal_ones_the_earlier() -> None:
    one = victim()
    one.step([Answer(0, "x", 1, 0.55), Answer(0, "y", 1, 0.55)])
    assert (one.text(), one.gold, one.queries, one.order) == ("x b", 0.55, 2, [1])
    one.step([Answer(1, "z", 1, 0.58)])
    assert (one.text(), one.gold, one.queries, one.changed) == ("x b", 0.55, 3, 1)
    assert not one.is_open(99)


ANY = st.text(alphabet=st.sampled_from("abcdeLR éßüдиκλ 厨房的灯ความสว่าง ताप ضوء.,'’-7"), max_size=40)


@FEW
@given(text=ANY, language=st.sampled_from(["en", "zh", "th", "hi"]))
def test_sites_are_words_in_order_apart_and_with_something_else_to_say(text: str, language: str) -> None:
    sites = find_sites(text, language, [{"灯": ("lamp",), "厨房": ("kitchen",), "a b": ("c",), "éß": ("e",)}], 0)
    ends = [0, *(site.stop for site in sites)]
    assert all(stop <= site.start < site.stop for stop, site in zip(ends, sites, strict=False))
    for site in sites:
        word = text[site.start : site.stop]
        assert site.options and word not in site.options and len(set(site.options)) == len(site.options)
        assert len(site.options) <= 2 * EACH and word == word.strip()
    if text.strip():
        block = dataclasses.replace(examples_of(np.zeros(1, dtype=np.int64)), texts=(text,))
        (same,) = Target(examples=block, sites=(sites,)).victims()
        assert same.text() == text


def test_lexicons_come_first_in_their_order_and_keep_a_capital() -> None:
    lexicons = [fold_keys({"Light": ["lamp"]}), fold_keys({"light": ["Licht", "light", "luz"]}, {"LIGHT": ["lumière"]})]
    (low,), (high,) = (find_sites(text, "en", lexicons, 0) for text in ("light", "Light"))
    assert low.options[:4] == ("lamp", "Licht", "luz", "lumière") and len(low.options) == 4 + EACH
    assert high.options[:4] == ("Lamp", "Licht", "Luz", "Lumière")


def test_a_term_of_several_words_is_one_site_and_the_longest_wins() -> None:
    lexicon = fold_keys({"living room": ["salon"], "room": ["pièce"], "new york city": ["X"], "new york": ["Y"]})
    found = find_sites("A living room, a room in New York City", "en", [lexicon], 0)
    taken = {"A living room, a room in New York City"[s.start : s.stop]: s.options[0] for s in found}
    assert {"living room": "salon", "room": "pièce", "New York City": "X"}.items() <= taken.items()


def test_unspaced_text_is_cut_at_known_terms_of_two_letters_and_more() -> None:
    text = "把厨房的灯打开好吗"
    cuts = [text[s.start : s.stop] for s in find_sites(text, "zh", [{"厨房": ("kitchen",), "灯": ("lamp",)}], 0)]
    assert cuts == ["厨房", "的灯打开"]  # one letter, and what is left of two, have nothing to stand for them


def test_a_typing_error_is_no_other_word_of_the_texts() -> None:
    off = {typo for site in find_sites("off", "en", [], 0) for typo in site.options}
    taken = next(iter(off))
    assert taken not in {
        o for s in find_sites("off", "en", [], 0, real_words([f"some {taken.upper()}!"])) for o in s.options
    }


def test_translations_go_into_english_and_out_of_it_into_three_languages() -> None:
    assert translations("xnli", "de")["deutschland"] == ("Germany",)
    assert translations("xnli", "en")["germany"] == ("Deutschland", "Alemania", "Allemagne")
    assert "kitchen" in translations("home-intents", "de")["küche"] and "küche" not in translations("xnli", "de")
    assert translations("xnli", "qqq") == {}


def test_a_study_tries_synonyms_then_its_own_lexicon_then_what_is_built_in(tmp_path: Path) -> None:
    (tmp_path / "de-en.txt").write_text("küche kitchenette\nlampe lamp\n", encoding="utf-8")
    found = study_lexicons("home-intents", "de", synonyms={"Küche": ["Kochstelle"]}, lexicon=str(tmp_path))
    assert [one.get("küche", ())[:1] for one in found] == [("Kochstelle",), ("kitchenette",), ("kitchen",), ()]
    assert len(study_lexicons("xnli", "de")) == 1 and study_lexicons("xnli", "qqq") == []


def test_what_cannot_be_attacked_is_refused(fight: Fight) -> None:
    with pytest.raises(ValueError, match="0 queries or more, got a budget of -1"):
        fight.run(-1)
    with pytest.raises(ValueError, match="'item-0' in de has none"):
        fight.attack.run(fight.model, {"en": fight.clean["en"]}, 1)


def test_the_record_says_how_hard_was_looked(found: dict[int, Attacked]) -> None:
    line, table = found[30].summary, found[30].table()
    asked = queries(found[30]).sum() / found[30].right
    assert line.startswith(
        f"word attack: {found[30].flipped} of 12 right items flipped, {asked:.1f} of 30 queries each"
    )
    assert table.column_names == ["example_id", "language", "text", "changed", "queries"] and len(table) == 16
    assert table.column("text").to_pylist() == texts(found[30])
