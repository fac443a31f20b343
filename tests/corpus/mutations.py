"""Malformed files from seeds: the same number always gives the same bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random

from tests.corpus import mpeg, tagging
from tests.corpus.bases import base

__all__ = ["KINDS", "Mutant", "mutant"]

FRAMES = 9000
KINDS = {
    "mp3": "mp3", "mp3-vbr": "mp3", "adts": "aac", "m4a": "m4a", "mov": "mov", "alac": "m4a",
    "fragmented": "mp4", "mka": "mka", "wma": "wma", "mp2": "mp2", "wv": "wv", "tta": "tta",
    "ts": "ts", "avi": "avi", "flv": "flv", "oga": "oga", "wav": "wav", "wav24": "wav",
    "float": "wav", "rf64": "rf64", "w64": "w64", "aiff": "aiff", "au": "au", "caf": "caf",
    "flac": "flac", "ogg": "ogg", "opus": "opus", "webm-opus": "webm", "ac3": "ac3", "speex": "spx",
    "eac3": "eac3", "latm": "latm", "mpg": "mpg", "amr": "amr", "3gp": "3gp", "mka-flac": "mka",
    "mp3-wav": "wav", "caf-alac": "caf", "faststart": "m4a", "fragmented-edits": "mp4",
}  # fmt: skip
"""Name of a base, and the ending of its file."""

# Kinds whose tags mutagen can write, so that hostile ones have a place.
_TAGGED = ("mp3", "m4a", "flac", "ogg", "opus", "wv", "wav", "aiff", "wma")
_EXTREMES = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000,
             0xFFFFFFF0, 0xFFFFFFFF)  # fmt: skip
# Sizes and counts stand here, in most containers.
_HEADER = 600


@dataclass(frozen=True)
class Mutant:
    """A malformed file.

    Attributes
    ----------
    seed : int
    kind : str
        The base it was made from.
    change : str
        What was done to it.
    ending : str
    data : bytes
    """

    seed: int
    kind: str
    change: str
    ending: str
    data: bytes


def _place(random: Random, size: int) -> int:
    """A place in a file, as often as not in its header."""
    return random.randrange(min(size, _HEADER) if random.random() < 0.5 else size)


def _flip(random: Random, data: bytearray) -> None:
    for _ in range(1 << random.randrange(8)):
        data[_place(random, len(data))] ^= 1 << random.randrange(8)


def _cut_end(random: Random, data: bytearray) -> None:
    del data[random.randrange(1, len(data)) :]


def _cut_start(random: Random, data: bytearray) -> None:
    del data[: _place(random, len(data) - 1) + 1]


def _cut_out(random: Random, data: bytearray) -> None:
    start = _place(random, len(data))
    del data[start : start + random.randrange(1, 4000)]


def _insert(random: Random, data: bytearray) -> None:
    other = base(random.choice(list(KINDS)), FRAMES)
    start = random.randrange(len(other))
    piece = other[start : start + random.randrange(1, 4000)]
    place = _place(random, len(data))
    data[place:place] = random.choice(
        (piece, mpeg.html(), bytes(len(piece)), random.randbytes(len(piece)))
    )


def _splice(random: Random, data: bytearray) -> None:
    """Goes on as another file, from its begin or from its middle."""
    other = base(random.choice(list(KINDS)), FRAMES)
    del data[random.randrange(1, len(data) + 1) :]
    data += other[random.choice((0, random.randrange(len(other)))) :]


def _repeat(random: Random, data: bytearray) -> None:
    start = _place(random, len(data))
    piece = data[start : start + random.randrange(1, 3000)]
    data[start:start] = piece * random.randrange(1, 20)


def _swap(random: Random, data: bytearray) -> None:
    size = random.randrange(1, max(2, len(data) // 3))
    first = random.randrange(len(data) - 2 * size)
    second = random.randrange(first + size, len(data) - size + 1)
    data[first : first + size], data[second : second + size] = (
        data[second : second + size],
        data[first : first + size],
    )


def _fill(random: Random, data: bytearray) -> None:
    start = _place(random, len(data))
    size = min(len(data) - start, random.randrange(1, 3000))
    data[start : start + size] = random.choice(
        (bytes(size), b"\xff" * size, random.randbytes(size))
    )


def _sizes(random: Random, data: bytearray) -> None:
    """Numbers in the header become extreme ones, or somewhat larger or smaller."""
    for _ in range(random.randrange(1, 4)):
        width, letter = random.choice(((1, "B"), (2, "H"), (4, "I"), (8, "Q")))
        order = random.choice("<>")
        place = _place(random, len(data) - width)
        (value,) = struct.unpack_from(order + letter, data, place)
        value += random.choice((-1, 1, 2, 100, 65536, 1 << 30))
        if random.random() < 0.7:
            value = random.choice(_EXTREMES)
        struct.pack_into(order + letter, data, place, value % (1 << 8 * width))


def _names(random: Random, data: bytearray) -> None:
    """The name of one chunk, box or frame is another one's."""
    known = (b"data", b"fmt ", b"LIST", b"moov", b"mdat", b"stts", b"stsz", b"OggS", b"fLaC",
             b"FORM", b"SSND", b"COMM", b"ID3\x04", b"TAG+", b"Xing", b"desc", b"wvpk", b"TTA1",
             b"\x1f\x43\xb6\x75", b"free")  # fmt: skip
    there = [name for name in known if name in data[:_HEADER]]
    target = data.find(random.choice(there)) if there else _place(random, len(data) - 4)
    data[target : target + 4] = random.choice(known)


_CHANGES: dict[str, Callable[[Random, bytearray], None]] = {
    "bits flipped": _flip,
    "cut at the end": _cut_end,
    "cut at the start": _cut_start,
    "a piece cut out": _cut_out,
    "something put in": _insert,
    "spliced": _splice,
    "a piece repeated": _repeat,
    "pieces swapped": _swap,
    "overwritten": _fill,
    "wrong sizes": _sizes,
    "wrong names": _names,
}


def _hostile_text(random: Random) -> str:
    return random.choice(
        (
            "", "\0", "a\nb\r\nc", "\x1b[31mred\x1b[0m", "=", "==a=", "\u202egnirts", "\ufeff",
            "\ud7ff\ue000\U0010ffff", "%s%n%d", "../../etc/passwd", "a" * 70000, "é" * 9000,
            "'; drop table", "<script>", "\x7f\x80\x9f", "/" * 300,
        )
    )  # fmt: skip


def _id3(frames: bytes, size: int | None = None, flags: int = 0, version: int = 4) -> bytes:
    size = len(frames) if size is None else size
    digits = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3" + bytes((version, 0, flags)) + digits + frames


def _id3_frame(name: bytes, body: bytes, size: int | None = None) -> bytes:
    size = len(body) if size is None else size
    digits = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return name + digits + bytes(2) + body


def _hostile_id3(random: Random) -> bytes:
    text = _hostile_text(random).encode("utf-8", "surrogatepass")
    body = random.choice((b"\3" + text, b"\1\xff\xfe\x00\xd8", b"\1", b"\x09" + text, b""))
    names = (
        b"TIT2",
        b"TPE1",
        b"TXXX",
        b"COMM",
        b"USLT",
        b"APIC",
        b"TLEN",
        b"RVA2",
        b"\0\0\0\0",
        b"ZZZZ",
    )
    frames = b"".join(
        _id3_frame(
            random.choice(names),
            random.choice((body, b"\0image/png\0\3\0" + random.randbytes(60))),
            random.choice((None, None, 0, 1, 0x0FFFFFFF)),
        )
        for _ in range(random.choice((1, 3, 400)))
    )
    return _id3(
        frames,
        random.choice((None, None, 0, 5, len(frames) + 3000, 0x0FFFFFFF)),
        random.choice((0, 0x80, 0x40, 0x10, 0xFF)),
        random.choice((0, 2, 3, 4, 5, 255)),
    )


def _hostile_ape(random: Random) -> bytes:
    tag = bytearray(mpeg.ape_tag({_hostile_text(random)[:200] or "x": _hostile_text(random)}))
    for _ in range(random.randrange(3)):
        # The size, the number of items, or their flags, in header or footer.
        offset = random.choice((12, 16, 20)) + random.choice((0, len(tag) - 32))
        struct.pack_into("<I", tag, offset, random.choice(_EXTREMES))
    return bytes(tag)


def _hostile_comment(random: Random) -> bytes:
    """A block of Vorbis comments whose numbers and texts lie."""
    texts = [
        _hostile_text(random) + random.choice(("", "=")) + _hostile_text(random)
        for _ in range(random.choice((0, 1, 5)))
    ]
    texts.append("METADATA_BLOCK_PICTURE=" + random.choice(("", "AAAA", "!!!!", "A" * 4000)))
    block = struct.pack("<I", random.choice((0, 4, 0xFFFFFFFF))) + b"test"
    block += struct.pack("<I", random.choice((len(texts), 0, 0xFFFFFFFF)))
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        block += struct.pack("<I", random.choice((len(data), len(data), 0xFFFFFFF0))) + data
    return block


def _hostile_flac(random: Random, data: bytes) -> bytes:
    """Blocks of tags, pictures and nonsense behind STREAMINFO (RFC 9639, section 8)."""
    picture = struct.pack(">I", random.choice((3, 0xFFFFFFFF)))
    for text in (random.choice((b"image/png", b"-->", b"")), b"d"):
        picture += struct.pack(">I", random.choice((len(text), 0x7FFFFFFF))) + text
    picture += struct.pack(">IIII", *(random.choice(_EXTREMES) for _ in range(4)))
    picture += struct.pack(">I", random.choice((4, 0, 0xFFFFFFFF))) + b"\x89PNG"
    kind, body = random.choice(
        ((4, _hostile_comment(random)), (6, picture), (5, random.randbytes(396)),
         (3, b"\xff" * 36), (126, b"?" * 10), (1, bytes(70000)), (2, b"riff"))
    )  # fmt: skip
    size = random.choice((len(body), len(body), 0, 0xFFFFFF))
    return (
        data[:4]
        + bytes([data[4] & 0x7F])
        + data[5:42]
        + (struct.pack(">I", kind << 24 | size) + body)
        + data[42:]
    )


def _hostile_box(random: Random, data: bytes) -> bytes:
    """Boxes of MP4 whose sizes lie, in each other."""
    inner = random.randbytes(20)
    for name in random.sample(
        [b"udta", b"meta", b"ilst", b"\xa9nam", b"data", b"covr", b"----"], 4
    ):
        size = random.choice((len(inner) + 8, 0, 1, 7, 0x7FFFFFFF, 0xFFFFFFFF))
        inner = struct.pack(">I", size) + name + inner
    return random.choice((inner + data, data + inner, data[:-30] + inner + data[-30:]))


@cache
def _tagged_base(kind: str) -> bytes:
    return tagging.tagged(base(kind, FRAMES), f".{KINDS[kind]}")


def _hostile(random: Random) -> tuple[str, bytes]:
    kind = random.choice(_TAGGED)
    data = base(kind, FRAMES)
    choice = random.randrange(3)
    if choice == 0:
        # Sound tags whose bytes are then changed: what stands before the audio or behind it.
        tagged = bytearray(_tagged_base(kind))
        for _ in range(random.choice((1, 3, 20))):
            near_end = random.random() < 0.3
            span = min(len(tagged), 900)
            place = len(tagged) - 1 - random.randrange(span) if near_end else random.randrange(span)
            tagged[place] = random.choice((0, 0xFF, random.randrange(256)))
        return kind, bytes(tagged)
    if kind == "flac" and choice == 1:
        return kind, _hostile_flac(random, data)
    if kind == "m4a" and choice == 1:
        return kind, _hostile_box(random, data)
    before = random.choice((b"", _hostile_id3(random)))
    behind = random.choice((b"", _hostile_ape(random), mpeg.id3v1("\xff" * 30), mpeg.lyrics3()))
    return kind, before + data + behind


def mutant(seed: int) -> Mutant:
    """The malformed file of this number."""
    random = Random(seed)
    if random.random() < 0.2:
        kind, data = _hostile(random)
        return Mutant(seed, kind, "hostile tags", KINDS[kind], data)
    kind = random.choice(list(KINDS))
    changed = bytearray(base(kind, FRAMES))
    names = []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        name = random.choice(list(_CHANGES))
        if len(changed) > 64:
            _CHANGES[name](random, changed)
            names.append(name)
    return Mutant(seed, kind, ", ".join(names), KINDS[kind], bytes(changed))
