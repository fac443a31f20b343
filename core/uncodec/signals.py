"""What all rooms mean by audio: the array, mid and side, the window of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Array", "mid_side", "mid_side_into", "sqrt_hann"]

Array = NDArray[np.float32]
"""Audio inside the package: [shape=(channels, samples)], C-contiguous."""


Signal = TypeVar("Signal", Array, "Tensor")


def mid_side(left: Signal, right: Signal) -> tuple[Signal, Signal]:
    """Mid ``(L + R) / 2`` and side ``(L - R) / 2`` of arrays or tensors."""
    return (left + right) * 0.5, (left - right) * 0.5


def mid_side_into(audio: Array, out: Array) -> None:
    """`mid_side` of one channel or two, without allocating.

    Parameters
    ----------
    audio : ndarray [shape=(1 or 2, samples)], float32
        The mid of one channel is the channel, its side is silent.
    out : ndarray [shape=(2, samples)], float32
        Not `audio` itself.
    """
    if audio.shape[0] == 1:
        out[0] = audio[0]
        out[1] = 0
        return
    np.add(audio[0], audio[1], out=out[0])
    np.subtract(audio[0], audio[1], out=out[1])
    out *= np.float32(0.5)


def sqrt_hann(window: int) -> Array:
    """Periodic square-root Hann window, [shape=(window,)]."""
    shape: Array = np.sin(np.arange(window) * (np.pi / window)).astype(np.float32)
    return shape
