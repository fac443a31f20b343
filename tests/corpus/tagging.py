"""Tags as players and shops write them, put into a file with mutagen."""

from __future__ import annotations

import base64
import io
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

import mutagen
from mutagen import aiff, apev2, asf, flac, id3, mp4, wave
from tests.corpus.encoding import remux

__all__ = [
    "ALBUM",
    "ARTISTS",
    "BACK",
    "FRONT",
    "TITLE",
    "id3_bytes",
    "picture",
    "put_tags",
    "tagged",
]

TITLE = "Ünïted Ωmega 山 песня"
ARTISTS = ("Jürgen", "アーティスト")
ALBUM = "Platte"


def picture(level: int) -> bytes:
    """A grey PNG of 2 by 2 pixels."""

    def part(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    rows = b"".join(b"\0" + bytes([level, level]) for _ in range(2))
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
        + part(b"IDAT", zlib.compress(rows))
        + part(b"IEND", b"")
    )


FRONT, BACK = picture(60), picture(200)


def _into_id3(tags: Any, covers: tuple[bytes, ...]) -> None:
    tags.add(id3.TIT2(encoding=3, text=[TITLE]))
    tags.add(id3.TPE1(encoding=3, text=list(ARTISTS)))
    tags.add(id3.TALB(encoding=3, text=[ALBUM]))
    tags.add(id3.TRCK(encoding=3, text=["3/12"]))
    for kind, data in zip((3, 4), covers, strict=False):
        tags.add(
            id3.APIC(encoding=3, mime="image/png", type=kind, desc=f"picture {kind}", data=data)
        )


def _flac_picture(kind: int, data: bytes) -> Any:
    block = flac.Picture()
    block.data, block.type, block.mime = data, kind, "image/png"
    block.width = block.height = 2
    block.depth = 8
    block.desc = f"picture {kind}"
    return block


def put_tags(path: Path, covers: tuple[bytes, ...] = (FRONT, BACK)) -> tuple[int, int, int]:
    """Title and album, two artists, track and pictures, as the container of `path` keeps them.

    Returns how many texts, artists and pictures are there.

    Raises
    ------
    ValueError
        If nothing here writes tags into this container.
    """
    if path.suffix in (".mka", ".webm"):
        texts = {"title": TITLE, "album": ALBUM, "artist": ARTISTS[0]}
        path.write_bytes(remux(path.read_bytes(), "matroska", metadata=texts))
        return 2, 1, 0
    _put_with_mutagen(path, covers)
    return 2, 2, len(covers)


def _put_with_mutagen(path: Path, covers: tuple[bytes, ...]) -> None:
    if path.suffix in (".aac", ".ac3", ".mp2"):
        tags: Any = id3.ID3()
        _into_id3(tags, covers)
        tags.save(path)
        return
    file = mutagen.File(path)
    if file is None:
        raise ValueError(f"{path}: nothing here writes tags there")
    if isinstance(file, (aiff.AIFF, wave.WAVE)) or file.__class__.__name__ in ("MP3", "TrueAudio"):
        if file.tags is None:
            file.add_tags()
        _into_id3(file.tags, covers)
    elif isinstance(file, mp4.MP4):
        file["\xa9nam"], file["\xa9ART"], file["\xa9alb"] = [TITLE], list(ARTISTS), [ALBUM]
        file["trkn"] = [(3, 12)]
        if covers:
            file["covr"] = [mp4.MP4Cover(data, mp4.MP4Cover.FORMAT_PNG) for data in covers]
    elif isinstance(file, asf.ASF):
        file["Title"], file["Author"], file["WM/AlbumTitle"] = [TITLE], list(ARTISTS), [ALBUM]
        file["WM/TrackNumber"] = ["3/12"]
        file["WM/Picture"] = [
            asf.ASFByteArrayAttribute(
                struct.pack("<bI", kind, len(data))
                + "image/png\0".encode("utf-16-le")
                + f"picture {kind}\0".encode("utf-16-le")
                + data
            )
            for kind, data in zip((3, 4), covers, strict=False)
        ]
    elif isinstance(file, apev2.APEv2File):
        if file.tags is None:
            file.add_tags()
        file["Title"], file["Album"], file["Track"] = TITLE, ALBUM, "3/12"
        file["Artist"] = list(ARTISTS)
        for name, data in zip(("Front", "Back"), covers, strict=False):
            file[f"Cover Art ({name})"] = apev2.APEValue(
                f"{name}.png\0".encode() + data, apev2.BINARY
            )
    else:
        if file.tags is None:
            file.add_tags()
        file["title"], file["artist"], file["album"] = [TITLE], list(ARTISTS), [ALBUM]
        file["tracknumber"] = ["3/12"]
        blocks = [_flac_picture(kind, data) for kind, data in zip((3, 4), covers, strict=False)]
        if isinstance(file, flac.FLAC):
            for block in blocks:
                file.add_picture(block)
        elif blocks:
            file["metadata_block_picture"] = [
                base64.b64encode(block.write()).decode() for block in blocks
            ]
    file.save()


def tagged(data: bytes, ending: str, covers: tuple[bytes, ...] = (FRONT, BACK)) -> bytes:
    """`data`, a file of this ending, with tags."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"tagged{ending}"
        path.write_bytes(data)
        put_tags(path, covers)
        return path.read_bytes()


def id3_bytes(covers: tuple[bytes, ...] = (FRONT, BACK)) -> bytes:
    """An ID3v2.4 tag alone."""
    tags: Any = id3.ID3()
    _into_id3(tags, covers)
    buffer = io.BytesIO()
    tags.save(buffer)
    return buffer.getvalue()
