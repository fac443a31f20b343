"""Opening a file with FFmpeg so that neither its tags nor its links get in the way of its sound."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO

import av

from uncodec.io.id3_layout import broken_tag_end

__all__ = ["file_url", "open_container"]


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
        return av.open(
            source, "r", options={"protocol_whitelist": "none"}, metadata_errors="replace"
        )
    url = file_url(source)
    protocols = "file"
    skipped = broken_tag_end(Path(source))
    if skipped:
        url = f"subfile,,start,{skipped},end,0,,:{url}"
        protocols = "file,subfile"
    return av.open(url, "r", options={"protocol_whitelist": protocols}, metadata_errors="replace")
