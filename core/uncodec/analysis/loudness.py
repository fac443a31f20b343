"""Integrated loudness by Recommendation ITU-R BS.1770-4."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from uncodec.analysis.checks import check_pair, check_rate, check_signal
from uncodec.loudness import (
    ABSOLUTE_GATE_LUFS,
    STEPS_PER_BLOCK,
    energy_of,
    loudness_weights,
    lufs_of,
    step_energies,
    step_length,
)
from uncodec.speakers import speakers_by_count

__all__ = ["integrated_loudness", "loudness_error"]


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
    step = step_length(rate)
    signal = check_signal(audio, "audio", at_least=step * STEPS_PER_BLOCK)
    energy = step_energies(signal, rate, loudness_weights(speakers_by_count(len(signal))))
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
