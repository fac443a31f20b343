"""Onsets of a reference signal, and the energy that a codec or a restorer puts in front of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uncodec.analysis.checks import check_pair, check_rate

__all__ = ["find_onsets", "pre_echo"]

STEP_S = 0.001
AHEAD = slice(-20, -5)
"""Milliseconds before the onset in which pre-echo is measured."""
RISE_DB = 9.0
FLOOR = 1e-8
"""Mean square of -80 dBFS: what is softer than that counts as this much."""
AUDIBLE = 2.5e-6
"""Mean square, after emphasis, of -56 dBFS: softer attacks are left out."""
SPACING = 50
"""Milliseconds within which only the steepest rise counts."""


def _energy_steps(signal: NDArray[np.float32], sample_rate: float) -> NDArray[np.float64]:
    """Mean square over all channels per millisecond."""
    count = int(signal.shape[1] / (sample_rate * STEP_S))
    edges = np.round(np.arange(count + 1) * sample_rate * STEP_S).astype(np.intp)
    total = np.concatenate([[0.0], np.cumsum(np.square(signal, dtype=np.float64).sum(axis=0))])
    mean: NDArray[np.float64] = np.diff(total[edges]) / (np.diff(edges) * signal.shape[0])
    return mean


def _emphasised(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """First difference: 6 dB per octave, or the bass of a mix would hide every attack in it."""
    return np.diff(signal, axis=1, prepend=signal[:, :1])


def _mean_of(energy: NDArray[np.float64], start: int, stop: int) -> NDArray[np.float64]:
    """Mean of ``energy[i + start : i + stop]`` for every ``i`` with such a slice, 0 elsewhere."""
    total = np.concatenate([[0.0], np.cumsum(energy)])
    result = np.zeros_like(energy)
    first, last = max(0, -start), len(energy) - max(0, stop)
    if last > first:
        where = np.arange(first, last + 1)[: len(energy) - first]
        result[where] = (total[where + stop] - total[where + start]) / (stop - start)
    return result


def _onsets(energy: NDArray[np.float64]) -> NDArray[np.intp]:
    before = np.maximum(_mean_of(energy, AHEAD.start, AHEAD.stop), FLOOR)
    after = _mean_of(energy, 0, 10)
    rise = np.where(after > AUDIBLE, after / before, 0.0)
    rise[: -AHEAD.start] = 0.0
    found: list[int] = []
    order = np.argsort(rise)[::-1]
    open_ = rise >= 10.0 ** (RISE_DB / 10.0)
    for at in order[: int(np.count_nonzero(open_))]:
        if not open_[at]:
            continue
        open_[max(0, at - SPACING) : at + SPACING] = False
        # The rise is flat on top for a held note: the onset is where a tenth of the level is
        # reached.
        start = max(-AHEAD.start, at - 5)
        around = energy[start : at + 10]
        found.append(start + int(np.argmax(around >= 0.1 * around.max())))
    return np.unique(np.asarray(found, dtype=np.intp))


def find_onsets(audio: ArrayLike, sample_rate: float) -> NDArray[np.float64]:
    """Times of the clear attacks of a signal, in seconds.

    An attack is a rise by at least 9 dB from the mean energy 20-5 ms before it to the mean energy
    of the 10 ms after it, in the first difference of the signal (6 dB per octave, as the
    high-frequency content of Bello et al., "A tutorial on onset detection in music signals", IEEE
    Trans. SAP 13(5), 2005); of several within 50 ms the steepest counts.

    Returns
    -------
    array, shape (onsets,)
        Rising, with a resolution of 1 ms; empty where there is none.
    """
    signal, _ = check_pair(audio, audio)
    energy = _energy_steps(_emphasised(signal), check_rate(sample_rate))
    return _onsets(energy).astype(np.float64) * STEP_S


def pre_echo(reference: ArrayLike, estimate: ArrayLike, sample_rate: float) -> float:
    """Energy in the 5-20 ms before the onsets of the reference, relative to the reference, in dB.

    A transform codec spreads quantisation noise over its whole window, also in front of an attack,
    where backward masking lasts some 5 ms only (Painter and Spanias, "Perceptual coding of digital
    audio", Proc. IEEE 88(4), 2000). Averaged over onsets, channels summed; energies below -80 dBFS
    count as -80 dBFS.

    Parameters
    ----------
    reference, estimate : array, shape (samples,) or (channels, samples)
        Full scale 1. The onsets are those of the reference, see `find_onsets`.
    sample_rate : float
        In Hz.

    Returns
    -------
    float
        In dB: 0 is as clean as the reference, positive is pre-echo, negative means that the
        estimate is softer there than the reference. NaN where the reference has no onset.

    Raises
    ------
    InvalidType, InvalidValue
        Shapes that differ, NaN.
    """
    first, second = check_pair(reference, estimate)
    rate = check_rate(sample_rate)
    onsets = _onsets(_energy_steps(_emphasised(first), rate))
    if onsets.size == 0:
        return float("nan")
    levels = [
        10.0 * np.log10(np.maximum(_mean_of(e, AHEAD.start, AHEAD.stop)[onsets], FLOOR))
        for e in (_energy_steps(first, rate), _energy_steps(second, rate))
    ]
    return float(np.mean(levels[1] - levels[0]))
