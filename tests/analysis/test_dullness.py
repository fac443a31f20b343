"""Squared error and treble level: known signals have known numbers."""

from __future__ import annotations

import numpy as np
import pytest

from uncodec.analysis.dullness import score_dullness, squared_error, treble_level
from uncodec.codecs.resampling import low_pass
from uncodec.errors import InvalidValue

RATE = 44100


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(0, 0.1, (3, 2, RATE)).astype(np.float32)


def test_squared_error_of_nothing_of_another_and_of_the_same(noise):
    one, other, _ = noise
    assert squared_error(one, one, RATE) == -200.0
    assert squared_error(one, 0 * one, RATE) == pytest.approx(0.0, abs=1e-6)
    assert squared_error(one, other, RATE) == pytest.approx(3.01, abs=0.1)
    assert squared_error(one, 0.9 * one, RATE) == pytest.approx(-20.0, abs=1e-3)
    assert np.isnan(squared_error(0 * one, one, RATE))


def test_squared_error_is_that_of_scipys_spectra(noise):
    from scipy.signal import stft

    one, other, _ = noise
    spectra = [
        stft(x, RATE, "hann", 2048, 1536, boundary="even", padded=False)[2] for x in (one, other)
    ]
    for lowest, start in ((0.0, 0), (8000.0, int(np.ceil(8000 * 2048 / RATE)))):
        wanted, got = (s[:, start:] for s in spectra)
        ratio = np.sum(np.abs(wanted - got) ** 2) / np.sum(np.abs(wanted) ** 2)
        error = squared_error(one, other, RATE, lowest)
        assert error == pytest.approx(10 * np.log10(ratio), abs=0.02)


def test_an_average_of_guesses_has_the_lower_error_and_the_duller_treble(noise):
    base = np.float32(0.1) * low_pass(noise[0], RATE, 7500.0)
    treble = [x - low_pass(x, RATE, 8000.0) for x in noise]
    reference, one = base + treble[0], base + treble[1]
    mean = base + (treble[1] + treble[2]) / 2
    error = [squared_error(reference, x, RATE, 8000.0) for x in (one, mean)]
    level = [treble_level(reference, x, RATE) for x in (one, mean)]
    assert error[0] == pytest.approx(3.0, abs=0.2)
    assert error[1] < error[0] - 1.0
    assert level[0] == pytest.approx(0.0, abs=0.3)
    assert level[1] == pytest.approx(-3.0, abs=0.3)


def test_treble_counts_from_8_khz_and_an_empty_band_counts_40_db(noise):
    one = noise[0]
    assert treble_level(one, one, RATE) == 0.0
    assert treble_level(one, one / 2, RATE) == pytest.approx(-6.02, abs=0.01)
    assert treble_level(one, low_pass(one, RATE, 7000.0), RATE) == pytest.approx(-40.0, abs=0.5)
    assert np.isnan(treble_level(low_pass(one, RATE, 6000.0), one, RATE))
    scores = score_dullness(one, one / 2, RATE)
    assert scores["squared_error_db"] == pytest.approx(-6.02, abs=0.01)
    assert list(scores) == ["squared_error_db", "treble_error_db", "treble_level_db"]


def test_other_shapes_are_refused(noise):
    with pytest.raises(InvalidValue, match="shape"):
        squared_error(noise[0], noise[0][:, 1:], RATE)
