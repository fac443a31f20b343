"""The study's process and restorer."""

import numpy as np
import pytest
import torch

from uncodec.diffusion import study
from uncodec.diffusion.ddim import ddim, mix, split, velocity
from uncodec.diffusion.study import StudyRestorer
from uncodec.errors import InvalidValue
from uncodec.networks import save_weights
from uncodec.networks.study import MEMBERS, StudyConfig, StudyNetwork


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_state_and_velocity_give_data_and_noise_back():
    data, white = noise(3, 2, 50), noise(3, 2, 50, seed=1)
    at = torch.tensor([0.0, 0.4, 1.0])
    back = split(mix(data, white, at), velocity(data, white, at), at)
    torch.testing.assert_close(back[0], data, atol=1e-5, rtol=0)
    torch.testing.assert_close(back[1], white, atol=1e-5, rtol=0)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_network_that_knows_the_data_is_led_to_it(steps):
    data, white = noise(2, 3, 40), noise(2, 3, 40, seed=1)
    made = ddim(lambda state, at: velocity(data, white, at), white, steps)
    torch.testing.assert_close(made, data, atol=1e-5, rtol=0)


def test_no_steps_are_refused():
    with pytest.raises(InvalidValue, match="steps=0: must be a positive integer"):
        ddim(lambda state, at: state, noise(1, 2), 0)


@pytest.fixture(params=MEMBERS)
def folder(request, tmp_path):
    torch.manual_seed(0)
    network = StudyNetwork(StudyConfig(request.param, (8, 12)))
    save_weights(tmp_path, network, name="small", version="0.1")
    return tmp_path


def music(samples, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((2, samples))).astype(np.float32)


def test_shape_determinism_and_takes(folder):
    audio = music(5000)
    restored = StudyRestorer(folder, steps=2)(audio, 44100)
    assert restored.shape == audio.shape
    assert restored.dtype == np.float32
    assert np.array_equal(restored, StudyRestorer(folder, steps=2)(audio, 44100))
    assert not np.allclose(restored, StudyRestorer(folder, steps=2, seed=1)(audio, 44100))


def test_silence_stays_silent_and_mono_stays_mono(folder):
    restorer = StudyRestorer(folder, steps=2)
    assert not restorer(np.zeros((2, 3000), np.float32), 44100).any()
    assert restorer(np.zeros((2, 0), np.float32), 44100).shape == (2, 0)
    audio = music(3000)
    audio[1] = audio[0]
    restored = restorer(audio, 44100)
    np.testing.assert_allclose(restored[0], restored[1], atol=1e-5)


def test_pieces_are_joined_to_the_whole_signal(folder, monkeypatch):
    """Pieces that come back as they are, faded into each other, are the signal."""
    monkeypatch.setattr(study, "_PIECE", 8192)
    monkeypatch.setattr(study, "_OVERLAP", 2048)
    restorer = StudyRestorer(folder)
    monkeypatch.setattr(restorer, "_restore", lambda coded, first: coded.clone())
    for samples in (2000, 8192, 8193, 14336, 15000, 40000):
        audio = music(samples)
        np.testing.assert_allclose(restorer(audio, 44100), audio, atol=1e-6)


def test_a_long_sound_is_made_in_pieces(folder, monkeypatch):
    monkeypatch.setattr(study, "_PIECE", 8192)
    monkeypatch.setattr(study, "_OVERLAP", 2048)
    audio = music(20000)
    restored = StudyRestorer(folder, steps=1)(audio, 44100)
    assert restored.shape == audio.shape
    assert np.isfinite(restored).all()
    assert np.abs(restored[:, 15000:]).max() > 0


def test_the_noise_belongs_to_absolute_frames(folder):
    restorer = StudyRestorer(folder, seed=3)
    whole = restorer._noise(0, 5000, 4)
    np.testing.assert_array_equal(restorer._noise(1500, 2000, 4), whole[..., 1500:3500])


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 257}, {"seed": -1}])
def test_settings_out_of_range_are_refused(folder, wrong):
    with pytest.raises(InvalidValue, match="must be"):
        StudyRestorer(folder, **wrong)
