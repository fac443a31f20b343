"""Tonal balance: what a reference says of its treble."""

import numpy as np
import pytest

from uncodec.balance import Balance, BalanceMeter, mean_balance
from uncodec.errors import InvalidValue

SECONDS = 3


def sloping(rate, slope_db, seed=0, channels=2):
    """Noise that falls by so many dB per octave from 1 kHz up."""
    noise = np.random.default_rng(seed).normal(0, 0.1, (channels, SECONDS * rate))
    spectrum = np.fft.rfft(noise)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(noise.shape[1], 1 / rate), 1000.0) / 1000.0)
    return np.fft.irfft(spectrum * 10 ** (slope_db * octaves / 20)).astype(np.float32)


def measured(audio, rate, block=65_536):
    meter = BalanceMeter(rate)
    for first in range(0, audio.shape[1], block):
        meter.push(audio[:, first : first + block])
    return meter.result("it")


def levels(balance, *hertz):
    return np.interp(hertz, balance.frequencies, balance.levels_db)


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000, 96_000])
def test_levels_are_those_of_the_sound_at_every_rate(rate):
    low, high = levels(measured(sloping(rate, -6.0), rate), 2000, 8000)
    assert low - high == pytest.approx(12.0, abs=0.7)


def test_loudness_and_silence_around_it_make_no_difference():
    audio = sloping(44_100, -3.0)
    quiet = np.pad(audio / 30, ((0, 0), (44_100, 88_200)))
    hertz = np.arange(500, 20_000, 500)
    np.testing.assert_allclose(
        levels(measured(audio, 44_100), *hertz), levels(measured(quiet, 44_100), *hertz), atol=0.3
    )


def test_blocks_of_any_size_give_the_same():
    audio = sloping(44_100, -3.0)
    whole = measured(audio, 44_100)
    for block in (1, 4097, 100_000):
        cut = audio[:, : 20_000 if block == 1 else None]
        expected = measured(cut, 44_100) if block == 1 else whole
        np.testing.assert_allclose(
            measured(cut, 44_100, block).levels_db, expected.levels_db, atol=1e-3
        )


def test_nothing_is_said_beyond_the_cut_off():
    audio = sloping(44_100, 0.0)
    spectrum = np.fft.rfft(audio)
    spectrum[:, np.fft.rfftfreq(audio.shape[1], 1 / 44_100) > 11_000] = 0
    balance = measured(np.fft.irfft(spectrum).astype(np.float32), 44_100)
    assert 9_000 < balance.cutoff_hz < 11_500
    powers = balance.powers(np.array([5000.0, 8000.0, 12_000.0, 20_000.0]))
    assert (powers[:2] > 0.5).all()
    assert (powers[2:] == 0).all()


@pytest.mark.parametrize("samples", [0, 1, 44_100])
def test_silence_has_no_balance(samples):
    with pytest.raises(InvalidValue, match="like=it: must hold sound between 300 and 3000 Hz"):
        measured(np.zeros((2, samples), np.float32), 44_100)


def test_a_short_sound_has_one():
    assert np.isfinite(measured(sloping(44_100, 0.0)[:, :1000], 44_100).levels_db).all()


def test_the_mean_takes_each_up_to_its_own_cut_off():
    grid = tuple(np.arange(200.0, 22_000.0, 350.0).tolist())
    one = Balance("a", grid, (0.0,) * len(grid), 8000.0)
    two = Balance("b", grid, (-10.0,) * len(grid), 21_000.0)
    mean = mean_balance("both", [one, two])
    np.testing.assert_allclose(levels(mean, 5000, 15_000), [-5, -10])
    assert mean.cutoff_hz == 21_000


def test_digests_tell_balances_apart_and_names_do_not_count():
    audio = sloping(44_100, -3.0)
    balance = measured(audio, 44_100)
    assert mean_balance("other", [balance]).digest == balance.digest
    assert measured(sloping(44_100, -4.0), 44_100).digest != balance.digest
    assert repr(balance) == "<Balance of 'it'>"
