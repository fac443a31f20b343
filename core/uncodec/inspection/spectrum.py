"""What the spectrum of a sound shows: where it ends, its holes, how its channels hang together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from uncodec.cutoff import FRAME, find_edge
from uncodec.inspection.excerpts import Excerpt
from uncodec.signals import Array

__all__ = ["Picture", "look_at", "power_of"]

_WINDOW = np.hanning(FRAME).astype(np.float32)
# Tiles of eight bins and one frame; a hole is a tile so far below what its band has in general.
_TILE = 8
_HOLE_DB = 25.0
HOLE_ZONES_HZ = (1000, 4000, 8000, 12000, 16000)
# Below this the difference of two channels is none.
_SAME_DB = -75.0
# Intensity stereo: both channels are copies of one. Windows are as short as the frames of codecs,
# for the balance changes with them.
_SHORT = 1024
_SHORT_WINDOW = np.hanning(_SHORT).astype(np.float32)
_COPIED, _COPIED_LEAST, _COPIED_PART, _COPIED_MORE = 0.98, 0.65, 0.8, 0.4
_LEAST_RANGES, _LEAST_HEARD = 2, 0.05


@dataclass(frozen=True)
class Picture:
    """What `look_at` saw.

    Attributes
    ----------
    edge_hz : float or None
        Where the sound ends; half the rate where nothing ends it; None where nothing is heard.
    wall_db : float
        How steeply; 0 where it is as dark as it was made.
    above_db : float
        Level above the edge over the noise of rounding to 16 bits.
    holes : tuple of float
        Part of the tiles in each of `HOLE_ZONES_HZ` that are holes.
    side_holes : tuple of float
        The same, of the difference of the channels; 0 for mono.
    same : bool
        Both channels are the same.
    intensity_hz : float or None
        From where on both channels are copies of one another, if need be at other levels.
    tilt_db : float
        Level of 1 to 4 kHz over that of 8 to 12 kHz.
    """

    edge_hz: float | None
    wall_db: float
    above_db: float
    holes: tuple[float, ...]
    side_holes: tuple[float, ...]
    same: bool
    intensity_hz: float | None
    tilt_db: float


def power_of(x: Array) -> NDArray[np.float32]:
    """Powers of half-overlapping Hann frames, (channels, n) to (channels, frames, 1025)."""
    frames = np.lib.stride_tricks.sliding_window_view(x, FRAME, axis=1)[:, :: FRAME // 2]
    spectra = np.fft.rfft(frames * _WINDOW, axis=-1)
    return np.square(np.abs(spectra)).astype(np.float32)


def look_at(excerpts: Sequence[Excerpt], rate: int) -> Picture:
    """Look at the excerpts of a sound, at its own rate."""
    long = [e for e in excerpts if e.audio.shape[1] >= FRAME]
    zones = len(HOLE_ZONES_HZ) - 1
    nothing = (0.0,) * zones
    if not long:
        return Picture(None, 0.0, 0.0, nothing, nothing, False, None, 0.0)
    stereo = long[0].audio.shape[0] == 2
    mono = np.concatenate([_frames_only(e.audio.mean(axis=0)) for e in long])
    edge = find_edge(mono, rate)
    mid = np.concatenate([power_of(e.audio.mean(axis=0, keepdims=True))[0] for e in long])
    top = rate / 2 if edge is None else edge.hz
    side_holes, same, intensity = nothing, False, None
    if stereo:
        halves = [np.float32(0.5) * (e.audio[:1] - e.audio[1:]) for e in long]
        side = np.concatenate([power_of(h)[0] for h in halves])
        difference = 10.0 * np.log10((side.sum() + 1e-20) / (mid.sum() + side.sum() + 1e-20))
        same = bool(difference < _SAME_DB)
        if not same:
            side_holes = _holes(side, rate, top)
            intensity = _intensity(long, rate, top)
    bins = np.array([1000, 4000, 8000, 12000]) * FRAME / rate
    low, low_end, high, high_end = np.minimum(bins.astype(int), mid.shape[1] - 2)
    mean = mid.mean(axis=0) + 1e-12
    tilt = 10.0 * np.log10(mean[low : low_end + 1].mean() / mean[high : high_end + 1].mean())
    above = mean[min(int(top * FRAME / rate) + 8, mean.size - 4) :].mean()
    return Picture(
        edge_hz=None if edge is None else edge.hz,
        wall_db=0.0 if edge is None else edge.wall_db,
        above_db=float(10.0 * np.log10(above) + 71.7),
        holes=_holes(mid, rate, top),
        side_holes=side_holes,
        same=same,
        intensity_hz=intensity,
        tilt_db=float(tilt),
    )


def _frames_only(row: Array) -> Array:
    return row[: len(row) // FRAME * FRAME]


def _holes(power: NDArray[np.float32], rate: int, top: float) -> tuple[float, ...]:
    count = power.shape[1] // _TILE * _TILE
    tiles = power[:, :count].reshape(len(power), -1, _TILE).mean(axis=-1)
    level = 10.0 * np.log10(tiles + 1e-9)
    # Moments of silence show nothing.
    heard = level.max(axis=1) > -20.0
    if heard.sum() < 4:
        return (0.0,) * (len(HOLE_ZONES_HZ) - 1)
    level = level[heard]
    around = np.maximum(np.roll(level, 1, axis=1), np.roll(level, -1, axis=1))
    usual = np.median(level, axis=0)
    holes = (level < usual - _HOLE_DB) | (level < around - _HOLE_DB)
    told = []
    for low, high in pairwise(HOLE_ZONES_HZ):
        edges = [int(min(hz, top * 0.97) * FRAME / rate / _TILE) for hz in (low, high)]
        part = holes[:, edges[0] : edges[1]]
        told.append(float(part.mean()) if part.size else 0.0)
    return tuple(told)


def _intensity(excerpts: Sequence[Excerpt], rate: int, top: float) -> float | None:
    """From where on up to the top both channels are copies, tile by tile, though not below that.

    Their levels may differ. Sound in the middle is such a copy, too: so it is the change from one
    to the other that tells.
    """
    parts = []
    for e in excerpts[:: max(1, len(excerpts) // 12)]:
        frames = np.lib.stride_tricks.sliding_window_view(e.audio, _SHORT, axis=1)[:, ::_SHORT]
        spectra = np.fft.rfft(frames * _SHORT_WINDOW, axis=-1)
        count = spectra.shape[-1] // _TILE * _TILE
        left, right = spectra[..., :count].reshape(*spectra.shape[:2], -1, _TILE)
        cross = np.abs((left * right.conj()).sum(axis=-1))
        power = np.square(np.abs(left)).sum(axis=-1) * np.square(np.abs(right)).sum(axis=-1)
        parts.append(np.where(power > 1e-3, cross > _COPIED * np.sqrt(power), np.nan))
    share = _mean_heard(np.concatenate(parts))
    width = _TILE * rate / _SHORT
    # Ranges of about a kilohertz; the first begins at one.
    step = max(1, round(1000 / width))
    tiles = share[step : int(top * 0.97 / width)]
    count = tiles.size // step
    if count < 4:
        return None
    ranges = _mean_heard(tiles[: count * step].reshape(count, step).T)
    for first in range(1, count - 1):
        above, below = ranges[first:], ranges[:first]
        above, below = above[np.isfinite(above)], below[np.isfinite(below)]
        if (
            min(above.size, below.size) >= _LEAST_RANGES
            and above.min() > _COPIED_LEAST
            and above.mean() > _COPIED_PART
            and below.mean() < above.mean() - _COPIED_MORE
        ):
            return float((first + 1) * step * width)
    return None


def _mean_heard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over what is heard; NaN where that is little."""
    count = np.isfinite(values).sum(axis=0)
    total = np.nansum(values, axis=0)
    return np.where(count >= _LEAST_HEARD * len(values), total / np.maximum(count, 1), np.nan)
