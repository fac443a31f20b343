"""Where each block of audio belongs: samples are counted, and times are heard only where they last.

Containers round times to their units, and Ogg Vorbis' demuxer gives packets between long and short
blocks times that are wrong by hundreds of samples and right again at the next page. So a time that
jumps is no gap yet: it is one if it is longer than a packet and is not taken back.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from uncodec.signals import Array

__all__ = ["Gap", "TimeLine"]


# Packets that have to agree; a page of Ogg holds up to 255, most often about 50.
_WITNESSES = 100
# Containers count in thousandths of a second: what differs by less is no gap.
_JITTER_S = 0.0016


@dataclass(frozen=True)
class Gap:
    """Samples that are not there, in front of the next block."""

    place: int
    frames: int


class TimeLine:
    """Counts samples and finds gaps.

    Parameters
    ----------
    rate : int
        In Hz.
    largest : int
        Samples in the largest packet that may come, where that is known; else it is learned.

    Attributes
    ----------
    counted : int
        Samples given out so far, gaps included.
    """

    def __init__(self, rate: int, largest: int = 0) -> None:
        self._rate = rate
        self._jitter = round(_JITTER_S * rate)
        self._origin: Fraction | None = None
        self.counted = 0
        self._largest = largest
        self._uneven = 0
        self._held: list[tuple[Array, int]] = []

    def place(self, block: Array, time: Fraction | None) -> Iterator[Array | Gap]:
        """Give out what is sure to be in its place: blocks, and gaps in front of them.

        `time` is the container's for the first sample of the block, in seconds.
        """
        frames = block.shape[1]
        ahead = 0
        if time is not None:
            if self._origin is None:
                self._origin = time - Fraction(self.counted, self._rate)
            held = sum(part.shape[1] for part, _ in self._held)
            ahead = round((time - self._origin) * self._rate) - self.counted - held
        elif self._held:
            ahead = self._held[-1][1]
        jumps = self._largest > 0 and ahead >= self._largest - self._jitter
        self._largest = max(self._largest, frames)
        self._uneven += frames < self._largest
        if not jumps:
            yield from self._release()
            self.counted += frames
            yield block
            return
        self._held.append((block, ahead))
        if len(self._held) >= _WITNESSES:
            yield from self.finish()

    def skip(self, frames: int) -> None:
        """Count samples that somebody else put in."""
        self.counted += frames

    def finish(self) -> Iterator[Array | Gap]:
        """Believe the gap that is being waited for, if there is one."""
        if self._held:
            gap = self._rounded(statistics.median_low(ahead for _, ahead in self._held))
            yield Gap(self.counted, gap)
            self.counted += gap
            yield from self._release()

    def _release(self) -> Iterator[Array]:
        held, self._held = self._held, []
        for block, _ in held:
            self.counted += block.shape[1]
            yield block

    def _rounded(self, gap: int) -> int:
        """Whole packets, if all of them are as long and the gap is nearly so many."""
        # The first and the last one may have been cut.
        if self._uneven > 2:
            return gap
        size = self._largest
        whole = round(gap / size) * size
        return whole if abs(whole - gap) <= 2 * self._jitter else gap
