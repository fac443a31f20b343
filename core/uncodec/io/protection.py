"""Copy protection: known by its marks, so that such a file is told apart from a damaged one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["PROTECTED", "is_protected"]

PROTECTED = "is protected against copying: its audio is encrypted"
"""What is wrong with such a file."""

# Boxes on the way to the entry that names the coding (ISO/IEC 14496-12, section 8).
_WAY = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
# Protected audio: by the standard (section 8.12), and as Apple's shop sold it.
_ENTRIES = (b"enca", b"drms")
# Objects in the header of an ASF file (its specification, sections 3.14, 3.15 and 10.1), as stored.
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_ENCRYPTION = tuple(
    bytes.fromhex(text)
    for text in (
        "fbb3112223bdd211b4b700a0c955fc6e",
        "14e68a292226174cb935dae07ee9289c",
        "338505438169e6499b74ad12cb86d58c",
    )
)
# No header is longer; a size beyond it is nonsense.
_LONGEST_HEADER = 1 << 24


def is_protected(file: BinaryIO) -> bool:
    """Whether the audio of an MP4 or ASF file is encrypted.

    Parameters
    ----------
    file : binary file
        Read from its begin on; other kinds of files are not protected.
    """
    file.seek(0)
    head = file.read(30)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"):
        size = file.seek(0, 2)
        return any(name in _ENTRIES for name in _sample_entries(file, 0, size))
    if head.startswith(_ASF_HEADER):
        size = int.from_bytes(head[16:24], "little")
        header = file.read(min(size, _LONGEST_HEADER) - len(head)) if size > len(head) else b""
        return any(mark in header for mark in _ASF_ENCRYPTION)
    return False


def _sample_entries(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """Names of the codings of an MP4's tracks."""
    place = start
    while place + 8 <= end:
        file.seek(place)
        head = file.read(16)
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        inner = 8
        if size == 1:
            size, inner = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:
            size = end - place
        if size < inner:
            return
        if name == b"stsd":
            # Behind the version and the number of entries, eight bytes.
            file.seek(place + inner + 8)
            yield file.read(8)[4:]
        elif name in _WAY:
            yield from _sample_entries(file, place + inner, min(end, place + size))
        place += size
