"""The libraries that decode files, behind one small interface.

libsndfile reads the uncompressed formats, with every odd sample format there is. FFmpeg reads
everything else: it goes on behind a damaged place, where libsndfile stops.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import av
import numpy as np
import soundfile

from uncodec.io.av_decoder import AvDecoder, plain_reason
from uncodec.io.blocks import Unreadable
from uncodec.io.containers import open_container
from uncodec.io.file_warnings import FileWarning
from uncodec.io.frame_decoder import FrameDecoder, NoFrames
from uncodec.io.layouts import layout_of, sorted_speakers
from uncodec.io.ogg import OggDecoder, is_ogg
from uncodec.io.protection import PROTECTED, is_protected
from uncodec.signals import Array

__all__ = [
    "PLAYLISTS",
    "Decoder",
    "SoundfileDecoder",
    "is_plain",
    "open_decoder",
    "open_soundfile",
]


PLAYLISTS = (b"ffconcat", b"#EXTM3U", b"[playlist]")
"""Texts that make FFmpeg open other files."""

# What FFmpeg knows better, in a WAV: where the encoder's delay lies, what is junk.
_MPEG = ("mp1", "mp2", "mp3")
# The same by its number in the header (mmreg.h): libsndfile is not even to open it, because its MP3
# reader talks on standard error.
_MPEG_TAGS = (0x50, 0x55)
_EXTENSIBLE = 0xFFFE
_W64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")
# Bytes of a sample, where libsndfile reads each by itself.
_WIDTHS = {
    "PCM_S8": 1, "PCM_U8": 1, "ALAW": 1, "ULAW": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4,
    "FLOAT": 4, "DOUBLE": 8,
}  # fmt: skip
# What the size of the data chunk counts beside the samples (its own header, or a number of edits),
# and the multiple that it is filled up to.
_COUNTED = {"RF64": (0, 1), "W64": (24, 8), "CAF": (4, 1)}


class Decoder(Protocol):
    """What :class:`uncodec.io.AudioReader` needs.

    `frames` is exact or None, `seconds` a guess at least; an end before `least` samples means that
    something is missing.
    """

    sample_rate: int
    channels: int
    speakers: tuple[str, ...]
    frames: int | None
    seconds: float | None
    least: int
    format: str
    subtype: str
    warnings: list[FileWarning]

    def read(self, frames: int) -> Array:
        """(channels, n) float32, n = frames until the end is reached."""
        ...

    def close(self) -> None: ...


def open_soundfile(path: Path) -> soundfile.SoundFile:
    """Open a file with libsndfile; raises SoundFileError, OSError or TypeError."""
    # As bytes: a name that is no valid text is refused as a string.
    return soundfile.SoundFile(os.fsencode(path) if os.name == "posix" else path)


class SoundfileDecoder:
    """libsndfile."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = open_soundfile(path)
        except (soundfile.SoundFileError, OSError, TypeError) as error:
            raise Unreadable(f"cannot be decoded: {plain_reason(error)}") from error
        self.sample_rate = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        self.frames: int | None = int(self._file.frames)
        self.seconds: float | None = self._file.frames / self.sample_rate
        self.least = int(self._file.frames)
        self.format = str(self._file.format)
        self.subtype = str(self._file.subtype)
        self.warnings: list[FileWarning] = []
        self.speakers, self._order = _mapped(path) if self.channels > 2 else ((), None)
        self._left = int(self._file.frames)
        if self._left == 0:
            self._file.close()
            raise Unreadable("holds no audio (0 samples)")
        self._note_short_data()

    def _note_short_data(self) -> None:
        """libsndfile mends a data chunk that claims more than there is, and says so in its log."""
        log = self._file.extra_info
        found = re.search(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", log, re.M)
        width = _WIDTHS.get(self.subtype, 0) * self.channels
        if found and int(found[2]) < int(found[1]) < 0xFFFFFF00:
            self._warn(f"is cut off: {int(found[2])} of {int(found[1])} bytes of audio are there")
        elif self.format in _COUNTED and width:
            # There it only believes the file's size.
            found = re.search(r"^ *(?:Data size|data) *: (\d+)$", log, re.M)
            header, unit = _COUNTED[self.format]
            stated = int(found[1]) - header if found else 0
            there = int(self._file.frames) * width
            if there + unit <= stated < 1 << 62:
                self._warn(f"is cut off: {there} of {stated} bytes of audio are there")

    def read(self, frames: int) -> Array:
        wanted = min(frames, self._left)
        if wanted == 0:
            return np.zeros((self.channels, 0), np.float32)
        try:
            # The count has to be given: some codings cannot seek, and read() then refuses to guess.
            data = self._file.read(wanted, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, OSError) as error:
            self._left = 0
            self._warn(f"cannot be decoded further: {plain_reason(error)}")
            return np.zeros((self.channels, 0), np.float32)
        self._left -= wanted
        if len(data) < wanted:
            self._left = 0
        return np.ascontiguousarray(data.T if self._order is None else data.T[self._order])

    def _warn(self, what: str) -> None:
        self.warnings.append(FileWarning(what))

    def close(self) -> None:
        self._file.close()


def _mapped(path: Path) -> tuple[tuple[str, ...], list[int] | None]:
    """The same, as FFmpeg reads it from the header: libsndfile does not tell its channel map."""
    try:
        with open_container(path) as container:
            return sorted_speakers(layout_of(container.streams.audio[0]))
    except (av.FFmpegError, ValueError, OSError, IndexError):
        return (), None


def is_plain(file: BinaryIO) -> bool:
    """Whether a file is of the uncompressed formats, which libsndfile reads best.

    It gets nothing else to see: its MP3 reader talks on standard error about whatever is no MP3.
    """
    file.seek(0)
    head = file.read(16)
    name, kind = head[:4], head[8:12]
    if name in (b"RIFF", b"RIFX", b"RF64") and kind == b"WAVE":
        return _wav_coding(file, "big" if name == b"RIFX" else "little") not in _MPEG_TAGS
    iff = name == b"FORM" and kind in (b"AIFF", b"AIFC", b"8SVX", b"16SV")
    return iff or name in (b"caff", b".snd") or head == _W64


def _wav_coding(file: BinaryIO, order: Literal["big", "little"]) -> int | None:
    """Number of the coding in a WAV's format chunk; None if there is no such chunk."""
    place = 12
    # The format stands among the first chunks.
    for _ in range(32):
        file.seek(place)
        head = file.read(8 + 26)
        if len(head) < 10:
            break
        if head[:4] == b"fmt ":
            coding = int.from_bytes(head[8:10], order)
            return int.from_bytes(head[32:34], order) if coding == _EXTENSIBLE else coding
        size = int.from_bytes(head[4:8], order)
        place += 8 + size + size % 2
    return None


def open_decoder(path: Path) -> Decoder:
    """Open `path` with the library that reads its kind best, else with the other one.

    Raises
    ------
    Unreadable
        With the reason of the library that was meant to read it.
    """
    with path.open("rb") as file:
        head = file.read(64)
        if head.startswith(PLAYLISTS):
            raise Unreadable("is a playlist, not an audio file")
        if is_protected(file):
            raise Unreadable(PROTECTED)
        plain = is_plain(file)
    if is_ogg(head):
        return OggDecoder(path)
    if not plain:
        return _open_with_ffmpeg(path)
    try:
        return SoundfileDecoder(path)
    except Unreadable as first:
        try:
            return _open_with_ffmpeg(path)  # a coding in WAV that libsndfile does not know
        except Unreadable:
            raise first from None


def _open_with_ffmpeg(path: Path) -> Decoder:
    """FFmpeg finds out what it is; bare frames are then found without its demuxer."""
    try:
        with open_container(path) as container:
            kind = str(container.format.name)
            contexts = [stream.codec_context for stream in container.streams.audio[:1]]
            codec = str(contexts[0].name) if contexts and contexts[0] else ""
    except (av.FFmpegError, ValueError, OSError):
        return AvDecoder(path)
    if kind in ("mp3", "aac") or (kind == "wav" and codec.removesuffix("float") in _MPEG):
        try:
            return FrameDecoder(path, kind)
        except NoFrames:
            pass  # free format, for one
    return AvDecoder(path)
