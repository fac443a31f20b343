"""The contract of effects, kept by the repairs that need no network."""

import copy
import doctest
import importlib
import inspect
import pickle
import subprocess
import sys

import numpy as np
import pedalboard
import pytest

from uncodec import ArtefactRepair, Board, PhaseAligner, StereoRepair, TransientRepair
from uncodec.errors import InvalidType, InvalidValue
from uncodec.files.restore import check_format

MINUS_100_DBFS = 1e-5


def late_and_inverted(rate, channels):
    sound = np.random.default_rng(0).normal(0, 0.1, round(4.5 * rate)).astype(np.float32)
    return np.stack([sound, -np.roll(sound, 5)])[:channels]


def narrowed(rate, channels):
    """Above 3 kHz left and right are copies of each other, above 0.42 of the rate there is none."""
    samples = round(4.5 * rate)
    hz = np.fft.rfftfreq(samples, 1 / rate)
    rng = np.random.default_rng(0)
    mid, side = np.fft.rfft(rng.normal(0, 0.1, (2, samples)))
    spectra = np.stack([mid + 0.5 * side * (hz < 3000), mid - 0.5 * side * (hz < 3000)])
    return np.fft.irfft(spectra * (hz < 0.42 * rate), samples).astype(np.float32)[:channels]


def smeared(rate, channels):
    """Drums with 15 ms of noise in front of each stroke."""
    rng = np.random.default_rng(0)
    time = np.arange(round(1.5 * rate)) / rate
    audio = rng.normal(0, 1e-5, (2, len(time)))
    for start in (0.3, 0.6, 1.1):
        since = time - start
        stroke = np.exp(-30 * np.maximum(since, 0)) * rng.normal(0, 0.3, audio.shape)
        audio += np.where(since >= 0, stroke, 0)
        audio += np.where((since < 0) & (since > -0.015), 3e-3, 0) * rng.normal(size=audio.shape)
    return audio.astype(np.float32)[:channels]


def with_holes(rate, channels):
    """A tone, and noise far below it whose narrow bands vanish now and then for 50 ms each."""
    samples = round(2.5 * rate)
    rng = np.random.default_rng(0)
    spectra = np.fft.rfft(rng.normal(0, 0.02, (2, samples)))
    place = np.arange(spectra.shape[1]) * 48 // spectra.shape[1]
    out = np.zeros((2, samples)) + 0.5 * np.sin(0.1 * np.arange(samples))
    for band in range(4, 48):
        part = np.fft.irfft(spectra * (place == band), samples)
        gaps = rng.random(50) < 0.1
        out += part * np.where(np.repeat(gaps, -(-samples // 50))[:samples], 0.05, 1.0)
    return out.astype(np.float32)[:channels]


DAMAGED = {
    ArtefactRepair: with_holes,
    PhaseAligner: late_and_inverted,
    StereoRepair: narrowed,
    TransientRepair: smeared,
}
"""For each effect: makes (channels, samples) of sound that it repairs (two channels of it)."""

every_effect = pytest.mark.parametrize("effect", DAMAGED)


@every_effect
@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (96000, 2), (8000, 2)])
def test_amount_zero_gives_the_input_back_bit_for_bit(effect, stream_through, rate, channels):
    audio = DAMAGED[effect](rate, channels)
    repair = effect(amount=0.0)
    np.testing.assert_array_equal(repair(audio, rate), audio)
    repair.reset()
    result = stream_through(repair, audio, [700, 703, 3000], sample_rate=rate)
    np.testing.assert_array_equal(result, audio)


@every_effect
@pytest.mark.parametrize("rate", [44100, 48000, 22050])
def test_every_partition_gives_the_same_sound(effect, stream_through, rate):
    audio = DAMAGED[effect](rate, 2)
    repair = effect()
    whole = repair(audio, rate)
    assert whole.shape == audio.shape
    assert np.abs(whole - audio).max() > 1e-3
    rng = np.random.default_rng(rate)
    for size in (8192, 100):
        cuts = [3, *rng.integers(3, audio.shape[1], 9)]
        twice = []
        for _ in range(2):
            repair.reset()
            twice.append(stream_through(repair, audio, cuts, sample_rate=rate, buffer_size=size))
        np.testing.assert_array_equal(*twice)
        assert np.abs(twice[0] - whole).max() < MINUS_100_DBFS


@every_effect
def test_a_loop_that_resets_first_has_no_gap(effect, stream_through):
    audio = DAMAGED[effect](44100, 2)
    samples = audio.shape[1]
    repair = effect()
    whole = repair(audio, 44100)
    result = stream_through(repair, audio, range(9000, samples, 9000), first_resets=True)
    known = np.ones(samples, bool)
    known[9000 - repair.latency_samples : 9000] = False
    assert np.abs(result - whole)[:, known].max() < MINUS_100_DBFS


@every_effect
@pytest.mark.parametrize("rate", [8000, 44100, 48000, 384000])
def test_latency_is_exact_known_before_use_and_constant(effect, rate):
    repair = effect(amount=0.0)
    audio = np.random.default_rng(0).normal(0, 0.1, (2, 40000)).astype(np.float32)
    ready = repair.process(audio, rate, reset=False)
    latency = repair.latency_samples
    assert ready.shape[1] == max(0, 40000 - latency)
    repair.process(audio, rate, reset=False)
    assert repair.latency_samples == latency
    repair.reset()
    assert repair.latency_samples == latency


@every_effect
@pytest.mark.parametrize("channels", [1, 2])
def test_silence_stays_silence(effect, channels):
    repair = effect()
    assert not repair(np.zeros((channels, 30000), np.float32), 44100).any()
    assert repair(np.zeros((channels, 1), np.float32), 44100).shape == (channels, 1)


@every_effect
def test_copies_have_the_parameters_and_not_the_audio(effect):
    audio = DAMAGED[effect](22050, 2)
    repair = effect(amount=0.5)
    expected = repair(audio, 22050)
    names = inspect.signature(effect).parameters
    for twin in (copy.copy(repair), copy.deepcopy(repair), pickle.loads(pickle.dumps(repair))):
        assert [getattr(twin, n) for n in names] == [getattr(repair, n) for n in names]
        assert twin.flush().size == 0
        np.testing.assert_array_equal(twin(audio, 22050), expected)


@every_effect
def test_on_a_board_among_native_plugins(effect, stream_through):
    audio = DAMAGED[effect](44100, 2)
    step = pedalboard.Gain(-3)(audio, 44100)
    step = pedalboard.Reverb()(effect()(step, 44100), 44100)
    board = Board([pedalboard.Gain(-3), effect(), pedalboard.Reverb()])
    np.testing.assert_array_equal(board(audio, 44100), step)
    board.reset()
    result = stream_through(board, audio, [1000, 1500, 40000])
    assert np.abs(result - step).max() < MINUS_100_DBFS


@every_effect
def test_layouts_and_types(effect):
    audio = DAMAGED[effect](22050, 2)
    expected = effect()(audio, 22050)
    result = effect()(audio.T.astype(np.float64), 22050)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, expected.T)


@every_effect
@pytest.mark.parametrize("rate", [7999, 384001, 44100.5])
def test_rates_that_are_refused(effect, rate):
    with pytest.raises(InvalidValue, match=r"sample_rate=.* from 8000 to 384000"):
        effect()(np.zeros((2, 100), np.float32), rate)


@pytest.mark.parametrize(
    ("effect", "name"), [(e, name) for e in DAMAGED for name in inspect.signature(e).parameters]
)
def test_parameters_out_of_range_or_of_a_wrong_type(effect, name):
    repair = effect()
    before = getattr(repair, name)
    for value in (-1.0, 1e6, float("nan"), float("inf")):
        with pytest.raises(InvalidValue, match=f"{name}=.*must be from"):
            setattr(repair, name, value)
        with pytest.raises(InvalidValue):
            effect(**{name: value})
    for value in ("1", None, True):
        with pytest.raises(InvalidType, match=f"{name}="):
            effect(**{name: value})
    assert getattr(repair, name) == before


@every_effect
def test_surround_is_repaired_pair_by_pair(effect, stream_through):
    audio = DAMAGED[effect](44100, 2)
    # Front, centre, LFE, and a back pair that differs from the front.
    surround = np.concatenate([audio, audio[:1], audio[:1], -0.7 * audio])
    repair = effect()
    whole = repair(surround, 44100)
    np.testing.assert_array_equal(whole[:2], effect()(audio, 44100))
    np.testing.assert_array_equal(whole[3], surround[3])
    assert np.abs(whole[4:] - surround[4:]).max() > 1e-3
    if effect is not ArtefactRepair:  # whose noise is another one in each group
        np.testing.assert_array_equal(whole[2], effect()(audio[0], 44100))
        np.testing.assert_array_equal(whole[4:], effect()(surround[4:], 44100))
    repair.reset()
    result = stream_through(repair, surround, [700, 703, 40000])
    assert np.abs(result - whole).max() < MINUS_100_DBFS


def test_artefact_repair_fills_groups_with_unlike_noise():
    audio = with_holes(44100, 2)
    surround = np.concatenate([audio, audio])  # quad
    front, back = np.split(ArtefactRepair()(surround, 44100) - surround, 2)
    assert np.abs(front).max() > 1e-3
    likeness = np.vdot(front, back) / (np.linalg.norm(front) * np.linalg.norm(back))
    assert abs(likeness) < 0.2


@every_effect
def test_examples_in_the_documentation_run(effect):
    failures, tried = doctest.testmod(importlib.import_module(effect.__module__))
    assert tried
    assert failures == 0


def test_repairs_need_no_torch():
    names = ", ".join(effect.__name__ for effect in DAMAGED)
    script = f"""
import sys
import numpy as np
from uncodec import {names}
for effect in ({names},):
    effect()(np.ones((2, 9000), np.float32), 44100)
print(*sys.modules)
"""
    found = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    loaded = found.stdout.split()
    assert "uncodec.effects" in loaded
    assert "torch" not in loaded


@pytest.mark.parametrize("rate", [7999, 8000, 384000, 384001])
def test_results_may_have_the_rates_that_effects_take(rate):
    def refuses(call):
        try:
            call()
        except InvalidValue:
            return True
        return False

    by_effects = refuses(lambda: TransientRepair()(np.zeros(10, np.float32), rate))
    assert by_effects == refuses(lambda: check_format(24, rate)) == (rate not in (8000, 384000))
