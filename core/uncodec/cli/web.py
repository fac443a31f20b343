"""The command ``uncodec web``.

Exit codes: 0 ended from the page; 1 it cannot be served (a port, a folder, a missing package); 2
the command itself is wrong; 130 ended with Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from uncodec.cli.common import loading, orderly_exit, told_errors
from uncodec.errors import InvalidValue, UncodecError

__all__ = ["register"]

PASSWORD = "UNCODEC_WEB_PASSWORD"


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(web)


def web(
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="FOLDER",
            help="Its audio is on the page at once. Files can be dropped with and without it.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Where results of dropped files go; without it the folder 'restored' in FOLDER, "
            "or in the current folder.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Port to listen at; 0: one that is free.")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Listen at this address instead of at this machine's own alone, for instance for "
            "a tablet at home. Needs --i-know and a password.",
            show_default=False,
        ),
    ] = None,
    i_know: Annotated[
        bool,
        typer.Option(
            "--i-know",
            help="With --host: others in the network can reach the page, and nothing is encrypted.",
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in the program an error came from.")
    ] = False,
) -> None:
    """Restore with a page in the browser: drop files, listen, keep what sounds right.

    The page is for this machine alone. It ends with Ctrl-C, or with its own button.
    """
    with told_errors(debug), orderly_exit():
        missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
        if missing:
            raise UncodecError(
                f"the page needs {' and '.join(missing)}, which is not installed: "
                "pip install 'uncodec[web]'"
            )
        if not 0 <= port <= 65535:
            raise InvalidValue(f"port={port}: must be from 0 to 65535")
        place = _folder(folder)
        password = _password(host, i_know)
        with loading():
            from uncodec.web.server import Served, serve_forever
        target = Path(output) if output else (place or Path.cwd()) / "restored"
        if target.exists() and not target.is_dir():
            raise InvalidValue(f"output={str(target)!r}: must be a folder, is a file")
        # An address of this machine alone is what there is without any.
        other = None if host in ("127.0.0.1", "::1", "localhost") else host
        served = Served(place, target.absolute(), port, other, password)

        def opened(address: str) -> None:
            typer.echo(f"uncodec: the page is at {address}")
            typer.echo("uncodec: Ctrl-C ends it")
            sys.stdout.flush()
            if browser and other is None:
                import webbrowser

                webbrowser.open(address)

        serve_forever(served, lambda line: typer.echo(f"uncodec: {line}", err=True), opened)


def _folder(folder: str | None) -> Path | None:
    if folder is None:
        return None
    place = Path(folder)
    if not os.path.isdir(place):  # noqa: PTH112 - Path.is_dir raises where a folder is closed
        raise InvalidValue(f"folder={folder!r}: must be a folder that exists")
    if not os.access(place, os.R_OK | os.X_OK):
        raise UncodecError(f"{place}: cannot be read: permission denied")
    return place.absolute()


def _password(host: str | None, i_know: bool) -> str:
    if host is None or host in ("127.0.0.1", "::1", "localhost"):
        return ""
    if not i_know:
        raise InvalidValue(
            f"host={host!r}: others in the network could reach the page; --i-know says that this "
            "is wanted"
        )
    password = os.environ.get(PASSWORD, "")
    if not password and sys.stdin is not None and sys.stdin.isatty():
        password = typer.prompt("Password of the page", hide_input=True)
    if len(password) < 8:
        raise InvalidValue(
            f"password: must have 8 characters or more; {PASSWORD} holds it, or it is typed in"
        )
    return password
