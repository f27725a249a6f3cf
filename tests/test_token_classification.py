"""Laws of tagging words: each is asked once at its first token, cut sentences lose none, F1 is seqeval's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score, f1_score
from seqeval.metrics.sequence_labeling import get_entities
from tiny import HIDDEN, LAYERS, make_encoder, make_tokenizer, rewriter_of

from suite.batch import Batch
from suite.kinds import KINDS, Encoded
from suite.kinds.token_classification import CUT, IGNORED, UNKNOWN, reading_note
from suite.methods import METHODS, StepStreams, hyperparameters
from suite.methods.adversarial import perturb
from suite.methods.ball import Ball
from suite.methods.interface import EMBEDDINGS
from suite.models.classifier import Classifier, Pass
from suite.models.encoder import NoDropout
from suite.scores import METRICS
from suite.seeding import Streams
from suite.tasks.entities import count_entities, entities
from suite.tasks.examples import Examples
from suite.tasks.pan_x import LABELS
from suite.tasks.ud_pos import LABELS as PARTS

KIND = KINDS["token classification"]
FEW = settings(deadline=None, derandomize=True, max_examples=60)
WORDS = ("light", "kitchen", "Saunders", "x", "R.H.", "24°", "京", "naïve", "''", "(", "turn")
EMPTY = "\u200b"
"""A word of which the tokenizers below leave nothing."""

Tags = Sequence[Sequence[int]]


def tagged(words: Sequence[Sequence[str]], tags: Tags | None = None, names: tuple[str, ...] = LABELS) -> Examples:
    """Sentences with tags, by default those that the words' lengths draw."""
    ids = tuple(f"s{i}" for i in range(len(words)))
    drawn = tags or [[(len(word) + i) % len(names) for i, word in enumerate(sentence)] for sentence in words]
    return Examples(
        language="en",
        subset="clean",
        ids=ids,
        texts=tuple(f"{' '.join(sentence)}." for sentence in words),
        words=tuple(map(tuple, words)),
        tags=tuple(map(tuple, drawn)),
        labels=np.zeros(len(words), dtype=np.int64),
        label_names=names,
        base_ids=ids,
        groups=ids,
        source="made up 1.0",
        licence="CC0-1.0",
    )


def wordpiece() -> Any:
    """A tokenizer as BERT's: words fall into pieces, accents and control characters away, unknown ones to `[UNK]`."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz(.'", "light", "##s", "##en", "kitch"]
    pieces += [f"##{letter}" for letter in "abcdefghijklmnopqrtuvwxyz"]
    tokenizer = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]")


def stripping() -> Any:
    """The tiny tokenizer, which leaves nothing of a zero-width space."""
    from tokenizers import normalizers

    tokenizer = make_tokenizer()
    backend = tokenizer.backend_tokenizer
    backend.normalizer = normalizers.Sequence([normalizers.Replace(EMPTY, ""), backend.normalizer])
    return tokenizer


TOKENIZERS = {"unigram": stripping(), "wordpiece": wordpiece()}
SENTENCES = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9), min_size=1, max_size=6)


def encode(block: Examples, max_length: int = 64, tokenizer: str = "unigram", prefix: str = "") -> Encoded:
    (encoded,) = KIND.encode(TOKENIZERS[tokenizer], [block], max_length, prefix)
    return encoded


def rows_of(encoded: Encoded, column: Any) -> list[list[int]]:
    """A column of all tokens, cut into the rows."""
    return [part.tolist() for part in np.split(column, encoded.rows.offsets[1:-1])]


def targets_of(encoded: Encoded) -> list[list[int]]:
    return rows_of(encoded, encoded.rows.targets)


# Encoding


@FEW
@given(SENTENCES, st.sampled_from(sorted(TOKENIZERS)), st.sampled_from(["", "query: "]))
def test_tokens_are_the_tokenizers_and_tags_stand_at_first_tokens(
    words: list[list[str]], name: str, prefix: str
) -> None:
    block = tagged(words)
    encoded = encode(block, 512, name, prefix)
    for i, sentence in enumerate(words):
        given = [*prefix.split(), *sentence]
        out = TOKENIZERS[name]([given], is_split_into_words=True, return_special_tokens_mask=True)
        assert rows_of(encoded, encoded.rows.ids)[i] == out["input_ids"][0]
        assert rows_of(encoded, encoded.rows.special)[i] == [bool(s) for s in out["special_tokens_mask"][0]]
        places, skipped = out.word_ids(0), len(prefix.split())
        firsts = [w if w is not None and w not in places[:t] and w >= skipped else None for t, w in enumerate(places)]
        wanted = [IGNORED if w is None else (block.tags or ())[i][w - skipped] for w in firsts]
        assert targets_of(encoded)[i] == wanted
    assert reading_note(encoded) == ""


def as_xtreme_cuts(sizes: Sequence[int], room: int) -> list[int]:
    """Words of every row, as XTREME's preprocessing counts them: a new one where the next would not fit."""
    rows, filled = [0], 0
    for size in sizes:
        if filled + size > room:
            rows.append(0)
            filled = 0
        rows[-1] += 1
        filled += size
    return rows


@FEW
@given(SENTENCES, st.integers(5, 20), st.sampled_from(sorted(TOKENIZERS)))
def test_a_long_sentence_becomes_rows_and_no_word_is_lost(words: list[list[str]], max_length: int, name: str) -> None:
    block = tagged(words)
    encoded = encode(block, max_length, name)
    assert encoded.rows.lengths.max() <= max_length
    assert encoded.example_of is not None
    rows = encoded.example_of.tolist()
    asked = [[t for t in row if t != IGNORED] for row in targets_of(encoded)]
    for i, sentence in enumerate(words):
        own = [row for row, example in zip(asked, rows, strict=True) if example == i]
        assert [tag for row in own for tag in row] == list((block.tags or ())[i])
        pieces = TOKENIZERS[name]([[w] for w in sentence], is_split_into_words=True, add_special_tokens=False)
        sizes = [min(len(ids), max_length - 2) for ids in pieces["input_ids"]]
        assert [len(row) for row in own] == as_xtreme_cuts(sizes, max_length - 2)
    split = sum(len([r for r in rows if r == i]) > 1 for i in range(len(words)))
    assert (f"{split} of {len(words)} sentences read in several rows" in reading_note(encoded)) == (split > 0)


def test_a_word_without_a_token_is_asked_for_as_the_unknown_one() -> None:
    block = tagged([["light", EMPTY, "x"], [EMPTY]])
    encoded = encode(block)
    asked = np.flatnonzero(encoded.rows.targets != IGNORED)
    assert encoded.rows.targets[asked].tolist() == [t for tags in block.tags or () for t in tags]
    assert encoded.rows.ids[asked[[1, 3]]].tolist() == [3, 3] and not encoded.rows.special[asked].any()
    assert encoded.marks is not None and (encoded.marks[:, 0] == UNKNOWN).sum() == 2
    assert reading_note(encoded) == "2 words without a token read as unknown"
    nameless = stripping()
    nameless.unk_token = None
    with pytest.raises(ValueError, match=r"leaves nothing of 1 words, the first is '\\u200b'"):
        KIND.encode(nameless, [block], 64, "")


def test_a_word_longer_than_a_row_keeps_its_beginning() -> None:
    encoded = encode(tagged([["x", "Saunders" * 20, "light"]]), 12)
    assert encoded.rows.lengths.tolist() == [4, 12, 3] and encoded.example_of is not None
    assert encoded.example_of.tolist() == [0, 0, 0]
    assert encoded.marks is not None and (encoded.marks[:, 0] == CUT).sum() == 1
    assert reading_note(encoded) == "1 of 1 sentences read in several rows, 1 words cut to the length of a row"
    with pytest.raises(ValueError, match="max_length holds 2 tokens around a word, got 2"):
        encode(tagged([["x"]]), 2)


def test_blocks_share_what_was_tokenised_and_nothing_else() -> None:
    blocks = [tagged([["light", "x"], ["turn"]]), tagged([["x"], ["kitchen", "light"] * 9])]
    together = KIND.encode(TOKENIZERS["unigram"], blocks, 12, "")
    for block, found in zip(blocks, together, strict=True):
        alone = encode(block, 12)
        assert found.rows.ids.tolist() == alone.rows.ids.tolist()
        assert found.rows.targets.tolist() == alone.rows.targets.tolist()


# Decoding and metrics


def logits_of(tags: Sequence[int], classes: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Outputs whose largest is at the given tag, one row a tag."""
    noise = np.random.default_rng(seed).uniform(0, 0.5, (len(tags), classes))
    noise[np.arange(len(tags)), tags] += 1
    return noise.astype(np.float32)


def decoded(encoded: Encoded, tags: Tags) -> dict[str, Any]:
    """What is decoded where the head says these tags; at tokens that are not asked it says anything."""
    classes = len(encoded.examples.label_names)
    said = np.random.default_rng(1).integers(0, classes, len(encoded.rows.ids))
    said[encoded.rows.targets != IGNORED] = [tag for sentence in tags for tag in sentence]
    return KIND.decode(encoded, logits_of(said.tolist(), classes))


@FEW
@given(SENTENCES, st.integers(5, 40))
def test_a_model_that_is_right_finds_every_entity(words: list[list[str]], max_length: int) -> None:
    block = tagged(words)
    columns = decoded(encode(block, max_length), block.tags or ())
    assert {*columns} == {*KIND.columns}
    assert (columns["hits"] == columns["made"]).all() and (columns["hits"] == columns["wanted"]).all()
    assert columns["tokens"].tolist() == columns["right"].tolist() == [len(sentence) for sentence in words]
    names = [" ".join(LABELS[t] for t in tags) for tags in block.tags or ()]
    assert columns["answer"].tolist() == names
    assert METRICS["token_accuracy"](columns) == 1.0


@st.composite
def taggings(draw: Any, names: tuple[str, ...]) -> tuple[Tags, Tags]:
    """Gold and predicted tags of some sentences, equal more often than chance."""
    tag = st.integers(0, len(names) - 1)
    gold = draw(st.lists(st.lists(tag, min_size=1, max_size=8), min_size=1, max_size=6))
    return gold, [[t if draw(st.booleans()) else draw(tag) for t in tags] for tags in gold]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("names", [LABELS, PARTS], ids=["entities", "parts of speech"])
def test_the_metrics_are_seqevals(names: tuple[str, ...]) -> None:
    @FEW
    @given(taggings(names), st.sampled_from([6, 30]))
    def holds(tags: tuple[Tags, Tags], max_length: int) -> None:
        gold, given = tags
        block = tagged([["light"] * len(row) for row in gold], gold, names)
        columns = decoded(encode(block, max_length), given)
        said, right = ([[names[t] for t in row] for row in part] for part in (given, gold))
        assert METRICS["entity_f1"](columns) == pytest.approx(f1_score(right, said), abs=1e-15)
        assert METRICS["token_accuracy"](columns) == pytest.approx(accuracy_score(right, said), abs=1e-15)

    holds()


@FEW
@given(taggings(LABELS))
def test_entities_are_counted_by_the_sentence_they_are_in(tags: tuple[Tags, Tags]) -> None:
    gold, given = ([[LABELS[t] for t in row] for row in part] for part in tags)
    hits, made, wanted = count_entities(gold, given)
    alone = [(set(get_entities(right)), set(get_entities(said))) for right, said in zip(gold, given, strict=True)]
    assert hits.tolist() == [len(right & said) for right, said in alone]
    assert made.tolist() == [len(said) for _, said in alone]
    assert wanted.tolist() == [len(right) for right, _ in alone]


@FEW
@given(taggings(LABELS), st.integers(6, 12), st.randoms(use_true_random=False))
def test_some_of_a_block_are_counted_as_in_the_whole(tags: tuple[Tags, Tags], max_length: int, random: Any) -> None:
    gold, given = tags
    block = tagged([["light", "Saunders"] * len(row) for row in gold], [[t for t in row for _ in "ab"] for row in gold])
    given = [[t for t in row for _ in "ab"] for row in given]
    chosen = random.sample(range(len(gold)), random.randint(1, len(gold)))
    whole = encode(block, max_length)
    part = whole.take(block.rows(chosen))
    columns, some = decoded(whole, given), decoded(part, [given[i] for i in chosen])
    for name, column in columns.items():
        assert some[name].tolist() == column[chosen].tolist(), name


GERMAN = """DET NOUN AUX ADP NOUN PUNCT CCONJ ADV PRON ADP ADJ PUNCT
PRON AUX ADV NUM PRON PROPN VERB CCONJ SCONJ PRON DET NOUN ADV VERB AUX PRON ADV ADV ADP DET NOUN DET PROPN CCONJ DET
PROPN VERB PUNCT"""
PREDICTED = """DET NOUN VERB ADP NOUN PUNCT CCONJ PRON ADJ ADP ADJ PUNCT
PRON AUX ADV NUM PRON NOUN VERB CCONJ SCONJ PRON DET NOUN ADV VERB AUX PRON ADV ADV DET ADJ NOUN DET PROPN CCONJ DET
NOUN VERB PUNCT"""
"""The German files of the unit test of XTREME's evaluation: two sentences, and what a model said."""


def test_f1_of_parts_of_speech_is_that_of_the_pinned_seqeval() -> None:
    """On these files seqeval 0.0.12 gives 32 / 39 = .8205, 1.2.2 gives 31 / 38 = .8158; 33 of 40 words are right."""
    gold, given = ([part.split()[:12], part.split()[12:]] for part in (GERMAN, PREDICTED))
    hits, made, wanted = count_entities(gold, given)
    f1 = METRICS["entity_f1"]({"hits": hits, "made": made, "wanted": wanted})
    assert f1 == pytest.approx(31 / 38) and f1 != pytest.approx(32 / 39)
    words = [len(sentence) for sentence in gold]
    right = [sum(a == b for a, b in zip(*pair, strict=True)) for pair in zip(gold, given, strict=True)]
    share = METRICS["token_accuracy"]({"right": np.array(right), "tokens": np.array(words)})
    assert share == 33 / 40


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("CCONJ SCONJ", [("CONJ", 1, 1)]),  # 0.0.12: two entities of two types
        ("NOUN NOUN VERB", [("OUN", 0, 1), ("ERB", 2, 2)]),  # 0.0.12 too: neighbours are one entity
        ("NOUN X", [("OUN", 0, 0)]),  # 0.0.12: X is an entity of its own
    ],
)
def test_bare_tags_lose_their_first_letter(tags: str, found: list[tuple[str, int, int]]) -> None:
    assert entities([tags.split()]) == found


def test_nothing_said_and_nothing_there_is_no_entity() -> None:
    columns = decoded(encode(tagged([["light"]], [[0]])), [[0]])
    assert METRICS["entity_f1"](columns) == 0.0 and METRICS["token_accuracy"](columns) == 1.0


# Loss and methods


def sentences() -> Encoded:
    words = [["turn", "light"], ["R.H.", "Saunders", "(", "x", "light", "kitchen"], ["naïve"], ["kitchen", "京"] * 3]
    return encode(tagged(words), 24)


def batch_of(encoded: Encoded) -> Batch:
    return encoded.rows.batch(np.arange(len(encoded.rows)), encoded.labels)


def view_of(seed: int = 0) -> Pass:
    classifier = Classifier(make_encoder("bert"), len(LABELS), Streams(seed), KIND)
    sites = ("embeddings", *(f"hidden:{layer}" for layer in range(LAYERS + 1)))
    return Pass(classifier, NoDropout(), dict.fromkeys(sites, 1.0))


def test_the_loss_is_the_mean_over_words_of_a_padded_model() -> None:
    encoded, view = sentences(), view_of()
    batch = batch_of(encoded)
    ours = view.loss(batch, view.enter(batch, EMBEDDINGS), EMBEDDINGS)
    longest = int(encoded.rows.lengths.max())
    ids, targets, mask = (torch.full((len(encoded.rows), longest), fill) for fill in (1, IGNORED, 0))
    for i, (tokens, wanted) in enumerate(zip(rows_of(encoded, encoded.rows.ids), targets_of(encoded), strict=True)):
        ids[i, : len(tokens)], targets[i, : len(tokens)] = torch.tensor(tokens), torch.tensor(wanted)
        mask[i, : len(tokens)] = 1
    states_BLD = view.classifier.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    assert states_BLD.shape[-1] == HIDDEN
    logits = view.classifier.head(states_BLD)
    theirs = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-5)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("strength", [0, 1])
def test_every_method_trains_on_words_and_is_standard_without_strength(name: str, strength: int) -> None:
    method, block = METHODS[name], sentences()
    given: dict[str, float] = {}
    if method.strength is not None:
        whole = hyperparameters(method)[method.strength].annotation is int
        given = {method.strength: strength if whole else strength / 10}
    batch, view = batch_of(block), view_of()
    view.rewriter = rewriter_of(KIND, block, {"light": ["lamp", "red light"], "kitchen": ["hall"]}, 24)
    assert {*given} <= {*hyperparameters(method)}
    loss = method.loss(batch, view, StepStreams(Streams(1), 0), **given)
    loss.value.backward()  # type: ignore[no-untyped-call]  # torch's is
    gradients = [p.grad for p in view.classifier.parameters() if p.grad is not None]
    assert gradients and all(bool(g.isfinite().all()) for g in gradients)
    standard = METHODS["standard"].loss(batch, view_of(), StepStreams(Streams(1), 0))
    assert (strength > 0 and method.strength is not None) or torch.equal(loss.value, standard.value)


def test_an_attack_raises_the_loss() -> None:
    batch, view = batch_of(sentences()), view_of()
    hidden_TD = view.enter(batch, EMBEDDINGS).detach()
    streams = StepStreams(Streams(0), 0)
    found = perturb(batch, view, hidden_TD, Ball(1.0), streams, steps=3, step_size=1.5, site=EMBEDDINGS)
    assert view.loss(batch, hidden_TD + found.delta_TD, EMBEDDINGS) > view.loss(batch, hidden_TD, EMBEDDINGS)
    assert bool((found.delta_TD[batch.special_T] == 0).all())
