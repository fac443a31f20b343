"""Options that ``uncodec restore`` and ``uncodec render`` have in common."""

from __future__ import annotations

from typing import Annotated, Any

import typer

__all__ = [
    "Amount",
    "Bits",
    "Brightness",
    "Debug",
    "Delta",
    "Headroom",
    "Inputs",
    "Jobs",
    "Json",
    "LikeAmount",
    "LikePath",
    "NoProvenance",
    "OnlyDamaged",
    "Overwrite",
    "PlanOnly",
    "Quiet",
    "Rate",
    "Receipts",
    "Repairs",
    "Salvage",
    "Scheduler",
    "Seed",
    "ShardText",
    "SkipDone",
    "output_option",
]


def output_option(word: str) -> Any:
    """``-o``, of a command whose results are called ``song.WORD.flac``."""
    return typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="A .flac or .wav file; a folder, where the results go by the names of their "
        "sources; or - for standard output (WAV). Without it a result lies next to its source: "
        f"song.mp3 becomes song.{word}.flac, or .wav with --bits 32; "
        f"song.mp3.{word}.flac where song.m4a is done too.",
        show_default=False,
    )


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="IN...",
        help="Audio files; folders (all audio below them, links included); or - for standard "
        "input.",
        show_default=False,
    ),
]
Amount = Annotated[
    float, typer.Option(help="How much of the restoration is added, 0 (none) to 1 (all of it).")
]
Brightness = Annotated[
    float,
    typer.Option(
        metavar="DB",
        help="Make what is added brighter or darker, -12 to 12: by so many dB from 16 kHz on, less "
        "below, and nothing up to 2 kHz.",
    ),
]
Repairs = Annotated[
    bool,
    typer.Option(
        "--repairs",
        help="Before the engine, repair what needs no network: a side that was dropped, bands that "
        "flicker, pre-echo.",
    ),
]
LikePath = Annotated[
    str | None,
    typer.Option(
        "--like",
        metavar="PATH",
        help="A reference whose tonal balance what is added is drawn towards, by 12 dB at most: an "
        "audio file, such as a lossless song of the same album, or a folder of them.",
        show_default=False,
    ),
]
LikeAmount = Annotated[
    float, typer.Option("--like-amount", help="How far towards the reference, 0 to 1.")
]
Seed = Annotated[int, typer.Option(help="The same seed gives the same result, bit for bit.")]
Bits = Annotated[
    int,
    typer.Option(
        help="16 or 24: integer samples, with dither where anything was changed. 32: float "
        "samples, WAV only."
    ),
]
Rate = Annotated[
    int | None,
    typer.Option(
        metavar="HZ",
        help="Sample rate of the result. Without it that of the source, but at least 44.1 kHz: "
        "lower ones have no room for what was lost.",
        show_default=False,
    ),
]
Headroom = Annotated[
    str,
    typer.Option(
        metavar="auto|DB",
        help="Turn the result down by so many dB, 0 to 40, or by as many as it takes for "
        "nothing to be clipped. 32-bit float results are never clipped.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")]
Salvage = Annotated[
    bool,
    typer.Option(
        "--salvage", help="Take what can be read of a damaged file instead of refusing it."
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        help="Files worked on side by side, each in a process of its own; 0: one for each core. "
        "Without it one after another.",
        show_default=False,
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Have the workers of a Dask cluster do it, tcp://HOST:8786 being its scheduler's "
        "address; they reach all files under the same names. As with --skip-done, receipts are "
        "left.",
        show_default=False,
    ),
]
Receipts = Annotated[
    str | None,
    typer.Option(
        "--receipts",
        metavar="DIR",
        help="Leave a receipt for each file in this folder, which tells what its result was made "
        "of and with what.",
        show_default=False,
    ),
]
SkipDone = Annotated[
    bool,
    typer.Option(
        "--skip-done",
        help="Pass over what a receipt shows to be done and whose result is intact; do again what "
        "has changed, failed or was stopped. Without --receipts they lie beside the results.",
    ),
]
ShardText = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="K/N",
        help="Do part K of N of the files only. The parts are the same on every machine, and need "
        "no word between them.",
        show_default=False,
    ),
]
OnlyDamaged = Annotated[
    bool,
    typer.Option(
        "--only-damaged",
        help="Inspect each source first, and leave those alone that 'uncodec inspect "
        "--restore-suggested' would not name.",
    ),
]
NoProvenance = Annotated[
    bool,
    typer.Option(
        "--no-provenance",
        help="Leave out the tag RESTORATION, which says what a result was made with.",
    ),
]
Delta = Annotated[
    str | None,
    typer.Option(
        "--delta",
        metavar="PATH",
        help="Also write what was added, alone: to a .wav (32-bit float) or .flac file, or to a "
        "folder, by the names of the results.",
        show_default=False,
    ),
]
PlanOnly = Annotated[
    bool,
    typer.Option("--plan", help="Print what would be done with each file, and do nothing."),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Report in JSON, one object a line, on standard output (on standard error where "
        "the audio goes to standard output).",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Report errors and lost audio only.")]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show where in the program an error came from.")
]
