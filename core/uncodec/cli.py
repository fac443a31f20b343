"""The ``uncodec`` command.

Nothing heavy is imported at the top of this module: the help must appear at once. Exit codes:

===  ================================================================
0    every file was restored
1    at least one file was not; the others were
2    the command itself is wrong, or the model is unknown: nothing was done
130  stopped with Ctrl-C; 143: by SIGTERM; 141: the reader of a pipe went away
===  ================================================================
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from uncodec import __version__, cli_core, cli_evaluate, cli_export, cli_live, cli_render, cli_train
from uncodec.errors import InvalidType, InvalidValue, ModelError

if TYPE_CHECKING:
    from uncodec.offline.batch import Job
    from uncodec.offline.reporting import Reporter
    from uncodec.offline.restore import StreamingEffect

__all__ = ["app", "main"]

FAILED = 1
USAGE = 2
INTERRUPTED = 130
BROKEN_PIPE = 141

app = typer.Typer(
    name="uncodec",
    help="Give back what lossy audio compression took away.",
    no_args_is_help=True,
    add_completion=False,
    # Plain help: the decorated one would import twice as much and take twice as long.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli_live.register(app)
cli_evaluate.register(app)
cli_render.register(app)
cli_train.register(app)
cli_core.register(app)
cli_export.register(app)


def main() -> NoReturn:
    """Run the command line on ``sys.argv`` and leave the process with its exit code."""
    try:
        app(prog_name="uncodec")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    sys.exit(0)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"uncodec {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Give back what lossy audio compression took away."""


@app.command()
def restore(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="IN...",
            help="Audio files; folders (every audio file below them); or - for standard input.",
            show_default=False,
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="A .flac or .wav file; a folder, where the results go by the names of their "
            "sources; or - for standard output (WAV). Without it a result lies next to its source: "
            "song.mp3 becomes song.restored.flac, or .wav with --bits 32.",
            show_default=False,
        ),
    ] = None,
    amount: Annotated[
        float, typer.Option(help="How much of the restoration is added, 0 (none) to 1 (all of it).")
    ] = 1.0,
    seed: Annotated[
        int, typer.Option(help="The same seed gives the same result, bit for bit.")
    ] = 0,
    bits: Annotated[
        int,
        typer.Option(help="16 or 24: integer samples with dither. 32: float samples, WAV only."),
    ] = 24,
    rate: Annotated[
        int | None,
        typer.Option(
            metavar="HZ",
            help="Sample rate of the result. Without it that of the source, but at least 44.1 kHz: "
            "lower ones have no room for what was lost.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="Name of the model.")] = "live-gan",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    salvage: Annotated[
        bool,
        typer.Option(
            "--salvage", help="Restore what can be read of a damaged file instead of refusing it."
        ),
    ] = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Report in JSON, one object a line, on standard output (on standard error where "
            "the audio goes to standard output).",
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Report errors only.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in the program an error came from.")
    ] = False,
) -> None:
    """Restore audio files that went through a lossy codec.

    The result is as long as its source and aligned to it, keeps its tags, and appears under its
    name only when it is complete. When one file fails the others are still done. Exit code: 0 all
    files restored, 1 some were not, 2 wrong use of the command, 130 stopped with Ctrl-C.
    """
    with _told_errors(debug):
        from uncodec.offline.batch import Settings, plan, run

        settings = Settings(bits=bits, rate=rate, overwrite=overwrite, salvage=salvage)
        jobs = plan(inputs, output, settings=settings)
        _check_terminal(jobs)
        with (
            _orderly_exit(),
            _open_reporter(jobs, json=json, quiet=quiet, debug=debug) as reporter,
        ):
            effect = _open_effect(model, amount, seed)
            failures = run(jobs, effect, settings, reporter)
    if failures:
        raise typer.Exit(FAILED)


@contextmanager
def _told_errors(debug: bool, stopped: str = "stopped") -> Iterator[None]:
    """Turn what ends a batch into one line and an exit code."""
    try:
        yield
    except (InvalidValue, InvalidType, ModelError) as error:
        if debug:
            traceback.print_exception(error, file=sys.stderr)
        typer.echo(f"uncodec: error: {error}", err=True)
        raise typer.Exit(USAGE) from None
    except KeyboardInterrupt:
        typer.echo(f"uncodec: {stopped}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # Otherwise the interpreter would complain once more when it flushes on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from None


def _open_effect(model: str, amount: float, seed: int) -> StreamingEffect:
    import torch

    from uncodec.effects import GANRestorer

    # The network's steps are too small to share: with two threads on two busy cores a file took ten
    # times as long and ten times the processor time, because the threads wait for each other.
    torch.set_num_threads(1)
    return GANRestorer(amount=amount, seed=seed, model=model)


def _open_reporter(jobs: Sequence[Job], *, json: bool, quiet: bool, debug: bool) -> Reporter:
    from uncodec.offline.batch import STANDARD
    from uncodec.offline.reporting import JsonReporter, ProgressReporter, Reporter

    if json:
        to_stdout = all(job.target != STANDARD for job in jobs)
        return JsonReporter(sys.stdout if to_stdout else sys.stderr, debug=debug)
    if quiet or not sys.stderr.isatty():
        return Reporter(debug=debug)
    return ProgressReporter(debug=debug)


def _check_terminal(jobs: Sequence[Job]) -> None:
    from uncodec.offline.batch import STANDARD

    if any(job.source == STANDARD for job in jobs) and sys.stdin.isatty():
        raise InvalidValue("input='-': standard input is a terminal; pipe an audio file into it")
    if any(job.target == STANDARD for job in jobs) and sys.stdout.isatty():
        raise InvalidValue("output='-': standard output is a terminal; redirect it, or name a file")


@contextmanager
def _orderly_exit() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the program, so that temporary files are removed."""

    def leave(number: int, frame: object) -> NoReturn:
        sys.exit(128 + number)

    names = ("SIGTERM", "SIGHUP")
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # One that is ignored stays ignored: nohup asks for that.
    taken = [number for number in signals if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
