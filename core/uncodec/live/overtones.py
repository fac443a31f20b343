"""Overtones of a stream, one of the two excitations of the generator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Overtones"]

Array = NDArray[np.float32]


class Overtones:
    """The difference of the rectified difference, block by block.

    The streaming twin of `uncodec.networks.spectra.overtones`, which tells what it is good for. It
    has no delay.

    Parameters
    ----------
    channels : int
    """

    def __init__(self, channels: int) -> None:
        self._last: Array = np.zeros((channels, 1), np.float32)
        self._rise: Array = np.zeros((channels, 1), np.float32)

    def push_into(self, x: Array, out: Array) -> None:
        """Write the overtones of the next samples.

        Parameters
        ----------
        x, out : ndarray [shape=(channels, n)], float32
            n of 1 or more; `out` must not overlap `x`.
        """
        np.subtract(x[:, 1:], x[:, :-1], out=out[:, 1:])
        np.subtract(x[:, :1], self._last, out=out[:, :1])
        np.abs(out, out=out)
        rise = out[:, -1:].copy()
        np.subtract(out[:, 1:], out[:, :-1], out=out[:, 1:])
        out[:, :1] -= self._rise
        self._last[:] = x[:, -1:]
        self._rise = rise

    def clone(self) -> Overtones:
        """An independent copy that goes on from the same state."""
        twin = Overtones(len(self._last))
        twin._last[:] = self._last
        twin._rise = self._rise.copy()
        return twin
