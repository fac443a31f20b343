"""Integrated loudness by Recommendation ITU-R BS.1770-4, in numpy."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uncodec.analysis.checks import check_pair, check_rate, check_signal

__all__ = ["ABSOLUTE_GATE_LUFS", "integrated_loudness", "k_weighting", "loudness_error"]

ABSOLUTE_GATE_LUFS = -70.0
BLOCK_S = 0.4
_STEPS_PER_BLOCK = 4
_SURROUND_5_1 = (1.0, 1.0, 1.0, 0.0, 1.41, 1.41)


def k_weighting(sample_rate: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients of the two biquads of the K weighting at any rate.

    BS.1770-4 tables them for 48 kHz only. The analogue prototypes behind the table (a high shelf of
    +4 dB at 1682 Hz and a high-pass at 38 Hz) are put through the bilinear transform again, as
    libebur128 does; at 48 kHz this gives the table back to 1e-6.

    Returns
    -------
    b, a : arrays, shape (2, 3)
        Numerators and denominators, shelf first, ``a[:, 0] == 1``.
    """
    rate = check_rate(sample_rate)
    k = np.tan(np.pi * 1681.974450955533 / rate)
    q = 0.7071752369554196
    high = 10.0 ** (3.999843853973347 / 20.0)
    middle = high**0.4996667741545416
    norm = 1.0 + k / q + k * k
    shelf_b = np.array(
        [high + middle * k / q + k * k, 2.0 * (k * k - high), high - middle * k / q + k * k]
    )
    shelf_a = np.array([norm, 2.0 * (k * k - 1.0), 1.0 - k / q + k * k])
    k = np.tan(np.pi * 38.13547087602444 / rate)
    q = 0.5003270373238773
    norm_pass = 1.0 + k / q + k * k
    pass_b = np.array([1.0, -2.0, 1.0])
    pass_a = np.array([norm_pass, 2.0 * (k * k - 1.0), 1.0 - k / q + k * k])
    return (
        np.stack([shelf_b / norm, pass_b]),
        np.stack([shelf_a / norm, pass_a / norm_pass]),
    )


@lru_cache(maxsize=8)
def _response(sample_rate: float, points: int) -> NDArray[np.complex128]:
    """Frequency response of the K weighting on the grid of an rfft of `points`."""
    b, a = k_weighting(sample_rate)
    z = np.exp(-2j * np.pi * np.arange(points // 2 + 1) / points)
    powers = np.stack([np.ones_like(z), z, z * z])
    response: NDArray[np.complex128] = np.prod((b @ powers) / (a @ powers), axis=0)
    response.setflags(write=False)
    return response


def _k_weighted(audio: NDArray[np.float32], sample_rate: float) -> NDArray[np.float32]:
    """Filter by overlap-save in the frequency domain: a recursive filter needs a loop in Python.

    The response of the slower pole (38 Hz, critically damped) has fallen below -200 dB after
    150 ms, so 200 ms of history make the circular convolution equal to the recursive one.
    """
    history = round(0.2 * sample_rate)
    points = 1 << max(16, (4 * history - 1).bit_length())
    step = points - history
    response = _response(sample_rate, points)
    padded = np.pad(audio, ((0, 0), (history, step)))
    out = np.empty_like(audio)
    for start in range(0, audio.shape[1], step):
        spectrum = np.fft.rfft(padded[:, start : start + points], n=points, axis=-1)
        block = np.fft.irfft(spectrum * response, n=points, axis=-1)[:, history:]
        count = min(step, audio.shape[1] - start)
        out[:, start : start + count] = block[:, :count]
    return out


def integrated_loudness(audio: ArrayLike, sample_rate: float) -> float:
    """Integrated (gated) loudness of a programme.

    K weighting, mean square over blocks of 400 ms every 100 ms, channels summed, an absolute gate
    at -70 LUFS and a relative one 10 LU below the mean of what passed it (ITU-R BS.1770-4, annex
    1). Checked against EBU Tech 3341: a 1 kHz stereo sine with peaks at -23 dBFS reads -23.0
    LUFS.

    Parameters
    ----------
    audio : array, shape (samples,) or (channels, samples)
        At least 0.4 s. One channel counts once, as the standard has it: the same mono signal
        played from two speakers reads 3 LU more. Six channels are taken as 5.1 in the order L R C
        LFE Ls Rs.
    sample_rate : float
        In Hz.

    Returns
    -------
    float
        Loudness in LUFS; ``-inf`` where no block passes the absolute gate (silence).

    Raises
    ------
    InvalidType, InvalidValue
        See `uncodec.analysis.checks.check_signal`.
    """
    rate = check_rate(sample_rate)
    step = round(rate * BLOCK_S / _STEPS_PER_BLOCK)
    signal = check_signal(audio, "audio", at_least=step * _STEPS_PER_BLOCK)
    channels, samples = signal.shape
    weights = np.array(_SURROUND_5_1 if channels == 6 else (1.0,) * channels)
    steps = samples // step
    squares = np.square(_k_weighted(signal, rate)[:, : steps * step], dtype=np.float64)
    energy = weights @ squares.reshape(channels, steps, step).sum(axis=-1)
    blocks = np.convolve(energy, np.ones(_STEPS_PER_BLOCK), mode="valid") / (
        step * _STEPS_PER_BLOCK
    )
    kept = blocks[blocks > _energy(ABSOLUTE_GATE_LUFS)]
    if kept.size == 0:
        return -np.inf
    kept = kept[kept > 0.1 * kept.mean()]
    return float(-0.691 + 10.0 * np.log10(kept.mean()))


def _energy(lufs: float) -> float:
    return float(10.0 ** ((lufs + 0.691) / 10.0))


def loudness_error(reference: ArrayLike, estimate: ArrayLike, sample_rate: float) -> float:
    """Absolute difference of the integrated loudness of two signals, in LU.

    Source: ITU-R BS.1770-4 through `integrated_loudness`. What lies below the absolute gate
    counts as -70 LUFS, so silence against silence is 0 and silence against music is large but
    finite.

    Parameters
    ----------
    reference, estimate : array, shape (samples,) or (channels, samples)
        At least 0.4 s.
    sample_rate : float
        In Hz.

    Returns
    -------
    float
        In LU, 0 or more.

    Raises
    ------
    InvalidType, InvalidValue
        Shapes that differ, clips that are too short, NaN.
    """
    first, second = check_pair(reference, estimate)
    levels = [integrated_loudness(x, sample_rate) for x in (first, second)]
    return float(abs(np.diff(np.maximum(levels, ABSOLUTE_GATE_LUFS))[0]))
