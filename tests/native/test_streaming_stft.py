"""The streaming STFT and its inverse against numpy.fft, for any partition of the stream."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from uncodec._native import InverseFrames, StreamingStft, synthesis_window
from uncodec.errors import InvalidType, InvalidValue

Samples = NDArray[np.float32]


def noise(channels: int, samples: int, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((channels, samples)).astype(np.float32)


def root_hann(length: int) -> Samples:
    return np.sin(np.pi * np.arange(length) / length).astype(np.float32)


def low_delay_window(length: int, fall: int) -> Samples:
    """Rises slowly, falls over the last ``fall`` samples only."""
    rise = length - fall
    up = np.sin(np.pi / 2 * (np.arange(rise) + 0.5) / rise)
    down = np.cos(np.pi / 2 * (np.arange(fall) + 0.5) / fall)
    return np.concatenate([up, down]).astype(np.float32)


def reference_frames(x: Samples, window: Samples, hop: int) -> NDArray[np.complex128]:
    length = len(window)
    padded = np.concatenate([np.zeros((len(x), length), np.float32), x], axis=1)
    frames = [
        np.fft.rfft(padded[:, (k + 1) * hop : (k + 1) * hop + length] * window)
        for k in range(x.shape[1] // hop)
    ]
    shape = (len(frames), len(x), length // 2 + 1)
    return np.asarray(frames, np.complex128).reshape(shape)


def overlap_add(frames: Samples, synthesis: Samples, hop: int) -> NDArray[np.float64]:
    """Sample n of the input comes out at place n + N."""
    count, channels, length = frames.shape
    out = np.zeros((channels, length + count * hop + length))
    for k in range(count):
        out[:, (k + 1) * hop : (k + 1) * hop + length] += frames[k] * synthesis
    return out


@pytest.mark.parametrize(
    ("length", "hop"), [(1024, 256), (882, 441), (768, 256), (509, 100), (33, 7), (16, 40), (1, 1)]
)
def test_frames_equal_numpy(length: int, hop: int) -> None:
    x = noise(2, 4000)
    window = noise(1, length, seed=1)[0]
    stft = StreamingStft(2, window, hop)
    spectra = stft.push(x)
    expected = reference_frames(x, window, hop)
    assert spectra.dtype == np.complex64
    assert spectra.shape == expected.shape
    assert spectra.flags.c_contiguous
    assert np.abs(spectra - expected).max() < 2e-6 * length
    assert stft.pending == 4000 % hop
    assert (stft.channels, stft.window_length, stft.hop) == (2, length, hop)
    assert stft.bins == length // 2 + 1


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(1, 64),
    hop=st.integers(1, 80),
    channels=st.integers(1, 3),
    cuts=st.lists(st.integers(0, 500), max_size=8),
)
def test_any_partition_gives_the_same_bits(
    length: int, hop: int, channels: int, cuts: list[int]
) -> None:
    x = noise(channels, 500)
    stft = StreamingStft(channels, noise(1, length, seed=2)[0], hop)
    whole = stft.clone().push(x)
    edges = [0, *sorted(cuts), 500]
    parts = []
    for start, end in pairwise(edges):
        block = np.ascontiguousarray(x[:, start:end])
        out = np.full((stft.frames_for(end - start) + 1, channels, stft.bins), 7, np.complex64)
        count = stft.push_into(block, out)
        assert count == len(out) - 1
        assert np.all(out[count:] == 7), "frames that were not needed are left alone"
        parts.append(out[:count])
    assert np.array_equal(np.concatenate(parts), whole)


def test_inverse_equals_numpy() -> None:
    for length in (1024, 441, 1):
        inverse = InverseFrames(2, length)
        rng = np.random.default_rng(3)
        shape = (5, 2, inverse.bins)
        spectra = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(
            np.complex64
        )
        expected = np.fft.irfft(spectra, length)
        frames = inverse.inverse(spectra)
        assert frames.dtype == np.float32
        assert np.abs(frames - expected).max() < 1e-6
        out = np.empty_like(frames)
        inverse.inverse_into(spectra, out)
        assert np.array_equal(out, frames)
        assert np.array_equal(inverse.clone().inverse(spectra), frames)


@settings(max_examples=40, deadline=None)
@given(hop=st.integers(2, 64), overlap=st.integers(2, 5), longer=st.integers(0, 200))
def test_window_pairs_reconstruct(hop: int, overlap: int, longer: int) -> None:
    """Symmetric pairs, and asymmetric ones whose delay is that of the short window."""
    short = hop * overlap
    window = root_hann(short) if longer == 0 else low_delay_window(short + longer, short // 2)
    synthesis = synthesis_window(window, hop, short)
    length = len(window)
    assert synthesis.dtype == np.float32
    assert not synthesis[: length - short].any()
    x = noise(2, 10 * length)
    frames = InverseFrames(2, length).inverse(StreamingStft(2, window, hop).push(x))
    y = overlap_add(frames, synthesis, hop)
    # The newest frame ends at the newest whole hop; what lies `short` before it is complete.
    complete = x.shape[1] // hop * hop - short
    assert np.abs(y[:, length : length + complete] - x[:, :complete]).max() < 2e-5


def test_low_delay_pair_is_complete_after_the_short_window() -> None:
    """An asymmetric pair delays by its synthesis window, not by its analysis window."""
    window, hop, short = low_delay_window(1024, 128), 128, 256
    synthesis = synthesis_window(window, hop, short)
    stft, inverse = StreamingStft(1, window, hop), InverseFrames(1, 1024)
    x = noise(1, 40 * hop)
    tail = np.zeros(short)
    out = []
    for start in range(0, x.shape[1], hop):
        frame = inverse.inverse(stft.push(x[:, start : start + hop]))[0, 0]
        tail = np.concatenate([tail[hop:], np.zeros(hop)]) + (frame * synthesis)[-short:]
        out.append(tail[:hop].copy())
    y = np.concatenate(out)
    assert np.abs(y[short - hop :] - x[0, : len(y) - (short - hop)]).max() < 1e-5


def test_root_hann_is_its_own_dual() -> None:
    window = root_hann(512)
    assert np.allclose(synthesis_window(window, 256), window, atol=1e-6)
    assert np.allclose(synthesis_window(window, 128), window / 2, atol=1e-6)


def test_a_clone_is_independent() -> None:
    x = noise(1, 1000)
    stft = StreamingStft(1, root_hann(64), 16)
    stft.push(x[:, :333])
    copy = stft.clone()
    copy.push(noise(1, 50, seed=9))
    rest = stft.push(x[:, 333:])
    fresh = StreamingStft(1, root_hann(64), 16)
    assert np.array_equal(rest, fresh.push(x)[333 // 16 :])
    copy.reset()
    assert copy.pending == 0
    assert np.array_equal(copy.push(x), StreamingStft(1, root_hann(64), 16).push(x))


def test_push_takes_any_memory_order() -> None:
    x = noise(2, 600)
    stft = StreamingStft(2, root_hann(64), 16)
    expected = stft.clone().push(np.ascontiguousarray(x[:, ::2]))
    assert np.array_equal(stft.clone().push(x[:, ::2]), expected)
    assert np.array_equal(stft.push(np.asfortranarray(x[:, ::2])), expected)


def test_input_may_be_read_only() -> None:
    x = noise(2, 64)
    x.flags.writeable = False
    stft = StreamingStft(2, root_hann(64), 64)
    out = np.zeros((1, 2, 33), np.complex64)
    assert stft.push_into(x, out) == 1
    assert np.array_equal(stft.clone().push(x), out)


def test_an_empty_block_is_a_block() -> None:
    stft = StreamingStft(2, root_hann(8), 4)
    assert stft.push(np.zeros((2, 0), np.float32)).shape == (0, 2, 5)
    assert stft.push_into(np.zeros((2, 0), np.float32), np.zeros((0, 2, 5), np.complex64)) == 0
    assert InverseFrames(2, 8).inverse(np.zeros((0, 2, 5), np.complex64)).shape == (0, 2, 8)


def test_a_short_output_is_refused_and_nothing_is_consumed() -> None:
    stft = StreamingStft(1, root_hann(8), 4)
    stft.push(np.zeros((1, 3), np.float32))
    with pytest.raises(InvalidValue, match=r"out: holds 1 frames, must hold at least 2"):
        stft.push_into(np.zeros((1, 5), np.float32), np.zeros((1, 1, 5), np.complex64))
    assert stft.pending == 3


def test_arguments_are_checked() -> None:
    window = root_hann(8)
    stft, inverse = StreamingStft(2, window, 4), InverseFrames(2, 8)
    x, out = np.zeros((2, 4), np.float32), np.zeros((1, 2, 5), np.complex64)
    with pytest.raises(InvalidValue, match=r"^channels=0: must be a positive integer$"):
        StreamingStft(0, window, 4)
    with pytest.raises(InvalidValue, match=r"^hop=-1: must be a positive integer$"):
        StreamingStft(2, window, -1)
    with pytest.raises(InvalidType, match=r"^hop=4\.0: must be a positive integer$"):
        StreamingStft(2, window, 4.0)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match=r"^channels=1025: must be in 1..=1024$"):
        StreamingStft(1025, window, 4)
    with pytest.raises(InvalidValue, match=r"^window\[2\]=NaN: must be finite$"):
        StreamingStft(2, np.array([1, 1, np.nan], np.float32), 4)
    with pytest.raises(InvalidValue, match=r"^window_length=0: "):
        StreamingStft(2, window[:0], 4)
    with pytest.raises(InvalidType, match=r"x: must be an array of float32, got float64"):
        stft.push(x.astype(np.float64))
    with pytest.raises(InvalidType, match=r"x: must be a NumPy array, got list"):
        stft.push([[0.0], [0.0]])  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match=r"shape \(channels, samples\), got 1 axes"):
        stft.push(x[0])
    with pytest.raises(
        InvalidValue, match=r"x: must have channels=2 on axis 0, got shape \[1, 4\]"
    ):
        stft.push(x[:1])
    with pytest.raises(InvalidValue, match=r"x: must be C-contiguous"):
        stft.push_into(np.zeros((2, 8), np.float32)[:, ::2], out)
    with pytest.raises(InvalidValue, match=r"out: must be C-contiguous"):
        stft.push_into(x, np.zeros((5, 2, 1), np.complex64).T)
    with pytest.raises(InvalidType, match=r"out: must be an array of complex64, got complex128"):
        stft.push_into(x, out.astype(np.complex128))
    with pytest.raises(InvalidValue, match=r"out: must have bins=5 on axis 2"):
        stft.push_into(x, np.zeros((1, 2, 4), np.complex64))
    with pytest.raises(InvalidValue, match=r"spectra: must have bins=5 on axis 2"):
        inverse.inverse(np.zeros((1, 2, 6), np.complex64))
    with pytest.raises(InvalidValue, match=r"out: must have frames=1 on axis 0"):
        inverse.inverse_into(out, np.zeros((2, 2, 8), np.float32))
    locked = out.copy()
    locked.flags.writeable = False
    with pytest.raises(InvalidValue, match=r"out: must be writable"):
        stft.push_into(x, locked)


def test_an_output_that_overlaps_the_input_is_refused() -> None:
    memory = np.zeros(64, np.float32)
    stft, inverse = StreamingStft(1, root_hann(8), 4), InverseFrames(1, 8)
    block, spectra = memory[:4].reshape(1, 4), memory[:10].view(np.complex64).reshape(1, 1, 5)
    with pytest.raises(InvalidValue, match=r"^out: must not overlap the input in memory$"):
        stft.push_into(block, spectra)
    assert stft.pending == 0
    with pytest.raises(InvalidValue, match=r"^out: must not overlap the input in memory$"):
        inverse.inverse_into(spectra, memory[9:17].reshape(1, 1, 8))
    inverse.inverse_into(spectra, memory[10:18].reshape(1, 1, 8))
    # What is empty overlaps nothing.
    stft.push_into(block[:, 2:2], memory[:0].view(np.complex64).reshape(0, 1, 5))


def test_window_pairs_that_cannot_work_are_refused() -> None:
    with pytest.raises(InvalidValue, match=r"^hop=9: must be in 1..=8"):
        synthesis_window(root_hann(8), 9)
    with pytest.raises(InvalidValue, match=r"^synthesis_length=9: must be in 1..=8"):
        synthesis_window(root_hann(8), 2, 9)
    with pytest.raises(InvalidValue, match=r"^analysis: samples at 0 "):
        synthesis_window(root_hann(8), 8)


def test_results_too_large_for_memory_are_a_memory_error() -> None:
    stft = StreamingStft(1, np.ones(1 << 22, np.float32), 1)
    with pytest.raises(MemoryError, match=r"cannot allocate"):
        stft.push(np.zeros((1, 1 << 24), np.float32))
    assert stft.pending == 0
