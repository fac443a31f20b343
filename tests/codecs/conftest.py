"""Test signals, and how far a signal has moved."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from uncodec.codecs import backends

Array = npt.NDArray[np.float32]


def make_noise(frames: int, channels: int, rate: int, top: float, seed: int = 3) -> Array:
    """Pink noise between 100 Hz and `top`, independent per channel, rms 0.15."""
    noise = np.random.default_rng(seed).standard_normal((channels, frames))
    spectrum = np.fft.rfft(noise)
    frequency = np.fft.rfftfreq(frames, 1 / rate)
    spectrum[:, (frequency < 100) | (frequency > top)] = 0
    spectrum[:, 1:] /= np.sqrt(frequency[1:])
    signal = np.fft.irfft(spectrum, frames)
    return np.clip(0.15 * signal / signal.std(), -0.95, 0.95).astype(np.float32)


def find_lag(reference: Array, other: Array) -> int:
    """Whole samples by which `other` comes later, by cross-correlation over all channels."""
    size = 1 << (reference.shape[1] + other.shape[1]).bit_length()
    cross = np.conj(np.fft.rfft(reference, size)) * np.fft.rfft(other, size)
    peak = int(np.argmax(np.fft.irfft(cross, size).sum(axis=0)))
    return peak if peak < size // 2 else peak - size


def find_delay(
    reference: Array, other: Array, rate: int, low: float, high: float
) -> tuple[float, float]:
    """Delay in samples by the slope of the coherent phase, and the level change in dB."""
    size = 2048
    window = np.hanning(size)
    frequency = np.arange(size // 2 + 1) / size
    cross = np.zeros(size // 2 + 1, complex)
    power_in = np.zeros(size // 2 + 1)
    power_out = np.zeros(size // 2 + 1)
    for channel in range(reference.shape[0]):
        for start in range(2 * size, reference.shape[1] - 2 * size, size // 2):
            x = np.fft.rfft(window * reference[channel, start : start + size])
            y = np.fft.rfft(window * other[channel, start : start + size])
            cross += np.conj(x) * y
            power_in += np.abs(x) ** 2
            power_out += np.abs(y) ** 2
    kept = (frequency * rate > low) & (frequency * rate < high)
    angle = 2 * np.pi * frequency[kept]
    weight = np.abs(cross[kept])
    phase = np.unwrap(np.angle(cross[kept]))
    delay = -np.sum(weight * phase * angle) / np.sum(weight * angle**2)
    level = 10 * np.log10(power_out[kept].sum() / power_in[kept].sum())
    return float(delay), float(level)


@pytest.fixture
def noise() -> Callable[..., Array]:
    return make_noise


@pytest.fixture
def lag() -> Callable[..., int]:
    return find_lag


@pytest.fixture
def delay() -> Callable[..., tuple[float, float]]:
    return find_delay


@pytest.fixture
def without_pyav(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where PyAV is not installed."""
    monkeypatch.setattr(backends, "has_pyav", lambda: False)
