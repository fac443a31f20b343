"""A side signal that coding dropped is made anew, and only where it was dropped."""

import numpy as np
import pytest

from uncodec.analysis.metrics import coherence_error, si_sdr, stereo_error
from uncodec.codecs import round_trip
from uncodec.repair.side_filler import SideFiller
from uncodec.streams.delta import DeltaStream, HopSource

RATE = 44100
SECONDS = 5
SAMPLES = SECONDS * RATE


def repaired(audio, rate=RATE):
    stream = DeltaStream(HopSource(SideFiller(rate, audio.shape[0])))
    late = stream.latency_samples
    return stream.process(np.pad(audio, ((0, 0), (0, late))))[:, late:]


def band(audio, low, high=np.inf):
    """The part from `low` to `high` Hz."""
    hz = np.fft.rfftfreq(audio.shape[-1], 1 / RATE)
    spectrum = np.fft.rfft(audio) * ((hz >= low) & (hz < high))
    return np.fft.irfft(spectrum, audio.shape[-1]).astype(np.float32)


def mid_side(mid, side):
    return np.stack([mid + side, mid - side]).astype(np.float32)


def side_level_db(audio, low, high):
    mid, side = band(audio[0] + audio[1], low, high), band(audio[0] - audio[1], low, high)
    last = slice(-2 * RATE, -RATE // 4)
    return 10 * np.log10(np.sum(side[last] ** 2) / np.sum(mid[last] ** 2))


@pytest.fixture(scope="module")
def parts(band_noise):
    """Mid and an independent side 6 dB below it, both up to 15 kHz."""
    return band(band_noise(SAMPLES, 1), 0, 15000), 0.5 * band(band_noise(SAMPLES, 2), 0, 15000)


@pytest.fixture(scope="module")
def narrowed(parts):
    """What intensity coding leaves of them: above 4 kHz the side is a copy of mid, 30 dB down."""
    mid, side = parts
    return mid_side(mid, band(side, 0, 4000) + 0.03 * band(mid, 4000))


def test_a_lost_side_comes_back_about_as_loud_as_that_below(narrowed):
    out = repaired(narrowed)
    assert side_level_db(narrowed, 4500, 14000) < -29.0
    assert -14.0 < side_level_db(out, 4500, 14000) < -8.0
    assert side_level_db(out, 700, 3500) == pytest.approx(-6.0, abs=0.3)


def test_the_made_side_is_no_copy_of_mid(narrowed):
    made = repaired(narrowed) - narrowed
    last = slice(-2 * RATE, -RATE // 4)
    mid = (narrowed[0] + narrowed[1])[last]
    spectra = np.fft.rfft(np.stack([mid, made[0][last]]))
    cross = np.fft.irfft(spectra[0].conj() * spectra[1])
    energies = np.sum(mid**2, dtype=float) * np.sum(made[0][last] ** 2, dtype=float)
    assert np.abs(cross).max() < 0.5 * np.sqrt(energies)
    assert np.abs(made).max() > 1e-3


def test_the_mono_sum_does_not_change(narrowed):
    out = repaired(narrowed)
    assert np.abs(out - narrowed).max() > 1e-3
    np.testing.assert_allclose(out.sum(axis=0), narrowed.sum(axis=0), atol=1e-6)


def wide_and_full(make):
    return mid_side(make(SAMPLES, 1), 0.5 * make(SAMPLES, 2))


def wide_and_cut_off(make):
    return band(wide_and_full(make), 0, 15000)


def narrow_above_but_full(_):
    """A mix with treble in the middle: there is no sign that a codec did it."""
    mid, side = np.random.default_rng(1).normal(0, 0.1, (2, SAMPLES)).astype(np.float32)
    return mid_side(mid, 0.5 * band(side, 0, 4000))


def mono_and_cut_off(make):
    mid = band(make(SAMPLES, 1), 0, 15000)
    return np.stack([mid, mid])


def panned_and_cut_off(make):
    mid = band(make(SAMPLES, 1), 0, 15000)
    return np.stack([mid, np.float32(0.3) * mid])


@pytest.mark.parametrize(
    "sound",
    [wide_and_full, wide_and_cut_off, narrow_above_but_full, mono_and_cut_off, panned_and_cut_off],
)
def test_what_coding_did_not_narrow_passes_bit_for_bit(band_noise, sound):
    audio = np.ascontiguousarray(sound(band_noise), np.float32)
    np.testing.assert_array_equal(repaired(audio), audio)


def test_one_channel_passes(narrowed):
    np.testing.assert_array_equal(repaired(narrowed[:1]), narrowed[:1])


@pytest.mark.parametrize("kbps", [32, 64])
def test_stereo_that_was_really_coded_is_nearer_to_its_original(parts, kbps):
    clean = mid_side(*parts)
    coded = round_trip(clean, RATE, "opus", kbps=kbps)
    out = repaired(coded)
    errors = [stereo_error(clean, x, RATE) for x in (coded, out)]
    assert errors[1] < 0.9 * errors[0]
    assert coherence_error(clean, out, RATE) < coherence_error(clean, coded, RATE)
    assert si_sdr(clean, out) > si_sdr(clean, coded) - 0.1


def test_mp3_at_a_middle_rate_keeps_its_side_and_passes(parts):
    coded = round_trip(mid_side(*parts), RATE, "mp3", kbps=128)
    np.testing.assert_array_equal(repaired(coded), coded)


def test_a_clone_goes_on_as_the_original_would(narrowed):
    filler = SideFiller(RATE, 2)
    hops = SAMPLES // 2 // filler.hop * filler.hop
    filler.push(narrowed[:, :hops])
    twin = filler.clone()
    rest = narrowed[:, hops : hops + 40 * filler.hop]
    twin.push(np.zeros_like(rest))
    again = filler.clone()
    result = filler.push(rest)
    assert result.any()
    np.testing.assert_array_equal(again.push(rest), result)
