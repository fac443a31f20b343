"""The ``uncodec`` command.

Nothing heavy is imported at the top of these modules: the help must appear at once. Exit codes:

===  ================================================================
0    every file was restored
1    at least one file was not; the others were
2    the command itself is wrong, or the model is unknown: nothing was done
130  stopped with Ctrl-C; 143: by SIGTERM; 141: the reader of a pipe went away
===  ================================================================
"""

from __future__ import annotations

import gc
import sys
from typing import Annotated, NoReturn

import typer

from uncodec.cli import (
    catalogue,
    compare,
    core,
    doctor,
    evaluate,
    export,
    inspect,
    live,
    manual,
    pipe,
    render,
    restore,
    train,
    web,
)
from uncodec.cli.common import INTERRUPTED
from uncodec.version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="uncodec",
    help="Give back what lossy audio compression took away.",
    no_args_is_help=True,
    # `--install-completion` and `--show-completion`, for bash, zsh, fish and PowerShell.
    # Plain help: the decorated one would import twice as much and take twice as long.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for commands in (
    *(restore, inspect, live, pipe, evaluate, compare, render, train, core, export, catalogue),
    web,
    doctor,
    manual,
):
    commands.register(app)


def main() -> NoReturn:
    """Run the command line on ``sys.argv`` and leave the process with its exit code."""
    try:
        app(prog_name="uncodec")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        # Else the interpreter looks for garbage among all that was imported on its way out: 0.7 s.
        gc.freeze()
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
