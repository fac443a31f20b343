"""The command ``uncodec pipe``: sound in on standard input, restored sound out, as it comes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from uncodec.cli import options
from uncodec.cli.common import check_terminal, loading, orderly_exit, read_reference, told_errors
from uncodec.errors import InvalidValue

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(pipe)


def pipe(
    form: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="Of input and output alike: wav, with its length known or not; or raw samples "
            "f32le, s16le, s24le or s32le, as FFmpeg names them.",
        ),
    ] = "wav",
    rate: Annotated[
        int | None,
        typer.Option(metavar="HZ", help="Sample rate of raw samples.", show_default=False),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(metavar="N", help="Channels of raw samples.", show_default=False),
    ] = None,
    amount: options.Amount = 1.0,
    brightness: options.Brightness = 0.0,
    like: options.LikePath = None,
    like_amount: options.LikeAmount = 1.0,
    seed: options.Seed = 0,
    model: Annotated[str, typer.Option(help="Name or folder of the model.")] = "live-gan",
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Tell latency and progress on standard error."),
    ] = False,
    debug: options.Debug = False,
) -> None:
    """Restore sound from standard input to standard output, as it comes.

    The result is as long as what comes and aligned to it. It comes as late as the live engine is,
    which --verbose tells. A reader that is slow holds it up; one that goes away ends it. Exit code:
    0 when the input has ended and all is written, 1 if the input was damaged or cut, 2 wrong use of
    the command, 130 stopped with Ctrl-C, 141 the reader went away.
    """
    with told_errors(debug):
        with loading():
            from uncodec.catalogue.work import open_effect
            from uncodec.files.planning import STANDARD, Job
            from uncodec.pipes.ends import Ends
            from uncodec.pipes.pump import Raw, pump
            from uncodec.pipes.samples import sample_format

        raw = None
        if form != "wav":
            kind = sample_format(form)
            raw = Raw(kind, _told("rate", rate, form), _told("channels", channels, form))
        elif rate is not None or channels is not None:
            raise InvalidValue("rate, channels: a WAV tells its own; raw samples need --format")
        check_terminal([Job(STANDARD, STANDARD)])
        with loading():
            reference = read_reference(like, like_amount)
            effect = open_effect(model, amount, seed, brightness, reference)
        with orderly_exit():
            ends = Ends(sys.stdin.fileno(), sys.stdout.fileno())
            pump(effect, ends, raw, tell=_tell if verbose else None, warn=_warn)


def _told(name: str, value: int | None, form: str) -> int:
    if value is None:
        raise InvalidValue(f"{name}: must be given with raw samples (--format {form})")
    return value


def _warn(text: str) -> None:
    _tell(f"warning: {text}")


def _tell(text: str) -> None:
    if sys.stderr is not None:
        print(f"uncodec: {text}", file=sys.stderr, flush=True)
