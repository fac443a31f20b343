"""The head of a WAV in a pipe, whose writer often does not know how long it will be."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from uncodec.errors import AudioFileError
from uncodec.pipes.samples import FORMATS, SampleFormat
from uncodec.speakers import WAV_SPEAKERS

__all__ = ["WavHead", "read_wav_head"]

_NAME = "standard input"
_INTEGERS, _FLOATS, _EXTENSIBLE = 1, 3, 0xFFFE
_KINDS = {
    (_FLOATS, 32): "f32le",
    (_INTEGERS, 16): "s16le",
    (_INTEGERS, 24): "s24le",
    (_INTEGERS, 32): "s32le",
}
_LARGEST = 0xFFFFFFFF
# What SoX writes where it does not know, less what is no whole frame.
_UNKNOWN_TO_SOX = 0x7FFFF000
_LARGEST_FORMAT_CHUNK = 1 << 16
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class WavHead:
    """What stands before the samples.

    Attributes
    ----------
    sample_rate, channels : int
    form : SampleFormat
    layout : tuple of str or None
        Speakers of the channels, where the file tells them.
    data_bytes : int or None
        Bytes of the samples; None: as many as come.
    chunk : bytes
        The description of the format as it came, for the head of the result.
    """

    sample_rate: int
    channels: int
    form: SampleFormat
    layout: tuple[str, ...] | None
    data_bytes: int | None
    chunk: bytes

    def as_bytes(self) -> bytes:
        """The head of a WAV with the same format and as many samples."""
        size = self.data_bytes
        body = struct.pack("<4sI", b"fmt ", len(self.chunk)) + self.chunk
        body += b"\0" * (len(body) % 2)
        whole = _LARGEST if size is None else 4 + len(body) + 8 + size + size % 2
        if size is None or whole >= _LARGEST:
            whole = size = _LARGEST
        begin = struct.pack("<4sI4s", b"RIFF", whole, b"WAVE")
        return begin + body + struct.pack("<4sI", b"data", size)

    @property
    def padding(self) -> bytes:
        """What follows the samples of the result."""
        return b"\0" * ((self.data_bytes or 0) % 2)


def read_wav_head(read: Callable[[int], bytes]) -> WavHead:
    """Read up to the first sample.

    Parameters
    ----------
    read : callable
        Gives as many bytes as it is asked for, or fewer at the end of the input.

    Raises
    ------
    AudioFileError
        It is no WAV, or holds samples of another kind than `FORMATS`.
    """
    head = read(12)
    if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
        got = "is empty" if not head else f"begins with {head[:4]!r} and is no WAV"
        raise AudioFileError(
            f"{_NAME}: {got}; raw samples need --format ({', '.join(FORMATS)}), --rate and "
            "--channels"
        )
    chunk = b""
    long_size: int | None = None
    while True:
        name, size = struct.unpack("<4sI", _all_of(read, 8))
        if name == b"data":
            break
        if name == b"fmt ":
            if size > _LARGEST_FORMAT_CHUNK:
                raise AudioFileError(f"{_NAME}: is a damaged WAV (a format of {size} bytes)")
            chunk = _all_of(read, size)
        elif name == b"ds64" and size >= 16:
            _, long_size = struct.unpack("<QQ", _all_of(read, 16))
            _skip(read, size - 16)
        else:
            _skip(read, size)
        _skip(read, size % 2)
    if not chunk:
        raise AudioFileError(f"{_NAME}: is a damaged WAV (samples before their format)")
    return _head(chunk, size if long_size is None or size != _LARGEST else long_size)


def _head(chunk: bytes, size: int) -> WavHead:
    if len(chunk) < 16:
        raise AudioFileError(f"{_NAME}: is a damaged WAV (a format of {len(chunk)} bytes)")
    kind, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", chunk)
    layout = None
    if kind == _EXTENSIBLE and len(chunk) >= 26:
        mask, kind = struct.unpack_from("<IH", chunk, 20)
        names = tuple(name for bit, name in enumerate(WAV_SPEAKERS) if mask >> bit & 1)
        layout = names if len(names) == channels else None
    name = _KINDS.get((kind, bits))
    if name is None:
        known = "16, 24 or 32-bit integers or 32-bit floats"
        raise AudioFileError(
            f"{_NAME}: is a WAV of format {kind} with {bits} bits: must hold {known}"
        )
    form = FORMATS[name]
    if not rate or not channels or block != channels * form.bytes:
        raise AudioFileError(
            f"{_NAME}: is a damaged WAV ({rate} Hz, {channels} channels, frames of {block} bytes)"
        )
    unknown = (0, _LARGEST, _UNKNOWN_TO_SOX - _UNKNOWN_TO_SOX % block)
    return WavHead(rate, channels, form, layout, None if size in unknown else size, chunk)


def _all_of(read: Callable[[int], bytes], count: int) -> bytes:
    data = read(count)
    if len(data) < count:
        raise AudioFileError(f"{_NAME}: ends before its first sample")
    return data


def _skip(read: Callable[[int], bytes], count: int) -> None:
    while count:
        count -= len(_all_of(read, min(count, _PIECE)))
