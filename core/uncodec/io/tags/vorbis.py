"""Vorbis comments: of FLAC, which is read and written, and of Ogg files, which are read."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any, BinaryIO

import mutagen
import mutagen.flac

from uncodec.io.tags.model import Chapter, Collector, NotCarried, Picture, Tags
from uncodec.io.tags.names import PAIRS, name_of, vorbis_name
from uncodec.io.tags.pictures import LINK, collect_picture, probe_picture

__all__ = ["FlacTags", "read_comments", "read_flac_blocks"]

_flac: Any = mutagen.flac

# The length of a FLAC metadata block has 24 bits.
_MOST_BYTES = 2**24 - 1
_MOST_CHAPTERS = 1000
_PADDING = 4096
_CHAPTER = re.compile(r"CHAPTER(\d{3})(NAME|URL)?", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,4}):(\d{1,2}):(\d{1,2}(?:\.\d+)?)")
_PERFORMER = re.compile(r"(.+) \(([^()]+)\)", re.DOTALL)
_MUSICMAGIC = "MusicMagic Fingerprint "
# Written beside the name that Picard reads first, for players that know only this one.
_TWINS = {"DISCTOTAL": "TOTALDISCS", "TRACKTOTAL": "TOTALTRACKS"}
# What the channels of a FLAC file are for: part of the audio, not a tag.
_MASK = "WAVEFORMATEXTENSIBLE_CHANNEL_MASK"
_NUMBERS = {names[0]: names for names in PAIRS.values()}


def read_comments(pairs: Iterable[tuple[str, str]], into: Collector) -> None:
    """Add what the (key, value) pairs of a Vorbis comment say."""
    chapters: dict[str, dict[str, str]] = {}
    covers: list[str] = []
    for key, value in pairs:
        chapter = _CHAPTER.fullmatch(key)
        upper = key.upper()
        if chapter:
            chapters.setdefault(chapter[1], {})[(chapter[2] or "").upper()] = value
        elif upper == "METADATA_BLOCK_PICTURE":
            _read_coded_picture(value, into)
        elif upper == "COVERART":
            covers.append(value)
        elif upper not in ("COVERARTMIME", _MASK):
            _read_comment(key, value, into)
    for cover in covers:
        data = _decoded(cover)
        if data is None:
            into.leave("COVERART", "is not base64")
        else:
            collect_picture(into, data, 3)
    _read_chapters(chapters, into)


def _read_comment(key: str, value: str, into: Collector) -> None:
    name = name_of("vorbis", key)
    performer = _PERFORMER.fullmatch(value)
    if name == "performer" and performer:
        into.add(f"performer:{performer[2]}", [performer[1]])
    elif name == "musicip_fingerprint":
        known = value.startswith(_MUSICMAGIC)
        into.add(name if known else "fingerprint", [value.removeprefix(_MUSICMAGIC)])
    elif name in _NUMBERS:
        into.add_pair(*_NUMBERS[name], value)
    else:
        into.add(name, [value], once=name in ("totaldiscs", "totaltracks"))


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=False)
    except (binascii.Error, ValueError):
        return None


def _read_coded_picture(text: str, into: Collector) -> None:
    data = _decoded(text)
    try:
        picture = _flac.Picture(data or b"")
    except mutagen.MutagenError:
        into.leave("METADATA_BLOCK_PICTURE", "is broken")
        return
    _read_picture(picture, into)


def _read_picture(picture: Any, into: Collector) -> None:
    collect_picture(into, picture.data, int(picture.type), picture.desc, picture.mime)


def _read_chapters(chapters: dict[str, dict[str, str]], into: Collector) -> None:
    for number, parts in sorted(chapters.items()):
        clock = _CLOCK.fullmatch(parts.get("", "").strip())
        if clock is None:
            into.leave(f"CHAPTER{number}", "states no time")
            continue
        hours, minutes, seconds = clock.groups()
        start = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
        into.chapters.append(Chapter(start, parts.get("NAME", "")))
        if "URL" in parts:
            into.leave(f"CHAPTER{number}URL", "only the title of a chapter is kept")
    into.chapters.sort(key=lambda chapter: chapter.start)


def read_flac_blocks(file: Any, into: Collector) -> None:
    """Add the pictures of a FLAC file, and name the blocks that are not copied."""
    for picture in file.pictures:
        _read_picture(picture, into)
    if file.cuesheet is not None:
        into.leave("FLAC cue sheet", "its positions are not copied")
    for block in file.metadata_blocks:
        if block.code == 2:
            into.leave("FLAC application block", "is no text")


class FlacTags:
    """Tags in the form that a FLAC file takes; made before the audio is, put in after it.

    Attributes
    ----------
    left : list of NotCarried
        What FLAC cannot hold.
    room : int
        Bytes that the tags take at the head of the file.
    """

    def __init__(self, tags: Tags) -> None:
        self.left: list[NotCarried] = []
        self._pairs: list[tuple[str, str]] = []
        self._size = 1024  # the name of the library
        # Players show the first of several comments: that is the one without a description.
        for name in sorted(tags.fields, key=lambda name: ":" in name):
            self._add_field(name, tags.fields[name])
        self._add_chapters(tags.chapters)
        self._pictures = [
            block for picture in tags.pictures if (block := self._picture_block(picture))
        ]
        sizes = [self._size, *(len(block.write()) for block in self._pictures)]
        self.room = sum(size + 4 for size in sizes) if tags else 0

    def _add_field(self, name: str, values: Iterable[str]) -> None:
        head, _, rest = name.partition(":")
        if head == "performer" and rest:
            key, values = "PERFORMER", [f"{value} ({rest})" for value in values]
        elif head == "comment" and rest:
            key, values = "COMMENT", [f"{value} ({rest})" for value in values]
        elif head == "lyrics" and rest:
            key = "LYRICS"
            self.left.append(NotCarried(f"description of {name}", "FLAC has no place for it"))
        elif name == "musicip_fingerprint":
            key, values = "FINGERPRINT", [_MUSICMAGIC + value for value in values]
        else:
            found = vorbis_name(name)
            if found is None:
                self.left.append(NotCarried(name, "names in FLAC are ASCII without ="))
                return
            key = found
        for each in (key, _TWINS.get(key)):
            if each:
                self._add_pairs(name, [(each, _clean(value)) for value in values])

    def _add_pairs(self, name: str, pairs: list[tuple[str, str]]) -> None:
        size = sum(len(key) + len(value.encode()) + 5 for key, value in pairs)
        if self._size + size > _MOST_BYTES:
            self.left.append(NotCarried(name, "the texts of a FLAC file hold 16 MiB together"))
            return
        self._size += size
        self._pairs += pairs

    def _add_chapters(self, chapters: Iterable[Chapter]) -> None:
        items = sorted(chapters, key=lambda chapter: chapter.start)
        for index, chapter in enumerate(items):
            if index >= _MOST_CHAPTERS:
                over = len(items) - _MOST_CHAPTERS
                self.left.append(NotCarried(f"{over} chapters", "FLAC numbers 1000 of them"))
                break
            minutes, ms = divmod(round(1000 * chapter.start), 60_000)
            hours, minutes = divmod(minutes, 60)
            key = f"CHAPTER{index:03}"
            clock = f"{hours:02}:{minutes:02}:{ms // 1000:02}.{ms % 1000:03}"
            pairs = [(key, clock), (f"{key}NAME", _clean(chapter.title))]
            self._add_pairs("chapters", pairs)

    def _picture_block(self, picture: Picture) -> Any:
        known = picture
        if not picture.width and picture.mime != LINK:
            known = probe_picture(picture.data) or picture
        block = _flac.Picture()
        block.type, block.mime, block.data = picture.kind, picture.mime, picture.data
        block.desc = _clean(picture.description)
        block.width, block.height = known.width, known.height
        if len(block.write()) > _MOST_BYTES:
            self.left.append(NotCarried(picture.label, "a picture in FLAC holds 16 MiB"))
            return None
        return block

    def put(self, file: BinaryIO) -> None:
        """Replace the texts and pictures of a complete FLAC file.

        Raises
        ------
        mutagen.MutagenError
            If it is no FLAC file.
        """
        file.seek(0)
        flac = _flac.FLAC(file)
        if flac.tags is None:
            flac.add_tags()
        masks = [pair for pair in flac.tags if pair[0].upper() == _MASK]
        flac.tags[:] = masks + self._pairs
        flac.clear_pictures()
        for block in self._pictures:
            flac.add_picture(block)
        file.seek(0)
        # Room that was left at the head is used: the audio need not move.
        flac.save(file, padding=lambda info: info.padding if info.padding >= 0 else _PADDING)


def _clean(text: str) -> str:
    """Text that can be stored: NUL is not allowed, and half a surrogate is no letter."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
