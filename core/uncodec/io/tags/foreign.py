"""Tags of formats that are only read: MP4, APEv2 and Windows Media."""

from __future__ import annotations

import re
import struct
from typing import Any

import mutagen.apev2
import mutagen.asf
import mutagen.mp4

from uncodec.io.tags.model import Collector
from uncodec.io.tags.names import PAIRS, name_of
from uncodec.io.tags.pictures import collect_picture

__all__ = ["read_ape", "read_asf", "read_mp4"]

_ape: Any = mutagen.apev2
_mp4: Any = mutagen.mp4

_PERFORMER = re.compile(r"(.+) \(([^()]+)\)", re.DOTALL)
_MP4_PAIRS = {"trkn": PAIRS["TRCK"], "disk": PAIRS["TPOS"]}
_MP4_TEXT_FORMS = {0, 1, 2, 3}
_APE_PICTURES = {
    "icon": 1,
    "other icon": 2,
    "front": 3,
    "back": 4,
    "leaflet": 5,
    "media": 6,
    "lead artist": 7,
    "artist": 8,
    "conductor": 9,
    "band": 10,
    "composer": 11,
    "lyricist": 12,
    "recording location": 13,
    "during recording": 14,
    "during performance": 15,
    "video capture": 16,
    "fish": 17,
    "illustration": 18,
    "band logotype": 19,
    "publisher logotype": 20,
}


def read_mp4(tags: Any, into: Collector) -> None:
    """Add what the iTunes atoms of an MP4 file say."""
    for key, values in tags.items():
        if key in _MP4_PAIRS:
            number_name, total_name = _MP4_PAIRS[key]
            for number, total in values:
                into.add(number_name, [str(number)] if number else [])
                into.add(total_name, [str(total)] if total else [], once=True)
        elif key == "covr":
            for cover in values:
                collect_picture(into, bytes(cover), 3)
        elif key.startswith("----:"):
            _read_freeform(key, values, into)
        elif isinstance(values, bool):
            into.add(name_of("mp4", key), ["1"] if values else [])
        else:
            for value in values if isinstance(values, list) else [values]:
                _read_atom(key, value, into)
    for key in getattr(tags, "_failed_atoms", {}):
        into.leave(f"MP4 atom {key!r}", "is broken")


def _read_atom(key: str, value: Any, into: Collector) -> None:
    if isinstance(value, str | int):
        into.add(name_of("mp4", key), [str(value)])
    else:
        into.leave(f"MP4 atom {key!r}", "is no text")


def _read_freeform(key: str, values: Any, into: Collector) -> None:
    name = key.split(":", 2)[2]
    for value in values:
        if int(value.dataformat) in _MP4_TEXT_FORMS and b"\0" not in bytes(value):
            into.add(name_of("mp4", name), [bytes(value).decode("utf-8", "replace")])
        else:
            into.leave(f"MP4 field {name!r}", "is no text")


def read_ape(tags: Any, into: Collector) -> None:
    """Add what APEv2 items say."""
    for key, value in tags.items():
        lower = key.lower()
        if isinstance(value, _ape.APEBinaryValue):
            _read_ape_binary(key, bytes(value.value), into)
        elif lower in ("track", "disc"):
            for text in str(value).split("\0"):
                into.add_pair(*PAIRS["TRCK" if lower == "track" else "TPOS"], text)
        elif lower == "performer":
            for text in str(value).split("\0"):
                found = _PERFORMER.fullmatch(text)
                name = f"performer:{found[2]}" if found else "performer"
                into.add(name, [found[1] if found else text])
        else:
            into.add(name_of("ape", key), str(value).split("\0"))


def _read_ape_binary(key: str, data: bytes, into: Collector) -> None:
    place = re.fullmatch(r"cover art \((.+)\)", key.lower())
    if place is None:
        into.leave(f"APE item {key!r}", "is no text")
        return
    description, _, image = data.partition(b"\0")
    kind = _APE_PICTURES.get(place[1], 0)
    text = description.decode("utf-8", "replace")
    # Programs put the name of the file there, which says nothing.
    collect_picture(into, image, kind, "" if "." in text else text)


def read_asf(tags: Any, into: Collector) -> None:
    """Add what the attributes of a Windows Media file say."""
    for key, attribute in tags:
        value = attribute.value
        lower = key.lower()
        if lower == "wm/picture":
            _read_asf_picture(value, into)
        elif isinstance(value, bytes):
            into.leave(f"WMA attribute {key!r}", "is no text")
        elif lower == "wm/partofset":
            into.add_pair(*PAIRS["TPOS"], str(value))
        elif lower == "wm/tracknumber":
            into.add_pair(*PAIRS["TRCK"], str(value))
        elif lower == "wm/shareduserrating":
            text = str(value)
            share = f"{round(int(text) / 99, 4):g}" if text.isdecimal() else text
            into.add("_rating", [share])
        elif isinstance(value, bool):
            into.add(name_of("asf", key), ["1"] if value else [])
        else:
            into.add(name_of("asf", key), [str(value)])


def _read_asf_picture(data: bytes, into: Collector) -> None:
    """Type, length, and two texts in UTF-16, each with a NUL behind it; then the image."""
    try:
        kind, size = struct.unpack_from("<bI", data)
        texts = []
        place = 5
        for _ in range(2):
            end = place
            while data[end : end + 2] != b"\0\0":
                if end + 2 > len(data):
                    raise ValueError
                end += 2
            texts.append(data[place:end].decode("utf-16-le", "replace"))
            place = end + 2
    except (struct.error, ValueError):
        into.leave("WMA attribute 'WM/Picture'", "is broken")
        return
    collect_picture(into, data[place : place + size], kind, texts[1])
