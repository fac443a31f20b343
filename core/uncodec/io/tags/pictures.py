"""Pictures: what an image is, told from its first bytes."""

from __future__ import annotations

import io

import av

from uncodec.io.containers import TOLERANT
from uncodec.io.tags.model import Collector, Picture

__all__ = ["LINK", "collect_picture", "probe_picture"]

LINK = "-->"
"""Type of a picture that is no image but the address of one, in ID3 and FLAC."""

# Start of the file, type, FFmpeg's name of the format.
_FORMATS = (
    (b"\xff\xd8\xff", "image/jpeg", "jpeg_pipe"),
    (b"\x89PNG\r\n\x1a\n", "image/png", "png_pipe"),
    (b"GIF8", "image/gif", "gif"),
    (b"BM", "image/bmp", "bmp_pipe"),
    (b"II*\0", "image/tiff", "tiff_pipe"),
    (b"MM\0*", "image/tiff", "tiff_pipe"),
    (b"\0\0\0\x0cJXL ", "image/jxl", "jpegxl_pipe"),
)


def _format_of(data: bytes) -> tuple[str, str] | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp", "webp_pipe"
    if data[4:12] in (b"ftypavif", b"ftypheic"):
        return f"image/{data[8:12].decode()}", ""
    for start, mime, name in _FORMATS:
        if data.startswith(start):
            return mime, name
    return None


def probe_picture(data: bytes, kind: int = 3, description: str = "") -> Picture | None:
    """The picture in `data`, with its type and size; None if it is no image of a known kind."""
    found = _format_of(data)
    if found is None:
        return None
    mime, name = found
    width = height = 0
    try:
        # The format is given: left to guess, FFmpeg might take a text for a list of addresses.
        with av.open(io.BytesIO(data), "r", format=name or None, **TOLERANT) as image:
            video = image.streams.video[0].codec_context
            width, height = int(video.width), int(video.height)
    except (av.FFmpegError, ValueError, OSError, IndexError):
        pass  # a damaged image is kept as it is
    return Picture(data, mime, kind, description, width, height)


def collect_picture(
    into: Collector, data: bytes, kind: int, description: str = "", mime: str = ""
) -> None:
    """Add a picture to `into`, or a note that it is none."""
    description = description.replace("\0", "").strip()
    if mime == LINK:
        into.pictures.append(Picture(data, LINK, kind, description))
        return
    picture = probe_picture(data, kind, description)
    if picture is None:
        into.leave(Picture(b"", "", kind).label, "is no picture of a known format")
    else:
        into.pictures.append(picture)
