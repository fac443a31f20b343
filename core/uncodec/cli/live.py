"""The commands ``uncodec live`` and ``uncodec latency``.

Exit codes: 0 done; 1 it failed on the way (a file, the sound card); 2 the command itself is wrong,
or the model is unknown; 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from uncodec.cli import options
from uncodec.cli.common import (
    FAILED,
    check_plot,
    loading,
    orderly_exit,
    read_reference,
    told_errors,
)
from uncodec.errors import InvalidValue, UncodecError

if TYPE_CHECKING:
    from uncodec.analysis.latency import HostPattern, LatencyReport
    from uncodec.live.live_session import LiveSession

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(live)
    app.command()(latency)


def live(
    file: Annotated[
        str, typer.Option("--file", metavar="IN", help="Audio file to play.", show_default=False)
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="A .flac or .wav file that gets what would be heard, aligned to the source; "
            "no sound card is used then.",
            show_default=False,
        ),
    ] = None,
    sound: Annotated[
        bool,
        typer.Option(
            "--sound/--no-sound",
            help="Play on the sound card (needs the extra 'sound'), or keep time by the "
            "clock without one.",
        ),
    ] = True,
    card: Annotated[
        str | None,
        typer.Option(help="Number of the sound card, or part of its name.", show_default=False),
    ] = None,
    block: Annotated[int, typer.Option(metavar="N", help="Samples per callback.")] = 256,
    turnaround: Annotated[
        float,
        typer.Option(
            metavar="MS",
            help="Milliseconds that the network may take for a hop; more of them cost latency and "
            "make dropping back to the source rarer.",
        ),
    ] = 20.0,
    amount: options.Amount = 1.0,
    brightness: options.Brightness = 0.0,
    like: options.LikePath = None,
    like_amount: options.LikeAmount = 1.0,
    seed: Annotated[int, typer.Option(help="Of the noise that the network works with.")] = 0,
    model: Annotated[str, typer.Option(help="Name of the model.")] = "live-gan",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Report in JSON on standard output.")
    ] = False,
) -> None:
    """Play an audio file through the live restorer, in real time.

    What the network does not finish in time is played as it is in the file, at its place; how often
    that happened is told at the end.
    """
    with told_errors():
        if sound and output is None:
            _check_sound()
        with loading():
            from uncodec.io import create_audio, open_audio
            from uncodec.live.live_session import LiveSession
            from uncodec.live.playback import play_by_clock, play_on_card

        with (
            orderly_exit(),
            open_audio(file) as reader,
            LiveSession(
                model,
                sample_rate=reader.sample_rate,
                channels=reader.channels,
                block=block,
                turnaround_s=turnaround / 1000,
                seed=seed,
                amount=amount,
                brightness_db=brightness,
                like=read_reference(like, like_amount),
            ) as session,
        ):
            if output is not None:
                with create_audio(
                    output, reader.sample_rate, reader.channels, overwrite=overwrite
                ) as writer:
                    frames = play_by_clock(session, reader.blocks(block), writer.write)
            elif sound:
                frames = play_on_card(session, reader.blocks(), card)
            else:
                frames = play_by_clock(session, reader.blocks(block))
            _tell_session(session, frames, json=json)


def _check_sound() -> None:
    from importlib.util import find_spec

    if find_spec("sounddevice") is None:
        raise UncodecError(
            "playing needs sounddevice, which is not installed: pip install 'uncodec[sound]', "
            "or use --no-sound or -o OUT"
        )


def _tell_session(session: LiveSession, frames: int, *, json: bool) -> None:
    from uncodec.analysis.latency import late_rate_bound

    counters = session.counters
    told = {
        "seconds": frames / session.sample_rate,
        "latency_samples": session.latency_samples,
        "hops": counters.hops,
        "late": counters.late,
        "late_rate_bound": late_rate_bound(counters.late, counters.hops),
        "resyncs": counters.resyncs,
        "failures": counters.failures,
        "callback": vars(session.callback_times),
        "turnaround_times": vars(session.turnaround_times),
    }
    if json:
        typer.echo(json_module.dumps(told))
        return
    latency_ms = 1000 * session.latency_samples / session.sample_rate
    typer.echo(
        f"{told['seconds']:.1f} s played with a delay of {session.latency_samples} samples "
        f"({latency_ms:.1f} ms); {counters.late} of {counters.hops} hops were not ready in time"
    )
    if session.error is not None:
        typer.echo(f"the network failed {counters.failures} times: {session.error}", err=True)


def latency(
    block: Annotated[int, typer.Option(metavar="N", help="The host's buffer, in samples.")] = 128,
    path: Annotated[
        str,
        typer.Option(
            help="session: LiveSession, in this process; plugin: the plugin as it was built, "
            "with a core that is started for it (in an environment by make setup)."
        ),
    ] = "session",
    rate: Annotated[
        int, typer.Option(metavar="HZ", help="44100 or 48000; the plugin also runs at others.")
    ] = 48000,
    channels: Annotated[int, typer.Option(help="1 or 2.")] = 2,
    bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="PLUGIN",
            help="With --path plugin: a VST3 or a CLAP, if not the one of uncodec plugin path.",
            show_default=False,
        ),
    ] = None,
    pattern: Annotated[
        str,
        typer.Option(
            help="fixed: blocks of one size; varying: half of them come in two parts; random: "
            "calls of any size up to the buffer's.",
        ),
    ] = "fixed",
    turnaround: Annotated[
        float, typer.Option(metavar="MS", help="Milliseconds that the network may take for a hop.")
    ] = 10.0,
    seconds: Annotated[float, typer.Option(help="How long to run, for each buffer size.")] = 10.0,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Measure buffers of 16 to 4096 samples, one by one.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the pattern and of the noise.")] = 0,
    model: Annotated[str, typer.Option(help="Name of the model.")] = "live-gan",
    json: Annotated[
        bool, typer.Option("--json", help="Report in JSON on standard output.")
    ] = False,
    plot: Annotated[
        str | None,
        typer.Option(metavar="OUT", help="Draw the result (.png, .svg, .pdf).", show_default=False),
    ] = None,
) -> None:
    """Measure the live restorer behind a host's buffer size, in real time.

    Tells the latency and its parts, where an impulse really comes out, how many hops come too late,
    with the upper 95 % bound of their rate, and how long the callback and the network take. The
    machine counts: nothing else should run on it.
    """
    with told_errors():
        if plot is not None:
            # A missing package or a wrong name is told before the measurement, not after it.
            check_plot(plot)
        with loading():
            from uncodec.analysis.latency import SWEEP, Host, measure_latency

        measure: Callable[..., LatencyReport] = measure_latency
        if path == "plugin":
            from uncodec.analysis.plugin_latency import measure_plugin_latency

            measure = partial(measure_plugin_latency, bundle=bundle)
        elif path != "session":
            raise InvalidValue(f"path={path!r}: must be session or plugin")
        elif bundle is not None:
            raise InvalidValue("bundle: goes with --path plugin alone")
        reports = []
        for size in SWEEP if sweep else (block,):
            host = Host(
                sample_rate=rate,
                channels=channels,
                block=size,
                pattern=cast("HostPattern", pattern),
                turnaround_s=turnaround / 1000,
                seconds=seconds,
                seed=seed,
            )
            report = measure(host, model)
            reports.append(report)
            if not json:
                typer.echo(_row(report, head=len(reports) == 1))
        if json:
            typer.echo(json_module.dumps({"runs": [report.as_dict() for report in reports]}))
        else:
            typer.echo(_legend(reports))
        if plot is not None:
            from uncodec.analysis.latency_picture import draw_latency

            draw_latency(reports, plot)
    if any(report.impulse_samples != report.latency_samples for report in reports):
        typer.echo("uncodec: error: an impulse did not come out at the reported latency", err=True)
        raise typer.Exit(FAILED)


_COLUMNS = (
    ("buffer", 6),
    ("latency", 8),
    ("= model", 8),
    ("+ buffering", 11),
    ("+ turnaround", 12),
    ("impulse", 8),
    ("late hops", 13),
    ("95 % below", 10),
    ("callback us 50/99/99.9/max", 26),
    ("turnaround ms 50/99/99.9/max", 28),
)


def _row(report: LatencyReport, *, head: bool) -> str:
    def times(percentiles: Any, scale: float, digits: int) -> str:
        values = (percentiles.p50, percentiles.p99, percentiles.p999, percentiles.max)
        return " / ".join(f"{scale * value:.{digits}f}" for value in values)

    cells = (
        str(report.host.block),
        str(report.latency_samples),
        str(report.algorithmic),
        str(report.buffering),
        str(report.turnaround),
        str(report.impulse_samples),
        f"{report.late} / {report.hops}",
        f"{100 * report.late_rate_bound:.2f} %",
        times(report.callback, 1e6, 0),
        times(report.turnaround_times, 1e3, 1),
    )
    line = "  ".join(cell.rjust(width) for cell, (_, width) in zip(cells, _COLUMNS, strict=True))
    if not head:
        return line
    return "  ".join(name.rjust(width) for name, width in _COLUMNS) + "\n" + line


def _legend(reports: Sequence[LatencyReport]) -> str:
    last, host = reports[-1], reports[-1].host
    load = "unknown" if last.load is None else f"{last.load:.1f}"
    longest_ms = 1000 * max(report.latency_samples for report in reports) / host.sample_rate
    return (
        f"Samples at {host.sample_rate} Hz, {host.pattern} blocks, hops of {last.hop}; "
        f"{longest_ms:.1f} ms at most. Load {load} on {last.processors} processors; "
        f"this host itself was woken up to "
        f"{1000 * max(r.worst_host_delay_s for r in reports):.1f} ms late."
    )
