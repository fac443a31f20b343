"""Streams in the delta form: the delayed input, plus what an engine adds to it.

A source draws the delta out of an engine and hides its hops and its rate. Two numbers describe its
timing exactly: sample j that it gives belongs to input sample ``j - delay``, and it has given at
least ``n - lead`` samples after n.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from uncodec._native import StreamingResampler, latency_samples, resampler_pair, round_trip_delay
from uncodec.cloning import Cloneable
from uncodec.parameters import check_amount, check_brightness
from uncodec.signals import Array
from uncodec.streams.brightness import tilt
from uncodec.streams.likening import liken
from uncodec.streams.line import Line
from uncodec.streams.stream import BlockStream

__all__ = ["DeltaSource", "DeltaStream", "Engine", "HopSource", "ResampledSource", "at_rate"]


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

    def push_into(self, audio: Array, out: Array) -> None:
        """Take hops [shape=(channels, hops * hop)], write as many samples of the delta.

        The rows of both may lie apart in memory.
        """
        ...

    def clone(self) -> Engine:
        """An independent copy of the whole state."""
        ...


class DeltaSource(Protocol):
    """What a stream draws its delta from.

    Attributes
    ----------
    channels : int
    delay, lead : int
        In samples; see the module's first lines.
    """

    channels: int
    delay: int
    lead: int

    def push(self, line: Line, count: int, delta: Line) -> None:
        """Take the last `count` samples of `line`, put what is ready of the delta into `delta`.

        At least `lead` samples are before them: a source needs no buffer of its own.
        """
        ...

    def clone(self) -> DeltaSource:
        """An independent copy of the whole state."""
        ...


class HopSource(Cloneable):
    """An engine at its own rate, fed in blocks of any size.

    Parameters
    ----------
    engine : Engine
    """

    def __init__(self, engine: Engine) -> None:
        self.channels = engine.channels
        self.delay = engine.delay
        # The latency law for blocks of any size, less the engine's own part.
        self.lead = latency_samples(0, engine.hop, 1, sample_rate=44100, varying_blocks=True)
        self._engine = engine
        self._waiting = 0

    def tilt(self, brightness_db: float) -> None:
        """Tilt what comes from now on; an error for engines that cannot."""
        tilt(self._engine, brightness_db)

    def liken(self, amount: float) -> None:
        """Draw what comes from now on so far towards the engine's reference."""
        liken(self._engine, amount)

    def push(self, line: Line, count: int, delta: Line) -> None:
        """Take samples and put what is ready of the delta into `delta`."""
        self._waiting += count
        first = len(line) - self._waiting
        self._waiting %= self._engine.hop
        stop = len(line) - self._waiting
        if stop > first:
            self._engine.push_into(line.view(first, stop), delta.room(stop - first))


class ResampledSource(Cloneable):
    """A source behind a resampler on either side.

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
        self._native = native
        self._inward: StreamingResampler
        self._outward: StreamingResampler
        self._inward, self._outward = resampler_pair(native.channels, rate, inner_rate)
        self._line = Line(native.channels, native.lead)
        self._delta = Line(native.channels, padding)
        self._padding = padding

    def tilt(self, brightness_db: float) -> None:
        """Tilt what comes from now on; an error for sources that cannot."""
        tilt(self._native, brightness_db)

    def liken(self, amount: float) -> None:
        """Draw what comes from now on so far towards the engine's reference."""
        liken(self._native, amount)

    def push(self, line: Line, count: int, delta: Line) -> None:
        """Take samples and put what is ready of the delta into `delta`."""
        ready = self.take(line.view(len(line) - count, len(line)))
        self.give_into(delta.room(ready))

    def take(self, x: Array) -> int:
        """Take (channels, n) samples; how many of the delta are ready then."""
        count = self._inward.output_frames(x.shape[1])
        self._inward.push_into(x, self._line.room(count))
        self._native.push(self._line, count, self._delta)
        self._line.drop(count)
        return self._outward.output_frames(len(self._delta) - self._padding)

    def give_into(self, out: Array) -> None:
        """Write all that is ready of the delta."""
        ready = len(self._delta) - self._padding
        self._outward.push_into(self._delta.view(0, ready), out)
        self._delta.drop(ready)


def at_rate(source: DeltaSource, rate: float, inner_rate: int) -> DeltaSource:
    """A source of `inner_rate` Hz for a host of `rate` Hz; itself where they agree."""
    return source if rate == inner_rate else ResampledSource(source, int(rate), inner_rate)


class DeltaStream(BlockStream):
    """Delayed input plus `amount` times the delta.

    Parameters
    ----------
    source : DeltaSource
    amount : float
        From 0 to 1. At 0 the delayed input comes back bit for bit.
    brightness_db : float
        Tilts the delta, from -12 to 12 dB; see `uncodec.streams.brightness`.

    Attributes
    ----------
    amount : float
        May be changed between calls.

    Raises
    ------
    InvalidValue
        `amount` or `brightness_db` is out of range, or the source cannot tilt its delta.
    """

    def __init__(
        self, source: DeltaSource, amount: float = 1.0, brightness_db: float = 0.0
    ) -> None:
        self.channels = source.channels
        self.amount = check_amount(amount)
        self.latency_samples = source.delay + source.lead
        self._source = source
        self._dry = Line(self.channels, self.latency_samples)
        self._delta = Line(self.channels, source.lead)
        self._brightness_db = 0.0
        self.brightness_db = brightness_db

    @property
    def brightness_db(self) -> float:
        """Tilt of the delta in dB; another one holds for what is computed from now on."""
        return self._brightness_db

    @brightness_db.setter
    def brightness_db(self, value: float) -> None:
        value = check_brightness(value)
        if value != self._brightness_db:
            tilt(self._source, value)
            self._brightness_db = value

    def process_into(self, x: Array, out: Array) -> None:
        """Take (channels, n) float32 samples and write as many."""
        count = x.shape[1]
        self._dry.append(x)
        self._source.push(self._dry, count, self._delta)
        out[:] = self._dry.view(0, count)
        if self.amount > 0.0:
            delta = self._delta.view(0, count)
            delta *= np.float32(self.amount)
            out += delta
        self._dry.drop(count)
        self._delta.drop(count)
