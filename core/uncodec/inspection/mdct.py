"""Lapped transforms at any place of a signal, many at a time, reduced to what the search needs.

The search asks for the same transform at each of a thousand places, and of each only how deep its
coefficients fall.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uncodec.signals import Array

__all__ = ["Mdct", "celt_window", "kbd_window", "log_zones", "sine_window", "vorbis_window"]

# Coefficients of one channel that are worked on at a time, so that they stay in the cache.
_BATCH = 16384
_ROOT_HALF = np.float32(np.sqrt(0.5))


def sine_window(size: int) -> Array:
    """The sine window of MP3's subbands, AAC and WMA, [shape=(size,)]."""
    return np.sin((np.arange(size) + 0.5) * np.pi / size).astype(np.float32)


def vorbis_window(size: int) -> Array:
    """The power-complementary window of Vorbis (Vorbis I specification, 4.3.1), [shape=(size,)]."""
    slope = np.sin((np.arange(size) + 0.5) * np.pi / size) ** 2
    return np.sin(np.pi / 2 * slope).astype(np.float32)


def kbd_window(size: int, alpha: float) -> Array:
    """Kaiser-Bessel-derived window (ISO/IEC 13818-7, ATSC A/52), [shape=(size,)]."""
    half = size // 2
    kaiser = np.i0(np.pi * alpha * np.sqrt(1.0 - (np.arange(half + 1) / (half / 2) - 1.0) ** 2))
    rising = np.sqrt(np.cumsum(kaiser[:-1]) / kaiser.sum())
    return np.concatenate([rising, rising[::-1]]).astype(np.float32)


def celt_window(size: int, overlap: int) -> Array:
    """CELT's window: flat, with short slopes of Vorbis' kind (RFC 6716, 4.3.7), [shape=(size,)]."""
    slopes = vorbis_window(2 * overlap)
    window = np.zeros(size, np.float32)
    gap = (size // 2 - overlap) // 2
    window[gap : gap + overlap] = slopes[:overlap]
    window[gap + overlap : size - gap - overlap] = 1.0
    window[size - gap - overlap : size - gap] = slopes[overlap:]
    return window


def log_zones(
    coefficients: Array, edges: NDArray[np.int64], floor: float, out: NDArray[np.float32]
) -> None:
    """Sums of ``log2(coefficient ** 2 + floor)`` over zones of the spectrum.

    Parameters
    ----------
    coefficients : ndarray [shape=(1 or 2, places, n)], float32
    edges : ndarray [shape=(zones + 1,)]
        Coefficients at which zones begin, ascending, at most `n`.
    floor : float
        Power of what is taken for nothing.
    out : ndarray [shape=(places, signals, zones)], float32
        Filled. Signals are left, right, mid and side of stereo, ``(L +- R) / sqrt(2)``; one of
        mono.
    """
    heard = coefficients[:, :, edges[0] : edges[-1]]
    signals = list(heard)
    if len(signals) == 2:
        left, right = signals
        signals += [(left + right) * _ROOT_HALF, (left - right) * _ROOT_HALF]
    for number, signal in enumerate(signals):
        power = np.square(signal)
        power += np.float32(floor)
        np.log2(power, out=power)
        np.add.reduceat(power, edges[:-1] - edges[0], axis=1, out=out[:, number])


@dataclass(frozen=True)
class Mdct:
    """A lapped cosine transform with `hop` coefficients and a window of twice as many samples.

    Attributes
    ----------
    window : ndarray [shape=(2 * hop,)]
        Power-complementary: the transform is orthonormal.
    """

    window: Array
    twist: NDArray[np.complex64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        turn = np.pi * (8 * np.arange(self.hop // 2) + 1) / (8 * self.hop)
        object.__setattr__(self, "twist", np.exp(-1j * turn).astype(np.complex64))

    @property
    def hop(self) -> int:
        """Coefficients of a frame, and samples from one frame to the next."""
        return int(self.window.shape[0]) // 2

    @property
    def reach(self) -> int:
        """Samples that a frame at a place needs from there on."""
        return 2 * self.hop

    def log_power(
        self, x: Array, starts: NDArray[np.int64], edges: NDArray[np.int64], floor: float
    ) -> NDArray[np.float32]:
        """What `log_zones` gives of the frames at some places.

        Parameters
        ----------
        x : ndarray [shape=(1 or 2, n)], float32
        starts : ndarray [shape=(places,)]
            Where frames begin: 0 to ``n - reach``.
        edges, floor
            As of `log_zones`; no zone may be empty.

        Returns
        -------
        ndarray [shape=(places, signals, zones)], float32
        """
        frames = np.lib.stride_tricks.sliding_window_view(x, 2 * self.hop, axis=1)
        signals = 1 if x.shape[0] == 1 else 4
        out = np.empty((starts.shape[0], signals, edges.shape[0] - 1), np.float32)
        batch = max(1, _BATCH // self.hop)
        for first in range(0, starts.shape[0], batch):
            some = slice(first, first + batch)
            log_zones(self._transform(frames[:, starts[some]]), edges, floor, out[some])
        return out

    def _transform(self, frames: Array) -> Array:
        """Coefficients of frames: a fold, and a cosine transform of type four.

        That one is a complex transform of half the size between two twists.
        """
        hop, half = self.hop, self.hop // 2
        frames *= self.window
        folded = np.empty((*frames.shape[:2], hop), np.float32)
        first, second, third, fourth = np.split(frames, 4, axis=-1)
        np.add(third[..., ::-1], fourth, out=folded[..., :half])
        np.negative(folded[..., :half], out=folded[..., :half])
        np.subtract(first, second[..., ::-1], out=folded[..., half:])
        turned = np.empty((*frames.shape[:2], half), np.complex64)
        turned.real = folded[..., ::2]
        turned.imag = folded[..., ::-2]
        turned *= self.twist
        turned = np.fft.fft(turned, axis=-1)
        turned *= self.twist * np.float32(np.sqrt(2.0 / hop))
        folded[..., ::2] = turned.real
        np.negative(turned.imag, out=folded[..., ::-2])
        return folded
