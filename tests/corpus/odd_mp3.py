"""MP3 files with wrong headers, with junk, and with every tag that stands around frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from tests.corpus import mpeg, tagging
from tests.corpus.bases import FRAMES, Entry, base, song, whole
from tests.corpus.encoding import Recipe, with_av

__all__ = ["MP3_FILES"]

FRAME = 1152
APE, ONE, LYRICS = mpeg.ape_tag(), mpeg.id3v1(), mpeg.lyrics3()

# Some lengths leave LAME more than a frame to fill up.
LENGTHS = (1, 1151, 1152, 1153, 1199, 22464, 22480, 22510, 23040)

TAILS = {
    "id3v1": ONE,
    "ape": APE,
    "lyrics3-id3v1": LYRICS + ONE,
    "ape-id3v1": APE + ONE,
    "id3v1-ape": ONE + APE,
    "ape-lyrics3-id3v1": APE + LYRICS + ONE,
    "lyrics3-ape-id3v1": LYRICS + APE + ONE,
    "id3v1-twice": ONE + ONE,
}


def sound() -> bytes:
    return base("mp3")


def _entry(name: str, data: Callable[[], bytes], **expected: object) -> Entry:
    return replace(whole("mp3", "mp3"), name=f"mp3-{name}.mp3", data=data, **expected)


def _around() -> list[Entry]:
    entries = [
        _entry("zeros-first", lambda: bytes(5000) + sound()),
        _entry("html-first", lambda: mpeg.html() + sound()),
        _entry("ape-first", lambda: APE + sound()),
        _entry("id3v2-twice", lambda: tagging.id3_bytes() * 2 + sound()),
        _entry("id3v2-last", lambda: sound() + tagging.id3_bytes()),
        _entry("zeros-last", lambda: sound() + bytes(5000)),
        _entry("html-last", lambda: sound() + mpeg.html()),
    ]
    for name, tail in TAILS.items():
        entries.append(_entry(f"then-{name}", partial(bytes.__add__, sound(), tail)))
    for name, junk in (
        ("zeros", bytes(3000)),
        ("html", mpeg.html()),
        ("id3", tagging.id3_bytes()),
        ("ape", APE),
    ):
        entries.append(
            _entry(f"{name}-between", partial(mpeg.between_frames, sound(), junk), warns=None)
        )
    return entries


def _headers() -> list[Entry]:
    # LAME starts 576 samples early, and the decoder is 529 late; other encoders do nearly the same.
    bare = {"frames": (FRAMES, FRAMES + 2 * FRAME)}
    # Without the padding that LAME noted, the last frame stays whole.
    loose = {"frames": (FRAMES, FRAMES + FRAME), "warns": None}
    entries = [
        _entry("cbr", sound),
        _entry("vbr", lambda: base("mp3-vbr")),
        _entry("cbr-bare", lambda: mpeg.without_info(sound()), **bare),
        _entry("vbr-bare", lambda: mpeg.without_info(base("mp3-vbr")), **bare),
        _entry("too-many-frames", lambda: mpeg.with_frame_count(sound(), 90), **loose),
        _entry("too-few-frames", lambda: mpeg.with_frame_count(sound(), 9), **loose),
        _entry("no-frame-count", lambda: mpeg.with_frame_count(sound(), 0), **loose),
    ]
    entries += [
        _entry(f"length-{length}", partial(_long, length), audio=None, frames=(length, length))
        for length in LENGTHS
    ]
    entries += [
        _entry(
            f"{rate}",
            partial(_at, rate),
            audio=partial(song, 1, rate),
            rate=rate,
            channels=1,
        )
        for rate in (8000, 16000, 22050, 32000, 48000)
    ]
    return entries


def _long(samples: int) -> bytes:
    return mpeg.with_length(base("mp3", samples), samples)


def _at(rate: int) -> bytes:
    return with_av(song(1, rate), rate, Recipe("mp3", "libmp3lame"))


def _in_others() -> list[Entry]:
    return [
        replace(whole("mp3-wav", "wav"), frames=(FRAMES, FRAMES + 2 * FRAME)),
        Entry(
            "changes.mp3",
            lambda: mpeg.without_info(sound()) + mpeg.without_info(_stereo_at(48000)),
            refused="changes from .* 2 channels",
        ),
    ]


def _stereo_at(rate: int) -> bytes:
    return with_av(song(2, rate), rate, Recipe("mp3", "libmp3lame"))


MP3_FILES: tuple[Entry, ...] = (*_headers(), *_around(), *_in_others())
