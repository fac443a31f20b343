"""The buffer between two stages of a stream."""

from __future__ import annotations

import numpy as np

from uncodec.signals import Array

__all__ = ["Line"]


_LONG = 1 << 15


class Line:
    """Samples on their way: put in at the end, read in place, dropped at the front.

    A sample is copied once, on its way in. What waits is moved to the front of the buffer when the
    end is reached, which is rare; the buffer follows the length of the blocks.

    Parameters
    ----------
    channels : int
    silence : int
        Samples of silence that wait to begin with.
    """

    def __init__(self, channels: int, silence: int = 0) -> None:
        self._data: Array = np.zeros((channels, silence), np.float32)
        self._first, self._end = 0, silence

    def __len__(self) -> int:
        """Samples that wait."""
        return self._end - self._first

    def room(self, count: int) -> Array:
        """Put in `count` samples that the caller writes, [shape=(channels, count)]."""
        if self._end + count > self._data.shape[1]:
            self._make_room(len(self) + count)
        self._end += count
        return self._data[:, self._end - count : self._end]

    def append(self, audio: Array) -> None:
        """Put in samples, [shape=(channels, n)]."""
        self.room(audio.shape[1])[:] = audio

    def view(self, start: int, stop: int) -> Array:
        """Look at samples, 0 being the one that came first; good until the next one comes."""
        return self._data[:, self._first + start : self._first + stop]

    def drop(self, count: int) -> None:
        """Take samples away, the oldest ones."""
        self._first += count
        if self._data.shape[1] > max(_LONG, 8 * len(self)):
            # It grew for a long block, and would stay so.
            self._data = self.view(0, len(self)).copy()
            self._first, self._end = 0, self._data.shape[1]

    def delay_into(self, audio: Array, out: Array) -> None:
        """Put samples in and as many out; `out` may be `audio`."""
        self.append(audio)
        out[:] = self.view(0, out.shape[1])
        self.drop(out.shape[1])

    def clone(self) -> Line:
        """An independent copy."""
        twin = Line(len(self._data))
        twin.append(self.view(0, len(self)))
        return twin

    def _make_room(self, needed: int) -> None:
        kept, held = self.view(0, len(self)), len(self)
        # Eight times what is needed, less where that is much: moving then costs little.
        size = needed + max(needed // 2, min(needed, 1 << 16), min(7 * needed, 1 << 14))
        if not (needed + size) // 2 <= self._data.shape[1] <= 2 * size:
            self._data = np.empty((len(kept), size), np.float32)
        self._data[:, :held] = kept
        self._first, self._end = 0, held
