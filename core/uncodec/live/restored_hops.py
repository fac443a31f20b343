"""Hops of input made into hops of output: what sessions and plugins are answered with."""

from __future__ import annotations

import logging

import numpy as np

from uncodec.errors import UncodecError
from uncodec.live.hop_engine import HopEngine
from uncodec.signals import Array
from uncodec.streams.brightness import tilt
from uncodec.streams.likening import liken
from uncodec.streams.line import Line

__all__ = ["MOST_FAILURES", "RestoredHops"]

_log = logging.getLogger("uncodec.live")

# An engine that fails so often in a row will not do better the next time.
MOST_FAILURES = 16


class RestoredHops:
    """Answers numbered hops with the input, delayed as the delta is, plus `amount` times the delta.

    Hops may be missing. After a gap, and after a failure, answers are not good until as much new
    input has come as the engine looks back.

    Parameters
    ----------
    engine : HopEngine
        Fresh; clones of it run.

    Attributes
    ----------
    output : ndarray [shape=(channels, hop)], float32
        The last answer.
    tail : ndarray [shape=(channels, tail_length)], float32
        How the output would go on without another hop: the delayed input under the unfinished
        overlap-add. Where the tail of the delta ends the delayed input is left.
    memory : int
        Hops that the engine looks back.
    resyncs : int
        Times that a hop did not follow the last one.
    failures : int
        Times that the engine raised or gave numbers that are not finite.
    error : BaseException or None
        The last failure.
    """

    def __init__(self, engine: HopEngine) -> None:
        channels, hop, tail = engine.channels, engine.hop, engine.tail_length
        self.output: Array = np.zeros((channels, hop), np.float32)
        self.tail: Array = np.zeros((channels, tail), np.float32)
        # Frames that hold a splice reach into so many hops of output after it.
        self.memory = -(-(2 * engine.delay + hop) // hop)
        self._fresh = engine
        self._delta: Array = np.zeros((channels, hop), np.float32)
        self._tail_delta: Array = np.zeros((channels, tail), np.float32)
        self._ramp: Array = (np.arange(1, hop + 1) / hop).astype(np.float32)
        self._in_a_row = 0
        self.forget_counts()
        self.begin()

    def begin(self) -> None:
        """Forget all audio; hop 0 comes next."""
        self._engine = self._fresh.clone()
        # What the delta lags behind, and a hop more.
        self._line = Line(self._fresh.channels, self._fresh.delay + self._fresh.hop)
        self._amount: float | None = None
        self._brightness_db = 0.0
        self._likeness: float | None = None
        self._next_hop = 0
        self._discard = 0

    def forget_counts(self) -> None:
        """Count from 0 again."""
        self.resyncs = self.failures = 0
        self.error: BaseException | None = None

    def run(
        self,
        number: int,
        audio: Array,
        *,
        amount: float = 1.0,
        brightness_db: float = 0.0,
        likeness: float | None = None,
        safely: bool = True,
    ) -> bool:
        """Do one hop.

        Parameters
        ----------
        number : int
        audio : ndarray [shape=(channels, hop)], float32
        amount : float
            From 0 to 1; a change is spread over the hop.
        brightness_db : float
            From -12 to 12; tilts what is computed from this hop on.
        likeness : float, optional
            From 0 to 1; draws what is computed from this hop on so far towards the engine's
            reference. None leaves it to the engine.
        safely : bool
            Whether a failure is no more than an answer that is not good.

        Returns
        -------
        bool
            Whether `output` and `tail` are good to be played.

        Raises
        ------
        Exception
            What the engine raised, if it failed too often in a row or the run is not a safe one.
        """
        self._line.drop(audio.shape[1])
        self._line.append(audio)
        try:
            if brightness_db != self._brightness_db:
                tilt(self._engine, brightness_db)
                self._brightness_db = brightness_db
            if likeness is not None and likeness != self._likeness:
                liken(self._engine, likeness)
                self._likeness = likeness
            good = self._work(number, audio)
        except Exception as error:
            if not safely:
                raise
            self._note(error)
            good = False
        if good:
            self._mix(self._amount if self._amount is not None else amount, amount)
        self._amount = amount
        return good

    def _work(self, number: int, audio: Array) -> bool:
        if number != self._next_hop:
            self.resyncs += 1
            self._discard = self.memory
        self._next_hop = number + 1
        self._engine.push_into(audio, self._delta)
        self._engine.tail_into(self._tail_delta)
        if not (np.isfinite(self._delta).all() and np.isfinite(self._tail_delta).all()):
            raise UncodecError(f"hop {number}: the engine gave numbers that are not finite")
        if self._discard:
            self._discard -= 1
            return False
        self._in_a_row = 0
        return True

    def _note(self, error: Exception) -> None:
        self.failures += 1
        self._in_a_row += 1
        self.error = error
        if self._in_a_row >= MOST_FAILURES:
            raise error
        if self._in_a_row == 1:
            _log.warning("a hop failed, the audio goes on dry: %r", error)
        # Whatever state the engine was left in, this one is sound; it has no past, though.
        self._engine = self._fresh.clone()
        self._brightness_db, self._likeness = 0.0, None
        self._discard = self.memory

    def _mix(self, before: float, amount: float) -> None:
        hop, tail = self.output.shape[1], self.tail.shape[1]
        self.output[:] = self._line.view(0, hop)
        self.tail[:] = self._line.view(hop, hop + tail)
        if before != amount:
            gain = np.float32(before) + np.float32(amount - before) * self._ramp
            self.output += gain * self._delta
        elif amount > 0:
            self._delta *= np.float32(amount)
            self.output += self._delta
        if amount > 0:
            self._tail_delta *= np.float32(amount)
            self.tail += self._tail_delta
