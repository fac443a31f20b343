"""What every metric asks of its two signals, said in one place."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uncodec.errors import InvalidType, InvalidValue

__all__ = ["MAX_CHANNELS", "MIN_RATE", "check_pair", "check_rate", "check_signal"]

MAX_CHANNELS = 32
"""Above this a 2-D array is taken for (samples, channels) handed in the wrong way round."""

MIN_RATE = 4000.0
"""Hz; below it the filters of the loudness have no room and nobody has audio."""


def check_signal(audio: ArrayLike, name: str, *, at_least: int = 1) -> NDArray[np.float32]:
    """Return `audio` as (channels, samples) float32, or say what is wrong with it.

    Parameters
    ----------
    audio : array, shape (samples,) or (channels, samples)
        Real numbers; full scale is 1.
    name : str
        What the message calls it.
    at_least : int
        Fewest samples allowed.

    Raises
    ------
    InvalidType
        Not an array of real numbers.
    InvalidValue
        Wrong number of dimensions or channels, too short, or NaN or infinity inside.
    """
    array = np.asarray(audio)
    if array.dtype.kind not in "fiu":
        raise InvalidType(f"{name}: must be an array of real numbers, got dtype {array.dtype}")
    if array.dtype.kind in "iu":
        raise InvalidType(
            f"{name}: must be floating point with full scale 1, got dtype {array.dtype}"
        )
    if array.ndim == 1:
        array = array[np.newaxis]
    if array.ndim != 2:
        raise InvalidValue(
            f"{name}: must be of shape (samples,) or (channels, samples), got {array.shape}"
        )
    if not 1 <= array.shape[0] <= MAX_CHANNELS:
        raise InvalidValue(
            f"{name}: must have 1 to {MAX_CHANNELS} channels along its first axis, "
            f"got shape {array.shape}"
        )
    if array.shape[1] < at_least:
        raise InvalidValue(f"{name}: must have at least {at_least} samples, got {array.shape[1]}")
    signal = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(signal).all():
        count = int(np.count_nonzero(~np.isfinite(signal)))
        raise InvalidValue(f"{name}: must be finite, got {count} NaN or infinite samples")
    return signal


def check_pair(
    reference: ArrayLike, estimate: ArrayLike, *, at_least: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Check two signals that must have the same channels and the same length.

    Raises
    ------
    InvalidType, InvalidValue
        See `check_signal`; also where the two shapes differ.
    """
    first = check_signal(reference, "reference", at_least=at_least)
    second = check_signal(estimate, "estimate", at_least=at_least)
    if first.shape != second.shape:
        raise InvalidValue(
            f"estimate: must have the shape of the reference {first.shape}, got {second.shape}"
        )
    return first, second


def check_rate(sample_rate: float) -> float:
    """Return the rate in Hz as a float; `InvalidValue` unless it is at least `MIN_RATE`."""
    rate = float(sample_rate)
    if not (np.isfinite(rate) and rate >= MIN_RATE):
        raise InvalidValue(f"sample_rate={sample_rate}: must be at least {MIN_RATE:g} Hz")
    return rate
