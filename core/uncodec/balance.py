"""Tonal balance: how loud every band of a recording is over its length, beside its lower bands.

It is what a reference says about treble that is missing: "as bright as this one".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uncodec.cutoff import FRAME, cut_off
from uncodec.errors import InvalidValue
from uncodec.signals import Array

__all__ = ["ANCHOR_HZ", "QUIET", "Balance", "BalanceMeter", "Like", "mean_balance"]

ANCHOR_HZ = (300.0, 3000.0)
"""The lower bands that all others are set against: every codec keeps them."""
QUIET = 1e-4
"""Frames this far (in power) below the loudest before them do not count."""

_BANDS = 64
_BINS = 8
_LOOKS = 24


@dataclass(frozen=True, repr=False)
class Balance:
    """Long-term levels of a recording.

    Attributes
    ----------
    name : str
        What it was measured on.
    frequencies : tuple of float
        Centres of bands, in Hz, rising.
    levels_db : tuple of float
        Mean power of each band beside that of `ANCHOR_HZ`, in dB.
    cutoff_hz : float
        Up to where it says anything: the recording's own end towards the treble.
    """

    name: str
    frequencies: tuple[float, ...]
    levels_db: tuple[float, ...]
    cutoff_hz: float

    def powers(self, frequencies: NDArray[np.float64]) -> NDArray[np.float32]:
        """Power that bands should have for each of power in the lower ones; 0 beyond the cut-off.

        Parameters
        ----------
        frequencies : ndarray [shape=(n,)]
            Centres of bands, in Hz.
        """
        levels = np.interp(frequencies, self.frequencies, self.levels_db)
        known = frequencies < min(self.cutoff_hz, self.frequencies[-1])
        powers: NDArray[np.float32] = np.where(known, 10.0 ** (levels / 10.0), 0.0).astype(
            np.float32
        )
        return powers

    def __repr__(self) -> str:
        return f"<Balance of {self.name!r}>"

    @property
    def digest(self) -> str:
        """What tells it from others, wherever it was measured: 16 hexadecimal digits."""
        numbers = np.round([*self.frequencies, *self.levels_db, self.cutoff_hz], 6)
        return hashlib.sha256(numbers.tobytes()).hexdigest()[:16]


@dataclass(frozen=True)
class Like:
    """A balance, and how far towards it.

    Attributes
    ----------
    balance : Balance
    amount : float
        From 0 (not at all) to 1 (as far as 12 dB go).
    """

    balance: Balance
    amount: float = 1.0


class BalanceMeter:
    """Measures a recording that comes in blocks.

    Parameters
    ----------
    sample_rate : float
        In Hz.
    """

    def __init__(self, sample_rate: float) -> None:
        self.sample_rate = sample_rate
        # Some 23 ms, as the frames of the engines last.
        self._window = 2 ** round(float(np.log2(sample_rate / 43.0)))
        self._shape = np.hanning(self._window + 1)[:-1].astype(np.float32)
        self._power = np.zeros(self._window // 2)
        self._frames = 0
        self._loudest = 0.0
        self._rest: Array | None = None
        # Some looks, spread over the whole, from which the cut-off is read.
        self._looks: list[NDArray[np.float32]] = []
        self._taken = self._apart = 0

    def push(self, audio: Array) -> None:
        """Take (channels, samples) float32."""
        if self._rest is not None:
            audio = np.concatenate([self._rest, audio], axis=1)
        count = audio.shape[1] // FRAME
        whole, self._rest = audio[:, : count * FRAME], audio[:, count * FRAME :].copy()
        for first in range(0, whole.shape[1], 32 * FRAME):
            self._measure(whole[:, first : first + 32 * FRAME])

    def _measure(self, audio: Array) -> None:
        self._look(audio.mean(axis=0))
        frames = audio[:, : audio.shape[1] // self._window * self._window]
        cut = frames.reshape(len(audio), -1, self._window) * self._shape
        power = np.square(np.abs(np.fft.rfft(cut)[..., 1:])).mean(axis=0, dtype=np.float64)
        for row, total in zip(power, power.sum(axis=1), strict=True):
            self._loudest = max(self._loudest, float(total))
            if total > QUIET * self._loudest:
                self._power += row
                self._frames += 1

    def _look(self, mono: NDArray[np.float32]) -> None:
        if self._taken >= self._apart:
            self._looks.append(mono)
            self._taken = 0
            if len(self._looks) > _LOOKS:
                del self._looks[1::2]
                self._apart = max(len(mono), 2 * self._apart)
        self._taken += len(mono)

    def result(self, name: str) -> Balance:
        """Give what was measured.

        Raises
        ------
        InvalidValue
            There was no sound, or none between 300 and 3000 Hz.
        """
        if self._rest is not None and not self._frames and self._rest.any():
            self._measure(np.pad(self._rest, ((0, 0), (0, FRAME - self._rest.shape[1]))))
        cutoff = (
            cut_off(np.concatenate(self._looks), round(self.sample_rate)) if self._frames else 0
        )
        width = self.sample_rate / self._window
        power = self._power[: len(self._power) // _BINS * _BINS].reshape(-1, _BINS).mean(axis=1)
        centres = ((np.arange(len(power)) + 0.5) * _BINS + 0.5) * width
        low = (centres >= ANCHOR_HZ[0]) & (centres <= ANCHOR_HZ[1])
        anchor = float(power[low].mean()) if low.any() else 0.0
        if not cutoff or anchor <= 0.0:
            raise InvalidValue(
                f"like={name}: must hold sound between {ANCHOR_HZ[0]:g} and {ANCHOR_HZ[1]:g} Hz"
            )
        levels = 10.0 * np.log10(np.maximum(power / anchor, 1e-12))
        return Balance(name, tuple(centres.tolist()), tuple(levels.tolist()), float(cutoff))


def mean_balance(name: str, balances: Sequence[Balance]) -> Balance:
    """What several recordings have in common: the mean of their levels in dB.

    Each counts up to its own cut-off.

    Parameters
    ----------
    name : str
    balances : sequence of Balance
        One or more.
    """
    if len(balances) == 1:
        return Balance(name, balances[0].frequencies, balances[0].levels_db, balances[0].cutoff_hz)
    cutoff = max(balance.cutoff_hz for balance in balances)
    widest = max(balances, key=lambda balance: balance.cutoff_hz)
    grid = np.array(widest.frequencies)
    rows = np.array([np.interp(grid, b.frequencies, b.levels_db) for b in balances])
    counted = np.array([grid < b.cutoff_hz for b in balances])
    # Beyond all cut-offs nothing is known, and nothing is asked.
    counted |= ~counted.any(axis=0)
    levels = (rows * counted).sum(axis=0) / counted.sum(axis=0)
    return Balance(name, widest.frequencies, tuple(levels.tolist()), cutoff)
