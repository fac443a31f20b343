"""The two libraries that decode files, behind one small interface.

libsndfile reads the uncompressed formats, with every odd sample format there is. FFmpeg reads
everything else: it goes on behind a damaged place, where libsndfile stops.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
import numpy.typing as npt
import soundfile

from uncodec.frames import frame_to_float
from uncodec.io.file_warnings import FileWarning
from uncodec.io.layouts import layout_of, speakers_of, wav_order
from uncodec.io.tags import file_url

__all__ = [
    "PLAYLISTS",
    "SOUNDFILE_MAGIC",
    "AvDecoder",
    "Decoder",
    "SoundfileDecoder",
    "Unreadable",
    "coding_name",
    "container_name",
    "open_decoder",
    "plain_reason",
]

Array = npt.NDArray[np.float32]

# First bytes of what libsndfile reads best. It gets nothing else to see: its MP3 reader talks on
# standard error about whatever is no MP3.
SOUNDFILE_MAGIC = (b"RIFF", b"RF64", b"FORM", b"caff", b".snd", b"riff")
# Texts that make FFmpeg open other files.
PLAYLISTS = (b"ffconcat", b"#EXTM3U", b"[playlist]")
# Times are rounded to the container's units; what differs by less is no gap.
_LARGEST_JITTER = 64
_LONGEST_GAP_S = 60.0
_FORMAT_NAMES = {
    "mov,mp4,m4a,3gp,3g2,mj2": "M4A",
    "matroska,webm": "MATROSKA",
    "asf": "WMA",
    "aac": "AAC",
}
# Decoders that carry their arithmetic in their name.
_CODEC_NAMES = {"mp3float": "MP3", "mp2float": "MP2", "mp1float": "MP1", "libopus": "OPUS"}


def container_name(name: str) -> str:
    """What FFmpeg's name of a format is called here."""
    return _FORMAT_NAMES.get(name, name.split(",")[0].upper())


def coding_name(context: Any) -> str:
    """What FFmpeg's decoder is called here; of FLAC its bits."""
    name = str(context.name)
    if name == "flac":
        return f"PCM_{_flac_bits(bytes(context.extradata or b'')) or 24}"
    return _CODEC_NAMES.get(name, name.upper())


class Unreadable(Exception):
    """What is wrong with a file, without its name."""


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


class AvDecoder:
    """FFmpeg, through PyAV."""

    def __init__(self, path: Path) -> None:
        self.warnings: list[FileWarning] = []
        with path.open("rb") as file:
            head = file.read(64)
        if head.startswith(PLAYLISTS):
            raise Unreadable("is a playlist, not an audio file")
        try:
            # A playlist must not make us open anything else than this file.
            self._container: Any = av.open(
                file_url(path), "r", options={"protocol_whitelist": "file"}
            )
        except (av.FFmpegError, ValueError, OSError) as error:
            raise Unreadable(f"cannot be decoded: {plain_reason(error)}") from error
        try:
            self._start(head)
        except BaseException:
            self._container.close()
            raise
        if head.startswith(b"OggS") and not _ogg_is_complete(path):
            self._warn("is cut off: the page that ends it is missing")

    def _start(self, head: bytes) -> None:
        if not self._container.streams.audio:
            raise Unreadable("holds no audio")
        self._stream = self._container.streams.audio[0]
        self._parts: list[Array] = []
        self._ready = 0
        self._frames = self._decode()
        self.sample_rate = 0
        self.channels = 0
        self.speakers: tuple[str, ...] = ()
        self._order: list[int] | None = None
        self.frames: int | None = None
        self.seconds: float | None = None
        self.least = 0
        self._limit: int | None = None
        self._given = 0
        # The first frame tells what the decoder gives: an AAC header may state half the rate.
        if not self._fill(1):
            raise Unreadable(
                "holds no audio that can be decoded" + "".join(f" ({p})" for p in self.warnings[:1])
            )
        name = str(self._container.format.name)
        self.format = container_name(name)
        self.subtype = coding_name(self._stream.codec_context)
        self._note_length(name, head)

    def _note_length(self, container: str, head: bytes) -> None:
        duration, base = self._stream.duration, self._stream.time_base
        exact = Fraction(duration) * base * self.sample_rate if duration and base else None
        if container.startswith("mov") and exact is not None:
            noted = _itunes_length(self._container)
            # Some writers count at half the rate (HE-AAC): believe it only where it fits.
            if noted is not None and abs(noted - exact) <= 8192:
                self._limit = self.frames = noted
        elif exact is not None and exact.denominator == 1 and container in ("mp3", "flac", "ogg"):
            # MP3: from its header; an estimate by bit rate is hardly ever a whole number of
            # samples. Opus counts the encoder's delay, stated in its first page, as well.
            delay = int.from_bytes(head[38:40], "little") if head[28:36] == b"OpusHead" else 0
            self.frames = int(exact) - delay
        stated = self.frames
        if stated is None and exact is not None and container.startswith("mov"):
            stated = int(exact)  # in units of a thousandth of a second
        # Lossy containers may count the codec's own delay and the padding of its last frame.
        self.least = max(0, (stated or 0) - (0 if container == "flac" else 8192))
        if stated is not None:
            self.seconds = stated / self.sample_rate
        elif exact is not None:
            self.seconds = float(exact) / self.sample_rate
        elif self._container.duration:
            self.seconds = self._container.duration / 1e6

    def _decode(self) -> Iterator[Array]:
        """Frames as arrays; the last one cut to what its packet says."""
        held: tuple[Array, int] | None = None
        damaged = 0
        lost = False
        # Only these carry times; elsewhere they are made up on reading, and wrong behind a gap.
        container = str(self._container.format.name)
        timed = container.startswith(("ogg", "mov", "matroska"))
        position: Fraction | None = None
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except (av.FFmpegError, OSError) as error:
                self._warn(f"cannot be read further: {plain_reason(error)}")
                break
            try:
                frames = packet.decode()
            except (av.FFmpegError, ValueError):
                damaged += 1
                lost = True
                continue
            for frame in frames:
                if held is not None:
                    yield held[0]
                layout = layout_of(frame)
                data = frame_to_float(frame)
                self._check_same(int(frame.sample_rate), data.shape[0], layout)
                if self._order is not None:
                    data = data[self._order]
                time = None
                if frame.pts is not None and frame.time_base is not None:
                    time = frame.pts * frame.time_base
                if time is not None and position is not None:
                    gap = round((time - position) * self.sample_rate)
                    if timed and gap > _LARGEST_JITTER and (lost or container == "ogg"):
                        yield from self._silence(gap)
                lost = False
                if time is not None:
                    position = time + Fraction(data.shape[1], self.sample_rate)
                keep = data.shape[1]
                if packet.duration and packet.time_base:
                    keep = round(packet.duration * packet.time_base * self.sample_rate)
                held = (data, keep)
        if held is not None:
            data, keep = held
            # MP4 marks the padding of the last frame by a shorter duration, and only there.
            short = container.startswith("mov") and 0 < keep < data.shape[1]
            yield data[:, :keep] if short else data
        if damaged:
            self._warn(f"is damaged: {damaged} packets could not be decoded")

    def _silence(self, frames: int) -> Iterator[Array]:
        """Stand in for audio that was lost, so that the rest stays in its place."""
        seconds = frames / self.sample_rate
        if seconds > _LONGEST_GAP_S:
            self._warn(f"jumps by {seconds:.0f} s; nothing was put in")
            return
        self._warn(f"is damaged: silence stands for {seconds:.3f} s that were lost")
        for start in range(0, frames, 65536):
            yield np.zeros((self.channels, min(65536, frames - start)), np.float32)

    def _warn(self, what: str) -> None:
        self.warnings.append(FileWarning(what))

    def _check_same(self, rate: int, channels: int, layout: Any) -> None:
        if self.sample_rate == 0:
            self.sample_rate, self.channels = rate, channels
            self.speakers, self._order = _sorted(layout)
        elif (rate, channels) != (self.sample_rate, self.channels):
            raise Unreadable(
                f"changes from {self.sample_rate} Hz, {self.channels} channels "
                f"to {rate} Hz, {channels} channels on the way"
            )

    def _fill(self, frames: int) -> bool:
        """Decode until `frames` samples are ready; False if the end came before."""
        while self._ready < frames:
            part = next(self._frames, None)
            if part is None:
                return False
            self._parts.append(part)
            self._ready += part.shape[1]
        return True

    def read(self, frames: int) -> Array:
        if self._limit is not None:
            frames = min(frames, self._limit - self._given)
        self._fill(frames)
        count = min(frames, self._ready)
        if count <= 0:
            return np.zeros((self.channels, 0), np.float32)
        joined = self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts, axis=1)
        block = np.ascontiguousarray(joined[:, :count])
        rest = joined[:, count:]
        self._parts = [rest] if rest.shape[1] else []
        self._ready -= count
        self._given += count
        return block

    def close(self) -> None:
        self._frames.close()  # type: ignore[attr-defined]
        self._container.close()


def _sorted(layout: Any) -> tuple[tuple[str, ...], list[int] | None]:
    """Speakers in the order of a WAV, and which channel to take for each (None: as they come)."""
    speakers = speakers_of(layout)
    order = wav_order(speakers)
    return (speakers, None) if order is None else (tuple(speakers[c] for c in order), order)


def _mapped(path: Path) -> tuple[tuple[str, ...], list[int] | None]:
    """The same, as FFmpeg reads it from the header: libsndfile does not tell its channel map."""
    try:
        with av.open(file_url(path), "r", options={"protocol_whitelist": "file"}) as container:
            return _sorted(layout_of(container.streams.audio[0]))
    except (av.FFmpegError, ValueError, OSError, IndexError):
        return (), None


def _itunes_length(container: Any) -> int | None:
    """Sample count from Apple's gapless note (priming, padding, original length in hexadecimal)."""
    for key, value in container.metadata.items():
        if str(key).lower() == "itunsmpb":
            fields = str(value).split()
            try:
                length = int(fields[3], 16)
            except (IndexError, ValueError):
                return None
            return length or None
    return None


def _flac_bits(header: bytes) -> int | None:
    """Bits per sample from a STREAMINFO block (RFC 9639, section 8.2)."""
    info = header[8:] if header.startswith(b"fLaC") else header
    if len(info) < 34:
        return None
    return ((info[12] & 1) << 4 | info[13] >> 4) + 1


def _ogg_is_complete(path: Path) -> bool:
    """Whether the last page carries the mark of an end (RFC 3533, section 6)."""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 70000))  # a page has at most 65307 bytes
        tail = file.read()
    last = tail.rfind(b"OggS")
    return 0 <= last < len(tail) - 5 and bool(tail[last + 5] & 4)


def plain_reason(error: BaseException) -> str:
    """The reason in a library's message, in one line and without file names or numbers."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    lines = str(text).strip().splitlines() or [type(error).__name__]
    reason = lines[0].rstrip(".")
    if any(word in reason for word in ("Invalid data", "not recognised", "End of file")):
        return "not an audio file, or incomplete, or damaged at its start"
    return reason


def open_decoder(path: Path) -> Decoder:
    """Open `path` with the library that reads its kind best, else with the other one.

    Raises
    ------
    Unreadable
        With the reason of the library that was meant to read it.
    """
    with path.open("rb") as file:
        head = file.read(64)
    if not head.startswith(SOUNDFILE_MAGIC):
        return AvDecoder(path)
    try:
        return SoundfileDecoder(path)
    except Unreadable as first:
        try:
            return AvDecoder(path)  # a coding in WAV that libsndfile does not know
        except Unreadable:
            raise first from None
