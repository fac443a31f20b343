"""A plugin session in the worker: hops from shared memory through an engine and back."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from uncodec._native import CoreSide, HopTicket
from uncodec.balance import Balance, Like
from uncodec.bridge.load import ENOUGH_HOPS, Times
from uncodec.live.hop_engine import HopEngine, restoring_engine
from uncodec.live.restored_hops import RestoredHops
from uncodec.live.times import TimeHistogram
from uncodec.networks import LoadedModel
from uncodec.signals import Array

__all__ = ["PluginSession"]


class PluginSession:
    """Answers the hops of one plugin.

    What it answers with is said at `RestoredHops`; it is what the protocol asks for.

    Parameters
    ----------
    side : CoreSide
        Laid out for the model.
    model : LoadedModel
    number : int
        For the status.
    seed : int
        Of the noise; one that comes with the first hop of an activation replaces it.
    host_pid : int
        For the status.
    may_wait : bool
        Whether the host renders: its hops have no due time, and others come first.
    reference : Balance, optional
        What is added is drawn towards it, as far as each hop says.
    """

    def __init__(
        self,
        side: CoreSide,
        model: LoadedModel,
        *,
        number: int,
        seed: int,
        host_pid: int,
        may_wait: bool = False,
        reference: Balance | None = None,
    ) -> None:
        self.side = side
        self.number = number
        self.host_pid = host_pid
        self.may_wait = may_wait
        self.work_times = Times()
        self.turnarounds = TimeHistogram()
        hop, rate = side.hop, side.sample_rate
        self.period_s = hop / rate
        # What the plugin's latency leaves for the work, once a hop is complete.
        self._budget_ns = max(0, round((side.latency - side.model_delay - hop + 1) / rate * 1e9))
        # A plugin that asks for another session, with another reference, counts on in its memory.
        self._before = side.host_counters()
        self._model = model
        self._seed = seed
        self._reference = reference
        self._hops = RestoredHops(self._open_engine(seed))
        self._generation: int | None = None
        self._ticket: HopTicket | None = None
        self._period_ns = round(self.period_s * 1e9)
        self._empty_ns = self._arrived_ns = time.monotonic_ns()
        self._last_hop = 0
        self._input: Array = np.zeros((side.channels, hop), np.float32)

    def _open_engine(self, seed: int) -> HopEngine:
        return restoring_engine(
            self._model,
            sample_rate=self.side.sample_rate,
            hop=self.side.hop,
            channels=self.side.channels,
            seed=seed,
            like=None if self._reference is None else Like(self._reference),
        )

    @property
    def budget_s(self) -> float:
        """Time from a complete hop to when its result is due."""
        return self._budget_ns * 1e-9

    @property
    def load(self) -> float:
        """Share of its hop's period that it takes, at the 99.9th percentile."""
        return self.work_times.percentiles().p999 / self.period_s

    def load_to_admit_by(self, expected: float) -> float:
        """Share of the time that admission sets aside for it.

        Parameters
        ----------
        expected : float
            Of any session, as long as this one has not done enough hops to be judged by them.
        """
        if self.may_wait:
            return 0.0
        if self.work_times.count >= ENOUGH_HOPS:
            return self.load
        return max(expected, self.work_times.percentiles().p50 / self.period_s)

    @property
    def deadline_ns(self) -> int | None:
        """When the hop in hand is due on the monotonic clock; None if there is none in hand."""
        return None if self._ticket is None else self._arrived_ns + self._budget_ns

    def look(self, now_ns: int) -> bool:
        """Take the next hop in hand if there is one and none is; whether there is one now."""
        if self._ticket is not None:
            return True
        ticket = self.side.poll_into(self._input)
        if ticket is None:
            self._empty_ns = now_ns
            return False
        # When it came nobody has seen, if this process was not running or busy: later than the last
        # look, not after this one, and in between a period after the one before it.
        expected = self._arrived_ns + (ticket.hop - self._last_hop) * self._period_ns
        self._arrived_ns = min(now_ns, max(self._empty_ns, expected))
        self._last_hop = ticket.hop
        self._ticket = ticket
        return True

    def work(self, clock_ns: Any) -> None:
        """Answer the hop in hand.

        Parameters
        ----------
        clock_ns : callable
            The monotonic clock.

        Raises
        ------
        Exception
            What the engine raised, if it failed too often in a row.
        """
        ticket, self._ticket = self._ticket, None
        if ticket is None:
            return
        began = clock_ns()
        if ticket.generation != self._generation:
            self._begin(ticket)
        good = self._hops.run(
            ticket.hop,
            self._input,
            amount=ticket.amount,
            brightness_db=ticket.brightness_db,
            likeness=ticket.likeness,
        )
        if good:
            self.side.publish(ticket, self._hops.output, self._hops.tail)
        else:
            self.side.decline(ticket)
        ended = clock_ns()
        self.work_times.add(ended - began)
        if good:
            self.turnarounds.add(ended - self._arrived_ns)

    def _begin(self, ticket: HopTicket) -> None:
        if ticket.seed != self._seed:
            self._seed = ticket.seed
            self._hops = RestoredHops(self._open_engine(ticket.seed))
        self._hops.begin()
        self._generation = ticket.generation

    def describe(self) -> dict[str, Any]:
        """What the status tells about it."""
        host, core = self.side.host_counters(), self.side.core_counters()
        for name in ("wet", "dry", "late", "refused"):
            host[name] = max(0, host[name] - self._before[name])
        return {
            "session": self.number,
            "host_pid": self.host_pid,
            "sample_rate": self.side.sample_rate,
            "channels": self.side.channels,
            "hop": self.side.hop,
            "may_wait": self.may_wait,
            "reference": None if self._reference is None else self._reference.name,
            "latency_samples": self.side.latency,
            "wet_samples": host["wet"],
            "dry_samples": host["dry"],
            "late_hops": host["late"],
            "refused_hops": host["refused"],
            "worst_callback_s": host["worst_callback_ns"] * 1e-9,
            "published_hops": core["published"],
            "resyncs": core["resyncs"],
            "failures": self._hops.failures,
            "load": self.load,
            "work": self.work_times.percentiles().described(),
            "turnaround": self.turnarounds.percentiles().described(),
        }
