"""Recordings of which one channel's polarity is flipped, found as they run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uncodec.cloning import Cloneable
from uncodec.compiled import compiled

__all__ = ["Polarity"]

Spectra = NDArray[np.complex64]

# Seconds, at 44.1 kHz, over which powers are averaged, and how many times as strong as the mid the
# side must be (20 dB, then 6 dB) for the recording to count as flipped, and to go on doing so.
SECONDS = 0.05
BEGINS, LASTS = 100.0, 4.0

_SIGNATURE = "void(complex64[:, :, :], float64, float64[::1], boolean[::1])"


def _look(
    spectra: Spectra, keep: float, powers: NDArray[np.float64], flipped: NDArray[np.bool_]
) -> None:
    """Write whether each frame is flipped; `powers` holds both averages and what was found last."""
    for number in range(len(spectra)):
        for channel in range(2):
            row = spectra[number, channel]
            power = np.float32(0)
            for i in range(1, len(row)):
                power += row[i].real * row[i].real + row[i].imag * row[i].imag
            powers[channel] = keep * powers[channel] + (1.0 - keep) * power
        least = LASTS if powers[2] > 0 else BEGINS
        powers[2] = 1.0 if powers[1] > least * powers[0] else 0.0
        flipped[number] = powers[2] > 0


_kernel = compiled(_SIGNATURE, _look, fastmath={"reassoc"})


class Polarity(Cloneable):
    """Tells of each frame whether the side has long been far above the mid.

    Networks are trained on music as it is, of which the mid is the stronger part. Where one channel
    was flipped (a cable, a switch at a console), mid and side have changed places, and what a
    network says about a recording without a mid is nothing to go by. It is then given them the
    other way round: a flipped recording gets the flipped delta of the one that is not.

    Parameters
    ----------
    hop : int
        In samples.
    """

    def __init__(self, hop: int) -> None:
        self._hop = hop
        self._keep = float(np.exp(-hop / (44100 * SECONDS)))
        self._powers = np.zeros(3)

    @property
    def flipped(self) -> bool:
        """What was found of the last frame."""
        return bool(self._powers[2] > 0)

    def look_into(self, spectra: Spectra, flipped: NDArray[np.bool_]) -> None:
        """Judge the next frames; allocates nothing.

        Parameters
        ----------
        spectra : ndarray [shape=(frames, 2 or more, bins)], complex64
            Mid and side come first.
        flipped : ndarray [shape=(frames,)], bool
            Written.
        """
        _kernel(spectra, self._keep, self._powers, flipped)
