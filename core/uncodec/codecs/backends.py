"""The two libraries behind the codecs, each as one pair of functions on (channels, n) float32."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soundfile

from uncodec.codecs.rules import Plan
from uncodec.errors import CodecError

__all__ = ["decode_av", "decode_soundfile", "encode_av", "encode_soundfile", "frame_to_float"]

Array = npt.NDArray[np.float32]

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
# FFmpeg's factor between its -q:a scale and the global_quality field (FF_QP2LAMBDA).
_QUALITY_UNIT = 118
# Raw streams without a header: the demuxer has to be told the rate.
_HEADERLESS = ("aptx", "aptx_hd")
# libsndfile's Vorbis writer keeps a whole write on the stack of libvorbis: give it small ones.
_SOUNDFILE_BLOCK = 8192


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


def frame_to_float(frame: Any) -> Array:
    """One decoded PyAV frame as (channels, n) float32; integers become [-1, 1)."""
    data = frame.to_ndarray()
    channels = len(frame.layout.channels)
    if not frame.format.is_planar:
        data = data.reshape(-1, channels).T
    if data.dtype == np.uint8:
        return np.ascontiguousarray((data.astype(np.float32) - 128.0) / 128.0)
    if data.dtype.kind == "i":
        scale = np.float32(1.0 / -float(np.iinfo(data.dtype).min))
        return np.ascontiguousarray(data.astype(np.float32) * scale)
    return np.ascontiguousarray(data, dtype=np.float32)


def _av_options(plan: Plan) -> dict[str, str]:
    options: dict[str, str] = {}
    if plan.quality is not None:
        options["flags"] = "+qscale"
        options["global_quality"] = str(round(plan.quality * _QUALITY_UNIT))
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


def encode_soundfile(audio: Array, plan: Plan) -> bytes:
    """Encode with libsndfile into memory."""
    spec = plan.spec
    buffer = io.BytesIO()
    level = None if plan.quality is None else 1.0 - plan.quality
    try:
        with soundfile.SoundFile(
            buffer,
            "w",
            plan.rate,
            plan.channels,
            format=spec.container,
            subtype=spec.encoder,
            compression_level=level,
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
