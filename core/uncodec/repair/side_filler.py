"""The side signal that joint-stereo coding dropped, made anew out of the mid signal."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from uncodec.repair.spectral import SpectralEngine

__all__ = ["SideFiller"]

Spectra = NDArray[np.complex64]
Doubles = NDArray[np.float64]

_WINDOW_S = 0.0232
_LOWEST_HZ, _HIGHEST_HZ = 500.0, 20000.0
_BANDS_PER_OCTAVE = 6
_REFERENCE_HZ = (700.0, 3000.0)
"""Codecs keep the side here longest: these bands tell how wide the recording is."""
_FILLED_HZ = 2000.0

_MEMORY_S = 0.3
_TINY = 1e-30
_SILENT = 1e-12
"""Energy of a frame, full scale being ``window ** 2``, below which there is nothing to do."""

# Where a codec's band ends: a step in the outline of the spectrum, and nothing above.
_OUTLINE_S = 9.0
_STEP_DB = 15.0
_STEP_HZ = (9000.0, 20700.0)
_SMOOTH_HZ, _GAP_HZ = 500.0, 100.0
_LOOK_S = 0.19
_OPENING, _CLOSING = 0.2, 0.05

# Found on training recordings through MP3, AAC, Opus and Vorbis, and clean ones.
_COHERENT = (0.12, 0.22)
_COHERENT_AT_EDGE = (0.48, 0.60)
_EDGE_MEMORY_S = 0.77
_EDGE_SPAN = 1.8
_NARROWER_DB = (2.0, 5.0)
_BELOW_REFERENCE_DB = -5.0
_WIDEST_DB = -4.0
_TOO_NARROW_DB = (-30.0, -24.0)
_LONGEST_DELAY_S = 2.5e-3


def _ramp(value: Doubles | float, between: tuple[float, float]) -> Doubles:
    low, high = between
    return np.clip((np.asarray(value) - low) / (high - low), 0.0, 1.0)


def _db(power: Doubles) -> Doubles:
    level: Doubles = 10.0 * np.log10(power)
    return level


def _all_pass(bins: int, sample_rate: float) -> NDArray[np.complex128]:
    """A fixed phase for every bin whose group delay wanders between +-2.5 ms."""
    points = max(4, bins // 24)
    corners = np.random.default_rng(1).uniform(-1.0, 1.0, points) * _LONGEST_DELAY_S * sample_rate
    delays = np.interp(np.arange(bins), np.linspace(0.0, bins, points), corners)
    phase = 0.5 * np.pi - np.pi / (bins - 1) * np.cumsum(delays)
    turn: NDArray[np.complex128] = np.exp(1j * phase)
    return turn


class SideFiller(SpectralEngine):
    """Adds side where a codec left left and right coherent; mid stays as it is.

    Parametric and intensity coding keep, in a band, one signal and its level in either channel
    (Herre, "From joint stereo to spatial audio coding", DAFx 2004): frame by frame the channels are
    coherent there, and narrower than the bands below. What makes them wide again is the common
    signal through a fixed all-pass (Schroeder, "An artificial stereophonic effect obtained from a
    single audio signal", JAES 6(2), 1958), as loud as the bands from 700 to 3000 Hz suggest.

    Nothing is added before it is certain that a codec was there: the spectrum ends in a step below
    20.7 kHz, and the bands right below the step are coherent.

    Parameters
    ----------
    sample_rate : float
        In Hz. Below about 20 kHz there is no step to be found, and nothing is added.
    channels : int
        1 or 2; to one channel nothing is added.
    """

    def __init__(self, sample_rate: float, channels: int) -> None:
        window = 1 << round(math.log2(_WINDOW_S * sample_rate))
        super().__init__(channels, window, window // 2)
        self.sample_rate = sample_rate
        hz = np.arange(self.bins) * sample_rate / window
        octaves = math.log2(min(_HIGHEST_HZ, 0.49 * sample_rate) / _LOWEST_HZ)
        count = int(octaves * _BANDS_PER_OCTAVE) + 1
        corners = _LOWEST_HZ * 2.0 ** (np.arange(count) / _BANDS_PER_OCTAVE)
        edges = np.unique(np.searchsorted(hz, corners))
        self._starts, self._end = edges[:-1], int(edges[-1])
        self._low_hz, self._high_hz = hz[edges[:-1]], hz[edges[1:]]
        self._reference = (self._low_hz >= _REFERENCE_HZ[0]) & (self._low_hz < _REFERENCE_HZ[1])
        self._filled = self._low_hz >= _FILLED_HZ
        # Gains are for the middles of the bands; between them they are interpolated.
        self._middle = np.log(0.5 * (self._low_hz + self._high_hz))
        self._place = np.log(np.maximum(hz, 1.0))
        self._turn = _all_pass(self.bins, sample_rate)
        self._hop_s = self.hop / sample_rate
        self._spacing_hz = sample_rate / window
        self._look_every = max(1, round(_LOOK_S / self._hop_s))

        self._outline = np.zeros(self.bins)
        self._frames = 0
        self._open = 0.0
        self._edge_hz = _HIGHEST_HZ
        self._edge_coherence = 0.0
        # Energies of mid and of side per band, and what of mid the side is a copy of.
        self._mid, self._side, self._common = np.zeros((3, len(self._starts)))

    def _change(self, spectra: Spectra) -> Spectra:
        change = np.zeros_like(spectra)
        if self.channels == 2:
            for frame, (left, right) in zip(change, spectra, strict=True):
                mid = 0.5 * (left.astype(np.complex128) + right)
                gains = self._gains(mid, mid - right)
                if gains is not None:
                    frame[0] = gains * self._turn * mid
                    frame[1] = -frame[0]
        return change

    def _gains(self, mid: NDArray[np.complex128], side: NDArray[np.complex128]) -> Doubles | None:
        """Level of the side to be made, relative to mid, per bin; None where there is none."""
        mid_power, side_power = np.abs(mid) ** 2, np.abs(side) ** 2
        self._look_for_edge(mid_power + side_power)
        both = mid * side.conj()
        bands = self._bands(mid_power), self._bands(side_power)
        common = self._bands(both.real) ** 2 + self._bands(both.imag) ** 2
        common /= bands[1] + _TINY
        keep = math.exp(-self._hop_s / _MEMORY_S)
        for past, now in zip((self._mid, self._side, self._common), (*bands, common), strict=True):
            past *= keep
            past += (1.0 - keep) * now
        total = self._mid + self._side
        loudest = float(total.max(initial=0.0))
        if loudest < _SILENT * self.window**2:
            return None
        sounding = total > 1e-7 * loudest
        coherence = np.where(self._side > 1e-5 * self._mid, self._common / (self._mid + _TINY), 1.0)
        self._listen_at_edge(coherence, sounding)
        reference = self._reference & sounding
        if self._open <= 0.5 or not reference.any():
            return None
        ratio_db = _db((self._side + _TINY) / (self._mid + _TINY))
        wide_db = float(np.median(ratio_db[reference]))
        damage = _ramp(coherence, _COHERENT) * _ramp(wide_db - ratio_db, _NARROWER_DB)
        damage *= self._filled & sounding
        damage *= _ramp(self._edge_coherence, _COHERENT_AT_EDGE) * _ramp(self._open, (0.5, 1.0))
        damage *= _ramp(wide_db, _TOO_NARROW_DB)
        if not damage.any():
            return None
        wanted = 10.0 ** (0.1 * min(wide_db + _BELOW_REFERENCE_DB, _WIDEST_DB))
        lacking = np.maximum(wanted - 10.0 ** (0.1 * ratio_db), 0.0)
        gains: Doubles = np.interp(self._place, self._middle, damage * np.sqrt(lacking), left=0.0)
        return gains

    def _bands(self, values: Doubles) -> Doubles:
        sums: Doubles = np.add.reduceat(values[: self._end], self._starts)
        return sums

    def _look_for_edge(self, power: Doubles) -> None:
        """Follow the outline of the spectrum and see now and then where it ends."""
        self._outline *= math.exp(-self._hop_s / _OUTLINE_S)
        np.maximum(self._outline, power, out=self._outline)
        self._frames += 1
        if self._frames % self._look_every:
            return
        level = _db(self._outline + 1e-19 * self.window**2)
        wide = max(1, int(_SMOOTH_HZ / self._spacing_hz))
        gap = max(1, int(_GAP_HZ / self._spacing_hz))
        sums = np.concatenate([[0.0], np.cumsum(level)])
        means = (sums[wide:] - sums[:-wide]) / wide
        # The loudest of all that is above.
        above = np.maximum.accumulate(means[::-1])[::-1]
        first = int(_STEP_HZ[0] / self._spacing_hz)
        last = min(int(_STEP_HZ[1] / self._spacing_hz), len(means) - 1 - gap)
        step_db = 0.0
        if last > first:
            steps = means[first - gap - wide : last - gap - wide] - above[first + gap : last + gap]
            best = int(np.argmax(steps))
            step_db = float(steps[best])
            self._edge_hz = (first + best) * self._spacing_hz
        if step_db > _STEP_DB:
            self._open = min(1.0, self._open + _OPENING)
        else:
            self._open = max(0.0, self._open - _CLOSING)

    def _listen_at_edge(self, coherence: Doubles, sounding: NDArray[np.bool_]) -> None:
        below = sounding & (self._low_hz >= self._edge_hz / _EDGE_SPAN)
        below &= self._high_hz < self._edge_hz
        if below.any():
            keep = math.exp(-self._hop_s / _EDGE_MEMORY_S)
            now = float(coherence[below].mean())
            self._edge_coherence = keep * self._edge_coherence + (1.0 - keep) * now
