"""The one driver: whatever is pushed, what comes out is aligned and exactly as long."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uncodec.streams.aligned import AlignedStream, RateConverter, converted_length, through
from uncodec.streams.line import Line
from uncodec.streams.stream import BlockStream, run_into


class Delay(BlockStream):
    """Late by so many samples, and half as loud."""

    def __init__(self, channels, latency):
        self.channels, self.latency_samples = channels, latency
        self.longest = 0
        self._line = Line(channels, latency)

    def process_into(self, x, out):
        self.longest = max(self.longest, x.shape[1])
        self._line.delay_into(x, out)
        out *= np.float32(0.5)

    def clone(self):
        twin = Delay(self.channels, self.latency_samples)
        twin._line = self._line.clone()
        return twin


class Plain:
    """The same, as someone writes it who knows nothing of buffers."""

    def __init__(self, channels, latency):
        self.channels, self.latency_samples = channels, latency
        self._past = np.zeros((channels, latency), np.float32)

    def process(self, x):
        assert x.flags.c_contiguous
        line = np.concatenate([self._past, x], axis=1)
        self._past = line[:, x.shape[1] :]
        return 0.5 * line[:, : x.shape[1]]

    def clone(self):
        twin = Plain(self.channels, self.latency_samples)
        twin._past = self._past
        return twin


def noise(samples, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((channels, samples)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 600), max_size=8),
    latency=st.integers(0, 900),
    size=st.integers(1, 700),
)
@pytest.mark.parametrize("kind", [Delay, Plain])
def test_blocks_join_to_the_input(kind, cuts, latency, size):
    audio = noise(600)
    driver = AlignedStream(kind(2, latency))
    parts = [driver.push(part, size) for part in np.split(audio, sorted(cuts), axis=1)]
    given_so_far = sum(part.shape[1] for part in parts)
    assert given_so_far == max(0, 600 - latency)
    result = np.concatenate([*parts, driver.finish(size)], axis=1)
    np.testing.assert_array_equal(result, 0.5 * audio)


@pytest.mark.parametrize("latency", [0, 30, 500])
def test_a_whole_signal_may_be_followed_by_more(latency):
    audio = noise(900)
    driver = AlignedStream(Delay(2, latency))
    parts = [driver.whole(audio[:, :300]), driver.push(audio[:, 300:700])]
    parts += [driver.push(audio[:, 700:]), driver.finish()]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), 0.5 * audio)


def test_no_block_is_longer_than_asked_for_and_parameters_come_before_each():
    stream, seen = Delay(2, 10), []
    driver = AlignedStream(stream, seen.append)
    driver.push(noise(100), 32)
    assert stream.longest == 32
    assert seen == [stream] * 4


def test_a_copy_neither_moves_the_original_nor_hands_out_parameters():
    seen = []
    driver = AlignedStream(Delay(1, 20), seen.append)
    audio = noise(100, 1)
    head = driver.push(audio[:, :50])
    twin = driver.clone()
    rest = [twin.push(audio[:, 50:]), twin.finish()]
    assert len(seen) == 1
    again = [driver.push(audio[:, 50:]), driver.finish()]
    for parts in (rest, again):
        np.testing.assert_array_equal(np.concatenate([head, *parts], axis=1), 0.5 * audio)


def test_a_stream_may_write_into_rows_that_lie_apart():
    wide = noise(40, 4)
    for stream in (Delay(2, 0), Plain(2, 0)):
        out = np.zeros((4, 80), np.float32)
        run_into(stream, wide[::2], out[1:3, 10:50])
        np.testing.assert_array_equal(out[1:3, 10:50], 0.5 * wide[::2])


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 5000), max_size=6))
@pytest.mark.parametrize(("rate_in", "rate_out"), [(44100, 48000), (48000, 44100), (8000, 48000)])
def test_a_converted_rate_is_aligned_and_as_long(rate_in, rate_out, cuts):
    time = np.arange(5000) / rate_in
    audio = np.sin(2 * np.pi * 500 * time)[None].astype(np.float32)
    converter = RateConverter(1, rate_in, rate_out)
    blocks = np.split(audio, sorted(cuts), axis=1)
    result = np.concatenate(list(through(blocks, converter)), axis=1)
    assert result.shape == (1, converted_length(5000, rate_in, rate_out))
    wanted = np.sin(2 * np.pi * 500 * np.arange(result.shape[1]) / rate_out)
    inner = slice(result.shape[1] // 10, -result.shape[1] // 10)
    np.testing.assert_allclose(result[0, inner], wanted[inner], atol=2e-3)


@pytest.mark.parametrize("samples", [0, 1, 3])
def test_next_to_nothing_is_converted_too(samples):
    converter = RateConverter(2, 44100, 48000)
    result = np.concatenate(list(through([noise(samples)], converter)), axis=1)
    assert result.shape == (2, samples)
