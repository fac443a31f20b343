"""Frames of codecs are found where they are, and nowhere in sound that was never coded."""

from __future__ import annotations

import numpy as np
import pytest
from tests.inspection.conftest import RATE, music, sixteen_bits

from uncodec.codecs import round_trip
from uncodec.codecs.resampling import low_pass, resample
from uncodec.inspection.evidence import CERTAIN, gather
from uncodec.inspection.excerpts import EXCERPT, MOST, Excerpt, Excerpts, resampled


def evidence(audio, rate=RATE, bits=16):
    excerpts = Excerpts(rate)
    excerpts.push(np.ascontiguousarray(audio))
    return gather(excerpts.finish(), rate, bits)


def best(audio, rate=RATE):
    return evidence(audio, rate).best


@pytest.mark.parametrize(
    ("codec", "kbps"),
    [
        ("mp3", 64), ("mp3", 128), ("mp3", 192), ("aac", 96), ("aac", 192), ("vorbis", 128),
        ("wma", 48), ("wma", 128), ("ac3", 192),
    ],
)  # fmt: skip
def test_the_family_is_found(coded, codec, kbps):
    found = best(coded(codec, kbps, codec_rate=RATE) if codec == "mp3" else coded(codec, kbps))
    assert (found.family.codec, found.rate, found.shift) == (codec, RATE, 0.0)
    assert found.score > CERTAIN


def test_opus_is_found_at_its_own_rate(clean):
    at_48 = resample(clean, RATE, 48000)
    found = best(sixteen_bits(round_trip(at_48, 48000, "opus", kbps=96))[:, 501:], 48000)
    assert (found.family.codec, found.rate) == ("opus", 48000)
    assert found.score > CERTAIN


def test_opus_is_found_in_a_file_at_44_1_khz(coded):
    found = best(coded("opus", 96))
    assert (found.family.codec, found.rate) == ("opus", 48000)
    assert found.score > CERTAIN


@pytest.mark.parametrize("cut", [776, 777])
def test_the_core_of_he_aac_is_found_at_half_of_the_rate(extended, cut):
    """Its samples lie on the even ones or on the odd ones."""
    found = best(np.ascontiguousarray(extended[:, cut:]))
    assert (found.family.codec, found.rate) == ("he-aac", RATE // 2)
    assert found.score > CERTAIN


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("noise", [0.0, 1e-4])
def test_aac_at_twice_its_rate_is_no_he_aac(at_half_rate, bits, noise):
    """Neither rounding, nor what a change of the rate leaves, nor noise is treble of its own."""
    scale = 2.0 ** (bits - 1)
    audio = at_half_rate + noise * np.random.default_rng(3).normal(0, 1, at_half_rate.shape)
    found = evidence((np.round(audio * scale) / scale).astype(np.float32)[:, 777:], bits=bits).best
    assert (found.family.codec, found.rate) == ("aac", RATE // 2)
    assert found.score > CERTAIN


# What shows no frames is searched to the end: some of it is enough for every day.
@pytest.mark.parametrize(
    ("seconds", "channels"), [(0.6, 1), pytest.param(3.0, 2, marks=pytest.mark.nightly)]
)
@pytest.mark.parametrize("cutoff_hz", [10000.0, 15000.0])
def test_sound_that_ends_in_a_wall_shows_no_frames(cutoff_hz, seconds, channels):
    assert best(sixteen_bits(low_pass(music(seconds, channels), RATE, cutoff_hz))).score < CERTAIN


@pytest.mark.parametrize("gain", [0.5, 0.83])
def test_a_change_of_level_hides_nothing(coded, gain):
    found = best(sixteen_bits(coded("mp3", 128) * np.float32(gain)))
    assert found.family.codec == "mp3"
    assert found.score > CERTAIN


def test_a_change_of_rate_hides_nothing(coded):
    audio = sixteen_bits(resample(coded("aac", 128)[:, :RATE], RATE, 48000))[:, 333:]
    found = best(audio, 48000)
    assert (found.family.codec, found.rate) == ("aac", RATE)
    assert found.score > CERTAIN


def test_the_place_moves_with_the_samples(coded):
    audio = coded("mp3", 128)
    places = [best(np.ascontiguousarray(audio[:, cut:])).offset for cut in (0, 100)]
    assert (places[0] - places[1]) % 576 == 100


@pytest.mark.parametrize("seconds", [1.0, pytest.param(3.0, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("seed", range(4))
def test_sound_that_was_never_coded_shows_no_frames(seed, seconds):
    assert best(music(seconds, channels=1 + seed % 2, seed=seed)).score < CERTAIN


@pytest.mark.parametrize(
    ("seconds", "chords"),
    [
        (0.6, ([1000.0], [440.0, 1000.0, 3000.0])),
        pytest.param(
            4, ([1000.0], [440.0, 1000.0, 3000.0], [8000.0]), marks=pytest.mark.nightly, id="long"
        ),
    ],
)
def test_pure_tones_show_no_frames(seconds, chords):
    """They are deep wherever their phase comes round, and Opus' frames are 20 periods of 1 kHz."""
    for rate in (RATE, 48000):
        time = np.arange(int(seconds * rate)) / rate
        for tones in chords:
            x = sum(0.1 * np.sin(2 * np.pi * hz * time) for hz in tones)
            found = best(sixteen_bits(x[None]), rate)
            assert found is None or found.score < CERTAIN


def test_silence_and_short_sound_show_nothing():
    assert not evidence(np.zeros((2, RATE), np.float32), bits=0).heard
    assert best(music(0.05)) is None


def test_excerpts_depend_on_samples_alone():
    """Neither on the sizes of blocks nor on a length that anyone states."""
    x = np.random.default_rng(0).normal(0, 1, (2, 70 * EXCERPT + 123)).astype(np.float32)
    starts = []
    for size in (4096, 65536, x.shape[1]):
        excerpts = Excerpts()
        for at in range(0, x.shape[1], size):
            excerpts.push(x[:, at : at + size])
        found = excerpts.finish()
        starts.append([e.start for e in found])
        for excerpt in found:
            end = excerpt.start + excerpt.audio.shape[1]
            assert np.array_equal(excerpt.audio, x[:, excerpt.start : end])
    assert starts[0] == starts[1] == starts[2]
    assert MOST // 2 <= len(starts[0]) <= MOST + 1


def test_resampled_excerpts_stand_on_one_grid():
    """The same samples in two excerpts become the same samples at the other rate."""
    x = np.random.default_rng(1).normal(0, 1, (1, 20000)).astype(np.float32)
    first, second = Excerpt(1000, x[:, 1000:9000]), Excerpt(4000, x[:, 4000:12000])
    a, b = (resampled(e, 44100, 48000, 0.25) for e in (first, second))
    shared = b.audio[:, : a.start + a.audio.shape[1] - b.start]
    assert a.audio[:, b.start - a.start :] == pytest.approx(shared, abs=1e-5)


def test_resampling_keeps_tones():
    time = np.arange(16000) / 48000
    tone = np.sin(2 * np.pi * 5000 * time)[None].astype(np.float32)
    out = resampled(Excerpt(0, tone), 48000, 44100, 0.5)
    at = (np.arange(out.audio.shape[1]) + out.start + 0.5) / 44100
    assert out.audio[0] == pytest.approx(np.sin(2 * np.pi * 5000 * at), abs=1e-3)
