"""DiffusionRestorer: the contract of every effect, for whole signals."""

import copy
import pickle

import numpy as np
import pedalboard
import pytest

from uncodec import Board, DiffusionRestorer
from uncodec.errors import InvalidType, InvalidValue, ModelError
from uncodec.files.render import RenderSettings


@pytest.fixture
def restorer(diffusion_folder):
    return DiffusionRestorer(steps=2, seed=3, model=diffusion_folder)


@pytest.mark.parametrize("shape", [(20_000,), (2, 20_000), (20_000, 2), (1, 20_000), (2, 3), (1,)])
def test_the_result_has_the_layout_of_the_input(restorer, shape, noise):
    audio = noise(int(np.prod(shape)), 1).reshape(shape)
    result = restorer(audio, 44100)
    assert result.shape == shape
    assert result.dtype == np.float32
    assert not np.shares_memory(result, audio)
    assert np.isfinite(result).all()


def test_it_changes_what_it_gets_and_amount_scales_the_change(restorer, noise):
    audio = noise(20_000)
    full = restorer(audio, 44100) - audio
    restorer.amount = 0.5
    half = restorer(audio, 44100) - audio
    assert np.abs(full).max() > 1e-4
    np.testing.assert_allclose(half, 0.5 * full, atol=1e-6)
    restorer.amount = 0.0
    np.testing.assert_array_equal(restorer(audio, 44100), audio)


def test_seeds_are_takes_and_return(restorer, noise):
    audio = noise(20_000)
    first = restorer(audio, 44100)
    np.testing.assert_array_equal(restorer(audio, 44100), first)
    restorer.seed = 4
    assert np.abs(restorer(audio, 44100) - first).max() > 1e-5


def test_buffer_sizes_change_nothing(restorer, noise):
    audio = noise(20_000)
    np.testing.assert_array_equal(
        restorer(audio, 44100, buffer_size=100), restorer(audio, 44100, buffer_size=30_000)
    )


@pytest.mark.parametrize("sampler", ["ode", "sde"])
def test_both_samplers_run(restorer, noise, sampler):
    restorer.sampler = sampler
    assert np.isfinite(restorer(noise(20_000), 44100)).all()


@pytest.mark.parametrize("rate", [22_050, 48_000, 96_000])
def test_other_rates_are_aligned_too(restorer, noise, rate):
    audio = noise(20_000)
    result = restorer(audio, rate)
    assert result.shape == audio.shape
    lags = np.fft.irfft(np.fft.rfft(result[0]) * np.conj(np.fft.rfft(audio[0])))
    assert np.argmax(lags) == 0


def test_silence_stays_silence(restorer):
    assert not restorer(np.zeros((2, 20_000), np.float32), 44100).any()


def test_streaming_is_refused_clearly(restorer, noise):
    audio = noise(20_000)
    with pytest.raises(InvalidValue, match="reset=False: DiffusionRestorer works offline"):
        restorer.process(audio, 44100, reset=False)
    restorer.process(audio, 44100)
    with pytest.raises(InvalidValue, match="use GANRestorer to stream"):
        restorer.process(audio, 44100, reset=False)
    assert restorer.latency_samples == 0
    assert restorer.flush().shape == (2, 0)
    assert restorer.process(audio, 44100).shape == audio.shape


def test_it_runs_in_a_board(restorer, noise):
    audio = noise(20_000)
    board = Board([pedalboard.Gain(gain_db=0.0), restorer])
    np.testing.assert_allclose(board(audio, 44100), restorer(audio, 44100), atol=1e-6)


def test_copies_have_the_parameters(restorer):
    for twin in (copy.deepcopy(restorer), pickle.loads(pickle.dumps(restorer))):
        assert (twin.steps, twin.seed, twin.model) == (2, 3, restorer.model)
    assert "DiffusionRestorer steps=2 seed=3 amount=1.0" in repr(restorer)


@pytest.mark.parametrize(
    ("wrong", "error", "rule"),
    [
        ({"steps": 0}, InvalidValue, "steps=0: must be from 1 to 32"),
        ({"steps": 33}, InvalidValue, "steps=33"),
        ({"steps": 2.5}, InvalidType, r"steps=2\.5: must be an integer"),
        ({"steps": True}, InvalidType, "steps=True"),
        ({"seed": -1}, InvalidValue, "seed=-1"),
        ({"amount": 2}, InvalidValue, "amount=2"),
        ({"amount": "1"}, InvalidType, "amount='1'"),
        ({"model": ""}, InvalidValue, "model=''"),
        ({"device": 3}, InvalidType, "device=3"),
        ({"sampler": "euler"}, InvalidValue, "sampler='euler': must be 'ode' or 'sde'"),
    ],
)
def test_parameters_are_checked_when_they_are_set(wrong, error, rule):
    with pytest.raises(error, match=rule):
        DiffusionRestorer(**wrong)


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"seed": "a"}, {"amount": 2}, {"amount": "a"}])
def test_the_effect_and_the_render_refuse_in_the_same_words(wrong):
    said = []
    for make in (DiffusionRestorer, RenderSettings):
        with pytest.raises((InvalidType, InvalidValue)) as refused:
            make(**wrong)
        said.append((refused.type, str(refused.value)))
    assert said[0] == said[1]


def test_absent_models_and_devices_are_told_on_first_use(restorer, noise):
    with pytest.raises(ModelError, match="no-such-model"):
        DiffusionRestorer(model="no-such-model")(noise(2_000), 44100)
    restorer.device = "no-such-device"
    with pytest.raises(ModelError, match="no-such-device"):
        restorer(noise(2_000), 44100)
