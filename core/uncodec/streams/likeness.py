"""Likeness: what is added is drawn towards the tonal balance of a reference.

A running mean over the last 20 seconds tells how loud each band is, with what is added and without.
Where most of a band is added, it is turned up or down to where the reference has it, beside its
lower bands: by 12 dB at most, and by little in the first second, of which little is known. Beyond
the end of a reference bands change as the last that it has.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uncodec.balance import ANCHOR_HZ, QUIET, Like
from uncodec.cloning import Cloneable
from uncodec.compiled import compiled
from uncodec.errors import InvalidValue

__all__ = ["MOST_DB", "Likeness"]

MOST_DB = 12.0
"""What a band is turned up or down by at most."""

_BINS = 8
# Seconds that the mean remembers, and until it is trusted.
_MEMORY_S, _WARM_S = 20.0, 1.0
# Share of a band's power that is added, from which on the band counts as missing, and as all so.
_MISSING, _ALL_MISSING = 0.5, 0.8
# By how much the loudest frame is forgotten with each, in power: 0.1 dB.
_FALL = 0.977
# Where in `rule` the amount is.
_AMOUNT = 2

_SIGNATURE = (
    "void(complex64[:, :, :], complex64[:, :, :], float32[::1], float32[:, ::1], float64[::1],"
    " float32[::1], float64[::1])"
)


def _draw(
    delta: NDArray[np.complex64],
    coded: NDArray[np.complex64],
    wanted: NDArray[np.float32],
    mean: NDArray[np.float32],
    known: NDArray[np.float64],
    gains: NDArray[np.float32],
    rule: NDArray[np.float64],
) -> None:
    """Turn frames of a delta, see `Likeness`.

    `mean` has the running power of the coded signal and of the delta in each band, `known` the
    number of frames in it and the loudest, `gains` room for a frame. `rule`: frames of memory and
    until trust, amount, most in nepers, first band of the anchor and the one behind it, what the
    loudest frame falls by, what is quiet, what counts as missing and as all so.
    """
    bands = len(wanted)
    amount, most = rule[2], rule[3]
    low, high = int(rule[4]), int(rule[5])
    for number in range(len(delta)):
        total = 0.0
        for band in range(bands):
            one = two = np.float32(0)
            for channel in range(delta.shape[1]):
                for i in range(1 + band * 8, 9 + band * 8):
                    x, y = coded[number, channel, i], delta[number, channel, i]
                    one += x.real * x.real + x.imag * x.imag
                    two += y.real * y.real + y.imag * y.imag
            mean[2, band], mean[3, band] = one, two
            total += float(one)
        known[1] = max(known[1] * rule[6], total)
        if total > known[1] * rule[7]:
            known[0] = min(known[0] + 1.0, rule[0])
            share = np.float32(1.0 / known[0])
            for band in range(bands):
                mean[0, band] += (mean[2, band] - mean[0, band]) * share
                mean[1, band] += (mean[3, band] - mean[1, band]) * share
        anchor = np.float32(0)
        for band in range(low, high):
            anchor += mean[0, band] + mean[1, band]
        anchor /= np.float32(high - low)
        trust = amount * min(1.0, known[0] / rule[1])
        change = 0.0
        for band in range(bands):
            kept, added = mean[0, band], mean[1, band]
            gains[band] = 0.0
            if added > 1e-12:
                missing = (added / (kept + added) - rule[8]) / (rule[9] - rule[8])
                missing = min(1.0, max(0.0, missing))
                if wanted[band] > 0.0:
                    lacking = max(wanted[band] * anchor - kept, np.float32(1e-12))
                    change = min(most, max(-most, 0.5 * np.log(lacking / added)))
                gains[band] = change * missing * trust
        # The neighbours of a band have a say in it: no comb of single bands.
        before = gains[0]
        for band in range(bands):
            after = gains[min(band + 1, bands - 1)]
            now = gains[band]
            gains[band] = np.exp(0.25 * before + 0.5 * now + 0.25 * after)
            before = now
        for channel in range(delta.shape[1]):
            row = delta[number, channel]
            for band in range(bands):
                for i in range(1 + band * 8, 9 + band * 8):
                    row[i] *= gains[band]


_kernel = compiled(_SIGNATURE, _draw)


class Likeness(Cloneable):
    """Draws spectra of a delta towards a reference's balance.

    Parameters
    ----------
    like : Like
    bins : int
        Of a frame, from 0 Hz to half the rate: 1 and a multiple of 8.
    hop : int
        Samples from a frame to the next.
    sample_rate : float
        In Hz.
    """

    def __init__(self, like: Like, bins: int, hop: int, sample_rate: float) -> None:
        if bins < 9 or bins % _BINS != 1:
            raise InvalidValue(f"bins={bins}: must be 1 and a multiple of {_BINS}")
        bands = (bins - 1) // _BINS
        width = 0.5 * sample_rate / (bins - 1)
        centres = (_BINS * (np.arange(bands, dtype=np.float64) + 0.5) + 0.5) * width
        self._wanted = like.balance.powers(centres)
        low, high = np.searchsorted(centres, ANCHOR_HZ)
        high = max(high, low + 1)
        frames = sample_rate / hop
        self._rule = np.array(
            [
                _MEMORY_S * frames,
                _WARM_S * frames,
                like.amount,
                MOST_DB / 20.0 * np.log(10.0),
                low,
                high,
                _FALL,
                QUIET,
                _MISSING,
                _ALL_MISSING,
            ]
        )
        self._mean = np.zeros((4, bands), np.float32)
        self._known = np.zeros(2)
        self._gains = np.zeros(bands, np.float32)

    @property
    def amount(self) -> float:
        """How far towards the reference, 0 to 1; another one holds from the next frame on."""
        return float(self._rule[_AMOUNT])

    @amount.setter
    def amount(self, value: float) -> None:
        self._rule[_AMOUNT] = min(1.0, max(0.0, value))

    def draw_into(self, delta: NDArray[np.complex64], coded: NDArray[np.complex64]) -> None:
        """Turn spectra in place; allocates nothing.

        Parameters
        ----------
        delta : ndarray [shape=(frames, channels, bins)], complex64
            Mid, or mid and side, of what is added.
        coded : ndarray [shape=(frames, channels or more, bins)], complex64
            The same of what was there.
        """
        _kernel(delta, coded, self._wanted, self._mean, self._known, self._gains, self._rule)
