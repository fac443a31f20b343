"""The steps of a restoration in a row, each at work on its own place of one stream.

A file is not restored step after step, which would need room for all of it, but as in a pipeline:
the live engine runs ahead, and while the first step is at one chunk, the second works on the chunk
before. What is kept is a few chunks for each step, however long the file is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from uncodec.cloning import Cloneable
from uncodec.diffusion.engine import DiffusionEngine
from uncodec.errors import InvalidValue
from uncodec.live.engine import RUN
from uncodec.parameters import CHUNK
from uncodec.signals import Array, mid_side_into
from uncodec.streams.like_stage import LikeStage
from uncodec.streams.line import Line

__all__ = ["ChunkStore", "DiffusionSource"]


class ChunkStore(Protocol):
    """Keeps finished chunks of the delta, see `uncodec.files.chunks`."""

    @property
    def finished(self) -> int:
        """Chunks there, from the first on."""
        ...

    def load(self, number: int) -> Array:
        """Give chunk `number`, mid and side."""
        ...

    def save(self, number: int, chunk: Array) -> None:
        """Keep chunk `number`."""
        ...


class DiffusionSource(Cloneable):
    """A source of the delta (see `uncodec.streams.delta.DeltaSource`) for whole files.

    Parameters
    ----------
    engine : DiffusionEngine
    channels : int
        1 or 2.
    chunk : int
        Frames that a step takes at once.
    store : ChunkStore, optional
        Chunks that it holds are not computed again, new ones are given to it.
    on_chunk : callable, optional
        Called as ``on_chunk(index, share)`` when a share of the work at a chunk was done.
    like : LikeStage, optional
        Goes over what the steps made. Chunks in the store are from before it.

    Attributes
    ----------
    delay, lead : int
        In samples.
    """

    def __init__(
        self,
        engine: DiffusionEngine,
        channels: int,
        chunk: int = CHUNK,
        store: ChunkStore | None = None,
        on_chunk: Callable[[int, float], None] | None = None,
        like: LikeStage | None = None,
    ) -> None:
        if channels not in (1, 2):
            raise InvalidValue(f"channels={channels}: must be 1 or 2")
        if chunk < 1:
            raise InvalidValue(f"chunk={chunk}: must be a positive integer")
        self.channels = channels
        self.delay = 0
        self._engine = engine
        self._size = chunk * engine.hop
        self._store = store
        self._on_chunk = on_chunk
        self._like = like
        self._like_late = 0 if like is None else like.delay
        self._kept = store.finished if store is not None else 0
        # Chunks that each step needs beyond the end of the one it works on.
        self._ahead = [-(-margin // self._size) for margin in engine.margins]
        # The live engine goes before all steps. It gets runs of one length, so that not a bit of
        # what it gives depends on how samples come.
        self._live = engine.start(channels)
        self._run = RUN * self._live.hop
        self._short = 0
        # What it has not given for samples that are behind it.
        self._late = self._live.delay
        self.lead = self._size - 1 + engine.margins[0] + sum(self._ahead[1:]) * self._size
        self.lead += self._live.delay + self._run - 1 + self._like_late
        self._stages = [_Stage(self._size, margin) for margin in engine.margins]

    def tilt(self, brightness_db: float) -> None:
        """Tilt what is computed from now on; copies of this source are tilted as well."""
        if self._like is None:
            self._engine.tilt(brightness_db)
        else:
            # What is tilted before would be drawn back to the reference.
            self._like.brightness.db = brightness_db

    def push(self, line: Line, count: int, delta: Line) -> None:
        """Take samples and put what is ready of the delta into `delta`."""
        self._short += count
        first = len(line) - self._short
        while self._short >= self._run:
            stop = first + self._run
            begun: Array = np.empty((self.channels, self._run), np.float32)
            self._live.push_into(line.view(first, stop), begun)
            dropped = min(self._late, self._run)
            self._late -= dropped
            begun = begun[:, dropped:]
            coded = line.view(stop - self._live.delay - begun.shape[1], stop - self._live.delay)
            self._pass_on(0, _mid_side(coded), _mid_side(begun), delta)
            first = stop
            self._short -= self._run

    def _pass_on(self, number: int, coded: Array, missing: Array, delta: Line) -> None:
        if number == len(self._stages):
            missing = self._drawn(coded, missing)
            out = delta.room(missing.shape[1])
            if self.channels == 2:
                np.add(missing[0], missing[1], out=out[0])
                np.subtract(missing[0], missing[1], out=out[1])
            else:
                out[0] = missing[0]
            return
        stage, margin = self._stages[number], self._engine.margins[number]
        begin = 0
        while begin < coded.shape[1]:
            begin += stage.append(coded[:, begin:], missing[:, begin:])
            if not stage.full:
                return
            index = stage.done
            self._work(number, stage)
            if self._on_chunk is not None:
                self._on_chunk(index, 1.0 / len(self._stages))
            coded_then = stage.coded[:, margin : margin + self._size]
            self._pass_on(number + 1, coded_then, stage.after, delta)
            stage.go_on()

    def _drawn(self, coded: Array, missing: Array) -> Array:
        if self._like is None:
            return missing
        drawn: Array = np.empty(missing.shape, np.float32)
        self._like.push_into(coded, missing, drawn)
        dropped = min(self._like_late, drawn.shape[1])
        self._like_late -= dropped
        return drawn[:, dropped:]

    def _work(self, number: int, stage: _Stage) -> None:
        later, index = len(self._stages) - 1 - number, stage.done
        if self._store is not None:
            if later == 0 and index < self._kept:
                stage.after[:] = self._store.load(index)
                return
            if index < self._kept - sum(self._ahead[number + 1 :]):
                # Only chunks that are there already depend on this one.
                stage.after[:] = 0.0
                return
        first = index * self._size - self._engine.margins[number]
        self._engine.step_into(number, first, stage.coded, stage.missing, stage.after)
        if later == 0 and self._store is not None:
            self._store.save(index, stage.after)

    def clone(self) -> DiffusionSource:
        """An independent copy of the whole state; it does not write to the store."""
        twin = super().clone()
        twin._store = twin._on_chunk = None
        return twin


def _mid_side(audio: Array) -> Array:
    image: Array = np.empty((2, audio.shape[1]), np.float32)
    mid_side_into(audio, image)
    return image


class _Stage(Cloneable):
    """What one step waits with: both signals of its next chunk and the margins around it.

    Attributes
    ----------
    coded, missing : ndarray [shape=(2, margin + size + margin)], float32
        Allocated once: a chunk is megabytes, and many of them coming and going leave holes.
    after : ndarray [shape=(2, size)], float32
        Room for what the step makes of them.
    done : int
        Chunks behind it.
    """

    def __init__(self, size: int, margin: int) -> None:
        self.coded: Array = np.zeros((2, size + 2 * margin), np.float32)
        self.missing: Array = np.zeros((2, size + 2 * margin), np.float32)
        self.after: Array = np.zeros((2, size), np.float32)
        self.done = 0
        self._size, self._margin = size, margin
        # Before the beginning is silence.
        self._filled = margin

    @property
    def full(self) -> bool:
        """Whether the chunk and its margins are there."""
        return self._filled == self._size + 2 * self._margin

    def append(self, coded: Array, missing: Array) -> int:
        """Take as much of both as there is room for, and tell how many samples that was."""
        count: int = min(coded.shape[1], self.coded.shape[1] - self._filled)
        span = slice(self._filled, self._filled + count)
        self.coded[:, span] = coded[:, :count]
        self.missing[:, span] = missing[:, :count]
        self._filled += count
        return count

    def go_on(self) -> None:
        """Make the next chunk the one behind."""
        for signal in (self.coded, self.missing):
            signal[:, : 2 * self._margin] = signal[:, self._size :].copy()
        self._filled = 2 * self._margin
        self.done += 1
