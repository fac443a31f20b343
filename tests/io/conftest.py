"""Synthesised audio and pictures for the file tests."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from uncodec.codecs import encode

Array = npt.NDArray[np.float32]


def make_noise(frames: int, channels: int, rate: int, top: float = 3500.0, seed: int = 3) -> Array:
    """Pink noise between 100 Hz and `top`, independent per channel, rms 0.1."""
    noise = np.random.default_rng(seed).standard_normal((channels, max(frames, 4096)))
    spectrum = np.fft.rfft(noise)
    frequency = np.fft.rfftfreq(noise.shape[1], 1 / rate)
    spectrum[:, (frequency < 100) | (frequency > top)] = 0
    spectrum[:, 1:] /= np.sqrt(frequency[1:])
    signal = np.fft.irfft(spectrum, noise.shape[1])
    return (0.1 * signal / signal.std())[:, :frames].astype(np.float32)


@pytest.fixture
def noise() -> Callable[..., Array]:
    return make_noise


@pytest.fixture
def coded(tmp_path: Path) -> Callable[..., Path]:
    """Writes noise through a codec: coded("mp3", ".mp3", audio, rate, ...) -> path."""

    def write(codec: str, ending: str, audio: Array, rate: int, **settings: object) -> Path:
        path = tmp_path / f"coded{ending}"
        path.write_bytes(encode(audio, rate, codec, **settings))
        return path

    return write


def laid_out(audio: Array, kind: str) -> npt.NDArray[np.generic]:
    """`audio` in one of FFmpeg's sample formats: "fltp", "s16", "s32p", ..."""
    data: npt.NDArray[np.generic] = audio
    if kind.startswith("s16"):
        data = np.rint(audio * 32767.0).astype(np.int16)
    elif kind.startswith("s32"):
        data = np.rint(audio * 2147483392.0).astype(np.int32)
    return data if kind.endswith("p") else np.ascontiguousarray(data.T).reshape(1, -1)


def write_muxed(
    path: Path,
    container: str,
    codec: str,
    audio: Array | None,
    rate: int = 48000,
    *,
    start: int = 0,
    picture: bytes | None = None,
    video: bool = False,
    kbps: int | None = 128,
    kind: str | None = None,
    layout: str | None = None,
    **options: str,
) -> Path:
    """Write `audio` through FFmpeg, from sample `start` on.

    A picture, or ten frames of video, are put before it if asked for.
    """
    names = {0: "", 1: "mono", 2: "stereo", 6: "5.1"}
    layout = layout or names[0 if audio is None else audio.shape[0]]
    with av.open(str(path), "w", format=container, options=options) as file:
        if video:
            moving = file.add_stream("mpeg4", rate=25)
            moving.width, moving.height, moving.pix_fmt = 32, 32, "yuv420p"
        if audio is not None:
            sound = file.add_stream(codec, rate=rate, layout=layout)
            if kbps is not None:
                sound.bit_rate = 1000 * kbps
            if kind is not None or sound.codec_context.format.name.startswith("u8"):
                sound.format = kind or {"u8": "s16", "u8p": "s16p"}[sound.format.name]
        if picture is not None:
            cover = file.add_mux_stream("mjpeg", width=64, height=48)
            cover.disposition = av.stream.Disposition.attached_pic
            file.start_encoding()
            packet = av.Packet(picture)
            packet.stream, packet.pts, packet.dts = cover, 0, 0
            file.mux(packet)
        if video:
            for number in range(10):
                image = np.full((32, 32, 3), 20 * number, np.uint8)
                drawn = av.VideoFrame.from_ndarray(image, format="rgb24")
                drawn.pts = number
                file.mux(moving.encode(drawn))
            file.mux(moving.encode(None))
        if audio is not None:
            name = sound.codec_context.format.name
            frame = av.AudioFrame.from_ndarray(laid_out(audio, name), format=name, layout=layout)
            frame.sample_rate, frame.pts = rate, start
            file.mux(sound.encode(frame))
            file.mux(sound.encode(None))
    return path


@pytest.fixture
def mux() -> Callable[..., Path]:
    """Writes audio through any of FFmpeg's codecs into any container: see `write_muxed`."""
    return write_muxed


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    """A small picture, 64 x 48."""
    buffer = io.BytesIO()
    ramp = np.arange(48 * 64 * 3, dtype=np.uint64).reshape(48, 64, 3) * 7 % 256
    with av.open(buffer, "w", format="image2pipe") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        frame = av.VideoFrame.from_ndarray(ramp.astype(np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.fixture
def tagged_mp3(tmp_path: Path, jpeg: bytes) -> Path:
    """An MP3 with ID3 tags and a front cover, as a player's library holds them."""
    path = tmp_path / "tagged.mp3"
    audio = make_noise(30000, 2, 44100)
    with av.open(str(path), "w", format="mp3", options={"id3v2_version": "3"}) as container:
        container.metadata.update(
            {
                "title": "Ein Lied",
                "artist": "Jürgen 山",
                "album": "Platte",
                "album_artist": "Alle",
                "track": "3/12",
                "date": "1999",
                "genre": "Jazz",
                "comment": "made up",
                "composer": "Nobody",
            }
        )
        stream = container.add_stream("libmp3lame", rate=44100, layout="stereo")
        stream.bit_rate = 96000
        cover = container.add_mux_stream("mjpeg", width=64, height=48)
        cover.disposition = av.stream.Disposition.attached_pic
        cover.metadata["comment"] = "Cover (front)"
        cover.metadata["title"] = "front"
        container.start_encoding()
        packet = av.Packet(jpeg)
        packet.stream = cover
        packet.pts = packet.dts = 0
        container.mux(packet)
        frame = av.AudioFrame.from_ndarray(audio, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 44100, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
