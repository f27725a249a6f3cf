"""Laws of the random streams: pure functions of seed, purpose and position, frozen for ever."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
import torch

from suite.seeding import Purpose, Streams, gaussian, uniform

PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


def test_streams_never_move() -> None:
    """Frozen values: were one to change, every result ever recorded would stop being reproducible."""
    streams = Streams(7)
    assert streams.key("noise", 3, "x") == 0x6204AD4E952391ABF75737F39C90B5FD
    assert Streams(0).key("dropout", 0, -1, "embeddings") == 0x55FAEFC964DE265E927BC8B905CE04FE
    assert streams.numpy("order", 2).permutation(8).tolist() == [1, 4, 5, 3, 2, 6, 7, 0]
    noise = streams.numpy("noise", 0, 0).standard_normal(3, dtype=np.float32)
    assert noise.tolist() == [0.39687615633010864, -1.1680384874343872, -1.2923760414123535]
    assert streams.torch("init").initial_seed() == 3706436671365998095
    raw = np.random.SFC64(streams.key("dropout", 1, 2, "ffn")).random_raw(2)
    assert raw.tolist() == [6595465154915778934, 17305675231409382037]


def test_a_stream_is_the_same_in_another_process() -> None:
    script = "from suite.seeding import Streams; print(Streams(7).key('noise', 3, 'x'))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert int(out.stdout) == Streams(7).key("noise", 3, "x")


def test_keys_differ_in_every_part() -> None:
    keys = [
        Streams(seed).key(purpose, step, layer)
        for seed, purpose, step, layer in itertools.product((0, 1, 12), PURPOSES, (0, 1, 12), (-1, 0, 1))
    ]
    keys += [Streams(1).key("noise"), Streams(1).key("noise", 0), Streams(1).key("noise", 0, 0, 0)]
    assert len(set(keys)) == len(keys)
    assert max(keys) < 1 << 128


def test_streams_are_independent_of_each_other() -> None:
    """Neighbouring seeds, steps and purposes: 10,000 normal draws correlate by less than 4 standard errors of 1 %."""
    draws = [
        Streams(seed).numpy(purpose, step).standard_normal(10_000)
        for seed, purpose, step in itertools.product((0, 1), PURPOSES[3:6], (0, 1))
    ]
    off = np.corrcoef(draws)[np.triu_indices(len(draws), 1)]
    assert np.abs(off).max() < 0.04


def test_drawing_more_from_one_stream_does_not_shift_another() -> None:
    streams = Streams(3)
    first = streams.numpy("noise", 5).random(4)
    greedy = streams.numpy("noise", 4)
    greedy.random(1000)
    assert np.array_equal(streams.numpy("noise", 5).random(4), first)


def test_generators_of_pytorch_follow_seed_and_purpose() -> None:
    first, same, other, elsewhere = (
        torch.rand(8, generator=generator)
        for generator in (
            Streams(1).torch("init"),
            Streams(1).torch("init"),
            Streams(2).torch("init"),
            Streams(1).torch("order"),
        )
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other) and not torch.equal(first, elsewhere)


def test_an_unknown_purpose_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown stream 'nois'; .*'noise'.*init, order, dropout"):
        Streams(0).key("nois")  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_noise_comes_in_the_dtype_asked_for(dtype: torch.dtype) -> None:
    like = torch.zeros(1, dtype=dtype)
    normal = gaussian((300, 100), np.random.default_rng(0), like=like)
    flat = uniform((300, 100), np.random.default_rng(0), like=like)
    assert normal.dtype == flat.dtype == dtype and normal.shape == flat.shape == (300, 100)
    assert float(normal.double().mean()) == pytest.approx(0, abs=0.03)
    assert float(normal.double().std()) == pytest.approx(1, abs=0.02)
    assert 0 <= float(flat.min()) and float(flat.max()) <= 1
    assert float(flat.double().mean()) == pytest.approx(0.5, abs=0.01)
