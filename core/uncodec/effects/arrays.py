"""The layouts of audio arrays that public calls take, and the one layout used inside.

Public calls take what pedalboard takes: ``(samples,)``, ``(channels, samples)`` or
``(samples, channels)``, the smaller axis being channels, float32 or float64. Inside, everything is
``(channels, samples)`` float32, C-contiguous.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncodec.errors import InvalidType, InvalidValue
from uncodec.speakers import MOST_CHANNELS

__all__ = ["Layout", "to_channels_first"]


class Layout(Enum):
    """How the axes of a caller's array are to be read."""

    MONO = "(samples,)"
    CHANNELS_FIRST = "(channels, samples)"
    SAMPLES_FIRST = "(samples, channels)"

    def restore(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring audio back into this layout.

        Parameters
        ----------
        audio : ndarray [shape=(channels, samples)], float32
            One channel where the layout is ``MONO``.

        Returns
        -------
        ndarray [shape=(samples,), (channels, samples) or (samples, channels)], float32
            C-contiguous.

        Examples
        --------
        >>> import numpy as np
        >>> audio, layout = to_channels_first(np.zeros((100, 2)))
        >>> audio.shape, layout.restore(audio).shape
        ((2, 100), (100, 2))
        """
        if self is Layout.MONO:
            return audio.reshape(-1)
        if self is Layout.SAMPLES_FIRST:
            return np.ascontiguousarray(audio.T)
        return np.ascontiguousarray(audio)


def to_channels_first(
    input_array: NDArray[np.floating],
    *,
    channels: int | None = None,
    layout: Layout | None = None,
) -> tuple[NDArray[np.float32], Layout]:
    """Read a caller's array as ``(channels, samples)``.

    The rules are those of pedalboard 0.9.26: one dimension is mono; of two, the smaller is
    channels, unless exactly one of them is as long as the last array had channels; an empty axis
    is samples. A square array has no smaller axis and is read as the last array was.

    So an array with fewer samples than channels, such as 4 samples of 5.1, is read right where the
    number of channels is known, and taken for 4 channels otherwise.

    Parameters
    ----------
    input_array : ndarray [shape=(samples,), (channels, samples) or (samples, channels)]
        float32 or float64, at most 8 channels, finite.
    channels : int, optional
        Channels that are expected: those of the array before this one, if there was one.
    layout : Layout, optional
        Layout of the array before this one, if there was one.

    Returns
    -------
    audio : ndarray [shape=(channels, samples)], float32
        In the order of memory that `input_array` has, and sharing its memory, unless the type had
        to be converted.
    layout : Layout
        How `input_array` was read; `Layout.restore` undoes it.

    Raises
    ------
    InvalidType
        Not a NumPy array, or neither float32 nor float64.
    InvalidValue
        Not one or two dimensions, more than eight channels, a square array when no array came
        before it, or samples that are NaN, infinite or too large for float32.

    Examples
    --------
    >>> import numpy as np
    >>> audio, layout = to_channels_first(np.zeros((2, 100)))
    >>> audio.shape, audio.dtype.name, layout.name
    ((2, 100), 'float32', 'CHANNELS_FIRST')
    >>> to_channels_first(np.zeros(100, np.complex64))
    Traceback (most recent call last):
        ...
    uncodec.errors.InvalidType: input_array.dtype=complex64: must be float32 or float64
    """
    if not isinstance(input_array, np.ndarray):
        raise InvalidType(
            f"input_array={type(input_array).__name__}: must be a NumPy array of float32 or float64"
        )
    _check_dtype(input_array.dtype)
    found = _layout_of(input_array.shape, channels, layout)
    source = input_array
    if found is Layout.MONO:
        source = input_array[np.newaxis]
    elif found is Layout.SAMPLES_FIRST:
        source = input_array.T
    if source.shape[0] > MOST_CHANNELS:
        raise InvalidValue(
            f"input_array.shape={input_array.shape}: must have 1 to {MOST_CHANNELS} channels, "
            f"got {source.shape[0]} (the smaller axis is channels)"
        )
    audio = source
    if source.dtype != np.float32:
        with np.errstate(over="ignore"):
            # What overflows becomes infinite and is reported with its place below.
            audio = source.astype(np.float32)
    if not np.isfinite(audio).all():
        wrong = ~np.isfinite(audio)
        # The first in time.
        sample, channel = np.argwhere(wrong.T)[0]
        others = np.count_nonzero(wrong) - 1
        raise InvalidValue(
            f"input_array[channel {channel}, sample {sample}]={source[channel, sample]}: "
            "must be finite and fit into float32" + (f" ({others} more are not)" if others else "")
        )
    return audio, found


def _check_dtype(dtype: np.dtype[Any]) -> None:
    if dtype.kind == "f" and dtype.itemsize in (4, 8):
        return
    hint = ""
    if dtype.kind == "i":
        hint = f"; divide integers by {2 ** (8 * dtype.itemsize - 1)} to bring them to full scale"
    elif dtype.kind == "f":
        hint = "; convert it with astype(np.float32)"
    raise InvalidType(f"input_array.dtype={dtype}: must be float32 or float64{hint}")


def _layout_of(shape: tuple[int, ...], channels: int | None, layout: Layout | None) -> Layout:
    if len(shape) == 1:
        return Layout.MONO
    if len(shape) != 2:
        raise InvalidValue(
            f"input_array.shape={shape}: must have 1 or 2 dimensions, (samples,), "
            f"(channels, samples) or (samples, channels), got {len(shape)}"
        )
    first, second = shape
    if first == second:
        if first <= 1:
            return Layout.CHANNELS_FIRST
        if layout in (Layout.CHANNELS_FIRST, Layout.SAMPLES_FIRST):
            return layout
        raise InvalidValue(
            f"input_array.shape={shape}: must not be square, because nothing tells channels from "
            "samples; process a longer array first, and its layout is kept until reset()"
        )
    if channels is not None and channels in shape:
        return Layout.CHANNELS_FIRST if first == channels else Layout.SAMPLES_FIRST
    if first == 0 or second == 0:
        return Layout.SAMPLES_FIRST if first == 0 else Layout.CHANNELS_FIRST
    return Layout.CHANNELS_FIRST if first < second else Layout.SAMPLES_FIRST
