"""Brings a coded version of a recording to its original: rate, channels, place, length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uncodec.analysis.metrics import MIN_SAMPLES
from uncodec.errors import InvalidValue
from uncodec.signals import Array

__all__ = ["LEAST_CORRELATION", "MARGIN_S", "Aligned", "align", "find_offset"]

MARGIN_S = 2.0
"""How far apart, in seconds, two versions may begin."""
LEAST_CORRELATION = 0.3
"""Two versions of one recording correlate at least so much; a codec at 16 kb/s leaves 0.8."""


@dataclass(frozen=True)
class Aligned:
    """Two versions of one shape, and what was done to make them so.

    Attributes
    ----------
    original, coded : array, shape (channels, samples), float32
        At the rate of the original.
    notes : tuple of str
        What was changed, one sentence each; empty where nothing was.
    """

    original: Array
    coded: Array
    notes: tuple[str, ...]


def find_offset(original: Array, coded: Array, most: int) -> tuple[int, float]:
    """Samples by which `coded` is late, and how well it correlates there.

    The peak of the cross-correlation over shifts of up to `most` samples either way, its sign
    ignored, for polarity may be inverted; normalised by the energies of what overlaps at that
    shift.

    Parameters
    ----------
    original, coded : array, shape (samples,)
        At least one sample; lengths may differ.
    most : int
        Samples.

    Returns
    -------
    offset : int
        Above 0 where `coded` is late; 0 where one of the two is silent.
    correlation : float
        From -1 to 1; 0 where one of the two is silent.
    """
    total = len(original) + len(coded)
    points = 1 << (total - 1).bit_length()
    spectrum = np.fft.rfft(coded, points) * np.conj(np.fft.rfft(original, points))
    cross = np.fft.irfft(spectrum, points)
    shifts = np.arange(max(-most, 1 - len(original)), min(most, len(coded) - 1) + 1)
    offset = int(shifts[np.argmax(np.abs(cross[shifts]))])
    here, there = _overlap(original, coded, offset)
    norm = float(np.sqrt(np.sum(np.square(here, dtype=np.float64)) * np.sum(there * there)))
    if norm < 1e-10:
        return 0, 0.0
    return offset, float(np.dot(here, there)) / norm


def _overlap(original: Array, coded: Array, offset: int) -> tuple[Array, Array]:
    length = min(original.shape[-1] - max(0, -offset), coded.shape[-1] - max(0, offset))
    here = original[..., max(0, -offset) :][..., :length]
    there = coded[..., max(0, offset) :][..., :length]
    return here, there


def align(
    original: Array, sample_rate: int, coded: Array, coded_rate: int, *, lead: int = 0
) -> Aligned:
    """Bring a coded version to its original.

    It is resampled to the original's rate, moved by the shift at which both correlate best, mixed
    down or spread to the original's channels, and both are cut to what they share.

    Parameters
    ----------
    original, coded : array, shape (channels, samples)
        One or two channels.
    sample_rate, coded_rate : int
        In Hz.
    lead : int
        Samples, at the rate of the original, by which `coded` was read from an earlier place on.

    Raises
    ------
    InvalidValue
        More than two channels; nothing that both share; less than 2048 samples shared.
    """
    from uncodec.codecs.resampling import resample

    notes = []
    for name, signal in (("original", original), ("coded", coded)):
        if not 1 <= signal.shape[0] <= 2:
            raise InvalidValue(f"{name}: must have one or two channels, got {signal.shape[0]}")
        if signal.shape[1] < MIN_SAMPLES:
            raise InvalidValue(
                f"{name}: must have at least {MIN_SAMPLES} samples, got {signal.shape[1]}"
            )
    if coded_rate != sample_rate:
        coded = resample(coded, coded_rate, sample_rate)
        notes.append(f"The coded file was converted from {coded_rate} to {sample_rate} Hz.")
    if coded.shape[0] != original.shape[0]:
        notes.append(
            f"The coded file has {coded.shape[0]} channel(s), the original {original.shape[0]}: "
            + ("spread to both." if coded.shape[0] < original.shape[0] else "mixed down.")
        )
        coded = np.broadcast_to(
            coded.mean(axis=0, keepdims=True), (original.shape[0], coded.shape[1])
        )
    most = round(MARGIN_S * sample_rate)
    # Not the sum of the channels: what is out of phase between them would be lost to the search.
    loudest = int(np.argmax(np.square(original).sum(axis=1)))
    offset, correlation = find_offset(original[loudest], coded[loudest], most + lead)
    both = np.any(original) and np.any(coded)
    if both and abs(correlation) < LEAST_CORRELATION:
        raise InvalidValue(
            f"coded: must be a version of the original: they correlate by {correlation:.2f} at "
            f"best (within {MARGIN_S:g} s), at least {LEAST_CORRELATION:g} is needed"
        )
    if not both:
        offset = lead
        notes.append("One of the two is silent: they were not aligned.")
    elif correlation < 0.0:
        notes.append("The polarity of the coded file is inverted.")
    late = offset - lead
    if late:
        notes.append(
            f"The coded file begins {abs(late)} samples {'late' if late > 0 else 'early'} "
            f"({1000 * abs(late) / sample_rate:.1f} ms) and was moved."
        )
    here, there = _overlap(original, np.ascontiguousarray(coded), offset)
    if here.shape[1] < MIN_SAMPLES:
        raise InvalidValue(
            f"coded: must share at least {MIN_SAMPLES} samples with the original, shares "
            f"{max(0, here.shape[1])} (of {original.shape[1]} and {coded.shape[1] - lead})"
        )
    if here.shape[1] < original.shape[1]:
        notes.append(
            f"Both were cut from {original.shape[1]} samples to the {here.shape[1]} they share."
        )
    return Aligned(np.ascontiguousarray(here), np.ascontiguousarray(there), tuple(notes))
