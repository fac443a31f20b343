"""The command ``uncodec compare``.

Exit codes: 0 done; 1 it failed on the way (a file, a missing package, a report that exists); 2 the
command itself is wrong, or a model is unknown; 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uncodec.cli.common import check_plot, loading, orderly_exit, told_errors
from uncodec.cli.evaluate import parse_codec
from uncodec.errors import InvalidValue
from uncodec.parameters import DEFAULT_STEPS

if TYPE_CHECKING:
    from uncodec.analysis.sources import Source

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(compare)


def compare(
    originals: Annotated[
        list[str],
        typer.Argument(
            metavar="ORIGINAL...",
            help="Undamaged recordings, mono or stereo; with --no-reference coded ones. Several "
            "give means with intervals.",
            show_default=False,
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="REPORT",
            help="Folder for index.html, figure.png, figure.svg, report.md and report.json.",
            show_default=False,
        ),
    ],
    codec: Annotated[
        str, typer.Option(help="What the originals are sent through, see `uncodec evaluate`.")
    ] = "mp3",
    kbps: Annotated[float, typer.Option(help="Its bit rate in kb/s.")] = 64.0,
    coded: Annotated[
        list[str] | None,
        typer.Option(
            "--coded",
            metavar="FILE",
            help="What a codec made of the original already, instead of --codec; once for each "
            "original, in their order. It is aligned to it.",
            show_default=False,
        ),
    ] = None,
    engines: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="gan, diffusion, mse, exciter, or names or folders of models.",
        ),
    ] = "gan,diffusion,mse,exciter",
    no_reference: Annotated[
        bool,
        typer.Option("--no-reference", help="The files were coded, and nobody has the original."),
    ] = False,
    start: Annotated[float, typer.Option(metavar="S", help="Where the excerpts begin.")] = 0.0,
    seconds: Annotated[
        float, typer.Option(metavar="S", help="How long the excerpts are, up to 60.")
    ] = 20.0,
    steps: Annotated[int, typer.Option(help="Of the offline engine, 1 to 32.")] = DEFAULT_STEPS,
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 0,
    seeds: Annotated[
        int, typer.Option(metavar="N", help="Takes that tell how steady an engine is; 1: none.")
    ] = 3,
    visqol: Annotated[
        bool | None,
        typer.Option(
            "--visqol/--no-visqol",
            help="ViSQOL as well (needs the extra 'visqol'); by default where it is installed.",
            show_default=False,
        ),
    ] = None,
    noise: Annotated[
        bool, typer.Option("--noise/--no-noise", help="Noisy and undamaged input as well.")
    ] = True,
    cost: Annotated[
        bool, typer.Option("--cost/--no-cost", help="Speed, multiply-adds and memory as well.")
    ] = True,
    embed: Annotated[
        float,
        typer.Option(
            metavar="MB",
            help="Up to so many megabytes the page holds its sounds; above they lie beside it.",
        ),
    ] = 40.0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a report that exists.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no tables.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in the program an error came from.")
    ] = False,
) -> None:
    """Compare engines by ear, by eye and by numbers.

    Leaves a page to listen to (gapless switching, blind tests), a figure of spectrograms and tables
    of quality, steadiness, speed and cost.
    """
    with told_errors(debug), orderly_exit():
        if coded is not None and len(coded) != len(originals):
            raise InvalidValue(
                f"coded: must be given once for each original, got {len(coded)} for "
                f"{len(originals)}"
            )
        if embed < 0:
            raise InvalidValue(f"embed={embed:g}: must be 0 or more")
        name, own_kbps = parse_codec(codec)
        rate = own_kbps or (None if name == "clean" else kbps)
        # A missing package or a folder that cannot be written is told before the work.
        check_plot("figure.png")
        with loading():
            from uncodec.analysis.comparison import Settings, find_engines
            from uncodec.analysis.comparison import compare as run
            from uncodec.analysis.comparison_report import check_folder
            from uncodec.analysis.sources import read_source

        check_folder(output, overwrite=overwrite)
        settings = Settings(
            engines=[name.strip() for name in engines.split(",") if name.strip()],
            steps=steps,
            seed=seed,
            seeds=seeds,
            perceptual=visqol,
            noise=noise,
            cost=cost,
        )
        find_engines(settings.engines)

        def sources() -> Iterator[Source]:
            for place, original in enumerate(originals):
                yield read_source(
                    original,
                    codec=name,
                    kbps=rate,
                    coded=coded[place] if coded is not None else None,
                    with_reference=not no_reference,
                    start_s=start,
                    seconds=seconds,
                )

        if coded is not None and no_reference:
            raise InvalidValue("coded: goes with an original, not with --no-reference")
        report = run(sources(), settings, progress=None if quiet else _tell)
        written = report.save(output, overwrite=overwrite, embedded_mb=embed)
        if not quiet:
            for clip in report.clips:
                for note in clip.source.notes:
                    _tell(f"{clip.source.name}: {note}")
            typer.echo(report.to_markdown(), nl=False)
            _tell(f"page: {Path(written[-1])}")


def _tell(what: str) -> None:
    from uncodec.files.reporting import one_line

    print(one_line(what), file=sys.stderr, flush=True)
