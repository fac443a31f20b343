"""An engine run over numbered hops, by someone who knows which of its results are good."""

from __future__ import annotations

import logging

import numpy as np

from uncodec.errors import UncodecError
from uncodec.live.hop_engine import HopEngine
from uncodec.signals import Array

__all__ = ["MOST_FAILURES", "HopRunner"]


_log = logging.getLogger("uncodec.live")

# An engine that fails so often in a row will not do better the next time.
MOST_FAILURES = 16


class HopRunner:
    """Runs clones of an engine over hops that may have gaps.

    After a gap, and after a failure, results are thrown away until as much new input has come as
    the engine looks back.

    Parameters
    ----------
    engine : HopEngine
        Fresh.

    Attributes
    ----------
    memory : int
        Hops that the engine looks back.
    next_hop : int
        Number of the hop that would follow the last one.
    resyncs : int
        Times that a hop did not follow the last one.
    failures : int
        Times that the engine raised or gave numbers that are not finite.
    error : BaseException or None
        The last failure.
    """

    def __init__(self, engine: HopEngine) -> None:
        # Frames that hold a splice reach into so many hops of output after it.
        self.memory = -(-(2 * engine.delay + engine.hop) // engine.hop)
        self.next_hop = 0
        self.resyncs = 0
        self.failures = 0
        self.error: BaseException | None = None
        self._fresh = engine
        self._engine = engine.clone()
        self._discard = 0
        self._in_a_row = 0

    def begin(self) -> None:
        """Forget all audio; hop 0 comes next."""
        self._engine = self._fresh.clone()
        self.next_hop = 0
        self._discard = 0

    def forget_counts(self) -> None:
        """Count from 0 again."""
        self.resyncs = self.failures = 0
        self.error = None

    def run(self, hop: int, audio: Array, delta: Array, tail: Array) -> bool:
        """Do one hop.

        Parameters
        ----------
        hop : int
            Its number.
        audio : ndarray [shape=(channels, hop)], float32
        delta, tail : ndarray [shape=(channels, hop) and (channels, tail_length)], float32
            Written: the delta that the hop finishes, and what a next hop would be added to.

        Returns
        -------
        bool
            Whether the result is good to be played.

        Raises
        ------
        UncodecError
            The engine gave numbers that are not finite. What the engine raises passes through.
        """
        if hop != self.next_hop:
            self.resyncs += 1
            self._discard = self.memory
        self.next_hop = hop + 1
        self._engine.push_into(audio, delta)
        self._engine.tail_into(tail)
        if not (np.isfinite(delta).all() and np.isfinite(tail).all()):
            raise UncodecError(f"hop {hop}: the engine gave numbers that are not finite")
        if self._discard:
            self._discard -= 1
            return False
        self._in_a_row = 0
        return True

    def run_safely(self, hop: int, audio: Array, delta: Array, tail: Array) -> bool:
        """As `run`, but a failure counts as a result that is not good.

        Raises
        ------
        Exception
            What the engine raised, if it failed too often in a row.
        """
        try:
            return self.run(hop, audio, delta, tail)
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
            self._discard = self.memory
            return False
