"""The command ``uncodec man``: the help of all commands as one manual page."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

import typer

from uncodec.version import __version__

__all__ = ["command_pages", "manual_page", "register"]

_EXIT_CODES = (
    ("0", "It is done."),
    ("1", "Something failed: a file, a device, a core; the other files were done."),
    ("2", "The command itself is wrong, or the model cannot be used; nothing was done."),
    ("130, 143", "It was stopped with Ctrl-C, or by SIGTERM."),
    ("141", "The reader of the pipe went away."),
)
_WIDTH = 80


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("man")(man)


def man() -> None:
    """Print the manual page: `uncodec man | man -l -` shows it.

    To have it at hand as `man uncodec`: uncodec man > ~/.local/share/man/man1/uncodec.1
    """
    from uncodec.cli.common import told_errors

    with told_errors():
        typer.echo(manual_page(), nl=False)


def command_pages() -> list[tuple[str, str]]:
    """Each command's full name and its help, as ``--help`` prints it on 80 columns."""
    return [
        (context.command_path, context.command.get_help(context))
        for context in _contexts()
        if not hasattr(context.command, "commands")
    ]


def manual_page() -> str:
    """The manual page in the ``man`` macros of roff, for section 1."""
    lines = [
        f'.TH UNCODEC 1 "" "uncodec {__version__}" "User Commands"',
        ".SH NAME",
        "uncodec \\- give back what lossy audio compression took away",
        ".SH SYNOPSIS",
        ".B uncodec",
        ".I COMMAND",
        "[OPTIONS] [ARGUMENTS]",
        ".SH COMMANDS",
    ]
    for context in _contexts():
        command = context.command
        if hasattr(command, "commands"):
            continue
        usage = " ".join(command.collect_usage_pieces(context))
        lines += [f".SS {_escaped(context.command_path)}", f".B {_escaped(context.command_path)}"]
        lines += [_escaped(usage), *_paragraphs(command.help or "")]
        for parameter in command.get_params(context):
            record = parameter.get_help_record(context)
            if record is not None:
                names, told = record
                lines += [".TP", f".B {_escaped(names)}", _escaped(" ".join(told.split()))]
    lines.append(".SH EXIT STATUS")
    for code, meaning in _EXIT_CODES:
        lines += [".TP", f".B {code}", _escaped(meaning)]
    return "\n".join(lines) + "\n"


def _contexts() -> Iterator[Any]:
    """A context for each command and group, in the order of the help."""
    from typer.main import get_command

    from uncodec.cli import app

    # Any: typer brings its own copy of click, and older ones use the package.
    root: Any = get_command(app)
    yield from _below(root.context_class(root, info_name="uncodec", terminal_width=_WIDTH))


def _below(context: Any) -> Iterator[Any]:
    yield context
    for name, command in getattr(context.command, "commands", {}).items():
        if not command.hidden:
            yield from _below(command.context_class(command, info_name=name, parent=context))


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", textwrap.dedent(text).strip()):
        yield ".PP"
        yield _escaped(" ".join(paragraph.replace("\b", "").split()))


def _escaped(text: str) -> str:
    """Text that roff prints as it is: hyphens to be copied, no line taken for a macro."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text
