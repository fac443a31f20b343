"""What the corpus sounds like: noise with attacks in it, from seeds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "attacks", "common_lag", "programme"]

Array = npt.NDArray[np.float32]


def programme(frames: int, channels: int, rate: int, seed: int = 7) -> Array:
    """Pink noise below a third of `rate`, in each channel another one, and an attack now and then.

    Noise can be found again at one place only, which makes it good for measuring alignment; the
    attacks make encoders switch their blocks.
    """
    random = np.random.default_rng(seed)
    size = max(frames, 8192)
    spectrum = np.fft.rfft(random.standard_normal((channels, size)))
    frequency = np.fft.rfftfreq(size, 1 / rate)
    spectrum[:, (frequency < 60) | (frequency > rate / 3)] = 0
    spectrum[:, 1:] /= np.sqrt(frequency[1:])
    signal = np.fft.irfft(spectrum, size)
    signal *= 0.06 / signal.std()
    return (signal[:, :frames] + attacks(frames, channels, rate, seed)).astype(np.float32)


def attacks(frames: int, channels: int, rate: int, seed: int = 7) -> Array:
    """Bursts of noise with a sudden begin, 10 ms long, 60 to 200 ms apart."""
    random = np.random.default_rng(seed + 1)
    signal = np.zeros((channels, frames), np.float32)
    length = max(1, rate // 100)
    place = rate // 20
    while place + length < frames:
        burst = random.uniform(-0.5, 0.5, (channels, length)) * np.exp(
            -np.arange(length) * 6 / length
        )
        signal[:, place : place + length] += burst.astype(np.float32)
        place += int(rate * random.uniform(0.06, 0.2))
    return signal


def common_lag(reference: Array, other: Array) -> tuple[int, float]:
    """By how many samples `other` is late, and how much of it is the reference (0 to 1).

    Channels are added up, so that their order does not matter.
    """
    first = reference.sum(axis=0, dtype=np.float64)
    second = other.sum(axis=0, dtype=np.float64)
    size = 1 << (len(first) + len(second)).bit_length()
    cross = np.fft.irfft(np.conj(np.fft.rfft(first, size)) * np.fft.rfft(second, size), size)
    peak = int(np.argmax(np.abs(cross)))
    scale = np.sqrt(np.sum(first**2) * np.sum(second**2))
    likeness = float(abs(cross[peak]) / scale) if scale else 0.0
    return (peak if peak < size // 2 else peak - size), likeness
