"""Evidence of a fault between two channels: one of them late, or with inverted polarity.

A machine's fault is the same at every frequency and lasts. What microphones and mixes do to the
phase between channels is not: rooms and distances blur it with frequency, panning leaves it alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uncodec._native import StreamingStft
from uncodec.cloning import Cloneable
from uncodec.signals import Array

__all__ = ["ChannelFault", "FaultListener", "listening_window"]


_WINDOW_S = 0.093
_MEMORY_S = 2.0
_EVERY = 4
"""Frames from one verdict to the next."""
_LASTING = 8
"""Verdicts in a row that have to agree."""

_LOWEST_HZ, _HIGHEST_HZ = 100.0, 20000.0
_OCTAVES = 8
_QUIET = 1e-4
"""A frame this much below the loudest of late is not listened to."""
_FLOOR = 1e-8
"""Mean square, of full scale, of a frame that counts as silent."""
_AUDIBLE = 1e-6
"""Share of the energy that an octave needs to have a say."""

# Clean stereo recordings stay below at least one of these wherever a delay is read out of them;
# mono and panned material reaches them with any fault that a machine may add. A pair of microphones
# a hand apart comes nearer to it than a mix does, so short delays need more; and some synthesisers
# chorus a good part of the spectrum into opposite phase.
_PEAK, _PEAK_OF_SHORT, _PEAK_OF_INVERTED = 0.6, 0.75, 0.7
_SHORT_S = 25e-6
_OCTAVE_COHERENCE = 0.3
_TYPICAL_COHERENCE = 0.7
_RIVAL = 0.75
_OCTAVES_NEEDED = 4
_SMALLEST_S = 10e-6
_AGREEMENT_S, _AGREEMENT = 0.5e-6, 0.05


@dataclass(frozen=True)
class ChannelFault:
    """What is wrong between left and right.

    Attributes
    ----------
    delay : float
        By so many samples the right channel lags the left one; negative: the left one lags.
    inverted : bool
        Whether one of them has the wrong polarity.
    """

    delay: float = 0.0
    inverted: bool = False


def listening_window(sample_rate: float) -> int:
    """Samples of a frame: the power of two nearest to 93 ms."""
    return 1 << round(math.log2(_WINDOW_S * sample_rate))


def _hann(window: int) -> Array:
    """Periodic Hann window: where a band ends, less leaks beyond than from its square root."""
    shape: Array = (np.sin(np.arange(window) * (np.pi / window)) ** 2).astype(np.float32)
    return shape


class FaultListener(Cloneable):
    """Listens to two channels and says what is wrong between them once that is beyond doubt.

    The cross-spectrum, averaged over about two seconds of sound, is whitened and transformed back
    (generalised cross-correlation with phase transform, weighted by the coherence; Knapp and
    Carter, IEEE Trans. ASSP 24(4), 1976); its highest peak is a delay, a negative peak an inverted
    polarity. It is believed when no other peak comes near, when the channels, aligned that
    way, are coherent in every octave that sounds, and when several such measurements in a row
    agree.

    Parameters
    ----------
    sample_rate : float
        In Hz.
    longest : float
        The longest delay looked for, in samples.

    Attributes
    ----------
    hop : int
        Samples from one frame to the next.
    fault : ChannelFault
        What is believed at the moment.
    """

    def __init__(self, sample_rate: float, longest: float) -> None:
        self.sample_rate = sample_rate
        self.longest = longest
        self.window = listening_window(sample_rate)
        self.hop = self.window // 2
        self.fault = ChannelFault()
        self._stft = StreamingStft(2, _hann(self.window), self.hop)
        hz = np.arange(self.window // 2 + 1) * sample_rate / self.window
        self._bins = slice(
            int(np.searchsorted(hz, _LOWEST_HZ)),
            int(np.searchsorted(hz, min(_HIGHEST_HZ, 0.49 * sample_rate))),
        )
        hz = hz[self._bins]
        self._turn = 2.0 * np.pi * hz / sample_rate
        octaves = np.searchsorted(hz, _LOWEST_HZ * 2.0 ** np.arange(_OCTAVES))
        self._octaves = np.unique(octaves[octaves < len(hz)])
        self._keep = 1.0 - self.hop / (_MEMORY_S * sample_rate)
        self._loudest = 0.0
        self._silent = True
        self._heard = 0
        self._needed = round(_MEMORY_S * sample_rate / self.hop)
        self._cross = np.zeros(len(hz), np.complex128)
        self._power = np.zeros((2, len(hz)), np.float64)
        self._candidate = ChannelFault()
        self._agreeing = 0

    def push(self, audio: Array) -> None:
        """Listen to [shape=(2, n)], any number of samples; `fault` changes with whole hops."""
        for frame in self._stft.push(audio):
            self._listen(frame[:, self._bins].astype(np.complex128))

    def _listen(self, spectra: NDArray[np.complex128]) -> None:
        power = spectra.real**2 + spectra.imag**2
        total = float(power.sum())
        self._loudest = max(total, self._loudest * self._keep**0.25)
        # Either channel of a frame at full scale has window**2 * 3 / 16 or so.
        quiet = total < max(_QUIET * self._loudest, _FLOOR * self.window**2 * 3.0 / 16.0)
        # Where sound begins at once, in both channels at the same time, every frequency says 0.
        begins, self._silent = self._silent, quiet
        if quiet or begins:
            return
        self._cross *= self._keep
        self._cross += spectra[0].conj() * spectra[1]
        self._power *= self._keep
        self._power += power
        self._heard += 1
        if self._heard >= self._needed and self._heard % _EVERY == 0:
            self._judge()

    def _judge(self) -> None:
        found = self.measure()
        if found is None:
            self._agreeing = 0
            return
        last = self._candidate
        near = max(_AGREEMENT_S * self.sample_rate, _AGREEMENT * abs(last.delay))
        alike = found.inverted == last.inverted and abs(found.delay - last.delay) < near
        self._agreeing = self._agreeing + 1 if alike else 1
        if not alike:
            self._candidate = found
        if self._agreeing < _LASTING:
            return
        if abs(found.delay) < _SMALLEST_S * self.sample_rate:
            found = ChannelFault(0.0, found.inverted)
        # Small wandering of the measurement must not keep the audio gliding.
        if found.inverted != self.fault.inverted or (
            abs(found.delay - self.fault.delay) > _AGREEMENT_S * self.sample_rate
        ):
            self.fault = found

    def measure(self) -> ChannelFault | None:
        """Read the averages of the moment; None where they leave a doubt."""
        left, right = self._power
        size = np.sqrt(left * right)
        both = left + right
        sounding = both > _AUDIBLE * 0.1 * both.max(initial=0.0)
        strength = np.abs(self._cross)
        sounding &= (size > 0.0) & (strength > 0.0)
        count = int(sounding.sum())
        if not count:
            return None
        weighted = np.zeros_like(self._cross)
        weighted[sounding] = (self._cross * strength)[sounding] / size[sounding] ** 2
        delay, peak, rival = self._highest_peak(weighted / count)
        short = _SMALLEST_S < abs(delay) / self.sample_rate < _SHORT_S
        enough = max(
            _PEAK, _PEAK_OF_SHORT if short else 0.0, _PEAK_OF_INVERTED if peak < 0.0 else 0.0
        )
        if abs(peak) < enough or rival > _RIVAL * abs(peak) or abs(delay) > self.longest:
            return None
        aligned = (self._cross * np.exp(1j * self._turn * delay)).real * np.sign(peak)
        starts = self._octaves
        sums = [np.add.reduceat(values, starts) for values in (aligned, left, right)]
        heard = sums[1] + sums[2] > _AUDIBLE * both.sum()
        coherence = sums[0][heard] / np.sqrt(sums[1] * sums[2] + 1e-300)[heard]
        if (
            len(coherence) < _OCTAVES_NEEDED
            or coherence.min() < _OCTAVE_COHERENCE
            or np.median(coherence) < _TYPICAL_COHERENCE
        ):
            return None
        return ChannelFault(delay, bool(peak < 0.0))

    def _highest_peak(self, weighted: NDArray[np.complex128]) -> tuple[float, float, float]:
        """Delay in samples, height, and height of the next best peak, without its sign."""
        full = np.zeros(2 * self.window + 1, np.complex128)
        full[self._bins] = weighted
        # Four times oversampled; 2 * window undoes the scale of the inverse of a real transform.
        curve = np.fft.irfft(full, n=4 * self.window) * (2 * self.window)
        reach = int(np.ceil(4.0 * self.longest)) + 4
        line = np.abs(np.concatenate([curve[-reach:], curve[: reach + 1]]))
        inner = line[1:-1]
        tops = np.flatnonzero((inner >= line[:-2]) & (inner > line[2:])) + 1
        if not len(tops):
            return 0.0, 0.0, 0.0
        best = tops[np.argmax(line[tops])]
        rival = float(line[tops[tops != best]].max(initial=0.0))
        delay = (int(best) - reach) / 4.0
        # Newton's steps to the top itself, which is a small part of a sample away.
        for _ in range(3):
            turned = weighted * np.exp(1j * self._turn * delay)
            slope = -np.sum(self._turn * turned.imag)
            bend = -np.sum(self._turn**2 * turned.real)
            if bend:
                delay -= float(np.clip(slope / bend, -0.25, 0.25))
        height = float(np.sum(weighted * np.exp(1j * self._turn * delay)).real)
        return delay, height, rival
