"""The frame-by-frame machine under the repairs that work on spectra."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from uncodec._native import InverseFrames, StreamingStft, synthesis_window
from uncodec.cloning import Cloneable
from uncodec.errors import InvalidValue
from uncodec.signals import Array, sqrt_hann
from uncodec.streams.overlap_add import OverlapAdd

__all__ = ["SpectralEngine"]

Spectra = NDArray[np.complex64]


class SpectralEngine(Cloneable, ABC):
    """Turns whole hops of audio into the delta that repairs it, spectrum by spectrum.

    A subclass gives `_change`, which sees every frame once and in order.

    Parameters
    ----------
    channels : int
        1 or 2.
    window, hop : int
        In samples; the window is a square-root Hann window, at the analysis and at the synthesis.
    lookahead : int
        Frames by which `_change` answers late.

    Attributes
    ----------
    delay : int
        The delta lags the input by so many samples: ``window - hop + lookahead * hop``.
    """

    def __init__(self, channels: int, window: int, hop: int, lookahead: int = 0) -> None:
        if channels not in (1, 2):
            raise InvalidValue(f"channels={channels}: must be 1 or 2")
        shape = sqrt_hann(window)
        self.channels = channels
        self.window = window
        self.hop = hop
        self.delay = window - hop + lookahead * hop
        self._stft = StreamingStft(channels, shape, hop)
        self._inverse = InverseFrames(channels, window)
        self._overlap = OverlapAdd(channels, synthesis_window(shape, hop), hop)

    @property
    def bins(self) -> int:
        """Bins of a spectrum, ``window // 2 + 1``."""
        return self.window // 2 + 1

    @abstractmethod
    def _change(self, spectra: Spectra) -> Spectra:
        """Decide what is added to consecutive frames.

        Parameters
        ----------
        spectra : ndarray [shape=(frames, channels, bins)], complex64
            Un-normalised.

        Returns
        -------
        ndarray [same shape], complex64
            For the frames that came `lookahead` frames before these; zeros before the beginning.
        """

    def push(self, audio: Array) -> Array:
        """Allocating twin of `push_into`."""
        out: Array = np.empty(audio.shape, np.float32)
        self.push_into(audio, out)
        return out

    def push_into(self, audio: Array, out: Array) -> None:
        """Take whole hops, write as many samples of the delta, `delay` samples late.

        Parameters
        ----------
        audio, out : ndarray [shape=(channels, hops * hop)], float32

        Raises
        ------
        InvalidValue
            The shape does not fit; nothing was consumed then.
        """
        samples = audio.shape[-1]
        if audio.shape != (self.channels, samples) or samples % self.hop:
            wanted = f"({self.channels}, multiple of {self.hop})"
            raise InvalidValue(f"audio: must have shape {wanted}, got {audio.shape}")
        if samples:
            spectra = self._stft.push(np.ascontiguousarray(audio, np.float32))
            out[:] = self._overlap.add(self._inverse.inverse(self._change(spectra)))
