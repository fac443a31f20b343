"""Ogg: files that hold one stream behind the other are read one after the other.

An Ogg file may be any number of files put together ("chaining", RFC 3533, section 4): radio streams
and albums in one file are. Each of them has times of its own, and a beginning and an end to be cut
to the sample, so each is decoded as a file of its own.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from uncodec.io.av_decoder import AvDecoder
from uncodec.io.blocks import Unreadable, change_of
from uncodec.io.file_warnings import FileWarning
from uncodec.signals import Array

__all__ = ["OggDecoder", "is_ogg"]


_CHUNK = 1 << 16


def is_ogg(head: bytes) -> bool:
    """Whether a file begins with a page."""
    return head.startswith(b"OggS")


@dataclass
class _Link:
    """One of the files in a chain: bytes from `start` to `end`; whether its end is marked."""

    start: int
    end: int
    complete: bool = False


class _Part(io.RawIOBase):
    """A stretch of a file, as a file."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file = file
        self._start = start
        self._size = end - start
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._at)
        self._file.seek(self._start + self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at


class OggDecoder:
    """FFmpeg on every link of the chain."""

    def __init__(self, path: Path) -> None:
        self.warnings: list[FileWarning] = []
        self._file = path.open("rb")
        try:
            self._links = _find_links(self._file)
            self._open_first(path)
        except BaseException:
            self._file.close()
            raise

    def _open_first(self, path: Path) -> None:
        links = self._links
        end = self._file.seek(0, 2)
        self._next = 1
        self._given = 0
        # What follows a marked end is no audio; what follows anything else FFmpeg has to judge.
        junk = end - links[-1].end if links and links[-1].complete else 0
        apart = len(links) > 1 or junk > 0
        self._decoder = self._open(0) if apart else AvDecoder(path)
        first = self._decoder
        self.sample_rate, self.channels = first.sample_rate, first.channels
        self.speakers = first.speakers
        self.format, self.subtype = first.format, first.subtype
        self.frames, self.seconds, self.least = first.frames, first.seconds, first.least
        if len(links) > 1:
            # The others are opened when it is their turn: there may be hundreds.
            self.frames, self.least = None, 0
            if first.seconds is not None:
                self.seconds = first.seconds * end / max(1, links[0].end - links[0].start)
        if junk:
            self.warnings.append(
                FileWarning(
                    f"holds {junk} bytes that are no audio, from byte {links[-1].end} on: "
                    "passed over",
                    links[-1].end,
                    junk,
                    "bytes",
                    lost=False,
                )
            )
        if not links or not links[-1].complete:
            place = links[-1].end if links else None
            self.warnings.append(
                FileWarning("is cut off: the page that ends it is missing", place, None, "bytes")
            )
        # How many of the decoder's warnings were taken over, and where its link begins.
        self._taken = self._offset = 0

    def _open(self, number: int) -> AvDecoder:
        link = self._links[number]
        return AvDecoder(_Part(self._file, link.start, link.end))  # type: ignore[arg-type]

    def read(self, frames: int) -> Array:
        blocks = [self._decoder.read(frames)]
        got = blocks[0].shape[1]
        while got < frames and self._next < len(self._links):
            self._take_warnings()
            self._advance(self._given + got)
            blocks.append(self._decoder.read(frames - got))
            got += blocks[-1].shape[1]
        self._take_warnings()
        self._given += got
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)

    def _advance(self, place: int) -> None:
        """Go on to the next link, which begins at sample `place`."""
        old = self._decoder
        old.close()
        self._decoder = new = self._open(self._next)
        self._next += 1
        self._offset, self._taken = place, 0
        if (new.sample_rate, new.channels) != (old.sample_rate, old.channels):
            raise Unreadable(
                change_of(
                    (old.sample_rate, old.channels),
                    (new.sample_rate, new.channels),
                    place / self.sample_rate,
                )
            )

    def _take_warnings(self) -> None:
        """Take over what the decoder of the link has to say, with places in the whole file."""
        for warning in self._decoder.warnings[self._taken :]:
            if warning.offset is not None:
                warning = replace(warning, offset=warning.offset + self._offset)
            self.warnings.append(warning)
        self._taken = len(self._decoder.warnings)

    def close(self) -> None:
        self._decoder.close()
        self._file.close()


def _find_links(file: BinaryIO) -> list[_Link]:
    """Walk from page to page (RFC 3533, section 6)."""
    links: list[_Link] = []
    begins = False
    for place, size, flags in _pages(file):
        first = bool(flags & 2)
        if first and not begins:
            if links:
                links[-1].end = place
            links.append(_Link(place, place))
        begins = first
        if links:
            links[-1].end = place + size
            links[-1].complete = bool(flags & 4)
    return links


def _pages(file: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Place, size and flags of every page that is there as a whole."""
    end = file.seek(0, 2)
    place = 0
    while place < end:
        file.seek(place)
        head = file.read(27 + 255)
        if head[:4] == b"OggS" and len(head) >= 27 and head[4] == 0:
            count = head[26]
            size = 27 + count + sum(head[27 : 27 + count])
            if place + size <= end:
                yield place, size, head[5]
                place += size
                continue
        place = _next_page(file, place + 1, end)


def _next_page(file: BinaryIO, place: int, end: int) -> int:
    while place < end:
        file.seek(place)
        at = file.read(_CHUNK).find(b"OggS")
        if at >= 0:
            return place + at
        place += _CHUNK - 3
    return end
