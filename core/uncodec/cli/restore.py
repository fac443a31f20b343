"""The command ``uncodec restore``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from uncodec.cli.common import (
    FAILED,
    check_terminal,
    loading,
    open_reporter,
    orderly_exit,
    parse_headroom,
    told_errors,
)

if TYPE_CHECKING:
    from uncodec.files.restore import StreamingEffect

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(restore)


def restore(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="IN...",
            help="Audio files; folders (all audio below them, links included); or - for standard "
            "input.",
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
            "song.mp3 becomes song.restored.flac, or .wav with --bits 32; "
            "song.mp3.restored.flac where song.m4a is done too.",
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
        typer.Option(
            help="16 or 24: integer samples, with dither where anything was changed. 32: float "
            "samples, WAV only."
        ),
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
    headroom: Annotated[
        str,
        typer.Option(
            metavar="auto|DB",
            help="Turn the result down by so many dB, 0 to 40, or by as many as it takes for "
            "nothing to be clipped. 32-bit float results are never clipped.",
        ),
    ] = "0",
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
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Report errors and lost audio only.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in the program an error came from.")
    ] = False,
) -> None:
    """Restore audio files that went through a lossy codec.

    The result is as long as its source and aligned to it, keeps its tags, and appears under its
    name only when it is complete. When one file fails the others are still done. Exit code: 0 all
    files restored, 1 some were not, 2 wrong use of the command, 130 stopped with Ctrl-C.
    """
    with told_errors(debug):
        with loading():
            from uncodec.files.batch import run
            from uncodec.files.planning import Settings, plan

        settings = Settings(
            bits=bits,
            rate=rate,
            headroom=parse_headroom(headroom),
            overwrite=overwrite,
            salvage=salvage,
        )
        planned = plan(inputs, output, settings=settings)
        check_terminal(planned.jobs)
        with (
            orderly_exit(),
            open_reporter(planned.jobs, json=json, quiet=quiet, debug=debug) as reporter,
        ):
            effect = _open_effect(model, amount, seed)
            failures = run(planned, effect, settings, reporter)
    if failures:
        raise typer.Exit(FAILED)


def _open_effect(model: str, amount: float, seed: int) -> StreamingEffect:
    with loading():
        import torch

        from uncodec.effects import GANRestorer

    # The network's steps are too small to share: with two threads on two busy cores a file took ten
    # times as long and ten times the processor time, because the threads wait for each other.
    torch.set_num_threads(1)
    return GANRestorer(amount=amount, seed=seed, model=model)
