"""What excites the additive part of the generator, made from a stream of mid and side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uncodec.networks.spectra import SWELL

__all__ = ["Excitation"]

Array = NDArray[np.float32]


class Excitation:
    """Overtones, and noise that swells with the signal, block by block.

    The streaming twin of `uncodec.networks.spectra.overtones` and `swell`, which tell what they are
    good for. It has no delay.
    """

    def __init__(self) -> None:
        self._last: Array = np.zeros((2, 1), np.float32)
        # The rises of the last millisecond, channel by channel and of both together.
        self._rise: Array = np.zeros((2, 1), np.float32)
        self._rises: Array = np.zeros(SWELL - 1, np.float32)

    def push_into(self, image: Array, noise: Array, tones: Array) -> None:
        """Write the overtones of the next samples, and shape their noise.

        Parameters
        ----------
        image : ndarray [shape=(2, n)], float32
            Mid and side; n of 1 or more.
        noise : ndarray [shape=(2, n)], float32
            White; shaped in place.
        tones : ndarray [shape=(2, n)], float32
            Takes the overtones; must not overlap `image`.
        """
        np.subtract(image[:, 1:], image[:, :-1], out=tones[:, 1:])
        np.subtract(image[:, :1], self._last, out=tones[:, :1])
        np.abs(tones, out=tones)
        both = np.concatenate([self._rises, tones[0] + tones[1]])
        self._rises = both[-(SWELL - 1) :]
        # Sums of 48 numbers each time, not a running one: nothing of a loud past stays behind.
        noise *= np.convolve(both, _MEAN, mode="valid")
        rise = tones[:, -1:].copy()
        np.subtract(tones[:, 1:], tones[:, :-1], out=tones[:, 1:])
        tones[:, :1] -= self._rise
        self._last[:] = image[:, -1:]
        self._rise = rise

    def clone(self) -> Excitation:
        """An independent copy that goes on from the same state."""
        twin = Excitation()
        twin._last[:] = self._last
        twin._rise = self._rise.copy()
        twin._rises = self._rises.copy()
        return twin


_MEAN: Array = np.full(SWELL, 1 / SWELL, np.float32)
