"""The commands ``uncodec core`` and ``uncodec plugin``.

Exit codes: 0 done, or running already; 1 there is no core, or it could not be started or stopped;
2 the command itself is wrong.
"""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from uncodec.cli import options
from uncodec.cli.common import told_errors
from uncodec.errors import CoreError

if TYPE_CHECKING:
    from uncodec.balance import Balance
    from uncodec.bridge.bundle import PluginFormat

__all__ = ["register"]

core_app = typer.Typer(
    help="The core: the process that restores audio for plugins.", no_args_is_help=True
)
plugin_app = typer.Typer(help="The plugin, as VST3 and as CLAP.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(core_app, name="core")
    app.add_typer(plugin_app, name="plugin")


def _check_system() -> None:
    if sys.platform != "linux":
        raise CoreError(f"platform={sys.platform}: core and plugin run on Linux alone")


@core_app.command()
def start(
    model: Annotated[
        str, typer.Option(help="Model that is loaded at once; others are when a plugin asks.")
    ] = "live-gan",
    device: Annotated[
        str | None,
        typer.Option(help="Where networks run, as PyTorch names it.", show_default="cpu"),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            "--like",
            metavar="PATH",
            help="A reference for plugins that have none of their own: an audio file or a folder "
            "of them. Each plugin's Likeness says how far towards it.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Start the core and return when it can serve plugins, unless it is running already.

    It takes some seconds, more on a busy machine; what is being done is told meanwhile. The core
    goes on when the terminal is closed, until `uncodec core stop`. Plugins find it at
    $UNCODEC_CORE_SOCKET, or else at $XDG_RUNTIME_DIR/uncodec/core.sock.
    """
    with told_errors():
        _check_system()
        from uncodec.bridge.launcher import default_path, is_running, launch

        path = default_path()
        reference = _packed(like)
        if not is_running(path):
            _tell("starting the core")
            try:
                process, connection = launch(
                    path, model=model, device=device or "cpu", reference=reference, tell=_tell
                )
            except CoreError:
                # Two may be started at the same moment, and one of them is there now.
                if not is_running(path):
                    raise
            else:
                connection.close()
                # Its end is not this command's business.
                process.returncode = 0
                typer.echo(f"core {process.pid} listens at {path}")
                return
        _join(path, device, reference)


def _packed(like: str | None) -> str:
    """What a path refers to, as the core is told of it; empty for None."""
    if like is None:
        return ""
    from uncodec.bridge.packed_reference import pack, written

    return written(pack(_measured(like)))


def _measured(path: str) -> Balance:
    """The balance of a reference, with a name that can be shown."""
    from dataclasses import replace

    from uncodec.effects.reference import as_balance

    return replace(as_balance(path), name=Path(path).resolve().name or path)


def _join(path: Path, device: str | None, reference: str) -> None:
    """Wait for a core that somebody else started, and tell that it is there."""
    from uncodec.bridge.launcher import wait_started

    status = wait_started(path, _tell)
    running = status["workers"][0]["device"]
    if device not in (None, running):
        raise CoreError(f"device={device}: the core that is running uses {running}; stop it first")
    if reference:
        from uncodec.bridge.packed_reference import described

        wanted, there = described(reference), status["reference"]
        if wanted != there:
            uses = "none" if there is None else there["name"]
            name = "" if wanted is None else wanted["name"]
            raise CoreError(f"like={name}: the core that is running uses {uses}; stop it first")
    typer.echo(f"core {status['pid']} is running already, and listens at {path}")


def _tell(what: str) -> None:
    """Progress goes where it does not get into what scripts read."""
    typer.echo(f"uncodec: {what} ...", err=True)


@core_app.command()
def stop() -> None:
    """Stop the core; plugins go on with the signal as it is."""
    with told_errors():
        _check_system()
        from uncodec.bridge.launcher import default_path
        from uncodec.bridge.launcher import stop as stop_core

        typer.echo(f"core {stop_core(default_path())} stopped")


@core_app.command()
def status(
    json: Annotated[
        bool, typer.Option("--json", help="Report in JSON on standard output.")
    ] = False,
) -> None:
    """Tell what the core does: its models, the plugins it serves, late hops, turnaround times.

    The exit code is 1 if none is running.
    """
    with told_errors():
        _check_system()
        from uncodec.bridge.launcher import ask, default_path

        told = ask(default_path(), "status")
        typer.echo(json_module.dumps(told) if json else _show(told))


def _show(told: dict[str, Any]) -> str:
    lines = [
        f"core {told['pid']} (uncodec {told['version']}) at {told['socket']}, "
        f"up for {told['uptime_s']:.0f} s"
    ]
    if told["reference"]:
        lines.append(f"reference for plugins without one: {told['reference']['name']}")
    for worker in told["workers"]:
        facts = f"{worker['model']} on {worker['device']}: {worker['state']}"
        if worker["state"] == "ready":
            facts += f", window {worker['window']}, hop {worker['hop']}, load {worker['load']:.2f}"
        elif "doing" in worker:
            facts += f", {worker['doing']}"
        if worker["restarts"]:
            facts += f", started again {worker['restarts']} times"
        if "error" in worker:
            facts += f" ({worker['error']})"
        lines.append(facts)
        if worker["state"] == "ready":
            lines.extend(_show_lost(worker))
        for session in worker["sessions"]:
            rate = session["sample_rate"]
            turnaround = session["turnaround"]
            times = " / ".join(
                f"{1000 * turnaround[name]:.1f}" for name in ("p50_s", "p99_s", "p999_s", "max_s")
            )
            lines.append(
                f"  session {session['session']} of process {session['host_pid']}: "
                f"{session['channels']} x {rate:.0f} Hz, latency {session['latency_samples']} "
                f"({1000 * session['latency_samples'] / rate:.1f} ms), "
                + ("a render, " if session["may_wait"] else "")
                + (f"like {session['reference']}, " if session["reference"] else "")
                + f"{_share(session)} samples not restored, "
                f"{session['late_hops']} late of {session['late_hops'] + session['published_hops']}"
                f" hops, {session['resyncs']} resyncs, turnaround {times} ms (50/99/99.9/max)"
            )
    if not any(worker["sessions"] for worker in told["workers"]):
        lines.append("no plugin is connected")
    return "\n".join(lines)


def _show_lost(worker: dict[str, Any]) -> list[str]:
    """What went wrong with sessions that are not there any more."""
    lines = []
    if worker["ended"]["dry_samples"]:
        lines.append(f"  earlier sessions: {_share(worker['ended'])} samples not restored")
    if worker["refused"]["count"]:
        refused = worker["refused"]
        lines.append(f"  refused {refused['count']} times, last: {refused['last']}")
    return lines


def _share(counted: dict[str, Any]) -> str:
    return f"{counted['dry_samples']} of {counted['dry_samples'] + counted['wet_samples']}"


_FORMAT_HELP = "vst3 or clap"


@plugin_app.command()
def path(
    plugin_format: Annotated[str, typer.Option("--format", help=_FORMAT_HELP)] = "vst3",
) -> None:
    """Print where the plugin is."""
    with told_errors():
        _check_system()
        from uncodec.bridge.bundle import find_bundle

        typer.echo(find_bundle(cast("PluginFormat", plugin_format)))


@plugin_app.command()
def install(
    plugin_format: Annotated[
        str | None, typer.Option("--format", help=f"{_FORMAT_HELP}; both without it.")
    ] = None,
) -> None:
    """Copy the plugin to ~/.vst3 and ~/.clap, where audio hosts look for it."""
    with told_errors():
        _check_system()
        from uncodec.bridge.bundle import find_bundle, install_bundle

        formats = _formats(plugin_format)
        for each in formats:
            # All of them or none.
            find_bundle(each)
        for each in formats:
            typer.echo(install_bundle(plugin_format=each))


@plugin_app.command()
def uninstall(
    plugin_format: Annotated[
        str | None, typer.Option("--format", help=f"{_FORMAT_HELP}; both without it.")
    ] = None,
) -> None:
    """Remove the plugin from ~/.vst3 and ~/.clap."""
    with told_errors():
        _check_system()
        from uncodec.bridge.bundle import BUNDLES, hosts_folder, uninstall_bundle

        for each in _formats(plugin_format):
            target = hosts_folder(each) / BUNDLES[each]
            was_there = uninstall_bundle(plugin_format=each)
            typer.echo(f"{target}: {'removed' if was_there else 'is not there'}")


@plugin_app.command()
def reference(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="An audio file, such as a lossless song of the same album, or a folder of them.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="A .vstpreset file, or a .state file with the plugin's state alone. Without it "
            "the preset goes where hosts look for presets.",
            show_default=False,
        ),
    ] = None,
    like_amount: options.LikeAmount = 1.0,
    amount: options.Amount = 1.0,
    brightness: options.Brightness = 0.0,
) -> None:
    """Write a preset of the plugin that draws what is added towards a reference.

    What is added gets the tonal balance of the reference, by 12 dB at most. The preset holds some
    numbers about the recording, not the recording itself, and goes into the projects of hosts.
    """
    with told_errors():
        _check_system()
        from uncodec.balance import Like
        from uncodec.bridge.preset import presets_folder, write_preset
        from uncodec.effects.reference import check_like_amount
        from uncodec.parameters import check_amount, check_brightness

        check_like_amount(like_amount)
        check_amount(amount)
        check_brightness(brightness)
        balance = _measured(path)
        if output is None:
            output = presets_folder() / f"Like {Path(path).resolve().stem}.vstpreset"
            try:
                output.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise CoreError(f"{output.parent}: cannot be made ({error.strerror})") from error
        write_preset(output, Like(balance, like_amount), amount=amount, brightness_db=brightness)
        typer.echo(output)


def _formats(plugin_format: str | None) -> tuple[PluginFormat, ...]:
    from uncodec.bridge.bundle import FORMATS

    return FORMATS if plugin_format is None else (cast("PluginFormat", plugin_format),)
