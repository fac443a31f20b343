"""Synthetic sounds that widen the variety of spectral envelopes beyond a folder of recordings.

Noise hits (hats, cymbals, bursts, washes) and pitched notes (detuned harmonic tones, pulses,
frequency modulation), all computed from a random generator and filling the band up to half the
rate. They are no substitute for recordings: a model that hears some cannot learn that a sound with
little above 10 kHz is the only kind there is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uncodec.signals import Array

__all__ = ["smooth_gains", "synthesize"]


_TABLE = 16384
_SCALES = ((0, 2, 4, 7, 9), (0, 3, 5, 7, 10), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 5, 7, 9, 11))


def synthesize(rng: np.random.Generator, samples: int, sample_rate: int) -> Array:
    """Draw one layer of sound.

    Parameters
    ----------
    rng : numpy Generator
        All that the result depends on besides the other arguments.
    samples : int
    sample_rate : int
        In Hz.

    Returns
    -------
    ndarray [shape=(2, samples), float32]
        Of no particular level.
    """
    out = np.zeros((2, samples), np.float32)
    step = sample_rate * 60 / rng.uniform(70, 170) / int(rng.choice([1, 2, 4]))
    density = rng.uniform(0.3, 1.0)
    draw = _NoiseHits(rng, sample_rate) if rng.random() < 0.5 else _Notes(rng, sample_rate)
    for place in np.arange(rng.uniform(0, step), samples, step):
        if rng.random() > density:
            continue
        start = int(place)
        sound = draw(samples - start) * np.float32(rng.uniform(0.2, 1.0))
        out[:, start : start + sound.shape[1]] += sound
    if samples and not out.any():  # a short piece may hold no beat at all
        sound = draw(samples)
        out[:, : sound.shape[1]] = sound
    return out


def smooth_gains(rng: np.random.Generator, bins: int, spread_db: float, limit_db: float) -> Array:
    """Draw a smooth equaliser curve over the bins of a real FFT, as often up as down.

    Parameters
    ----------
    rng : numpy Generator
    bins : int
    spread_db : float
        Standard deviation at the top of the band, before the limit; the bottom stays at 0.
    limit_db : float
        Largest gain and loss.

    Returns
    -------
    ndarray [shape=(bins,), float32]
        Linear gains. Their mean in dB over many draws is 0 everywhere.
    """
    nodes = np.linspace(0.0, 1.0, 12)
    # A straight tilt and a random walk share the variance: neither all slopes nor all bumps.
    slope = rng.normal(0.0, spread_db * np.sqrt(0.6)) * nodes
    walk = np.cumsum(rng.normal(0.0, spread_db * np.sqrt(0.4 / 11), 12))
    curve = np.clip(slope + walk - walk[0], -limit_db, limit_db)
    gains_db = np.interp(np.linspace(0.0, 1.0, bins), nodes, curve)
    return np.asarray(10 ** (gains_db / 20), np.float32)


class _Sound:
    """What repeats from hit to hit: attack, decay, place between the speakers."""

    def __init__(self, rng: np.random.Generator, sample_rate: int, decay_s: tuple[float, float]):
        self.rng = rng
        self.rate = sample_rate
        self.attack = int(sample_rate * 10 ** rng.uniform(-3.5, -1.0))
        self.decay = sample_rate * 10 ** rng.uniform(*np.log10(decay_s))
        pan = rng.uniform(-0.6, 0.6)
        self.gains = np.sqrt(np.array([[1 - pan], [1 + pan]])).astype(np.float32)

    def envelope(self, most: int) -> Array:
        decay = self.decay * self.rng.uniform(0.6, 1.4)
        length = max(1, min(most, self.attack + int(7 * decay)))
        time = np.arange(length)
        rise = np.minimum(1.0, (time + 1) / (self.attack + 1))
        fall = np.exp(-np.maximum(0, time - self.attack) / decay)
        # 7 decays are -61 dB: the last ones fade to nothing without a click.
        fade = np.minimum(1.0, (length - time) / min(64, length))
        return (rise * fall * fade).astype(np.float32)


class _NoiseHits(_Sound):
    def __init__(self, rng: np.random.Generator, sample_rate: int):
        super().__init__(rng, sample_rate, (0.008, 1.2))
        bins = 4097
        hz = np.linspace(20, sample_rate / 2, bins)
        centre, octaves = 10 ** rng.uniform(2.5, 4.25), rng.uniform(0.5, 4.0)
        bell = np.exp(-0.5 * (np.log2(hz / centre) / octaves) ** 2)
        self.shape = bell * smooth_gains(rng, bins, 6.0, 18.0)
        self.width = rng.uniform(0.0, 1.0)
        # Cymbals and metal ring: partials without harmony on top of the noise.
        count = int(rng.integers(8, 40)) if rng.random() < 0.4 else 0
        self.partials = 10 ** rng.uniform(2.7, np.log10(0.48 * sample_rate), count)
        self.ring = rng.uniform(0.2, 2.0)

    def __call__(self, most: int) -> Array:
        envelope = self.envelope(most)
        length = envelope.size
        size = 1 << max(8, int(np.ceil(np.log2(length))))
        gains = np.interp(np.linspace(0, 1, size // 2 + 1), np.linspace(0, 1, 4097), self.shape)
        middle, apart = np.fft.irfft(
            np.fft.rfft(self.rng.standard_normal((2, size)), axis=1) * gains, axis=1
        )[:, :length]
        sound = np.stack([middle + self.width * apart, middle - self.width * apart])
        if self.partials.size:
            time = np.arange(length) / self.rate
            ringing = np.zeros(length)
            for hz in self.partials:
                ringing += np.sin(2 * np.pi * (hz * time + self.rng.random()))
            sound += self.ring * sound.std() / (ringing.std() + 1e-9) * ringing
        return np.asarray(sound * envelope * self.gains, np.float32)


class _Notes(_Sound):
    def __init__(self, rng: np.random.Generator, sample_rate: int):
        super().__init__(rng, sample_rate, (0.03, 2.0))
        self.root = 55.0 * 2 ** rng.uniform(0.0, 4.0)
        self.scale = _SCALES[int(rng.integers(len(_SCALES)))]
        self.voices = int(rng.integers(1, 6))
        self.detune = 10 ** rng.uniform(-4.0, -2.0)
        self.vibrato = rng.uniform(0.0, 0.006) if rng.random() < 0.3 else 0.0
        self.modulated = rng.random() < 0.3
        self.ratio = float(rng.choice([0.5, 1, 1.41, 2, 3, 3.5, 5, 7.1]))
        self.index = rng.uniform(0.5, 8.0)
        # Amplitudes as of a saw (-6 dB per octave) give or take, of a pulse, or of a hollow tone.
        harmonics = np.arange(1.0, 1 + int(0.49 * sample_rate / 55.0))
        self.amplitudes = harmonics ** -rng.uniform(0.4, 1.6)
        self.amplitudes *= smooth_gains(rng, harmonics.size, 6.0, 12.0)
        if rng.random() < 0.4:
            self.amplitudes *= np.abs(np.sin(np.pi * harmonics * rng.uniform(0.05, 0.5)))
        if rng.random() < 0.2:
            self.amplitudes[1::2] *= 0.1
        self.phases = rng.uniform(0, 2 * np.pi, harmonics.size) * float(rng.random() < 0.5)

    def __call__(self, most: int) -> Array:
        envelope = self.envelope(most)
        note = int(self.rng.choice(self.scale)) + 12 * int(self.rng.integers(0, 2))
        hz = self.root * 2 ** (note / 12)
        time = np.arange(envelope.size) / self.rate
        sway = 1 + self.vibrato * np.sin(2 * np.pi * self.rng.uniform(4, 7) * time)
        table = self._table(hz * (1 + self.vibrato) * (1 + 3 * self.detune))
        sound = np.zeros((2, envelope.size))
        for voice in range(self.voices):
            pitch = hz * (1 + self.detune * self.rng.normal())
            phase = np.cumsum(pitch / self.rate * sway) + self.rng.random()
            if self.modulated:
                wave = self._modulate(phase, pitch, envelope)
            else:
                place = (phase % 1.0) * _TABLE
                cell = place.astype(np.int64)
                wave = table[cell] + (place - cell) * (table[cell + 1] - table[cell])
            side = 0.0 if self.voices == 1 else 2 * voice / (self.voices - 1) - 1
            sound += wave * np.array([[1 - 0.5 * side], [1 + 0.5 * side]])
        return np.asarray(sound * envelope * self.gains, np.float32)

    def _table(self, hz: float) -> NDArray[np.float64]:
        """One period with the harmonics that fit below half the rate, its first value repeated."""
        count = max(1, min(self.amplitudes.size, int(0.5 * self.rate / hz)))
        spectrum = np.zeros(_TABLE // 2 + 1, np.complex128)
        spectrum[1 : count + 1] = (self.amplitudes * np.exp(1j * self.phases))[:count]
        period = np.fft.irfft(spectrum, n=_TABLE) * _TABLE
        return np.append(period, period[0])

    def _modulate(
        self, phase: NDArray[np.float64], hz: float, envelope: Array
    ) -> NDArray[np.float64]:
        # Carson's rule keeps the sidebands below half the rate.
        most = max(0.0, (0.45 * self.rate - hz) / (hz * self.ratio) - 1)
        index = min(self.index, most) * envelope
        return np.asarray(
            np.sin(2 * np.pi * phase + index * np.sin(2 * np.pi * self.ratio * phase))
        )
