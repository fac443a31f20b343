"""What runs inside an effect: nodes, which keep the timeline of one stream of audio.

A node knows which input positions it has already given back. That is what makes the result of any
sequence of calls aligned to the input and, with :meth:`Node.drain`, exactly as long as the input.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from uncodec.signals import Array

if TYPE_CHECKING:
    from uncodec.live.stream import Stream

__all__ = ["Array", "Node", "StreamNode"]


class Node(ABC):
    """One stage of a running stream. All arrays are (channels, samples) float32.

    The first call is either `whole` or `push`; after that `push`, any number of times; `drain` is
    the last. The results together are aligned to the input and hold no position twice.
    """

    @property
    @abstractmethod
    def latency(self) -> int:
        """Samples by which this node is late, as far as it is known now."""

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

    def clone(self) -> Node:
        """An independent copy of the whole state."""
        raise NotImplementedError(f"{type(self).__name__} cannot be copied")

    @abstractmethod
    def whole(self, audio: Array, buffer_size: int) -> Array:
        """Take the first samples and give as many, the last of them as though silence followed."""

    @abstractmethod
    def push(self, audio: Array, buffer_size: int) -> Array:
        """Take the next samples and give what is ready of the positions not given yet."""

    @abstractmethod
    def drain(self, buffer_size: int) -> Array:
        """Give every position not given yet, as though silence followed."""


class StreamNode(Node):
    """Runs a `Stream`, whose latency is constant and whose state can be cloned.

    Parameters
    ----------
    stream : Stream
        In its initial state.
    before_block : callable
        Called with the stream before every block, to hand it the parameters of the moment.
    """

    def __init__(self, stream: Stream, before_block: Callable[[Stream], None]) -> None:
        self._stream = stream
        self._before_block = before_block
        self._latency = stream.latency_samples
        self._consumed = 0
        self._given = 0

    @property
    def latency(self) -> int:
        return self._latency

    @property
    def holds(self) -> bool:
        return self._latency > 0

    @property
    def copyable(self) -> bool:
        return True

    def clone(self) -> StreamNode:
        twin = copy(self)
        twin._stream = self._stream.clone()
        # The copy has the parameters; and an effect must not take it for its running stream, which
        # it may remember.
        twin._before_block = lambda stream: None
        return twin

    def whole(self, audio: Array, buffer_size: int) -> Array:
        body = self.push(audio, buffer_size)
        if self._given == self._consumed:
            return body
        # The silence goes through a copy. The stream itself has seen the true samples only, so the
        # next call carries on as though this one had not needed an end.
        tail = self.clone().drain(buffer_size)
        self._given = self._consumed
        return np.concatenate([body, tail], axis=1)

    def push(self, audio: Array, buffer_size: int) -> Array:
        ready = self._through(self._stream, audio, buffer_size)
        self._consumed += audio.shape[1]
        self._given += ready.shape[1]
        return ready

    def drain(self, buffer_size: int) -> Array:
        rest = self._through(self._stream, self._silence(), buffer_size)
        self._given = self._consumed
        return rest

    def _silence(self) -> Array:
        return np.zeros((self._stream.channels, self._latency), np.float32)

    def _through(self, stream: Stream, audio: Array, buffer_size: int) -> Array:
        """Run samples that follow those consumed so far; give the positions not given yet."""
        count = audio.shape[1]
        # The stream's next output is for position consumed - latency.
        skip = min(max(0, self._given + self._latency - self._consumed), count)
        out = np.empty((audio.shape[0], count - skip), np.float32)
        for start in range(0, count, buffer_size):
            self._before_block(stream)
            block = np.ascontiguousarray(audio[:, start : start + buffer_size])
            result = stream.process(block)
            end = start + block.shape[1]
            if end > skip:
                first = max(start, skip)
                out[:, first - skip : end - skip] = result[:, first - start :]
        return out
