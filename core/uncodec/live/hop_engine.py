"""Engines that run hop by hop: what live sessions and the core are built on."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from uncodec.balance import Like
from uncodec.cloning import Cloneable
from uncodec.errors import InvalidValue
from uncodec.live.engine import DeltaEngine
from uncodec.networks import LoadedModel
from uncodec.rates import network_rate
from uncodec.signals import Array
from uncodec.streams.brightness import tilt
from uncodec.streams.delta import Engine, HopSource, ResampledSource
from uncodec.streams.likening import liken
from uncodec.streams.line import Line

__all__ = ["HopEngine", "PassingEngine", "ResampledEngine", "restoring_engine"]


class HopEngine(Engine, Protocol):
    """What a live session runs on, one hop at a time.

    Attributes
    ----------
    tail_length : int
        Samples of the delta that lie unfinished behind the last hop.
    """

    tail_length: int

    def tail_into(self, out: Array) -> None:
        """Write what a next hop would be added to; [shape=(channels, tail_length)], float32."""
        ...

    def clone(self) -> HopEngine:
        """An independent copy of the whole state."""
        ...


class ResampledEngine(Cloneable):
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

    def tilt(self, brightness_db: float) -> None:
        """Tilt what comes from now on; an error for sources that cannot."""
        tilt(self._source, brightness_db)

    def liken(self, amount: float) -> None:
        """Draw what comes from now on so far towards the engine's reference."""
        liken(self._source, amount)

    def push_into(self, audio: Array, out: Array) -> None:
        """Consume a hop, write a hop of the delta."""
        ready = self._source.take(audio)
        if ready != out.shape[1]:
            raise InvalidValue(
                f"hop={self.hop}: must last a whole number of the network's hops; "
                f"{ready} samples came for {out.shape[1]}"
            )
        self._source.give_into(out)

    def tail_into(self, out: Array) -> None:
        """Write nothing."""


def restoring_engine(
    model: LoadedModel,
    *,
    sample_rate: float,
    hop: int,
    channels: int,
    seed: int = 0,
    like: Like | None = None,
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
    like : Like, optional
        Draws what is added towards a reference.

    Raises
    ------
    InvalidValue
        An argument breaks its rule.
    """
    inner_rate = network_rate(sample_rate)
    engine = DeltaEngine(model, channels, seed, inner_rate, like)
    if inner_rate != sample_rate:
        source = ResampledSource(HopSource(engine), int(sample_rate), inner_rate)
        return ResampledEngine(source, hop)
    if hop != engine.hop:
        raise InvalidValue(f"hop={hop}: must be the model's, {engine.hop} samples")
    return engine


class PassingEngine(Cloneable):
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
        self._past = Line(channels, delay)
        phase = (np.arange(delay) + 0.5) / max(delay, 1)
        self._fall: Array = np.cos(0.5 * np.pi * phase).astype(np.float32) ** 2

    def push_into(self, audio: Array, out: Array) -> None:
        """Consume a hop, write a hop of the delta."""
        self._past.delay_into(audio, out)

    def tail_into(self, out: Array) -> None:
        """Write what a next hop would be added to."""
        np.multiply(self._past.view(0, self.delay), self._fall, out=out)
