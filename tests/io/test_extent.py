"""Files that end before their container says so, and sizes that lie."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pytest

from uncodec.io.extent import missing_bytes
from uncodec.io.protection import is_protected

CLUSTER, CUES = b"\x1f\x43\xb6\x75", b"\x1c\x53\xbb\x6b"
UNKNOWN = b"\x01" + b"\xff" * 7


@dataclass
class Elements:
    """EBML's header and a segment of these elements: (ID, stated size, bytes)."""

    parts: tuple[tuple[bytes, bytes, int], ...]
    stated: bytes

    def write(self, path):
        body = b"".join(name + size + bytes(count) for name, size, count in self.parts)
        path.write_bytes(b"\x1a\x45\xdf\xa3\x82\0\0" + b"\x18\x53\x80\x67" + self.stated + body)
        return path


def sized(number: int) -> bytes:
    return (1 << 56 | number).to_bytes(8, "big")


@pytest.mark.parametrize(
    ("parts", "stated", "missing"),
    [
        (((CLUSTER, sized(50), 50),), sized(62), 0),
        (((CLUSTER, sized(50), 40),), sized(62), 10),
        (((CLUSTER, sized(50), 50), (CLUSTER, sized(50), 3)), sized(124), 47),
        (((CLUSTER, sized(50), 50), (CUES, sized(50), 3)), sized(124), 0),
        (((CLUSTER, sized(50), 50),), UNKNOWN, 0),
        (((CLUSTER, UNKNOWN, 40),), sized(62), 0),
        (((CLUSTER, sized((1 << 56) - 2), 40),), sized((1 << 56) - 2), (1 << 56) - 2 - 52),
        ((), sized((1 << 56) - 2), 0),
        (((b"\0", b"\0", 40),), sized(100), 0),
    ],
)
def test_media_that_a_segment_lacks(parts, stated, missing, tmp_path):
    path = Elements(parts, stated).write(tmp_path / "a.mka")
    with path.open("rb") as file:
        assert missing_bytes(file) == missing


@pytest.mark.parametrize("header", [b"\x01" + b"\xff" * 6 + b"\xfe", b"\x08", b"\0", b""])
def test_a_header_that_lies_lacks_nothing(header, tmp_path):
    path = tmp_path / "a.mka"
    path.write_bytes(b"\x1a\x45\xdf\xa3" + header)
    with path.open("rb") as file:
        assert missing_bytes(file) == 0


@pytest.mark.parametrize(("there", "index", "missing"), [(60, 20, 0), (60, 9, 0), (50, 0, 38)])
def test_media_that_an_avi_lacks(there, index, missing, tmp_path):
    path = tmp_path / "a.avi"
    body = b"AVI " + b"LIST" + struct.pack("<I", 64) + b"movi" + bytes(there)
    if index:
        body += (b"idx1" + struct.pack("<I", 20) + bytes(20))[: 8 + index]
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + 72 + 28) + body)
    with path.open("rb") as file:
        assert missing_bytes(file) == missing


@pytest.mark.parametrize("size", [0, 1, 7, 8, 100, 0xFFFFFFFF])
@pytest.mark.parametrize("long", [0, 1 << 63, (1 << 64) - 1])
def test_boxes_whose_sizes_lie_are_not_protected(size, long, tmp_path):
    path = tmp_path / "a.m4a"
    box = struct.pack(">I", size) + b"moov" + struct.pack(">Q", long) + bytes(40)
    path.write_bytes(struct.pack(">I", 16) + b"ftypM4A " + bytes(4) + box)
    with path.open("rb") as file:
        assert not is_protected(file)
