"""Sound files of each kind, which the odd and the malformed ones are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from tests.corpus import ogg
from tests.corpus.encoding import Recipe, with_av, with_soundfile
from tests.corpus.signals import Array, programme

__all__ = ["FRAMES", "RATE", "VBR", "Entry", "base", "song", "whole"]

FRAMES = 33333
RATE = 44100
VBR = {"flags": "+qscale", "global_quality": "236"}


@dataclass(frozen=True)
class Entry:
    """One file and what is expected of it.

    Attributes
    ----------
    name : str
        Of the file, ending included.
    data : callable
        Makes its bytes.
    audio : callable, optional
        Makes the sound that the file was made from, (channels, n); None where there is none to
        compare with.
    refused : str, optional
        A regular expression that the error matches; None for a file that is read.
    frames : (int, int)
        Fewest and most samples that come out.
    lag : int, optional
        Samples by which they are late; None where it is left open.
    warns : bool, optional
        Whether the reader has to report lost audio; None where it may.
    rate, channels : int
        What comes out.
    """

    name: str
    data: Callable[[], bytes]
    audio: Callable[[], Array] | None = None
    refused: str | None = None
    frames: tuple[int, int] = (FRAMES, FRAMES)
    lag: int | None = 0
    warns: bool | None = False
    rate: int = RATE
    channels: int = 2


def _fragments(flag: str) -> dict[str, str]:
    return {"movflags": f"frag_keyframe+{flag}", "frag_duration": "200000"}


_CODED = {
    "mp3": Recipe("mp3", "libmp3lame", 128),
    "mp3-vbr": Recipe("mp3", "libmp3lame", options=VBR),
    "adts": Recipe("adts", "aac", 128),
    "m4a": Recipe("ipod", "aac", 128),
    "faststart": Recipe("ipod", "aac", 128, muxer_options={"movflags": "faststart"}),
    "fragmented": Recipe("mp4", "aac", 128, muxer_options=_fragments("empty_moov")),
    "fragmented-edits": Recipe("mp4", "aac", 128, muxer_options=_fragments("delay_moov")),
    "mov": Recipe("mov", "aac", 128),
    "alac": Recipe("ipod", "alac", sample_format="s16p"),
    "caf-alac": Recipe("caf", "alac", sample_format="s16p"),
    "mka": Recipe("matroska", "aac", 128),
    "wma": Recipe("asf", "wmav2", 128),
    "mp2": Recipe("mp2", "mp2", 192),
    "wv": Recipe("wv", "wavpack", sample_format="s16p"),
    "tta": Recipe("tta", "tta", sample_format="s16"),
    "ts": Recipe("mpegts", "aac", 128),
    "avi": Recipe("avi", "libmp3lame", 128),
    "flv": Recipe("flv", "aac", 128),
    "oga": Recipe("ogg", "flac"),
    "mp3-wav": Recipe("wav", "libmp3lame", 128),
    "opus": Recipe("ogg", "libopus", 96),
    "webm-opus": Recipe("webm", "libopus", 96),
    "ac3": Recipe("ac3", "ac3", 192),
    "eac3": Recipe("eac3", "eac3", 192),
    "latm": Recipe("latm", "aac", 128),
    "mpg": Recipe("mpeg", "mp2", 192),
    "amr": Recipe("amr", "libopencore_amrnb", 12.2, layout="mono"),
    "3gp": Recipe("3gp", "libopencore_amrnb", 12.2, layout="mono"),
    "mka-flac": Recipe("matroska", "flac"),
}
_PLAIN = {
    "wav": ("WAV", "PCM_16"),
    "wav24": ("WAV", "PCM_24"),
    "float": ("WAV", "FLOAT"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
}
_RATES = {
    "opus": 48000,
    "webm-opus": 48000,
    "ac3": 48000,
    "eac3": 48000,
    "speex": 8000,
    "amr": 8000,
    "3gp": 8000,
}


@cache
def song(channels: int = 2, rate: int = RATE, frames: int = FRAMES) -> Array:
    """The sound of the files here."""
    return programme(frames, channels, rate)


def rate_of(kind: str) -> int:
    """Sample rate of a base, Hz."""
    return _RATES.get(kind, RATE)


@cache
def base(kind: str, frames: int = FRAMES, channels: int = 2) -> bytes:
    """A sound file: of a kind of coding, by a short name, so many samples long."""
    rate = rate_of(kind)
    if kind == "speex":
        return ogg.speex(frames // 160)
    if kind in _CODED:
        recipe = _CODED[kind]
        channels = 1 if recipe.layout == "mono" else channels
        return with_av(song(channels, rate, frames), rate, recipe)
    container, subtype = _PLAIN[kind]
    return with_soundfile(song(channels, rate, frames), rate, container, subtype)


def whole(kind: str, ending: str, name: str = "") -> Entry:
    """The entry of a sound file that gives back every sample in its place."""
    rate = rate_of(kind)
    return Entry(f"{name or kind}.{ending}", lambda: base(kind), lambda: song(rate=rate), rate=rate)
