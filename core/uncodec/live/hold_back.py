"""Keeping the change from sounding before the signal does, compiled by Numba.

The streaming twin of `uncodec.networks.spectra.hold_back`, which tells what it is good for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uncodec.cloning import Cloneable
from uncodec.compiled import compiled
from uncodec.errors import InvalidValue
from uncodec.networks.spectra import FLATTENED, GIVEN_BACK, HELD
from uncodec.signals import Array

__all__ = ["HoldBack"]


_SIGNATURE = (
    "void(float32[:, :, ::1], float32[:, :], float32[::1], float32[:, ::1], float32[::1], int64,"
    " float64, float64, float64[:, ::1], float64[::1], float64[::1])"
)


def _hold_back(
    frames: Array,
    coded: Array,
    returned: Array,
    heard: Array,
    shape: Array,
    held: int,
    given_back: float,
    flattened: float,
    steep: NDArray[np.float64],
    limit: NDArray[np.float64],
    change_power: NDArray[np.float64],
) -> None:
    count, channels, length = frames.shape
    hop = coded.shape[1] // count
    half = held // 2
    for number in range(count):
        change = frames[number]
        for channel in range(channels):
            for i in range(length - hop):
                heard[channel, i] = heard[channel, i + hop]
            for i in range(hop):
                heard[channel, length - hop + i] = coded[channel, number * hop + i]
        steep[:] = 0.0
        for channel in range(channels):
            one, two, three, four = 0.0, 0.0, 0.0, 0.0
            for i in range(length):
                now = np.float64(change[channel, i])
                rise = now - 2.0 * one + two
                two, one = one, now
                steep[0, i] += rise * rise
                now = np.float64(heard[channel, i]) * shape[i]
                rise = now - 2.0 * three + four
                four, three = three, now
                steep[1, i] += rise * rise
        # Powers of the coded signal and of the change, as running sums.
        peak_is, peak_may, sum_is, sum_may = 0.0, 0.0, 0.0, 0.0
        for i in range(half - 1):
            sum_is += steep[0, i]
            sum_may += steep[1, i]
        for i in range(length):
            if i + half - 1 < length:
                sum_is += steep[0, i + half - 1]
                sum_may += steep[1, i + half - 1]
            if i > half:
                sum_is -= steep[0, i - half - 1]
                sum_may -= steep[1, i - half - 1]
            peak_is = max(peak_is, sum_is)
            peak_may = max(peak_may, sum_may)
            limit[i] = max(sum_may, 0.0)
            change_power[i] = max(sum_is, 1e-14 * held)
        peak_may = max(peak_may, 1e-12 * held)
        whole, left = 0.0, 0.0
        for i in range(length):
            share = limit[i] / peak_may
            # The window's own slopes are no attacks.
            share *= min(share / max(flattened * shape[i] * shape[i], 1e-6), 1.0)
            share = min(share * peak_is / change_power[i], 1.0)
            limit[i] = np.sqrt(share)
            whole += steep[0, i]
            left += steep[0, i] * share
        again = min(max(np.sqrt(whole / max(left, 1e-14)), 1.0), given_back)
        again = 1.0 + np.float64(returned[number]) * (again - 1.0)
        for channel in range(channels):
            for i in range(length):
                change[channel, i] *= np.float32(limit[i] * again)


_kernel = compiled(_SIGNATURE, _hold_back)


class HoldBack(Cloneable):
    """Limits the frames of a change, one after another, by the coded signal they belong to.

    Parameters
    ----------
    channels : int
    window : ndarray [shape=(length,)], float32
        The analysis window, which the frames of the change bear as well.
    hop : int
        In samples.
    """

    def __init__(self, channels: int, window: Array, hop: int) -> None:
        self.hop = hop
        self._window = np.ascontiguousarray(window, np.float32)
        # The last samples of the coded signal, as many as a frame has.
        self._heard: Array = np.zeros((channels, len(window)), np.float32)
        self._steep = np.zeros((2, len(window)))
        self._limit = np.zeros(len(window))
        self._power = np.zeros(len(window))

    def hold_into(self, frames: Array, coded: Array, returned: Array) -> None:
        """Limit frames in place; allocates nothing.

        Parameters
        ----------
        frames : ndarray [shape=(frames, channels, length)], float32, C-contiguous
            Samples of the change to mid and side, one frame or more.
        coded : ndarray [shape=(channels, frames * hop)], float32
            Mid and side; frame k ends with sample ``(k + 1) * hop``.
        returned : ndarray [shape=(frames,)], float32
            How far a frame gets back the power that is taken from it, from 0 to 1.

        Raises
        ------
        InvalidValue
            A shape does not fit; nothing was done then.
        """
        channels, length = self._heard.shape
        if frames.ndim != 3 or frames.shape[1:] != (channels, length):
            wanted = f"(frames, {channels}, {length})"
            raise InvalidValue(f"frames: must have shape {wanted}, got {frames.shape}")
        if coded.shape != (channels, len(frames) * self.hop):
            wanted = f"({channels}, {len(frames) * self.hop})"
            raise InvalidValue(f"coded: must have shape {wanted}, got {coded.shape}")
        if returned.shape != (len(frames),):
            wanted = f"({len(frames)},)"
            raise InvalidValue(f"returned: must have shape {wanted}, got {returned.shape}")
        if len(frames):
            heard, window = self._heard, self._window
            room = self._steep, self._limit, self._power
            _kernel(frames, coded, returned, heard, window, HELD, GIVEN_BACK, FLATTENED, *room)
