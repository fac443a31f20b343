"""The libraries that decode files, behind one small interface.

libsndfile reads the uncompressed formats, with every odd sample format there is. FFmpeg reads
everything else: it goes on behind a damaged place, where libsndfile stops.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

import av
import numpy as np
import numpy.typing as npt
import soundfile

from uncodec.io.av_decoder import AvDecoder, open_container, plain_reason
from uncodec.io.blocks import Unreadable
from uncodec.io.file_warnings import FileWarning
from uncodec.io.frame_decoder import FrameDecoder, NoFrames
from uncodec.io.layouts import layout_of, sorted_speakers
from uncodec.io.ogg import OggDecoder, is_ogg
from uncodec.io.tags import file_url

__all__ = ["PLAYLISTS", "SOUNDFILE_MAGIC", "Decoder", "SoundfileDecoder", "open_decoder"]

Array = npt.NDArray[np.float32]

SOUNDFILE_MAGIC = (b"RIFF", b"RF64", b"FORM", b"caff", b".snd", b"riff")
"""First bytes of what libsndfile reads best.

It gets nothing else to see: its MP3 reader talks on standard error about whatever is no MP3.
"""

PLAYLISTS = (b"ffconcat", b"#EXTM3U", b"[playlist]")
"""Texts that make FFmpeg open other files."""

# What FFmpeg knows better, in a WAV: where the encoder's delay lies, what is junk.
_MPEG = ("mp1", "mp2", "mp3")
_LEFT_TO_FFMPEG = ("MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III")


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


class SoundfileDecoder:
    """libsndfile."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = soundfile.SoundFile(path)
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
        if not self.format.startswith(("WAV", "RF64", "AIFF", "W64")):
            return
        found = re.search(
            r"^\s*(?:data|SSND) : (\d+) \(should be (\d+)\)", self._file.extra_info, re.M
        )
        if found and int(found[2]) < int(found[1]) < 0xFFFFFF00:
            self._warn(f"is cut off: {int(found[2])} of {int(found[1])} bytes of audio are there")

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
        with av.open(file_url(path), "r", options={"protocol_whitelist": "file"}) as container:
            return sorted_speakers(layout_of(container.streams.audio[0]))
    except (av.FFmpegError, ValueError, OSError, IndexError):
        return (), None


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
    if is_ogg(head):
        return OggDecoder(path)
    if not head.startswith(SOUNDFILE_MAGIC):
        return _open_with_ffmpeg(path)
    try:
        decoder = SoundfileDecoder(path)
    except Unreadable as first:
        try:
            return _open_with_ffmpeg(path)  # a coding in WAV that libsndfile does not know
        except Unreadable:
            raise first from None
    if decoder.subtype not in _LEFT_TO_FFMPEG:
        return decoder
    decoder.close()
    return _open_with_ffmpeg(path)


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
