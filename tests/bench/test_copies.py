"""A block is hardly copied on its way to the engine, and the benchmark that says so can count."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from uncodec import GANRestorer
from uncodec.effects.base import Effect

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(scope="module")
def copies():
    sys.path.insert(0, str(BENCH))
    try:
        yield import_module("copies")
    finally:
        sys.path.remove(str(BENCH))


def blocks(size, count, order="C", channels=2):
    rng = np.random.default_rng(0)
    shape = (channels, size) if order == "C" else (size, channels)
    return [rng.normal(0, 0.1, shape).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("size", "count"), [(64, 1500), (8192, 30)])
def test_a_block_is_copied_three_times_at_most(copies, size, count, order):
    found = copies.copies_per_block(GANRestorer(), blocks(size, count, order))
    # Once into the line of its samples, once out of it: fewer would mean that nothing is counted.
    assert 2 <= found <= 3


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [22_050, 32_000, 88_200, 96_000, 192_000])
def test_at_other_rates_a_block_is_copied_three_times_at_most(copies, rate, channels):
    """Resamplers read and write where the samples lie."""
    found = copies.copies_per_block(GANRestorer(), blocks(64, 1000, channels=channels), rate)
    assert 2 <= found <= 3


def test_what_a_stream_copies_is_counted(copies):
    class Copying:
        channels, latency_samples = 2, 0

        def process(self, x):
            for _ in range(5):
                x = x.copy()
            return x

        def clone(self):
            return self

    class Wasteful(Effect):
        def _open(self, sample_rate, channels):
            return Copying()

    # And one copy of what it gives into the result.
    assert copies.copies_per_block(Wasteful(), blocks(64, 100)) == 6
