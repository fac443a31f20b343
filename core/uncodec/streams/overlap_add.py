"""Overlap-add of inverse frames into samples, compiled by Numba."""

from __future__ import annotations

import numpy as np

from uncodec.cloning import Cloneable
from uncodec.compiled import compiled
from uncodec.errors import InvalidType, InvalidValue
from uncodec.signals import Array

__all__ = ["OverlapAdd"]


_SIGNATURE = "void(float32[:, :, ::1], float32[::1], float32[:, ::1], float32[:, ::1])"


def _add_frames(frames: Array, window: Array, tail: Array, out: Array) -> None:
    """Gather what each hop of the output, and then of the new tail, is the sum of.

    Each sum is begun with the oldest part, whether that comes from the tail or from these frames:
    the bits do not depend on how the frames are cut into calls. The loops run over slices, because
    Numba does not vectorise over computed indices.
    """
    count, channels, length = frames.shape
    kept = tail.shape[1]
    hop = length - kept
    for channel in range(channels):
        for number in range(count + (kept + hop - 1) // hop):
            first = number * hop
            if number < count:
                into = out[channel, first : first + hop]
            else:
                # In place: a place of the tail is read before or when it is written.
                into = tail[channel, first - count * hop : first - count * hop + hop]
            past = tail[channel, min(first, kept) : min(first + len(into), kept)]
            for i in range(len(past)):
                into[i] = past[i]
            for i in range(len(past), len(into)):
                into[i] = 0.0
            for age in range(min(number, (length - 1) // hop), max(number - count, -1), -1):
                part = frames[number - age, channel, age * hop :]
                weight = window[age * hop :]
                for i in range(min(len(into), len(part))):
                    into[i] += part[i] * weight[i]


_kernel = compiled(_SIGNATURE, _add_frames)


class OverlapAdd(Cloneable):
    """Streaming overlap-add with the window normalisation inside.

    Parameters
    ----------
    channels : int
    window : ndarray [shape=(length,)], float32
        Synthesis window, scaled so that the analysis and synthesis windows multiply and overlap to
        1 (`uncodec._native.synthesis_window` gives one).
    hop : int
        From 1 to ``length``, in samples.

    Attributes
    ----------
    tail : ndarray [shape=(channels, length - hop)], float32
        The unfinished sum: what past frames have already added to the samples to come.

    Notes
    -----
    Frame k is added at sample ``k * hop``; every call finishes ``hop`` samples per frame. The
    method is the weighted overlap-add of Crochiere (IEEE Trans. ASSP 28(1), 1980).
    """

    def __init__(self, channels: int, window: Array, hop: int) -> None:
        if channels < 1:
            raise InvalidValue(f"channels={channels}: must be 1 or more")
        if window.ndim != 1 or window.dtype != np.float32:
            raise InvalidType(
                f"window: must be one-dimensional float32, got {window.ndim}-D {window.dtype}"
            )
        if not 1 <= hop <= len(window):
            raise InvalidValue(f"hop={hop}: must be from 1 to the window's {len(window)} samples")
        self.channels = channels
        self.window = np.ascontiguousarray(window)
        self.hop = hop
        self.tail: Array = np.zeros((channels, len(window) - hop), np.float32)

    def add_into(self, frames: Array, out: Array) -> None:
        """Add frames and write the samples they finish; allocates nothing.

        Parameters
        ----------
        frames : ndarray [shape=(frames, channels, length)], float32, C-contiguous
        out : ndarray [shape=(channels, frames * hop)], float32, C-contiguous

        Raises
        ------
        InvalidValue
            A shape does not fit; nothing was added then.
        InvalidType
            An array is not C-contiguous float32; nothing was added then.
        """
        for name, array in (("frames", frames), ("out", out)):
            if array.dtype != np.float32 or not array.flags.c_contiguous:
                raise InvalidType(f"{name}: must be C-contiguous float32, got {array.dtype}")
        if frames.ndim != 3 or frames.shape[1:] != (self.channels, len(self.window)):
            wanted = f"(frames, {self.channels}, {len(self.window)})"
            raise InvalidValue(f"frames: must have shape {wanted}, got {frames.shape}")
        if out.shape != (self.channels, len(frames) * self.hop):
            wanted = f"({self.channels}, {len(frames) * self.hop})"
            raise InvalidValue(f"out: must have shape {wanted}, got {out.shape}")
        _kernel(frames, self.window, self.tail, out)

    def add(self, frames: Array) -> Array:
        """Allocating twin of `add_into`.

        Returns
        -------
        ndarray [shape=(channels, frames * hop)], float32
        """
        out = np.empty((self.channels, len(frames) * self.hop), np.float32)
        self.add_into(np.ascontiguousarray(frames, np.float32), out)
        return out

    def reset(self) -> None:
        """Forget all frames added so far."""
        self.tail.fill(0)
