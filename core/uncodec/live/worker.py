"""The other side of a live session: the thread that runs the network, hop by hop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from uncodec._native import RingConsumer, RingProducer
from uncodec.errors import UncodecError
from uncodec.live.engine import DeltaEngine
from uncodec.live.exchange import HEADER, INDEX_BITS

__all__ = ["HopEngine", "PassingEngine", "RestoringEngine", "Worker"]

Array = NDArray[np.float32]

_log = logging.getLogger("uncodec.live")

# While audio runs the worker looks for input this often; a wake-up by the callback would cost the
# callback a system call and, when it is pre-empted, milliseconds.
POLL_S = 250e-6
# When none came for a second it looks less often.
IDLE_AFTER_S, IDLE_POLL_S = 1.0, 2e-3
# An engine that fails so often in a row will not do better the next time.
MOST_FAILURES = 16
TURNAROUNDS = 1 << 16


class HopEngine(Protocol):
    """What a live session runs on: hops of audio in, hops of delta out.

    Attributes
    ----------
    channels : int
    hop : int
        Samples per hop.
    delay : int
        The delta lags the input by so many samples.
    tail_length : int
        Samples of the delta that lie unfinished behind the last hop.
    """

    channels: int
    hop: int
    delay: int
    tail_length: int

    def push_into(self, audio: Array, out: Array) -> None:
        """Consume a hop, write a hop of the delta; both [shape=(channels, hop)], float32."""
        ...

    def tail_into(self, out: Array) -> None:
        """Write what a next hop would be added to; [shape=(channels, tail_length)], float32."""
        ...

    def clone(self) -> HopEngine:
        """An independent copy of the whole state."""
        ...


class RestoringEngine:
    """A `DeltaEngine` as a live session wants it.

    Parameters
    ----------
    engine : DeltaEngine
    """

    def __init__(self, engine: DeltaEngine) -> None:
        self.channels = engine.channels
        self.hop = engine.hop
        self.delay = engine.delay
        self.tail_length = engine.delay
        self._engine = engine
        # The engine's own buffer: written in place by every hop, and never replaced.
        self._tail = engine.tail

    def push_into(self, audio: Array, out: Array) -> None:
        """Consume a hop, write a hop of the delta."""
        self._engine.push_into(audio, out)

    def tail_into(self, out: Array) -> None:
        """Write what a next hop would be added to."""
        if self.channels == 2:
            np.add(self._tail[0], self._tail[1], out=out[0])
            np.subtract(self._tail[0], self._tail[1], out=out[1])
        else:
            out[:] = self._tail

    def clone(self) -> RestoringEngine:
        """An independent copy of the whole state."""
        return RestoringEngine(self._engine.clone())


class PassingEngine:
    """An engine whose delta is its input, so that timing can be seen: wet is twice dry, exactly.

    Parameters
    ----------
    channels, hop, delay : int
        As those of the engine it stands for.
    """

    def __init__(self, channels: int, hop: int, delay: int) -> None:
        self.channels = channels
        self.hop = hop
        self.delay = delay
        self.tail_length = delay
        self._past: Array = np.zeros((channels, delay), np.float32)
        phase = (np.arange(delay) + 0.5) / max(delay, 1)
        self._fall: Array = np.cos(0.5 * np.pi * phase).astype(np.float32) ** 2

    def push_into(self, audio: Array, out: Array) -> None:
        """Consume a hop, write a hop of the delta."""
        line = np.concatenate([self._past, audio], axis=1)
        out[:] = line[:, : self.hop]
        self._past = line[:, self.hop :]

    def tail_into(self, out: Array) -> None:
        """Write what a next hop would be added to."""
        np.multiply(self._past, self._fall, out=out)

    def clone(self) -> PassingEngine:
        """An independent copy of the whole state."""
        twin = PassingEngine(self.channels, self.hop, self.delay)
        twin._past = self._past
        return twin


class Worker:
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
    resyncs : int
        Times that the worker went on with a hop that did not follow the last one.
    failures : int
        Times that the engine raised or gave numbers that are not finite.
    error : BaseException or None
        The last failure.
    finished : int
        Hops that it is through with, whatever became of them: the number of the next one.
    turnaround : ndarray, int64
        Last times from submission to result in ns, `turnarounds` of them written so far.
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
        self.resyncs = 0
        self.failures = 0
        self.error: BaseException | None = None
        self.finished = 0
        self.turnaround = np.zeros(TURNAROUNDS, np.int64)
        self.turnarounds = 0
        self._fresh = engine
        self._engine = engine.clone()
        self._inbox = inbox
        self._outbox = outbox
        self._most_waiting = most_waiting
        self._submitted = submitted
        hop, tail = engine.hop, engine.tail_length
        # Frames that hold a splice reach into so many hops of output after it.
        self._memory = -(-(2 * engine.delay + hop) // hop)
        self._request: Array = np.zeros((engine.channels, HEADER + hop), np.float32)
        self._result: Array = np.zeros((engine.channels, HEADER + hop + tail), np.float32)
        self._audio = self._request[:, HEADER:]
        self._delta = self._result[:, HEADER : HEADER + hop]
        self._tail = self._result[:, HEADER + hop :]
        self._running_generation = 0
        self._expected = 0
        self._discard = 0
        self._in_a_row = 0
        self._stop = threading.Event()

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
                if self._step_safely():
                    last = time.monotonic()
                else:
                    idle = time.monotonic() - last > IDLE_AFTER_S
                    time.sleep(IDLE_POLL_S if idle else POLL_S)
        except BaseException as error:
            # Nothing above this thread could handle it: the session says so and plays dry.
            self.error = error
            _log.error("the live worker stopped, the audio goes on dry: %r", error)

    def _step_safely(self) -> bool:
        try:
            worked = self.step()
        except Exception as error:
            self.failures += 1
            self._in_a_row += 1
            self.error = error
            if self._in_a_row >= MOST_FAILURES:
                raise
            if self._in_a_row == 1:
                _log.warning("a hop failed, the audio goes on dry: %r", error)
            # Whatever state the engine was left in, this one is sound; it has no past, though.
            self._engine = self._fresh.clone()
            self._discard = self._memory
            worked = True
        if worked:
            self.finished = self._expected
        return worked

    def step(self) -> bool:
        """Do one hop if there is one; False if not.

        Raises
        ------
        UncodecError
            The engine gave numbers that are not finite. What the engine raises passes through.
        """
        inbox, request = self._inbox, self._request
        waiting = inbox.available // request.shape[1]
        if waiting == 0:
            return False
        if waiting > self._most_waiting:
            # Enough of the past is kept to be clean again with the newest hop.
            for _ in range(waiting - self._memory - 1):
                inbox.read_into(request)
        inbox.read_into(request)
        generation = int(request[0, 0])
        index = int(request[0, 1]) + (int(request[0, 2]) << INDEX_BITS)
        if generation != self.generation:
            return True
        if generation != self._running_generation:
            self._engine = self._fresh.clone()
            self._running_generation = generation
            self._expected = 0
            self._discard = 0
        if index != self._expected:
            self.resyncs += 1
            self._discard = self._memory
        self._expected = index + 1
        self._engine.push_into(self._audio, self._delta)
        self._engine.tail_into(self._tail)
        if not np.isfinite(self._result[:, HEADER:]).all():
            raise UncodecError(f"hop {index}: the engine gave numbers that are not finite")
        if self._discard:
            self._discard -= 1
            return True
        self._in_a_row = 0
        self._result[:, :HEADER] = request[:, :HEADER]
        if self._outbox.free >= self._result.shape[1]:
            self._outbox.write(self._result)
        now = time.perf_counter_ns()
        place = self.turnarounds % TURNAROUNDS
        self.turnaround[place] = now - self._submitted[index % len(self._submitted)]
        self.turnarounds += 1
        return True
