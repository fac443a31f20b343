"""Error and treble: what a regression lowers, and what it pays with.

A network that is trained on the squared error alone learns the mean of all that may have been
there. That mean is the closest guess by the squared error, and it is quiet where the guess is hard:
in the treble. The two numbers here show both sides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from uncodec.analysis.checks import check_pair, check_rate
from uncodec.analysis.metrics import HOP, LIMIT_DB, MIN_SAMPLES, N_FFT
from uncodec.analysis.spectra import power_spectra, stft

__all__ = ["DULLNESS_METRICS", "TREBLE_HZ", "score_dullness", "squared_error", "treble_level"]

DULLNESS_METRICS = {
    "squared_error_db": "Squared error dB",
    "treble_error_db": "Squared error, treble dB",
    "treble_level_db": "Treble level dB",
}
"""What `score_dullness` gives, and what tables call it."""

TREBLE_HZ = 8000.0
"""Where the treble begins for `treble_level`."""
_BAND_HZ = 1000.0
_TREBLE_LIMIT_DB = 40.0
# Bands in which the reference has next to nothing tell nothing: below its loudest one by so much.
_HEARD_DB = 80.0


def squared_error(
    reference: ArrayLike, estimate: ArrayLike, sample_rate: float, lowest_hz: float = 0.0
) -> float:
    """Squared error of complex spectra, in dB against the energy of the reference.

    ``10 log10(sum |X - Y|^2 / sum |X|^2)`` over all frames and channels and the bins from
    `lowest_hz` on (Hann 2048, hop 512), lower is better. It is what a regression in the spectral
    domain minimises. Silence instead of the signal scores 0, another signal of the same level 3.

    Parameters
    ----------
    reference, estimate : array, shape (samples,) or (channels, samples)
        Aligned to the sample, at least 2048 samples.
    sample_rate : float
        In Hz.
    lowest_hz : float
        Bins below are left out.

    Returns
    -------
    float
        In dB, within -200 ... 200; NaN where the reference is silent there.

    Raises
    ------
    InvalidType, InvalidValue
        Shapes that differ, NaN.
    """
    first, second = check_pair(reference, estimate, at_least=MIN_SAMPLES)
    lowest = int(np.ceil(lowest_hz * N_FFT / check_rate(sample_rate)))
    # The transform is linear: the spectra of the difference are the difference of the spectra.
    energy, error = (
        float(np.sum(power_spectra(stft(x, N_FFT, HOP))[..., lowest:], dtype=np.float64))
        for x in (first, second - first)
    )
    if not energy > 0.0:
        return float("nan")
    return float(np.clip(10.0 * np.log10(max(error, 1e-300) / energy), -LIMIT_DB, LIMIT_DB))


def treble_level(reference: ArrayLike, estimate: ArrayLike, sample_rate: float) -> float:
    """By how much the treble is too loud (above 0) or too dull (below 0), in dB.

    The energy of each band of 1 kHz from 8 kHz upwards, over the whole clip and all channels,
    against that of the reference; the mean of these levels in dB, each held within 40 dB, so that
    an empty band counts -40. Bands that are 80 dB below the loudest band of the reference are left
    out.

    Parameters
    ----------
    reference, estimate : array, shape (samples,) or (channels, samples)
        At least 2048 samples.
    sample_rate : float
        In Hz.

    Returns
    -------
    float
        In dB, within -40 ... 40; NaN where the reference has no treble.

    Raises
    ------
    InvalidType, InvalidValue
        Shapes that differ, NaN.
    """
    first, second = check_pair(reference, estimate, at_least=MIN_SAMPLES)
    rate = check_rate(sample_rate)
    band = (np.arange(N_FFT // 2 + 1) * rate / N_FFT // _BAND_HZ).astype(np.int64)
    # Not the frames that reach beyond the ends: the kink where the sound is mirrored is treble.
    energies = [
        np.bincount(band, power_spectra(stft(x, N_FFT, HOP)[:, 2:-2]).sum((0, 1), np.float64))
        for x in (first, second)
    ]
    heard = energies[0] > energies[0].max() * 10.0 ** (-_HEARD_DB / 10.0)
    heard[: int(TREBLE_HZ / _BAND_HZ)] = False
    if not heard.any():
        return float("nan")
    wanted, got = (each[heard] for each in energies)
    levels = 10.0 * np.log10(np.maximum(got, 1e-300) / wanted)
    return float(np.clip(levels, -_TREBLE_LIMIT_DB, _TREBLE_LIMIT_DB).mean())


def score_dullness(
    reference: ArrayLike, estimate: ArrayLike, sample_rate: float
) -> dict[str, float]:
    """`squared_error` and `treble_level` by their keys in `DULLNESS_METRICS`."""
    return {
        "squared_error_db": squared_error(reference, estimate, sample_rate),
        "treble_error_db": squared_error(reference, estimate, sample_rate, TREBLE_HZ),
        "treble_level_db": treble_level(reference, estimate, sample_rate),
    }
