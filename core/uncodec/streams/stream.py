"""What runs inside an effect: any number of samples in, as many out, late by a constant number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np

from uncodec.cloning import Cloneable
from uncodec.errors import InvalidValue
from uncodec.signals import Array

__all__ = ["BlockStream", "Stream", "run_into"]


class Stream(Protocol):
    """What an effect runs on.

    Attributes
    ----------
    channels : int
    latency_samples : int
        Constant delay from input to output.
    """

    channels: int
    latency_samples: int

    def process(self, x: Array) -> Array:
        """Take (channels, n) float32 samples, C-contiguous, n of 0 or more, and give as many."""
        ...

    def clone(self) -> Stream:
        """An independent copy of the whole state."""
        ...


class BlockStream(Cloneable, ABC):
    """Base of this package's streams: writes into the caller's buffer, which saves copies."""

    channels: int
    latency_samples: int

    @abstractmethod
    def process_into(self, x: Array, out: Array) -> None:
        """Take (channels, n) float32 samples and write as many; `out` must not be `x`.

        The rows of both may lie apart in memory.
        """

    def process(self, x: Array) -> Array:
        """Allocating twin of `process_into`.

        Raises
        ------
        InvalidValue
            `x` has another number of channels.
        """
        if x.ndim != 2 or x.shape[0] != self.channels:
            raise InvalidValue(f"x: must have shape ({self.channels}, samples), got {x.shape}")
        out: Array = np.empty(x.shape, np.float32)
        self.process_into(x, out)
        return out


def run_into(stream: Stream, x: Array, out: Array) -> None:
    """Run any stream into the caller's buffer."""
    if isinstance(stream, BlockStream):
        stream.process_into(x, out)
    else:
        out[:] = stream.process(np.ascontiguousarray(x, np.float32))
