"""The command ``uncodec evaluate``.

Exit codes: 0 done; 1 it failed on the way (a file, a missing package); 2 the command itself is
wrong, or a model is unknown; 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uncodec.cli.common import check_plot, loading, told_errors
from uncodec.errors import InvalidValue

if TYPE_CHECKING:
    from uncodec.analysis.campaign import Plan
    from uncodec.analysis.report import Row

__all__ = ["parse_codec", "register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(evaluate)


def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="Names of released models, or folders of models; LABEL=MODEL chooses the name "
            "in the table.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            metavar="FOLDER",
            help="Clean lossless recordings, possibly in a sub-folder for each kind of material.",
            show_default=False,
        ),
    ] = ...,  # type: ignore[assignment]  # typer's mark of what must be given
    codec: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODEC[@RATE][:KBPS]",
            help="A codec, the sample rate at which it runs (in Hz, or 'same' for the recording's, "
            "as FFmpeg codes) and its bit rate in kb/s, or clean for no coding; may be repeated. "
            "Without it all that the models are judged by.",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Length of the excerpt of each file.")] = 8.0,
    files: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Use so many files only, spread evenly.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the excerpts and the intervals.")] = 0,
    by_material: Annotated[
        bool, typer.Option("--by-material", help="Rows for each sub-folder as well.")
    ] = False,
    visqol: Annotated[
        bool,
        typer.Option("--visqol", help="ViSQOL as well (needs the extra 'visqol'; slow)."),
    ] = False,
    baselines: Annotated[
        bool,
        typer.Option("--baselines/--no-baselines", help="Plain restorers to compare with."),
    ] = True,
    jobs: Annotated[int, typer.Option("--jobs", "-j", metavar="N", help="Processes.")] = 1,
    scores: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Keep the scores of single clips here (JSON lines); started again, the command "
            "computes only what is missing.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(metavar="OUT", help="Write the table for programs.", show_default=False),
    ] = None,
    markdown: Annotated[
        str | None,
        typer.Option(
            metavar="OUT",
            help="Write the table for people, and the metrics that are not shown in a second one.",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="OUT",
            help="Draw scores over bit rate (.png, .svg, .pdf); with --by-material one more, "
            "OUT-MATERIAL, for each kind.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Score models on clean recordings that are sent through real codecs.

    Each row is a mean over clips with its 95 % interval; the untouched coded input is the first row
    of every codec and rate, and plain restorers stand beside the models.
    """
    with told_errors():
        from pathlib import Path

        if plot is not None:
            # A missing package or a wrong name is told before the work, not after it.
            check_plot(plot)
        codings = [parse_codec(text) for text in codec or ()]

        with loading():
            from uncodec.analysis.campaign import Plan, run
            from uncodec.analysis.evaluation import DEFAULT_CODECS
            from uncodec.analysis.report import aggregate
            from uncodec.analysis.restorers import BASELINES, find_restorers

        plan = Plan(
            restorers=tuple(find_restorers([*(BASELINES if baselines else ()), *(models or ())])),
            folder=Path(data),
            codecs=codings or DEFAULT_CODECS,
            seconds=seconds,
            seed=seed,
            files=files,
            perceptual=visqol,
        )
        found = run(
            plan,
            jobs=jobs,
            kept=Path(scores) if scores is not None else None,
            progress=None if quiet else _tell_progress(),
        )
        rows = aggregate(found, by_material=by_material, seed=seed)
        _write(rows, plan, len({score.clip for score in found}), json, markdown, plot)


def parse_codec(text: str) -> tuple[str, float | None]:
    """Read CODEC[@RATE][:KBPS].

    Raises
    ------
    InvalidValue
        No such codec, or a rate that is none.
    """
    from uncodec.codecs import CODECS

    name, _, rate = text.partition(":")
    codec, at, sample_rate = name.partition("@")
    try:
        kbps = float(rate) if rate else None
    except ValueError:
        raise InvalidValue(f"codec={text!r}: must be CODEC[@RATE] or CODEC[@RATE]:KBPS") from None
    if at and (codec == "clean" or not (sample_rate == "same" or sample_rate.isdecimal())):
        raise InvalidValue(f"codec={text!r}: must have 'same' or a rate in Hz behind the @")
    if codec not in ("clean", *CODECS):
        raise InvalidValue(f"codec={text!r}: must be one of clean, {', '.join(CODECS)}")
    return name, kbps


def _tell_progress() -> Callable[[int, int, str], None]:
    start = time.monotonic()

    def tell(done: int, count: int, name: str) -> None:
        spent = time.monotonic() - start
        print(f"{spent:6.0f} s  {done}/{count}  {name}", file=sys.stderr, flush=True)

    return tell


def _write(
    rows: Sequence[Row],
    plan: Plan,
    clips: int,
    json: str | None,
    markdown: str | None,
    plot: str | None,
) -> None:
    from pathlib import Path

    from uncodec.analysis.report import FURTHER_COLUMNS, to_json, to_markdown, write_text

    table = to_markdown(rows)
    # First of all: what can no longer be written must not hide what was computed.
    typer.echo(table, nl=False)
    if markdown is not None:
        write_text(markdown, f"{table}\n{to_markdown(rows, columns=FURTHER_COLUMNS)}")
    if json is not None:
        # No path and no date: the same command gives the same file anywhere.
        about: dict[str, Any] = {
            "data": plan.folder.resolve().name,
            "clips": clips,
            "seconds": plan.seconds,
            "seed": plan.seed,
            "models": {r.label: r.fingerprint for r in plan.restorers if r.fingerprint},
            "interval": "95 % percentile bootstrap over clips",
        }
        write_text(json, to_json(rows, about=about))
    if plot is not None:
        from uncodec.analysis.score_curves import draw_scores

        draw_scores(rows, plot)
        place = Path(plot)
        for kind in sorted({row.material for row in rows if row.material}):
            draw_scores(rows, place.with_stem(f"{place.stem}-{kind}"), material=kind)
