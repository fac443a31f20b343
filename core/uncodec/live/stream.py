"""Streams: any number of samples in, as many out, late by a constant number of samples."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from uncodec.errors import InvalidValue
from uncodec.live.source import DeltaSource, NativeSource, ResampledSource
from uncodec.parameters import check_amount
from uncodec.rates import network_rate
from uncodec.signals import Array

__all__ = ["RestoringStream", "Stream", "open_stream"]


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
        """Take (channels, n) float32 samples, n of 0 or more, and give as many."""
        ...

    def clone(self) -> Stream:
        """An independent copy of the whole state."""
        ...


class RestoringStream:
    """Delayed input plus `amount` times the delta.

    Parameters
    ----------
    source : DeltaSource
    amount : float
        From 0 to 1. At 0 the delayed input comes back bit for bit.

    Attributes
    ----------
    amount : float
        May be changed between calls.
    """

    def __init__(self, source: DeltaSource, amount: float = 1.0) -> None:
        self.channels = source.channels
        self.amount = check_amount(amount)
        self.latency_samples = source.delay + source.lead
        self._source = source
        self._dry: Array = np.zeros((self.channels, self.latency_samples), np.float32)
        self._delta: Array = np.zeros((self.channels, source.lead), np.float32)

    def process(self, x: Array) -> Array:
        """Take (channels, n) float32 samples, n of 0 or more, and give as many.

        Raises
        ------
        InvalidValue
            `x` has another number of channels.
        """
        if x.ndim != 2 or x.shape[0] != self.channels:
            raise InvalidValue(f"x: must have shape ({self.channels}, samples), got {x.shape}")
        count = x.shape[1]
        fresh = self._source.push(x)
        line = np.concatenate([self._dry, x], axis=1, dtype=np.float32)
        ready = np.concatenate([self._delta, fresh], axis=1)
        # Copies, because views would keep the whole of every long block alive.
        out: Array = line[:, :count].copy()
        self._dry = line[:, count:].copy()
        self._delta = ready[:, count:].copy()
        if self.amount > 0.0:
            out += np.float32(self.amount) * ready[:, :count]
        return out

    def clone(self) -> RestoringStream:
        """An independent copy of the whole state."""
        twin = RestoringStream(self._source.clone(), self.amount)
        twin._dry = self._dry.copy()
        twin._delta = self._delta.copy()
        return twin


def open_stream(
    model: str = "live-gan",
    *,
    sample_rate: float,
    channels: int,
    seed: int = 0,
    amount: float = 1.0,
    device: str = "cpu",
) -> RestoringStream:
    """Open a restoring stream.

    Parameters
    ----------
    model : str
        Name of a released model, or a folder that holds one.
    sample_rate : float
        In Hz, a whole number from 8000 to 384000. The network runs at 44.1 or 48 kHz; at other
        rates the delta is resampled, and what lies above the network's band passes untouched.
    channels : int
        1 or 2.
    seed : int
        Of the noise, from 0 to 2**64 - 1.
    amount : float
        From 0 to 1.
    device : str
        Where the network runs.

    Raises
    ------
    InvalidValue
        An argument is outside its range.
    ModelError
        The model cannot be loaded.
    """
    # Imported here: they bring torch, and streams of other sources do without.
    from uncodec.live.engine import DeltaEngine
    from uncodec.networks import load_model

    inner_rate = network_rate(sample_rate)
    native = NativeSource(DeltaEngine(load_model(model, device), channels, seed))
    if inner_rate == sample_rate:
        return RestoringStream(native, amount)
    return RestoringStream(ResampledSource(native, int(sample_rate), inner_rate), amount)
