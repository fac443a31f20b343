"""ID3v2 frames, read from any version and written as version 2.4."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO

import mutagen.id3

from uncodec.io.id3_layout import tag_length, to_synchsafe, walk_frames
from uncodec.io.tags.model import CODING, LOUDNESS, Chapter, Collector, NotCarried, Picture, Tags
from uncodec.io.tags.names import BY_NAME, PAIRS, ROLES, name_of
from uncodec.io.tags.pictures import collect_picture

__all__ = ["read_id3", "read_old_id3", "write_id3"]

_id3: Any = mutagen.id3

# A tag's length and a frame's have 28 bits.
_MOST_BYTES = 2**28 - 1
# The library copies what is left of the tag at each frame, and inflates without a bound. What goes
# beyond this would take minutes, or all memory.
_MOST_COPIED = 5 * 10**10
_MOST_INFLATED = 2**26

_LOUDNESS_FRAMES = {"EQU2", "EQUA", "RGAD", "RVA2", "RVAD", "XRVA"}
# Frames that become others when an old tag is brought to version 2.4.
_BECOME_OTHERS = {"IPLS", "TDAT", "TIME", "TORY", "TRDA", "TSIZ", "TYER"}
# About places in the coded stream, and its encryption.
_CODING_FRAMES = {"AENC", "ASPI", "ENCR", "GRID", "MLLT", "POSS", "RBUF", "SEEK"}
# Most programs state this one, whatever the language is; the others say that it is unknown.
_LANGUAGE = "eng"
_NO_LANGUAGES = {_LANGUAGE, "", "und", "xxx"}


def read_id3(data: bytes, into: Collector) -> None:
    """Add what an ID3v2 tag says.

    Parameters
    ----------
    data : bytes
        The tag from "ID3" on.
    into : Collector
    """
    wanted = tag_length(data[:10])
    if len(data) < wanted:
        into.leave("ID3 tag", f"is cut off: {len(data)} of {wanted} bytes are there")
        # What is there may be sound: say so in the header.
        data = data[:6] + to_synchsafe(len(data) - 10) + data[10:]
    held = dict.fromkeys(name for name, _, frame in walk_frames(data) if frame)
    problem = _hostile(data)
    if problem:
        into.leave("ID3 tag", problem)
        return
    tag = _id3.ID3()
    tag.load(io.BytesIO(data), translate=False)
    got = {frame.FrameID for frame in tag.values()}
    for name in held:
        if name in _LOUDNESS_FRAMES:
            into.leave(name, LOUDNESS)
        elif len(name) == 4 and name not in got | _BECOME_OTHERS:
            unknown = name not in _id3.Frames
            into.leave(name, "an unknown ID3 frame" if unknown else "a broken ID3 frame")
    read_frames(tag, into)


def _hostile(data: bytes) -> str | None:
    """What would keep the library busy for minutes or fill the memory."""
    inflated = copied = 0
    left = len(data)
    for frames, (_, flags, frame) in enumerate(walk_frames(data), start=1):
        left -= len(frame) + 6
        copied += left
        if flags & (0x0008 if data[3] == 4 else 0x0080):
            inflated += _inflated_size(frame)
        if inflated > _MOST_INFLATED:
            return f"its compressed frames hold more than {_MOST_INFLATED >> 20} MiB"
        if copied > _MOST_COPIED:
            return f"holds more than {frames - 1} frames in {len(data)} bytes"
    return None


def _inflated_size(frame: memoryview) -> int:
    """Bytes that a compressed frame inflates to, counted up to the bound."""
    most = 0
    for skip in (0, 4):  # behind the length that may stand before it
        try:
            most = max(most, len(zlib.decompressobj().decompress(frame[skip:], _MOST_INFLATED + 1)))
        except zlib.error:
            continue
    return most


def read_frames(tag: Any, into: Collector) -> None:
    """Add what the frames of a loaded tag say."""
    tag.update_to_v24()
    for frame in tag.values():
        _read_frame(frame, into)
    into.chapters.sort(key=lambda chapter: chapter.start)


def _read_frame(frame: Any, into: Collector) -> None:
    name = frame.FrameID
    if name in PAIRS:
        for text in frame.text:
            into.add_pair(*PAIRS[name], text)
    elif name in ("TIPL", "TMCL"):
        for role, person in frame.people:
            into.add(ROLES.get(role.lower(), f"performer:{role}".rstrip(":")), [person])
    elif name == "TXXX":
        into.add(name_of("id3", frame.desc) or "txxx", frame.text)
    elif name == "TCON":
        into.add("genre", frame.genres)
    elif name == "COMM":
        _note_language("comment", frame.lang, into)
        into.add(f"comment:{frame.desc}".rstrip(":"), frame.text)
    elif name == "USLT":
        _note_language("lyrics", frame.lang, into)
        into.add(f"lyrics:{frame.desc}".rstrip(":"), [frame.text])
    elif name in ("TDRC", "TDOR", "TDRL", "TDTG", "TDEN"):
        into.add(name_of("id3", name), [str(stamp).replace(" ", "T") for stamp in frame.text])
    elif name[0] == "T":
        into.add(name_of("id3", name), frame.text, once=name == "GRP1")
    elif name in ("MVNM", "GRP1"):
        into.add(name_of("id3", name), frame.text, once=True)
    elif name == "WXXX":
        into.add(f"url:{frame.desc}".rstrip(":"), [frame.url])
    elif name[0] == "W":
        into.add(name_of("id3", name), [frame.url])
    elif name == "POPM":
        _read_popularity(frame, into)
    elif name == "PCNT":
        into.add("playcount", [str(frame.count)])
    elif name == "PCST":
        into.add("podcast", ["1"])
    elif name == "UFID":
        _read_identifier(frame, into)
    elif name == "APIC":
        collect_picture(into, frame.data, int(frame.type), frame.desc, frame.mime)
    elif name == "CHAP":
        _read_chapter(frame, into)
    elif name == "CTOC":
        for inner in frame.sub_frames.values():
            into.leave(f"{inner.FrameID} of the table of contents", "only chapters have titles")
    elif name in _CODING_FRAMES:
        into.leave(name, CODING)
    elif name not in _LOUDNESS_FRAMES:
        owner = getattr(frame, "owner", "")
        into.leave(f"{name}:{owner}" if owner else name, "an ID3 frame that is no text")


def _note_language(name: str, language: str, into: Collector) -> None:
    if language.strip("\0 ").lower() not in _NO_LANGUAGES:
        into.leave(f"language of {name} ({language})", "only ID3 states one; the text is kept")


def _read_popularity(frame: Any, into: Collector) -> None:
    if frame.rating:  # 0 says that it is unknown
        share = f"{round(frame.rating / 255, 4):g}"
        into.add(f"_rating:{frame.email}".rstrip(":"), [share])
    count = getattr(frame, "count", 0)
    if count:
        into.add(f"playcount:{frame.email}".rstrip(":"), [str(count)])


def _read_identifier(frame: Any, into: Collector) -> None:
    try:
        into.add(name_of("id3", f"UFID:{frame.owner}"), [frame.data.decode("ascii")])
    except UnicodeDecodeError:
        into.leave(f"UFID:{frame.owner}", "an identifier that is no text")


def _read_chapter(frame: Any, into: Collector) -> None:
    inner = frame.sub_frames
    titles = [str(text) for text in inner.getall("TIT2")]
    end = frame.end_time / 1000 if frame.end_time > frame.start_time else None
    into.chapters.append(Chapter(frame.start_time / 1000, "".join(titles[:1]), end))
    for other in inner.values():
        if other.FrameID != "TIT2":
            into.leave(f"{other.FrameID} of a chapter", "only the title of a chapter is kept")


def write_id3(tags: Tags, seconds: float) -> tuple[bytes, list[NotCarried]]:
    """Form an ID3v2.4 tag.

    Parameters
    ----------
    tags : Tags
    seconds : float
        Length of the audio: there the last chapter ends.

    Returns
    -------
    data : bytes
        The tag, or nothing if there is nothing to say.
    left : list of NotCarried
    """
    writer = _Writer()
    for name, values in tags.fields.items():
        writer.add(name, [_clean(value) for value in values])
    writer.finish()
    writer.add_chapters(tags.chapters, seconds)
    writer.add_pictures(tags.pictures)
    if not writer.tag:
        return b"", writer.left
    buffer = io.BytesIO()
    writer.tag.save(buffer, v1=0, v2_version=4, padding=lambda info: 0)
    return buffer.getvalue(), writer.left


def _clean(text: str) -> str:
    """Text that can be stored: a NUL would part it, and half a surrogate is no letter."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


class _Writer:
    def __init__(self) -> None:
        self.tag = _id3.ID3()
        self.left: list[NotCarried] = []
        self._pairs: dict[str, dict[int, list[str]]] = {}
        self._people: dict[str, list[list[str]]] = {}
        self._ratings: dict[str, int] = {}
        self._counts: dict[str, str] = {}
        self._size = 0

    def add(self, name: str, values: list[str]) -> None:
        size = sum(len(value.encode()) for value in values) + len(name) + 64
        if not self._room(name, size):
            return
        head, _, rest = name.partition(":")
        entry = BY_NAME.get(head)
        frame = entry.id3 if entry else ""
        if frame in PAIRS:
            self._pairs.setdefault(frame, {})[PAIRS[frame].index(name)] = values
        elif head == "performer":
            self._people.setdefault("TMCL", []).extend([rest, value] for value in values)
        elif frame.startswith("TIPL:") and not rest:
            self._people.setdefault("TIPL", []).extend([frame[5:], value] for value in values)
        elif head == "comment":
            self._put(_id3.COMM(encoding=3, lang=_LANGUAGE, desc=rest, text=values))
        elif head == "lyrics":
            text = "\n\n".join(values)
            self._put(_id3.USLT(encoding=3, lang=_LANGUAGE, desc=rest, text=text))
        elif head == "_rating" and len(values) == 1 and _is_share(values[0]):
            self._ratings[rest] = round(255 * float(values[0]))
        elif head == "playcount" and len(values) == 1 and values[0].isdecimal():
            self._counts[rest] = values[0]
        elif head == "url" and all(map(_is_latin, values)) and len(values) == 1:
            self._put(_id3.WXXX(encoding=3, desc=rest, url=values[0]))
        elif frame.startswith("UFID:") or (head == "ufid" and rest):
            self._add_identifier(name, frame[5:] or rest, values)
        elif rest or not self._add_own_frame(frame, values):
            described = frame.startswith("TXXX:") and not rest
            text = frame[5:] if described else _description(head, rest)
            self._put_text(text, values)

    def _add_own_frame(self, frame: str, values: list[str]) -> bool:
        """Use the frame that is made for a field, if it can hold the values."""
        if len(frame) != 4:
            return False
        kind = _id3.Frames[frame]
        if issubclass(kind, _id3.TimeStampTextFrame):
            if not all(map(_is_time, values)):
                return False
        elif issubclass(kind, _id3.UrlFrame):
            many = frame in ("WOAR", "WCOM")
            if not all(map(_is_latin, values)) or (len(values) > 1 and not many):
                return False
            for value in values:
                self._put(kind(url=value))
            return True
        self._put(kind(encoding=3, text=values))
        return True

    def _add_identifier(self, name: str, owner: str, values: list[str]) -> None:
        """One identifier to an owner; further ones have no place."""
        first, *others = values
        if first.isascii() and len(first) <= 64 and _is_latin(owner):
            self._put(_id3.UFID(owner=owner, data=first.encode("ascii")))
        else:
            others = values
        if others:
            self.left.append(NotCarried(name, "ID3 holds one short identifier to an owner"))

    def finish(self) -> None:
        """Write what had to be gathered first."""
        for frame, parts in self._pairs.items():
            numbers, totals = parts.get(0, []), parts.get(1, [])
            count = max(len(numbers), len(totals))
            numbers = numbers + [""] * (count - len(numbers))
            totals = totals + [""] * (count - len(totals))
            texts = [
                f"{number}/{total}" if total else number
                for number, total in zip(numbers, totals, strict=True)
            ]
            self._put(_id3.Frames[frame](encoding=3, text=texts))
        for frame, people in self._people.items():
            self._put(_id3.Frames[frame](encoding=3, people=people))
        for mail, rating in self._ratings.items():
            if _is_latin(mail):
                played = int(self._counts.pop(mail, "0"))
                self._put(_id3.POPM(email=mail, rating=rating, count=played))
            else:
                self._put_text(f"RATING:{mail}", [f"{round(rating / 255, 4):g}"])
        for mail, played_text in self._counts.items():
            self._put_text(_description("playcount", mail), [played_text])

    def add_chapters(self, chapters: Iterable[Chapter], seconds: float) -> None:
        """One frame a chapter and the list of them."""
        items = sorted(chapters, key=lambda chapter: chapter.start)
        names = []
        for index, chapter in enumerate(items):
            following = items[index + 1].start if index + 1 < len(items) else seconds
            end = following if chapter.end is None else chapter.end
            start_ms, end_ms = round(1000 * chapter.start), round(1000 * max(end, chapter.start))
            if not 0 <= start_ms <= end_ms < 2**32 or index > 254:
                self.left.append(NotCarried(f"chapter at {chapter.start:.3f} s", "ID3 has no room"))
                continue
            names.append(f"chp{index}")
            title = _id3.TIT2(encoding=3, text=[_clean(chapter.title)])
            self._put(
                _id3.CHAP(
                    element_id=names[-1],
                    start_time=start_ms,
                    end_time=end_ms,
                    start_offset=0xFFFFFFFF,
                    end_offset=0xFFFFFFFF,
                    sub_frames=[title] if chapter.title else [],
                )
            )
        if names:
            top_level_and_ordered = 3
            self._put(
                _id3.CTOC(
                    element_id="toc",
                    flags=top_level_and_ordered,
                    child_element_ids=names,
                    sub_frames=[],
                )
            )

    def add_pictures(self, pictures: Iterable[Picture]) -> None:
        """Pictures; their descriptions are made to differ, as the format asks for."""
        used: set[str] = set()
        for picture in pictures:
            description = _clean(picture.description)
            if not self._room(picture.label, len(picture.data) + len(description) + 64):
                continue
            while description in used:
                description += " "
            used.add(description)
            self._put(
                _id3.APIC(
                    encoding=3,
                    mime=picture.mime,
                    type=picture.kind,
                    desc=description,
                    data=picture.data,
                )
            )

    def _room(self, name: str, size: int) -> bool:
        if self._size + size > _MOST_BYTES:
            self.left.append(NotCarried(name, "an ID3 tag holds 256 MiB"))
            return False
        self._size += size
        return True

    def _put_text(self, description: str, values: list[str]) -> None:
        self._put(_id3.TXXX(encoding=3, desc=_clean(description), text=values))

    def _put(self, frame: Any) -> None:
        if frame.HashKey in self.tag:
            self.left.append(NotCarried(frame.HashKey, "is there twice"))
            return
        self.tag.add(frame)


def _description(head: str, rest: str) -> str:
    entry = BY_NAME.get(head)
    key = (entry.vorbis if entry else "") or head.upper()
    return f"{key}:{rest}" if rest else key


def _is_share(text: str) -> bool:
    try:
        return 0.0 <= float(text) <= 1.0
    except ValueError:
        return False


def _is_latin(text: str) -> bool:
    return all(letter <= "\xff" for letter in text)


def _is_time(text: str) -> bool:
    """Whether an ID3 time stamp says just this text."""
    return str(_id3.ID3TimeStamp(text)).replace(" ", "T") == text.replace(" ", "T")


def read_old_id3(file: BinaryIO, into: Collector) -> None:
    """Add what an ID3v1 tag says: 128 bytes at the end of a file."""
    file.seek(0, io.SEEK_END)
    if file.tell() < 128:
        return
    file.seek(-128, io.SEEK_END)
    frames = _id3.ParseID3v1(file.read(128))
    if frames:
        tag = _id3.ID3()
        for frame in frames.values():
            tag.add(frame)
        read_frames(tag, into)
