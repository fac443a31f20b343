"""Latency of the plugin as it was built, measured as that of a live session is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from uncodec._native import session_timing
from uncodec.analysis.latency import Host, LatencyReport, circumstances
from uncodec.bridge.bundle import find_library
from uncodec.bridge.launcher import PrivateCore, wait_until
from uncodec.bridge.plugin import (
    CONNECTING_S,
    PluginStatus,
    core_at,
    read_status,
    with_settings,
)
from uncodec.errors import CoreError, InvalidValue
from uncodec.live.budget import LONGEST_BLOCK
from uncodec.live.playback import no_collection
from uncodec.live.times import Percentiles, TimeHistogram
from uncodec.signals import Array

if TYPE_CHECKING:
    from uncodec._native import PluginHost

__all__ = ["PlayedPlugin", "measure_plugin_latency"]

# The range of the plugin's parameter.
_LONGEST_SAFETY_MS = 50


def _test_host() -> type[PluginHost]:
    """The host that loads the plugin; wheels go without it."""
    try:
        from uncodec._native import PluginHost
    except ImportError:
        raise CoreError(
            "the test host that loads the plugin is not in this installation: "
            "`make setup` in the source tree makes one that has it"
        ) from None
    return PluginHost


class PlayedPlugin:
    """The built plugin in a host that plays in real time, and what its calls took.

    Parameters
    ----------
    library : Path
        The shared library in the bundle.
    core : Path
        Where it looks for a core.
    host : Host
        Its rate is from 8000 to 384000 Hz. `turnaround_s` and `seed` are the parameters "Latency
        safety", from 1 to 50 ms in whole ms, and "Seed".
    amount : float
    model : str, optional
        Name of a released model, instead of the plugin's default.

    Raises
    ------
    InvalidValue
        An argument is outside its range.
    CoreError
        The plugin cannot be loaded, or refuses what it is asked for, or this installation is
        without the test host.
    """

    def __init__(
        self,
        library: Path,
        core: Path,
        host: Host,
        *,
        amount: float = 1.0,
        model: str | None = None,
    ) -> None:
        safety_ms = round(1000 * host.turnaround_s, 6)
        if safety_ms != round(safety_ms) or not 1 <= safety_ms <= _LONGEST_SAFETY_MS:
            raise InvalidValue(
                f"turnaround_s={host.turnaround_s}: must be a whole number of milliseconds from 1 "
                f"to {_LONGEST_SAFETY_MS}, as in the plugin"
            )
        if host.channels not in (1, 2):
            raise InvalidValue(f"channels={host.channels}: must be 1 or 2")
        if not 1 <= host.block <= LONGEST_BLOCK:
            raise InvalidValue(f"block={host.block}: must be from 1 to {LONGEST_BLOCK} samples")

        def settings(state: bytes) -> bytes:
            return with_settings(
                state, amount=amount, seed=host.seed, latency_safety_ms=safety_ms, model=model
            )

        test_host = _test_host()
        with core_at(core):
            self._host = test_host(
                library,
                sample_rate=host.sample_rate,
                channels=host.channels,
                max_block=host.block,
                settings=settings,
            )
        self.samples = 0
        self.late_calls = 0
        self.callback_times = TimeHistogram()
        self._period_ns = 1e9 * host.period_s
        self._buffers: Array = np.zeros((2, host.channels * host.block), np.float32)

    @property
    def latency_samples(self) -> int:
        """What the plugin reports to its host."""
        return self._host.latency_samples

    @property
    def status(self) -> PluginStatus:
        """What the plugin tells about itself."""
        return read_status(self._host.state())

    def wait_for_core(self) -> None:
        """Return when a core serves it.

        Raises
        ------
        CoreError
            None does within ten seconds, and why.
        """
        if not wait_until(lambda: self.status.connected, CONNECTING_S):
            reason = self.status.reason or "the core does not answer"
            raise CoreError(f"the plugin found no core: {reason}")

    def call(self, block: Array, out: Array) -> None:
        """One callback; `block` and `out` are parts of longer channels, the host's own are not."""
        source, result = self._buffers[:, : block.size].reshape(2, *block.shape)
        source[:] = block
        taken = self._host.process_into(source, result)
        out[:] = result
        self.samples += block.shape[1]
        self.callback_times.add(taken)
        self.late_calls += taken > self._period_ns


def _session_of(core: PrivateCore, number: int) -> dict[str, Any]:
    """The core's status of a session."""
    (worker,) = core.status()["workers"]
    for session in worker["sessions"]:
        if session["session"] == number:
            return dict(session)
    raise CoreError("the core ended the session while it was measured")


def measure_plugin_latency(
    host: Host, model: str = "live-gan", *, bundle: Path | None = None
) -> LatencyReport:
    """Play through the built plugin in real time, with a core of its own, and measure it.

    Parameters
    ----------
    host : Host
        As of `PlayedPlugin`.
    model : str
        Name of a released model, or a folder with one of the same window and hop as the plugin's
        default.
    bundle : Path, optional
        Of the plugin; `uncodec.bridge.bundle.find_bundle` is asked without it.

    Returns
    -------
    LatencyReport
        The impulse is played with an amount of 0, at which the plugin gives the delayed input back;
        it counts as wet if a result of the core was there for all that was played.

    Raises
    ------
    InvalidValue
        An argument is outside its range.
    CoreError
        The plugin was not built, this installation is without the test host, the core cannot be
        started, or they do not come together or last.
    """
    _test_host()  # what is missing is told before a core is started
    library = find_library(bundle)
    core = PrivateCore.acquire(model, "cpu")
    try:
        (worker,) = core.status()["workers"]
        hop, delay, _ = session_timing(worker["window"], worker["hop"], host.sample_rate)

        def open_plugin(amount: float) -> PlayedPlugin:
            named = None if Path(model).is_dir() else model
            plugin = PlayedPlugin(library, core.path, host, amount=amount, model=named)
            plugin.wait_for_core()
            return plugin

        plugin = open_plugin(0.0)
        impulse, _ = host.find_impulse(plugin.call, plugin.latency_samples)
        wet = plugin.status.dry == 0
        # The first session ends before the second one is asked for.
        del plugin
        plugin = open_plugin(1.0)
        with no_collection():
            delay_s = host.play(plugin.call)
        status = plugin.status
        told = _session_of(core, status.session)
    finally:
        core.release()
    latency, late = plugin.latency_samples, status.late + status.refused
    # Hops whose first sample was due.
    hops = max(0, -((latency - delay - plugin.samples) // hop))
    turnaround = told["turnaround"]
    return LatencyReport(
        path="plugin",
        host=host,
        hop=hop,
        algorithmic=delay,
        buffering=hop - 1,
        turnaround=latency - delay - hop + 1,
        latency_samples=latency,
        impulse_samples=impulse,
        impulse_wet=wet,
        resyncs=told["resyncs"],
        callback=plugin.callback_times.percentiles(),
        turnaround_times=Percentiles(
            turnaround["p50_s"], turnaround["p99_s"], turnaround["p999_s"], turnaround["max_s"]
        ),
        calls=plugin.callback_times.count,
        late_calls=plugin.late_calls,
        worst_host_delay_s=delay_s,
        **circumstances(late, hops),
    )
