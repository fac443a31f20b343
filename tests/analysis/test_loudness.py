"""Loudness against the facts of ITU-R BS.1770-4 and the test signals of EBU Tech 3341."""

from __future__ import annotations

import numpy as np
import pytest

from uncodec.analysis.loudness import integrated_loudness, loudness_error
from uncodec.errors import InvalidValue
from uncodec.loudness import k_weighting, step_energies


def sine(parts, rate=48000, hz=1000.0, channels=2):
    """Stretches of ``(peak_dbfs, seconds)`` of one sine, the same in all channels."""
    gain = np.concatenate([np.full(round(s * rate), 10.0 ** (db / 20.0)) for db, s in parts])
    tone = gain * np.sin(2.0 * np.pi * hz * np.arange(gain.size) / rate)
    return np.repeat(tone[None].astype(np.float32), channels, axis=0)


def test_the_filters_are_those_of_the_table_at_48_khz():
    b, a = k_weighting(48000)
    assert b[0] == pytest.approx([1.53512485958697, -2.69169618940638, 1.19839281085285], abs=1e-6)
    assert a[0] == pytest.approx([1.0, -1.69065929318241, 0.73248077421585], abs=1e-6)
    assert b[1] == pytest.approx([1.0, -2.0, 1.0], abs=1e-6)
    assert a[1] == pytest.approx([1.0, -1.99004745483398, 0.99007225036621], abs=1e-6)


@pytest.mark.parametrize("rate", [32000, 44100, 48000, 96000])
@pytest.mark.parametrize("level", [-23.0, -33.0])
def test_tech_3341_cases_1_and_2_a_steady_sine_reads_its_peak_level(rate, level):
    x = sine([(level, 10.0)], rate)
    assert integrated_loudness(x, rate) == pytest.approx(level, abs=0.1)


@pytest.mark.parametrize(
    "parts",
    [
        [(-36.0, 5.0), (-23.0, 30.0), (-36.0, 5.0)],
        [(-72.0, 5.0), (-36.0, 5.0), (-23.0, 30.0), (-36.0, 5.0), (-72.0, 5.0)],
        [(-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)],
    ],
)
def test_tech_3341_cases_3_to_5_the_gates(parts):
    assert integrated_loudness(sine(parts), 48000) == pytest.approx(-23.0, abs=0.1)


def test_tech_3341_case_6_surround_weights():
    levels = np.array([-28.0, -28.0, -24.0, -np.inf, -30.0, -30.0])
    x = (10.0 ** (levels / 20.0))[:, None] * sine([(0.0, 10.0)], channels=1)
    assert integrated_loudness(x, 48000) == pytest.approx(-23.0, abs=0.1)


def test_one_channel_reads_3_lu_below_the_same_in_two():
    mono = integrated_loudness(sine([(-20.0, 2.0)], channels=1), 48000)
    stereo = integrated_loudness(sine([(-20.0, 2.0)]), 48000)
    assert stereo - mono == pytest.approx(3.01, abs=0.01)


def test_energies_are_those_behind_the_recursive_filter():
    signal = pytest.importorskip("scipy.signal")
    x = np.random.default_rng(0).standard_normal((1, 150_000)).astype(np.float32)
    b, a = k_weighting(44100)
    filtered = signal.lfilter(b[1], a[1], signal.lfilter(b[0], a[0], x[0].astype(np.float64)))
    expected = np.square(filtered[: 34 * 4410]).reshape(34, 4410).sum(axis=1)
    np.testing.assert_allclose(step_energies(x, 44100, np.ones(1)), expected, rtol=1e-6)


def test_silence_is_minus_infinity_and_its_error_finite():
    silence, x = np.zeros((2, 48000), np.float32), sine([(-23.0, 1.0)])
    assert integrated_loudness(silence, 48000) == -np.inf
    assert loudness_error(silence, silence, 48000) == 0.0
    assert loudness_error(silence, x, 48000) == pytest.approx(47.0, abs=0.1)


def test_error_is_the_gain_whatever_its_sign():
    x = sine([(-23.0, 1.0)])
    assert loudness_error(x, 0.5 * x, 48000) == pytest.approx(6.02, abs=0.01)
    assert loudness_error(x, 2.0 * x, 48000) == pytest.approx(6.02, abs=0.01)


def test_a_clip_below_one_block_is_refused():
    with pytest.raises(InvalidValue, match="at least 19200 samples"):
        integrated_loudness(np.zeros((2, 19000), np.float32), 48000)


def test_an_array_that_may_only_be_read_is_measured_as_any_other():
    audio = sine([(-20.0, 1.0)])
    level = integrated_loudness(audio, 48000)
    audio.setflags(write=False)
    assert integrated_loudness(audio, 48000) == level
    assert loudness_error(audio, audio, 48000) == 0.0
