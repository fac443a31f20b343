"""What FFmpeg knows of a file: chapters, and the tags of formats that nothing else here reads."""

from __future__ import annotations

import contextlib
from os import PathLike
from typing import Any

import av

from uncodec.io.containers import open_container, texts_of
from uncodec.io.tags.model import Chapter, Collector
from uncodec.io.tags.names import PAIRS, name_of
from uncodec.io.tags.pictures import collect_picture

__all__ = ["read_chapters", "read_with_ffmpeg"]

# Notes of a container about itself.
_TECHNICAL = {
    "compatible_brands",
    "creation_time",
    "encoder",
    "handler_name",
    "major_brand",
    "minor_version",
    "vendor_id",
}
_NAMES = {
    "album_artist": "albumartist",
    "encoded_by": "encodedby",
    "publisher": "label",
}
_PAIRS = {"track": PAIRS["TRCK"], "disc": PAIRS["TPOS"]}


def read_with_ffmpeg(path: str | PathLike[str], into: Collector) -> None:
    """Add the texts, pictures and chapters that FFmpeg finds.

    Raises
    ------
    av.FFmpegError, ValueError, OSError
        If it cannot open the file.
    """
    with open_container(path) as container:
        sources = [container.metadata]
        if container.streams.audio:
            sources.append(container.streams.audio[0].metadata)
        seen: set[str] = set()
        for source in sources:
            for key, value in texts_of(source).items():
                lower = key.lower()
                if lower not in _TECHNICAL | seen and (lower, value) != ("language", "und"):
                    seen.add(lower)
                    _read_text(lower, value, into)
        into.chapters += _chapters(container)
        _read_pictures(container, into)


def _read_text(key: str, value: str, into: Collector) -> None:
    if key in _PAIRS:
        into.add_pair(*_PAIRS[key], value)
    elif key.startswith(("lyrics-", "comment-")):  # with a language behind it
        into.add(key.partition("-")[0], [value])
    else:
        into.add(_NAMES.get(key) or name_of("vorbis", key), [value])


def _read_pictures(container: Any, into: Collector) -> None:
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            continue
        # PyAV stumbles over streams that turn up on the way.
        with contextlib.suppress(IndexError):
            for packet in container.demux(stream):
                if packet.size:
                    title = texts_of(stream.metadata).get("title", "")
                    collect_picture(into, bytes(packet), 3, title)
                    break


def read_chapters(path: str | PathLike[str], into: Collector) -> None:
    """Add the chapters alone; errors as `read_with_ffmpeg`."""
    with open_container(path) as container:
        into.chapters += _chapters(container)


def _chapters(container: Any) -> list[Chapter]:
    found = []
    for item in container.chapters():
        base = item["time_base"]
        start, end = float(item["start"] * base), float(item["end"] * base)
        title = texts_of(item["metadata"]).get("title", "")
        found.append(Chapter(max(start, 0.0), title, end if end > start else None))
    return sorted(found, key=lambda chapter: chapter.start)
