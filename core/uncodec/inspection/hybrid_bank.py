"""MP3's hybrid filter bank (ISO/IEC 11172-3) at any place of a signal, reduced like `mdct`.

32 bands of a polyphase bank, each cut into 18 by a lapped transform, with the butterflies that take
out what neighbouring bands alias into each other.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from uncodec.inspection.mdct import log_zones, sine_window
from uncodec.signals import Array

__all__ = ["HALF_PROTOTYPE", "HybridBank"]

BANDS, LINES, SLOTS = 32, 18, 36
GRANULE = BANDS * LINES
_TAPS = 512
# The first half of the prototype low-pass in units of 2^-16, out of the impulse responses of a
# decoder's bands. The second half is its mirror.
# fmt: off
HALF_PROTOTYPE = (
    0, -1, -1, -1, -1, -1, -1, -2, -2, -2, -2, -3, -3, -4, -4, -5, -5, -6, -7, -7, -8, -9, -10,
    -11, -13, -14, -16, -17, -19, -21, -24, -26, -29, -31, -35, -38, -41, -45, -49, -53, -58, -63,
    -68, -73, -79, -85, -91, -97, -104, -111, -117, -125, -132, -139, -147, -154, -161, -169,
    -176, -183, -190, -196, -202, -208, -213, -218, -222, -225, -227, -228, -228, -227, -224,
    -221, -215, -208, -200, -189, -177, -163, -146, -127, -106, -83, -57, -29, 2, 36, 72, 111,
    153, 197, 244, 294, 347, 401, 459, 519, 581, 645, 711, 779, 848, 919, 991, 1064, 1137, 1210,
    1283, 1356, 1428, 1498, 1567, 1634, 1698, 1759, 1817, 1870, 1919, 1962, 2001, 2032, 2057,
    2075, 2085, 2087, 2080, 2063, 2037, 2000, 1952, 1893, 1822, 1739, 1644, 1535, 1414, 1280,
    1131, 970, 794, 605, 402, 185, -45, -288, -545, -814, -1095, -1388, -1692, -2006, -2330,
    -2663, -3004, -3351, -3705, -4063, -4425, -4788, -5153, -5517, -5879, -6237, -6589, -6935,
    -7271, -7597, -7910, -8209, -8491, -8755, -8998, -9219, -9416, -9585, -9727, -9838, -9916,
    -9959, -9966, -9935, -9863, -9750, -9592, -9389, -9139, -8840, -8492, -8092, -7640, -7134,
    -6574, -5959, -5288, -4561, -3776, -2935, -2037, -1082, -70, 998, 2122, 3300, 4533, 5818,
    7154, 8540, 9975, 11455, 12980, 14548, 16155, 17799, 19478, 21189, 22929, 24694, 26482, 28289,
    30112, 31947, 33791, 35640, 37489, 39336, 41176, 43006, 44821, 46617, 48390, 50137, 51853,
    53534, 55178, 56778, 58333, 59838, 61289, 62684, 64019, 65290, 66494, 67629, 68692, 69679,
    70590, 71420, 72169, 72835, 73415, 73908, 74313, 74630, 74856, 74992, 75038,
)
# fmt: on
# The butterflies of ISO/IEC 11172-3, table B.9.
_ALIAS = np.array([-0.6, -0.535, -0.33, -0.185, -0.095, -0.041, -0.0142, -0.0037])


@lru_cache(maxsize=1)
def _tables() -> tuple[Array, Array, Array, Array]:
    """Bands of a slot; lines of even and of odd bands; both halves of the butterflies."""
    half = np.array(HALF_PROTOTYPE, np.float64) / 65536.0 / np.sqrt(BANDS)
    taps = np.concatenate([half, half[-2:0:-1]])
    k, n = np.arange(BANDS), np.arange(_TAPS)
    # The newest sample comes first in the standard, and last in a signal.
    bands = (taps[:, None] * np.cos((2 * k + 1) * (n[:, None] - 16) * np.pi / 64))[::-1]
    time, line = np.arange(SLOTS), np.arange(LINES)
    angle = np.pi / 72 * (2 * time[:, None] + 1 + LINES) * (2 * line + 1)
    even = np.cos(angle) * sine_window(SLOTS)[:, None] / 3.0
    # Odd bands run backwards in frequency: every other of their samples changes its sign.
    odd = even * np.where(time % 2, -1.0, 1.0)[:, None]
    cosine = 1.0 / np.sqrt(1.0 + _ALIAS**2)
    tables = (bands, np.stack([even, odd]), cosine, cosine * _ALIAS)
    return tuple(np.ascontiguousarray(t, dtype=np.float32) for t in tables)  # type: ignore[return-value]


class HybridBank:
    """MP3's bank of 576 lines, long blocks."""

    hop = GRANULE
    reach = _TAPS + (SLOTS - 1) * BANDS

    def log_power(
        self, x: Array, starts: NDArray[np.int64], edges: NDArray[np.int64], floor: float
    ) -> NDArray[np.float32]:
        """As `uncodec.inspection.mdct.Mdct.log_power`."""
        bands, lines, _, _ = _tables()
        signals = 1 if x.shape[0] == 1 else 4
        out = np.empty((starts.shape[0], signals, edges.shape[0] - 1), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(x, _TAPS, axis=1)
        # Places that lie whole slots apart share their slots.
        for phase in np.unique(starts % BANDS):
            mine = np.flatnonzero(starts % BANDS == phase)
            for group in _runs(starts[mine]):
                chosen = mine[group]
                first, last = int(starts[chosen[0]]), int(starts[chosen[-1]])
                slots = windows[:, first : last + SLOTS * BANDS : BANDS] @ bands
                at = (starts[chosen] - first) // BANDS
                blocks = np.lib.stride_tricks.sliding_window_view(slots, SLOTS, axis=1)[:, at]
                found = np.empty((x.shape[0], at.shape[0], BANDS, LINES), np.float32)
                found[:, :, 0::2] = blocks[:, :, 0::2] @ lines[0]
                found[:, :, 1::2] = blocks[:, :, 1::2] @ lines[1]
                _unalias(found)
                part = np.empty((at.shape[0], signals, edges.shape[0] - 1), np.float32)
                log_zones(found.reshape(x.shape[0], -1, GRANULE), edges, floor, part)
                out[chosen] = part
        return out


def _unalias(lines: Array) -> None:
    """Take out what neighbouring bands alias into each other."""
    _, _, cosine, sine = _tables()
    upper, lower = lines[:, :, :-1, : -_ALIAS.size - 1 : -1], lines[:, :, 1:, : _ALIAS.size]
    turned = upper * cosine + lower * sine
    lower *= cosine
    lower -= upper * sine
    upper[...] = turned


def _runs(starts: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Places in order, in groups that share their slots and are not too many to hold."""
    order = np.argsort(starts, kind="stable")
    gaps = np.flatnonzero(np.diff(starts[order]) > SLOTS * BANDS) + 1
    return [
        part
        for run in np.split(order, gaps)
        for part in np.split(run, range(128, run.shape[0], 128))
    ]
