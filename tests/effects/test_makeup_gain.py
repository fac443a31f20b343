"""Makeup gain: the level that was asked for, and no true peak above the ceiling."""

import copy
import doctest
import importlib
import pickle
import subprocess
import sys

import numpy as np
import pedalboard
import pytest

from uncodec import Board, MakeupGain
from uncodec.analysis.loudness import integrated_loudness
from uncodec.errors import InvalidType, InvalidValue
from uncodec.repair.limiter import true_peak

MINUS_100_DBFS = 1e-5
RATES = [8000, 22050, 44100, 48000, 96000]


def music(rate, seconds=8.0, channels=2, level=0.03, seed=0):
    """Noise that swells and rests, so that the gates have something to do."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    swell = (0.1 + np.abs(np.sin(1.3 * time))) * (np.sin(0.9 * time) > -0.8)
    return (level * swell * rng.standard_normal((channels, time.size))).astype(np.float32)


@pytest.mark.parametrize("rate", [*RATES, 384000])
@pytest.mark.parametrize("channels", [1, 2])
def test_nothing_to_do_gives_the_input_back_bit_for_bit(stream_through, rate, channels):
    audio = music(rate, 0.4, channels)
    effect = MakeupGain()
    np.testing.assert_array_equal(effect(audio, rate), audio)
    result = stream_through(effect, audio, [7, 700, 3000], sample_rate=rate)
    np.testing.assert_array_equal(result, audio)


def test_a_fixed_gain_is_that_gain():
    audio = music(44100, 1.0, level=0.01)
    result = MakeupGain(gain_db=6.0)(audio, 44100)
    np.testing.assert_allclose(result, audio * 10 ** (6 / 20), rtol=1e-6)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("ceiling_db", [-0.1, -1.0, -9.0])
def test_true_peaks_stay_at_the_ceiling(rate, ceiling_db):
    audio = music(rate, 1.0, level=0.2)
    loud = MakeupGain(gain_db=15.0, ceiling_db=ceiling_db)(audio, rate)
    peak_db = 20 * np.log10(true_peak(loud))
    assert ceiling_db - 0.5 < peak_db <= ceiling_db


@pytest.mark.parametrize("rate", [8000, 44100])
@pytest.mark.parametrize(("level", "target"), [(0.03, -30.0), (0.02, -26.0)])
def test_a_target_is_reached_in_two_runs_and_settles_in_one(rate, level, target):
    audio = music(rate, 20.0, level=level)
    effect = MakeupGain(target_lufs=target)
    first = effect(audio, rate)
    static = target - integrated_loudness(audio, rate)
    assert effect.applied_db == pytest.approx(static, abs=0.2)
    half = audio.shape[1] // 2
    later = integrated_loudness(first[:, half:], rate) - integrated_loudness(audio[:, half:], rate)
    assert later == pytest.approx(static, abs=0.5)
    assert effect.wanted_db == pytest.approx(static, abs=0.1)
    second = MakeupGain(gain_db=effect.wanted_db)(audio, rate)
    assert integrated_loudness(second, rate) == pytest.approx(target, abs=0.5)


def test_the_gain_moves_slowly_and_rests_through_silence():
    audio = music(44100, 6.0)
    audio[:, 3 * 44100 :] = 0.0
    effect = MakeupGain(target_lufs=-20.0)
    gains = []
    for block in np.split(audio, 60, axis=1):
        effect.process(block, 44100, reset=False)
        gains.append(effect.applied_db)
    steps = np.diff([0.0, *gains])
    assert np.abs(steps).max() <= 0.2 + 1e-6
    assert gains[2] == 0.0
    assert gains[25] > 3.0
    static = -20.0 - integrated_loudness(audio, 44100)
    assert abs(gains[-1] - static) < max(0.2, abs(static) - 2.0 * 5.5)


@pytest.mark.parametrize("options", [{"gain_db": 12.0}, {"target_lufs": -14.0, "gain_db": 9.0}])
@pytest.mark.parametrize("rate", [8000, 44100, 96000])
def test_every_partition_gives_the_same_sound(stream_through, options, rate):
    audio = music(rate, 1.5, level=0.2)
    effect = MakeupGain(**options)
    whole = effect(audio, rate)
    assert np.abs(whole - audio).max() > 0.1
    cuts = [3, *np.random.default_rng(rate).integers(3, audio.shape[1], 9)]
    for size in (8192, 100):
        twice = []
        for _ in range(2):
            effect.reset()
            twice.append(stream_through(effect, audio, cuts, sample_rate=rate, buffer_size=size))
        np.testing.assert_array_equal(*twice)
        assert np.abs(twice[0] - whole).max() < MINUS_100_DBFS


@pytest.mark.parametrize("rate", [8000, 44100, 384000])
def test_latency_is_exact_known_before_use_and_constant(rate):
    effect = MakeupGain()
    audio = music(rate, 0.2)
    ready = effect.process(audio, rate, reset=False)
    latency = effect.latency_samples
    assert ready.shape[1] == audio.shape[1] - latency
    effect.reset()
    assert effect.latency_samples == latency
    assert MakeupGain().latency_samples == 466


def test_parameters_change_in_mid_stream():
    audio = music(44100, 2.0, level=0.01)
    effect = MakeupGain()
    effect.process(audio[:, :44100], 44100, reset=False)
    effect.gain_db = 6.0
    tail = effect.process(audio[:, 44100:], 44100, reset=False)
    assert effect.applied_db == 6.0
    expected = audio[:, -20_000 - 466 : -466] * 10 ** (6 / 20)
    np.testing.assert_allclose(tail[:, -20_000:], expected, rtol=1e-6)
    # A glide of 60 ms and no click: nowhere does the gain step.
    start = slice(44100 - 466, 44100 + 4000)
    gain_db = 20 * np.log10(np.abs(tail[0, :4466] / np.where(audio[0, start], audio[0, start], 1)))
    moving = gain_db[(gain_db > 0.01) & (gain_db < 5.99)]
    assert moving.size > 2000
    effect.ceiling_db = -20.0
    effect.gain_db = 40.0
    effect.process(audio, 44100, reset=False)
    late = effect.process(audio, 44100, reset=False)
    assert 20 * np.log10(true_peak(late)) <= -20.0
    effect.target_lufs = -40.0
    effect.process(audio, 44100, reset=False)
    assert effect.applied_db < 40.0


def test_silence_stays_silence():
    assert not MakeupGain(target_lufs=-14.0)(np.zeros((2, 90_000), np.float32), 44100).any()
    assert MakeupGain()(np.zeros((1, 1), np.float32), 44100).shape == (1, 1)


def test_copies_have_the_parameters_and_not_the_audio():
    audio = music(22050, 1.0)
    effect = MakeupGain(gain_db=3.0, target_lufs=-18.0, ceiling_db=-2.0)
    expected = effect(audio, 22050)
    for twin in (copy.copy(effect), copy.deepcopy(effect), pickle.loads(pickle.dumps(effect))):
        assert (twin.gain_db, twin.target_lufs, twin.ceiling_db) == (3.0, -18.0, -2.0)
        assert twin.flush().size == 0
        np.testing.assert_array_equal(twin(audio, 22050), expected)


def test_last_on_a_board(stream_through):
    audio = music(44100, 1.0)
    step = MakeupGain(gain_db=20.0)(pedalboard.Gain(-3)(audio, 44100), 44100)
    board = Board([pedalboard.Gain(-3), MakeupGain(gain_db=20.0)])
    np.testing.assert_array_equal(board(audio, 44100), step)
    board.reset()
    result = stream_through(board, audio, [1000, 1500, 40_000])
    assert np.abs(result - step).max() < MINUS_100_DBFS


@pytest.mark.parametrize("rate", [7999, 384001, 44100.5])
def test_rates_that_are_refused(rate):
    with pytest.raises(InvalidValue, match=r"sample_rate=.* from 8000 to 384000"):
        MakeupGain()(np.zeros((2, 100), np.float32), rate)


@pytest.mark.parametrize("name", ["gain_db", "target_lufs", "ceiling_db"])
def test_parameters_out_of_range_or_of_a_wrong_type(name):
    effect = MakeupGain()
    before = getattr(effect, name)
    for value in (-100.0, 100.0, float("nan"), float("inf")):
        with pytest.raises(InvalidValue, match=f"{name}=.*must be from"):
            setattr(effect, name, value)
    for value in ("1", True, [1.0]):
        with pytest.raises(InvalidType, match=f"{name}="):
            MakeupGain(**{name: value})
    assert getattr(effect, name) == before


def test_examples_in_the_documentation_run():
    failures, tried = doctest.testmod(importlib.import_module("uncodec.effects.makeup_gain"))
    assert tried
    assert failures == 0


def test_it_needs_no_torch():
    script = """
import sys
import numpy as np
from uncodec import MakeupGain
MakeupGain(3.0)(np.ones((2, 9000), np.float32), 44100)
print(*sys.modules)
"""
    found = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    loaded = found.stdout.split()
    assert "uncodec.effects" in loaded
    assert "torch" not in loaded
