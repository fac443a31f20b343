"""Engines that run hop by hop: what live sessions and the core are built on."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from uncodec.errors import InvalidValue
from uncodec.live.engine import DeltaEngine
from uncodec.live.source import NativeSource, ResampledSource
from uncodec.networks import LoadedModel
from uncodec.rates import network_rate
from uncodec.signals import Array

__all__ = ["HopEngine", "PassingEngine", "ResampledEngine", "RestoringEngine", "restoring_engine"]


class HopEngine(Protocol):
    """What a live session runs on: hops of audio in, hops of delta out.

    Attributes
    ----------
    channels : int
    hop : int
        Samples per hop.
    delay : int
        The delta lags the input by so many samples.
    tail_length : int
        Samples of the delta that lie unfinished behind the last hop.
    """

    channels: int
    hop: int
    delay: int
    tail_length: int

    def push_into(self, audio: Array, out: Array) -> None:
        """Consume a hop, write a hop of the delta; both [shape=(channels, hop)], float32."""
        ...

    def tail_into(self, out: Array) -> None:
        """Write what a next hop would be added to; [shape=(channels, tail_length)], float32."""
        ...

    def clone(self) -> HopEngine:
        """An independent copy of the whole state."""
        ...


class RestoringEngine:
    """A `DeltaEngine` as a live session wants it.

    Parameters
    ----------
    engine : DeltaEngine
    """

    def __init__(self, engine: DeltaEngine) -> None:
        self.channels = engine.channels
        self.hop = engine.hop
        self.delay = engine.delay
        self.tail_length = engine.delay
        self._engine = engine
        # The engine's own buffer: written in place by every hop, and never replaced.
        self._tail = engine.tail

    def push_into(self, audio: Array, out: Array) -> None:
        """Consume a hop, write a hop of the delta."""
        self._engine.push_into(audio, out)

    def tail_into(self, out: Array) -> None:
        """Write what a next hop would be added to."""
        if self.channels == 2:
            np.add(self._tail[0], self._tail[1], out=out[0])
            np.subtract(self._tail[0], self._tail[1], out=out[1])
        else:
            out[:] = self._tail

    def clone(self) -> RestoringEngine:
        """An independent copy of the whole state."""
        return RestoringEngine(self._engine.clone())


class ResampledEngine:
    """A source at another rate, in hops after which it has given as many samples as it took.

    Parameters
    ----------
    source : ResampledSource
        Not fed yet.
    hop : int
        Samples per hop at the host's rate: a whole number of the network's hops, so that nothing
        stays behind.
    """

    def __init__(self, source: ResampledSource, hop: int) -> None:
        self.channels = source.channels
        self.hop = hop
        self.delay = source.delay
        # Behind a resampler the unfinished overlap-add is not at hand.
        self.tail_length = 0
        self._source = source

    def push_into(self, audio: Array, out: Array) -> None:
        """Consume a hop, write a hop of the delta."""
        delta = self._source.push(audio)
        if delta.shape != out.shape:
            raise InvalidValue(
                f"hop={self.hop}: must last a whole number of the network's hops; "
                f"{delta.shape[1]} samples came for {out.shape[1]}"
            )
        out[:] = delta

    def tail_into(self, out: Array) -> None:
        """Write nothing."""

    def clone(self) -> ResampledEngine:
        """An independent copy of the whole state."""
        return ResampledEngine(self._source.clone(), self.hop)


def restoring_engine(
    model: LoadedModel, *, sample_rate: float, hop: int, channels: int, seed: int = 0
) -> HopEngine:
    """The engine for a host's rate.

    Parameters
    ----------
    model : LoadedModel
    sample_rate : float
        In Hz, a whole number from 8000 to 384000.
    hop : int
        The model's own at 44.1 and 48 kHz, else as of `ResampledEngine`.
    channels : int
        1 or 2.
    seed : int
        Of the noise.

    Raises
    ------
    InvalidValue
        An argument breaks its rule.
    """
    inner_rate = network_rate(sample_rate)
    engine = DeltaEngine(model, channels, seed)
    if inner_rate != sample_rate:
        source = ResampledSource(NativeSource(engine), int(sample_rate), inner_rate)
        return ResampledEngine(source, hop)
    if hop != engine.hop:
        raise InvalidValue(f"hop={hop}: must be the model's, {engine.hop} samples")
    return RestoringEngine(engine)


class PassingEngine:
    """An engine whose delta is its input, so that timing can be seen: wet is twice dry, exactly.

    Parameters
    ----------
    channels, hop, delay : int
        As those of the engine it stands for.
    """

    def __init__(self, channels: int, hop: int, delay: int) -> None:
        self.channels = channels
        self.hop = hop
        self.delay = delay
        self.tail_length = delay
        self._past: Array = np.zeros((channels, delay), np.float32)
        phase = (np.arange(delay) + 0.5) / max(delay, 1)
        self._fall: Array = np.cos(0.5 * np.pi * phase).astype(np.float32) ** 2

    def push_into(self, audio: Array, out: Array) -> None:
        """Consume a hop, write a hop of the delta."""
        line = np.concatenate([self._past, audio], axis=1)
        out[:] = line[:, : self.hop]
        self._past = line[:, self.hop :]

    def tail_into(self, out: Array) -> None:
        """Write what a next hop would be added to."""
        np.multiply(self._past, self._fall, out=out)

    def clone(self) -> PassingEngine:
        """An independent copy of the whole state."""
        twin = PassingEngine(self.channels, self.hop, self.delay)
        twin._past = self._past
        return twin
