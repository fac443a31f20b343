"""Sources of the delta: any number of samples in, the delta as it becomes ready.

A source hides hops and rates from the stream. Two numbers describe its timing exactly: sample j
that it gives belongs to input sample ``j - delay``, and it has given at least ``n - lead`` samples
after n.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from uncodec._native import StreamingResampler, latency_samples, resampler_pair, round_trip_delay
from uncodec.signals import Array

__all__ = [
    "DeltaSource",
    "Engine",
    "NativeSource",
    "ResampledSource",
]


class DeltaSource(Protocol):
    """What a restoring stream draws its delta from.

    Attributes
    ----------
    channels : int
    delay, lead : int
        In samples; see the module's first lines.
    """

    channels: int
    delay: int
    lead: int

    def push(self, x: Array) -> Array:
        """Take (channels, n) samples, give (channels, m) samples of the delta."""
        ...

    def clone(self) -> DeltaSource:
        """An independent copy of the whole state."""
        ...


class Engine(Protocol):
    """What turns whole hops of audio into a delta, as `uncodec.live.engine.DeltaEngine` does.

    Attributes
    ----------
    channels : int
    hop : int
        Samples per hop.
    delay : int
        The delta lags the input by so many samples.
    """

    channels: int
    hop: int
    delay: int

    def push(self, audio: Array) -> Array:
        """Take [shape=(channels, hops * hop)], give as many samples of the delta."""
        ...

    def clone(self) -> Engine:
        """An independent copy of the whole state."""
        ...


class NativeSource:
    """An engine at its own rate, fed in blocks of any size.

    Parameters
    ----------
    engine : Engine
    """

    def __init__(self, engine: Engine) -> None:
        self.channels = engine.channels
        self.hop = engine.hop
        self.delay = engine.delay
        # The latency law for blocks of any size, less the engine's own part.
        self.lead = latency_samples(0, engine.hop, 1, sample_rate=44100, varying_blocks=True)
        self._engine = engine
        self._waiting: Array = np.zeros((engine.channels, 0), np.float32)

    def push(self, x: Array) -> Array:
        """Take (channels, n) samples, give (channels, m) samples of the delta."""
        joined = np.concatenate([self._waiting, x], axis=1, dtype=np.float32)
        whole = joined.shape[1] // self.hop * self.hop
        self._waiting = joined[:, whole:].copy()
        return self._engine.push(joined[:, :whole])

    def clone(self) -> NativeSource:
        """An independent copy of the whole state."""
        twin = NativeSource(self._engine.clone())
        twin._waiting = self._waiting.copy()
        return twin


class ResampledSource:
    """A native source behind a resampler on either side.

    Parameters
    ----------
    native : DeltaSource
        Not fed yet.
    rate, inner_rate : int
        Of the host and of the network, in Hz.
    """

    def __init__(self, native: DeltaSource, rate: int, inner_rate: int) -> None:
        self.channels = native.channels
        # The network's delay has to be whole at the host's rate too, so it is made a little longer
        # where it is not (an odd rate such as 37.8 kHz).
        padding = 0
        while (native.delay + padding) * rate % inner_rate:
            padding += 1
        inner_delay = (native.delay + padding) * rate // inner_rate
        self.delay = round_trip_delay(rate, inner_rate) + inner_delay
        # After n samples the inner source has had ceil(n * inner / rate), and lacks hop - 1 of them
        # at worst; back at the host's rate that is this many, rounded down.
        self.lead = native.lead * rate // inner_rate
        self._rates = (rate, inner_rate)
        self._native = native
        self._inward: StreamingResampler
        self._outward: StreamingResampler
        self._inward, self._outward = resampler_pair(native.channels, rate, inner_rate)
        self._padding: Array = np.zeros((native.channels, padding), np.float32)

    def push(self, x: Array) -> Array:
        """Take (channels, n) samples, give (channels, m) samples of the delta."""
        inner = self._native.push(self._inward.push(np.ascontiguousarray(x, np.float32)))
        if self._padding.shape[1]:
            joined = np.concatenate([self._padding, inner], axis=1)
            inner = np.ascontiguousarray(joined[:, : inner.shape[1]])
            self._padding = joined[:, inner.shape[1] :].copy()
        return self._outward.push(inner)

    def clone(self) -> ResampledSource:
        """An independent copy of the whole state."""
        twin = ResampledSource(self._native.clone(), *self._rates)
        twin._inward = self._inward.clone()
        twin._outward = self._outward.clone()
        twin._padding = self._padding.copy()
        return twin
