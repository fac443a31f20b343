"""What the spectrum shows of two channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.inspection.conftest import RATE, music, sixteen_bits

import uncodec
from uncodec.inspection.excerpts import Excerpts
from uncodec.inspection.spectrum import look_at


def seen(audio):
    excerpts = Excerpts(RATE)
    excerpts.push(np.ascontiguousarray(audio, dtype=np.float32))
    return look_at(excerpts.finish(), RATE)


def copied_from(audio, hz, balance=1.0):
    """Both channels are copies of one from a frequency on."""
    spectra = np.fft.rfft(audio, axis=1)
    above = np.fft.rfftfreq(audio.shape[1], 1 / RATE) >= hz
    spectra[1, above] = balance * spectra[0, above]
    return np.fft.irfft(spectra, audio.shape[1], axis=1)


@pytest.mark.parametrize("balance", [1.0, 0.5])
@pytest.mark.parametrize("hz", [4000, 8000, 12000])
def test_intensity_stereo_is_seen_from_its_frequency_on(hz, balance):
    assert seen(copied_from(music(3.0), hz, balance)).intensity_hz == pytest.approx(hz, abs=1500)


def test_neither_two_sounds_nor_one_in_the_middle_nor_a_copied_bass_are_intensity_stereo():
    wide = music(3.0)
    middle = np.tile(wide[:1], (2, 1)) * np.array([[1.0], [0.5]])
    bass = wide - copied_from(wide, 4000) + np.tile(copied_from(wide, 4000)[:1], (2, 1))
    for audio in (wide, middle, bass):
        assert seen(audio).intensity_hz is None


def test_treble_in_the_middle_of_a_recording_is_not_called_a_codecs(save):
    found = uncodec.inspect(save("mix.wav", sixteen_bits(copied_from(music(1.0), 8000))))
    assert found.sound != "lossy"
    assert found.stereo == "left/right"


def test_a_codecs_intensity_stereo_is_told(save, clean):
    from uncodec.codecs import round_trip
    from uncodec.codecs.resampling import resample

    at_48 = resample(clean, RATE, 48000)
    coded = sixteen_bits(round_trip(at_48, 48000, "opus", kbps=64))[:, 501:]
    assert uncodec.inspect(save("a.wav", coded, rate=48000)).stereo == "intensity"


def test_a_side_that_an_mp3_dropped_is_not_intensity_stereo():
    found = uncodec.inspect(Path(__file__).parents[2] / "demo/coded.mp3")
    assert found.stereo == "mid/side"
    assert any("both channels are copies of one sound" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("inside", "rate"),
    [(22050, 44100), pytest.param(44100, 96000, marks=pytest.mark.nightly), (48000, 96000)],
)
def test_a_lower_rate_inside_is_told(save, inside, rate):
    from uncodec.codecs.resampling import resample

    low = music(0.5, channels=1, rate=inside)
    found = uncodec.inspect(save("up.wav", sixteen_bits(resample(low, inside, rate)), rate=rate))
    assert found.inner_rate == inside
    assert found.sound != "lossy"
    assert f"{inside / 1000:g} kHz" in found.reasons[-1]
    own = music(0.5, channels=1, rate=rate)
    assert uncodec.inspect(save("own.wav", own, rate=rate)).inner_rate is None
