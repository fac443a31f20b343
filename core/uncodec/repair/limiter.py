"""True peaks, and a limiter that keeps a master below a ceiling and leaves the rest alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from copy import copy
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from uncodec.errors import InvalidValue
from uncodec.signals import Array

__all__ = ["PeakLimiter", "check_ceiling", "limited", "true_peak"]


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
def _phases() -> NDArray[np.float32]:
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
    for taps in _phases():
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


class PeakLimiter:
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
        self._held: Array = np.zeros((channels, 2 * self.latency_samples), np.float32)
        self._peaks: Array = np.zeros(4 * self._swing + 1, np.float32)

    def process(self, x: Array) -> Array:
        """Take (channels, n) float32 samples, n of 0 or more, and give as many."""
        count = x.shape[1]
        if count == 0:
            return x.copy()
        reach = self.latency_samples
        line = np.concatenate([self._held, x], axis=1, dtype=np.float32)
        # What the middle needs: peaks from 2 * swing + 1 samples before it to as many after it.
        first = reach + 2 * self._swing - (_TAPS // 2 - 1)
        fresh = _peaks(line[:, first : first + count + _TAPS])
        peaks = np.concatenate([self._peaks, fresh])
        self._held = line[:, count:].copy()
        self._peaks = peaks[count:].copy()
        ceiling = 10 ** ((self.ceiling_db - _SPARE_DB) / 20)
        return _limit(line[:, reach:-reach], peaks, self._swing, ceiling)

    def clone(self) -> PeakLimiter:
        """An independent copy of the whole state."""
        twin = copy(self)
        twin._held = self._held.copy()
        twin._peaks = self._peaks.copy()
        return twin


def limited(
    blocks: Iterable[Array], sample_rate: int, channels: int, ceiling_db: float
) -> Iterator[Array]:
    """Send blocks through a `PeakLimiter`, aligned and complete.

    Parameters
    ----------
    blocks : iterable of ndarray [shape=(channels, n)], float32
    sample_rate : int
        In Hz.
    channels : int
    ceiling_db : float
        From -20 to 0.

    Yields
    ------
    ndarray [shape=(channels, m)], float32
        As many samples in all as came in.
    """
    limiter = PeakLimiter(sample_rate, channels, ceiling_db)
    skip = limiter.latency_samples
    silence = np.zeros((channels, skip), np.float32)
    for block in chain(blocks, (silence,)):
        result = limiter.process(block)
        if result.shape[1] > skip:
            yield result[:, skip:]
        skip = max(0, skip - result.shape[1])


def _lowest(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Minimum of every run of `length` values, in logarithmically many passes."""
    result = values
    reach = 1
    while reach < length:
        step = min(reach, length - reach)
        result = np.minimum(result[:-step], result[step:])
        reach += step
    return result


def _limit(middle: Array, peaks: Array, swing: int, ceiling: float) -> Array:
    if peaks.max() <= ceiling:
        return middle.copy()
    wanted = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
    # A peak lies between a sample and the next.
    wanted = np.minimum(wanted[:-1], wanted[1:])
    lowest = _lowest(wanted, 2 * swing + 1)
    shape = np.hanning(2 * swing + 3)[1:-1]
    gain = np.convolve(lowest, shape / shape.sum(), mode="valid")
    return (middle * gain).astype(np.float32)
