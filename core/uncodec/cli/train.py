"""The command ``uncodec train``.

Exit codes: 0 done; 1 it failed on the way (a file, a recording); 2 the command itself is wrong, or
the recipe or a checkpoint cannot be used; 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import json as json_module
import sys
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from uncodec.cli.common import loading, told_errors, told_files

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(train)


def train(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Name of a model that came with the package, or a folder with a recipe.toml.",
            show_default=False,
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Clean full-band recordings (.flac, .wav, .aiff), best in a sub-folder for each "
            "kind of material; with train/ and val/, or else a tenth is set apart.",
            show_default=False,
        ),
    ] = None,
    music: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Music as make training-data fetches it. A level network also learns from what "
            "was coded before, a gate from what was not.",
            show_default=False,
        ),
    ] = None,
    work: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Pairs, checkpoints and logs; a run goes on here where it was stopped. Without "
            "it runs/MODEL.",
            show_default=False,
        ),
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="The finished model goes here. Without it into the folder model of --work.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Where the network is trained, as PyTorch names it: cpu, cuda.")
    ] = "cpu",
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Processes that build pairs. Without it one for each processor.",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", help="Threads of PyTorch.", show_default=False),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="PART",
            help="pairs, train or release: that part alone; release takes an unfinished run as it "
            "is.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Another number of steps, for a trial.", show_default=False),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Begin with the weights of this model, a released one or a folder, instead of "
            "random ones.",
            show_default=False,
        ),
    ] = None,
    skip: Annotated[
        bool,
        typer.Option(
            "--skip",
            help="Leave recordings that cannot be used out instead of refusing the folder.",
        ),
    ] = False,
    json: Annotated[
        bool,
        typer.Option("--json", help="Tell what happens in JSON lines on standard output."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Report errors only.")] = False,
) -> None:
    """Train a model from clean recordings, by its recipe.

    Recordings are mixed and sent through real codecs; a network learns to undo that. Stopped with
    Ctrl-C, the same command goes on from the last checkpoint and ends where an uninterrupted run
    does.
    """
    with told_errors(), told_files():
        import logging
        import os
        from pathlib import Path

        with loading():
            from uncodec.training.recipes import Run, find_recipe, run_recipe

            recipe = find_recipe(model)  # brings torch

        logging.basicConfig(format="%(levelname)s: %(message)s")
        if threads is not None:
            _set_threads(threads)
        folder = Path(work) if work is not None else Path("runs") / recipe.name
        target = Path(release) if release is not None else folder / "model"
        run_recipe(
            recipe,
            Path(data) if data is not None else None,
            Run(
                folder,
                target,
                device=device,
                steps=steps,
                start=start,
                music=Path(music) if music is not None else None,
            ),
            only=only,  # type: ignore[arg-type]  # run_recipe checks it
            workers=workers if workers is not None else os.cpu_count() or 1,
            skip=skip,
            listen=None if quiet and not json else _tell(json),
        )


def _set_threads(threads: int) -> None:
    import torch

    from uncodec.errors import InvalidValue

    if threads < 1:
        raise InvalidValue(f"threads={threads}: must be a positive integer")
    torch.set_num_threads(threads)


def _tell(json: bool) -> Callable[[str, Mapping[str, Any]], None]:
    start = time.monotonic()

    def tell_json(event: str, row: Mapping[str, Any]) -> None:
        print(json_module.dumps({"event": event, **row}), flush=True)

    def tell(event: str, row: Mapping[str, Any]) -> None:
        if event in ("pairs", "validation"):
            text = f"{event} {row['done']} of {row['count']}"
        elif event == "data":
            minutes = [row[key] / 60 for key in ("train_seconds", "validation_seconds")]
            text = f"{minutes[0]:.1f} minutes to train with, {minutes[1]:.1f} to validate with"
        elif event == "release":
            text = f"model in {row['folder']}"
        elif "validation" in row:
            scores = row["validation"]
            text = f"step {row['step']}: validation " + ", ".join(
                f"{name} " + "/".join(f"{value:g}" for value in values.values())
                for name, values in scores.items()
            )
        else:
            text = f"step {row['step']}: " + ", ".join(
                f"{name} {value:g}" for name, value in row.items() if name != "step"
            )
        print(f"{time.monotonic() - start:6.0f} s  {text}", file=sys.stderr, flush=True)

    return tell_json if json else tell
