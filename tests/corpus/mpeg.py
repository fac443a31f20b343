"""MP3 taken apart and put together: frames, the Xing header, and the tags around them."""

from __future__ import annotations

import struct

__all__ = [
    "ape_tag",
    "between_frames",
    "frames_of",
    "html",
    "id3v1",
    "lyrics3",
    "with_frame_count",
    "with_length",
    "without_info",
]

_KBPS = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG-1
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG-2 and 2.5
)
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _frame_size(header: bytes) -> int:
    """Bytes of the layer III frame that begins with `header`; 0 if none does."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version, rate, rank = header[1] >> 3 & 3, header[2] >> 2 & 3, header[2] >> 4
    if version == 1 or rate == 3 or rank in (0, 15):
        return 0
    kbps = _KBPS[version != 3][rank]
    return (144 if version == 3 else 72) * kbps * 1000 // _RATES[version][rate] + (
        header[2] >> 1 & 1
    )


def frames_of(data: bytes) -> list[bytes]:
    """The frames of a sound MP3, which may begin with an ID3v2 tag; the first may be Xing's."""
    place = 0
    if data[:3] == b"ID3":
        size = 0
        for digit in data[6:10]:
            size = size << 7 | digit
        place = 10 + size
    frames = []
    while size := _frame_size(data[place : place + 4]):
        frames.append(data[place : place + size])
        place += size
    return frames


def _info_place(frame: bytes) -> int:
    return max(frame.find(b"Xing"), frame.find(b"Info"))


def without_info(data: bytes) -> bytes:
    """The frames alone: no ID3 tag, no Xing header, so no note of delay and length."""
    first, *rest = frames_of(data)
    if _info_place(first) < 0:
        raise ValueError("data: has no Xing header")
    return b"".join(rest)


def with_frame_count(data: bytes, count: int) -> bytes:
    """The same with another number of frames in the Xing header."""
    first, *rest = frames_of(data)
    place = _info_place(first) + 8
    return first[:place] + struct.pack(">I", count) + first[place + 4 :] + b"".join(rest)


def with_length(data: bytes, samples: int) -> bytes:
    """The same with the padding noted that LAME notes for so many samples.

    FFmpeg's muxer notes 1681 samples at most.
    """
    first, *rest = frames_of(data)
    place = first.find(b"Lav") + 21
    delay = int.from_bytes(first[place : place + 3], "big") >> 12
    padding = 1152 * len(rest) - delay - samples
    noted = (delay << 12 | padding).to_bytes(3, "big")
    return first[:place] + noted + first[place + 3 :] + b"".join(rest)


def id3v1(title: str = "Title") -> bytes:
    """The 128 bytes at the end of old files."""
    return b"TAG" + title.encode("latin-1")[:30].ljust(30, b"\0") + bytes(94) + b"\x0c"


def ape_tag(items: dict[str, str] | None = None) -> bytes:
    """APEv2 with header and footer."""
    body = b""
    items = items or {"Title": "Title", "Artist": "Artist"}
    for key, value in items.items():
        text = value.encode()
        body += struct.pack("<II", len(text), 0) + key.encode() + b"\0" + text
    fields = struct.pack("<III", 2000, len(body) + 32, len(items))
    header = b"APETAGEX" + fields + struct.pack("<I", 0xA0000000) + bytes(8)
    footer = b"APETAGEX" + fields + struct.pack("<I", 0x80000000) + bytes(8)
    return header + body + footer


def lyrics3(words: str = "La la la") -> bytes:
    """Lyrics3 version 2, which stands before an ID3v1 tag."""
    body = b"LYRICSBEGIN" + b"IND0000200" + f"LYR{len(words):05d}{words}".encode("latin-1")
    return body + f"{len(body):06d}".encode() + b"LYRICS200"


def html() -> bytes:
    """What a web server sends in place of a part of a file."""
    return (
        b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head>"
        b"<body><h1>502 Bad Gateway</h1></body></html>\r\n" * 12
    )


def between_frames(data: bytes, junk: bytes, share: float = 0.5) -> bytes:
    """`junk` between two frames."""
    frames = frames_of(data)
    middle = max(1, int(len(frames) * share))
    return b"".join([*frames[:middle], junk, *frames[middle:]])
