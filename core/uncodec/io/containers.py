"""Opening a file with FFmpeg so that neither its tags nor its links get in the way of its sound."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO

import av

from uncodec.io.id3_layout import broken_tag_end

__all__ = ["TOLERANT", "file_url", "open_container", "texts_of"]

# PyAV takes texts that are not UTF-8 as they are from release 19 on. Earlier ones have to be told.
TOLERANT: dict[str, Any] = (
    {} if int(av.__version__.partition(".")[0]) >= 19 else {"metadata_errors": "replace"}
)
"""What ``av.open`` is given, so that a text that is not UTF-8 keeps no file from being opened."""


def file_url(path: str | PathLike[str]) -> str:
    """`path` in a form that FFmpeg takes as a file whatever its name begins with."""
    return "file:" + fspath(path)


def open_container(source: str | PathLike[str] | BinaryIO) -> Any:
    """Open a file, or a part of one, as a PyAV container.

    Nothing but this file is opened, whatever a playlist in it says. Texts that are not UTF-8 are
    taken with a mark in place of each wrong byte. An ID3 tag that claims to be longer than the file
    is passed over.

    Raises
    ------
    av.FFmpegError, ValueError, OSError
        If it cannot be opened.
    """
    if not isinstance(source, str | PathLike):
        return av.open(source, "r", options={"protocol_whitelist": "none"}, **TOLERANT)
    url = file_url(source)
    protocols = "file"
    skipped = broken_tag_end(Path(source))
    if skipped:
        url = f"subfile,,start,{skipped},end,0,,:{url}"
        protocols = "file,subfile"
    return av.open(url, "r", options={"protocol_whitelist": protocols}, **TOLERANT)


def texts_of(metadata: Mapping[str, str]) -> dict[str, str]:
    """The texts of a container, a stream or a chapter, with a mark for each byte of no UTF-8."""
    return {_readable(key): _readable(value) for key, value in metadata.items()}


def _readable(text: str) -> str:
    # PyAV hides such bytes in halves of pairs, which no file and no terminal takes.
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
