"""The command ``uncodec render``: masters from the offline engine.

The exit codes are those of ``uncodec restore``.
"""

from __future__ import annotations

from collections.abc import Callable
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
    from uncodec.files.planning import Job
    from uncodec.files.restore import RestoreReport

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(render)


def render(
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
            "song.mp3 becomes song.rendered.flac, or .wav with --bits 32; "
            "song.mp3.rendered.flac where song.m4a is done too.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option(help="Calls of the network, 1 to 32; the time taken grows with them.")
    ] = 8,
    amount: Annotated[
        float, typer.Option(help="How much of the restoration is added, 0 (none) to 1 (all of it).")
    ] = 1.0,
    seed: Annotated[
        int, typer.Option(help="The same seed gives the same result, bit for bit.")
    ] = 0,
    takes: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Results of each source, with N seeds from --seed on: song.rendered.take1.flac "
            "and so on.",
        ),
    ] = 1,
    sampler: Annotated[
        str, typer.Option(help="ode: deterministic. sde: with fresh noise in every step.")
    ] = "ode",
    ceiling_db: Annotated[
        float | None,
        typer.Option(
            metavar="DB",
            help="Keep true peaks below this, -20 to 0. Without it the level is left as it is.",
            show_default=False,
        ),
    ] = None,
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
            help="Sample rate of the result; by default that of the source, at least 44100.",
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
    model: Annotated[str, typer.Option(help="Name or folder of the model.")] = "diffusion",
    device: Annotated[
        str, typer.Option(help="Where the network runs, as PyTorch names it: cpu, cuda.")
    ] = "cpu",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a render that was stopped.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results that exist.")
    ] = False,
    salvage: Annotated[
        bool,
        typer.Option("--salvage", help="Render what can be read of a damaged or cut-off file."),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Report in JSON, one object a line, on standard output.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Report errors and lost audio only.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Render audio files with the offline engine: slower than restore, and finer.

    The result is aligned to its source, keeps its length, its level and its tags, and appears under
    its name only when it is complete. A render that is stopped, with Ctrl-C or by a full disk,
    leaves its finished chunks in a hidden folder beside the result; --resume goes on with them.
    """
    with told_errors(debug, stopped="stopped; --resume goes on with what is finished"):
        with loading():
            from uncodec.files.batch import run_each
            from uncodec.files.planning import Settings, plan
            from uncodec.files.render import RenderSettings, render_file
            from uncodec.files.sources import RENDERED
            from uncodec.networks import load_diffusion

        wanted = RenderSettings(
            steps=steps,
            seed=seed,
            amount=amount,
            sampler=sampler,
            model=model,
            device=device,
            ceiling_db=ceiling_db,
        )
        settings = Settings(
            bits=bits,
            rate=rate,
            headroom=parse_headroom(headroom),
            overwrite=overwrite,
            salvage=salvage,
        )
        planned = plan(inputs, output, settings=settings, mark=RENDERED, takes=takes)
        check_terminal(planned.jobs)
        with (
            orderly_exit(),
            open_reporter(planned.jobs, json=json, quiet=quiet, debug=debug) as reporter,
        ):
            # A model that cannot be used is told before the first file.
            load_diffusion(model, device)

            def work(job: Job, progress: Callable[[int, int | None], None]) -> RestoreReport:
                return render_file(
                    job.source,
                    job.target,
                    wanted.take(job.take),
                    bits=bits,
                    rate=rate,
                    headroom=settings.headroom,
                    overwrite=overwrite,
                    salvage=salvage,
                    resume=resume,
                    progress=progress,
                    notice=reporter.notice,
                )

            failures = run_each(planned, work, reporter)
    if failures:
        raise typer.Exit(FAILED)
