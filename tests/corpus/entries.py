"""The odd files: what goes wrong in libraries of music, with what has to come of it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from tests.corpus import mpeg, tagging
from tests.corpus.bases import FRAMES, RATE, Entry, base, rate_of, song, whole
from tests.corpus.encoding import video_alone, with_soundfile
from tests.corpus.odd_containers import CONTAINER_FILES
from tests.corpus.odd_mp3 import MP3_FILES

__all__ = ["ENTRIES"]

# Opus in Ogg has a page for each second: cut files have to be longer than that.
LONG = 70000
NO_AUDIO = "not an audio file|no audio"


# Behind the audio of these stands an index, or what fills up to eight bytes: nobody misses it.
_UNHEARD = {
    ("mka", 2), ("webm-opus", 2), ("w64", 2), ("wma", 2), ("wma", 100), ("avi", 2), ("avi", 100),
}  # fmt: skip


def _cut(kind: str, gone: int) -> bytes:
    return base(kind, LONG)[:-gone]


def _headless(kind: str) -> bytes:
    return base(kind)[200:]


def _cut_files() -> list[Entry]:
    """Without the last bytes or the first ones."""
    entries = []
    for kind, ending in {
        "mp3": "mp3", "mp3-vbr": "mp3", "flac": "flac", "ogg": "ogg", "opus": "opus", "wav": "wav",
        "faststart": "m4a", "wv": "wv", "mka": "mka", "aiff": "aiff", "caf": "caf", "au": "au",
        "rf64": "rf64", "w64": "w64", "oga": "oga", "wav24": "wav", "webm-opus": "webm",
        "wma": "wma", "avi": "avi",
    }.items():  # fmt: skip
        for gone in (2, 100, 4000):
            audio = (kind, gone) not in _UNHEARD
            entries.append(
                Entry(
                    f"cut-{gone}-{kind}.{ending}",
                    partial(_cut, kind, gone),
                    frames=(1000, LONG + 2048),
                    warns=audio,
                    rate=rate_of(kind),
                )
            )
    # The index of an MP4 stands at its end, and a TTA of this length is a single frame.
    for kind, ending, gone in (("m4a", "m4a", 3000), ("mov", "mov", 3000), ("tta", "tta", 140000)):
        entries.append(
            Entry(f"cut-{gone}-{kind}.{ending}", partial(_cut, kind, gone), refused=NO_AUDIO)
        )
    for kind, ending in (("wav", "wav"), ("m4a", "m4a"), ("wma", "wma"), ("aiff", "aiff")):
        entries.append(
            Entry(f"headless-{kind}.{ending}", partial(_headless, kind), refused=NO_AUDIO)
        )
    # These find the next frame; nothing tells that one is missing.
    for kind, ending in (("mp3", "mp3"), ("adts", "aac"), ("mp2", "mp2"), ("flac", "flac")):
        entries.append(
            Entry(
                f"headless-{kind}.{ending}",
                partial(_headless, kind),
                frames=(FRAMES // 2, FRAMES + 2304),
                warns=None,
            )
        )
    return entries


def _channel_files() -> list[Entry]:
    return [
        replace(
            whole(kind, kind, f"channels-{count}"),
            data=partial(base, kind, channels=count),
            audio=partial(song, count),
            channels=count,
        )
        for count in (1, 2, 3, 4, 6, 8)
        for kind in ("wav", "flac", "ogg")
    ]


def _short_files() -> list[Entry]:
    entries = [
        Entry("empty.mp3", bytes, refused="is empty"),
        Entry("empty.wav", bytes, refused="is empty"),
        Entry("page.mp3", mpeg.html, refused="not an audio file"),
        Entry("list.mp3", lambda: b"#EXTM3U\nsong.mp3\n", refused="is a playlist"),
        Entry("tags-alone.mp3", tagging.id3_bytes, refused=NO_AUDIO),
        Entry("header-alone.mp3", lambda: mpeg.frames_of(base("mp3"))[0], refused=NO_AUDIO),
        Entry("pictures-alone.mp4", video_alone, refused="holds no audio"),
        Entry("nan.wav", _without_numbers, refused="every sample must be a finite number"),
    ]
    for kind in ("wav", "aiff"):
        entries.append(
            Entry(f"no-samples.{kind}", partial(base, kind, 0), refused="holds no audio")
        )
    for kind, ending in {
        "alac": "m4a", "wv": "wv", "tta": "tta", "wav": "wav", "flac": "flac",
        "ogg": "ogg", "oga": "oga", "opus": "opus", "aiff": "aiff", "caf": "caf", "rf64": "rf64",
        "w64": "w64", "au": "au",
    }.items():  # fmt: skip
        entries.append(
            Entry(f"one-sample.{ending}", partial(base, kind, 1), frames=(1, 1), rate=rate_of(kind))
        )
    return entries


def _without_numbers() -> bytes:
    return with_soundfile(np.full((2, 99), np.nan, np.float32), RATE, "WAV", "FLOAT")


def _tagged_files() -> list[Entry]:
    covers = {
        "tags": (tagging.FRONT, tagging.BACK),
        "bad-cover": (b"this is no picture" * 20, b"\x89PNG\r\n\x1a\n"),
    }
    return [
        replace(
            whole(kind, kind, f"{name}-{kind}"),
            data=partial(_tagged, kind, pictures),
            rate=rate_of(kind),
        )
        for kind in ("mp3", "flac", "ogg", "opus", "m4a", "wv", "wav", "aiff", "tta")
        for name, pictures in covers.items()
    ]


def _tagged(kind: str, covers: tuple[bytes, ...]) -> bytes:
    return tagging.tagged(base(kind), f".{kind}", covers)


ENTRIES: tuple[Entry, ...] = (
    *MP3_FILES,
    *CONTAINER_FILES,
    *_channel_files(),
    *_short_files(),
    *_tagged_files(),
    *_cut_files(),
)
