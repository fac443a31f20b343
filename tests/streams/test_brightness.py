"""The tilt of a delta's spectra."""

import numpy as np
import pytest

from uncodec.errors import InvalidType, InvalidValue
from uncodec.streams.brightness import Brightness, brightness_gains, check_tilting, tilt
from uncodec.streams.delta import DeltaStream, HopSource

BINS, RATE = 1025, 44100
FREQUENCIES = np.linspace(0, RATE / 2, BINS)


def spectra(frames=3, channels=2):
    parts = np.random.default_rng(0).standard_normal((2, frames, channels, BINS))
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


@pytest.mark.parametrize("brightness_db", [-12.0, -3.0, 0.0, 7.5, 12.0])
def test_the_curve_is_flat_then_straight_over_octaves_then_flat(brightness_db):
    at = np.array([0.0, 50.0, 2000.0, 4000.0, 8000.0, 16000.0, 22050.0])
    found = 20 * np.log10(brightness_gains(at, brightness_db))
    expected = brightness_db * np.array([0, 0, 0, 1 / 3, 2 / 3, 1, 1])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_spectra_are_multiplied_by_the_curve_of_their_rate():
    for rate in (44100, 48000):
        brightness = Brightness(BINS, rate)
        brightness.db = -7.0
        delta = spectra()
        expected = delta * brightness_gains(np.linspace(0, rate / 2, BINS), -7.0)
        brightness.tilt_into(delta)
        np.testing.assert_allclose(delta, expected, rtol=1e-6)


def test_zero_multiplies_nothing():
    brightness = Brightness(BINS, RATE)
    brightness.db = 4.0
    brightness.db = 0.0
    delta = spectra()
    delta.flags.writeable = False
    brightness.tilt_into(delta)
    np.testing.assert_array_equal(delta, spectra())


def test_a_part_of_a_buffer_is_tilted_in_place_and_the_rest_left():
    brightness = Brightness(BINS, RATE)
    brightness.db = 12.0
    delta = spectra(5)
    brightness.tilt_into(delta[1:3])
    same = (delta == spectra(5)).all((1, 2))
    assert same.tolist() == [True, False, False, True, True]


def test_a_copy_is_tilted_on_its_own():
    brightness = Brightness(BINS, RATE)
    brightness.db = 3.0
    twin = brightness.clone()
    twin.db = -3.0
    one, two = spectra(), spectra()
    brightness.tilt_into(one)
    twin.tilt_into(two)
    np.testing.assert_allclose(np.abs(one[..., -1] / two[..., -1]), 10 ** (6 / 20), rtol=1e-5)


@pytest.mark.parametrize("value", [13, -12.5, float("nan"), float("inf")])
def test_values_out_of_range_are_refused_and_change_nothing(value):
    brightness = Brightness(BINS, RATE)
    brightness.db = 5.0
    with pytest.raises(InvalidValue, match=r"brightness_db=\S+: must be from -12 to 12"):
        brightness.db = value
    assert brightness.db == 5.0


def test_what_is_no_number_is_refused():
    with pytest.raises(InvalidType, match="brightness_db='3': must be a number from -12 to 12"):
        Brightness(BINS, RATE).db = "3"


class Plain:
    """An engine that knows nothing of brightness."""

    channels, hop, delay = 2, 64, 64

    def push_into(self, audio, out):
        out[:] = audio


def test_an_engine_that_cannot_tilt_says_so_unless_there_is_nothing_to_do():
    check_tilting(Plain(), 0.0)
    tilt(Plain(), 0.0)
    DeltaStream(HopSource(Plain()))
    for call in (tilt, check_tilting):
        with pytest.raises(InvalidValue, match="brightness_db=2: Plain cannot tilt what it adds"):
            call(Plain(), 2.0)
    stream = DeltaStream(HopSource(Plain()))
    with pytest.raises(InvalidValue, match="Plain cannot tilt"):
        stream.brightness_db = 2.0
    assert stream.brightness_db == 0.0
