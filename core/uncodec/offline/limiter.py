"""True peaks, and a limiter that keeps a master below a ceiling and leaves the rest alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from uncodec.errors import InvalidValue

__all__ = ["check_ceiling", "limited", "true_peak"]

Array = NDArray[np.float32]

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


def limited(
    blocks: Iterable[Array], sample_rate: int, channels: int, ceiling_db: float
) -> Iterator[Array]:
    """Keep the true peaks of a stream at a ceiling.

    The gain goes down for a peak and back within 5 ms to either side, for all channels together;
    where nothing is above the ceiling the samples pass bit for bit.

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
    ceiling = 10 ** ((check_ceiling(ceiling_db) - _SPARE_DB) / 20)
    swing = math.ceil(_SWING_S * sample_rate)
    reach = 2 * swing + _TAPS
    held: Array = np.zeros((channels, reach), np.float32)

    def ready(fresh: Array) -> Iterator[Array]:
        nonlocal held
        held = np.concatenate([held, fresh], axis=1)
        count = held.shape[1] - 2 * reach
        if count > 0:
            yield _limit(held, reach, swing, ceiling)
            held = held[:, count:].copy()

    for block in blocks:
        yield from ready(block)
    yield from ready(np.zeros((channels, reach), np.float32))


def _limit(audio: Array, reach: int, swing: int, ceiling: float) -> Array:
    middle = audio[:, reach:-reach]
    count = middle.shape[1]
    # Peaks from 2 * swing + 1 samples before the middle to as many after it.
    first = reach - 2 * swing - 1 - (_TAPS // 2 - 1)
    peaks = _peaks(audio[:, first : first + count + 4 * swing + 1 + _TAPS])
    if peaks.max() <= ceiling:
        return middle.copy()
    wanted = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
    # A peak lies between a sample and the next.
    wanted = np.minimum(wanted[:-1], wanted[1:])
    lowest = sliding_window_view(wanted, 2 * swing + 1).min(axis=1)
    shape = np.hanning(2 * swing + 3)[1:-1]
    gain = np.convolve(lowest, shape / shape.sum(), mode="valid")
    return (middle * gain).astype(np.float32)
