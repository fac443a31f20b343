"""The DSP baseline fills above the cut-off, leaves the rest alone and looks at the past only."""

from __future__ import annotations

import numpy as np
import pytest

from uncodec.analysis import metrics
from uncodec.analysis.baselines import exciter

RATE = 44100


def music(seconds=3.0, cutoff=None, seed=0):
    """Noise with the tilt of music (about 6 dB per octave), optionally cut."""
    n = round(seconds * RATE)
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal((2, n)))
    hz = np.fft.rfftfreq(n, 1 / RATE)
    spectrum /= np.maximum(hz, 100.0) / 100.0
    if cutoff is not None:
        spectrum[:, hz > cutoff] = 0.0
    return np.fft.irfft(spectrum, n=n).astype(np.float32)


def band_db(x, low, high):
    spectrum = np.abs(np.fft.rfft(x, axis=-1)) ** 2
    hz = np.fft.rfftfreq(x.shape[-1], 1 / RATE)
    return 10 * np.log10(spectrum[..., (hz >= low) & (hz < high)].sum() + 1e-12)


@pytest.mark.parametrize("cutoff", [4000.0, 8000.0, 11000.0, 16000.0])
def test_it_fills_above_the_cut_off_at_a_plausible_level(cutoff):
    x = music(cutoff=cutoff)
    y = exciter(x, RATE)
    expected = band_db(music(), 1.1 * cutoff, 1.3 * cutoff)
    assert band_db(y, 1.1 * cutoff, 1.3 * cutoff) == pytest.approx(expected, abs=6.0)
    assert band_db(x, 1.1 * cutoff, 1.3 * cutoff) < expected - 60.0


def test_it_brings_a_cut_signal_nearer_to_the_original():
    reference, coded = music(), music(cutoff=11000.0)
    before = metrics.score(reference, coded, RATE)
    after = metrics.score(reference, exciter(coded, RATE), RATE)
    assert after["lsd"] < 0.5 * before["lsd"]
    assert after["lsd_low"] == pytest.approx(before["lsd_low"], abs=0.01)
    # All that is missing is replaced by as much that is unrelated: twice the error.
    assert after["si_sdr_db"] > before["si_sdr_db"] - 3.2


def test_full_band_material_and_silence_come_through_untouched():
    x = music()
    assert np.array_equal(exciter(x, RATE), x)
    silence = np.zeros((2, 5000), np.float32)
    assert np.array_equal(exciter(silence, RATE), silence)


@pytest.mark.parametrize("hertz", [3100.0, 3400.0])
def test_tones_whose_harmonics_lie_far_above_are_not_blown_up(hertz):
    """Rectified, they have nothing just above the edge to compare with."""
    x = music(2.0, 4000.0)
    x[:, RATE:] = 0.1 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)
    fill = exciter(x, RATE) - x
    assert np.square(fill[:, RATE + 4096 :]).sum() < np.square(x[:, RATE + 4096 :]).sum()


def test_amount_scales_the_fill_and_nothing_else():
    x = music(1.0, 8000.0)
    assert np.array_equal(exciter(x, RATE, amount=0.0), x)
    full, half = exciter(x, RATE) - x, exciter(x, RATE, amount=0.5) - x
    assert half == pytest.approx(0.5 * full, abs=1e-6)


def test_it_does_not_look_further_ahead_than_a_frame():
    x = music(2.0, 8000.0)
    changed = x.copy()
    changed[:, RATE:] = music(1.0, None, seed=5)
    same = exciter(x, RATE)[:, : RATE - 2048]
    assert np.array_equal(exciter(changed, RATE)[:, : RATE - 2048], same)


@pytest.mark.parametrize("shape", [(0,), (1,), (700,), (1, 3000), (2, 0), (2, 4096)])
def test_shapes_are_kept(shape):
    result = exciter(np.zeros(shape, np.float64), RATE)
    assert result.shape == shape
    assert result.dtype == np.float32
