"""Ogg pages taken apart and put together (RFC 3533), and Speex written by hand."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Page", "chained", "join", "pages_of", "speex", "with_pre_skip", "without_last_page"]

_TABLE = []
for _byte in range(256):
    _value = _byte << 24
    for _ in range(8):
        _value = (_value << 1) ^ (0x04C11DB7 if _value & 0x80000000 else 0)
    _TABLE.append(_value & 0xFFFFFFFF)


def _checksum(data: bytes) -> int:
    value = 0
    for byte in data:
        value = (value << 8 & 0xFFFFFFFF) ^ _TABLE[value >> 24 ^ byte]
    return value


@dataclass(frozen=True)
class Page:
    """One page: `flags` are 1 continued, 2 first, 4 last."""

    flags: int
    granule: int
    serial: int
    number: int
    laces: bytes
    body: bytes

    def to_bytes(self) -> bytes:
        head = b"OggS\0" + struct.pack(
            "<BqIIIB", self.flags, self.granule, self.serial, self.number, 0, len(self.laces)
        )
        data = head + self.laces + self.body
        return data[:22] + struct.pack("<I", _checksum(data)) + data[26:]


def pages_of(data: bytes) -> list[Page]:
    pages = []
    place = 0
    while data[place : place + 4] == b"OggS":
        flags, granule, serial, number, _, count = struct.unpack_from("<BqIIIB", data, place + 5)
        laces = data[place + 27 : place + 27 + count]
        body = place + 27 + count
        pages.append(Page(flags, granule, serial, number, laces, data[body : body + sum(laces)]))
        place = body + sum(laces)
    return pages


def join(pages: Iterable[Page]) -> bytes:
    return b"".join(page.to_bytes() for page in pages)


def chained(*streams: bytes) -> bytes:
    """Several logical streams one after another, each with a serial number of its own."""
    return b"".join(
        join(replace(page, serial=1000 + index) for page in pages_of(data))
        for index, data in enumerate(streams)
    )


def without_last_page(data: bytes) -> bytes:
    return join(pages_of(data)[:-1])


def with_pre_skip(data: bytes, samples: int) -> bytes:
    """Opus with another number of samples to be dropped at its begin (RFC 7845, section 5.1)."""
    first, *rest = pages_of(data)
    body = first.body[:10] + struct.pack("<H", samples) + first.body[12:]
    return join([replace(first, body=body), *rest])


def _page(flags: int, granule: int, number: int, packets: list[bytes]) -> Page:
    laces = b""
    for packet in packets:
        laces += b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255])
    return Page(flags, granule, 77, number, laces, b"".join(packets))


def speex(packets: int, seed: int = 3) -> bytes:
    """Narrow-band Speex at 8 kHz, 160 samples a packet: frames of valid form with chance content.

    A frame of 8 kb/s has 160 bits: a zero (no wide-band layer), the mode 3 in four bits, and
    parameters, of which any value is allowed.
    """
    random = np.random.default_rng(seed)
    header = (
        b"Speex   "
        + b"1.2".ljust(20, b"\0")
        + struct.pack("<iiiiiiiiiiiii", 1, 80, 8000, 0, 4, 1, -1, 160, 0, 1, 0, 0, 0)
    )
    vendor = b"by hand"
    comment = struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", 0)
    pages = [_page(2, 0, 0, [header]), _page(0, 0, 1, [comment])]
    bodies = []
    for _ in range(packets):
        body = bytearray(random.bytes(20))
        body[0] = 0b0_0011_000 | body[0] & 0b111
        bodies.append(bytes(body))
    for start in range(0, packets, 20):
        part = bodies[start : start + 20]
        done = start + len(part)
        pages.append(_page(4 if done == packets else 0, 160 * done, len(pages), part))
    return join(pages)
