"""WAV written by hand, for the headers that no library writes."""

from __future__ import annotations

import struct

import numpy as np
from tests.corpus.signals import Array

__all__ = ["chunk", "extensible", "pcm16", "plain_format", "wav"]


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    """One chunk, padded to an even length; `size` is what it claims, if that is not the truth."""
    stated = len(body) if size is None else size
    return name + struct.pack("<I", stated) + body + b"\0" * (len(body) % 2)


def plain_format(channels: int, rate: int, bits: int = 16, tag: int = 1) -> bytes:
    width = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * width, width, bits))


def extensible(channels: int, rate: int, bits: int, used: int) -> bytes:
    """WAVE_FORMAT_EXTENSIBLE: samples of `used` bits in `bits`."""
    width = channels * bits // 8
    guid = bytes.fromhex("0100000000001000800000aa00389b71")
    body = struct.pack("<HHIIHH", 0xFFFE, channels, rate, rate * width, width, bits)
    return chunk(b"fmt ", body + struct.pack("<HHI", 22, used, (1 << channels) - 1) + guid)


def pcm16(audio: Array) -> bytes:
    return np.clip(np.rint(audio.T * 32768.0), -32768, 32767).astype("<i2").tobytes()


def wav(*chunks: bytes, size: int | None = None, name: bytes = b"RIFF") -> bytes:
    """A file of these chunks; `size` is what its header claims, where that is not the truth."""
    body = b"WAVE" + b"".join(chunks)
    return name + struct.pack("<I", len(body) if size is None else size) + body
