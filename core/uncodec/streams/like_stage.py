"""The last stage of a render with a reference: what was added is drawn towards its balance.

It remembers what it heard, and so goes over the finished chunks in their order.
"""

from __future__ import annotations

import numpy as np

from uncodec._native import InverseFrames, StreamingStft, synthesis_window
from uncodec.balance import Like
from uncodec.cloning import Cloneable
from uncodec.signals import Array, sqrt_hann
from uncodec.streams.brightness import Brightness
from uncodec.streams.delta_bound import DeltaBound
from uncodec.streams.likeness import Likeness
from uncodec.streams.overlap_add import OverlapAdd

__all__ = ["LikeStage"]

_WINDOW, _HOP = 1024, 512
_BINS = _WINDOW // 2 + 1
# Frames worked on at once: what bounds the buffers.
_RUN = 32


class LikeStage(Cloneable):
    """Draws a delta towards a reference.

    Parameters
    ----------
    like : Like
    sample_rate : float
        In Hz.

    Attributes
    ----------
    hop : int
        Samples are taken in multiples of it.
    delay : int
        Samples by which what is given is late.
    brightness : Brightness
        Tilts what is added, behind the reference.
    """

    hop = _HOP
    delay = _WINDOW - _HOP

    def __init__(self, like: Like, sample_rate: float) -> None:
        shape = sqrt_hann(_WINDOW)
        self.brightness = Brightness(_BINS, sample_rate)
        self._likeness = Likeness(like, _BINS, _HOP, sample_rate)
        self._bound = DeltaBound(2, _BINS)
        self._stft = StreamingStft(4, shape, _HOP)
        self._inverse = InverseFrames(2, _WINDOW)
        self._overlap = OverlapAdd(2, synthesis_window(shape, _HOP), _HOP)

    def push_into(self, coded: Array, missing: Array, out: Array) -> None:
        """Take whole hops and give as many samples, `delay` samples late.

        Parameters
        ----------
        coded, missing : ndarray [shape=(2, hops * hop)], float32
            Mid and side of the coded signal and of what was added.
        out : ndarray [shape=(2, hops * hop)], float32
            Gets what is added.
        """
        for first in range(0, out.shape[1], _RUN * _HOP):
            span = slice(first, min(first + _RUN * _HOP, out.shape[1]))
            source = np.concatenate([coded[:, span], missing[:, span]])
            count = source.shape[1] // _HOP
            spectra = np.empty((count, 4, _BINS), np.complex64)
            self._stft.push_into(source, spectra)
            heard, delta = spectra[:, :2], spectra[:, 2:]
            self._likeness.draw_into(delta, heard)
            delta = np.ascontiguousarray(delta)
            self.brightness.tilt_into(delta)
            self._bound.hold_into(delta, heard)
            frames: Array = np.empty((count, 2, _WINDOW), np.float32)
            self._inverse.inverse_into(delta, frames)
            finished: Array = np.empty((2, count * _HOP), np.float32)
            self._overlap.add_into(frames, finished)
            out[:, span] = finished
