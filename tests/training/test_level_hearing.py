"""What played levels would sound like, told from levels alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from uncodec.networks.level_errors import weigh
from uncodec.networks.level_features import BANDS, band_levels, stream_frames
from uncodec.training.level_hearing import level_dissimilarity, level_distance, played_power
from uncodec.training.losses import log_spectral_distance
from uncodec.training.neurogram import neurogram_dissimilarity

ALL = torch.ones(1, BANDS, dtype=torch.bool)


def noise(seed, seconds=2.0, flutter=0.0):
    """Noise of both channels, the treble of which swells and fades eight times a second."""
    rng = np.random.default_rng(seed)
    count = int(44100 * seconds)
    audio = rng.normal(0, 0.1, (2, count))
    spectrum = np.fft.rfft(audio)
    treble = np.fft.irfft(
        spectrum * (np.arange(spectrum.shape[-1]) > spectrum.shape[-1] // 2), count
    )
    swell = 10 ** (flutter * np.sin(2 * np.pi * 8 * np.arange(count) / 44100) / 20)
    return torch.from_numpy(audio - treble + treble * swell).float()


def levels(audio):
    return band_levels(stream_frames(audio)).transpose(0, 1)[None, 2:]


def powers(audio):
    return torch.pow(10.0, levels(audio))


def unlike(one, other, trusted=ALL):
    return float(level_dissimilarity(powers(one)[:, :, 0], powers(other)[:, :, 0], trusted))


def test_a_band_is_filled_up_and_never_turned_down():
    coded = torch.tensor([[-8.0, 0.0, 0.0]])
    played = torch.tensor([[1.0, -3.0, 4.0]])
    assert torch.allclose(played_power(coded, played).log10(), torch.tensor([[1.0, 0.0, 4.0]]))


def test_equal_levels_sound_alike():
    assert unlike(noise(0, flutter=12), noise(0, flutter=12)) == pytest.approx(0.0, abs=1e-3)


def test_dissimilarity_follows_that_of_the_sound():
    still, moving = noise(0), noise(1, flutter=12)
    near, far = noise(2, flutter=12), noise(3, flutter=-12)
    by_level = [unlike(moving, other) for other in (near, still, far)]
    by_sound = [
        float(neurogram_dissimilarity(moving[None], other[None])) for other in (near, still, far)
    ]
    assert sorted(by_level) == by_level
    assert sorted(by_sound) == by_sound
    # Sound differs by its texture as well.
    assert by_level == pytest.approx(by_sound, rel=0.35)


def test_what_the_original_cannot_be_trusted_in_does_not_count():
    below = torch.arange(BANDS)[None] < BANDS // 2 - 8
    assert unlike(noise(0), noise(0, flutter=20), below) == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("louder", [1.0, 4.0])
def test_distance_is_that_of_sound_with_another_texture(louder):
    wanted, played = noise(0), noise(1) * louder
    missing = torch.ones_like(levels(wanted))
    said = float(level_distance(powers(wanted), powers(played), missing, ALL))
    heard = float(log_spectral_distance(wanted[None], played[None], 2048, 512))
    assert said == pytest.approx(heard, rel=0.1)


def test_distance_of_what_was_kept_is_nothing():
    wanted = noise(0)
    missing = weigh(levels(wanted), levels(wanted))[1]
    assert float(level_distance(powers(wanted), powers(wanted), missing, ALL)) < 0.02
