"""Likeness: missing bands are drawn to where a reference has them, all others left alone."""

import numpy as np
import pytest

from uncodec.balance import Balance, Like
from uncodec.errors import InvalidValue
from uncodec.streams.likeness import MOST_DB, Likeness

BINS, BANDS, HOP, RATE = 513, 64, 512, 44_100
CENTRES = ((np.arange(BANDS) + 0.5) * 8 + 0.5) * RATE / 1024
FRAMES = 400


def flat(level_db, cutoff=22_000.0):
    """A reference whose treble lies so far above its lower bands."""
    levels = np.where(CENTRES < 3500, 0.0, level_db)
    return Balance("flat", tuple(CENTRES.tolist()), tuple(levels.tolist()), cutoff)


def spectra(level_db, first, last, channels=2, seed=0):
    """Noise in bands `first` to `last`, of so many dB."""
    rng = np.random.default_rng(seed)
    shape = (FRAMES, channels, BINS)
    noise = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    noise[..., : 1 + 8 * first] = 0
    noise[..., 1 + 8 * last :] = 0
    return (10 ** (level_db / 20) * noise).astype(np.complex64)


def change(like, added_db=-20.0, kept=20, channels=2):
    """By how many dB bands of what is added change at last; the first `kept` bands are full."""
    coded = spectra(0.0, 0, kept, channels)
    delta = spectra(added_db, 0, BANDS, channels, seed=1)
    before = delta.copy()
    Likeness(like, BINS, HOP, RATE).draw_into(delta, coded)
    power = (np.abs(x[-1, :, 1:]).reshape(channels, BANDS, 8) ** 2 for x in (delta, before))
    now, then = (each.sum(axis=(0, 2)) for each in power)
    return 10 * np.log10(now / then)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("wanted_db", [-12.0, -20.0, -28.0])
def test_missing_bands_get_the_level_of_the_reference(channels, wanted_db):
    found = change(Like(flat(wanted_db)), channels=channels)
    # The added noise lies at -20 dB.
    np.testing.assert_allclose(found[22:], wanted_db + 20, atol=1.0)


def test_what_the_codec_kept_is_left_alone():
    np.testing.assert_allclose(change(Like(flat(-10.0)))[:19], 0.0, atol=1e-4)


def test_the_amount_is_the_share_in_decibels_and_none_is_to_the_bit():
    np.testing.assert_allclose(change(Like(flat(-10.0), 0.5))[22:63], 5.0, atol=0.7)
    np.testing.assert_array_equal(change(Like(flat(-10.0), 0.0)), 0.0)


@pytest.mark.parametrize("wanted_db", [40.0, -90.0])
def test_no_band_changes_by_more_than_twelve_decibels(wanted_db):
    found = change(Like(flat(wanted_db)))
    np.testing.assert_allclose(np.abs(found[22:63]), MOST_DB, atol=0.01)
    assert np.abs(found).max() <= MOST_DB + 0.01


def test_beyond_the_end_of_the_reference_bands_change_as_the_last_that_it_has():
    found = change(Like(flat(-10.0, cutoff=12_000.0)))
    first = int(np.searchsorted(CENTRES, 12_000.0))
    np.testing.assert_allclose(found[22:first], 10.0, atol=1.0)
    np.testing.assert_allclose(found[first + 1 :], found[first], atol=0.3)


def test_a_moment_changes_little():
    coded, delta = spectra(0.0, 0, 20), spectra(-20.0, 0, BANDS, seed=1)
    before = delta.copy()
    Likeness(Like(flat(-8.0)), BINS, HOP, RATE).draw_into(delta, coded)
    early = 20 * np.log10(np.abs(delta[3, 0, 200:500]).sum() / np.abs(before[3, 0, 200:500]).sum())
    assert 0 <= early < 1.0


@pytest.mark.parametrize("cuts", [[1] * 50 + [350], [399, 1], [7, 393]])
def test_the_cut_into_calls_makes_no_difference(cuts):
    coded, whole = spectra(0.0, 0, 20), spectra(-20.0, 0, BANDS, seed=1)
    parts = whole.copy()
    Likeness(Like(flat(-10.0)), BINS, HOP, RATE).draw_into(whole, coded)
    running, first = Likeness(Like(flat(-10.0)), BINS, HOP, RATE), 0
    for count in cuts:
        if first == 1:
            running = running.clone()
        running.draw_into(parts[first : first + count], coded[first : first + count])
        first += count
    np.testing.assert_array_equal(parts, whole)


def test_silence_stays_silence_and_is_not_learnt_from():
    likeness = Likeness(Like(flat(-10.0)), BINS, HOP, RATE)
    silence = np.zeros((FRAMES, 2, BINS), np.complex64)
    likeness.draw_into(silence, silence.copy())
    assert not silence.any()
    coded, delta = spectra(0.0, 0, 20), spectra(-20.0, 0, BANDS, seed=1)
    fresh = delta.copy()
    likeness.draw_into(delta, coded)
    Likeness(Like(flat(-10.0)), BINS, HOP, RATE).draw_into(fresh, coded)
    np.testing.assert_array_equal(delta, fresh)


@pytest.mark.parametrize("bins", [1, 8, 512])
def test_frames_that_do_not_split_into_bands_are_refused(bins):
    with pytest.raises(InvalidValue, match=f"bins={bins}: must be 1 and a multiple of 8"):
        Likeness(Like(flat(0.0)), bins, HOP, RATE)
