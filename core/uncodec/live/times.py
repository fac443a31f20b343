"""How long something took, over a whole run and in fixed memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Percentiles", "TimeHistogram"]

# Buckets per octave: a percentile is at most 1/64 too high, and never too low.
_BITS = 6
_BUCKETS = 1 << _BITS
# Up to 2^42 ns, which is more than an hour.
_OCTAVES = 42 - _BITS


@dataclass(frozen=True)
class Percentiles:
    """Distribution of a time, in seconds."""

    p50: float
    p99: float
    p999: float
    max: float

    def described(self) -> dict[str, float]:
        """By name and unit, for reports."""
        return {"p50_s": self.p50, "p99_s": self.p99, "p999_s": self.p999, "max_s": self.max}

    @staticmethod
    def of(times: NDArray[np.float64]) -> Percentiles:
        """Percentiles of some times; all zero if there are none."""
        if len(times) == 0:
            return Percentiles(0.0, 0.0, 0.0, 0.0)
        p50, p99, p999 = np.percentile(times, [50, 99, 99.9])
        return Percentiles(float(p50), float(p99), float(p999), float(times.max()))


class TimeHistogram:
    """Counts durations in buckets whose width grows with them, 64 to an octave.

    One thread adds; another may read meanwhile.

    Attributes
    ----------
    count : int
        Durations so far.
    max_ns : int
        The longest, exactly.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._counts = [0] * (_BUCKETS * (_OCTAVES + 1))
        self.count = 0
        self.max_ns = 0

    def add(self, duration_ns: int) -> None:
        """Record a duration in ns; one below 0 counts as 0."""
        duration_ns = max(0, duration_ns)
        shift = max(0, duration_ns.bit_length() - _BITS - 1)
        # Below 2 * 64 ns every bucket holds one value.
        place = (shift << _BITS) + (duration_ns >> shift)
        self._counts[min(place, len(self._counts) - 1)] += 1
        self.count += 1
        self.max_ns = max(self.max_ns, duration_ns)

    def percentiles(self) -> Percentiles:
        """Of all durations since `clear`, in s; all zero if there are none."""
        reached = np.cumsum(self._counts)
        if reached[-1] == 0:
            return Percentiles(0.0, 0.0, 0.0, 0.0)

        def at(percent: float) -> float:
            # The least duration that so many do not exceed; 99.9 % of 1000 are 999 of them.
            rank = max(1, int(np.ceil(percent / 100 * reached[-1] - 1e-9)))
            place = int(np.searchsorted(reached, rank))
            shift = max(0, (place >> _BITS) - 1)
            last = ((place - (shift << _BITS) + 1) << shift) - 1
            return min(last, self.max_ns) * 1e-9

        return Percentiles(at(50), at(99), at(99.9), self.max_ns * 1e-9)
