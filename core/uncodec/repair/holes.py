"""Fills what an encoder switches off for moments: bands that vanish and come back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uncodec._native import StreamingStft
from uncodec.repair.spectral import SpectralEngine
from uncodec.signals import Array, sqrt_hann
from uncodec.streams.noise import HopNoise

__all__ = ["HoleFiller"]

Spectra = NDArray[np.complex64]

_WINDOW = 1024
"""At 44.1 and 48 kHz. Shorter frames see holes sharper, but tell partials apart less."""
_REACH = 10
"""A hole lasts at most twice as many frames (116 ms at 44.1 kHz)."""
_NARROW, _BROAD = 5, 61
"""Bins over which the level of a place and of its surroundings are taken."""
_SILENT_DB = -70.0
_AUDIBLE_DB = -50.0
"""Levels before and after below this (about 76 dB below full scale in all) are left alone."""
_DIP_DB = 12.0
_DEEP_DB = 20.0
_BROAD_DIP_DB = 5.0
"""Where the surroundings fall by so much as well, the music pauses."""
_BELOW_DB = 40.0
"""What is closer to the strongest place of its frame is no hole: encoders keep that."""
_FILL_DB = -7.0
"""The encoder drops the weaker half: what was there is this far below what frames the hole."""
_NONE, _SURE = 0.001, 0.003
"""Share of deep holes from which on the sound counts as damaged, and without doubt."""
_NONE_IN_BAND, _SURE_IN_BAND = 0.003, 0.009
"""The same in a band of its own: a file that lost treble keeps its bass as it is."""
_BAND = 16
"""Bins of such a band."""
_MEMORY_S, _MEMORY_IN_BAND_S = 1.0, 2.0


def _scale(rate: float) -> int:
    """Window in samples: a power of two that lasts as long at every rate."""
    return int(_WINDOW * 2.0 ** round(np.log2(rate / 46000.0)))


def _smoothed(power: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Mean over `width` neighbouring bins, over fewer at the ends."""
    bins = power.shape[-1]
    sums = np.zeros((*power.shape[:-1], bins + 1))
    np.cumsum(power, axis=-1, out=sums[..., 1:])
    first = np.maximum(np.arange(bins) - width // 2, 0)
    stop = np.minimum(np.arange(bins) + width // 2 + 1, bins)
    # A difference of sums may be negative by rounding.
    mean = (sums[..., stop] - sums[..., first]) / (stop - first)
    smooth: NDArray[np.float64] = np.maximum(mean, 0.0)
    return smooth


def _extremes(values: Array, length: int, lowest: bool) -> Array:
    """Extremum of every run of `length` along the first axis."""
    pick = np.minimum if lowest else np.maximum
    reach = 1
    while reach < length:
        step = min(reach, length - reach)
        values = pick(values[:-step], values[step:])
        reach += step
    return values


def _ramp(counts: NDArray[np.float64], none: float, sure: float) -> NDArray[np.float64]:
    """From counts of holes and of places, [shape=(2, ...)], to 0 below `none`, 1 above `sure`."""
    share = counts[0] / np.maximum(counts[1], 1e-3)
    ramp: NDArray[np.float64] = np.clip((share - none) / (sure - none), 0.0, 1.0)
    return ramp


class HoleFiller(SpectralEngine):
    """Adds noise where a band is empty for moments while it and its surroundings sound.

    A place in time and frequency is a hole where its level lies 12 dB or more below the closing of
    the levels over time, and the band of some 2.6 kHz around it does not fall with it. (A closing,
    a running maximum and then a running minimum, fills dips and leaves all else: Serra, "Image
    Analysis and Mathematical Morphology", 1982.) Holes of 20 dB are next to absent in recordings:
    only where their share says that an encoder made them is anything filled. Stereo is looked at as
    mid and side, as encoders do.

    Parameters
    ----------
    sample_rate : float
        In Hz, a whole number from 8000 to 384000.
    channels : int
        1 or 2.
    seed : int
        Of the noise, from 0 to 2**64 - 1.

    Raises
    ------
    InvalidValue
        An argument is outside its range.
    """

    def __init__(self, sample_rate: float, channels: int, seed: int = 0) -> None:
        window = _scale(sample_rate)
        super().__init__(channels, window, window // 4, lookahead=2 * _REACH)
        self._rate = sample_rate
        self._noise = HopNoise(seed, channels, self.hop)
        self._noise_frames = StreamingStft(channels, sqrt_hann(window), self.hop)
        self._frame = 0
        memories = np.array([_MEMORY_S, _MEMORY_IN_BAND_S])
        self._forget = np.exp(-self.hop / (memories * sample_rate))
        # Running means of the numbers of deep holes and of audible places.
        self._everywhere = np.zeros(2)
        self._by_band = np.zeros((2, len(range(0, self.bins - 1, _BAND))))
        past = (2 * _REACH, 2, channels, self.bins)
        # Level of the place and of its surroundings, and their running maxima.
        self._levels: Array = np.full(past, _SILENT_DB, np.float32)
        self._maxima: Array = np.full(past, _SILENT_DB, np.float32)

    def _change(self, spectra: Spectra) -> Spectra:
        frames = spectra.shape[0]
        length = 2 * _REACH + 1
        levels = np.concatenate([self._levels, self._measure(spectra)])
        maxima = np.concatenate([self._maxima, _extremes(levels, length, lowest=False)])
        framed = _extremes(maxima, length, lowest=True)
        self._levels = levels[frames:].copy()
        self._maxima = maxima[frames:].copy()
        dips = framed - levels[:frames]
        audible = framed[:, 0] > _AUDIBLE_DB
        masked = framed[:, 0] < framed[:, 0].max(axis=(1, 2), keepdims=True) - _BELOW_DB
        alone = audible & masked & (dips[:, 1] < _BROAD_DIP_DB)
        gate = self._certainty(alone & (dips[:, 0] > _DEEP_DB), audible)
        noise = self._next_noise(frames)
        if not gate.any():
            return np.zeros(spectra.shape, np.complex64)
        # The noise has a power of window / 2 in every bin, levels are those of a window of 1024.
        gain = 10.0 ** ((framed[:, 0] + _FILL_DB) / 20.0) / np.sqrt(_WINDOW / 2)
        gain *= gate * (alone & (dips[:, 0] > _DIP_DB))
        filling = noise * gain.astype(np.float32)
        if self.channels == 2:
            filling = np.stack([filling[:, 0] + filling[:, 1], filling[:, 0] - filling[:, 1]], 1)
        return np.ascontiguousarray(filling, np.complex64)

    def _measure(self, spectra: Spectra) -> Array:
        """Levels in dB, [shape=(frames, 2, channels, bins)]: narrow, then broad."""
        if self.channels == 2:
            left, right = spectra[:, 0], spectra[:, 1]
            spectra = np.stack([left + right, left - right], axis=1)
            spectra *= np.float32(0.5)
        magnitudes: NDArray[np.float64] = np.abs(spectra).astype(np.float64)
        power = magnitudes**2 * (_WINDOW / self.window)
        silence = 10.0 ** (_SILENT_DB / 10.0)
        near = 10.0 * np.log10(_smoothed(power, _NARROW) + silence)
        # A mean of decibels: a mean of powers would not notice that all but one partial fade.
        broad = _smoothed(near - _SILENT_DB, _BROAD) + _SILENT_DB
        return np.stack([near, broad], axis=1).astype(np.float32)

    def _certainty(self, deep: NDArray[np.bool_], audible: NDArray[np.bool_]) -> Array:
        """How surely each place belongs to damaged sound, 0 to 1, [shape=(frames, 1, bins)]."""
        frames = deep.shape[0]
        certainty = np.zeros((frames, 1, self.bins), np.float32)
        starts = np.arange(0, self.bins - 1, _BAND)
        counts = [np.add.reduceat(x.sum(axis=1), starts, axis=-1) for x in (deep, audible)]
        fresh = np.stack(counts, axis=1).astype(np.float64)
        for i in range(frames):
            self._everywhere += (1.0 - self._forget[0]) * (fresh[i].sum(axis=-1) - self._everywhere)
            self._by_band += (1.0 - self._forget[1]) * (fresh[i] - self._by_band)
            whole = _ramp(self._everywhere, _NONE, _SURE)
            if whole > 0.0:
                band = _ramp(self._by_band, _NONE_IN_BAND, _SURE_IN_BAND)
                certainty[i, 0, :-1] = np.repeat(whole * band, _BAND)
        return certainty

    def _next_noise(self, frames: int) -> Spectra:
        noise = np.empty((self.channels, frames * self.hop), np.float32)
        self._noise.fill(self._frame, noise)
        self._frame += frames
        return self._noise_frames.push(noise)
