"""Overlap-add: the sum it computes, its tail, its errors, and that no audio call compiles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uncodec._native import InverseFrames, StreamingStft, synthesis_window
from uncodec.errors import InvalidType, InvalidValue
from uncodec.streams import overlap_add
from uncodec.streams.overlap_add import OverlapAdd


def plain_sum(frames, window, hop):
    count, channels, length = frames.shape
    out = np.zeros((channels, (count - 1) * hop + length))
    for number in range(count):
        out[:, number * hop : number * hop + length] += frames[number] * window
    return out


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(1, 48), data=st.data(), channels=st.integers(1, 3), count=st.integers(1, 9)
)
def test_equals_the_plain_sum_for_any_hop_and_split(length, data, channels, count):
    hop = data.draw(st.integers(1, length))
    split = data.draw(st.integers(0, count))
    rng = np.random.default_rng(length * 100 + hop)
    frames = rng.standard_normal((count, channels, length)).astype(np.float32)
    window = rng.random(length).astype(np.float32)
    adder = OverlapAdd(channels, window, hop)
    parts = [adder.add(frames[:split]), adder.add(frames[split:])]
    expected = plain_sum(frames, window, hop)
    np.testing.assert_allclose(
        np.concatenate([*parts, adder.tail], axis=1), expected, rtol=1e-5, atol=1e-5
    )


def test_stft_inverse_and_overlap_add_give_the_input_back():
    rng = np.random.default_rng(0)
    window = np.sqrt(np.hanning(1025)[:-1]).astype(np.float32)
    audio = rng.standard_normal((2, 256 * 40)).astype(np.float32)
    frames = InverseFrames(2, 1024).inverse(StreamingStft(2, window, 256).push(audio))
    out = OverlapAdd(2, synthesis_window(window, 256), 256).add(frames)
    np.testing.assert_allclose(out[:, 768:], audio[:, :-768], atol=2e-6)


def test_clone_and_reset_are_independent():
    frames = np.ones((3, 1, 8), np.float32)
    adder = OverlapAdd(1, np.ones(8, np.float32), 2)
    adder.add(frames)
    twin = adder.clone()
    adder.reset()
    assert not adder.tail.any()
    assert twin.tail.any()
    assert twin.add(frames)[0, 0] == pytest.approx(4.0)
    assert adder.add(frames)[0, 0] == pytest.approx(1.0)


def test_nothing_compiles_after_the_import():
    compiled = set(overlap_add._kernel.signatures)
    OverlapAdd(2, np.ones(16, np.float32), 4).add(np.ones((1, 2, 16), np.float32))
    assert set(overlap_add._kernel.signatures) == compiled
    assert len(compiled) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, np.ones(4, np.float32), 2), "channels=0"),
        ((1, np.ones(4, np.float32), 5), "hop=5"),
        ((1, np.ones(4, np.float32), 0), "hop=0"),
    ],
)
def test_wrong_shapes_of_the_adder_are_refused(arguments, message):
    with pytest.raises(InvalidValue, match=message):
        OverlapAdd(*arguments)


def test_wrong_frames_are_refused_and_change_nothing():
    adder = OverlapAdd(1, np.ones(4, np.float32), 2)
    adder.add(np.ones((1, 1, 4), np.float32))
    tail = adder.tail.copy()
    out = np.empty((1, 2), np.float32)
    with pytest.raises(InvalidValue, match=r"frames: must have shape \(frames, 1, 4\)"):
        adder.add_into(np.ones((1, 2, 4), np.float32), out)
    with pytest.raises(InvalidValue, match=r"out: must have shape \(1, 4\)"):
        adder.add_into(np.ones((2, 1, 4), np.float32), out)
    with pytest.raises(InvalidType, match="frames: must be C-contiguous float32"):
        adder.add_into(np.ones((1, 1, 4)), out)
    np.testing.assert_array_equal(adder.tail, tail)
