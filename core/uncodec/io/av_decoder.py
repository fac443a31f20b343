"""FFmpeg: everything but the uncompressed formats and bare streams of frames."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import Type as SideData

from uncodec.frames import frame_samples, samples_to_float
from uncodec.io.blocks import BlockQueue, Unreadable, change_of
from uncodec.io.containers import open_container
from uncodec.io.extent import missing_bytes
from uncodec.io.file_warnings import FileWarning
from uncodec.io.framing import mpeg_header
from uncodec.io.layouts import layout_of, sorted_speakers
from uncodec.io.timeline import Gap, TimeLine
from uncodec.signals import Array

__all__ = ["AvDecoder", "coding_name", "container_name", "plain_reason"]


_LONGEST_GAP_S = 60.0
_LONGEST_START_S = 3600.0
# Two units of the coarsest scale in use.
_EDIT_UNITS_S = Fraction(1, 500)
_FORMAT_NAMES = {
    "mov,mp4,m4a,3gp,3g2,mj2": "M4A",
    "matroska,webm": "MATROSKA",
    "asf": "WMA",
    "aac": "AAC",
}
# Decoders that carry their arithmetic in their name.
_CODEC_NAMES = {"mp3float": "MP3", "mp2float": "MP2", "mp1float": "MP1", "libopus": "OPUS"}
# Only these carry times that hold; elsewhere they are made up on reading, and wrong behind a gap.
_TIMED = ("ogg", "mov", "matroska", "flac")
# These say themselves what the encoder put before the first sample. In the others it is what the
# filters of the codec need, and what every encoder of the kind puts there: samples at its rate.
_SAYS_DELAY = ("ogg", "mov", "matroska", "caf", "nut", "flac", "asf")
_DELAYS = {
    "mp3": 1105, "mp2": 481, "mp1": 481, "aac": 1024, "ac3": 256, "eac3": 256, "amrnb": 40,
    "aptx": 90, "aptx_hd": 90, "sbc": 73, "aac_latm": 1024, "opus": 312, "libopus": 312,
}  # fmt: skip
# FFmpeg's flag for leaving what is to be skipped to the caller (AV_CODEC_FLAG2_SKIP_MANUAL).
_SKIP_MANUAL = 1 << 29


def container_name(name: str) -> str:
    """What FFmpeg's name of a format is called here."""
    return _FORMAT_NAMES.get(name, name.split(",")[0].upper())


def coding_name(context: Any) -> str:
    """What FFmpeg's decoder is called here; of FLAC its bits."""
    name = str(context.name)
    if name == "flac":
        return f"PCM_{_FlacInfo(context).bits or 24}"
    return _CODEC_NAMES.get(name, name.upper())


class AvDecoder:
    """FFmpeg, through PyAV, with a time line of our own.

    Parameters
    ----------
    source : Path or binary file
    """

    def __init__(self, source: Path | BinaryIO) -> None:
        self.warnings: list[FileWarning] = []
        self._missing = 0
        if isinstance(source, Path):
            with source.open("rb") as file:
                self._missing = missing_bytes(file)
        try:
            self._container: Any = open_container(source)
        except (av.FFmpegError, ValueError, OSError) as error:
            raise Unreadable(f"cannot be decoded: {plain_reason(error)}") from error
        try:
            self._start()
        except BaseException:
            self._container.close()
            raise

    @property
    def container(self) -> str:
        """FFmpeg's name of the format."""
        return str(self._container.format.name)

    @property
    def codec(self) -> str:
        """FFmpeg's name of the decoder."""
        return str(self._stream.codec_context.name)

    def _start(self) -> None:
        if not self._container.streams.audio:
            raise Unreadable("holds no audio")
        self._stream = self._container.streams.audio[0]
        if self._stream.codec_context is None:
            raise Unreadable("holds audio of a kind that cannot be decoded")
        # WMA: FFmpeg drops two frames where one is the delay. CAF: it takes the padding off twice
        # where the decoder did it. Ogg Vorbis: it goes by times that are wrong at block switches.
        vorbis = self.container == "ogg" and self.codec == "vorbis"
        self._manual = vorbis or self.container == "caf" or self.codec.startswith("wmav")
        if self._manual:
            self._stream.codec_context.flags2 |= _SKIP_MANUAL
        self._flac = _FlacInfo(self._stream.codec_context) if self.codec == "flac" else None
        # In other containers FLAC may be a part of what was encoded.
        whole = self._flac is not None and self.container == "flac"
        self._checksum = self._flac.checksum() if self._flac is not None and whole else None
        count = len(self._container.streams.audio)
        if count > 1:
            self._warn(f"holds {count} streams of audio: only the first is read", lost=False)
        self.sample_rate = 0
        self.channels = 0
        self.speakers: tuple[str, ...] = ()
        self._order: list[int] | None = None
        self.frames: int | None = None
        self.seconds: float | None = None
        self.least = 0
        self._limit: int | None = None
        self._given = 0
        self._skip = self._delay = 0
        self._lead = 0
        self._counted = 0
        self._damaged = 0
        # Where the first of them stood, and how long they were together.
        self._failed = (0, 0)
        self._queue = BlockQueue(self._decode())
        # The first frame tells what the decoder gives: an AAC header may state half the rate.
        if not self._queue.fill(1):
            raise Unreadable(
                "holds no audio that can be decoded" + "".join(f" ({p})" for p in self.warnings[:1])
            )
        self.format = container_name(self.container)
        self.subtype = coding_name(self._stream.codec_context)
        self._note_length()

    def _note_length(self) -> None:
        container = self.container
        duration, base = self._stream.duration, self._stream.time_base
        exact = Fraction(duration) * base * self.sample_rate if duration and base else None
        if container.startswith("mov") and exact is not None:
            noted = _itunes_length(self._container)
            # Some writers count at half the rate (HE-AAC): believe it only where it fits.
            if noted is not None and abs(noted - exact) <= 8192:
                self._limit = self.frames = noted + self._lead
        elif exact is not None and exact.denominator == 1 and container in ("flac", "ogg", "caf"):
            start = self._stream.start_time or 0
            # Opus counts the encoder's delay as well. What begins elsewhere is a part of a stream.
            delay = self._stream.codec_context.delay if self.codec in ("opus", "libopus") else 0
            if start in (0, -delay):
                self.frames = int(exact) - delay
            if self._manual:
                self._limit = self.frames
        stated = self.frames
        if stated is None and exact is not None and container.startswith("mov"):
            stated = int(exact) + self._lead  # in units of a thousandth of a second
        # Lossy containers may count the codec's own delay and the padding of its last frame.
        self.least = max(0, (stated or 0) - (0 if container in ("flac", "caf") else 8192))
        if stated is not None:
            self.seconds = stated / self.sample_rate
        elif exact is not None:
            self.seconds = float(exact) / self.sample_rate
        elif self._container.duration:
            self.seconds = self._container.duration / 1e6

    def _warn(
        self, what: str, place: int | None = None, length: int | None = None, *, lost: bool = True
    ) -> None:
        self.warnings.append(FileWarning(what, place, length, lost=lost))

    def _decode(self) -> Iterator[Array]:
        """Blocks in their places, the last one without its padding."""
        held: tuple[Array, int] | None = None
        for block, keep in self._placed():
            if held is not None:
                yield held[0]
            held = block, keep
        if held is not None:
            yield self._without_padding(*held)
        there = self._lead + self._counted
        if self._missing:
            self._warn(f"is cut off: its last {self._missing} bytes are missing", there)
        if self._damaged:
            place, length = self._failed
            what = f"is damaged: {self._damaged} packets could not be decoded"
            if self.sample_rate:
                what += f", from {place / self.sample_rate:.3f} s on"
            self._warn(what, place, length)
        elif self._checksum is not None and not self._checksum.fits() and not self._has_lost(there):
            self._warn("is damaged: its audio does not match its own checksum (MD5)")

    def _has_lost(self, there: int) -> bool:
        """Whether audio is missing anyhow, of which the reader tells."""
        return there < (self.frames or 0) or any(warning.lost for warning in self.warnings)

    def _placed(self) -> Iterator[tuple[Array, int]]:
        """Blocks, and how much of each its packet wants kept; late starts and gaps are silence."""
        line: TimeLine | None = None
        timed = self.container.startswith(_TIMED)
        early = keep = 0
        for samples, time, keep in self._samples():
            if samples is None:
                # Times that hold tell by themselves of packets that cannot be decoded.
                if line is None:
                    early += 0 if timed else keep
                elif not timed:
                    line.skip(keep)
                    self._counted = line.counted
                    yield from self._silence(keep)
                continue
            if self._checksum is not None:
                self._checksum.add(samples)
            block = samples_to_float(samples)
            if self._order is not None:
                block = block[self._order]
            skipped = min(self._skip, block.shape[1])
            if skipped:
                self._skip -= skipped
                block = block[:, skipped:]
                keep -= skipped
                if time is not None:
                    time += Fraction(skipped, self.sample_rate)
                if not block.shape[1]:
                    continue
            if line is None:
                line = TimeLine(self.sample_rate, _largest_block(self._stream.codec_context))
                yield from self._late_start(time)
                line.skip(early)
                yield from self._silence(early)
            parts = line.place(block, time if timed else None)
            yield from self._with_gaps(parts, keep)
            self._counted = line.counted
        if line is not None:
            yield from self._with_gaps(line.finish(), keep)
            self._counted = line.counted

    def _with_gaps(self, parts: Iterator[Array | Gap], keep: int) -> Iterator[tuple[Array, int]]:
        for part in parts:
            if isinstance(part, Gap):
                yield from self._fill_gap(part)
            else:
                yield part, keep

    def _without_padding(self, block: Array, keep: int) -> Array:
        """The last block of an MP4, as long as its packet or the edit list wants it."""
        if not self.container.startswith("mov"):
            return block
        end = block.shape[1]
        if 0 < keep < end:
            end = keep
        duration, base = self._stream.duration, self._stream.time_base
        if duration and base and self._stream.frames:
            # The edit list counts in units of the film, most often a thousandth of a second.
            seconds = duration * base + _EDIT_UNITS_S
            over = self._lead + self._counted - int(seconds * self.sample_rate)
            if 0 < over < block.shape[1]:
                end = min(end, block.shape[1] - over)
        return block[:, :end]

    def _samples(self) -> Iterator[tuple[npt.NDArray[Any] | None, Fraction | None, int]]:
        """Decoded frames with their times, and how much of each its packet wants kept.

        None stands for a packet that cannot be decoded.
        """
        packets = self._container.demux(self._stream)
        first = True
        while True:
            try:
                packet = next(packets)
            except (StopIteration, IndexError):
                # PyAV stumbles over streams that turn up on the way, behind our last packet.
                return
            except (av.FFmpegError, OSError) as error:
                there = self._lead + self._counted
                self._warn(f"cannot be read further: {plain_reason(error)}", there)
                return
            length = 0
            if packet.duration and packet.time_base:
                rate = self.sample_rate or int(self._stream.codec_context.sample_rate or 0)
                length = round(packet.duration * packet.time_base * rate)
            place = None
            if self._flac is not None and self.container == "flac" and packet.size:
                place = self._flac.place_of(bytes(memoryview(packet)[:16]))
            try:
                frames = packet.decode()
            except (av.FFmpegError, ValueError):
                place, lost = self._failed
                self._failed = (
                    (place if self._damaged else self._lead + self._counted),
                    lost + length,
                )
                self._damaged += 1
                yield None, None, length
                continue
            for frame in frames:
                layout = layout_of(frame)
                samples = frame_samples(frame)
                self._check_same(int(frame.sample_rate), samples.shape[0], layout)
                if first:
                    self._skip = self._delay = self._delay_of(frame, packet)
                    first = False
                time = None
                if place is not None:
                    time = Fraction(place, self.sample_rate)
                elif self.container != "flac" and frame.pts is not None and frame.time_base:
                    time = frame.pts * frame.time_base
                yield samples, time, length or samples.shape[1]

    def _delay_of(self, frame: Any, packet: Any) -> int:
        """Samples before the first one that FFmpeg does not take off by itself."""
        if self._manual:
            try:
                data = frame.side_data[SideData.SKIP_SAMPLES]
            except KeyError:
                return 0
            noted = int.from_bytes(bytes(data)[:4], "little")
            return noted // 2 if self.codec.startswith("wmav") else noted
        if self.container.startswith(_SAYS_DELAY):
            return 0
        name = self.codec.removesuffix("float")
        if name in ("mp1", "mp2", "mp3"):
            # A transport stream says only that it is one of the three.
            header = mpeg_header(bytes(memoryview(packet)[:4]))
            name = f"mp{header.kind[1]}" if header else name
        if name == "sbc" and packet.size > 1 and not memoryview(packet)[1] & 1:
            return 37  # four bands instead of eight
        delay = _DELAYS.get(name, 0)
        stated = int(self._stream.codec_context.sample_rate or self.sample_rate)
        return delay * max(1, self.sample_rate // stated) if name.startswith("aac") else delay

    def _late_start(self, time: Fraction | None) -> Iterator[tuple[Array, int]]:
        """Silence for sound that begins after the pictures, or after the time 0 of an MP4."""
        zero = self._zero()
        if time is None or zero is None:
            return
        frames = round((time - zero) * self.sample_rate)
        # Where the container knows nothing of delays, what was taken off had a time of its own.
        if frames < max(self.sample_rate // 500, self._delay + self._delay // 8):
            return
        seconds = frames / self.sample_rate
        if seconds > _LONGEST_START_S:
            self._warn(f"begins {seconds:.0f} s late; nothing was put in", 0, frames, lost=False)
            return
        self._lead = frames
        self._warn(f"begins {seconds:.3f} s late: silence stands before it", 0, frames, lost=False)
        yield from self._silence(frames)

    def _zero(self) -> Fraction | None:
        """The time at which sound is expected to begin; None where any will do."""
        if self.container.startswith("mov"):
            return Fraction(0)
        starts = [
            Fraction(stream.start_time) * stream.time_base
            for stream in self._container.streams.video
            if stream.start_time is not None
            and not stream.disposition & av.stream.Disposition.attached_pic
        ]
        return min(starts) if starts else None

    def _fill_gap(self, gap: Gap) -> Iterator[tuple[Array, int]]:
        """Stand in for audio that is not there, so that the rest stays in its place."""
        seconds, place = gap.frames / self.sample_rate, self._lead + gap.place
        at = f"at {place / self.sample_rate:.3f} s"
        if seconds > _LONGEST_GAP_S:
            self._warn(f"jumps by {seconds:.0f} s {at}; nothing was put in", place, gap.frames)
            return
        # Containers with an index may leave silence out; pages and frames that follow each other
        # may not.
        if self.container.startswith(("mov", "matroska")) and not self._damaged:
            what = f"leaves out {seconds:.3f} s {at}: silence stands for it"
            self._warn(what, place, gap.frames, lost=False)
        else:
            what = f"is damaged: silence stands for {seconds:.3f} s that were lost {at}"
            self._warn(what, place, gap.frames)
        yield from self._silence(gap.frames)

    def _silence(self, frames: int) -> Iterator[tuple[Array, int]]:
        for start in range(0, frames, 65536):
            size = min(65536, frames - start)
            yield np.zeros((self.channels, size), np.float32), size

    def _check_same(self, rate: int, channels: int, layout: Any) -> None:
        if self.sample_rate == 0:
            self.sample_rate, self.channels = rate, channels
            self.speakers, self._order = sorted_speakers(layout)
        elif (rate, channels) != (self.sample_rate, self.channels):
            seconds = self._queue.passed / self.sample_rate
            raise Unreadable(
                change_of((self.sample_rate, self.channels), (rate, channels), seconds)
            )

    def read(self, frames: int) -> Array:
        if self._limit is not None:
            frames = min(frames, self._limit - self._given)
        block = self._queue.take(frames, self.channels)
        self._given += block.shape[1]
        return block

    def close(self) -> None:
        self._queue.close()
        self._container.close()


class _FlacInfo:
    """What FLAC's STREAMINFO block says (RFC 9639, section 8.2)."""

    def __init__(self, context: Any) -> None:
        header = bytes(context.extradata or b"")
        info = header[8:] if header.startswith(b"fLaC") else header
        whole = len(info) >= 34
        self.bits = ((info[12] & 1) << 4 | info[13] >> 4) + 1 if whole else 0
        self.block = int.from_bytes(info[2:4], "big") if whole else 0
        self.digest = info[18:34] if whole else b""

    def place_of(self, head: bytes) -> int | None:
        """Number of a frame's first sample, from its header (section 9.1)."""
        if len(head) < 11 or head[0] != 0xFF or head[1] & 0xFE != 0xF8:
            return None
        first = head[4]
        more = 0
        while more < 7 and first & (0x80 >> more):
            more += 1
        number = first & (0x7F >> more)
        for byte in head[5 : 4 + more]:
            number = number << 6 | (byte & 0x3F)
        return number if head[1] & 1 else number * self.block

    def checksum(self) -> _Checksum | None:
        """None where the encoder left it out."""
        return _Checksum(self.bits, self.digest) if self.digest.strip(b"\0") else None


class _Checksum:
    """MD5 of the samples as FLAC's encoder saw them."""

    def __init__(self, bits: int, wanted: bytes) -> None:
        self._bits = bits
        self._wanted = wanted
        self._digest = hashlib.md5(usedforsecurity=False)

    def add(self, samples: npt.NDArray[Any]) -> None:
        """Count in (channels, n) integers, which are left-aligned in their type."""
        width = samples.dtype.itemsize
        data = np.ascontiguousarray(samples.T) >> (8 * width - self._bits)
        packed = data.astype(data.dtype.newbyteorder("<")).view(np.uint8).reshape(-1, width)
        self._digest.update(packed[:, : (self._bits + 7) // 8].tobytes())

    def fits(self) -> bool:
        return self._digest.digest() == self._wanted


def _largest_block(context: Any) -> int:
    """Samples in the largest packet, where the header says it (Vorbis I, section 4.2.2)."""
    if str(context.name) != "vorbis":
        return 0
    header = bytes(context.extradata or b"")
    at = header.find(b"\x01vorbis")
    return (1 << (header[at + 28] >> 4)) // 2 if 0 <= at < len(header) - 28 else 0


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


def plain_reason(error: BaseException) -> str:
    """The reason in a library's message, in one line and without file names or numbers."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    lines = str(text).strip().splitlines() or [type(error).__name__]
    reason = lines[0].rstrip(".")
    if any(word in reason for word in ("Invalid data", "not recognised", "End of file")):
        return "not an audio file, or incomplete, or damaged at its start"
    return reason
