"""What makes another item of levels of one that is there, so that none is learned by heart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uncodec.networks.level_features import BAND, BANDS, FEATURES, FLOOR, LOW_BINS

__all__ = ["draw_colour", "vary"]


def vary(rng: np.random.Generator, item: NDArray[np.float16], bands: int, is_clean: bool) -> int:
    """Vary an item of so many trusted bands in place, so that it is not learned by heart.

    Another loudness; another colour and another pitch, by little, for the link of treble to what
    lies below is what is to be learned; another slope; at times a lower cut-off. Returns the bands
    to trust then.
    """
    gain = rng.uniform(-1.5, 0.5) + draw_colour(rng)
    item[..., :BANDS] += gain.astype(np.float16)
    item[..., 2 * BANDS : FEATURES] += np.interp(
        (np.arange(LOW_BINS) - BAND / 2) / BAND, np.arange(BANDS), gain
    ).astype(np.float16)
    item[..., FEATURES:] += gain.astype(np.float16)
    if rng.random() < 0.6:
        bands = _transpose(item, bands, 2.0 ** rng.uniform(-1 / 8, 1 / 8))
    for part in (item[..., :BANDS], item[..., 2 * BANDS :]):
        np.maximum(part, np.float16(FLOOR), out=part)
    if rng.random() < (0.5 if is_clean else 0.2):
        last = int(rng.integers(8, BANDS))
        item[..., last:BANDS] = FLOOR
        item[..., BANDS + last : 2 * BANDS] = 0.0
    return bands


def draw_colour(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw another colour for a recording: what to add to the levels of its bands, in decades."""
    return _curve(rng) + _slope(rng)


def _curve(rng: np.random.Generator) -> NDArray[np.float64]:
    """A smooth curve over the bands, some 1.5 dB up and down, in decades."""
    place = np.sqrt((np.arange(BANDS) + 0.5) / BANDS)
    waves = [
        rng.normal(0.0, 0.1 / (1 + k)) * np.cos(np.pi * k * place + rng.uniform(0.0, 2 * np.pi))
        for k in range(1, 4)
    ]
    curve: NDArray[np.float64] = np.sum(waves, axis=0)
    return curve


def _slope(rng: np.random.Generator) -> NDArray[np.float64]:
    """A straight slope from 1 kHz up, in decades for each band.

    It is drawn with a standard deviation of 1.2 dB per octave and falls a little more often than it
    rises. Dark recordings are rarer here than among what people have, and a slope shows in what a
    codec keeps.
    """
    octaves = np.maximum(0.0, np.log2((np.arange(BANDS) + 0.5) / 2.9))
    slope: NDArray[np.float64] = rng.normal(-0.03, 0.12) * octaves
    return slope


def _transpose(item: NDArray[np.float16], bands: int, factor: float) -> int:
    """Move everything up in frequency by a factor, in place; returns the bands to trust then."""
    for first, count, unit in (
        (0, BANDS, 1),
        (BANDS, BANDS, 1),
        (2 * BANDS, LOW_BINS, BAND),
        (FEATURES, BANDS, 1),
    ):
        # Bin 0 is in no band: bands begin half a bin above theirs.
        shift = 0.5 if unit == 1 else 1.0
        place = np.clip((np.arange(count) + shift) / factor - shift, 0, count - 1)
        low = np.minimum(place.astype(int), count - 2)
        part = (place - low).astype(np.float32)
        values = item[..., first : first + count].astype(np.float32)
        item[..., first : first + count] = (
            values[..., low] * (1 - part) + values[..., low + 1] * part
        )
    return min(BANDS, int(bands * factor), int((BANDS - 1) * factor))
