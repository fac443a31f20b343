"""The command ``uncodec export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uncodec.cli.common import loading, told_errors

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(export)


def export(
    model: Annotated[str, typer.Argument(help="Name of a live model, or its folder.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The archive to write.")
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
) -> None:
    """Write a live model's network as a TorchScript archive for other hosts.

    The extra file uncodec.json in it describes sizes and the state that a stream starts from.
    """
    with told_errors():
        with loading():
            from uncodec.networks import load_model
            from uncodec.networks.export import export_model

        export_model(load_model(model), output, overwrite=overwrite)
