"""Spectrograms: level over time and frequency."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from uncodec.errors import InvalidValue
from uncodec.signals import Array

__all__ = ["COLUMNS", "N_FFT", "levels_db"]

N_FFT = 2048
COLUMNS = 1500
"""About so many at most, unless the caller says otherwise."""
_COLUMNS_AT_ONCE = 256


def levels_db(
    audio: Array, sample_rate: float, columns: int = COLUMNS
) -> tuple[NDArray[np.float32], float]:
    """Level over time and frequency, in dB against a full-scale sine.

    Channels are summed as energies, so that what is out of phase between them stays visible. The
    hop grows with the length, so that an hour costs as many columns as ten seconds; what lies
    between two columns is then not seen.

    Parameters
    ----------
    audio : array, shape (channels, samples)
        At least 2048 samples.
    sample_rate : float
        In Hz.
    columns : int
        About so many at most.

    Returns
    -------
    levels : array, shape (1025, columns), float32
        Not below -200 dB. Column ``t`` is centred on sample ``t * hop``, the ends are mirrored.
    hop_s : float
        Seconds from column to column.

    Raises
    ------
    InvalidValue
        Fewer samples.
    """
    channels, samples = audio.shape
    if samples < N_FFT:
        raise InvalidValue(f"audio has {samples} samples: must have at least {N_FFT}")
    hop = max(N_FFT // 8, -(-samples // columns))
    window = (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)
    count = 1 + samples // hop
    power = np.zeros((count, N_FFT // 2 + 1))
    for channel in audio:
        padded = np.pad(channel, N_FFT // 2, mode="reflect")
        frames = sliding_window_view(padded, N_FFT)[::hop][:count]
        # A part at a time: all frames together need eight times the room of the sound.
        for at in range(0, count, _COLUMNS_AT_ONCE):
            spectra = np.fft.rfft(frames[at : at + _COLUMNS_AT_ONCE] * window, axis=-1)
            part = power[at : at + _COLUMNS_AT_ONCE]
            part += np.square(spectra.real) + np.square(spectra.imag)
    full_scale = (0.5 * float(window.sum())) ** 2 * channels
    levels = 10.0 * np.log10(np.maximum(power.T / full_scale, 1e-20))
    return levels.astype(np.float32), hop / sample_rate
