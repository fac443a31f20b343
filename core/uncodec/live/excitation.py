"""What excites the additive part of the generator, made from a stream of mid and side."""

from __future__ import annotations

import numpy as np

from uncodec.cloning import Cloneable
from uncodec.compiled import compiled
from uncodec.networks.spectra import SWELL
from uncodec.signals import Array

__all__ = ["Excitation"]


_SIGNATURE = "void(float32[:, :], float32[:, :], float32[:, :], float32[:, ::1], float32[::1])"


def _excite(image: Array, noise: Array, tones: Array, last: Array, rises: Array) -> None:
    """Write overtones and shape noise, see `Excitation`.

    `last` holds the last sample and the last rise of each channel, `rises` a ring of the rises of
    both channels with its next place behind them. The sum over the ring is made anew for each
    sample: nothing of a loud past stays behind, as it would in a running one.
    """
    span = len(rises) - 1
    place = int(rises[span])
    for i in range(image.shape[1]):
        both = np.float32(0)
        for channel in range(2):
            now = image[channel, i]
            rise = abs(now - last[0, channel])
            tones[channel, i] = rise - last[1, channel]
            last[0, channel], last[1, channel] = now, rise
            both += rise
        rises[place] = both
        place = (place + 1) % span
        total = np.float32(0)
        for k in range(span):
            total += rises[k]
        for channel in range(2):
            noise[channel, i] *= total / np.float32(span)
    rises[span] = place


_kernel = compiled(_SIGNATURE, _excite, fastmath={"reassoc"})


class Excitation(Cloneable):
    """Overtones, and noise that swells with the signal, block by block.

    The streaming twin of `uncodec.networks.spectra.overtones` and `swell`, which tell what they are
    good for. It has no delay.
    """

    def __init__(self) -> None:
        self._last: Array = np.zeros((2, 2), np.float32)
        self._rises: Array = np.zeros(SWELL + 1, np.float32)

    def push_into(self, image: Array, noise: Array, tones: Array) -> None:
        """Write the overtones of the next samples, and shape their noise; allocates nothing.

        Parameters
        ----------
        image : ndarray [shape=(2, n)], float32
            Mid and side.
        noise : ndarray [shape=(2, n)], float32
            White; shaped in place.
        tones : ndarray [shape=(2, n)], float32
            Takes the overtones; must not overlap `image`.
        """
        _kernel(image, noise, tones, self._last, self._rises)
