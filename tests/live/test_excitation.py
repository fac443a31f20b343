"""Excitation of a stream: the same as of the whole signal, whatever the blocks."""

import numpy as np
import pytest
import torch

from uncodec.live.excitation import Excitation
from uncodec.networks.spectra import overtones, swell


def run(stream, audio, noise):
    shaped, tones = noise.copy(), np.empty_like(audio)
    stream.push_into(audio, shaped, tones)
    return np.stack([shaped, tones])


@pytest.fixture
def signals():
    return np.random.default_rng(0).standard_normal((2, 2, 1000)).astype(np.float32)


@pytest.mark.parametrize("sizes", [(1000,), (1, 1, 998), (20, 20, 960), (300, 512, 188)])
def test_blocks_give_what_the_whole_gives(signals, sizes):
    audio, noise = signals
    stream, parts, start = Excitation(), [], 0
    for size in sizes:
        span = slice(start, start + size)
        parts.append(run(stream, audio[:, span], noise[:, span]))
        start += size
    shaped, tones = np.concatenate(parts, axis=2)
    whole = torch.from_numpy(audio)
    np.testing.assert_array_equal(tones, overtones(whole).numpy())
    np.testing.assert_allclose(shaped, noise * swell(whole).numpy(), rtol=1e-5, atol=1e-6)


def test_nothing_of_a_loud_past_stays_behind(signals):
    audio, noise = signals
    stream = Excitation()
    run(stream, audio * 1e6, noise)
    run(stream, np.zeros((2, 48), np.float32), noise[:, :48])
    assert not run(stream, np.zeros((2, 100), np.float32), noise[:, :100]).any()


def test_a_clone_goes_on_alone(signals):
    audio, noise = signals
    stream = Excitation()
    run(stream, audio[:, :500], noise[:, :500])
    twin = stream.clone()
    first = run(stream, audio[:, 500:], noise[:, 500:])
    np.testing.assert_array_equal(run(twin, audio[:, 500:], noise[:, 500:]), first)
