"""What each codec can do: rates, channels, bit rates, and which library runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["CODECS", "CodecSpec"]

MPEG1_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
MPEG2_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


@dataclass(frozen=True)
class CodecSpec:
    """One codec, as :func:`uncodec.codecs.round_trip` runs it.

    Attributes
    ----------
    name : str
        The name to ask for, for instance ``"mp3"``.
    title : str
        The name people know.
    backend : {"av", "soundfile"}
        The library that encodes and decodes.
    encoder : str
        FFmpeg's encoder name, or libsndfile's subtype.
    container : str
        FFmpeg's muxer name, or libsndfile's format. `demuxer` where reading needs another name.
    sample_format : str
        What the encoder takes, by FFmpeg's names ("fltp", "flt", "s16", "s32p", ...).
    rates : tuple of int
        Sample rates in Hz that the encoder takes.
    channels : tuple of int
        Channel counts that the encoder takes.
    kbps_range : (float, float)
        Lowest and highest bit rate in kb/s. `kbps_steps` narrows it to a list where there is one.
    kbps_default : float
    vbr_range : (float, float) or None
        Worst and best `vbr_quality`; None where there is no variable bit rate.
    delay : int
        Samples at the codec's rate that its output comes late by.
    lead_in : int
        Zeros put before the audio for codecs whose decoder drops or spoils its first frame.
    tail : int
        Zeros put behind the audio for codecs that would otherwise lose its end.
    """

    name: str
    title: str
    backend: Literal["av", "soundfile"]
    encoder: str
    container: str
    sample_format: str
    rates: tuple[int, ...]
    channels: tuple[int, ...]
    kbps_range: tuple[float, float]
    kbps_default: float
    kbps_steps: tuple[int, ...] | None = None
    demuxer: str | None = None
    vbr_range: tuple[float, float] | None = None
    delay: int = 0
    lead_in: int = 0
    tail: int = 0


_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_AAC_RATES = (*_MP3_RATES, 64000, 88200, 96000)

_ALL = (
    CodecSpec(
        name="mp3",
        title="MP3 (LAME)",
        backend="av",
        encoder="libmp3lame",
        container="mp3",
        sample_format="fltp",
        rates=_MP3_RATES,
        channels=(1, 2),
        kbps_range=(8, 320),
        kbps_default=128,
        kbps_steps=tuple(sorted({*MPEG1_KBPS, *MPEG2_KBPS})),
        vbr_range=(9.0, 0.0),
    ),
    CodecSpec(
        name="aac",
        title="AAC-LC (FFmpeg)",
        backend="av",
        encoder="aac",
        container="ipod",
        sample_format="fltp",
        rates=_AAC_RATES,
        channels=(1, 2, 6),
        kbps_range=(8, 512),
        kbps_default=128,
        vbr_range=(0.1, 5.0),
    ),
    CodecSpec(
        name="opus",
        title="Opus (libopus)",
        backend="av",
        encoder="libopus",
        container="ogg",
        sample_format="flt",
        rates=(48000,),
        channels=(1, 2),
        kbps_range=(6, 510),
        kbps_default=96,
    ),
    CodecSpec(
        name="vorbis",
        title="Ogg Vorbis (libvorbis)",
        backend="soundfile",
        encoder="VORBIS",
        container="OGG",
        sample_format="flt",
        rates=_MP3_RATES,
        channels=(1, 2),
        kbps_range=(12, 500),
        kbps_default=128,
        vbr_range=(0.0, 1.0),
    ),
)

CODECS: Mapping[str, CodecSpec] = MappingProxyType({spec.name: spec for spec in _ALL})
"""Every codec this package knows, by name. :func:`uncodec.codecs.available` names those that run here."""
