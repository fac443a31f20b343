"""What a folder holds: the files to work on, and what is passed over and why."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from uncodec.errors import AudioFileError
from uncodec.files.places import UrlPath
from uncodec.io import probe_audio
from uncodec.whole_files import reason_of

__all__ = [
    "MARK",
    "PROMISING",
    "RECEIPT",
    "RENDERED",
    "Found",
    "PassedOver",
    "find_sources",
    "walk_sources",
]

MARK = ".restored"
"""Stands before the extension of a result that lies next to its source."""

RENDERED = ".rendered"
"""The same, of what the offline engine rendered."""

RECEIPT = ".receipt.json"
"""Ends the name of a note about a result, see `uncodec.catalogue.receipts`."""

# fmt: off
_SOUND = frozenset((
    ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".alac", ".amr", ".ape", ".au", ".caf", ".dts",
    ".eac3", ".flac", ".gsm", ".m4a", ".m4b", ".m4r", ".mka", ".mp1", ".mp2", ".mp3", ".mpc",
    ".oga", ".ogg", ".opus", ".ra", ".rf64", ".sbc", ".snd", ".spx", ".tak", ".tta", ".w64",
    ".wav", ".wave", ".wma", ".wv",
))
_PICTURES = frozenset((
    ".3g2", ".3gp", ".asf", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".webm", ".wmv",
))
# fmt: on
PROMISING = _SOUND | _PICTURES
"""Endings that promise audio: such a file in a folder is an error where it cannot be decoded.

What any other file is, its content tells.
"""

_RESULT = re.compile(rf"(?:{re.escape(MARK)}|{re.escape(RENDERED)})(?:\.take\d+)?\.[^.]+$")


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A file or folder below a folder that is not worked on.

    Attributes
    ----------
    path : Path
    reason : str
        In words that go on from its name: "is hidden", "holds no audio: only a picture".
    """

    path: Path
    reason: str


@dataclass(slots=True)
class Found:
    """What `find_sources` found.

    Attributes
    ----------
    files : list of Path
        In order of their names, those behind links to folders last.
    passed_over : list of PassedOver
    failures : list of (Path, AudioFileError)
        Folders that cannot be read.
    """

    files: list[Path] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)
    failures: list[tuple[Path, AudioFileError]] = field(default_factory=list)


def find_sources(folder: Path, output: Path | None = None) -> Found:
    """Find the audio files below a folder.

    A file counts as audio when it can be decoded, whatever its name; and when its name promises
    audio, so that a damaged song is told and not passed over. Links to folders are followed, each
    folder is visited once.

    Parameters
    ----------
    folder : Path
    output : Path, optional
        Where results go; passed over, because those of an earlier run may be there.

    Returns
    -------
    Found
        Every file that is not among its `files` is in `passed_over`, by itself or with its folder.
    """
    found = Found()
    for part in walk_sources(folder, output):
        found.files += part.files
        found.passed_over += part.passed_over
        found.failures += part.failures
    return found


def walk_sources(
    folder: Path, output: Path | None = None, *, results: bool = False
) -> Iterator[Found]:
    """Find the audio files below a folder, and give out what each folder in it holds by itself.

    Memory does not grow with the number of files. As `find_sources`; with `results`, earlier
    results are files as all others.
    """
    if isinstance(folder, UrlPath):
        yield _objects(folder, output, results)
        return
    closed = None if output is None else _identity(output)
    seen: set[object] = set()
    stack = [folder]
    links: list[Path] = []
    while stack or links:
        # Folders that are really there come before links to them: a file keeps its own place.
        place = stack.pop() if stack else links.pop(0)
        found = Found()
        real = _identity(place)
        if real == closed:
            found.passed_over.append(PassedOver(place, "is where the results go"))
        elif real in seen:
            found.passed_over.append(PassedOver(place, "leads to a folder that is done already"))
        else:
            seen.add(real)
            below = _visit(place, found, results)
            links += [path for path in below if path.is_symlink()]
            stack += [path for path in reversed(below) if not path.is_symlink()]
        yield found


def _objects(folder: UrlPath, output: Path | None, results: bool) -> Found:
    """The same of an object store: there the name alone tells what is audio."""
    found = Found()
    try:
        paths = folder.below()
    except OSError as error:
        told = AudioFileError(f"{folder}: cannot be read: {reason_of(error)}")
        found.failures.append((folder, told))
        return found
    for path in paths:
        inside = path.relative_to(folder).parts
        if output is not None and path.is_relative_to(output):
            reason = "is where the results go"
        elif any(part.startswith(".") for part in inside):
            reason = "is hidden"
        else:
            reason = _why_not_by_name(path, results)
            if not reason and path.suffix.lower() not in PROMISING:
                reason = "has a name that promises no audio"
        if reason:
            found.passed_over.append(PassedOver(path, reason))
        else:
            found.files.append(path)
    return found


def _identity(folder: Path) -> object:
    """What a folder is by whatever way it is reached; of one that is not there, its place."""
    try:
        status = folder.stat()
    except OSError:
        return os.path.realpath(folder)
    return status.st_dev, status.st_ino


def _visit(folder: Path, found: Found, results: bool) -> list[Path]:
    """Sort out what lies in a folder; return the folders in it."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        told = AudioFileError(f"{folder}: cannot be read: {reason_of(error)}")
        found.failures.append((folder, told))
        return []
    folders = []
    for name in names:
        path = folder / name
        if name.startswith("."):
            found.passed_over.append(PassedOver(path, "is hidden"))
        elif os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where a folder is closed
            folders.append(path)
        elif reason := _why_not(path, results):
            found.passed_over.append(PassedOver(path, reason))
        else:
            found.files.append(path)
    return folders


def _why_not_by_name(path: Path, results: bool) -> str:
    if not results and _RESULT.search(path.name):
        return "is an earlier result"
    if path.name.endswith(RECEIPT):
        return "is a receipt"
    return ""


def _why_not(path: Path, results: bool) -> str:
    """Say why a file is not worked on; nothing if it is."""
    if reason := _why_not_by_name(path, results):
        return reason
    suffix = path.suffix.lower()
    if suffix in _SOUND:
        return ""
    probe = probe_audio(path)
    if probe.found or (suffix in _PICTURES and probe.kind != "video"):
        return ""
    if probe.kind == "unreadable" and path.is_symlink() and not path.exists():
        return "is a broken link"
    return probe.reason
