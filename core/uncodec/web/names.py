"""Which names and places are taken from a browser, and which are refused."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from unicodedata import category

from uncodec.errors import InvalidValue

__all__ = ["check_inside", "check_relative", "check_title"]

_MOST_BYTES = 200
"""Of a part of a name: file systems take 255, and results get an ending."""
_MOST_PARTS = 12
_MOST_TITLE = 80
_REFUSED = ("Cc", "Cs", "Cn", "Co", "Zl", "Zp")
# Of Windows, with any ending.
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(1, 10)))
)


def check_relative(name: object, what: str = "name") -> PurePosixPath:
    """Return a name from a browser as a relative path below a folder.

    Raises
    ------
    InvalidValue
        It is empty, absolute, too long, has parts such as ``..`` or hidden ones, or characters that
        no name of a file should have.
    """
    if not isinstance(name, str) or not name:
        raise InvalidValue(f"{what}={name!r}: must be the name of a file or a folder")
    parts = name.split("/")
    if len(parts) > _MOST_PARTS:
        raise InvalidValue(f"{what}={name[:40]!r}...: must have at most {_MOST_PARTS} parts")
    for part in parts:
        _check_part(part, name, what)
    return PurePosixPath(*parts)


def _check_part(part: str, name: str, what: str) -> None:
    shown = repr(name if len(name) <= 60 else name[:60] + "...")
    if part == "":
        raise InvalidValue(f"{what}={shown}: must be relative, without empty parts")
    if part in (".", ".."):
        raise InvalidValue(f"{what}={shown}: must not have a part {part!r}")
    if part.startswith("."):
        raise InvalidValue(f"{what}={shown}: must not be hidden")
    if "\\" in part or ":" in part or any(category(char) in _REFUSED for char in part):
        raise InvalidValue(f"{what}={shown}: must not hold control characters, \\ or :")
    if part != part.strip() or part.endswith("."):
        raise InvalidValue(f"{what}={shown}: must not begin or end with a space, nor end with a .")
    if part.partition(".")[0].strip().lower() in _DEVICES:
        raise InvalidValue(f"{what}={shown}: must not be the name of a device")
    if len(part.encode("utf-8")) > _MOST_BYTES:
        raise InvalidValue(f"{what}={shown}: must have at most {_MOST_BYTES} bytes a part")


def check_inside(path: Path, folder: Path) -> Path:
    """Return where a path really lies, if that is below a folder, links followed.

    Raises
    ------
    InvalidValue
        It leads out.
    """
    real, root = os.path.realpath(path), os.path.realpath(folder)
    if os.path.commonpath([real, root]) != root or real == root:
        raise InvalidValue(f"{path.name}: leads out of the folder that was opened")
    return Path(real)


def check_title(title: object) -> str:
    """Return the name of a preset: one line of text.

    Raises
    ------
    InvalidValue
        It is empty, too long or no text.
    """
    clean = title.strip() if isinstance(title, str) else ""
    if not clean or len(clean) > _MOST_TITLE or any(category(char) in _REFUSED for char in clean):
        raise InvalidValue(f"name: must be a line of 1 to {_MOST_TITLE} characters")
    return clean
