"""Laws of the packed and the hooked encoder: the numbers of Hugging Face, without padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny import (
    CLASSES,
    HIDDEN,
    LAYERS,
    VOCABULARY,
    make_classifier,
    make_config,
    make_encoder,
    make_rows,
    make_tokenizer,
)

from suite.batch import Batch, mean_by_text
from suite.kinds.classification import CLASSIFICATION
from suite.methods.interface import EMBEDDINGS, site_layer
from suite.models.classifier import Classifier, Pass, measure_unit, run_encoder, training_pass
from suite.models.encoder import FAMILIES, NoDropout, PackedEncoder, StepDropout
from suite.models.hooked import HookedEncoder
from suite.models.predict import batches_by_length, embed_texts, predict_logits
from suite.models.tokens import TokenRows, encode, join_rows
from suite.seeding import Streams

PACKED = ("bert", "roberta", "xlm-roberta", "camembert")
HOOKED = ("distilbert", "deberta-v2", "electra", "modernbert")
KINDS = (*PACKED, *HOOKED)
SITES = (EMBEDDINGS, *(f"hidden:{layer}" for layer in range(LAYERS + 1)))
MIXES = {
    "mixed": [3, 9, 5, 5, 30, 4, 12, 7, 7, 2, 19],
    "equal": [6] * 10,
    "one text": [5],
    "one text of one token": [1],
    "a last group of one": [8, 7, 6, 5, 4, 3, 3, 2, 1],
    "one long, many short": [60, *[3] * 8],
}


def pack(rows: TokenRows, group_rows: int = 4) -> Batch:
    labels = np.arange(len(rows)) % CLASSES
    return rows.batch(np.arange(len(rows)), labels, group_rows=group_rows)


def reference(model: Any, batch: Batch) -> list[torch.Tensor]:
    """Every hidden state of the Hugging Face model on the padded batch, at the real tokens, [T, D] each."""
    size = (len(batch), max(batch.lengths))
    ids = torch.ones(size, dtype=torch.int64)
    types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    at = (batch.sentence_T, batch.position_T)
    ids[at], mask[at] = batch.ids_T, 1
    extra = {}
    if batch.types_T is not None:
        types[at] = batch.types_T
        extra = {"token_type_ids": types}
    out = model(input_ids=ids, attention_mask=mask, output_hidden_states=True, **extra)
    return [state[at] for state in out.hidden_states]


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-5) -> bool:
    return bool(torch.allclose(a, b, rtol=tolerance, atol=tolerance))


# Equality with Hugging Face


@pytest.mark.parametrize("kind", KINDS)
def test_the_fastest_way_to_run_a_model_is_chosen_by_its_type(kind: str) -> None:
    runner = run_encoder(make_encoder(kind))
    assert isinstance(runner, PackedEncoder if kind in PACKED else HookedEncoder)
    assert set(PACKED) == set(FAMILIES)


def test_a_packed_encoder_refuses_layers_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="got 'distilbert'"):
        PackedEncoder(make_encoder("distilbert"))
    assert isinstance(run_encoder(make_encoder("bert", hidden_act="relu")), HookedEncoder)


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_hidden_state_equals_the_hugging_face_models(kind: str, mix: str) -> None:
    model, batch = make_encoder(kind), pack(make_rows(MIXES[mix]))
    with torch.no_grad():
        wanted = reference(model, batch)
        found = run_encoder(model).hidden_states(batch, NoDropout())
    assert len(found) == len(wanted) == LAYERS + 1
    for layer, (a, b) in enumerate(zip(found, wanted, strict=True)):
        assert a.shape == (sum(batch.lengths), HIDDEN)
        assert close(a, b), f"layer {layer} differs by {(a - b).abs().max():.1e}"


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("distilbert", "modernbert")])
def test_pairs_with_segments_equal_the_hugging_face_models(kind: str) -> None:
    rows = make_rows([9, 4, 16, 7, 8], pairs=True)
    if make_config(kind).type_vocab_size == 1:
        rows = TokenRows(ids=rows.ids, special=rows.special, types=np.zeros_like(rows.ids), offsets=rows.offsets)
    model, batch = make_encoder(kind), pack(rows)
    with torch.no_grad():
        assert close(run_encoder(model).hidden_states(batch, NoDropout())[-1], reference(model, batch)[-1])


@pytest.mark.parametrize("kind", ["distilbert", "modernbert"])
def test_a_model_without_segments_reads_pairs_all_the_same(kind: str) -> None:
    pairs = pack(make_rows([9, 4, 16], pairs=True))
    model = make_encoder(kind)
    alone = Batch(ids_T=pairs.ids_T, lengths=pairs.lengths, special_T=pairs.special_T, labels_B=pairs.labels_B)
    with torch.no_grad():
        found = run_encoder(model).hidden_states(pairs, NoDropout())[-1]
        assert torch.equal(found, run_encoder(model).hidden_states(alone, NoDropout())[-1])


def test_segments_and_positions_matter() -> None:
    pairs, runner = pack(make_rows([9, 4, 16], pairs=True)), PackedEncoder(make_encoder("bert"))
    alone = Batch(ids_T=pairs.ids_T, lengths=pairs.lengths, special_T=pairs.special_T, labels_B=pairs.labels_B)
    with torch.no_grad():
        with_types, without = (runner.hidden_states(b, NoDropout())[-1] for b in (pairs, alone))
        assert not close(with_types, without)
        runner.first_position += 1
        assert not close(runner.hidden_states(alone, NoDropout())[-1], without)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("site", SITES)
def test_entering_at_a_site_and_finishing_is_the_whole_forward_pass(kind: str, site: str) -> None:
    model, batch = make_encoder(kind), pack(make_rows(MIXES["mixed"]))
    runner, layer = run_encoder(model), site_layer(site, LAYERS)
    with torch.no_grad():
        hidden = runner.enter(batch, layer, NoDropout())
        states = reference(model, batch)
        assert close(runner.finish(batch, hidden, layer, NoDropout()), states[-1])
        if layer is not None:
            assert close(hidden, states[layer])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("site", SITES)
def test_what_enters_at_a_site_decides_all_that_lies_above(kind: str, site: str) -> None:
    model, layer = make_encoder(kind), site_layer(site, LAYERS)
    rows = make_rows([7, 5, 5])
    batch, other = pack(rows), pack(rows.with_ids(np.flip(rows.ids).copy()))
    runner = run_encoder(model)
    with torch.no_grad():
        foreign = runner.enter(other, layer, NoDropout())
        assert close(runner.finish(batch, foreign, layer, NoDropout()), reference(model, other)[-1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("site", SITES)
def test_gradients_equal_the_hugging_face_models(kind: str, site: str) -> None:
    """Of every parameter and through every site, with the dropout of a training step at rate 0."""
    batch, layer = pack(make_rows([9, 4, 6, 6, 3])), site_layer(site, LAYERS)
    ours, theirs = make_encoder(kind), make_encoder(kind)
    weights = torch.randn(sum(batch.lengths), HIDDEN, generator=torch.Generator().manual_seed(0))
    dropout, runner = StepDropout(0.0, Streams(0), 0), run_encoder(ours)
    (runner.finish(batch, runner.enter(batch, layer, dropout), layer, dropout) * weights).sum().backward()
    (reference(theirs, batch)[-1] * weights).sum().backward()
    assert_same_gradients(ours, theirs)


def assert_same_gradients(ours: Any, theirs: Any) -> None:
    """Every parameter's, to 1e-5 of its largest entry or of 1."""
    for (name, mine), wanted in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if wanted.grad is None:
            assert mine.grad is None, name
            continue
        assert mine.grad is not None, name
        scale = max(1.0, float(wanted.grad.abs().max()))
        assert close(mine.grad / scale, wanted.grad / scale), f"{name}: {(mine.grad - wanted.grad).abs().max():.1e}"


@pytest.mark.parametrize("kind", ["xlm-roberta", "distilbert"])
def test_the_gradient_at_a_site_is_that_of_a_difference_quotient(kind: str) -> None:
    model, batch = make_encoder(kind).double(), pack(make_rows([5, 3]))
    runner, dropout = run_encoder(model), StepDropout(0.0, Streams(0), 0)
    hidden = runner.enter(batch, 1, dropout).detach().requires_grad_(True)
    (grad,) = torch.autograd.grad(runner.finish(batch, hidden, 1, dropout).square().sum(), hidden)
    way = torch.randn(hidden.shape, generator=torch.Generator().manual_seed(0), dtype=hidden.dtype)
    with torch.no_grad():
        ends = [runner.finish(batch, hidden + s * 1e-5 * way, 1, dropout).square().sum() for s in (1, -1)]
    assert float((ends[0] - ends[1]) / 2e-5) == pytest.approx(float((grad * way).sum()), rel=1e-6)


# Packing


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_texts_do_not_see_each_other(kind: str) -> None:
    rows, model = make_rows(MIXES["mixed"]), make_classifier(kind)
    with torch.no_grad():
        together = model.logits(pack(rows))
        alone = [model.logits(pack(rows.take(np.array([i])))) for i in pack(rows).rows]
    assert close(together, torch.cat(alone))


@pytest.mark.parametrize("group_rows", [1, 2, 3, 8, 100])
def test_the_size_of_attention_groups_changes_no_number(group_rows: int) -> None:
    rows, model = make_rows(MIXES["mixed"]), make_classifier()
    with torch.no_grad():
        assert close(model.logits(pack(rows, group_rows)), model.logits(pack(rows, 4)), 1e-6)


def test_a_batch_is_longest_first_and_knows_its_rows() -> None:
    rows = make_rows([3, 5, 4, 5])
    batch = rows.batch(np.array([0, 2, 3, 1]), np.array([10, 11, 12, 13]))
    assert batch.lengths == (5, 5, 4, 3) and batch.rows == (3, 1, 2, 0)
    assert batch.labels_B.tolist() == [13, 11, 12, 10]
    assert batch.sentence_T.tolist() == [0] * 5 + [1] * 5 + [2] * 4 + [3] * 3
    assert batch.position_T.tolist() == [*range(5), *range(5), *range(4), *range(3)]
    assert batch.ids_T[:5].tolist() == rows.ids[12:17].tolist()


def test_the_mean_over_tokens_is_over_each_texts_own() -> None:
    batch = pack(make_rows([4, 2, 3]))
    hidden = torch.randn(9, 5, generator=torch.Generator().manual_seed(0))
    parts = hidden.split(batch.lengths)
    assert close(mean_by_text(hidden, batch), torch.stack([part.mean(0) for part in parts]), 1e-6)


def test_joined_and_taken_rows_are_the_rows() -> None:
    a, b = make_rows([3, 1, 4], seed=1), make_rows([2, 6], seed=2)
    joined = join_rows([a, b])
    assert joined.lengths.tolist() == [3, 1, 4, 2, 6]
    again = joined.take(np.array([3, 4]))
    assert np.array_equal(again.ids, b.ids) and np.array_equal(again.offsets, b.offsets)
    assert np.array_equal(again.special, b.special) and again.types is None
    with pytest.raises(ValueError, match="with and without segment ids"):
        join_rows([a, make_rows([5], pairs=True)])


@pytest.mark.parametrize("pairs", [None, ["milk", "the kitchen light", "ไฟ"]])
def test_encoding_marks_special_tokens_and_keeps_to_the_length(pairs: list[str] | None) -> None:
    texts = ["turn on the light in the kitchen please", "Küche", ""]
    rows = encode(make_tokenizer(), texts, pairs, 8, prefix="please ")
    assert rows.lengths.max() <= 8 and len(rows) == 3
    marks = np.isin(rows.ids, (0, 2))
    assert np.array_equal(rows.special, marks)
    assert (rows.types is None) == (pairs is None)


# Dropout


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_has_its_rate_and_preserves_the_mean(rate: float) -> None:
    ones = torch.ones(400, 250)
    dropped = StepDropout(rate, Streams(3), 5)(ones, 1, "ffn")
    assert float((dropped == 0).float().mean()) == pytest.approx(
        rate, abs=0.004
    )  # 1/512 of rounding, 2 sd of 100,000 draws
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.01)


def test_a_mask_lasts_a_step_and_no_longer() -> None:
    x = torch.ones(40, 40)
    dropout = StepDropout(0.3, Streams(3), 5)
    first = dropout(x, 1, "ffn")
    assert torch.equal(dropout(x, 1, "ffn"), first), "every pass of a step drops the same units"
    assert torch.equal(StepDropout(0.3, Streams(3), 5)(x, 1, "ffn"), first), "a resumed step as well"
    others = [
        StepDropout(0.3, Streams(3), 6)(x, 1, "ffn"),
        StepDropout(0.3, Streams(4), 5)(x, 1, "ffn"),
        dropout(x, 2, "ffn"),
        dropout(x, 1, "attention"),
    ]
    for other in others:
        assert 0.3 < float((other != first).float().mean()) < 0.55  # independent masks differ in 2 x 0.3 x 0.7 = 42 %


@pytest.mark.parametrize("rate", [0.998, 0.999])
def test_dropout_never_drops_everything(rate: float) -> None:
    dropped = StepDropout(rate, Streams(0), 0)(torch.ones(100, 100), 0, "ffn")
    assert torch.isfinite(dropped).all() and 0 < int((dropped > 0).sum()) < 200


@pytest.mark.parametrize("kind", KINDS)
def test_the_rate_is_the_studys_and_not_the_checkpoints(kind: str) -> None:
    """A checkpoint's own rate is whatever its authors trained with; a study's recipe is the same for every scale."""
    batch, streams = pack(make_rows([6, 6, 4])), Streams(1)

    def spread(model: Any, rate: float) -> float:
        runner = run_encoder(model)
        with torch.no_grad():
            clean = runner.hidden_states(batch, NoDropout())[-1]
            noisy = [runner.hidden_states(batch, StepDropout(rate, streams, step))[-1] for step in range(8)]
        return float(torch.stack([(state - clean).square().mean() for state in noisy]).mean())

    model = make_encoder(kind)
    assert spread(model, 0.0) < 1e-9
    assert 0 < spread(model, 0.05) < spread(model, 0.4)


@pytest.mark.parametrize("kind", KINDS)
def test_every_pass_of_a_step_drops_the_same_units(kind: str) -> None:
    model, batch = make_classifier(kind), pack(make_rows([6, 5, 4]))

    def logits(step: int, site: str) -> torch.Tensor:
        view = training_pass(model, 0.3, Streams(1), step, {}, None)
        with torch.no_grad():
            return view.finish(batch, view.enter(batch, site), site)

    view = training_pass(model, 0.3, Streams(1), 0, {}, None)
    with torch.no_grad():
        first = view.predict(batch)
        assert torch.equal(view.predict(batch), first)
    for site in SITES:
        assert close(logits(0, site), first), site
    assert not close(logits(1, EMBEDDINGS), first, 1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_drops_nothing_even_after_a_training_step(kind: str) -> None:
    model, rows = make_classifier(kind), make_rows([6, 5, 4])
    before = predict_logits(model, rows)
    training_pass(model, 0.5, Streams(1), 0, {}, None).predict(pack(rows))
    assert np.array_equal(predict_logits(model, rows), before)


@pytest.mark.parametrize("kind", KINDS)
def test_no_pass_touches_the_global_random_state(kind: str) -> None:
    model, batch = make_classifier(kind), pack(make_rows([6, 5, 4]))
    before = torch.get_rng_state()
    training_pass(model, 0.3, Streams(1), 0, {}, None).predict(batch)
    assert torch.equal(torch.get_rng_state(), before)


# The classifier and its predictions


def test_a_head_depends_on_its_seed_alone() -> None:
    first, same, other = (make_classifier(kind, seed) for kind, seed in (("bert", 3), ("distilbert", 3), ("bert", 4)))
    assert torch.equal(first.head.weight, same.head.weight) and not torch.equal(first.head.weight, other.head.weight)
    assert not first.head.bias.any()
    wide = Classifier(make_encoder("bert"), 2000, Streams(1), CLASSIFICATION).head.weight
    assert float(wide.detach().std()) == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize("kind", ["xlm-roberta", "distilbert"])
def test_logits_are_the_head_on_the_mean_of_the_last_states(kind: str) -> None:
    model, batch = make_classifier(kind), pack(make_rows(MIXES["mixed"]))
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor([1.0, -2.0, 3.0]))
        pooled = mean_by_text(reference(model.encoder, batch)[-1], batch)
        assert close(model.logits(batch), pooled @ model.head.weight.T + model.head.bias)
        assert close(training_pass(model, 0.0, Streams(0), 0, {}, None).predict(batch), model.logits(batch))


def shuffled(rows: TokenRows, seed: int) -> tuple[TokenRows, NDArray[np.int64]]:
    order = np.random.default_rng(seed).permutation(len(rows))
    return rows.take(order), order


@pytest.mark.parametrize("tokens", [1, 16, 64, 2048])
def test_predictions_come_in_the_order_of_the_rows(tokens: int) -> None:
    model, rows = make_classifier(), make_rows(MIXES["mixed"])
    whole = predict_logits(model, rows)
    mixed, order = shuffled(rows, 0)
    assert np.allclose(predict_logits(model, mixed, tokens=tokens), whole[order], atol=1e-6)


def test_batches_by_length_hold_every_text_once_within_the_budget() -> None:
    rows = make_rows(MIXES["mixed"])
    batches = list(batches_by_length(rows, np.arange(len(rows)), tokens=20))
    assert sorted(row for batch in batches for row in batch.rows) == list(range(len(rows)))
    assert all(sum(batch.lengths) <= 20 or len(batch) == 1 for batch in batches)
    assert all(batch.labels_B.tolist() == list(batch.rows) for batch in batches)
    lengths = [length for batch in batches for length in batch.lengths]
    assert lengths == sorted(lengths, reverse=True)


@pytest.mark.parametrize("kind", ["bert", "deberta-v2"])
def test_text_vectors_are_means_of_the_hugging_face_models_states(kind: str) -> None:
    model, rows = make_classifier(kind), make_rows(MIXES["mixed"])
    vectors = embed_texts(model, rows, tokens=25)
    assert vectors.shape == (LAYERS + 1, len(rows), HIDDEN)
    batch = pack(rows)
    with torch.no_grad():
        for layer, state in enumerate(reference(model.encoder, batch)):
            assert close(vectors[layer][list(batch.rows)], mean_by_text(state, batch)), layer


def test_there_is_no_vector_of_no_text() -> None:
    with pytest.raises(ValueError, match="no text"):
        embed_texts(make_classifier(), make_rows([]))
    assert predict_logits(make_classifier(), make_rows([])).shape == (0, CLASSES)


def test_the_unit_of_radii_is_the_mean_norm_of_ordinary_tokens() -> None:
    model, batch = make_classifier(), pack(make_rows([6, 4, 3]))
    table = model.encoder.get_input_embeddings().weight.detach()
    norms = table[batch.ids_T[~batch.special_T]].double().norm(dim=1)
    assert measure_unit(model, batch, EMBEDDINGS) == pytest.approx(float(norms.mean()))
    view = Pass(model, NoDropout(), {EMBEDDINGS: 2.5}, None)
    assert view.radius_unit(EMBEDDINGS) == 2.5
    with pytest.raises(ValueError, match="'hidden:1' was not measured; known: embeddings"):
        view.radius_unit("hidden:1")
    with pytest.raises(ValueError, match="without synonym sets"):
        view.rewrite(batch, np.random.default_rng(0), neighbours=1, copies=1)


def test_the_tokenizer_of_the_tests_knows_every_piece() -> None:
    assert len(make_tokenizer()) == VOCABULARY


def test_a_batch_first_read_in_inference_mode_serves_a_training_pass() -> None:
    batch = Batch(
        ids_T=torch.zeros(6, dtype=torch.int64),
        lengths=(4, 2),
        special_T=torch.zeros(6, dtype=torch.bool),
        labels_B=torch.zeros(2, dtype=torch.int64),
    )
    with torch.inference_mode():
        mean_by_text(torch.ones(6, 3), batch)
        kept = [batch.sentence_T, batch.position_T, batch.lengths_B, batch.first_B, batch.free_B]
        kept += [
            part for group in batch.groups for part in (group.slots_T, group.pad_BL, group.hide_BL) if part is not None
        ]
    assert len(kept) == 8 and not any(part.is_inference() for part in kept)
    hidden_TD = torch.ones(6, 3, requires_grad=True)
    mean_by_text(hidden_TD, batch).square().sum().backward()
    assert hidden_TD.grad is not None
