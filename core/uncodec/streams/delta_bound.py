"""The bound on what is added: every engine's delta goes through here, frame by frame.

Networks promise nothing about signals unlike those they were trained on. This does, whatever the
network says:

* **No louder than what is beside it.** In each of 64 bands of a frame, the left and the right delta
  lie at most 9 dB (`CEILING_DB`) above the envelope of the same channel of the coded signal. The
  envelope of a band is the loudest of the band itself, the one above it, and those below it, the
  latter less 6 dB per octave that they are away. It remembers 15 frames and falls by 1.6 dB with
  each.
* **The same for mid and side.** They are held to their own 9 dB first. What the channels then
  demand can change them again, to at most three times (9.5 dB above) that.
* **What is silent stays silent.** A channel, a mid or a side whose mean power in a frame is below
  -113 dBFS, far below the rounding noise of a 16-bit file, gets nothing at all there.

Behind it a frame may be held back before an attack (`uncodec.networks.spectra.hold_back`). The
power that this takes can be returned to the rest of the frame, by 6 dB at most.

A delta that keeps to this passes bit for bit; that of ordinary recordings does. Where one breaks
it, its band is turned down, and keeps its waveform.

Why mid and side cannot get out of hand: call the limits of amplitude L, R, M and S. All come from
norms of spectra of which left is mid plus side and right mid less side, so L and R differ by 2 M at
most. After mid was held to M, left and right differ by 2 M at most but for their sign, and turning
each down to its own limit turns them down alike but for 4 M. Mid, half of their sum, gets no larger
than M + 2 M. Where mid or side is silent, both channels are turned down alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uncodec.cloning import Cloneable
from uncodec.compiled import compiled
from uncodec.errors import InvalidType, InvalidValue

__all__ = ["BANDS", "CEILING_DB", "FALL_DB", "MEMORY", "DeltaBound"]

Spectra = NDArray[np.complex64]

BANDS = 64
"""Bands of equal width from 0 Hz up; fewer where a frame has fewer bins."""
CEILING_DB = 9.0
"""How far the delta may lie above the envelope of the coded bands."""
FALL_DB = 1.6
"""By how much the envelope falls from frame to frame: as a peak does that the network holds."""
MEMORY = 16
"""Frames that the envelope knows of, the present one among them."""
SILENCE = 2.5e-9
"""Mean power of a bin up to which a component counts as silent. The networks' own limit for mid and
side together is just above it."""

_SIGNATURE = (
    "void(complex64[:, :, :], complex64[:, :, :], int64[::1], float32[::1], float32[::1],"
    " float32[:, :, ::1], float32[:, ::1], int64[::1])"
)


def _bound(
    delta: Spectra,
    coded: Spectra,
    edges: NDArray[np.int64],
    tilt: NDArray[np.float32],
    falls: NDArray[np.float32],
    past: NDArray[np.float32],
    limit: NDArray[np.float32],
    place: NDArray[np.int64],
) -> None:
    """Hold frames of a delta to the bound, see `DeltaBound`.

    `past` is a ring of band powers [shape=(MEMORY, components, bands)] with its next place in
    `place`; components are mid, or mid, side, left and right. `limit` has room for a frame.
    """
    memory, components, bands = past.shape
    channels = delta.shape[1]
    least = np.float32(SILENCE)
    for number in range(len(delta)):
        mid, side = coded[number, 0], coded[number, channels - 1]
        now = past[place[0]]
        for band in range(bands):
            width = np.float32(edges[band + 1] - edges[band])
            one = two = three = four = np.float32(0)
            for i in range(edges[band], edges[band + 1]):
                one += mid[i].real * mid[i].real + mid[i].imag * mid[i].imag
            now[0, band] = one / width
            if channels == 2:
                for i in range(edges[band], edges[band + 1]):
                    two += side[i].real * side[i].real + side[i].imag * side[i].imag
                    left, right = mid[i] + side[i], mid[i] - side[i]
                    three += left.real * left.real + left.imag * left.imag
                    four += right.real * right.real + right.imag * right.imag
                now[1, band], now[2, band], now[3, band] = two / width, three / width, four / width
        for component in range(components):
            mean = np.float32(0)
            row = limit[component]
            for band in range(bands):
                row[band] = now[component, band]
                mean += now[component, band]
            if mean <= least * bands:
                row[:] = 0
                continue
            for age in range(1, memory):
                before = past[(place[0] - age) % memory, component]
                for band in range(bands):
                    row[band] = max(row[band], before[band] * falls[age])
            # From below upwards, so that a band's upper neighbour is still what it was.
            below = np.float32(0)
            for band in range(bands):
                beside = row[band]
                if band + 1 < bands:
                    beside = max(beside, row[band + 1])
                below = max(beside, below * tilt[band])
                row[band] = below * falls[0]
        place[0] = (place[0] + 1) % memory

        added, wide = delta[number, 0], delta[number, channels - 1]
        for band in range(bands):
            one = two = three = four = np.float32(0)
            width = np.float32(edges[band + 1] - edges[band])
            for channel in range(channels):
                row = delta[number, channel]
                power = np.float32(0)
                for i in range(edges[band], edges[band + 1]):
                    power += row[i].real * row[i].real + row[i].imag * row[i].imag
                power /= width
                if power > limit[channel, band]:
                    gain = np.sqrt(limit[channel, band] / power)
                    for i in range(edges[band], edges[band + 1]):
                        row[i] = row[i] * gain
            if channels == 1:
                continue
            for i in range(edges[band], edges[band + 1]):
                left, right = added[i] + wide[i], added[i] - wide[i]
                three += left.real * left.real + left.imag * left.imag
                four += right.real * right.real + right.imag * right.imag
            three, four = three / width, four / width
            if three > limit[2, band] or four > limit[3, band]:
                gain = np.float32(1) if three <= limit[2, band] else np.sqrt(limit[2, band] / three)
                other = np.float32(1) if four <= limit[3, band] else np.sqrt(limit[3, band] / four)
                if limit[0, band] == 0 or limit[1, band] == 0:
                    # Turned down alike, both stay what they are: one the other, or its negative.
                    gain = other = min(gain, other)
                for i in range(edges[band], edges[band + 1]):
                    left, right = (added[i] + wide[i]) * gain, (added[i] - wide[i]) * other
                    added[i] = (left + right) * np.float32(0.5)
                    wide[i] = (left - right) * np.float32(0.5)


_kernel = compiled(_SIGNATURE, _bound, fastmath={"reassoc"})


class DeltaBound(Cloneable):
    """Holds the frames of a delta to the bound, one after another.

    Parameters
    ----------
    channels : int
        1 (mid alone) or 2 (mid and side).
    bins : int
        Of a frame, 2 or more.
    """

    def __init__(self, channels: int, bins: int) -> None:
        if channels not in (1, 2):
            raise InvalidValue(f"channels={channels}: must be 1 or 2")
        if bins < 2:
            raise InvalidValue(f"bins={bins}: must be 2 or more")
        self.channels = channels
        self.bins = bins
        width = -(-(bins - 1) // BANDS)
        # Band 0 holds the bin at 0 Hz as well.
        edges = np.append(np.arange(1, bins, width), bins).astype(np.int64)
        edges[0] = 0
        bands = len(edges) - 1
        middle = np.arange(bands) + 0.5
        self._edges = edges
        self._tilt = np.append(0.0, (middle[:-1] / middle[1:]) ** 2).astype(np.float32)
        falls = 10.0 ** (-0.1 * FALL_DB * np.arange(MEMORY))
        falls[0] = 10.0 ** (0.1 * CEILING_DB)
        self._falls = falls.astype(np.float32)
        components = 1 if channels == 1 else 4
        self._past = np.zeros((MEMORY, components, bands), np.float32)
        self._limit = np.zeros((components, bands), np.float32)
        self._place = np.zeros(1, np.int64)

    def hold_into(self, delta: Spectra, coded: Spectra) -> None:
        """Hold the next frames to the bound, in place; allocates nothing.

        Parameters
        ----------
        delta : ndarray [shape=(frames, channels, bins)], complex64
            Un-normalised spectra of the delta, of mid or of mid and side.
        coded : ndarray [shape=(frames, channels or more, bins)], complex64
            Those of the coded signal.

        Raises
        ------
        InvalidValue
            A shape does not fit; nothing was done then.
        InvalidType
            An array is not complex64; nothing was done then.
        """
        for name, array in (("delta", delta), ("coded", coded)):
            if array.dtype != np.complex64:
                raise InvalidType(f"{name}: must be complex64, got {array.dtype}")
        if delta.ndim != 3 or delta.shape[1:] != (self.channels, self.bins):
            wanted = f"(frames, {self.channels}, {self.bins})"
            raise InvalidValue(f"delta: must have shape {wanted}, got {delta.shape}")
        if (
            coded.ndim != 3
            or coded.shape[::2] != delta.shape[::2]
            or coded.shape[1] < self.channels
        ):
            wanted = f"({len(delta)}, {self.channels} or more, {self.bins})"
            raise InvalidValue(f"coded: must have shape {wanted}, got {coded.shape}")
        _kernel(
            delta,
            coded[:, : self.channels],
            self._edges,
            self._tilt,
            self._falls,
            self._past,
            self._limit,
            self._place,
        )
