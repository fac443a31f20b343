"""Latency of the plugin's audio path, measured as that of a live session is."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncodec._native import HostPath
from uncodec.bridge.launcher import PrivateCore
from uncodec.errors import CoreError, InvalidValue
from uncodec.live.latency import (
    HostPattern,
    LatencyReport,
    Percentiles,
    check_host,
    drive,
    find_impulse,
    late_rate_bound,
)
from uncodec.live.playback import no_collection

__all__ = ["measure_plugin_latency"]

Array = NDArray[np.float32]
CALLBACKS = 1 << 16


class _Plugin:
    """The audio path of a plugin in a session with a core, and what its calls took."""

    def __init__(
        self,
        core: PrivateCore,
        *,
        sample_rate: int,
        channels: int,
        block: int,
        pattern: HostPattern,
        turnaround_s: float,
    ) -> None:
        (worker,) = core.status()["workers"]
        if pattern == "random":
            # Calls that come when they like can skip a deadline by up to one block more.
            turnaround_s += (block - 1) / sample_rate
        self.path = HostPath(
            sample_rate=sample_rate,
            channels=channels,
            window=worker["window"],
            hop=worker["hop"],
            max_block=block,
            turnaround_s=turnaround_s,
        )
        self.samples = 0
        self._core = core
        # The core serves its one model whatever name is asked for.
        self._session = self.path.open(core.path, model="any", timeout_s=10.0)
        self._buffers: Array = np.zeros((2, channels * block), np.float32)
        self._callback_ns = np.zeros(CALLBACKS, np.int64)
        self._calls = 0

    def __enter__(self) -> _Plugin:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.close()

    def call(self, block: Array, out: Array) -> None:
        """One callback; `block` and `out` are parts of longer channels, the path's own are not."""
        source, result = self._buffers[:, : block.size].reshape(2, *block.shape)
        source[:] = block
        began = time.perf_counter_ns()
        self.path.process_into(source, result)
        taken = time.perf_counter_ns() - began
        out[:] = result
        self.samples += block.shape[1]
        self._callback_ns[self._calls % CALLBACKS] = taken
        self._calls += 1

    @property
    def hops(self) -> int:
        """Hops whose first sample was due."""
        buffering = self.path.latency_samples - self.path.model_delay
        return max(0, -((buffering - self.samples) // self.path.hop))

    @property
    def callback_times(self) -> NDArray[np.float64]:
        """In s."""
        return self._callback_ns[: min(self._calls, CALLBACKS)].astype(np.float64) / 1e9

    def told_by_core(self) -> dict[str, Any]:
        """The core's status of this session."""
        (worker,) = self._core.status()["workers"]
        for session in worker["sessions"]:
            if session["session"] == self._session.number:
                return dict(session)
        raise CoreError("the core ended the session while it was measured")


def measure_plugin_latency(
    model: str = "live-gan",
    *,
    sample_rate: int = 48000,
    channels: int = 2,
    block: int = 128,
    pattern: HostPattern = "fixed",
    turnaround_s: float = 0.01,
    seconds: float = 10.0,
    seed: int = 0,
) -> LatencyReport:
    """Drive the plugin's audio path in real time, with a core of its own, and measure it.

    Parameters
    ----------
    model, channels, block, turnaround_s, pattern, seconds, seed
        As of `uncodec.live.latency.measure_latency`. The plugin always allows for varying blocks.
    sample_rate : int
        In Hz, from 8000 to 384000.

    Returns
    -------
    LatencyReport
        The impulse goes through the core with an amount of 0, which gives the delayed input back
        from there; it counts as wet if all that was played came from the core.

    Raises
    ------
    InvalidValue
        An argument is outside its range.
    CoreError
        The core cannot be started, or does not last.
    """
    check_host(pattern, seconds)
    if channels not in (1, 2):
        raise InvalidValue(f"channels={channels}: must be 1 or 2")
    if not 0.0 <= turnaround_s <= 1.0:
        raise InvalidValue(f"turnaround_s={turnaround_s}: must be from 0 to 1 second")
    host: dict[str, Any] = {"sample_rate": sample_rate, "block": block, "pattern": pattern}
    core = PrivateCore.acquire(model, "cpu")
    try:
        with _Plugin(core, channels=channels, turnaround_s=turnaround_s, **host) as plugin:
            plugin.path.set_parameters(amount=0.0)
            plugin.path.activate()
            impulse, _ = find_impulse(
                plugin.call, channels=channels, latency=plugin.path.latency_samples, **host
            )
            wet = plugin.path.counters()["dry"] == 0
        # A second of noise, again and again: the work does not depend on what is in the audio.
        noise = 0.1 * np.random.default_rng(seed).standard_normal((channels, sample_rate + block))
        audio = noise.astype(np.float32)
        with (
            _Plugin(core, channels=channels, turnaround_s=turnaround_s, **host) as plugin,
            no_collection(),
        ):
            plugin.path.set_parameters(seed=seed)
            plugin.path.activate()
            end = round(seconds * sample_rate)
            delay_s = drive(plugin.call, audio, np.zeros_like(audio), **host, end=end, seed=seed)
            told, counters = plugin.told_by_core(), plugin.path.counters()
            return _report(
                plugin,
                told,
                late=counters["late"] + counters["refused"],
                channels=channels,
                seconds=float(seconds),
                turnaround_budget_s=float(turnaround_s),
                impulse_samples=impulse,
                impulse_wet=wet,
                worst_host_delay_s=delay_s,
                **host,
            )
    finally:
        core.release()


def _report(plugin: _Plugin, told: dict[str, Any], *, late: int, **given: Any) -> LatencyReport:
    path, hops = plugin.path, plugin.hops
    turnaround = told["turnaround"]
    return LatencyReport(
        path="plugin",
        hop=path.hop,
        algorithmic=path.model_delay,
        buffering=path.hop - 1,
        turnaround=path.latency_samples - path.model_delay - path.hop + 1,
        latency_samples=path.latency_samples,
        hops=hops,
        late=late,
        resyncs=told["resyncs"],
        late_rate=late / hops if hops else 0.0,
        late_rate_bound=late_rate_bound(late, hops),
        callback=Percentiles.of(plugin.callback_times),
        turnaround_times=Percentiles(
            turnaround["p50_s"], turnaround["p99_s"], turnaround["p999_s"], turnaround["max_s"]
        ),
        load=os.getloadavg()[0],
        processors=os.cpu_count() or 1,
        **given,
    )
