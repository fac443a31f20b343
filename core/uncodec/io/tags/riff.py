"""Chunks of WAV, RF64 and AIFF files; tags of a WAV: a list of texts (INFO) and an ID3 chunk."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from uncodec.io.tags.id3 import read_id3, write_id3
from uncodec.io.tags.model import Collector, Tags
from uncodec.io.tags.names import FIELDS, PAIRS

__all__ = ["BrokenChunks", "WavTags", "read_aiff", "read_wav"]

_MOST_BYTES = 2**32 - 1
# An ID3 tag is no longer than that; a chunk that is would only fill the memory.
_MOST_READ = 2**28 + 20
# Parts of the format itself, and what only fills a place.
_KNOWN = {"JUNK", "PAD", "FLLR", "PEAK", "data", "ds64", "fact", "fmt", "filr", "junk"}
_INFO = {entry.info: entry.name for entry in FIELDS if entry.info} | {
    "IPRT": "tracknumber",
    "ISFT": "encodersettings",
    "ISRC": "source",
    "ISBJ": "subject",
    "IKEY": "keywords",
    "ITCH": "technician",
}
_INFO_OF = {entry.name: entry.info for entry in FIELDS if entry.info}


class BrokenChunks(ValueError):
    """The chunks of a file do not add up."""


@dataclass(frozen=True)
class _Chunk:
    name: str
    kind: str  # of a LIST
    place: int  # of its content
    size: int

    @property
    def end(self) -> int:
        return self.place + self.size + self.size % 2


def _chunks(file: BinaryIO, *, strict: bool = False) -> Iterator[_Chunk]:
    """Give the chunks of a file.

    With `strict` a chunk that reaches beyond the end of the file raises BrokenChunks; otherwise it
    ends there.
    """
    file.seek(0, io.SEEK_END)
    length = file.tell()
    file.seek(0)
    head = file.read(12)
    order = ">" if head[:4] == b"FORM" else "<"
    long_size = 0
    place = 12
    while place + 8 <= length:
        file.seek(place)
        label, size = struct.unpack(f"{order}4sI", file.read(8))
        name = label.decode("latin-1").rstrip()
        if name == "data" and size == _MOST_BYTES and long_size:
            size = long_size
        kind = ""
        start = file.read(4 if name != "ds64" else 16)
        if name == "LIST":
            kind = start.decode("latin-1")
        elif name == "ds64" and len(start) == 16:
            long_size = struct.unpack("<8xQ", start)[0]
        if place + 8 + size > length:
            if strict:
                raise BrokenChunks(f"its chunk {name!r} ends behind the file")
            size = length - place - 8
        chunk = _Chunk(name, kind, place + 8, size)
        yield chunk
        place = chunk.end


def _is_tag(chunk: _Chunk) -> bool:
    return chunk.name.lower() == "id3" or chunk.kind == "INFO"


def read_wav(file: BinaryIO, into: Collector) -> None:
    """Add what a WAV or RF64 file says; its ID3 chunk goes before its INFO list."""
    texts = Collector()
    for chunk in _chunks(file):
        if chunk.name.lower() == "id3":
            file.seek(chunk.place)
            _read_id3_chunk(file.read(min(chunk.size, _MOST_READ)), into)
        elif chunk.kind == "INFO":
            file.seek(chunk.place + 4)
            _read_info(file.read(min(max(0, chunk.size - 4), _MOST_READ)), texts)
        elif chunk.name not in _KNOWN:
            shown = f"{chunk.name} {chunk.kind}".strip()
            if shown.isprintable():
                into.leave(f"WAV chunk {shown!r}", "is not copied")
    into.fill(texts)


def read_aiff(file: BinaryIO, into: Collector) -> None:
    """Add what the ID3 chunk of an AIFF file says."""
    for chunk in _chunks(file):
        if chunk.name.lower() == "id3":
            file.seek(chunk.place)
            _read_id3_chunk(file.read(min(chunk.size, _MOST_READ)), into)


def _read_id3_chunk(data: bytes, into: Collector) -> None:
    if data[:3] == b"ID3":
        read_id3(data, into)
    elif data:
        into.leave("ID3 chunk", "holds no ID3 tag")


def _read_info(data: bytes, into: Collector) -> None:
    place = 0
    while place + 8 <= len(data):
        label, size = struct.unpack_from("<4sI", data, place)
        value = data[place + 8 : place + 8 + size].split(b"\0")[0]
        place += 8 + size + size % 2
        key = label.decode("latin-1")
        if key in ("ITRK", "IPRT"):
            into.add_pair(*PAIRS["TRCK"], _text(value))
        elif key.isalnum():
            into.add(_INFO.get(key, key.lower()), [_text(value)])


def _text(data: bytes) -> str:
    """The list does not state its coding: UTF-8 where it can be, or that of old Windows files."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


class WavTags:
    """Tags in the form that a WAV file takes; made before the audio is, put in after it.

    Attributes
    ----------
    left : list of NotCarried
        What WAV cannot hold.
    room : int
        Bytes to keep free at the head of the file: none.
    """

    room = 0

    def __init__(self, tags: Tags) -> None:
        self._tags = tags
        self._info = _form_info(tags)
        self._id3, self.left = write_id3(tags, 0.0)

    def put(self, file: BinaryIO) -> None:
        """Replace the tags of a complete WAV or RF64 file.

        Raises
        ------
        BrokenChunks
            If the file is none, or the tags would make it too long. It is not touched then.
        """
        file.seek(0)
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
            raise BrokenChunks("is no WAV file")
        chunks = list(_chunks(file, strict=True))
        id3 = self._id3
        if self._tags.chapters:  # the last one ends with the audio
            id3, _ = write_id3(self._tags, _seconds(file, chunks))
        added = b"".join(
            label + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
            for label, data in ((b"LIST", self._info), (b"id3 ", id3))
            if data
        )
        end = 12
        for chunk in chunks:
            end = end if _is_tag(chunk) else chunk.end
        total = end + len(added) - 8
        if head[:4] == b"RIFF" and total > _MOST_BYTES:
            raise BrokenChunks("no room for tags below 4 GiB")
        for chunk in chunks:
            if _is_tag(chunk) and chunk.place < end:
                file.seek(chunk.place - 8)
                file.write(b"JUNK")
        file.seek(0, os.SEEK_END)
        file.write(b"\0" * (end - file.tell()))  # the even end of the last chunk
        file.truncate(end)
        file.seek(end)
        file.write(added)
        if head[:4] == b"RIFF":
            file.seek(4)
            file.write(struct.pack("<I", total))
        else:
            place = next(chunk.place for chunk in chunks if chunk.name == "ds64")
            file.seek(place)
            file.write(struct.pack("<Q", total))


def _seconds(file: BinaryIO, chunks: list[_Chunk]) -> float:
    """Playing time of an uncompressed WAV."""
    byte_rate = size = 0
    for chunk in chunks:
        if chunk.name == "fmt" and chunk.size >= 12:
            file.seek(chunk.place + 8)
            byte_rate = struct.unpack("<I", file.read(4))[0]
        elif chunk.name == "data":
            size = chunk.size
    return size / byte_rate if byte_rate else 0.0


def _form_info(tags: Tags) -> bytes:
    """The content of a LIST chunk; several values of a field stand in one text there."""
    items = b""
    for name, values in tags.fields.items():
        key = _INFO_OF.get(name)
        if key:
            text = "; ".join(values).replace("\0", " ").encode("utf-8", "replace") + b"\0"
            items += key.encode() + struct.pack("<I", len(text)) + text + b"\0" * (len(text) % 2)
    return b"INFO" + items if items else b""
