"""Ways to run a model inside an audio callback: the naive FIFO, and how each is measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from uncodec._native import latency_samples
from uncodec.analysis.latency import Host, Percentiles
from uncodec.live.hop_engine import HopEngine, PassingEngine, restoring_engine
from uncodec.live.playback import no_collection
from uncodec.networks import load_model
from uncodec.signals import Array

__all__ = [
    "CHANNELS",
    "SAMPLE_RATE",
    "NumpyFifo",
    "PathReport",
    "Restorer",
    "host_of",
    "load_engine",
    "measure_path",
    "time_calls",
]

SAMPLE_RATE = 48_000
CHANNELS = 2
# Calls at full speed before anything is timed: TorchScript and caches settle.
WARM_UP_HOPS = 32


@dataclass(frozen=True)
class PathReport:
    """What was measured of one path at one block size.

    Attributes
    ----------
    path : str
    block : int
    latency_samples, impulse_samples : int
        As reported by the path, and where an impulse came out.
    callback, turnaround : Percentiles
        Time in the callback; time from a hop's last sample to its result.
    blocks, late_blocks : int
        Callbacks, and those that took longer than their block lasts. -1 if it was at least one.
    hops, late_hops : int
        Hops played, and those without the model. A path that waits for the model has none.
    """

    path: str
    block: int
    latency_samples: int
    impulse_samples: int
    callback: Percentiles
    turnaround: Percentiles
    blocks: int
    late_blocks: int
    hops: int
    late_hops: int


class WaitingPath(Protocol):
    """A wrapper that runs the model within the callback."""

    latency_samples: int

    def call_into(self, block: Array, out: Array) -> None:
        """Take a block, write its output; both [shape=(channels, n)], float32."""
        ...


class Restorer:
    """The model as wrappers that know nothing of deltas want it: hops in, restored hops out.

    Parameters
    ----------
    engine : HopEngine

    Attributes
    ----------
    hop, delay : int
        The output lags the input by `delay` samples.
    finished_ns : int
        `time.perf_counter_ns` at the end of the last hop; 0 before the first.
    """

    def __init__(self, engine: HopEngine) -> None:
        self.hop = engine.hop
        self.delay = engine.delay
        self.finished_ns = 0
        self._engine = engine
        self._line: Array = np.zeros((engine.channels, engine.delay + engine.hop), np.float32)
        self._delta: Array = np.zeros((engine.channels, engine.hop), np.float32)

    def push_into(self, audio: Array, out: Array) -> None:
        """Consume a hop, write a hop; both [shape=(channels, hop)], float32."""
        self._line[:, : self.delay] = self._line[:, self.hop :]
        self._line[:, self.delay :] = audio
        self._engine.push_into(audio, self._delta)
        np.add(self._line[:, : self.hop], self._delta, out=out)
        self.finished_ns = time.perf_counter_ns()


class NumpyFifo:
    """Collects samples until there is a hop, runs the model at once, gives out what is ready.

    Parameters
    ----------
    restorer : Restorer
    block : int
        Samples of every call. The output begins with as much silence as is needed so that it never
        runs dry, and no more.
    """

    def __init__(self, restorer: Restorer, block: int) -> None:
        hop = restorer.hop
        waiting = latency_samples(0, hop, block)
        self.latency_samples = restorer.delay + waiting
        self._restorer = restorer
        self._inbox: Array = np.zeros((CHANNELS, hop), np.float32)
        self._filled = 0
        self._outbox: Array = np.zeros((CHANNELS, waiting + block + hop), np.float32)
        self._ready = waiting

    def call_into(self, block: Array, out: Array) -> None:
        """Take a block, write its output."""
        hop, size, taken = self._restorer.hop, block.shape[1], 0
        while taken < size:
            part = min(hop - self._filled, size - taken)
            self._inbox[:, self._filled : self._filled + part] = block[:, taken : taken + part]
            self._filled += part
            taken += part
            if self._filled == hop:
                target = self._outbox[:, self._ready : self._ready + hop]
                self._restorer.push_into(self._inbox, target)
                self._ready += hop
                self._filled = 0
        out[:] = self._outbox[:, :size]
        self._ready -= size
        self._outbox[:, : self._ready] = self._outbox[:, size : size + self._ready]


def load_engine(model: str) -> HopEngine:
    """A released model, as all paths run it."""
    loaded = load_model(model)
    return restoring_engine(
        loaded, sample_rate=SAMPLE_RATE, hop=loaded.config.hop, channels=CHANNELS
    )


def host_of(block: int, seconds: float) -> Host:
    """The host that all paths are measured in."""
    return Host(sample_rate=SAMPLE_RATE, channels=CHANNELS, block=block, seconds=seconds)


def time_calls(call: Callable[[Array, Array], object], host: Host) -> NDArray[np.int64]:
    """What calls take while a host plays, in ns, [shape=(calls,)]."""
    times = np.zeros(round(host.seconds / host.period_s) + 2, np.int64)
    calls = 0

    def timed(block: Array, out: Array) -> None:
        nonlocal calls
        began = time.perf_counter_ns()
        call(block, out)
        times[calls] = time.perf_counter_ns() - began
        calls += 1

    with no_collection():
        host.play(timed)
    return times[:calls]


def measure_path(
    name: str,
    make: Callable[[Restorer, int], WaitingPath],
    engine: HopEngine,
    *,
    block: int,
    seconds: float,
) -> PathReport:
    """Measure a wrapper that runs the model within the callback.

    Parameters
    ----------
    name : str
    make : callable
        Puts the wrapper around a model, for a block size.
    engine : HopEngine
        Fresh.
    block : int
    seconds : float
    """
    torch.set_num_threads(1)
    passing = PassingEngine(CHANNELS, engine.hop, engine.delay)
    probe = make(Restorer(passing), block)
    host = host_of(block, seconds)
    impulse, _ = host.find_impulse(probe.call_into, probe.latency_samples)
    restorer = Restorer(engine)
    path = make(restorer, block)
    silence, out = np.zeros((2, CHANNELS, block), np.float32)
    for _ in range(-(-WARM_UP_HOPS * engine.hop // block)):
        path.call_into(silence, out)
    turnarounds: list[int] = []

    def call(block: Array, out: Array) -> None:
        began = time.perf_counter_ns()
        path.call_into(block, out)
        if restorer.finished_ns > began:
            turnarounds.append(restorer.finished_ns - began)

    took = time_calls(call, host)
    return PathReport(
        path=name,
        block=block,
        latency_samples=path.latency_samples,
        impulse_samples=impulse,
        callback=Percentiles.of(took / 1e9),
        turnaround=Percentiles.of(np.array(turnarounds, np.float64) / 1e9),
        blocks=len(took),
        late_blocks=int(np.count_nonzero(took > 1e9 * host.period_s)),
        hops=len(took) * block // engine.hop,
        late_hops=0,
    )
