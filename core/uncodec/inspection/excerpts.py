"""Excerpts of a stream whose length nobody knows: as many as fit, evenly spread, in flat memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from uncodec.compiled import compiled
from uncodec.signals import Array

__all__ = ["EXCERPT", "Excerpt", "Excerpts", "resampled"]

EXCERPT = 16384
"""Samples of an excerpt at 48 kHz and below."""

PIECE = 256
"""Samples of the pieces by which treble is told."""

MOST = 48
_REACH = 32
_PHASES = 512


@dataclass(frozen=True)
class Excerpt:
    """A piece of a sound.

    Attributes
    ----------
    start : int
        Samples before it.
    audio : ndarray [shape=(1 or 2, n)], float32
    """

    start: int
    audio: Array

    @cached_property
    def treble(self) -> NDArray[np.float32]:
        """Power of the second difference in pieces of `PIECE` samples, [shape=(pieces,)]."""
        count = self.audio.shape[1] // PIECE
        if count == 0:
            return np.zeros(0, np.float32)
        bend = np.zeros((self.audio.shape[0], count * PIECE), np.float32)
        bend[:, 1:-1] = np.diff(self.audio[:, : count * PIECE], n=2, axis=1)
        power: NDArray[np.float32] = np.square(bend).reshape(-1, count, PIECE).mean(axis=(0, 2))
        return power

    @cached_property
    def content(self) -> NDArray[np.float32]:
        """Power of what is there between tones, [shape=(33,)] from 0 to half the rate.

        Medians over frames and over 32 neighbouring bins, with a window whose side lobes lie below
        all noise: where nothing but the skirts of pure tones would be, it is as low as the noise.
        Scaled so that white noise has the power of one of its samples.
        """
        size = 2048
        count = self.audio.shape[1]
        if count < size:
            return np.zeros(33, np.float32)
        window = np.kaiser(size, 18.0).astype(np.float32)
        window /= np.sqrt(np.square(window).sum())
        places = np.linspace(0, count - size, 6).astype(int)
        frames = np.stack([self.audio[:, p : p + size] for p in places])
        power = np.square(np.abs(np.fft.rfft(frames * window, axis=-1)))
        grouped = np.median(power[..., :-1].reshape(*power.shape[:2], 32, 32), axis=-1)
        # The mean of an exponential distribution is its median by ln 2.
        told = np.median(grouped, axis=0).max(axis=0) / np.log(2.0)
        return np.append(told, told[-1]).astype(np.float32)

    def faintest(self, length: int) -> NDArray[np.float32]:
        """Least treble within `length` samples from each piece on; empty where it is shorter."""
        width = -(-length // PIECE)
        if self.treble.size < width:
            return np.zeros(0, np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(self.treble, width)
        least: NDArray[np.float32] = windows.min(axis=1)
        return least


class Excerpts:
    """Collects excerpts while a sound goes by.

    They begin at multiples of a distance that is doubled, and every other one dropped, whenever
    there are too many. What is kept depends on the samples alone, never on a length that a
    container states: the same samples give the same excerpts.
    """

    def __init__(self, rate: int = 48000) -> None:
        # At high rates as long in time, for they are looked at at lower ones.
        self._size = EXCERPT * -(-rate // 48000)
        self._kept: list[Excerpt] = []
        self._distance = self._size
        self._position = 0
        self._open: list[Array] = []

    def push(self, x: Array) -> None:
        """Take (channels, n) samples."""
        at = 0
        while at < x.shape[1]:
            place = self._position % self._distance
            if place < self._size:
                part = x[:, at : at + self._size - place]
                self._open.append(part.copy())
                if place + part.shape[1] == self._size:
                    self._close()
            else:
                part = x[:, at : at + self._distance - place]
            at += part.shape[1]
            self._position += part.shape[1]
            if not self._open and len(self._kept) > MOST:
                self._thin()

    def _close(self) -> None:
        audio = np.ascontiguousarray(np.concatenate(self._open, axis=1))
        self._open = []
        start = self._position // self._distance * self._distance
        self._kept.append(Excerpt(start, audio))

    def _thin(self) -> None:
        self._distance *= 2
        self._kept = [e for e in self._kept if e.start % self._distance == 0]

    def finish(self) -> list[Excerpt]:
        """The excerpts of the whole sound, in order; the last may be short."""
        kept = list(self._kept)
        if self._open:
            audio = np.ascontiguousarray(np.concatenate(self._open, axis=1))
            kept.append(Excerpt(self._position - audio.shape[1], audio))
        return kept


def _interpolate(
    x: Array, place: NDArray[np.float64], table: Array, reach: int, out: Array
) -> None:
    phases = table.shape[0] - 1
    taps = table.shape[1]
    for i in range(place.shape[0]):
        whole = int(np.floor(place[i]))
        exact = (place[i] - whole) * phases
        phase = int(exact)
        part = np.float32(exact - phase)
        first = whole - reach + 1
        for c in range(x.shape[0]):
            total = np.float32(0.0)
            for t in range(taps):
                tap = table[phase, t] + part * (table[phase + 1, t] - table[phase, t])
                total += tap * x[c, first + t]
            out[c, i] = total


_kernel = compiled(
    "void(float32[:, ::1], float64[::1], float32[:, ::1], int64, float32[:, ::1])",
    _interpolate,
    fastmath=True,
)


def _taps(ratio: float, reach: int) -> Array:
    """Taps of a windowed sinc for each phase, [shape=(phases + 1, 2 * reach)]."""
    phase = np.arange(_PHASES + 1)[:, None] / _PHASES
    distance = np.arange(2 * reach) - (reach - 1) - phase
    bandwidth = min(1.0, ratio)
    inside = np.sqrt(np.maximum(0.0, 1.0 - (distance / reach) ** 2))
    taps = bandwidth * np.sinc(bandwidth * distance) * np.i0(8.0 * inside) / np.i0(8.0)
    return np.ascontiguousarray(taps, dtype=np.float32)


def resampled(excerpt: Excerpt, rate_in: int, rate_out: int, shift: float = 0.0) -> Excerpt:
    """An excerpt at another rate, on the grid whose sample 0 lies `shift` samples late.

    The grid is that of the whole sound, so that excerpts of one sound stay on one lattice.
    """
    ratio = rate_out / rate_in
    reach = int(np.ceil(_REACH / min(1.0, ratio)))
    count = excerpt.audio.shape[1]
    first = int(np.ceil((excerpt.start + reach) * ratio - shift))
    last = int(np.floor((excerpt.start + count - reach - 1) * ratio - shift))
    index = np.arange(first, max(first, last))
    place = (index + shift) / ratio - excerpt.start
    out = np.empty((excerpt.audio.shape[0], index.size), np.float32)
    _kernel(excerpt.audio, place, _taps(ratio, reach), reach, out)
    return Excerpt(first, out)
