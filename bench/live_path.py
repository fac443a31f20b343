"""Live paths side by side in real time, around one model: latency, callbacks, late blocks.

Ours leave the network to another thread or process and have a budget for its answer in their
latency; the others run it within the callback. Times depend on what else the machine does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from live_paths import (
    CHANNELS,
    SAMPLE_RATE,
    NumpyFifo,
    PathReport,
    host_of,
    load_engine,
    measure_path,
    time_calls,
)
from measure import Row
from uncodec.analysis.latency import Percentiles, measure_impulse
from uncodec.errors import UncodecError
from uncodec.live import LiveSession
from uncodec.live.hop_engine import HopEngine

__all__ = ["NEUTONE", "as_row", "measure_neutone", "measure_plugin", "measure_session", "rows"]

BLOCKS = (64, 128, 512)
# Where `make bench` puts neutone_sdk.
NEUTONE = Path(sys.prefix) / "neutone" / "bin" / "python"


def measure_session(engine: HopEngine, *, block: int, seconds: float) -> PathReport:
    """Measure a `LiveSession` on an engine."""
    host = host_of(block, seconds)
    impulse, _ = measure_impulse(engine, host)
    with LiveSession(
        sample_rate=SAMPLE_RATE,
        channels=CHANNELS,
        block=block,
        turnaround_s=host.turnaround_s,
        pattern="fixed",
        engine=engine,
    ) as session:
        took = time_calls(session.callback_into, host)
        counters = session.counters
        return PathReport(
            path="LiveSession",
            block=block,
            latency_samples=session.latency_samples,
            impulse_samples=impulse,
            callback=Percentiles.of(took / 1e9),
            turnaround=session.turnaround_times,
            blocks=len(took),
            late_blocks=int(np.count_nonzero(took > 1e9 * host.period_s)),
            hops=counters.hops,
            late_hops=counters.late,
        )


def measure_plugin(model: str, *, block: int, seconds: float) -> PathReport:
    """Measure the plugin, with a core in a process of its own."""
    from uncodec.analysis.plugin_latency import measure_plugin_latency

    found = measure_plugin_latency(host_of(block, seconds), model)
    return PathReport(
        path="plugin and core",
        block=block,
        latency_samples=found.latency_samples,
        impulse_samples=found.impulse_samples,
        callback=found.callback,
        turnaround=found.turnaround_times,
        blocks=found.calls,
        late_blocks=found.late_calls,
        hops=found.hops,
        late_hops=found.late,
    )


def measure_neutone(
    model: str, *, block: int, seconds: float, python: Path = NEUTONE
) -> PathReport | str:
    """Measure neutone_sdk's wrapper in its own environment; a text says why it was not."""
    if not python.exists():
        return "not installed (`make bench` installs it)"
    script = Path(__file__).with_name("neutone_path.py")
    command = [str(python), str(script), model, str(block), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"not measured: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    fields = json.loads(done.stdout.strip().splitlines()[-1])
    for name in ("callback", "turnaround"):
        fields[name] = Percentiles(**fields[name])
    return PathReport(**fields)


def _milliseconds(times: Percentiles) -> str:
    values = (times.p50, times.p99, times.p999, times.max)
    return " ".join(f"{1e3 * value:7.2f}" for value in values)


def as_row(report: PathReport) -> Row:
    """A line of the table."""
    return Row(
        f"{report.block:4}  {report.path}",
        f"{report.latency_samples:7} {report.impulse_samples:7}  "
        f"{_milliseconds(report.turnaround)}  {_milliseconds(report.callback)}  "
        f"{str(report.late_blocks) + ' of ' + str(report.blocks):>13} "
        f"{str(report.late_hops) + ' of ' + str(report.hops):>12}",
    )


def rows(model: str = "live-gan", seconds: float = 10.0) -> list[Row]:
    """Measure every path at every block size, one after the other."""
    torch.set_num_threads(1)
    head = "p50     p99   p99.9     max"
    found = [
        Row("", f"{'samples':>15}  {'turnaround, ms':>31}  {'callback, ms':>31}  {'late':>26}"),
        Row("block path", f"latency impulse  {head:>31}  {head:>31}  {'blocks':>13} {'hops':>12}"),
    ]
    for block in BLOCKS:
        times: dict[str, Any] = {"block": block, "seconds": seconds}
        found.append(as_row(measure_session(load_engine(model), **times)))
        try:
            found.append(as_row(measure_plugin(model, **times)))
        except (UncodecError, ImportError) as error:
            # The plugin's side is for Linux alone.
            found.append(Row(f"{block:4}  plugin and core", f"not measured: {error}"))
        found.append(as_row(measure_path("numpy FIFO", NumpyFifo, load_engine(model), **times)))
        neutone = measure_neutone(model, **times)
        if isinstance(neutone, str):
            found.append(Row(f"{block:4}  neutone_sdk", neutone))
        else:
            found.append(as_row(neutone))
    return found
