"""Decoding of streams of frames without a container: MP1, MP2, MP3 and AAC in ADTS."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from uncodec.frames import frame_to_float
from uncodec.io.blocks import BlockQueue, Unreadable, change_of
from uncodec.io.file_warnings import FileWarning
from uncodec.io.framing import FrameIndex, Segment, adts_header, index_frames, mpeg_header
from uncodec.io.layouts import layout_of, sorted_speakers
from uncodec.signals import Array

__all__ = ["FrameDecoder", "NoFrames"]


_DECODERS = {0: "aac", 1: "mp1float", 2: "mp2float", 3: "mp3float"}
_NAMES = {0: "AAC", 1: "MP1", 2: "MP2", 3: "MP3"}


class NoFrames(Unreadable):
    """No frame was found: perhaps it is of a kind that FFmpeg knows."""


class FrameDecoder:
    """Frames found by :mod:`uncodec.io.framing`, decoded by FFmpeg, placed by counting.

    What an encoder put before the first sample and behind the last one is taken off: by LAME's
    header where there is one, else by what every encoder of that kind puts there. Lost frames are
    silence of their length.
    """

    def __init__(self, path: Path, container: str) -> None:
        self.format = {"mp3": "MP3", "aac": "AAC"}.get(container, "WAV")
        self.warnings: list[FileWarning] = []
        self._file = path.open("rb")
        try:
            start, end = 0, self._file.seek(0, 2)
            if container == "wav":
                start, end = _wav_data(self._file, end)
            header = adts_header if container == "aac" else mpeg_header
            self._index = index_frames(self._file, start, end, header)
            self._start()
        except BaseException:
            self._file.close()
            raise

    def _start(self) -> None:
        segments = self._index.segments
        if not any(segment.count for segment in segments):
            raise NoFrames("holds no audio that can be decoded")
        self.sample_rate = self.channels = 0
        self.speakers: tuple[str, ...] = ()
        self._order: list[int] | None = None
        self.subtype = _NAMES[segments[0].frame.kind[1]]
        self._failed: list[tuple[int, int]] = []
        self._queue = BlockQueue(self._decode())
        if not self._queue.fill(1):
            raise NoFrames("holds no audio that can be decoded")
        # The decoder may double the rate that the header states (HE-AAC).
        self.frames: int | None = sum(self._length(segment) for segment in segments)
        self.seconds: float | None = self.frames / self.sample_rate
        self.least = self.frames
        self._warn_early()

    def _factor(self, segment: Segment) -> int:
        return max(1, self.sample_rate // segment.frame.kind[2])

    def _length(self, segment: Segment) -> int:
        pad = segment.pad if segment.whole else 0
        samples = segment.count * segment.frame.samples - segment.skip - pad
        return self._factor(segment) * max(0, samples)

    def _decode(self) -> Iterator[Array]:
        self._base = 0
        for segment in self._index.segments:
            left: int | None = None
            skip = -1
            for block in self._decode_segment(segment):
                if left is None:
                    left, skip = self._length(segment), segment.skip * self._factor(segment)
                drop = min(skip, block.shape[1])
                skip -= drop
                block = block[:, drop : drop + left]
                left -= block.shape[1]
                if block.shape[1]:
                    yield block
            self._base += segment.count * segment.frame.samples
        if self._failed and self.sample_rate:
            self._warn_lost(self._failed)

    def _decode_segment(self, segment: Segment) -> Iterator[Array]:
        context = av.CodecContext.create(_DECODERS[segment.frame.kind[1]], "r")
        waiting = place = 0
        pairs = zip(segment.places[::2], segment.places[1::2], strict=True)
        for offset, size in pairs:
            parts = self._decode_frame(context, offset, size) if size else []
            if not parts:
                if size:
                    self._failed.append((self._base + place, segment.frame.samples))
                if not self.sample_rate:
                    waiting += 1  # how long it is shows with the first frame that can be decoded
                else:
                    yield self._silence(segment)
            for part in parts:
                while waiting:
                    yield self._silence(segment)
                    waiting -= 1
                yield part
            place += segment.frame.samples

    def _silence(self, segment: Segment) -> Array:
        return np.zeros((self.channels, segment.frame.samples * self._factor(segment)), np.float32)

    def _decode_frame(self, context: Any, offset: int, size: int) -> list[Array]:
        self._file.seek(offset)
        try:
            frames = context.decode(av.Packet(self._file.read(size)))
        except (av.FFmpegError, ValueError):
            return []
        parts = []
        for frame in frames:
            layout = layout_of(frame)
            data = frame_to_float(frame)
            if not self.sample_rate:
                self.sample_rate, self.channels = int(frame.sample_rate), data.shape[0]
                self.speakers, self._order = sorted_speakers(layout)
            elif (frame.sample_rate, data.shape[0]) != (self.sample_rate, self.channels):
                raise Unreadable(
                    change_of(
                        (self.sample_rate, self.channels),
                        (int(frame.sample_rate), data.shape[0]),
                        self._queue.passed / self.sample_rate,
                    )
                )
            parts.append(data if self._order is None else data[self._order])
        return parts

    def _warn_early(self) -> None:
        """What the index tells: known before anything is read."""
        index: FrameIndex = self._index
        if index.junk:
            total = sum(length for _, length in index.junk)
            places = f" in {len(index.junk)} places" if len(index.junk) > 1 else ""
            self.warnings.append(
                FileWarning(
                    f"holds {total} bytes that are no audio{places}, "
                    f"from byte {index.junk[0][0]} on: passed over",
                    index.junk[0][0],
                    total,
                    "bytes",
                    lost=False,
                )
            )
        last = index.segments[-1]
        if index.missing:
            self.warnings.append(
                FileWarning(
                    f"is cut off: the last frame lacks {index.missing} bytes",
                    self._file.seek(0, 2),
                    index.missing,
                    "bytes",
                )
            )
        # Some encoders count their own header as a frame.
        elif last.stated is not None and last.stated > last.count + 1:
            self.warnings.append(
                FileWarning(
                    f"is cut off: {last.count} of {last.stated} frames are there",
                    self.frames,
                    (last.stated - last.count) * last.frame.samples * self._factor(last),
                )
            )
        if index.lost:
            self._warn_lost(index.lost)

    def _warn_lost(self, lost: list[tuple[int, int]]) -> None:
        first = self._index.segments[0]
        factor = self._factor(first)
        total = sum(length for _, length in lost) * factor
        place = max(0, lost[0][0] - first.skip) * factor
        places = f" in {len(lost)} places" if len(lost) > 1 else ""
        self.warnings.append(
            FileWarning(
                f"is damaged: silence stands for {total / self.sample_rate:.3f} s that were lost"
                f"{places}, from {place / self.sample_rate:.3f} s on",
                place,
                total,
            )
        )

    def read(self, frames: int) -> Array:
        return self._queue.take(frames, self.channels)

    def close(self) -> None:
        self._queue.close()
        self._file.close()


def _wav_data(file: BinaryIO, end: int) -> tuple[int, int]:
    """Where the data chunk of a WAV begins and ends."""
    place = 12
    while place + 8 <= end:
        file.seek(place)
        name, size = struct.unpack("<4sI", file.read(8))
        if name == b"data":
            return place + 8, min(end, place + 8 + size) if size not in (0, 0xFFFFFFFF) else end
        place += 8 + size + size % 2
    raise Unreadable("holds no audio (no data chunk)")
