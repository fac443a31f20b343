"""The other side of a live session: the thread that runs the network, hop by hop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from uncodec._native import RingConsumer, RingProducer
from uncodec.live.exchange import HEADER, INDEX_BITS
from uncodec.live.hop_engine import HopEngine
from uncodec.live.hop_runner import HopRunner
from uncodec.live.times import TimeHistogram
from uncodec.signals import Array

__all__ = ["IDLE_AFTER_S", "POLL_S", "NetworkThread"]


_log = logging.getLogger("uncodec.live")

# While audio runs the worker looks for input this often; a wake-up by the callback would cost the
# callback a system call and, when it is pre-empted, milliseconds.
POLL_S = 250e-6
# When none came for a second it looks less often.
IDLE_AFTER_S, IDLE_POLL_S = 1.0, 2e-3


class NetworkThread:
    """Takes hops from one ring, runs the engine, puts results into another.

    Parameters
    ----------
    engine : HopEngine
        Fresh; the worker runs clones of it.
    inbox, outbox : RingConsumer, RingProducer
    most_waiting : int
        With more hops waiting than this the worker has fallen behind and goes on with the newest.
    submitted : ndarray, int64
        When hop k was put into the inbox, at ``k % len(submitted)``, in ns of `perf_counter_ns`.

    Attributes
    ----------
    generation : int
        Set by the host; hops of another one are thrown away.
    runner : HopRunner
        Counts gaps and failures.
    error : BaseException or None
        What ended `run`, else the engine's last failure.
    finished : int
        Hops that it is through with, whatever became of them: the number of the next one.
    turnarounds : TimeHistogram
        Times from submission to result.
    """

    def __init__(
        self,
        engine: HopEngine,
        inbox: RingConsumer,
        outbox: RingProducer,
        *,
        most_waiting: int,
        submitted: NDArray[np.int64],
    ) -> None:
        self.generation = 0
        self.runner = HopRunner(engine)
        self.finished = 0
        self.turnarounds = TimeHistogram()
        self._inbox = inbox
        self._outbox = outbox
        self._most_waiting = most_waiting
        self._submitted = submitted
        hop, tail = engine.hop, engine.tail_length
        self._request: Array = np.zeros((engine.channels, HEADER + hop), np.float32)
        self._result: Array = np.zeros((engine.channels, HEADER + hop + tail), np.float32)
        self._audio = self._request[:, HEADER:]
        self._delta = self._result[:, HEADER : HEADER + hop]
        self._tail = self._result[:, HEADER + hop :]
        self._running_generation = 0
        self._death: BaseException | None = None
        self._stop = threading.Event()

    @property
    def error(self) -> BaseException | None:
        """What ended `run`, else the engine's last failure."""
        return self._death or self.runner.error

    def stop(self) -> None:
        """Let `run` return after the hop it is at."""
        self._stop.set()

    def run(self, prepare: Callable[[], None]) -> None:
        """Work until `stop`, until the other end of the ring is gone, or until nothing helps.

        Parameters
        ----------
        prepare : callable
            Called once, in this thread.
        """
        try:
            prepare()
            last = time.monotonic()
            while not self._stop.is_set() and not self._inbox.abandoned:
                if self.step(self.runner.run_safely):
                    self.finished = self.runner.next_hop
                    last = time.monotonic()
                else:
                    idle = time.monotonic() - last > IDLE_AFTER_S
                    time.sleep(IDLE_POLL_S if idle else POLL_S)
        except BaseException as error:
            # Nothing above this thread could handle it: the session says so and plays dry.
            self._death = error
            _log.error("the live worker stopped, the audio goes on dry: %r", error)

    def step(self, run: Callable[[int, Array, Array, Array], bool] | None = None) -> bool:
        """Do one hop if there is one; False if not.

        Parameters
        ----------
        run : callable, optional
            The runner's `run`, unless the one that is safe is wanted; what it raises passes
            through.
        """
        inbox, request = self._inbox, self._request
        waiting = inbox.available // request.shape[1]
        if waiting == 0:
            return False
        if waiting > self._most_waiting:
            # Enough of the past is kept to be clean again with the newest hop.
            for _ in range(waiting - self.runner.memory - 1):
                inbox.read_into(request)
        inbox.read_into(request)
        generation = int(request[0, 0])
        index = int(request[0, 1]) + (int(request[0, 2]) << INDEX_BITS)
        if generation != self.generation:
            return True
        if generation != self._running_generation:
            self.runner.begin()
            self._running_generation = generation
        run = run or self.runner.run
        if not run(index, self._audio, self._delta, self._tail):
            return True
        self._result[:, :HEADER] = request[:, :HEADER]
        if self._outbox.free >= self._result.shape[1]:
            self._outbox.write(self._result)
        now = time.perf_counter_ns()
        self.turnarounds.add(now - int(self._submitted[index % len(self._submitted)]))
        return True
