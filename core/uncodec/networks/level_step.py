"""The level network one frame at a time, for a live stream.

`LevelNetwork.forward` is made for runs of many frames. Here one frame goes through compiled
kernels, its layers through `RecurrentStep`. Parameters, state and result are those of `forward`;
only rounding differs.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uncodec.compiled import compiled
from uncodec.errors import InvalidValue
from uncodec.networks.level_errors import OPENING
from uncodec.networks.level_features import BAND, BANDS, FEATURES, FLOOR, LOW_BINS
from uncodec.networks.levelled import FILLED_FROM, MOST_GAIN
from uncodec.networks.levels import LevelNetwork
from uncodec.networks.recurrent_step import RecurrentStep
from uncodec.signals import Array

__all__ = ["LevelStep"]

Spectrum = NDArray[np.complex64]

# Single precision throughout: a bare number would make Numba compute in double.
_ZERO, _ONE, _TWO, _FOUR = np.float32(0.0), np.float32(1.0), np.float32(2.0), np.float32(4.0)
_LEANING, _SURELY = np.float32(LevelNetwork.LEANING), np.float32(LevelNetwork.SURELY)
_LIKELY = np.float32(LevelNetwork.LIKELY)
_HALF, _QUARTER, _TEN = np.float32(0.5), np.float32(0.25), np.float32(10.0)
_FLOOR = np.float32(10.0**FLOOR)
_BELOW, _DROP, _NARROWEST = np.float32(1.5), np.float32(0.05), np.float32(0.02)
_FILLED, _OPENING, _MOST = np.float32(FILLED_FROM), np.float32(OPENING), np.float32(MOST_GAIN)
_NOTHING = np.float32(1e-10)
_HEARD = FEATURES + 2 * BANDS
"""Numbers that the first layer hears of mid or of side."""


def _hear(
    spectra: Spectrum, numbers: Array, held: Array, levels: Array, base: Array, heard: Array
) -> None:
    """Write what the first layer hears of a frame; the steps are those of `LevelNetwork`.

    `levels` gets the levels of the bands, `base` what the network's levels are relative to.
    """
    fall, slope, least = numbers[0], numbers[1], numbers[2]
    energy = _ZERO
    for channel in range(2):
        row = spectra[channel, 1:]
        start = _HEARD * channel
        for band in range(BANDS):
            total, logs = _ZERO, _ZERO
            for i in range(BAND * band, BAND * band + BAND):
                power = row[i].real * row[i].real + row[i].imag * row[i].imag + _FLOOR
                log = np.log10(power)
                total += power
                logs += log
                if i < LOW_BINS:
                    heard[start + BANDS + i] = log
            energy += total
            level = np.log10(total / np.float32(BAND))
            levels[channel, band] = level
            heard[start + band] = level
            heard[start + BANDS + LOW_BINS + band] = logs / np.float32(BAND) - level
    held[0] = max(np.log10(energy / np.float32(2 * BANDS * BAND)), held[0] - fall)
    heard[2 * _HEARD] = _QUARTER * held[0]
    for channel in range(2):
        start = _HEARD * channel
        for i in range(start, start + BANDS + LOW_BINS):
            heard[i] = min(max(_ONE + _QUARTER * (heard[i] - held[0]), -_ONE), _TWO)
        envelope, last = np.float32(-np.inf), 0
        start += 2 * BANDS + LOW_BINS
        for band in range(BANDS):
            level = levels[channel, band]
            tilt = slope * np.float32(band)
            envelope = max(envelope, level + tilt)
            filled = level > max(envelope - tilt - _BELOW, least)
            if filled:
                last = band
            carried = levels[channel, last] - _DROP * np.float32(band - last)
            base[channel, band] = max(level, carried)
            heard[start + band] = min(max(_ONE + _QUARTER * (carried - held[0]), -_ONE), _TWO)
            heard[start + BANDS + band] = _ONE if filled else _ZERO


_hear_kernel = compiled(
    "void(complex64[:, :], float32[::1], float32[::1], float32[:, ::1], float32[:, ::1],"
    " float32[::1])",
    _hear,
    fastmath={"reassoc", "contract"},
)


def _play(
    said: Array,
    base: Array,
    coded: Array,
    held: Array,
    deep: float,
    played: Array,
    loudest: Array,
) -> None:
    """Write the levels to be played, and those that are not likely to have been exceeded."""
    bottom = held[0] - np.float32(deep)
    for channel in range(2):
        for band in range(BANDS):
            place = channel * BANDS + band
            level = max(base[channel, band] + _FOUR * said[place], bottom)
            wide = _FOUR * said[2 * BANDS + place]
            soft = max(wide, _ZERO) + np.log(_ONE + np.exp(-abs(wide)))
            spread = _HALF * soft + _NARROWEST
            cautious = level + _TWO * said[4 * BANDS + place] - _HALF * spread
            there = coded[channel, band]
            lost = _ONE / (_ONE + np.exp((there + _SURELY - cautious) / _OPENING))
            played[channel, band] = cautious + (_ONE - _LEANING) * lost * (level - cautious)
            loudest[channel, band] = level + _LIKELY * spread


_play_kernel = compiled(
    "void(float32[::1], float32[:, ::1], float32[:, ::1], float32[::1], float64, float32[:, ::1],"
    " float32[:, ::1])",
    _play,
    fastmath={"reassoc", "contract"},
)


def _fill(
    spectra: Spectrum,
    delta: Spectrum,
    levels: Array,
    played: Array,
    loudest: Array,
    amount: float,
    gain: float,
) -> None:
    """`set_levels` of a frame whose delta holds `gain` times coded and delta already."""
    share, raised = np.float32(amount), np.float32(gain)
    for channel in range(len(delta)):
        out, coded = delta[channel, 1:], spectra[channel, 1:]
        for band in range(BANDS):
            there, wanted = levels[channel, band], played[channel, band]
            filled = _ONE / (_ONE + np.exp((there + _FILLED - wanted) / _OPENING))
            own = _ZERO
            for i in range(BAND * band, BAND * band + BAND):
                added = out[i] - raised * coded[i]
                own += added.real * added.real + added.imag * added.imag
            own /= np.float32(BAND) * (_ONE + raised) * (_ONE + raised)
            present = _TEN**there
            lacking = max(_TEN**wanted - present, _ZERO)
            factor = min(np.sqrt(lacking / (own + _NOTHING)), _MOST) * share
            allowed = max(_TEN ** loudest[channel, band] - present, present)
            held = min(np.sqrt(allowed / (own + _NOTHING)), _ONE)
            factor = held + filled * (factor - held)
            for i in range(BAND * band, BAND * band + BAND):
                out[i] = factor * (out[i] - raised * coded[i]) + raised * coded[i]


_fill_kernel = compiled(
    "void(complex64[:, :], complex64[:, :], float32[:, ::1], float32[:, ::1], float32[:, ::1],"
    " float64, float64)",
    _fill,
    fastmath={"reassoc", "contract"},
)


class LevelStep:
    """A level network that goes through a stream frame by frame, with its state inside.

    Parameters
    ----------
    network : LevelNetwork
        Of one direction, on the CPU. Its weights are copied in half precision, which they are kept
        in on disk.
    """

    def __init__(self, network: LevelNetwork) -> None:
        if network.config.both:
            raise InvalidValue("levels: must be of one direction to go frame by frame, got both")
        self.config = network.config
        said = (network.leave, network.choose)
        self._stack = RecurrentStep(network.enter, network.layers, network.norm, said)
        self._begin()

    def _begin(self) -> None:
        numbers = (LevelNetwork.FALL, LevelNetwork.SLOPE, LevelNetwork.LEAST)
        self._numbers: Array = np.array(numbers, np.float32)
        self._base: Array = np.zeros((2, BANDS), np.float32)
        self.coded: Array = np.zeros((2, BANDS), np.float32)
        self.played: Array = np.zeros((2, BANDS), np.float32)
        self._loudest: Array = np.zeros((2, BANDS), np.float32)
        self.load(self.config.initial_state(1))

    def load(self, state: tuple[Tensor, Tensor]) -> None:
        """Go on from a state of the network, of batch 1; it is copied."""
        held, recurrent = (tensor.detach().to("cpu", torch.float32, copy=True) for tensor in state)
        self._held: Array = held.numpy()[0]
        self._stack.memory[:] = recurrent.numpy()[:, 0]

    def state(self) -> tuple[Tensor, Tensor]:
        """A copy of the state, as the network keeps it."""
        return (
            torch.from_numpy(self._held.copy())[None],
            torch.from_numpy(self._stack.memory.copy())[:, None],
        )

    def clone(self) -> LevelStep:
        """An independent copy that goes on from the same state; the weights are shared."""
        twin: LevelStep = object.__new__(LevelStep)
        twin.config, twin._stack = self.config, self._stack.clone()
        twin._begin()
        twin.load(self.state())
        return twin

    def hear(self, spectra: Spectrum) -> None:
        """Take the next frame; `coded` and `played` hold its levels then.

        Parameters
        ----------
        spectra : ndarray [shape=(2 or more, 513)], complex64
            Of coded mid and side, un-normalised.
        """
        heard, said, deep = self._stack.heard, self._stack.said, LevelNetwork.DEEP
        _hear_kernel(spectra, self._numbers, self._held, self.coded, self._base, heard)
        self._stack.step()
        _play_kernel(said, self._base, self.coded, self._held, deep, self.played, self._loudest)

    def fill_into(self, spectra: Spectrum, delta: Spectrum, amount: float, gain: float) -> None:
        """Give the delta of the frame last heard the levels to be played, see `set_levels`.

        Parameters
        ----------
        spectra : ndarray [shape=(2 or more, 513)], complex64
        delta : ndarray [shape=(1 or 2, 513)], complex64
            Changed in place. It holds `gain` times itself and the coded frame besides.
        amount : float
            Share of the amplitude to be added, from 0 to 1.
        gain : float
            The encoder gain less 1.
        """
        _fill_kernel(spectra, delta, self.coded, self.played, self._loudest, amount, gain)
