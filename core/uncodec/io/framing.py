"""Streams of frames without a container (MP1, MP2, MP3, ADTS): where each frame lies.

Such files carry anything in front of, between and behind their frames: tags of four kinds, zeros, a
web server's error page, another file. What is a frame is decided by its header and by the header of
its neighbour; the rest is told apart here as tags, as bytes that are no audio, and as audio that is
lost.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

__all__ = ["Frame", "FrameIndex", "Segment", "adts_header", "index_frames", "mpeg_header"]

# ISO/IEC 11172-3, 2.4.2.3 and ISO/IEC 13818-3, 2.4.2.3: kbit/s by (MPEG-1?, layer), and Hz.
_KBPS = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
# ISO/IEC 14496-3, 1.6.3.4.
_AAC_RATES = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
# So many frames in a row are believed at the first glance.
_SURE = 3
_CHUNK = 1 << 16
_BEGINNINGS = re.compile(b"\xff|ID3")
# The decoder of layer 3 is late by this much; encoders state their own part only.
_LAYER3_DELAY = 529
_LAME_DELAY = 576
# Analysis and synthesis filter bank of layers 1 and 2 together; first half of the first AAC window.
_DELAYS = {1: 481, 2: 481, 3: _LAYER3_DELAY + _LAME_DELAY, 0: 1024}


class Frame(NamedTuple):
    """What a frame header says: two frames of one stream agree in `kind`."""

    kind: tuple[int, int, int]  # version, layer (0: AAC), rate in Hz
    size: int  # bytes, header included
    samples: int  # per channel
    channels: int
    variable: int  # bit rate in kbit/s, 0 where the header does not say


def mpeg_header(head: bytes) -> Frame | None:
    """Read an MPEG audio header (4 bytes); None if it is none. Free format is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    rate_index, rate_kbps = head[2] >> 2 & 3, head[2] >> 4
    if version == 1 or layer == 4 or rate_index == 3 or rate_kbps in (0, 15) or head[3] & 3 == 2:
        return None
    kbps = _KBPS[version == 3, layer][rate_kbps - 1]
    rate = _RATES[version][rate_index]
    samples = 384 if layer == 1 else 1152 if layer == 2 or version == 3 else 576
    unit = 4 if layer == 1 else 1
    size = (samples // 8 * kbps * 1000 // rate // unit + (head[2] >> 1 & 1)) * unit
    return Frame((version, layer, rate), size, samples, 1 if head[3] >> 6 == 3 else 2, kbps)


def adts_header(head: bytes) -> Frame | None:
    """Read an ADTS header (7 bytes); None if it is none."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    rate_index = head[2] >> 2 & 15
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if rate_index >= len(_AAC_RATES) or size < 8:
        return None
    channels = (head[2] & 1) << 2 | head[3] >> 6
    blocks = (head[6] & 3) + 1
    return Frame((head[1] >> 3 & 1, 0, _AAC_RATES[rate_index]), size, 1024 * blocks, channels, 0)


@dataclass
class Segment:
    """One encoded piece; files that were put together hold several.

    Attributes
    ----------
    frame : Frame
        Its first header.
    places : array of int
        Byte offset and size of each frame, one after the other. Size 0 stands for a frame that is
        lost.
    stated : int or None
        Number of frames that its own header states.
    skip, pad : int
        Samples that its encoder put before the first and behind the last sample.
    """

    frame: Frame
    places: array[int] = field(default_factory=lambda: array("q"))
    stated: int | None = None
    skip: int = 0
    pad: int = 0

    @property
    def count(self) -> int:
        """Frames, the lost ones included."""
        return len(self.places) // 2

    @property
    def whole(self) -> bool:
        """As many frames as its own header states: its padding lies at its end."""
        return self.stated in (None, self.count)


@dataclass
class FrameIndex:
    """Everything found in a file.

    Attributes
    ----------
    segments : list of Segment
    junk : list of (int, int)
        Offset and length in bytes of what is neither audio nor a tag.
    lost : list of (int, int)
        Place in samples, and number of samples, that damaged frames held.
    missing : int
        Bytes that the last frame lacks.
    """

    segments: list[Segment] = field(default_factory=list)
    junk: list[tuple[int, int]] = field(default_factory=list)
    lost: list[tuple[int, int]] = field(default_factory=list)
    missing: int = 0


def index_frames(
    file: BinaryIO, start: int, end: int, header: Callable[[bytes], Frame | None]
) -> FrameIndex:
    """Find every frame between two places of a file.

    Parameters
    ----------
    file : binary file
    start, end : int
        In bytes.
    header : callable
        :func:`mpeg_header` or :func:`adts_header`.
    """
    return _Walk(file, end, header).run(start)


class _Walk:
    def __init__(self, file: BinaryIO, end: int, header: Callable[[bytes], Frame | None]) -> None:
        self._file = file
        self._header = header
        self._end = end
        self._index = FrameIndex()
        # Frames of the segment, to judge gaps by: bytes so far, and whether all have one bit rate.
        self._bytes = 0
        self._rates: set[int] = set()
        self._gaps: list[tuple[int, int, int]] = []

    def run(self, start: int) -> FrameIndex:
        place = self._behind_tags(start)
        self._end = _before_tags(self._file, place, self._end)
        in_sync = False
        while place < self._end:
            frame = self._frame_at(place, in_sync)
            if frame is not None and place + frame.size > self._end:
                if in_sync:
                    self._index.missing = place + frame.size - self._end
                    break
                frame = None
            if frame is not None:
                self._take(place, frame)
                place += frame.size
                in_sync = True
                continue
            behind = self._behind_tags(place)
            if behind == place:
                behind = self._find_frame(place + 1)
                self._note_gap(place, behind - place, last=behind >= self._end)
            place = behind
            in_sync = False
        self._close_segment()
        return self._index

    def _read(self, place: int, count: int) -> bytes:
        self._file.seek(place)
        return self._file.read(min(count, max(0, self._end - place)))

    def _frame_at(self, place: int, in_sync: bool) -> Frame | None:
        """The frame that begins at `place`, if there is one."""
        frame = self._header(self._read(place, 7))
        if frame is None:
            return None
        segments = self._index.segments
        if in_sync and segments and frame.kind == segments[-1].frame.kind:
            return frame
        # Anything may look like a header: the ones behind it have to agree.
        behind = place
        other: Frame | None = frame
        known = bool(segments) and frame.kind == segments[-1].frame.kind
        for _ in range(_SURE - 1 - known):
            behind += 0 if other is None else other.size
            if behind == self._end or self._behind_tags(behind) != behind:
                return frame
            if behind > self._end:
                return None
            other = self._header(self._read(behind, 7))
            if other is None or other.kind != frame.kind:
                return None
        return frame

    def _find_frame(self, place: int) -> int:
        """Where the next frame or tag begins, or the end."""
        while place < self._end:
            chunk = self._read(place, _CHUNK)
            if not chunk:
                break
            for match in _BEGINNINGS.finditer(chunk):
                here = place + match.start()
                if match[0] == b"ID3":
                    if self._behind_tags(here) != here:
                        return here
                    continue
                frame = self._frame_at(here, False)
                if frame is not None and here + frame.size <= self._end:
                    return here
            place += max(1, len(chunk) - 2)
        return self._end

    def _behind_tags(self, place: int) -> int:
        """`place`, or where the ID3v2 tags end that begin there (ID3v2.4.0 structure, 3.1)."""
        while True:
            head = self._read(place, 10)
            if (
                len(head) < 10
                or head[:3] != b"ID3"
                or head[3] > 9
                or any(b > 127 for b in head[6:])
            ):
                return place
            size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            behind = place + 10 + size + (10 if head[5] & 16 else 0)
            if behind > self._end:
                return place  # longer than the file: what it claims may be sound
            place = behind

    def _take(self, place: int, frame: Frame) -> None:
        segments = self._index.segments
        note = _encoder_note(self._read(place, min(frame.size, 192)), frame)
        if note is not None or not segments or segments[-1].frame.kind != frame.kind:
            self._close_segment()
            segments.append(Segment(frame, skip=_DELAYS[frame.kind[1]]))
            if note is not None:
                stated, delays = note
                segments[-1].stated = stated
                if delays is not None:
                    segments[-1].skip = delays[0] + _LAYER3_DELAY
                    segments[-1].pad = max(0, delays[1] - _LAYER3_DELAY)
                return  # no audio in this frame
        segments[-1].places.extend((place, frame.size))
        self._bytes += frame.size
        self._rates.add(frame.variable)

    def _note_gap(self, place: int, size: int, *, last: bool) -> None:
        """Bytes that are no frame: put in by somebody, or what is left of frames."""
        segments = self._index.segments
        if last or not segments or not segments[-1].count:
            self._index.junk.append((place, size))
            return
        segment = segments[-1]
        # Judged when the segment is known as a whole; sizes of 0 are put in there.
        self._gaps.append((segment.count, place, size))

    def _close_segment(self) -> None:
        """Tell lost frames from bytes that somebody put in."""
        gaps, self._gaps = self._gaps, []
        rates, self._rates = self._rates, set()
        size, self._bytes = self._bytes, 0
        if not self._index.segments or not gaps:
            return
        segment = self._index.segments[-1]
        mean = size / max(1, segment.count)
        wanted = [gap[2] / mean for gap in gaps]
        if segment.stated is not None:
            left = max(0, segment.stated - segment.count)
            counts = _shared(left, wanted)
        elif len(rates) == 1 and 0 not in rates:
            # At a constant bit rate what is left of n frames is as long as n frames; each of them
            # may be a byte shorter or longer than the mean.
            counts = [
                round(w) if w > 0.5 and abs(w - round(w)) * mean <= round(w) + 1 else 0
                for w in wanted
            ]
        else:
            counts = [max(1, round(w)) for w in wanted]
        before = sum(s.count * s.frame.samples for s in self._index.segments[:-1])
        places: array[int] = array("q")
        done = 0
        for (frames, place, length), count in zip(gaps, counts, strict=True):
            places.extend(segment.places[2 * done : 2 * frames])
            done = frames
            if count:
                samples = segment.frame.samples
                self._index.lost.append((before + len(places) // 2 * samples, count * samples))
                places.extend([place, 0] * count)
            else:
                self._index.junk.append((place, length))
        places.extend(segment.places[2 * done :])
        segment.places = places


def _shared(total: int, weights: list[float]) -> list[int]:
    """Whole numbers that are together `total`, by weight."""
    if not total:
        return [0] * len(weights)
    exact = [total * weight / sum(weights) for weight in weights]
    counts = [int(value) for value in exact]
    order = sorted(range(len(weights)), key=lambda i: counts[i] - exact[i])
    for i in order[: total - sum(counts)]:
        counts[i] += 1
    return counts


def _encoder_note(data: bytes, frame: Frame) -> tuple[int | None, tuple[int, int] | None] | None:
    """Frame count and (delay, padding) of a frame that holds no audio but Xing's or VBRI's header.

    Layouts by LAME's source (VbrTag.c) and Fraunhofer's note on VBRI; None for a frame of audio.
    """
    version, layer, _ = frame.kind
    if layer != 3:
        return None
    at = (
        4 + (32 if frame.channels == 2 else 17)
        if version == 3
        else 4 + (17 if frame.channels == 2 else 9)
    )
    if data[36:40] == b"VBRI" and len(data) >= 54:
        return int.from_bytes(data[50:54], "big") or None, None
    if data[at : at + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(data[at + 4 : at + 8], "big")
    at += 8
    stated: int | None = None
    if flags & 1:
        stated = int.from_bytes(data[at : at + 4], "big") or None
        at += 4
    at += (4 if flags & 2 else 0) + (100 if flags & 4 else 0) + (4 if flags & 8 else 0)
    # LAME's part: nine bytes of name, twelve of other things, twice twelve bits of delays.
    name, delays = data[at : at + 4], data[at + 21 : at + 24]
    if len(delays) < 3 or name not in (b"LAME", b"Lavf", b"Lavc", b"L3.9"):
        return stated, None
    both = int.from_bytes(delays, "big")
    return stated, (both >> 12, both & 0xFFF)


def _before_tags(file: BinaryIO, start: int, end: int) -> int:
    """Where the tags begin that end a file: ID3v1, its extension, APE and Lyrics3, in any order."""
    while end > start:
        file.seek(max(start, end - 227 - 128))
        tail = file.read(end - file.tell())
        if tail[-128:-125] == b"TAG":
            end -= 128
        elif tail[-227:-223] == b"TAG+":
            end -= 227
        elif tail[-32:-24] == b"APETAGEX":
            size = int.from_bytes(tail[-20:-16], "little")
            header = 32 if tail[-9] & 0x80 else 0
            if not 32 <= size <= end - start - header:
                return end
            end -= size + header
        elif tail[-9:] == b"LYRICS200" and tail[-15:-9].isdigit():
            size = int(tail[-15:-9]) + 15
            if size > end - start:
                return end
            end -= size
        elif tail[-9:] == b"LYRICSEND":
            # Version 1 is not longer than 5100 bytes and states no length.
            file.seek(max(start, end - 5120))
            place = file.tell()
            found = file.read(end - place).rfind(b"LYRICSBEGIN")
            if found < 0:
                return end
            end = place + found
        else:
            return end
    return end
