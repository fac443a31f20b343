"""How much of the time a worker's sessions take, and whether there is room for one more."""

from __future__ import annotations

import numpy as np

from uncodec.live.times import Percentiles

__all__ = ["ENOUGH_HOPS", "LOAD_LIMIT", "Times", "has_room"]

# Of a hop's period: what is left pays for waking up, for parameters that change and for the host.
LOAD_LIMIT = 0.7
# Of fewer hops the 99.9th percentile is the worst one, and a single hiccup would pass for a load.
ENOUGH_HOPS = 1000


class Times:
    """The last durations of something, in ns.

    Parameters
    ----------
    kept : int
        How many.
    """

    def __init__(self, kept: int = 4096) -> None:
        self._ring = np.zeros(kept, np.int64)
        self.count = 0

    def add(self, duration_ns: int) -> None:
        """Record one."""
        self._ring[self.count % len(self._ring)] = duration_ns
        self.count += 1

    def percentiles(self) -> Percentiles:
        """Of what is kept, in s; all zero if there is nothing."""
        return Percentiles.of(self._ring[: min(self.count, len(self._ring))] / 1e9)


def has_room(loads: list[float], newcomer: float, limit: float = LOAD_LIMIT) -> bool:
    """Whether a real-time session can be added to others.

    Parameters
    ----------
    loads : list of float
        For each real-time session that runs, the 99.9th percentile of its hop times over its hop's
        period.
    newcomer : float
        What is expected of the new one.
    limit : float
        Largest sum that is allowed.

    Returns
    -------
    bool
        True also if there is no other session: alone it can only harm itself, and says so by its
        late hops.
    """
    return not loads or sum(loads) + newcomer <= limit
