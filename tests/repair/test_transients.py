"""Noise in front of attacks goes; whatever else comes before them stays."""

import numpy as np
import pytest

from uncodec import TransientRepair
from uncodec.analysis.metrics import si_sdr
from uncodec.analysis.onsets import pre_echo
from uncodec.codecs import round_trip

RATE = 44100


@pytest.fixture(scope="module")
def drums():
    """Strokes out of near silence, two channels, 3 s."""
    rng = np.random.default_rng(0)
    time = np.arange(3 * RATE) / RATE
    audio = rng.normal(0, 2e-5, (2, len(time)))
    for start in np.arange(0.2, 2.8, 0.35):
        since = np.maximum(time - start, 0)
        envelope = np.exp(-25 * since) * (time >= start)
        tone = np.sin(2 * np.pi * rng.uniform(100, 900) * since)
        audio += envelope * (0.4 * tone + 0.2 * rng.standard_normal(audio.shape))
    return audio.astype(np.float32)


def level_db(audio, start, stop):
    return 10 * np.log10(np.mean(np.square(audio[:, round(start * RATE) : round(stop * RATE)])))


@pytest.mark.parametrize(("codec", "kbps"), [("mp3", 48), ("mp3", 64), ("opus", 32)])
def test_pre_echo_of_real_codecs_goes_and_nothing_else(drums, codec, kbps):
    coded = round_trip(drums, RATE, codec, kbps=kbps)
    repaired = TransientRepair()(coded, RATE)
    before, after = (pre_echo(drums, audio, RATE) for audio in (coded, repaired))
    assert before > 3
    assert after < 0.4 * before
    assert si_sdr(drums, repaired) > si_sdr(drums, coded) - 0.02


def test_clean_attacks_pass_bit_for_bit(drums):
    np.testing.assert_array_equal(TransientRepair()(drums, RATE), drums)


def test_noise_before_an_attack_comes_down_to_what_was_there_before():
    rng = np.random.default_rng(1)
    time = np.arange(RATE) / RATE
    audio = rng.normal(0, 1e-4, (1, RATE))
    audio += np.where((time > 0.485) & (time < 0.5), rng.normal(0, 3e-3, RATE), 0)
    audio += np.where(time >= 0.5, np.exp(-20 * (time - 0.5)) * rng.normal(0, 0.3, RATE), 0)
    repaired = TransientRepair()(audio.astype(np.float32), RATE)
    assert level_db(audio, 0.487, 0.496) > -52
    assert level_db(repaired, 0.487, 0.496) == pytest.approx(-80, abs=2)
    untouched = np.r_[0 : round(0.46 * RATE), round(0.4995 * RATE) : RATE]
    np.testing.assert_array_equal(repaired[:, untouched], audio.astype(np.float32)[:, untouched])


def test_a_note_held_into_the_attack_stays():
    rng = np.random.default_rng(2)
    time = np.arange(RATE) / RATE
    note = 0.003 * np.sin(2 * np.pi * 1500 * time)
    attack = np.where(time >= 0.5, np.exp(-20 * (time - 0.5)) * rng.normal(0, 0.3, RATE), 0)
    audio = (note + attack + rng.normal(0, 1e-5, RATE))[None].astype(np.float32)
    np.testing.assert_array_equal(TransientRepair()(audio, RATE), audio)


def test_noise_under_a_held_note_goes_where_the_note_is_not():
    rng = np.random.default_rng(3)
    time = np.arange(RATE) / RATE
    note = 0.01 * np.sin(2 * np.pi * 200 * time)
    attack = np.where(time >= 0.5, np.exp(-20 * (time - 0.5)) * rng.normal(0, 0.3, RATE), 0)
    burst = np.where((time > 0.485) & (time < 0.5), rng.normal(0, 2e-3, RATE), 0)
    audio = (note + attack + burst)[None].astype(np.float32)
    repaired = TransientRepair()(audio, RATE)
    left = repaired - note - attack
    assert level_db(left, 0.487, 0.496) < level_db(burst[None], 0.487, 0.496) - 8


def test_an_attack_that_grows_is_no_damage():
    rng = np.random.default_rng(4)
    time = np.arange(RATE) / RATE
    swell = np.clip(10 ** ((time - 0.5) / 0.02 * 1.5), 1e-4, 1) * np.where(time < 0.5, 1, 0)
    fall = np.where(time >= 0.5, np.exp(-20 * (time - 0.5)), 0)
    audio = ((swell + fall) * rng.normal(0, 0.3, RATE))[None].astype(np.float32)
    np.testing.assert_array_equal(TransientRepair()(audio, RATE), audio)


def test_soft_attacks_are_left_alone():
    rng = np.random.default_rng(5)
    time = np.arange(RATE) / RATE
    audio = np.where(time >= 0.5, np.exp(-20 * (time - 0.5)) * rng.normal(0, 2e-4, RATE), 0)
    audio += np.where((time > 0.485) & (time < 0.5), rng.normal(0, 2e-6, RATE), 0)
    audio = audio[None].astype(np.float32)
    np.testing.assert_array_equal(TransientRepair()(audio, RATE), audio)


def test_both_channels_get_the_same_gain(drums):
    """Else the image would move in front of every stroke."""
    coded = round_trip(drums, RATE, "mp3", kbps=64)
    alone = coded.copy()
    alone[1] *= 0.5
    repaired = TransientRepair()(alone, RATE)
    swapped = TransientRepair()(alone[::-1].copy(), RATE)
    np.testing.assert_allclose(repaired, swapped[::-1], atol=1e-6)
    mono = np.repeat(coded[:1], 2, axis=0)
    both = TransientRepair()(mono, RATE)
    np.testing.assert_array_equal(both[0], both[1])


def test_a_lower_threshold_repairs_more(drums):
    coded = round_trip(drums, RATE, "mp3", kbps=24)
    repaired = [TransientRepair(threshold_db=db)(coded, RATE) for db in (18, 40)]
    eager, cautious = (pre_echo(drums, audio, RATE) for audio in repaired)
    assert eager < cautious - 1
