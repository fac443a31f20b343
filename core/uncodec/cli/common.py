"""What the commands share: exit codes, how errors and interrupts are told, how progress is."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from uncodec.errors import InvalidType, InvalidValue, ModelError, UncodecError
from uncodec.lazy import uncollected

if TYPE_CHECKING:
    from uncodec.balance import Like
    from uncodec.files.headroom import Headroom
    from uncodec.files.planning import Job
    from uncodec.files.reporting import Reporter

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "check_plot",
    "check_terminal",
    "loading",
    "open_reporter",
    "orderly_exit",
    "parse_headroom",
    "process_count",
    "read_reference",
    "told_errors",
    "told_files",
]

FAILED = 1
USAGE = 2
INTERRUPTED = 130
BROKEN_PIPE = 141


@contextmanager
def told_errors(debug: bool = False, stopped: str = "stopped") -> Iterator[None]:
    """Turn what ends a command into one line and an exit code.

    Parameters
    ----------
    debug : bool
        Show where in the program an error came from, too.
    stopped : str
        What is told after Ctrl-C.
    """
    try:
        yield
    except UncodecError as error:
        if debug:
            traceback.print_exception(error, file=sys.stderr)
        from uncodec.files.reporting import describe, one_line

        typer.echo(f"uncodec: error: {one_line(describe(error))}", err=True)
        wrong_use = isinstance(error, (InvalidValue, InvalidType, ModelError))
        raise typer.Exit(USAGE if wrong_use else FAILED) from None
    except ImportError as error:
        # A package is missing, or a library of the system under one.
        if debug:
            traceback.print_exception(error, file=sys.stderr)
        from uncodec.files.reporting import one_line

        told = f"{one_line(str(error))} (uncodec doctor tells what is missing)"
        typer.echo(f"uncodec: error: {told}", err=True)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        typer.echo(f"uncodec: {stopped}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # Otherwise the interpreter would complain once more when it flushes on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from None


@contextmanager
def loading() -> Iterator[None]:
    """Put Ctrl-C off until modules are loaded.

    An interrupt inside an import leaves that module half made, and what imports it next fails in
    ways that nobody can read.
    """
    with uncollected():
        if not hasattr(signal, "pthread_sigmask"):
            yield
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def told_files() -> Iterator[None]:
    """A full disk or a folder that may not be written to is told in one line as well."""
    try:
        yield
    except UncodecError:
        raise
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UncodecError(f"{error.filename or 'output'}: {error.strerror or error}") from error


@contextmanager
def orderly_exit() -> Iterator[None]:
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


def open_reporter(jobs: Sequence[Job], *, json: bool, quiet: bool, debug: bool) -> Reporter:
    """How a batch is reported: for programs, for a terminal, or errors and warnings alone."""
    from uncodec.files.planning import STANDARD
    from uncodec.files.reporting import JsonReporter, ProgressReporter, Reporter

    if json:
        to_stdout = all(job.target != STANDARD for job in jobs)
        stream = sys.stdout if to_stdout else sys.stderr
        if stream is None:
            raise UncodecError("the report cannot be written: its stream is closed")
        return JsonReporter(stream, quiet=quiet, debug=debug)
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        return Reporter(quiet=quiet, debug=debug)
    return ProgressReporter(debug=debug)


def check_terminal(jobs: Sequence[Job]) -> None:
    """Refuse to read audio from, or to write it to, a terminal."""
    from uncodec.files.planning import STANDARD

    for name, stream, used in (
        ("input", sys.stdin, any(job.source == STANDARD for job in jobs)),
        ("output", sys.stdout, any(job.target == STANDARD for job in jobs)),
    ):
        if used and stream is None:
            raise InvalidValue(f"{name}='-': standard {name} is closed")
        if used and stream.isatty():
            remedy = {
                "input": "pipe an audio file into it",
                "output": "redirect it, or name a file",
            }[name]
            raise InvalidValue(f"{name}='-': standard {name} is a terminal; {remedy}")


def read_reference(path: str | None, amount: float) -> Like | None:
    """Measure what ``--like`` names.

    Raises
    ------
    InvalidValue
        The amount is out of range, or the reference silent.
    AudioFileError
        It cannot be read.
    """
    from uncodec.balance import Like
    from uncodec.effects.reference import as_balance, check_like_amount

    amount = check_like_amount(amount)
    return None if path is None else Like(as_balance(path), amount)


def parse_headroom(text: str) -> Headroom:
    """Read what ``--headroom`` was given."""
    from uncodec.files.headroom import check_headroom

    if text == "auto":
        return "auto"
    try:
        return check_headroom(float(text))
    except ValueError:
        return check_headroom(text)  # type: ignore[arg-type]  # refuses it


def check_plot(plot: str) -> None:
    """Refuse a picture that could not be drawn, before the work for it is done."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise UncodecError(
            "pictures need matplotlib, which is not installed: pip install 'uncodec[plots]'"
        )
    if Path(plot).suffix.lower() not in (".png", ".svg", ".pdf"):
        raise InvalidValue(f"plot={plot!r}: must end in .png, .svg or .pdf")


def process_count(jobs: int) -> int:
    """How many processes ``--jobs`` asks for; 0 is one for each core that this one may use.

    Raises
    ------
    InvalidValue, InvalidType
        `jobs` is no integer from 0 to 1024.
    """
    from uncodec.parameters import check_integer

    if wanted := check_integer("jobs", jobs, 0, 1024):
        return wanted
    # A scheduler may have given this process some of a machine's cores.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
