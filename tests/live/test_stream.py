"""The restoring stream: latency, partitions, delta form, rates, clones."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from uncodec.errors import InvalidValue, ModelError
from uncodec.live import open_stream
from uncodec.live.engine import DeltaEngine
from uncodec.networks import GeneratorConfig, load_model


def music(samples, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((channels, samples))).astype(np.float32)


def run(stream, audio, sizes):
    out, start = [], 0
    for size in sizes:
        out.append(stream.process(audio[:, start : start + size]))
        start += size
    out.append(stream.process(audio[:, start:]))
    return np.concatenate(out, axis=1)


@pytest.mark.parametrize("rate", [44100, 48000, 88200, 96000, 192000, 22050, 8000, 32000, 37800])
@pytest.mark.parametrize("channels", [1, 2])
def test_amount_zero_is_the_delayed_input_bit_for_bit(model, rate, channels):
    stream = open_stream(model, sample_rate=rate, channels=channels, amount=0.0)
    audio = music(6000, channels)
    out = stream.process(audio)
    late = stream.latency_samples
    np.testing.assert_array_equal(out[:, late:], audio[:, : 6000 - late])
    assert not out[:, :late].any()


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 700), max_size=12))
@pytest.mark.parametrize("rate", [44100, 96000, 22050])
def test_any_partition_gives_the_same_output(model, rate, sizes):
    audio = music(sum(sizes) + 500)
    whole = open_stream(model, sample_rate=rate, channels=2).process(audio)
    parts = run(open_stream(model, sample_rate=rate, channels=2), audio, sizes)
    assert np.abs(whole - parts).max() < 1e-5  # -100 dBFS
    again = run(open_stream(model, sample_rate=rate, channels=2), audio, sizes)
    np.testing.assert_array_equal(parts, again)


def test_one_sample_at_a_time_keeps_pace(model):
    audio = music(400)
    whole = open_stream(model, sample_rate=44100, channels=2).process(audio)
    single = run(open_stream(model, sample_rate=44100, channels=2), audio, [1] * 400)
    assert single.shape == whole.shape
    assert np.abs(whole - single).max() < 1e-5


def test_latency_is_that_of_the_law(model):
    # window - hop for the frames, hop - 1 for blocks of any size.
    assert open_stream(model, sample_rate=44100, channels=2).latency_samples == 255


class Passing:
    """A network whose delta is its input, so that the delta's timing can be seen."""

    def __init__(self, config):
        self.config = config
        self.device = "cpu"
        self.hops = self.levels = self.gate = None

    def initial_state(self, batch=1):
        return self.config.initial_state(batch)

    @staticmethod
    def step(spectra, state):
        return spectra[:, :2], torch.ones(1), state


@pytest.mark.parametrize("rate", [44100, 48000, 88200, 96000, 176400, 32000, 22050, 37800])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_delta_lands_on_the_sample_it_belongs_to(monkeypatch, rate, channels):
    config = GeneratorConfig(window=256, hop=64, encoder=4, hidden=4, local=2)
    monkeypatch.setattr("uncodec.live.stream.load_model", lambda *_: Passing(config))
    stream = open_stream("any", sample_rate=rate, channels=channels, amount=1.0)
    samples = 12000
    # In the band that every resampler passes whole.
    spectrum = np.fft.rfft(music(samples, channels))
    keep = np.fft.rfftfreq(samples, 1 / rate) < 0.4 * min(rate, 44100)
    audio = np.fft.irfft(spectrum * keep, n=samples).astype(np.float32)
    out = stream.process(audio)
    late = stream.latency_samples
    settled = slice(late + 1500, samples)
    # Input plus a delta equal to it is twice the input, if and only if both are aligned.
    expected = 2 * audio[:, : samples - late][:, 1500:]
    error = np.abs(out[:, settled] - expected).max()
    # Where a frame dips, a little of the delta is held back. A sample off would be ten times that.
    assert error < 0.03 * np.abs(audio).max()


def test_a_clone_goes_its_own_way(model):
    stream = open_stream(model, sample_rate=96000, channels=2)
    stream.process(music(1000))
    twin = stream.clone()
    ahead = music(3000, seed=1)
    expected = twin.process(ahead)
    other = stream.clone()
    other.process(music(777, seed=2))
    np.testing.assert_array_equal(stream.process(ahead), expected)


def test_seeds_change_the_noise_and_only_they_do(model):
    audio = music(4000)
    first, same, other = (
        open_stream(model, sample_rate=44100, channels=2, seed=seed).process(audio)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 1e-4


def test_amount_scales_the_delta_and_may_change_midway(model):
    audio = music(4000)
    full = open_stream(model, sample_rate=44100, channels=2, amount=1.0).process(audio)
    stream = open_stream(model, sample_rate=44100, channels=2, amount=0.0)
    dry = stream.process(audio[:, :2000])
    stream.amount = 0.5
    half = stream.process(audio[:, 2000:])
    late = stream.latency_samples
    delayed = np.pad(audio, ((0, 0), (late, 0)))[:, :4000]
    np.testing.assert_array_equal(dry, delayed[:, :2000])
    expected = delayed[:, 2000:] + 0.5 * (full - delayed)[:, 2000:]
    np.testing.assert_allclose(half, expected, atol=1e-6)


def test_mono_is_the_mid_of_a_dual_mono_pair(model):
    mono = music(4000, 1)
    single = open_stream(model, sample_rate=44100, channels=1).process(mono)
    pair = open_stream(model, sample_rate=44100, channels=2).process(np.repeat(mono, 2, axis=0))
    np.testing.assert_allclose(single[0], pair.mean(0), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_rate": 7999}, "sample_rate=7999: must be a whole number from 8000 to 384000"),
        ({"sample_rate": 44100.5}, "sample_rate=44100.5"),
        ({"sample_rate": float("nan")}, "sample_rate=nan"),
        ({"channels": 3}, "channels=3: must be 1 or 2"),
        ({"amount": 1.1}, "amount=1.1: must be from 0 to 1"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_arguments_are_checked(model, change, message):
    arguments = {"sample_rate": 44100, "channels": 2} | change
    with pytest.raises(InvalidValue, match=message):
        open_stream(model, **arguments)


def test_unknown_models_and_devices_are_refused(model):
    with pytest.raises(ModelError, match="model='nowhere': must be a released model"):
        open_stream("nowhere", sample_rate=44100, channels=2)
    with pytest.raises(ModelError, match="device='abacus'"):
        open_stream(model, sample_rate=44100, channels=2, device="abacus")


def test_wrong_blocks_are_refused(model):
    stream = open_stream(model, sample_rate=44100, channels=2)
    with pytest.raises(InvalidValue, match=r"x: must have shape \(2, samples\), got \(1, 8\)"):
        stream.process(np.zeros((1, 8), np.float32))
    engine = DeltaEngine(load_model(model), 2)
    with pytest.raises(InvalidValue, match="multiple of 64"):
        engine.push(np.zeros((2, 63), np.float32))
