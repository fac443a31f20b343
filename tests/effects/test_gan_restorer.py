"""The live restorer as an effect: parameters, and the contract with a real network behind it."""

import doctest
import importlib

import numpy as np
import pedalboard
import pytest
import torch

from uncodec import Board, GANRestorer
from uncodec.errors import InvalidType, InvalidValue, ModelError
from uncodec.networks import Generator, GeneratorConfig

MINUS_100_DBFS = 1e-5


class Passing:
    """A network whose delta is its input, so that the delta's timing can be seen."""

    def __init__(self):
        self.config = GeneratorConfig(window=256, hop=64, encoder=4, hidden=4, local=2)
        self.device = "cpu"
        self.hops = self.levels = self.gate = None

    def initial_state(self, batch=1):
        return Generator(self.config).initial_state(batch)

    @staticmethod
    def step(spectra, state):
        return spectra[:, :2], torch.ones(1), state


@pytest.mark.parametrize(("rate", "channels"), [(44100, 1), (48000, 2), (96000, 2), (22050, 1)])
def test_amount_zero_gives_the_input_back_bit_for_bit(model, noise, stream_through, rate, channels):
    audio = noise(5000, channels)
    restorer = GANRestorer(amount=0, model=model)
    np.testing.assert_array_equal(restorer(audio, rate), audio)
    restorer.reset()
    result = stream_through(restorer, audio, [700, 703, 3000], sample_rate=rate)
    np.testing.assert_array_equal(result, audio)


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (96000, 1), (22050, 2)])
def test_every_partition_gives_the_same_sound(model, noise, stream_through, rate, channels):
    audio = noise(6000, channels)
    restorer = GANRestorer(model=model)
    whole = restorer(audio, rate)
    assert whole.shape == audio.shape
    assert np.abs(whole - audio).max() > 1e-3
    rng = np.random.default_rng(rate + channels)
    for size in (8192, 100):
        cuts = [3, *rng.integers(3, 6000, 5)]
        twice = []
        for _ in range(2):
            restorer.reset()
            twice.append(stream_through(restorer, audio, cuts, sample_rate=rate, buffer_size=size))
        np.testing.assert_array_equal(*twice)
        assert twice[0].shape == whole.shape
        assert np.abs(twice[0] - whole).max() < MINUS_100_DBFS


def test_a_loop_that_resets_first_has_no_gap(model, noise, stream_through):
    audio = noise(6000)
    restorer = GANRestorer(model=model)
    whole = restorer(audio, 44100)
    result = stream_through(restorer, audio, range(500, 6000, 500), first_resets=True)
    assert result.shape == whole.shape
    known = np.ones(6000, bool)
    known[500 - restorer.latency_samples : 500] = False
    assert np.abs(result - whole)[:, known].max() < MINUS_100_DBFS


@pytest.mark.parametrize("rate", [44100, 48000, 96000, 22050])
def test_latency_is_where_input_and_delta_come_out(monkeypatch, noise, rate):
    monkeypatch.setattr("uncodec.live.stream.load_model", lambda *_: Passing())
    spectrum = np.fft.rfft(noise(12000))
    # The band that every resampler passes whole.
    keep = np.fft.rfftfreq(12000, 1 / rate) < 0.4 * min(rate, 44100)
    audio = np.fft.irfft(spectrum * keep, n=12000).astype(np.float32)
    restorer = GANRestorer()
    ready = restorer.process(audio, rate, reset=False)
    latency = restorer.latency_samples
    assert ready.shape[1] == 12000 - latency
    result = np.concatenate([ready, restorer.flush()], axis=1)
    inner = slice(1500, 12000 - latency)
    assert np.abs(result[:, inner] - 2 * audio[:, inner]).max() < 1e-3 * np.abs(audio).max()
    spectra = np.fft.rfft(result[0]), np.fft.rfft(audio[0])
    assert np.argmax(np.fft.irfft(spectra[0] * spectra[1].conj())) == 0


def test_latency_is_known_before_use_and_constant(model, noise):
    restorer = GANRestorer(model=model)
    latency = restorer.latency_samples
    assert latency == 255
    for reset in (True, False, False):
        restorer.process(noise(300), 44100, reset=reset)
        assert restorer.latency_samples == latency


@pytest.mark.parametrize("channels", [1, 2])
def test_layouts_and_types(model, noise, channels):
    audio = noise(2000, channels)
    restorer = GANRestorer(model=model)
    expected = restorer(audio, 44100)
    result = restorer(audio.T.astype(np.float64), 44100)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, expected.T)
    if channels == 1:
        np.testing.assert_array_equal(restorer(audio[0], 44100), expected[0])


def test_seeds_differ_and_repeat(model, noise):
    audio = noise(3000)
    first, again, other = (GANRestorer(seed=seed, model=model)(audio, 44100) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


def test_amount_changes_at_once_in_mid_stream(model, noise):
    audio = noise(4000)
    full = GANRestorer(model=model)(audio, 44100)
    restorer = GANRestorer(amount=0.0, model=model)
    head = restorer.process(audio[:, :2000], 44100, reset=False)
    restorer.amount = 0.5
    tail = restorer.process(audio[:, 2000:], 44100, reset=False)
    np.testing.assert_array_equal(head, audio[:, : head.shape[1]])
    rest = slice(head.shape[1], head.shape[1] + tail.shape[1])
    expected = audio[:, rest] + 0.5 * (full - audio)[:, rest]
    np.testing.assert_allclose(tail, expected, atol=1e-6)


def test_seed_and_model_change_with_the_next_stream(model, noise):
    audio = noise(3000)
    restorer = GANRestorer(seed=1, model=model)
    expected = restorer.process(audio, 44100, reset=False), restorer.flush()
    restorer.process(audio[:, :1000], 44100)
    restorer.reset()
    head = restorer.process(audio[:, :1500], 44100, reset=False)
    restorer.seed = 2
    head = np.concatenate([head, restorer.process(audio[:, 1500:], 44100, reset=False)], axis=1)
    assert np.abs(head - expected[0]).max() < MINUS_100_DBFS
    restorer.flush()
    assert np.abs(restorer(audio, 44100)[:, : head.shape[1]] - head).max() > 1e-4


def test_on_a_board_among_native_plugins(model, noise, stream_through):
    audio = noise(6000)

    def board():
        return Board([pedalboard.Gain(-3), GANRestorer(model=model), pedalboard.Reverb()])

    step = pedalboard.Gain(-3)(audio, 44100)
    step = pedalboard.Reverb()(GANRestorer(model=model)(step, 44100), 44100)
    whole = board()(audio, 44100)
    np.testing.assert_array_equal(whole, step)
    result = stream_through(board(), audio, [1000, 1500, 4000])
    assert np.abs(result - whole).max() < MINUS_100_DBFS


def test_the_amount_of_a_restorer_on_a_board_may_change(model, noise):
    audio = noise(3000)
    board = Board([GANRestorer(amount=1.0, model=model)])
    board.process(audio, 44100, reset=False)
    board[0].amount = 0.0
    result = board.process(audio, 44100, reset=False)
    latency = board.latency_samples
    np.testing.assert_array_equal(result[:, latency:], audio[:, :-latency])


@pytest.mark.parametrize("amount", [-0.01, 1.01, float("nan"), float("inf")])
def test_amount_out_of_range(amount):
    restorer = GANRestorer()
    with pytest.raises(InvalidValue, match=f"amount={amount}: must be from 0 to 1"):
        restorer.amount = amount
    with pytest.raises(InvalidValue):
        GANRestorer(amount=amount)
    assert restorer.amount == 1.0


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seed_out_of_range(seed):
    with pytest.raises(InvalidValue, match=f"seed={seed}: must be from 0"):
        GANRestorer(seed=seed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": "1"},
        {"amount": None},
        {"amount": True},
        {"seed": 1.5},
        {"seed": "1"},
        {"seed": True},
        {"model": 3},
        {"model": None},
        {"device": 0},
    ],
)
def test_parameters_of_wrong_types(wrong):
    (name,) = wrong
    with pytest.raises(InvalidType, match=f"{name}="):
        GANRestorer(**wrong)


def test_parameters_are_stored_plainly(tmp_path):
    restorer = GANRestorer(
        amount=np.float32(0.5), seed=np.int64(7), model=tmp_path / "own", device="cpu"
    )
    assert (type(restorer.amount), restorer.amount) == (float, 0.5)
    assert (type(restorer.seed), restorer.seed) == (int, 7)
    assert restorer.model == str(tmp_path / "own")
    assert repr(GANRestorer()).startswith(
        "<uncodec.GANRestorer amount=1.0 seed=0 model='live-gan' device='cpu' "
        "brightness_db=0.0 like=None like_amount=1.0 at 0x"
    )


def test_unknown_models_are_refused_on_first_use(noise):
    restorer = GANRestorer(model="nowhere")
    with pytest.raises(ModelError, match="model='nowhere'"):
        restorer(noise(10), 44100)
    restorer.model = "elsewhere"
    with pytest.raises(ModelError, match="model='elsewhere'"):
        _ = restorer.latency_samples


@pytest.mark.parametrize("module", ["arrays", "base", "board", "chain", "gan_restorer"])
def test_examples_in_the_documentation_run(module):
    failures, _ = doctest.testmod(importlib.import_module(f"uncodec.effects.{module}"))
    assert failures == 0
