"""The two libraries behind the codecs, each as one pair of functions on (channels, n) float32.

PyAV is imported where it is needed: pairs can be coded, and models trained, without it.
"""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from uncodec.codecs.rules import Plan
from uncodec.errors import CodecError
from uncodec.frames import frame_to_float
from uncodec.signals import Array

__all__ = [
    "decode_av",
    "decode_soundfile",
    "encode_av",
    "encode_soundfile",
    "has_pyav",
    "ogg_packets",
    "version_of",
]


_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
# FFmpeg's factor between its -q:a scale and the global_quality field (FF_QP2LAMBDA).
_QUALITY_UNIT = 118
# Raw streams without a header: the demuxer has to be told the rate.
_HEADERLESS = ("aptx", "aptx_hd")
# libsndfile's Vorbis writer keeps a whole write on the stack of libvorbis: give it small ones.
_SOUNDFILE_BLOCK = 8192
# libsndfile spreads LAME's constant bit rates over its compression level: from the level 0 to 1 it
# goes from the highest to the lowest rate in kb/s there are at the sample rate, and cuts the
# fraction off. libopus': per channel, in bit/s.
_LEVEL_KBPS = ((32000, 32, 320), (16000, 8, 160), (0, 8, 64))
_OPUS_LEVEL = (6000, 256000)


@cache
def has_pyav() -> bool:
    """Whether PyAV is installed."""
    try:
        import av  # noqa: F401  # whether it can be imported is the question
    except ImportError:
        return False
    return True


def _import_av() -> Any:
    try:
        import av
    except ImportError as error:
        raise CodecError(
            f"av: must be installed to code or decode this (pip install av), got: {error}"
        ) from error
    return av


def version_of(backend: str) -> str:
    """Name and version of a library, for instance ``"libsndfile 1.2.2"``."""
    if backend == "soundfile":
        return f"libsndfile {soundfile.__libsndfile_version__}"
    return f"PyAV {_import_av().__version__}"


def _to_sample_format(audio: Array, sample_format: str) -> npt.NDArray[Any]:
    """Lay `audio` out as PyAV wants the frame: planar (channels, n) or packed (1, n * channels)."""
    data: npt.NDArray[Any] = audio
    if sample_format.startswith("s16"):
        data = np.clip(np.rint(audio * 32768.0), -32768, 32767).astype(np.int16)
    elif sample_format.startswith("s32"):
        scaled = np.rint(audio.astype(np.float64) * 2147483648.0)
        data = np.clip(scaled, -2147483648, 2147483647).astype(np.int32)
    if sample_format.endswith("p"):
        return np.ascontiguousarray(data)
    return np.ascontiguousarray(data.T).reshape(1, -1)


def _av_options(plan: Plan) -> dict[str, str]:
    options: dict[str, str] = {}
    if plan.quality is not None:
        options["flags"] = "+qscale"
        options["global_quality"] = str(round(plan.quality * _QUALITY_UNIT))
    if plan.average:
        options["abr"] = "1"
    if plan.cutoff_hz is not None and plan.native_cutoff:
        options["cutoff"] = str(round(plan.cutoff_hz))
    if plan.channels == 2 and not plan.joint_stereo:
        if plan.spec.name == "mp3":
            options["joint_stereo"] = "0"
        elif plan.spec.name == "aac":
            options["aac_ms"] = "0"
            options["aac_is"] = "0"
    return options


def encode_av(audio: Array, plan: Plan) -> bytes:
    """Encode and mux with PyAV into memory."""
    av = _import_av()
    spec = plan.spec
    buffer = io.BytesIO()
    try:
        with av.open(buffer, "w", format=spec.container) as container:
            stream: Any = container.add_stream(
                spec.encoder, rate=plan.rate, layout=_LAYOUTS[plan.channels]
            )
            stream.options = _av_options(plan)
            stream.format = spec.sample_format
            if plan.bit_rate is not None:
                stream.bit_rate = plan.bit_rate
            frame = av.AudioFrame.from_ndarray(
                _to_sample_format(audio, spec.sample_format),
                format=spec.sample_format,
                layout=_LAYOUTS[plan.channels],
            )
            frame.sample_rate = plan.rate
            frame.pts = 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except (av.FFmpegError, ValueError) as error:
        raise CodecError(
            f"{spec.name}: the encoder refused {plan.rate} Hz, {plan.channels} channels: {error}"
        ) from error
    return buffer.getvalue()


def decode_av(
    data: bytes,
    demuxer: str | None = None,
    rate: int | None = None,
    packets: list[int] | None = None,
) -> tuple[Array, int]:
    """Decode the first audio stream of `data` with PyAV.

    `rate` is told to demuxers of formats that do not carry it (aptX). The first byte of every
    packet is appended to `packets`.
    """
    av = _import_av()
    # No protocol: a playlist in `data` must not make us open anything.
    options = {"protocol_whitelist": "none"}
    if rate and demuxer in _HEADERLESS:
        options["sample_rate"] = str(rate)
    parts: list[Array] = []
    found = 0
    try:
        with av.open(io.BytesIO(data), "r", format=demuxer, options=options) as container:
            if not container.streams.audio:
                raise CodecError("data: has no audio stream")
            for packet in container.demux(container.streams.audio[0]):
                if packets is not None and packet.size:
                    packets.append(memoryview(packet)[0])
                for frame in packet.decode():
                    parts.append(frame_to_float(frame))
                    found = int(frame.sample_rate)
    except (av.FFmpegError, ValueError) as error:
        raise CodecError(f"data: cannot be decoded: {error}") from error
    if not parts:
        raise CodecError("data: holds no audio")
    return np.concatenate(parts, axis=1), found


def _soundfile_options(plan: Plan) -> dict[str, Any]:
    """Compression level, 0 for the most bits, and mode."""
    if plan.spec.name == "mp3" and plan.bit_rate is not None:
        low, high = next((low, high) for edge, low, high in _LEVEL_KBPS if plan.rate >= edge)
        # Half a kb/s above: its integer part must not fall below what was asked for. The level 1
        # itself is refused, because it is tried as a quality of variable bit rate first.
        kbps = plan.bit_rate / 1000 + 0.5
        return {
            "compression_level": max(0.0, (high - kbps) / (high - low)),
            "bitrate_mode": "CONSTANT",
        }
    if plan.spec.name == "opus" and plan.bit_rate is not None:
        low, high = (plan.channels * edge for edge in _OPUS_LEVEL)
        return {"compression_level": min(1.0, max(0.0, (high - plan.bit_rate) / (high - low)))}
    if plan.quality is None:
        return {}
    level = plan.quality / 10 if plan.spec.name == "mp3" else 1.0 - plan.quality
    return {"compression_level": level}


def encode_soundfile(audio: Array, plan: Plan) -> bytes:
    """Encode with libsndfile into memory."""
    spec = plan.spec
    buffer = io.BytesIO()
    try:
        with soundfile.SoundFile(
            buffer,
            "w",
            plan.rate,
            plan.channels,
            format=spec.container,
            subtype=spec.encoder,
            **_soundfile_options(plan),
        ) as file:
            for start in range(0, audio.shape[1], _SOUNDFILE_BLOCK):
                file.write(np.ascontiguousarray(audio[:, start : start + _SOUNDFILE_BLOCK].T))
    except (soundfile.SoundFileError, ValueError) as error:
        raise CodecError(
            f"{spec.name}: the encoder refused {plan.rate} Hz, {plan.channels} channels: {error}"
        ) from error
    return buffer.getvalue()


def decode_soundfile(data: bytes) -> tuple[Array, int]:
    """Decode `data` with libsndfile."""
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            # The count has to be given: GSM in WAV cannot seek, and read() then refuses to guess.
            audio = file.read(file.frames, dtype="float32", always_2d=True)
            return np.ascontiguousarray(audio.T), int(file.samplerate)
    except (soundfile.SoundFileError, ValueError) as error:
        raise CodecError(f"data: cannot be decoded: {error}") from error


def ogg_packets(data: bytes) -> list[int]:
    """First byte of every packet of audio in an Ogg file of one Opus stream (RFC 3533, RFC 7845).

    The first two packets are headers and left out.
    """
    firsts: list[int] = []
    place, begins = 0, True
    while data[place : place + 4] == b"OggS" and len(data) > place + 26:
        laces = data[place + 27 : place + 27 + data[place + 26]]
        place += 27 + len(laces)
        for lace in laces:
            if begins and lace and place < len(data):
                firsts.append(data[place])
            # A lace of 255 says that the packet goes on, in the next page if need be.
            begins = lace < 255
            place += lace
    return firsts[2:]
