"""Integrated loudness by Recommendation ITU-R BS.1770-4, in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uncodec.analysis.checks import check_pair, check_rate, check_signal
from uncodec.loudness import (
    ABSOLUTE_GATE_LUFS,
    BLOCK_S,
    STEPS_PER_BLOCK,
    energy_of,
    k_response,
    k_weighting,
    loudness_weights,
    lufs_of,
)
from uncodec.speakers import speakers_by_count

__all__ = ["ABSOLUTE_GATE_LUFS", "BLOCK_S", "integrated_loudness", "k_weighting", "loudness_error"]


def _k_weighted(audio: NDArray[np.float32], sample_rate: float) -> NDArray[np.float32]:
    """Filter by overlap-save in the frequency domain: a recursive filter needs a loop in Python.

    The response of the slower pole (38 Hz, critically damped) has fallen below -200 dB after
    150 ms, so 200 ms of history make the circular convolution equal to the recursive one.
    """
    history = round(0.2 * sample_rate)
    points = 1 << max(16, (4 * history - 1).bit_length())
    step = points - history
    response = k_response(sample_rate, points)
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
        played from two speakers reads 3 LU more. From three to eight channels are weighted as the
        speakers they are for by their number, see `uncodec.speakers.speakers_by_count`.
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
    step = round(rate * BLOCK_S / STEPS_PER_BLOCK)
    signal = check_signal(audio, "audio", at_least=step * STEPS_PER_BLOCK)
    channels, samples = signal.shape
    weights = loudness_weights(speakers_by_count(channels))
    steps = samples // step
    squares = np.square(_k_weighted(signal, rate)[:, : steps * step], dtype=np.float64)
    energy = weights @ squares.reshape(channels, steps, step).sum(axis=-1)
    blocks = np.convolve(energy, np.ones(STEPS_PER_BLOCK), mode="valid") / (step * STEPS_PER_BLOCK)
    kept = blocks[blocks > energy_of(ABSOLUTE_GATE_LUFS)]
    if kept.size == 0:
        return -np.inf
    kept = kept[kept > 0.1 * kept.mean()]
    return lufs_of(kept.mean())


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
