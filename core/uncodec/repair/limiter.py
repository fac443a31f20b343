"""True peaks, and a limiter that keeps a master below a ceiling and leaves the rest alone."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from uncodec.errors import InvalidValue
from uncodec.signals import Array
from uncodec.streams.line import Line
from uncodec.streams.stream import BlockStream

__all__ = ["PeakLimiter", "check_ceiling", "peak_phases", "true_peak"]


LOWEST_CEILING_DB = -20.0
OVERSAMPLING = 4
_TAPS = 24
# The gain moves over so many seconds to either side of a peak.
_SWING_S = 0.005
# Taken off the ceiling: moving the gain moves what lies between the samples a little.
_SPARE_DB = 0.02


def check_ceiling(ceiling_db: float) -> float:
    """Return `ceiling_db` if it is from -20 to 0, raise `InvalidValue` otherwise."""
    if not LOWEST_CEILING_DB <= ceiling_db <= 0.0:
        rule = f"must be from {LOWEST_CEILING_DB:g} to 0 dB"
        raise InvalidValue(f"ceiling_db={ceiling_db!r}: {rule} (true peak, full scale is 0)")
    return float(ceiling_db)


@lru_cache(maxsize=1)
def peak_phases() -> NDArray[np.float32]:
    """Taps that give the signal between two samples, [shape=(oversampling - 1, taps)]."""
    at = np.arange(1, OVERSAMPLING)[:, None] / OVERSAMPLING
    distance = np.arange(_TAPS) - (_TAPS // 2 - 1) - at
    taps = np.sinc(distance) * np.i0(7.0 * np.sqrt(1.0 - (distance / (_TAPS / 2)) ** 2))
    taps /= taps.sum(axis=1, keepdims=True)
    return taps.astype(np.float32)


def _peaks(audio: Array) -> Array:
    """Largest absolute value from each sample to the next, all channels together.

    [shape=(channels, samples + 24)] to [shape=(samples,)]: 11 samples before and 13 after are
    looked at.
    """
    before = _TAPS // 2 - 1
    count = audio.shape[1] - _TAPS
    peaks: Array = np.abs(audio[:, before : before + count]).max(axis=0)
    for taps in peak_phases():
        for row in audio:
            between = np.convolve(row, taps[::-1], mode="valid")[:count]
            np.maximum(peaks, np.abs(between), out=peaks)
    return peaks


def true_peak(audio: Array) -> float:
    """Largest true peak, measured at four times the rate (ITU-R BS.1770-4, annex 2).

    Parameters
    ----------
    audio : ndarray [shape=(channels, samples)], float32

    Returns
    -------
    float
        Linear; 1.0 is full scale.
    """
    half = _TAPS // 2
    peaks = _peaks(np.pad(audio, ((0, 0), (half, half))).astype(np.float32, copy=False))
    return float(peaks.max(initial=0.0))


class PeakLimiter(BlockStream):
    """Keeps the true peaks of a stream at a ceiling.

    The gain goes down for a peak and back within 5 ms to either side, for all channels together;
    where nothing is above the ceiling the samples pass bit for bit.

    Parameters
    ----------
    sample_rate : float
        In Hz.
    channels : int
    ceiling_db : float
        From -20 to 0.

    Attributes
    ----------
    ceiling_db : float
        May be changed between calls.
    latency_samples : int

    Raises
    ------
    InvalidValue
        The ceiling is outside its range.
    """

    def __init__(self, sample_rate: float, channels: int, ceiling_db: float) -> None:
        self.channels = channels
        self.ceiling_db = check_ceiling(ceiling_db)
        self._swing = math.ceil(_SWING_S * sample_rate)
        self.latency_samples = 2 * self._swing + _TAPS
        self._line = Line(channels, 2 * self.latency_samples)
        self._peaks = Line(1, 4 * self._swing + 1)

    def process_into(self, x: Array, out: Array) -> None:
        """Take (channels, n) float32 samples and write as many."""
        count = x.shape[1]
        if count == 0:
            return
        self._line.append(x)
        # What the middle needs: peaks from 2 * swing + 1 samples before it to as many after it.
        reach = self.latency_samples
        first = reach + 2 * self._swing - (_TAPS // 2 - 1)
        self._peaks.room(count)[0] = _peaks(self._line.view(first, first + count + _TAPS))
        ceiling = 10 ** ((self.ceiling_db - _SPARE_DB) / 20)
        peaks = self._peaks.view(0, len(self._peaks))[0]
        out[:] = _limited(self._line.view(reach, reach + count), peaks, self._swing, ceiling)
        self._line.drop(count)
        self._peaks.drop(count)


def _lowest(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Minimum of every run of `length` values, in logarithmically many passes."""
    result = values
    reach = 1
    while reach < length:
        step = min(reach, length - reach)
        result = np.minimum(result[:-step], result[step:])
        reach += step
    return result


def _limited(middle: Array, peaks: Array, swing: int, ceiling: float) -> Array:
    if peaks.max() <= ceiling:
        return middle
    wanted = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
    # A peak lies between a sample and the next.
    wanted = np.minimum(wanted[:-1], wanted[1:])
    lowest = _lowest(wanted, 2 * swing + 1)
    shape = np.hanning(2 * swing + 3)[1:-1]
    gain = np.convolve(lowest, shape / shape.sum(), mode="valid")
    return (middle * gain).astype(np.float32)
