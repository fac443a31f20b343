"""The other side of a live session: the thread that runs the network, hop by hop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import numpy as np

from uncodec._native import HopTicket, LiveCore
from uncodec.live.hop_engine import HopEngine
from uncodec.live.restored_hops import RestoredHops
from uncodec.live.times import TimeHistogram
from uncodec.signals import Array

__all__ = ["NetworkThread"]


_log = logging.getLogger("uncodec.live")


class NetworkThread:
    """Takes hops from the core's end of a session, runs the engine, publishes results.

    Parameters
    ----------
    engine : HopEngine
        Fresh; the thread runs clones of it.
    core : LiveCore

    Attributes
    ----------
    hops : RestoredHops
        Counts gaps and failures.
    error : BaseException or None
        What ended `run`, else the engine's last failure.
    finished : int
        Hops that it is through with, whatever became of them: the number of the next one.
    dropped : int
        Hops that it never got, because it was too far behind.
    turnarounds : TimeHistogram
        Times from submission to result.
    brightness_db : float
        Tilt of what is added. May be set from any thread, and holds from the next hop on.
    """

    def __init__(self, engine: HopEngine, core: LiveCore) -> None:
        self.finished = 0
        self.dropped = 0
        self.brightness_db = 0.0
        self.turnarounds = TimeHistogram()
        self._core = core
        self.hops = RestoredHops(engine)
        self._audio: Array = np.zeros((engine.channels, engine.hop), np.float32)
        self._generation: int | None = None
        self._death: BaseException | None = None

    @property
    def error(self) -> BaseException | None:
        """What ended `run`, else the engine's last failure."""
        return self._death or self.hops.error

    def forget_counts(self) -> None:
        """Count from 0 again."""
        self.dropped = 0
        self.hops.forget_counts()
        self.turnarounds.clear()

    def run(self, prepare: Callable[[], None]) -> None:
        """Work until the core's end is stopped, or until nothing helps.

        Parameters
        ----------
        prepare : callable
            Called once, in this thread.
        """
        try:
            prepare()
            while (ticket := self._core.wait_into(self._audio)) is not None:
                self._answer(ticket, safely=True)
        except BaseException as error:
            # Nothing above this thread could handle it: the session says so and plays dry.
            self._death = error
            _log.error("the live network stopped, the audio goes on dry: %r", error)

    def work(self) -> None:
        """Do all hops that there are, in this thread; what the engine raises passes through."""
        while (ticket := self._core.poll_into(self._audio)) is not None:
            self._answer(ticket, safely=False)

    def _answer(self, ticket: HopTicket, *, safely: bool) -> None:
        if ticket.generation != self._generation:
            self.hops.begin()
            self._generation = ticket.generation
        self.dropped += ticket.skipped
        # A hop that gets no answer is played dry.
        if self.hops.run(ticket.hop, self._audio, brightness_db=self.brightness_db, safely=safely):
            self._core.publish(ticket, self.hops.output, self.hops.tail)
            now = time.perf_counter_ns()
            self.turnarounds.add(now - self._core.submitted_ns(ticket.hop))
        self.finished = ticket.hop + 1
