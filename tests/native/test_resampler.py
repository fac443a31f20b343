"""The streaming resampler: delay to the sample, against SciPy, and for any partition."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal

from uncodec._native import StreamingResampler, resampler_pair, round_trip_delay
from uncodec.errors import InvalidType, InvalidValue

PAIRS = [
    (44_100, 48_000),
    (88_200, 44_100),
    (96_000, 48_000),
    (192_000, 48_000),
    (22_050, 44_100),
    (8_000, 48_000),
    (16_000, 48_000),
    (32_000, 48_000),
    (32_000, 44_100),
    (48_000, 47_250),
]


def band_limited(samples: int, rate: int, limit_hz: float, seed: int = 0) -> NDArray[np.float32]:
    """Noise without anything above ``limit_hz``, faded in and out: (1, samples)."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(samples))
    spectrum[np.fft.rfftfreq(samples, 1 / rate) > limit_hz] = 0
    noise = np.fft.irfft(spectrum, samples)
    faded = noise / np.abs(noise).max() * signal.windows.hann(samples)
    return np.asarray(faded[None], np.float32)


def null_db(y: NDArray[np.float32], x: NDArray[np.float32]) -> float:
    error = y.astype(np.float64) - x
    return float(10 * np.log10((error**2).mean() / (x.astype(np.float64) ** 2).mean()))


@pytest.mark.parametrize(("rate", "network_rate"), PAIRS)
def test_there_and_back_is_a_delay_of_whole_samples(rate: int, network_rate: int) -> None:
    there, back = resampler_pair(1, rate, network_rate)
    delay = round_trip_delay(rate, network_rate)
    samples = 16 * delay + 4000
    x = band_limited(samples, rate, 0.44 * min(rate, network_rate))
    y = back.push(there.push(x))
    assert y.shape[1] >= samples
    assert null_db(y[:, delay:samples], x[:, : samples - delay]) < -100
    assert null_db(y[:, delay + 1 : samples], x[:, : samples - delay - 1]) > -40


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS + [(b, a) for a, b in PAIRS])
def test_agrees_with_an_independent_implementation(rate_in: int, rate_out: int) -> None:
    """SciPy's polyphase filter with a long window of its own, in double precision."""
    resampler = StreamingResampler(1, rate_in, rate_out)
    common = math.gcd(rate_in, rate_out)
    up, down = rate_out // common, rate_in // common
    x = band_limited(6000, rate_in, 0.44 * min(rate_in, rate_out))
    y = resampler.push(x)[0]
    half = 200 * max(up, down)
    taps = signal.firwin(2 * half + 1, 0.475 * 2 / max(up, down), window=("kaiser", 12.0))
    expected = signal.resample_poly(x[0].astype(np.float64), up, down, window=taps)
    # The delay is a whole number of samples of the higher rate: undo it in the frequency domain.
    seconds = resampler.delay / resampler.delay_rate
    padded = np.concatenate([y, np.zeros(len(y))]).astype(np.float64)
    frequencies = np.fft.rfftfreq(len(padded), 1 / rate_out)
    shifted = np.fft.irfft(
        np.fft.rfft(padded) * np.exp(2j * np.pi * frequencies * seconds), len(padded)
    )
    count = min(len(expected), len(y)) - int(seconds * rate_out) - 1
    assert null_db(shifted[None, :count].astype(np.float32), expected[None, :count]) < -80


@settings(max_examples=40, deadline=None)
@given(
    pair=st.sampled_from(PAIRS),
    channels=st.integers(1, 3),
    cuts=st.lists(st.integers(0, 2000), max_size=8),
    order=st.sampled_from(["C", "F"]),
)
def test_any_partition_gives_the_same_bits(
    pair: tuple[int, int], channels: int, cuts: list[int], order: Literal["C", "F"]
) -> None:
    x = np.random.default_rng(1).standard_normal((channels, 2000)).astype(np.float32)
    resampler = StreamingResampler(channels, *pair)
    whole = resampler.clone().push(x)
    assert whole.shape == (channels, math.ceil(2000 * pair[1] / pair[0]))
    edges = [0, *sorted(cuts), 2000]
    parts = []
    for start, end in pairwise(edges):
        # Parts of longer buffers, in and out: their channels lie apart in memory.
        around = np.full((channels, resampler.output_frames(end - start) + 8), 9, np.float32, order)
        out = around[:, 5:]
        count = resampler.push_into(x[:, start:end], out)
        assert np.all(around[:, :5] == 9)
        assert np.all(out[:, count:] == 9)
        parts.append(out[:, :count])
    assert np.array_equal(np.concatenate(parts, axis=1), whole)
    resampler.reset()
    assert np.array_equal(resampler.push(x), whole)


def test_delays_are_told() -> None:
    resampler = StreamingResampler(2, 44_100, 48_000)
    assert (resampler.channels, resampler.rate_in, resampler.rate_out) == (2, 44_100, 48_000)
    assert (resampler.delay, resampler.delay_rate) == (88, 48_000)
    assert resampler.delay_in == pytest.approx(88 * 44_100 / 48_000)
    resampler = StreamingResampler(2, 44_100, 48_000, delay_rate=44_100)
    assert (resampler.delay, resampler.delay_rate, resampler.delay_in) == (80, 44_100, 80.0)
    there, back = resampler_pair(1, 96_000.0, 44_100)
    assert there.delay_rate == back.delay_rate == 96_000
    assert there.delay + back.delay == round_trip_delay(96_000, 44_100) == 351


def test_equal_rates_pass_through() -> None:
    x = np.random.default_rng(1).standard_normal((2, 100)).astype(np.float32)
    assert round_trip_delay(48_000, 48_000) == 0
    assert np.array_equal(StreamingResampler(2, 48_000, 48_000).push(x), x)


def test_a_clone_is_independent() -> None:
    x = np.random.default_rng(1).standard_normal((1, 3000)).astype(np.float32)
    resampler = StreamingResampler(1, 32_000, 44_100)
    whole = resampler.clone().push(x)
    first = resampler.push(x[:, :1001])
    copy = resampler.clone()
    copy.push(np.ones((1, 77), np.float32))
    assert np.array_equal(np.concatenate([first, resampler.push(x[:, 1001:])], axis=1), whole)


def test_arguments_are_checked() -> None:
    with pytest.raises(InvalidValue, match=r"^rate_in=0: must be a positive whole number"):
        StreamingResampler(1, 0, 48_000)
    with pytest.raises(InvalidValue, match=r"^rate_out=44100\.5: must be a positive whole number"):
        StreamingResampler(1, 48_000, 44_100.5)
    with pytest.raises(InvalidValue, match=r"^rate_out=nan: must be a positive whole number"):
        StreamingResampler(1, 48_000, math.nan)
    with pytest.raises(InvalidType, match=r"^rate_in='48k': must be a number"):
        StreamingResampler(1, "48k", 44_100)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match=r"^delay_rate=1: must be rate_in=2 or rate_out=3$"):
        StreamingResampler(1, 2, 3, delay_rate=1)
    with pytest.raises(InvalidValue, match=r"use rates with a simpler ratio"):
        StreamingResampler(1, 191_999, 192_001)
    with pytest.raises(InvalidValue, match=r"^network_rate=0: must be a positive whole number"):
        round_trip_delay(48_000, 0)
    resampler = StreamingResampler(2, 1, 3)
    x = np.zeros((2, 2), np.float32)
    with pytest.raises(
        InvalidValue, match=r"^out: holds 5 samples per channel, must hold at least 6$"
    ):
        resampler.push_into(x, np.zeros((2, 5), np.float32))
    assert resampler.output_frames(2) == 6
    with pytest.raises(InvalidValue, match=r"x: must have channels=2 on axis 0"):
        resampler.push(x[:1])
    both = np.zeros((2, 6), np.float32)
    with pytest.raises(InvalidValue, match=r"^out: must not overlap the input in memory$"):
        resampler.push_into(both, both)
    with pytest.raises(InvalidValue, match=r"^out: must not overlap the input in memory$"):
        resampler.push_into(both[:, 4:], both[::-1, :5])
    assert resampler.output_frames(2) == 6
