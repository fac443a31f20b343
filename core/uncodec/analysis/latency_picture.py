"""A picture of latency measurements over host buffer sizes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from uncodec.analysis.latency import LatencyReport
from uncodec.analysis.pictures import new_figure, save_figure
from uncodec.errors import InvalidValue

__all__ = ["draw_latency"]


def draw_latency(reports: Sequence[LatencyReport], path: str | os.PathLike[str]) -> Path:
    """Draw the parts of the latency, the turnaround and the callback's load over block sizes.

    Parameters
    ----------
    reports : sequence of LatencyReport
        One or more.
    path : str or path
        Its suffix tells the format: png, svg, pdf.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    UncodecError
        matplotlib is not installed: it comes with the extra "plots".
    InvalidValue
        No report, or an unknown format.
    AudioFileError
        The picture cannot be written.
    """
    if not reports:
        raise InvalidValue("reports: must be one or more, got none")
    host, place = reports[0].host, np.arange(len(reports))
    figure = new_figure(8.0, 8.5)
    figure.suptitle(
        f"{host.sample_rate} Hz, {host.pattern} blocks, "
        f"{1e3 * host.turnaround_s:g} ms of turnaround"
    )
    parts, turnaround, callback = figure.subplots(3, 1, sharex=True)
    bottom = np.zeros(len(reports))
    for name in ("algorithmic", "buffering", "turnaround"):
        part = np.array([1e3 * getattr(r, name) / r.host.sample_rate for r in reports])
        parts.bar(place, part, bottom=bottom, width=0.6, label=name)
        bottom += part
    impulse = [1e3 * r.impulse_samples / r.host.sample_rate for r in reports]
    parts.plot(place, impulse, "k_", markersize=24, label="measured impulse")
    parts.set_ylabel("latency in ms")
    for name, mark in (("p50", "o"), ("p99", "s"), ("p999", "^"), ("max", "x")):
        label = {"p999": "p99.9"}.get(name, name)
        times = [max(1e3 * getattr(r.turnaround_times, name), 1e-3) for r in reports]
        turnaround.plot(place, times, mark, label=label)
        share = [max(100 * getattr(r.callback, name) / r.host.period_s, 1e-3) for r in reports]
        callback.plot(place, share, mark, label=label)
    granted = [1e3 * r.turnaround / r.host.sample_rate for r in reports]
    turnaround.plot(place, granted, "k_", markersize=24, label="granted")
    turnaround.set_ylabel("turnaround in ms")
    callback.set_ylabel("callback in % of the block")
    for axes in (turnaround, callback):
        axes.set_yscale("log")
    for axes in (parts, turnaround, callback):
        axes.legend(fontsize="small", ncols=3)
        axes.grid(axis="y", alpha=0.3)
    callback.set_xticks(place, [f"{r.host.block}\n{r.late}/{r.hops}" for r in reports])
    callback.tick_params(axis="x", labelsize="small")
    callback.set_xlabel("host buffer in samples; late hops of all")
    return save_figure(figure, path)
