"""A coded version is brought to its original, or refused with numbers."""

from __future__ import annotations

import numpy as np
import pytest

from uncodec.analysis.alignment import align, find_offset
from uncodec.codecs.resampling import resample
from uncodec.errors import InvalidValue

RATE = 44100


def music(seconds=1.0, channels=2, seed=0):
    noise = np.random.default_rng(seed).normal(0, 0.1, (channels, round(seconds * RATE)))
    return noise.astype(np.float32)


@pytest.mark.parametrize("late", [-1105, -1, 0, 1, 529, 40000])
def test_the_shift_is_found_to_the_sample(late):
    original = music(2.0)
    coded = np.roll(original, late, axis=1)[:, max(0, late) : 80000 + min(0, late)]
    whole = np.pad(coded, ((0, 0), (max(0, late), 0)))
    offset, correlation = find_offset(original[0], whole[0], 2 * RATE)
    assert offset == late
    assert correlation > 0.9
    aligned = align(original, RATE, whole, RATE)
    assert aligned.original.shape == aligned.coded.shape
    assert np.array_equal(aligned.original, aligned.coded)
    assert any("moved" in note for note in aligned.notes) == bool(late)


def test_nothing_is_said_where_nothing_was_done():
    original = music()
    assert align(original, RATE, original, RATE).notes == ()


def test_other_rates_channels_lengths_and_polarity_are_told():
    original = music()
    coded = -resample(original.mean(axis=0, keepdims=True), RATE, 22050)[:, :-2000]
    aligned = align(original, RATE, coded, 22050)
    told = " ".join(aligned.notes)
    for words in ("from 22050 to 44100 Hz", "1 channel(s), the original 2: spread", "inverted"):
        assert words in told
    assert f"cut from 44100 samples to the {aligned.coded.shape[1]}" in told
    assert aligned.coded.shape[0] == 2
    mono = align(original[:1], RATE, original, RATE)
    assert mono.coded.shape == (1, RATE)
    assert "mixed down" in mono.notes[0]


def test_a_version_that_was_read_from_earlier_on_is_not_late():
    original = music(3.0)
    aligned = align(original[:, 44100:88200], RATE, original, RATE, lead=44100)
    assert np.array_equal(aligned.original, aligned.coded)
    assert aligned.notes == ()


def test_another_recording_is_refused_with_its_correlation():
    with pytest.raises(InvalidValue, match=r"correlate by -?0\.0\d at best .* at least 0\.3"):
        align(music(), RATE, music(seed=1), RATE)


def test_silence_is_not_aligned_and_told():
    aligned = align(music(), RATE, np.zeros((2, RATE), np.float32), RATE)
    assert aligned.coded.shape == (2, RATE)
    assert "silent" in aligned.notes[0]


@pytest.mark.parametrize(
    ("original", "coded", "told"),
    [
        (np.zeros((2, 1), np.float32), music(), "original: must have at least 2048 samples, got 1"),
        (music(), np.zeros((2, 0), np.float32), "coded: must have at least 2048 samples, got 0"),
        (music(channels=6), music(), "original: must have one or two channels, got 6"),
        (music(), music(channels=3), "coded: must have one or two channels, got 3"),
    ],
)
def test_what_cannot_be_aligned_is_refused(original, coded, told):
    with pytest.raises(InvalidValue, match=told):
        align(original, RATE, coded, RATE)
