"""Holes that an encoder leaves are filled; pauses, tones and clean sound are not."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter1d

from uncodec import ArtefactRepair
from uncodec.analysis.metrics import lsd, si_sdr
from uncodec.codecs import round_trip

RATE = 44100
LEVEL = 0.015


def bands(samples, count, seed=0, rate=RATE):
    """White noise in `count` bands of equal width, [shape=(count, samples)]."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0, LEVEL, samples))
    place = np.minimum(np.arange(spectrum.size) * count // spectrum.size, count - 1)
    return np.stack([np.fft.irfft(spectrum * (place == i), samples) for i in range(count)])


def damaged(seconds=3.0, gap_s=0.05, rate=RATE, seed=0):
    """Clean noise, the same with gaps in its bands, and where they are, [shape=(count, n)]."""
    samples = round(seconds * rate)
    parts = bands(samples, (rate // 918), seed, rate)
    rng = np.random.default_rng(seed + 1)
    cells = rng.random(((rate // 918), round(seconds / gap_s))) < 0.08
    # Holes in a row would be longer ones.
    cells[:, 1:] &= ~cells[:, :-1]
    gaps = np.repeat(cells, -(-samples // cells.shape[1]), axis=1)[:, :samples]
    holed = (parts * np.where(gaps, 0.05, 1.0)).sum(axis=0)[np.newaxis].astype(np.float32)
    # Encoders keep what is strong: a tone stands out, and the holes are far below it.
    tone = 0.5 * np.sin(2 * np.pi * 700 * np.arange(samples) / rate).astype(np.float32)
    return parts.sum(axis=0)[np.newaxis].astype(np.float32) + tone, holed + tone, gaps


@pytest.mark.parametrize("rate", [44100, 48000, 88200])
def test_holes_are_filled_near_the_level_around_them(rate):
    clean, holed, gaps = damaged(rate=rate)
    result = ArtefactRepair()(holed, rate)
    assert lsd(clean, result, rate) < lsd(clean, holed, rate) - 0.005
    added = (result - holed)[0]
    spectrum = np.fft.rfft(added)
    place = np.minimum(np.arange(spectrum.size) * (rate // 918) // spectrum.size, (rate // 918) - 1)
    inside = outside = 0.0
    for band in range(rate // 918):
        part = np.fft.irfft(spectrum * (place == band), added.size) ** 2
        late = np.arange(added.size) > rate
        # What frames of 23 ms reach.
        near = maximum_filter1d(gaps[band].astype(np.uint8), round(0.024 * rate)) > 0
        inside += part[late & near].sum()
        outside += part[late & ~near].sum()
    assert inside > 20 * outside
    share = gaps[:, rate:].mean()
    level_db = 10 * np.log10(np.mean(added[rate:] ** 2) / (share * LEVEL**2))
    assert -14.0 < level_db < -4.0


def test_side_and_mid_are_repaired_apart():
    _, holed, _ = damaged(seed=5)
    same = ArtefactRepair()(np.concatenate([holed, holed]), RATE)
    np.testing.assert_array_equal(same[0], same[1])
    assert np.abs(same[0] - holed[0]).max() > 0.01 * LEVEL
    opposed = ArtefactRepair()(np.concatenate([holed, -holed]), RATE)
    np.testing.assert_allclose(opposed[0], -opposed[1], atol=1e-7)
    assert np.abs(opposed[0] - holed[0]).max() > 0.01 * LEVEL


def pauses():
    audio = np.random.default_rng(1).normal(0, 0.1, (1, 3 * RATE))
    return audio * (np.arange(audio.shape[1]) // 2205 % 4 != 0)


def swelling_tones():
    time = np.arange(3 * RATE) / RATE
    tones = [np.sin(2 * np.pi * hz * time) for hz in (220, 440, 1330, 5001)]
    return 0.1 * np.sum(tones, axis=0)[np.newaxis] * (0.6 + 0.4 * np.sin(7 * time))


def plucked():
    time = np.arange(3 * RATE) / RATE
    out = np.zeros(time.size)
    for i in range(18):
        since = np.maximum(time - i / 6, 0)
        start = time >= i / 6
        for partial in range(1, 9):
            hz = 110 * 2 ** (i % 12 / 12) * partial
            out += start * np.exp(-since * (4 + partial)) * np.sin(2 * np.pi * hz * since) / partial
    return 0.1 * out[np.newaxis]


def both_channels():
    return bands(3 * RATE, 1, 2)


@pytest.mark.parametrize("sound", [pauses, swelling_tones, plucked, both_channels])
def test_undamaged_sound_passes_bit_for_bit(sound):
    audio = sound().astype(np.float32)
    np.testing.assert_array_equal(ArtefactRepair()(audio, RATE), audio)


def test_what_follows_damage_is_left_alone_again():
    _, holed, _ = damaged()
    calm = bands(4 * RATE, 1, 9).astype(np.float32)
    audio = np.concatenate([holed, calm], axis=1)
    result = ArtefactRepair()(audio, RATE)
    assert np.abs(result - audio)[:, : 3 * RATE].max() > 0.03 * LEVEL
    assert np.abs(result - audio)[:, -RATE // 2 :].max() < 1e-3 * np.abs(calm).max()


def test_a_coded_file_comes_nearer_to_its_original():
    rng = np.random.default_rng(4)
    samples = 4 * RATE
    # A falling spectrum that moves: an encoder short of bits drops its upper bands by turns.
    slope = (1 + np.fft.rfftfreq(samples, 1 / RATE) / 300) ** -1.0
    noise = np.fft.irfft(np.fft.rfft(rng.normal(0, 0.5, samples)) * slope, samples)
    time = np.arange(samples) / RATE
    tones = sum(np.sin(2 * np.pi * hz * time) for hz in (196, 494, 1175))
    clean = (noise * (1.2 + np.sin(9 * time)) + 0.1 * tones)[np.newaxis].astype(np.float32)
    coded = round_trip(clean, RATE, "mp3", kbps=32)
    result = ArtefactRepair()(coded, RATE)
    before, after = (lsd(clean, x, RATE, (0.0, 9000.0)) for x in (coded, result))
    assert after < before - 0.02
    assert si_sdr(clean, result) > si_sdr(clean, coded) - 0.1
