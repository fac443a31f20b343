"""Samples as bytes: what a pipe carries, as arrays and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from uncodec.errors import InvalidValue
from uncodec.io.pcm import Dither, quantise
from uncodec.signals import Array
from uncodec.streams.aligned import Driven

__all__ = ["FORMATS", "PcmThrough", "SampleFormat", "sample_format"]

Raw = NDArray[np.int32]
_Kind = TypeVar("_Kind", bound=np.generic)


@dataclass(frozen=True, slots=True)
class SampleFormat:
    """How samples lie in bytes: little-endian, channel by channel, as FFmpeg names it.

    Attributes
    ----------
    name : str
    bits : int
    floats : bool
    """

    name: str
    bits: int
    floats: bool = False

    @property
    def bytes(self) -> int:
        """Of a sample."""
        return self.bits // 8


FORMATS = {
    each.name: each
    for each in (
        SampleFormat("f32le", 32, floats=True),
        SampleFormat("s16le", 16),
        SampleFormat("s24le", 24),
        SampleFormat("s32le", 32),
    )
}
"""By name."""


def sample_format(name: str) -> SampleFormat:
    """The format of a name; raises `InvalidValue` for others."""
    if name not in FORMATS:
        raise InvalidValue(f"format={name!r}: must be wav or one of {', '.join(FORMATS)}")
    return FORMATS[name]


class PcmThrough:
    """Runs bytes through something that takes blocks, and gives bytes of the same format.

    Integers that come back as they went in are the same bits; others are rounded, with dither for
    16 and 24 bits. Floats that are not finite are taken as silence, because a network would never
    get over one.

    Parameters
    ----------
    form : SampleFormat
    channels : int
    driven : Driven
        Gives as many samples as it takes, aligned.

    Attributes
    ----------
    frames : int
        Taken so far.
    silenced : int
        Samples that were not finite.
    clipped : int
        Samples of the result that the format cannot hold.
    """

    def __init__(self, form: SampleFormat, channels: int, driven: Driven) -> None:
        self.frames = self.silenced = self.clipped = 0
        self._form = form
        self._channels = channels
        self._driven = driven
        self._rest = b""
        self._given = 0
        self._dither = None if form.bits == 32 else Dither(0, channels)
        # Integers whose result is still to come.
        self._originals: Raw = np.zeros((channels, 0), np.int32)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self._channels * self._form.bytes

    @property
    def rest(self) -> int:
        """Bytes taken that are not yet a whole frame."""
        return len(self._rest)

    def push(self, data: bytes) -> bytes:
        """Take bytes, cut anywhere, and give those that are ready."""
        data = self._rest + data
        whole = len(data) - len(data) % self.frame_bytes
        self._rest = data[whole:]
        if not whole:
            return b""
        audio = self._audio(data[:whole])
        self.frames += audio.shape[1]
        return self._bytes(self._driven.push(audio))

    def finish(self) -> bytes:
        """Give all that is still inside."""
        return self._bytes(self._driven.finish())

    def _audio(self, data: bytes) -> Array:
        """Bytes as (channels, samples); integers are remembered."""
        if self._form.floats:
            audio: Array = _rows(np.frombuffer(data, "<f4"), self._channels).astype(np.float32)
            finite = np.isfinite(audio)
            if not finite.all():
                self.silenced += int(np.count_nonzero(~finite))
                audio[~finite] = 0.0
            return audio
        raw = _rows(_integers(data, self._form.bytes), self._channels)
        self._originals = np.concatenate([self._originals, raw], axis=1)
        return self._floats(raw)

    def _floats(self, raw: Raw) -> Array:
        return (raw / float(1 << (self._form.bits - 1))).astype(np.float32)

    def _bytes(self, audio: Array) -> bytes:
        count = audio.shape[1]
        if self._form.floats:
            data = audio.T.astype("<f4").tobytes()
        else:
            raw = self._originals[:, :count]
            changed = audio != self._floats(raw)
            noise = None
            if self._dither is not None:
                noise = self._dither.take(self._given, count)
            self.clipped += int(np.count_nonzero(changed & (np.abs(audio) > 1.0)))
            found = np.where(changed, quantise(audio, self._form.bits, noise), raw)
            self._originals = self._originals[:, count:]
            data = _packed(found, self._form.bytes)
        self._given += count
        return data


def _rows(samples: NDArray[_Kind], channels: int) -> NDArray[_Kind]:
    return np.ascontiguousarray(samples.reshape(-1, channels).T)


def _integers(data: bytes, width: int) -> Raw:
    if width != 3:
        return np.frombuffer(data, f"<i{width}").astype(np.int32)
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    found: Raw = wide.view("<i4")[:, 0] >> 8
    return found


def _packed(raw: Raw, width: int) -> bytes:
    samples = np.ascontiguousarray(raw.T).astype("<i4").reshape(-1)
    if width != 3:
        return samples.astype(f"<i{width}").tobytes()
    return samples.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
