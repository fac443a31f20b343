"""The commands ``uncodec catalogue ...``: what is known of runs over many files."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING, Annotated

import typer

from uncodec.cli import options
from uncodec.cli.common import told_errors

if TYPE_CHECKING:
    from uncodec.catalogue.status import Status

__all__ = ["register"]

_NAMES_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    group = typer.Typer(
        name="catalogue", help="Runs over many files: how far they are.", no_args_is_help=True
    )
    group.callback()(_catalogue)
    group.command()(status)
    app.add_typer(group)


def _catalogue() -> None:
    """Runs over many files: how far they are."""


def status(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="DIR",
            help="The folder of the receipts, or of the results with receipts beside them.",
            show_default=False,
        ),
    ],
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--sources",
            metavar="FOLDER",
            help="A folder that was given to the run (again for each): what has no receipt yet is "
            "told, too.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    debug: options.Debug = False,
) -> None:
    """Sum up receipts: what is done, missing, stopped, and what failed and why.

    A result counts as missing if it is not there or has another size than its receipt says;
    restore and render with --skip-done compare its content, too. Exit code: 0, or 2 where the
    folder holds no receipt.
    """
    with told_errors(debug):
        from uncodec.catalogue.status import sum_up
        from uncodec.files.places import place
        from uncodec.files.reporting import one_line

        found = sum_up(place(folder), [place(source) for source in sources or ()])
        if json:
            typer.echo(json_module.dumps(found.as_dict()))
            return
        for line in _lines(found):
            typer.echo(one_line(line))


def _lines(found: Status) -> list[str]:
    lines = [
        f"done     {found.done}, {found.audio_s / 3600:.1f} hours of audio, "
        f"{found.times_real_time:.1f} x real time in each process",
        *([f"left     {found.left}, without damage"] if found.left else []),
        f"failed   {len(found.failed)}",
        *(f"         {count}: {reason}" for reason, count in found.reasons().most_common()),
        f"missing  {len(found.missing)}",
        *_some(found.missing),
        f"stopped  {len(found.stopped)}",
        *_some(found.stopped),
    ]
    if found.untouched is not None:
        lines += [f"open     {len(found.untouched)}", *_some(found.untouched)]
    if found.unread:
        lines.append(f"unread   {len(found.unread)}")
        lines += _some([f"{path}: {reason}" for path, reason in found.unread])
    return lines


def _some(names: list[str]) -> list[str]:
    lines = [f"         {name}" for name in names[:_NAMES_SHOWN]]
    if more := len(names) - len(lines):
        lines.append(f"         and {more} more; --json names all")
    return lines
