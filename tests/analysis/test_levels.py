"""Levels of what a codec took, and fidelity of what it kept."""

from __future__ import annotations

import numpy as np
import pytest

from uncodec.analysis.levels import LevelReference
from uncodec.errors import InvalidValue

RATE = 44100


def split(seconds=1.5, seed=0, gap=0):
    """Noise below and above 8 kHz, apart, and `gap` Hz more above it."""
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0, 0.1, (2, count)))
    hz = np.fft.rfftfreq(count, 1 / RATE)
    parts = (hz < 8000, hz >= 8000 + gap)
    return tuple(np.fft.irfft(spectrum * part, count).astype(np.float32) for part in parts)


def test_a_treble_too_soft_is_a_bias_and_no_movement():
    low, high = split()
    scores = LevelReference(low + high, low).score(low + 0.5 * high)
    assert scores["level_bias_db"] == pytest.approx(-6.0, abs=0.2)
    assert scores["level_mean_db"] == pytest.approx(6.0, abs=0.2)
    assert scores["level_moving_db"] < 0.3


def test_a_treble_that_pumps_is_a_movement_and_no_bias():
    low, high = split()
    swing = 10 ** (0.3 * np.sign(np.sin(np.arange(low.shape[1]) * 2 * np.pi * 4 / RATE)))
    scores = LevelReference(low + high, low).score((low + swing * high).astype(np.float32))
    assert scores["level_moving_db"] == pytest.approx(6.0, abs=1.2)
    assert abs(scores["level_bias_db"]) < 1.5


def test_what_is_filled_in_costs_no_fidelity_of_what_was_kept():
    low, high = split(gap=700)
    other = split(seed=5, gap=700)[1]
    reference = LevelReference(low + high, 0.9 * low)
    assert reference.score(low + other)["si_sdr_kept_db"] > 40
    spoilt = low + 0.1 * split(seed=7)[0]
    assert reference.score(spoilt)["si_sdr_kept_db"] == pytest.approx(20, abs=1)


def test_a_codec_that_took_nothing_leaves_no_level_to_judge():
    low, high = split()
    scores = LevelReference(low + high, low + high).score(low + high)
    assert np.isnan(scores["level_mean_db"])
    assert scores["si_sdr_kept_db"] == pytest.approx(100, abs=0.1)


def test_mono_is_judged_as_two_equal_channels():
    low, high = split()
    mono = LevelReference((low + high)[0], low[0]).score((low + 0.5 * high)[0])
    twice = [np.repeat(x[:1], 2, axis=0) for x in (low + high, low, low + 0.5 * high)]
    assert mono == pytest.approx(LevelReference(*twice[:2]).score(twice[2]))


def test_other_lengths_are_refused():
    low, _ = split()
    with pytest.raises(InvalidValue):
        LevelReference(low, low[:, 1:])
