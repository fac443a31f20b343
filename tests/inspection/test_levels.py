"""Loudness, its range, true peak, clipping and the bits that samples use."""

from __future__ import annotations

import numpy as np
import pytest

from uncodec.inspection.levels import LevelMeter
from uncodec.repair.limiter import true_peak

RATE = 48000


def measured(audio, rate=RATE, block=10007):
    audio = np.atleast_2d(np.asarray(audio, np.float32))
    meter = LevelMeter(rate, audio.shape[0], np.ones(audio.shape[0]))
    for at in range(0, audio.shape[1], block):
        meter.push(np.ascontiguousarray(audio[:, at : at + block]))
    return meter.finish()


def tone(db, seconds, hz=1000.0):
    return 10 ** (db / 20) * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)


def test_loudness_is_that_of_ebu_tech_3341():
    stereo = np.tile(tone(-23, 20), (2, 1))
    assert measured(stereo).lufs == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize(
    ("first", "second", "wanted"), [(-20, -30, 10), (-20, -15, 5), (-40, -20, 20)]
)
def test_loudness_range_is_that_of_ebu_tech_3342(first, second, wanted):
    programme = np.concatenate([tone(first, 20), tone(second, 20)])
    assert measured(np.tile(programme, (2, 1))).range_lu == pytest.approx(wanted, abs=1.0)


def test_true_peak_lies_between_samples():
    between = np.sin(2 * np.pi * 12000 * np.arange(9600) / RATE + np.pi / 4)
    levels = measured(between)
    assert levels.peak == pytest.approx(np.sqrt(0.5), abs=1e-3)
    assert levels.true_peak_db == pytest.approx(0.0, abs=0.2)


def test_true_peak_is_that_of_the_limiter_in_blocks_of_any_size():
    x = np.random.default_rng(0).normal(0, 0.2, (2, 30000)).astype(np.float32)
    for block in (999, 30000):
        wanted = 20 * np.log10(true_peak(x))
        assert measured(x, block=block).true_peak_db == pytest.approx(wanted, abs=1e-3)


def test_clipping_is_counted_in_runs():
    x = 0.3 * np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE)
    assert measured(x).clipped_runs == 0
    assert measured(np.clip(4 * x, -1, 1)).clipped_runs == 200


@pytest.mark.parametrize("bits", [8, 16, 20, 24])
def test_bits_are_those_that_samples_use(bits):
    x = np.random.default_rng(1).normal(0, 0.1, (2, 5000))
    assert measured(np.round(x * 2 ** (bits - 1)) / 2 ** (bits - 1)).bits == bits


def test_floats_use_no_number_of_bits():
    assert measured(np.random.default_rng(2).normal(0, 1e-3, 5000)).bits is None


def test_silence_has_no_level():
    levels = measured(np.zeros((2, RATE)))
    assert (levels.lufs, levels.range_lu, levels.true_peak_db) == (None, None, None)
    assert (levels.bits, levels.clipped_runs) == (0, 0)
