"""What a head reads of a text: the mean of its last states, or its first token's, computed without the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from test_encoder import KINDS, MIXES, SITES, assert_same_gradients, close, pack, reference
from test_method_conformance import settings
from tiny import (
    CLASSES,
    LAYERS,
    make_classifier,
    make_encoder,
    make_labelled,
    make_rewriter,
    make_rows,
    make_trial,
    save_checkpoint,
)
from torch.utils.flop_counter import FlopCounterMode

from suite.batch import Batch
from suite.canonical import to_json
from suite.kinds import KINDS as TASK_KINDS
from suite.methods import METHODS
from suite.methods.interface import StepStreams, site_layer
from suite.models.checkpoints import load_encoder
from suite.models.classifier import Classifier, run_encoder, training_pass
from suite.models.encoder import NoDropout, PackedEncoder, StepDropout
from suite.models.predict import predict_logits
from suite.models.saved import Reading, load_classifier, save_classifier
from suite.models.tokens import encode
from suite.plan import plan
from suite.seeding import Streams
from suite.study_file import load_study
from suite.trial_spec import TrainSpec


def firsts(batch: Batch) -> torch.Tensor:
    """Index of the first token of every text, by another way than the batch's."""
    return torch.nonzero(batch.position_T == 0).flatten()


def classifier_of_firsts(kind: str = "bert") -> Classifier:
    return Classifier(make_encoder(kind), CLASSES, Streams(0), TASK_KINDS["classification"], "first")


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_first_tokens_state_equals_the_hugging_face_models(kind: str, site: str) -> None:
    model, layer = make_encoder(kind), site_layer(site, LAYERS)
    runner = run_encoder(model)
    for mix, lengths in MIXES.items():
        batch = pack(make_rows(lengths))
        with torch.no_grad():
            hidden = runner.enter(batch, layer, NoDropout())
            found = runner.finish_first(batch, hidden, layer, NoDropout())
            wanted = reference(model, batch)[-1][firsts(batch)]
        assert found.shape == wanted.shape and close(found, wanted), mix


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("site", SITES)
def test_its_gradients_equal_the_hugging_face_models(kind: str, site: str) -> None:
    batch, layer = pack(make_rows([9, 4, 6, 6, 3])), site_layer(site, LAYERS)
    ours, theirs = make_encoder(kind), make_encoder(kind)
    dropout, runner = StepDropout(0.0, Streams(0), 0), run_encoder(ours)
    weights = torch.randn(len(batch), ours.config.hidden_size, generator=torch.Generator().manual_seed(0))
    (runner.finish_first(batch, runner.enter(batch, layer, dropout), layer, dropout) * weights).sum().backward()
    (reference(theirs, batch)[-1][firsts(batch)] * weights).sum().backward()
    assert_same_gradients(ours, theirs)


@pytest.mark.parametrize("kind", ["xlm-roberta", "distilbert"])
def test_logits_are_the_head_on_what_is_read(kind: str) -> None:
    model, batch = classifier_of_firsts(kind), pack(make_rows(MIXES["mixed"]))
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor([1.0, -2.0, 3.0]))
        state = reference(model.encoder, batch)[-1][firsts(batch)]
        assert close(model.logits(batch), state @ model.head.weight.T + model.head.bias)
        assert close(training_pass(model, 0.0, Streams(0), 0, {}, None).predict(batch), model.logits(batch))
        assert not close(model.logits(batch), make_classifier(kind).logits(batch), 1e-3)


def test_the_last_layer_of_a_packed_encoder_computes_little_else() -> None:
    """Keys and values of every token, the rest for one token a text (products of weights; attention is not counted)."""
    length, model = 32, make_encoder("bert")
    size, wide = model.config.hidden_size, model.config.intermediate_size
    batch, runner = pack(make_rows([length] * 4)), PackedEncoder(model)
    with torch.no_grad():
        below = runner.enter(batch, LAYERS - 1, NoDropout())
        with FlopCounterMode(display=False) as counter:
            runner.finish_first(batch, below, LAYERS - 1, NoDropout())
    assert counter.get_total_flops() == len(batch) * 2 * size * (2 * length * size + 2 * size + 2 * wide)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_a_head_on_first_tokens(name: str) -> None:
    """And strength 0 is standard training, bit for bit."""
    data, units = make_labelled(12, seed=3), dict.fromkeys(SITES, 1.0)
    batch = data.rows.batch(np.arange(12), data.labels)

    def gradient(method: str, strength: float) -> torch.Tensor:
        model = classifier_of_firsts()
        view = training_pass(model, 0.1, Streams(5), 0, units, make_rewriter(data))
        METHODS[method].loss(batch, view, StepStreams(Streams(1), 0), **settings(method, strength)).value.backward()
        return model.encoder.get_input_embeddings().weight.grad.clone()

    plain = gradient("standard", 0.0)
    assert torch.isfinite(gradient(name, 0.4)).all()
    if METHODS[name].strength is not None:
        assert torch.equal(gradient(name, 0.0), plain)


def test_a_saved_classifier_reads_what_the_trained_one_read(tmp_path: Path) -> None:
    checkpoint, kind = str(save_checkpoint(tmp_path / "checkpoint")), TASK_KINDS["classification"]
    whole, trained = load_encoder(checkpoint), load_encoder(checkpoint)
    labels = tuple(map(str, range(CLASSES)))
    model = Classifier(trained.model, CLASSES, Streams(3), kind, "first")
    reading = Reading(run_id="run", labels=labels, pairs=False, max_length=16, prefix="", pooling="first")
    words = np.arange(trained.model.get_input_embeddings().num_embeddings)
    save_classifier(tmp_path / "saved", whole, model, words, reading)
    texts = ["one two three", "four"]
    loaded = load_classifier(tmp_path / "saved", kind, torch.device("cpu"))
    rows = encode(trained.tokenizer, texts, None, 16)
    assert np.array_equal(loaded.logits(texts), predict_logits(model, rows.with_ids(trained.rows(rows.ids))))


def test_older_records_keep_their_names() -> None:
    assert "pooling" not in to_json(TrainSpec(learning_rate=1e-4))
    first, mean = (make_trial("standard", {}, pooling=pooling) for pooling in ("first", "mean"))
    assert first.digest != mean.digest and mean.digest == make_trial("standard", {}).digest


def test_a_task_that_reads_tokens_takes_no_pooling(tmp_path: Path) -> None:
    source = Path(__file__).parent.parent / "studies" / "panx-me5.toml"
    study = tmp_path / "study.toml"
    study.write_text(source.read_text().replace("[train]\n", '[train]\npooling = "first"\n'))
    with pytest.raises(ValueError, match=r"train\.pooling is of tasks that read whole texts, 'pan-x.*' reads tokens"):
        plan(load_study(study))


def test_an_unknown_pooling_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    source = Path(__file__).parent.parent / "studies" / "quickstart.toml"
    study = tmp_path / "study.toml"
    study.write_text(source.read_text().replace("[train]\n", '[train]\npooling = "cls"\n'))
    with pytest.raises(ValueError, match=r"train\.pooling.*'mean' or 'first'"):
        load_study(study)
