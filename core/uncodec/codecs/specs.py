"""What each codec can do: rates, channels, bit rates, and which library runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

__all__ = ["CODECS", "WITHOUT_PYAV", "CodecSpec"]

MPEG1_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
AC3_KBPS = (*MPEG1_KBPS, 384, 448, 512, 576, 640)
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
    backend : {"av", "soundfile", "fdkaac"}
        The library that encodes and decodes; with "fdkaac" the program of this name encodes and
        PyAV decodes.
    encoder : str
        FFmpeg's encoder name, libsndfile's subtype, or the library behind the program.
    container : str
        FFmpeg's muxer name, or libsndfile's format. `demuxer` where reading needs another name.
    sample_format : str
        What the encoder takes, by FFmpeg's names ("fltp", "flt", "s16", "s32p", ...).
    rates : tuple of int
        Sample rates in Hz that the encoder takes.
    channels : tuple of int
        Channel counts that the encoder takes.
    kbps_range : (float, float) or None
        Lowest and highest bit rate in kb/s; None where the rate follows from the sample rate.
    kbps_default : float or None
        Taken when neither `kbps` nor `vbr_quality` is given.
    kbps_steps : tuple of float or None
        The only bit rates there are, for codecs with a list of them.
    vbr_range : (float, float) or None
        Worst and best `vbr_quality`; None where there is no variable bit rate.
    delay : int
        Samples at the codec's rate that its output comes late by, where that is one number; see
        :func:`uncodec.codecs.rules.find_delay` for the others.
    lead_in : int
        Zeros put before the audio for codecs whose decoder drops or spoils its first frame.
    tail : int
        Zeros put behind the audio for codecs that would otherwise lose its end.
    """

    name: str
    title: str
    backend: Literal["av", "soundfile", "fdkaac"]
    encoder: str
    container: str
    sample_format: str
    rates: tuple[int, ...]
    channels: tuple[int, ...]
    kbps_range: tuple[float, float] | None
    kbps_default: float | None
    kbps_steps: tuple[float, ...] | None = None
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
        name="he-aac",
        title="HE-AAC (FDK)",
        backend="fdkaac",
        encoder="libfdk_aac",
        container="adts",
        demuxer="aac",
        sample_format="s16",
        rates=(22050, 24000, 32000, 44100, 48000),
        channels=(1, 2),
        kbps_range=(12, 128),
        kbps_default=48,
        # The encoder says 5058 for a decoder like its own; FFmpeg's is one sample earlier.
        delay=5057,
        # The program extrapolates both ends and drops a packet there.
        lead_in=4096,
        tail=4096,
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
        kbps_range=(14, 500),
        kbps_default=128,
        vbr_range=(0.0, 1.0),
    ),
    CodecSpec(
        name="wma",
        title="Windows Media Audio 2",
        backend="av",
        encoder="wmav2",
        container="asf",
        sample_format="fltp",
        rates=(8000, 11025, 16000, 22050, 32000, 44100, 48000),
        channels=(1, 2),
        kbps_range=(24, 192),
        kbps_default=128,
        # The decoder never gives out its first frame, and the encoder drops an unfinished last one.
        lead_in=4096,
        tail=6144,
    ),
    CodecSpec(
        name="ac3",
        title="AC-3 (Dolby Digital)",
        backend="av",
        encoder="ac3",
        container="ac3",
        demuxer="ac3",
        sample_format="fltp",
        rates=(32000, 44100, 48000),
        channels=(1, 2, 6),
        kbps_range=(32, 640),
        kbps_default=192,
        kbps_steps=AC3_KBPS,
        delay=256,
        tail=1792,
    ),
    CodecSpec(
        name="sbc",
        title="SBC (Bluetooth)",
        backend="av",
        encoder="sbc",
        container="sbc",
        demuxer="sbc",
        sample_format="s16",
        rates=(16000, 32000, 44100, 48000),
        channels=(1, 2),
        kbps_range=(64, 512),
        kbps_default=328,
        tail=512,
    ),
    CodecSpec(
        name="aptx",
        title="aptX (Bluetooth)",
        backend="av",
        encoder="aptx",
        container="aptx",
        demuxer="aptx",
        sample_format="s32p",
        rates=(16000, 24000, 32000, 44100, 48000),
        channels=(2,),
        kbps_range=None,
        kbps_default=None,
        delay=90,
        tail=256,
    ),
    CodecSpec(
        name="aptx-hd",
        title="aptX HD (Bluetooth)",
        backend="av",
        encoder="aptx_hd",
        container="aptx_hd",
        demuxer="aptx_hd",
        sample_format="s32p",
        rates=(16000, 24000, 32000, 44100, 48000),
        channels=(2,),
        kbps_range=None,
        kbps_default=None,
        delay=90,
        tail=256,
    ),
    CodecSpec(
        name="amr-nb",
        title="AMR narrow band (telephone)",
        backend="av",
        encoder="libopencore_amrnb",
        container="amr",
        demuxer="amr",
        sample_format="s16",
        rates=(8000,),
        channels=(1,),
        kbps_range=(4.75, 12.2),
        kbps_default=12.2,
        kbps_steps=(4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2, 12.2),
        delay=40,
        tail=320,
    ),
    CodecSpec(
        name="amr-wb",
        title="AMR wide band (telephone)",
        backend="av",
        encoder="libvo_amrwbenc",
        container="amr",
        demuxer="amr",
        sample_format="s16",
        rates=(16000,),
        channels=(1,),
        kbps_range=(6.6, 23.85),
        kbps_default=23.85,
        kbps_steps=(6.6, 8.85, 12.65, 14.25, 15.85, 18.25, 19.85, 23.05, 23.85),
        # Look-ahead and band split. Not measured: no wheel has the encoder.
        delay=95,
        tail=640,
    ),
    CodecSpec(
        name="gsm",
        title="GSM 06.10 full rate (telephone)",
        backend="soundfile",
        encoder="GSM610",
        container="WAV",
        sample_format="s16",
        rates=(8000,),
        channels=(1,),
        kbps_range=None,
        kbps_default=None,
    ),
)

CODECS: Mapping[str, CodecSpec] = MappingProxyType({spec.name: spec for spec in _ALL})
"""Every codec this package knows, by name; `available()` tells which of them run here."""

WITHOUT_PYAV: Mapping[str, CodecSpec] = MappingProxyType(
    {
        "mp3": replace(
            CODECS["mp3"], backend="soundfile", encoder="MPEG_LAYER_III", container="MP3"
        ),
        "opus": replace(CODECS["opus"], backend="soundfile", encoder="OPUS", container="OGG"),
    }
)
"""What libsndfile codes instead where PyAV is not installed. It is the same LAME and libopus."""
