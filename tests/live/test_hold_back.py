"""What is added does not sound before the signal: the stream's limiter and training's."""

import numpy as np
import pytest
import torch

from uncodec.errors import InvalidValue
from uncodec.live.hold_back import HoldBack
from uncodec.networks.spectra import hold_back
from uncodec.signals import sqrt_hann

WINDOW, HOP, FRAMES = 256, 128, 12
SHAPE = sqrt_hann(WINDOW)
NONE = np.zeros(FRAMES, np.float32)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def cut(audio):
    """Windowed frames of a stream that begins with nothing, (frames, channels, window)."""
    padded = np.pad(audio, ((0, 0), (WINDOW - HOP, 0)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=1)[:, ::HOP]
    return np.ascontiguousarray(frames.transpose(1, 0, 2) * SHAPE)


def held(change, coded, sizes=(FRAMES,), returned=None):
    stream, frames, done = HoldBack(len(coded), SHAPE, HOP), change.copy(), 0
    returned = NONE if returned is None else returned
    for size in sizes:
        span = slice(done, done + size)
        stream.hold_into(frames[span], coded[:, done * HOP : (done + size) * HOP], returned[span])
        done += size
    return frames


@pytest.mark.parametrize("share", [None, 0.0, 0.4, 1.0])
def test_the_stream_does_what_training_does(share):
    coded = noise(2, FRAMES * HOP)
    coded[:, : 5 * HOP + 40] *= 1e-3
    change = noise(FRAMES, 2, WINDOW, seed=1) * SHAPE
    there = [torch.from_numpy(a.transpose(1, 0, 2).copy())[None] for a in (change, cut(coded))]
    returned = None if share is None else torch.full((1, FRAMES), share)
    wanted = (there[0] * hold_back(*there, returned))[0].numpy().transpose(1, 0, 2)
    shares = None if share is None else np.full(FRAMES, share, np.float32)
    np.testing.assert_allclose(held(change, coded, returned=shares), wanted, atol=1e-5)


def treble_power(frames):
    steep = np.diff(np.pad(frames.astype(np.float64), ((0, 0), (0, 0), (2, 0))), n=2)
    return (steep**2).sum((1, 2))


def test_power_that_is_taken_is_returned_to_where_it_may_sound():
    coded, change = noise(2, FRAMES * HOP), noise(FRAMES, 2, WINDOW, seed=1) * SHAPE
    # A third of the time next to nothing sounds.
    coded.reshape(2, -1, 48)[:, ::3] *= 0.01
    less = treble_power(held(change, coded))
    again = held(change, coded, returned=np.ones(FRAMES, np.float32))
    # The first frame is half silence, more than may be returned.
    assert (less < 0.8 * treble_power(change))[1:].all()
    np.testing.assert_allclose(treble_power(again)[1:], treble_power(change)[1:], rtol=0.05)


def test_no_more_than_6_db_is_returned_of_a_frame_with_a_burst():
    coded = np.zeros((1, FRAMES * HOP), np.float32)
    coded[:, 700:720] = noise(1, 20)
    change = noise(FRAMES, 1, WINDOW, seed=1) * SHAPE
    once, again = held(change, coded), held(change, coded, returned=np.ones(FRAMES, np.float32))
    np.testing.assert_allclose(again, 2.0 * once, rtol=1e-5)


@pytest.mark.parametrize("sizes", [(1,) * FRAMES, (5, 1, 6)], ids=str)
def test_calls_of_any_size_give_the_same_bits(sizes):
    coded, change = noise(2, FRAMES * HOP), noise(FRAMES, 2, WINDOW, seed=1)
    np.testing.assert_array_equal(held(change, coded, sizes), held(change, coded))


def test_a_burst_leaves_nothing_before_itself():
    coded = np.zeros((1, FRAMES * HOP), np.float32)
    coded[:, 700:720] = noise(1, 20)
    frames = held(noise(FRAMES, 1, WINDOW, seed=1) * SHAPE, coded)
    audio = np.zeros((FRAMES + 1) * HOP)
    for number, frame in enumerate(frames):
        audio[number * HOP : number * HOP + WINDOW] += np.abs(frame[0])
    first, last = np.flatnonzero(audio)[[0, -1]] - (WINDOW - HOP)
    assert 700 - 16 <= first <= 700
    assert 720 <= last <= 720 + 20


def test_a_change_that_goes_with_the_signal_is_left_alone():
    coded = noise(2, FRAMES * HOP)
    coded[:, ::3] *= 1e-2
    change = cut(coded) * 0.3
    np.testing.assert_allclose(held(change, coded), change, rtol=1e-5)


def test_before_an_attack_it_stays_farther_below_than_the_smeared_signal():
    coded = noise(1, FRAMES * HOP)
    # 34 dB that a codec left of an attack.
    coded[:, : 6 * HOP + 64] *= 0.02
    change = noise(FRAMES, 1, WINDOW, seed=1) * SHAPE
    left, whole = np.abs(held(change, coded)[6, 0]), np.abs(change[6, 0])
    before, after = (left[i].sum() / whole[i].sum() for i in (slice(40, 150), slice(200, 240)))
    assert -60 < 20 * np.log10(before / after) < -40


def test_nothing_is_made_louder():
    change = noise(FRAMES, 2, WINDOW, seed=1)
    assert (np.abs(held(change, noise(2, FRAMES * HOP))) <= np.abs(change)).all()


def test_where_the_signal_is_silent_nothing_is_left():
    change = noise(FRAMES, 2, WINDOW, seed=1)
    assert not held(change, np.zeros((2, FRAMES * HOP), np.float32)).any()


def test_a_clone_goes_on_alone():
    coded, change = noise(2, FRAMES * HOP), noise(FRAMES, 2, WINDOW, seed=1)
    stream = HoldBack(2, SHAPE, HOP)
    stream.hold_into(change[:6].copy(), coded[:, : 6 * HOP], NONE[:6])
    twin = stream.clone()
    results = []
    for each in (stream, twin):
        frames = change[6:].copy()
        each.hold_into(frames, coded[:, 6 * HOP :], NONE[6:])
        results.append(frames)
    np.testing.assert_array_equal(*results)


def test_shapes_are_checked():
    stream = HoldBack(2, SHAPE, HOP)
    frame, hop = np.zeros((1, 2, WINDOW), np.float32), np.zeros((2, HOP), np.float32)
    with pytest.raises(InvalidValue, match=r"frames: must have shape \(frames, 2, 256\)"):
        stream.hold_into(frame[:, :1], hop, NONE[:1])
    with pytest.raises(InvalidValue, match=r"coded: must have shape \(2, 128\)"):
        stream.hold_into(frame, hop[:, :5], NONE[:1])
    with pytest.raises(InvalidValue, match=r"returned: must have shape \(1,\), got \(2,\)"):
        stream.hold_into(frame, hop, NONE[:2])
