"""Where an ID3v2 tag and its frames lie in a file (id3.org, ID3v2.2 to 2.4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["broken_tag_end", "tag_length", "to_synchsafe", "walk_frames"]

_SHIFTS = (21, 14, 7, 0)
_MOST_SEARCHED = 2**26


def _from_synchsafe(data: bytes) -> int:
    return sum((byte & 0x7F) << shift for byte, shift in zip(data, _SHIFTS, strict=True))


def to_synchsafe(number: int) -> bytes:
    """28 bits in four bytes of seven."""
    return bytes((number >> shift) & 0x7F for shift in _SHIFTS)


def tag_length(start: bytes) -> int:
    """Bytes of the tag that begins with these ten, header included; 0 if there is none."""
    if len(start) < 10 or start[:3] != b"ID3" or start[3] == 0xFF:
        return 0
    footer = 10 if start[3] >= 4 and start[5] & 0x10 else 0
    return 10 + _from_synchsafe(start[6:10]) + footer


def walk_frames(data: bytes) -> Iterator[tuple[str, int, memoryview]]:
    """Give name, flags and content of the frames of a tag, as far as they can be told.

    The content of the last one is shorter than its header says where the data end within it.
    """
    version = data[3]
    short = version == 2
    head = 6 if short else 10
    view = memoryview(data)
    place = 10
    while place + head <= len(data) and data[place]:
        name = data[place : place + (3 if short else 4)].decode("latin-1").rstrip("\0")
        if not (name.isascii() and name.isalnum()):
            return
        size_bytes = data[place + 3 : place + 6] if short else data[place + 4 : place + 8]
        size = int.from_bytes(size_bytes, "big")
        if version == 4 and not any(byte & 0x80 for byte in size_bytes):
            size = _from_synchsafe(size_bytes)
        flags = 0 if short else int.from_bytes(data[place + 8 : place + 10], "big")
        yield name, flags, view[place + head : place + head + size]
        place += head + size


def broken_tag_end(path: Path) -> int:
    """Where the sound may begin behind a tag that claims to be longer than its file; 0 if none.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(10)
        if tag_length(start) < path.stat().st_size:
            return 0
        data = start + file.read(_MOST_SEARCHED)
    end = 10
    for _, _, frame in walk_frames(data):
        following = end + (6 if data[3] == 2 else 10) + len(frame)
        if following >= len(data):
            break  # it claims the rest of the file as well
        end = following
    return end
