"""Streams: any number of samples in, as many out, late by a constant number of samples."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from uncodec._native import latency_samples
from uncodec.errors import InvalidValue
from uncodec.live.engine import DeltaEngine
from uncodec.networks import load_model

__all__ = ["RestoringStream", "Stream", "check_amount", "open_stream"]

Array = NDArray[np.float32]

NATIVE_RATES = (44100, 48000)


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


def check_amount(amount: float) -> float:
    """Return `amount` as a float if it is from 0 to 1, raise `InvalidValue` otherwise."""
    if not 0.0 <= amount <= 1.0:
        raise InvalidValue(f"amount={amount!r}: must be from 0 to 1")
    return float(amount)


class RestoringStream:
    """Delayed input plus `amount` times the delta.

    Parameters
    ----------
    engine : DeltaEngine
    amount : float
        From 0 to 1. At 0 the delayed input comes back bit for bit.

    Attributes
    ----------
    amount : float
        May be changed between calls.
    """

    def __init__(self, engine: DeltaEngine, amount: float = 1.0) -> None:
        self.channels = engine.channels
        self.amount = check_amount(amount)
        # Blocks of one sample are the worst case, so a stream of varying blocks must assume them.
        self.latency_samples = latency_samples(
            engine.delay, engine.hop, 1, sample_rate=44100, varying_blocks=True
        )
        self._engine = engine
        self._dry: Array = np.zeros((engine.channels, self.latency_samples), np.float32)
        self._waiting: Array = np.zeros((engine.channels, 0), np.float32)
        # Delta already due: what latency there is beyond the engine's own delay.
        lead = self.latency_samples - engine.delay
        self._delta: Array = np.zeros((engine.channels, lead), np.float32)

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
        line = np.concatenate([self._dry, x], axis=1, dtype=np.float32)
        out: Array = np.ascontiguousarray(line[:, :count])
        self._dry = line[:, count:].copy()
        self._advance(x)
        if self.amount > 0.0:
            out += np.float32(self.amount) * self._delta[:, :count]
        self._delta = self._delta[:, count:].copy()
        return out

    def _advance(self, x: Array) -> None:
        """Run the engine over the hops that `x` completes."""
        joined = np.concatenate([self._waiting, x], axis=1, dtype=np.float32)
        whole = joined.shape[1] // self._engine.hop * self._engine.hop
        self._waiting = joined[:, whole:].copy()
        if whole:
            fresh = self._engine.push(joined[:, :whole])
            self._delta = np.concatenate([self._delta, fresh], axis=1)

    def clone(self) -> RestoringStream:
        """An independent copy of the whole state."""
        twin = RestoringStream(self._engine.clone(), self.amount)
        twin._dry = self._dry.copy()
        twin._waiting = self._waiting.copy()
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
) -> Stream:
    """Open a restoring stream.

    Parameters
    ----------
    model : str
        Name of a released model, or a folder that holds one.
    sample_rate : float
        In Hz, 44100 or 48000.
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
    if sample_rate not in NATIVE_RATES:
        raise InvalidValue(f"sample_rate={sample_rate}: must be one of {NATIVE_RATES} Hz")
    return RestoringStream(DeltaEngine(load_model(model, device), channels, seed), amount)
