"""Whether a file ends too early: where its container says that its media end, against its size."""

from __future__ import annotations

from typing import BinaryIO

__all__ = ["missing_bytes"]

# IDs of EBML's header and of Matroska's segment and clusters (RFC 8794, section 11.2; RFC 9559,
# section 5.1).
_EBML, _SEGMENT, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"


def missing_bytes(file: BinaryIO) -> int:
    """Bytes that a Matroska, WebM or AVI file lacks, if media are among them; 0 for other files.

    An index that is cut off behind the media is no loss.
    """
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if head.startswith(_EBML):
        return _missing_matroska(file, end)
    if head.startswith(b"RIFF") and head[8:] == b"AVI ":
        return _missing_avi(file, end, int.from_bytes(head[4:8], "little") + 8)
    return 0


def _missing_avi(file: BinaryIO, end: int, stated: int) -> int:
    place = 12
    while place + 12 <= end:
        file.seek(place)
        head = file.read(12)
        size = int.from_bytes(head[4:8], "little")
        place += 8 + size + size % 2
        if head[:4] == b"LIST" and head[8:] == b"movi":
            # Writers that cannot go back leave 0 there.
            return max(0, stated - end) if size and place > end else 0
    return 0


def _missing_matroska(file: BinaryIO, end: int) -> int:
    file.seek(4)
    header = _number(file)
    if header is None:
        return 0
    # A size that is no size must not lead beyond what can be reached.
    file.seek(min(end, file.tell() + header))
    if file.read(4) != _SEGMENT:
        return 0
    size = _number(file)
    if size is None or file.tell() + size <= end:
        return 0
    missing = file.tell() + size - end
    name = b""
    while file.tell() < end:
        name = _name(file)
        size = _number(file)
        if size is None:
            return 0
        file.seek(min(end, file.tell() + size))
    # What reaches beyond the end, or what stood last before it.
    return missing if name == _CLUSTER else 0


def _name(file: BinaryIO) -> bytes:
    """Read the ID of an element (RFC 8794, section 5); what is no ID gives one byte."""
    first = file.read(1)
    length = 9 - first[0].bit_length() if first else 1
    return first + file.read(length - 1) if length <= 4 else first


def _number(file: BinaryIO) -> int | None:
    """Read a number of variable length (RFC 8794, section 4); None if it is unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    digits = first + file.read(length - 1)
    value = int.from_bytes(digits, "big") & ((1 << 7 * length) - 1)
    return None if value == (1 << 7 * length) - 1 else value
