"""The one driver: it makes the output of a late stream aligned to the input, and as long as it.

Arrays, files and blocks all run through it. It knows which input positions it has given back: the
results of any sequence of calls join without a gap.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import Literal, Protocol

import numpy as np

from uncodec._native import StreamingResampler
from uncodec.signals import Array
from uncodec.streams.stream import Stream, run_into

__all__ = [
    "BUFFER_SIZE",
    "Aligned",
    "AlignedStream",
    "Driven",
    "RateConverter",
    "converted_length",
    "through",
]

BUFFER_SIZE = 8192
"""Samples per block of a stream unless the caller says otherwise; pedalboard's number."""


class Driven(Protocol):
    """Takes blocks and gives what is ready; all (channels, samples) float32."""

    def push(self, audio: Array, /) -> Array:
        """Take the next samples and give what is ready of the positions not given yet."""
        ...

    def finish(self) -> Array:
        """Give every position not given yet, as though silence followed."""
        ...


def through(blocks: Iterable[Array], driven: Driven) -> Iterator[Array]:
    """Run blocks through something, to its end."""
    for block in blocks:
        yield driven.push(block)
    yield driven.finish()


class Aligned(ABC):
    """One stage that runs. All arrays are (channels, samples) float32.

    The first call is either `whole` or `push`; after that `push`, any number of times; `finish` is
    the last. The results together are aligned to the input and hold no position twice.
    """

    @property
    @abstractmethod
    def latency(self) -> int:
        """Samples by which this stage is late, as far as it is known now."""

    @property
    @abstractmethod
    def holds(self) -> bool:
        """Whether samples may stay inside between two calls of `push`."""

    @property
    def continues(self) -> bool:
        """Whether `push` may follow `whole` without hearing the silence that ended it."""
        return True

    @property
    def streams(self) -> bool:
        """Whether `push` is possible at all."""
        return True

    @property
    def copyable(self) -> bool:
        """Whether `clone` is possible."""
        return False

    def clone(self) -> Aligned:
        """An independent copy of the whole state."""
        raise NotImplementedError(f"{type(self).__name__} cannot be copied")

    @abstractmethod
    def whole(self, audio: Array, size: int = BUFFER_SIZE) -> Array:
        """Take the first samples and give as many, the last of them as though silence followed."""

    @abstractmethod
    def push(self, audio: Array, size: int = BUFFER_SIZE) -> Array:
        """Take the next samples, at most `size` at once, and give what is ready."""

    @abstractmethod
    def finish(self, size: int = BUFFER_SIZE) -> Array:
        """Give every position not given yet, as though silence followed."""


def _room_like(audio: Array, samples: int) -> Array:
    """Room for a result in the memory order of what came: a caller's layout costs no copy."""
    order: Literal["F", "C"] = "F" if audio.flags.fnc else "C"
    return np.empty((audio.shape[0], samples), np.float32, order)


class AlignedStream(Aligned):
    """Runs a `Stream`.

    Parameters
    ----------
    stream : Stream
        In its initial state.
    before_block : callable, optional
        Called with the stream before every block, to hand it the parameters of the moment.
    """

    def __init__(
        self, stream: Stream, before_block: Callable[[Stream], None] = lambda stream: None
    ) -> None:
        self._stream = stream
        self._before_block = before_block
        self._latency = stream.latency_samples
        # Samples of the output that are not for any position of the input.
        self._skip = self._latency

    @property
    def latency(self) -> int:
        return self._latency

    @property
    def holds(self) -> bool:
        return self._latency > 0

    @property
    def copyable(self) -> bool:
        return True

    def clone(self) -> AlignedStream:
        twin = copy(self)
        twin._stream = self._stream.clone()
        # The copy has the parameters; and an effect must not take it for its running stream, which
        # it may remember.
        twin._before_block = lambda stream: None
        return twin

    def whole(self, audio: Array, size: int = BUFFER_SIZE) -> Array:
        out = _room_like(audio, audio.shape[1])
        ready = max(0, audio.shape[1] - self._latency)
        self._run(audio, out[:, :ready], size)
        if self._latency:
            # The silence goes through a copy. The stream itself has seen the true samples only, so
            # the next call carries on as though this one had not needed an end.
            self.clone()._run(self._silence(), out[:, ready:], size)
            self._skip = self._latency
        return out

    def push(self, audio: Array, size: int = BUFFER_SIZE) -> Array:
        out = _room_like(audio, max(0, audio.shape[1] - self._skip))
        self._run(audio, out, size)
        return out

    def finish(self, size: int = BUFFER_SIZE) -> Array:
        return self.push(self._silence(), size)

    def _silence(self) -> Array:
        return np.zeros((self._stream.channels, self._latency), np.float32)

    def _run(self, audio: Array, out: Array, size: int) -> None:
        """Take samples; write what they bring behind those that are to be skipped."""
        for start in range(0, audio.shape[1], size):
            self._before_block(self._stream)
            block = audio[:, start : start + size]
            skipped = min(self._skip, block.shape[1])
            self._skip -= skipped
            place = out[:, : block.shape[1] - skipped]
            out = out[:, block.shape[1] - skipped :]
            if skipped:
                late: Array = np.empty(block.shape, np.float32)
                run_into(self._stream, block, late)
                place[:] = late[:, skipped:]
            else:
                run_into(self._stream, block, place)


def converted_length(samples: int, rate_in: int, rate_out: int) -> int:
    """Samples that `samples` samples become when their rate is converted, to the nearest."""
    return (2 * samples * rate_out + rate_in) // (2 * rate_in)


class RateConverter:
    """Converts the rate of a stream, its delay removed.

    Parameters
    ----------
    channels : int
    rate_in, rate_out : int
        In Hz.
    """

    def __init__(self, channels: int, rate_in: int, rate_out: int) -> None:
        # With the delay a whole number of samples of the result, removing it moves nothing.
        self._resampler = StreamingResampler(channels, rate_in, rate_out, delay_rate=rate_out)
        self._rates = (rate_in, rate_out)
        self._skip = self._resampler.delay
        self._taken = self._given = 0

    def push(self, audio: Array) -> Array:
        """Take the next samples and give what is ready of the positions not given yet."""
        self._taken += audio.shape[1]
        return self._kept(audio)

    def finish(self) -> Array:
        """Give every position not given yet, as though silence followed."""
        parts: list[Array] = []
        silence = np.zeros((self._resampler.channels, 4096), np.float32)
        while not parts or self._owed:
            parts.append(self._kept(silence))
        return np.concatenate(parts, axis=1)

    @property
    def _owed(self) -> int:
        return converted_length(self._taken, *self._rates) - self._given

    def _kept(self, audio: Array) -> Array:
        ready = self._resampler.push(audio)
        skipped = min(self._skip, ready.shape[1])
        self._skip -= skipped
        # A streaming resampler may run ahead of the exact length by a sample; the end is cut to it.
        kept = ready[:, skipped : skipped + self._owed]
        self._given += kept.shape[1]
        return kept
