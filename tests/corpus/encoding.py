"""Writers of coded files: PyAV for most, libsndfile for Vorbis and for what is not coded at all."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soundfile
from tests.corpus.signals import Array

__all__ = ["Recipe", "remux", "video_alone", "with_av", "with_soundfile", "with_video"]

_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
# libsndfile's Vorbis writer keeps a whole write on the stack.
_BLOCK = 1024


@dataclass(frozen=True)
class Recipe:
    """How PyAV is to encode: muxer, encoder, and what they are told."""

    muxer: str
    encoder: str
    kbps: float | None = None
    layout: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    muxer_options: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    sample_format: str | None = None


def _in_format(audio: Array, name: str) -> npt.NDArray[Any]:
    """`audio` as a packed frame of FFmpeg's sample format `name` holds it."""
    data: npt.NDArray[Any]
    if name == "u8":
        data = np.clip(np.rint(audio * 128.0) + 128, 0, 255).astype(np.uint8)
    elif name == "s16":
        data = np.clip(np.rint(audio * 32768.0), -32768, 32767).astype(np.int16)
    elif name == "s32":
        scaled = np.rint(audio.astype(np.float64) * 2147483648.0)
        data = np.clip(scaled, -2147483648, 2147483647).astype(np.int32)
    elif name == "dbl":
        data = audio.astype(np.float64)
    else:
        data = audio
    return np.ascontiguousarray(data.T).reshape(1, -1)


def _frame(audio: Array, rate: int, format_name: str, layout: str, start: int = 0) -> av.AudioFrame:
    # Packed, whatever the encoder wants: PyAV cannot make planar frames of eight channels.
    packed = format_name.removesuffix("p")
    frame = av.AudioFrame.from_ndarray(_in_format(audio, packed), format=packed, layout=layout)
    frame.sample_rate, frame.pts = rate, start
    return frame


def with_av(audio: Array, rate: int, recipe: Recipe) -> bytes:
    """Encode (channels, n) at `rate` Hz and mux it."""
    if "faststart" in recipe.muxer_options.get("movflags", ""):
        # The muxer reads what it has written, which takes a file.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "whole"
            _encode_av(audio, rate, recipe, str(path))
            return path.read_bytes()
    buffer = io.BytesIO()
    _encode_av(audio, rate, recipe, buffer)
    return buffer.getvalue()


def _encode_av(audio: Array, rate: int, recipe: Recipe, target: str | io.BytesIO) -> None:
    layout = recipe.layout or _LAYOUTS[audio.shape[0]]
    with av.open(
        target, "w", format=recipe.muxer, container_options=dict(recipe.muxer_options)
    ) as container:
        container.metadata.update(recipe.metadata)
        stream: Any = container.add_stream(recipe.encoder, rate=rate, layout=layout)
        stream.options = dict(recipe.options)
        name = recipe.sample_format or stream.codec_context.codec.audio_formats[0].name
        stream.format = name
        if recipe.kbps is not None:
            stream.bit_rate = round(recipe.kbps * 1000)
        container.mux(stream.encode(_frame(audio, rate, name, layout)))
        container.mux(stream.encode(None))


def with_video(
    audio: Array, rate: int, recipe: Recipe, late_s: float, seconds: float = 1.0
) -> bytes:
    """A moving picture whose sound begins `late_s` seconds after it."""
    layout = recipe.layout or _LAYOUTS[audio.shape[0]]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=recipe.muxer) as container:
        video: Any = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        sound: Any = container.add_stream(recipe.encoder, rate=rate, layout=layout)
        name = sound.codec_context.codec.audio_formats[0].name
        sound.format = name
        packets = []
        for index in range(int(seconds * 10)):
            picture = av.VideoFrame.from_ndarray(
                np.full((32, 32, 3), index * 20 % 256, np.uint8), format="rgb24"
            )
            picture.pts = index
            packets += video.encode(picture)
        packets += video.encode(None)
        packets += sound.encode(_frame(audio, rate, name, layout, round(late_s * rate)))
        packets += sound.encode(None)
        container.mux(sorted(packets, key=lambda packet: packet.dts * packet.time_base))
    return buffer.getvalue()


def video_alone() -> bytes:
    """A moving picture without sound."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        video: Any = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        for index in range(5):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            picture.pts = index
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
    return buffer.getvalue()


def remux(data: bytes, muxer: str, metadata: Mapping[str, str] | None = None) -> bytes:
    """The packets of `data` in another container, uncoded in between."""
    buffer = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(buffer, "w", format=muxer) as target:
        target.metadata.update(metadata or {})
        stream = source.streams.audio[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    return buffer.getvalue()


def with_soundfile(
    audio: Array, rate: int, container: str, subtype: str, endian: str = "FILE"
) -> bytes:
    """Write with libsndfile."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, audio.shape[0], subtype, endian, container) as file:
        for start in range(0, audio.shape[1], _BLOCK):
            file.write(np.ascontiguousarray(audio[:, start : start + _BLOCK].T))
    return buffer.getvalue()
