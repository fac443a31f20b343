"""Tags and cover art: what a file says about its music."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any

import av

__all__ = ["Picture", "Tags", "read_tags"]

# Notes of an encoder or container about its own work: wrong once the audio is in another file.
_TECHNICAL = frozenset(
    {
        "compatible_brands",
        "creation_time",
        "encoded_by",
        "encoder",
        "encoder_settings",
        "encoding_settings",
        "handler_name",
        "itunnorm",
        "itunsmpb",
        "language",
        "length",
        "major_brand",
        "minor_version",
        "tlen",
        "tsse",
        "vendor_id",
    }
)
_PICTURE_CODECS = {
    "mjpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
}


@dataclass(frozen=True)
class Picture:
    """One picture of a file, as it is stored.

    Attributes
    ----------
    data : bytes
        The image file.
    codec : str
        FFmpeg's name of the image format: "mjpeg", "png", ...
    mime : str
        For instance "image/jpeg".
    width, height : int
        In pixels.
    kind : str
        "Cover (front)" and the like; empty if the file does not say.
    title : str
    """

    data: bytes
    codec: str
    mime: str
    width: int
    height: int
    kind: str = ""
    title: str = ""


@dataclass(frozen=True)
class Tags:
    """Text by FFmpeg's generic lower-case names (title, artist, album, ...), and pictures."""

    text: dict[str, str] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()


def file_url(path: str | PathLike[str]) -> str:
    """`path` in a form that FFmpeg takes as a file whatever its name begins with."""
    return "file:" + fspath(path)


def read_tags(path: str | PathLike[str]) -> Tags:
    """Read text tags and pictures; empty where there are none or the file cannot be read."""
    try:
        with av.open(file_url(path), "r", options={"protocol_whitelist": "file"}) as container:
            return tags_of(container)
    except (av.FFmpegError, ValueError, OSError):
        return Tags()


def tags_of(container: Any) -> Tags:
    """Tags of an open PyAV container. Reads packets, so decode with another container."""
    text: dict[str, str] = {}
    sources = [container.metadata]
    if container.streams.audio:
        # Ogg keeps them with the stream.
        sources.append(container.streams.audio[0].metadata)
    for source in sources:
        for key, value in source.items():
            name = str(key).lower()
            # libavformat repeats ID3 texts per language as "lyrics-eng", "comment-eng".
            if name in _TECHNICAL or not value:
                continue
            text.setdefault(name, str(value))
    return Tags(text, tuple(_pictures(container)))


def _pictures(container: Any) -> list[Picture]:
    found: list[Picture] = []
    for stream in container.streams.video:
        codec = stream.codec_context.name
        attached = bool(stream.disposition & av.stream.Disposition.attached_pic)
        if not attached or codec not in _PICTURE_CODECS:
            continue
        for packet in container.demux(stream):
            if packet.size:
                found.append(
                    Picture(
                        data=bytes(packet),
                        codec=codec,
                        mime=_PICTURE_CODECS[codec],
                        width=int(stream.codec_context.width),
                        height=int(stream.codec_context.height),
                        kind=str(stream.metadata.get("comment", "")),
                        title=str(stream.metadata.get("title", "")),
                    )
                )
                break
    return found
