"""Hops of input made into hops of output: what sessions and plugins are answered with."""

from __future__ import annotations

import numpy as np

from uncodec.live.hop_engine import HopEngine
from uncodec.live.hop_runner import HopRunner
from uncodec.signals import Array

__all__ = ["RestoredHops"]


class RestoredHops:
    """Answers numbered hops with the input, delayed as the delta is, plus `amount` times the delta.

    Parameters
    ----------
    engine : HopEngine
        Fresh.

    Attributes
    ----------
    runner : HopRunner
        Counts gaps and failures.
    output : ndarray [shape=(channels, hop)], float32
        The last answer.
    tail : ndarray [shape=(channels, tail_length)], float32
        How the output would go on without another hop: the delayed input under the unfinished
        overlap-add. Where the tail of the delta ends the delayed input is left.
    """

    def __init__(self, engine: HopEngine) -> None:
        channels, hop, tail = engine.channels, engine.hop, engine.tail_length
        self.runner = HopRunner(engine)
        self.output: Array = np.zeros((channels, hop), np.float32)
        self.tail: Array = np.zeros((channels, tail), np.float32)
        self._delta: Array = np.zeros((channels, hop), np.float32)
        self._tail_delta: Array = np.zeros((channels, tail), np.float32)
        # What the delta lags behind, and a hop more.
        self._line: Array = np.zeros((channels, engine.delay + hop), np.float32)
        self._ramp: Array = (np.arange(1, hop + 1) / hop).astype(np.float32)
        self._amount: float | None = None

    def begin(self) -> None:
        """Forget all audio; hop 0 comes next."""
        self.runner.begin()
        self._line.fill(0)
        self._amount = None

    def run(self, number: int, audio: Array, *, amount: float = 1.0, safely: bool = True) -> bool:
        """Do one hop.

        Parameters
        ----------
        number : int
        audio : ndarray [shape=(channels, hop)], float32
        amount : float
            From 0 to 1; a change is spread over the hop.
        safely : bool
            Whether a failure is no more than an answer that is not good; see `HopRunner`.

        Returns
        -------
        bool
            Whether `output` and `tail` are good to be played.

        Raises
        ------
        Exception
            What the engine raised, if it failed too often in a row or the run is not a safe one.
        """
        hop = audio.shape[1]
        # Taking the samples out of the way of themselves costs less than a ring would.
        self._line[:, :-hop] = self._line[:, hop:]
        self._line[:, -hop:] = audio
        run = self.runner.run_safely if safely else self.runner.run
        good = run(number, audio, self._delta, self._tail_delta)
        if good:
            self._mix(self._amount if self._amount is not None else amount, amount)
        self._amount = amount
        return good

    def _mix(self, before: float, amount: float) -> None:
        hop, tail = self.output.shape[1], self.tail.shape[1]
        self.output[:] = self._line[:, :hop]
        self.tail[:] = self._line[:, hop : hop + tail]
        if before != amount:
            gain = np.float32(before) + np.float32(amount - before) * self._ramp
            self.output += gain * self._delta
        elif amount > 0:
            self._delta *= np.float32(amount)
            self.output += self._delta
        if amount > 0:
            self._tail_delta *= np.float32(amount)
            self.tail += self._tail_delta
