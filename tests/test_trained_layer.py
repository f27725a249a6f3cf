"""Laws of the written-out layer: its backward pass is the gradient, and equals PyTorch's record of it to the bit."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from test_encoder import MIXES, PACKED, pack
from tiny import HIDDEN, LAYERS, make_encoder, make_rows
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from suite.batch import Batch
from suite.models.encoder import PackedEncoder, StepDropout
from suite.models.trained_layer import Weights, weights_of
from suite.seeding import Streams


def states(batch: Batch, dtype: torch.dtype = torch.float32) -> Tensor:
    """The input of a layer."""
    drawn = torch.randn(len(batch.ids_T), HIDDEN, generator=torch.Generator().manual_seed(0))
    return drawn.to(dtype).requires_grad_()


def plain(runner: PackedEncoder, x_TD: Tensor, batch: Batch, dropout: StepDropout) -> Tensor:
    """The last layer by operations that PyTorch differentiates."""
    return runner._feed(LAYERS - 1, x_TD, runner._attend(LAYERS - 1, x_TD, batch, dropout), dropout)


def written_out(runner: PackedEncoder, x_TD: Tensor, batch: Batch, dropout: StepDropout) -> Tensor:
    return runner.layer(LAYERS - 1, x_TD, batch, dropout)


def loss_of(out: Tensor) -> Tensor:
    """Every entry counts for another share."""
    return (out * torch.arange(out.numel()).view_as(out).sin()).sum()


@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("kind", PACKED)
def test_output_and_gradients_equal_plain_operations_bit_for_bit(kind: str, mix: str, rate: float) -> None:
    batch, runner = pack(make_rows(MIXES[mix])), PackedEncoder(make_encoder(kind))
    found = []
    for run in (plain, written_out):
        x_TD = states(batch)
        out = run(runner, x_TD, batch, StepDropout(rate, Streams(2), 7))
        found.append((out.detach(), *torch.autograd.grad(loss_of(out), (x_TD, *weights_of(runner.layers[-1])))))
        assert torch.equal(x_TD, states(batch)), "what comes in is left as it was"
    assert len(found[0]) == 2 + len(Weights._fields)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("mix", MIXES)
def test_gradients_are_those_of_difference_quotients(mix: str) -> None:
    batch, runner = pack(make_rows(MIXES[mix][:5])), PackedEncoder(make_encoder("bert").double())
    dropout, layer = StepDropout(0.3, Streams(2), 7), runner.layers[-1]

    def run(x_TD: Tensor, *_: Tensor) -> Tensor:
        return written_out(runner, x_TD, batch, dropout)

    inputs = (states(batch, torch.float64), *weights_of(layer))
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


class Calls(TorchDispatchMode):
    """Counts operations."""

    def __init__(self) -> None:
        super().__init__()
        self.of: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.of[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def test_an_ascent_step_computes_no_gradient_of_a_parameter() -> None:
    batch, runner = pack(make_rows(MIXES["mixed"])), PackedEncoder(make_encoder("xlm-roberta"))
    counts = {}
    for name, asked in (("ascent", ()), ("training", weights_of(runner.layers[-1]))):
        x_TD = states(batch)
        loss = loss_of(written_out(runner, x_TD, batch, StepDropout(0.3, Streams(2), 7)))
        with Calls() as calls:
            torch.autograd.grad(loss, (x_TD, *asked))
        counts[name] = calls.of
    assert counts["ascent"]["mm"] == 4, "one product for each linear layer, the three projections being one"
    assert counts["training"]["mm"] == 8


def test_it_takes_fewer_operations_than_pytorch_records() -> None:
    batch, runner = pack(make_rows(MIXES["mixed"])), PackedEncoder(make_encoder("xlm-roberta"))
    counts = []
    for run in (plain, written_out):
        dropout = StepDropout(0.3, Streams(2), 7)
        run(runner, states(batch), batch, dropout)
        with Calls() as calls:
            loss_of(run(runner, states(batch), batch, dropout)).backward()  # type: ignore[no-untyped-call]  # torch's is
        counts.append(calls.of)
    assert counts[1].total() < 0.85 * counts[0].total()
    assert counts[1]["clone"] <= counts[0]["clone"] * 2 / 3


def test_masks_drawn_ahead_are_those_drawn_when_asked_for() -> None:
    batch, runner = pack(make_rows(MIXES["mixed"])), PackedEncoder(make_encoder("xlm-roberta"))
    ahead, late = (StepDropout(0.3, Streams(3), 5) for _ in range(2))
    runner.finish(batch, runner.enter(batch, 0, ahead), 0, ahead)
    assert len(ahead.masks) == 1 + LAYERS * (2 + len(batch.groups)), "those that are used, and no other"
    for layer, place, shape in reversed(ahead.masks):
        assert torch.equal(ahead.masks[layer, place, shape], late(torch.ones(shape), layer, place))
