"""The one short-time Fourier transform of the measuring side, and the frequency bands used with it.

Plain numpy and whole clips at once. The live path has its own streaming transform; this one
exists so that a score depends on nothing but numpy and on the definition printed in its
docstring.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = [
    "band_edges",
    "band_energies",
    "hann",
    "power_spectra",
    "stft",
    "third_octave_slices",
]

FloatArray = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]


@lru_cache(maxsize=16)
def hann(length: int) -> NDArray[np.float32]:
    """Periodic Hann window of `length` samples, float32 in [0, 1], read-only."""
    phase = 2.0 * np.pi * np.arange(length) / length
    window = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
    window.setflags(write=False)
    return window


def stft(
    audio: FloatArray,
    n_fft: int = 2048,
    hop: int = 512,
    window_length: int | None = None,
) -> ComplexArray:
    """Short-time spectra with centred frames and a Hann window, not normalised.

    The conventions are those of ``torch.stft`` with ``center=True``: frame ``t`` is centred on
    sample ``t * hop`` and the ends are mirrored. Where the window is shorter than the transform
    it is padded with zeros, which here is done behind the frame: magnitudes do not depend on it,
    phases do.

    Parameters
    ----------
    audio : array, shape (channels, samples)
        More than ``n_fft // 2`` samples.
    n_fft : int
        Points of the transform.
    hop : int
        Samples from frame to frame.
    window_length : int, optional
        Samples of the window; `n_fft` by default.

    Returns
    -------
    array, shape (channels, 1 + samples // hop, n_fft // 2 + 1)
        complex64 for float32 input (complex128 with numpy 1).
    """
    length = n_fft if window_length is None else window_length
    offset = (n_fft - length) // 2
    padded = np.pad(audio, ((0, 0), (n_fft // 2, n_fft // 2)), mode="reflect")
    frames = sliding_window_view(padded[:, offset:], length, axis=-1)[:, ::hop]
    frames = frames[:, : 1 + audio.shape[-1] // hop]
    spectra: ComplexArray = np.fft.rfft(frames * hann(length), n=n_fft, axis=-1)
    return spectra


def power_spectra(spectra: ComplexArray) -> FloatArray:
    """Squared magnitude, without the square root that ``abs`` would take first."""
    power: FloatArray = np.square(spectra.real) + np.square(spectra.imag)
    return power


@lru_cache(maxsize=16)
def band_edges(bins: int, bands: int = 32) -> tuple[int, ...]:
    """Edges, in bins, of log-spaced bands from bin 1 to the last bin; each at least one bin wide.

    Bin 0 (DC) belongs to no band. At 44.1 kHz and 2048 points the first bands are one bin (21.5 Hz)
    wide, the last one reaches from 17.8 to 22.05 kHz.

    Returns
    -------
    tuple of int, length bands + 1
        Strictly increasing; band ``k`` is ``[edges[k], edges[k + 1])``.
    """
    ratio = bins ** (1.0 / bands)
    edges = [1]
    for k in range(1, bands + 1):
        edges.append(max(edges[-1] + 1, round(ratio**k)))
    edges[-1] = bins
    return tuple(edges)


def band_energies(power: FloatArray, edges: tuple[int, ...]) -> FloatArray:
    """Sums of the last axis over neighbouring bands: (..., bins) -> (..., len(edges) - 1)."""
    sums: FloatArray = np.add.reduceat(power[..., : edges[-1]], edges[:-1], axis=-1)
    return sums


def third_octave_slices(sample_rate: float, n_fft: int) -> list[slice]:
    """Slices of bins, about a third of an octave each, from 50 Hz to half the rate."""
    width = sample_rate / n_fft
    slices = []
    low = max(1, round(50.0 / width))
    while low < n_fft // 2 + 1:
        high = min(n_fft // 2 + 1, max(low + 1, round(low * 2.0 ** (1.0 / 3.0))))
        slices.append(slice(low, high))
        low = high
    return slices
