"""Streams and effects whose output is known exactly."""

import itertools

import numpy as np
import pytest

from uncodec.effects.base import Effect


class DelayStream:
    """Delays by `latency_samples` and multiplies by `gain`."""

    def __init__(self, channels, latency, gain):
        self.channels = channels
        self.latency_samples = latency
        self.gain = gain
        self.largest = 0
        self._memory = np.zeros((channels, latency), np.float32)

    def process(self, x):
        assert x.dtype == np.float32
        assert x.flags.c_contiguous
        self.largest = max(self.largest, x.shape[1])
        line = np.concatenate([self._memory, x], axis=1)
        self._memory = line[:, x.shape[1] :].copy()
        return line[:, : x.shape[1]] * np.float32(self.gain)

    def clone(self):
        twin = DelayStream(self.channels, self.latency_samples, self.gain)
        twin._memory = self._memory.copy()
        return twin


class FirStream:
    """A linear-phase filter: its centre tap is `latency_samples` late."""

    def __init__(self, channels, taps):
        self.channels = channels
        self.taps = taps
        self.latency_samples = (len(taps) - 1) // 2
        self._memory = np.zeros((channels, len(taps) - 1), np.float32)

    def process(self, x):
        line = np.concatenate([self._memory, x], axis=1)
        count = x.shape[1]
        self._memory = line[:, count:].copy()
        out = np.zeros((self.channels, count), np.float32)
        # A fixed order of additions, so that the result is the same to the bit for every partition.
        for shift, tap in enumerate(self.taps[::-1]):
            out += tap * line[:, shift : shift + count]
        return out

    def clone(self):
        twin = FirStream(self.channels, self.taps)
        twin._memory = self._memory.copy()
        return twin


class Delayed(Effect):
    """Gain with a latency; `gain` may change at any time."""

    def __init__(self, latency=100, gain=1.0):
        super().__init__()
        self.latency = latency
        self.gain = gain
        self.streams = []

    def _open(self, sample_rate, channels):
        stream = DelayStream(channels, self.latency, self.gain)
        self.streams.append(stream)
        return stream

    def _apply(self, stream):
        stream.gain = self.gain


class Fir(Effect):
    """A linear-phase low-pass filter."""

    def __init__(self, length=61):
        super().__init__()
        self.length = length

    @property
    def taps(self):
        taps = np.hanning(self.length + 2)[1:-1]
        return (taps / taps.sum()).astype(np.float32)

    def _open(self, sample_rate, channels):
        return FirStream(channels, self.taps)


@pytest.fixture(scope="session")
def delayed():
    return Delayed


@pytest.fixture(scope="session")
def fir():
    return Fir


@pytest.fixture(scope="session")
def stream_through():
    """Runs an effect over audio cut at the given places, then flush(), and joins the results."""

    def run(effect, audio, cuts, *, first_resets=False, sample_rate=44100, buffer_size=8192):
        edges = [0, *sorted(cuts), audio.shape[1]]
        parts = []
        for start, stop in itertools.pairwise(edges):
            block = audio[:, start:stop]
            reset = first_resets and start == 0
            parts.append(effect.process(block, sample_rate, buffer_size, reset))
        parts.append(effect.flush())
        return np.concatenate(parts, axis=1)

    return run
