"""The gate of the live engine one frame at a time.

Parameters, state and result are those of `GateNetwork.follow` and `LatelyOpened`; only rounding
differs.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uncodec.compiled import compiled
from uncodec.errors import InvalidValue
from uncodec.networks.gate import GateNetwork
from uncodec.networks.gated import LatelyOpened
from uncodec.networks.level_features import BAND, BANDS, FLOOR, WINDOW
from uncodec.networks.recurrent_step import RecurrentStep
from uncodec.signals import Array

__all__ = ["GateStep"]

Spectrum = NDArray[np.complex64]

# Single precision throughout: a bare number would make Numba compute in double.
_ZERO, _ONE, _TWO = np.float32(0.0), np.float32(1.0), np.float32(2.0)
_HALF, _QUARTER, _FLOOR = np.float32(0.5), np.float32(0.25), np.float32(10.0**FLOOR)
_FALL = np.float32(GateNetwork.FALL)


def _hear(spectra: Spectrum, held: Array, heard: Array) -> None:
    """Write what the first layer hears of a frame; the steps are those of `GateNetwork`."""
    energy = _ZERO
    for channel in range(2):
        row = spectra[channel, 1:]
        start = 3 * BANDS * channel
        for band in range(BANDS):
            total, logs, least = _ZERO, _ZERO, np.float32(np.inf)
            for i in range(BAND * band, BAND * band + BAND):
                power = row[i].real * row[i].real + row[i].imag * row[i].imag + _FLOOR
                total += power
                logs += np.log10(power)
                least = min(least, power)
            total /= np.float32(BAND)
            energy += total
            level = np.log10(total)
            heard[start + band] = level
            heard[start + BANDS + band] = logs / np.float32(BAND) - level
            heard[start + 2 * BANDS + band] = _HALF * (np.log10(least) - level)
    held[0] = max(np.log10(energy / np.float32(2 * BANDS)), held[0] - _FALL)
    for channel in range(2):
        for i in range(3 * BANDS * channel, 3 * BANDS * channel + BANDS):
            heard[i] = min(max(_ONE + _QUARTER * (heard[i] - held[0]), -_ONE), _TWO)
    heard[6 * BANDS] = _QUARTER * held[0]


_hear_kernel = compiled(
    "void(complex64[:, :], float32[::1], float32[::1])",
    _hear,
    fastmath={"reassoc", "contract"},
)


class GateStep:
    """A gate that goes through a stream frame by frame, with its state inside.

    Parameters
    ----------
    network : GateNetwork
        Of one direction and windows of 1,024 samples, on the CPU. Its weights are copied in half
        precision, which they are kept in on disk.
    """

    def __init__(self, network: GateNetwork) -> None:
        config = network.config
        if config.both or config.window != WINDOW:
            rule = f"gate: must be of one direction and windows of {WINDOW} to go frame by frame"
            raise InvalidValue(f"{rule}, got {config}")
        self._stack = RecurrentStep(network.enter, network.layers, network.norm, (network.leave,))
        self._held: Array = np.full(1, FLOOR, np.float32)
        self._lately = np.zeros(2)

    def load(self, state: tuple[Tensor, Tensor, Tensor]) -> None:
        """Go on from a state of `GatedGenerator`'s gate, of batch 1; it is copied."""
        held, recurrent, lately = (
            tensor.detach().to("cpu", torch.float32, copy=True).numpy() for tensor in state
        )
        self._held[:], self._stack.memory[:], self._lately[:] = held[0], recurrent[:, 0], lately[0]

    def state(self) -> tuple[Tensor, Tensor, Tensor]:
        """A copy of the state, as `GatedGenerator` keeps it."""
        return (
            torch.from_numpy(self._held.copy())[None],
            torch.from_numpy(self._stack.memory.copy())[:, None],
            torch.from_numpy(self._lately.astype(np.float32))[None],
        )

    def clone(self) -> GateStep:
        """An independent copy that goes on from the same state; the weights are shared."""
        twin: GateStep = object.__new__(GateStep)
        twin._stack, twin._held = self._stack.clone(), self._held.copy()
        twin._lately = self._lately.copy()
        return twin

    def hear(self, spectra: Spectrum, sounding: bool, damage: float) -> np.float32:
        """Take the next frame; returns how far the gate is open, from 0 to 1.

        Parameters
        ----------
        spectra : ndarray [shape=(2 or more, 513)], complex64
            Of coded mid and side, un-normalised.
        sounding : bool
            Whether it is not silent.
        damage : float
            The generator's log odds that it was coded.
        """
        _hear_kernel(spectra, self._held, self._stack.heard)
        self._stack.step()
        if sounding:
            self._lately *= LatelyOpened.KEEP
            most = LatelyOpened.MOST
            self._lately += (self._stack.said[0] + min(max(damage, -most), most), 1.0)
        return np.float32(LatelyOpened.opening_of(*self._lately))
