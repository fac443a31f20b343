"""Whether there is audio in a file: the demuxer is asked, not the file's name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
import soundfile

from uncodec.errors import AudioFileError, InvalidType
from uncodec.io.av_decoder import coding_name, container_name, plain_reason
from uncodec.io.containers import open_container
from uncodec.io.decoders import PLAYLISTS, is_plain, open_soundfile
from uncodec.io.layouts import layout_of
from uncodec.io.protection import PROTECTED, is_protected
from uncodec.io.reader import check_readable

__all__ = ["AudioProbe", "probe_audio"]

Kind = Literal[
    "audio", "video", "picture", "playlist", "protected", "damaged", "unknown", "unreadable"
]

# The decoder is tried on so many packets, of the sound and of all streams.
_PACKETS = (16, 1000)
# What a format may put before each packet, in bytes.
_HEADER = 64
# What files of sound or pictures begin with: if such a one cannot be read, it is damaged.
_MAGIC = (
    b"RIFF", b"RIFX", b"RF64", b"FORM", b"caff", b".snd", b"riff", b"fLaC", b"OggS", b"ID3",
    b"wvpk", b"MAC ", b"TTA1", b"MPCK", b"MP+", b"#!AMR", b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef\xcf\x11",
)  # fmt: skip
# Samples without a header, known by the file's name alone: nobody knows their rate.
_RAW = ("s8", "u8", "s16", "u16", "s24", "u24", "s32", "u32", "f32", "f64", "alaw", "mulaw", "sln")


@dataclass(frozen=True, slots=True)
class AudioProbe:
    """What :func:`probe_audio` found.

    Attributes
    ----------
    path : Path
    found : bool
        There is an audio stream that can be decoded; also the truth value of the object.
    kind : str
        "audio"; or why not: "video" (moving pictures without sound), "picture", "playlist",
        "protected" (against copying), "damaged" (the format is known, but nothing in it can be
        decoded), "unknown" (no format that is known: text, a program, ...), "unreadable" (missing,
        empty, a folder, no permission).
    reason : str
        Why not, in words that go on from the file's name: "holds no audio: only a picture"; empty
        where audio was found.
    format, subtype : str
        Container and coding, as :class:`uncodec.io.AudioReader` names them; empty if not found.
    sample_rate, channels : int
        What the header states, 0 if not found. The decoder has the last word: see
        :func:`uncodec.io.open_audio`.
    seconds : float or None
        Length as the header states it or the bit rate suggests.
    """

    path: Path
    found: bool
    kind: Kind
    reason: str = ""
    format: str = ""
    subtype: str = ""
    sample_rate: int = 0
    channels: int = 0
    seconds: float | None = None

    def __bool__(self) -> bool:
        return self.found


def probe_audio(path: str | os.PathLike[str]) -> AudioProbe:
    """Ask the demuxer whether a file holds audio, whatever its name ends in.

    Cheap: reads the header and decodes the first packet, never the file. Nothing that is wrong with
    the file raises; the result tells. Where `found` is true, :func:`uncodec.io.open_audio` opens
    the file.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    AudioProbe
        True where there is audio that can be decoded.

    Raises
    ------
    InvalidType
        If `path` is no path.

    Examples
    --------
    >>> probe = probe_audio("cover.jpg")  # doctest: +SKIP
    >>> probe.found, probe.kind, probe.reason  # doctest: +SKIP
    (False, 'picture', 'holds no audio: only a picture')
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidType(f"path={path!r}: must be a string or a path")
    place = Path(path)
    try:
        check_readable(place)
        with place.open("rb") as file:
            head = file.read(64)
            plain, protected = is_plain(file), is_protected(file)
    except AudioFileError as error:
        return _without(place, "unreadable", str(error).removeprefix(f"{place}: "))
    except OSError as error:
        return _without(place, "unreadable", plain_reason(error))
    if head.startswith(PLAYLISTS):
        return _without(place, "playlist", "is a playlist, not an audio file")
    if protected:
        return _without(place, "protected", PROTECTED)
    if plain:
        try:
            return _of_soundfile(place)
        except (soundfile.SoundFileError, OSError, TypeError):
            pass  # perhaps a coding that FFmpeg knows, or a video in RIFF
    try:
        with open_container(place) as container:
            return _of_container(place, container, _is_media(head))
    except (av.FFmpegError, ValueError, OSError) as error:
        if _is_media(head):
            return _without(place, "damaged", f"cannot be decoded: {plain_reason(error)}")
        return _without(place, "unknown", "is of no format that is known")


def _without(path: Path, kind: Kind, reason: str) -> AudioProbe:
    return AudioProbe(path, False, kind, reason)


def _is_media(head: bytes) -> bool:
    return head.startswith(_MAGIC) or head[4:8] == b"ftyp"


def _of_soundfile(path: Path) -> AudioProbe:
    with open_soundfile(path) as file:
        if file.frames == 0:
            return _without(path, "damaged", "holds no audio (0 samples)")
        return AudioProbe(
            path,
            True,
            "audio",
            format=str(file.format),
            subtype=str(file.subtype),
            sample_rate=int(file.samplerate),
            channels=int(file.channels),
            seconds=file.frames / file.samplerate,
        )


def _of_container(path: Path, container: Any, is_media: bool) -> AudioProbe:
    name = str(container.format.name)
    if not container.streams.audio:
        return _without_stream(path, container, name)
    if name.rstrip("bel") in _RAW or name in _RAW:
        return _without(path, "unknown", "holds samples without a header: their rate is unknown")
    stream = container.streams.audio[0]
    named = path.suffix.lower().lstrip(".") in container.format.extensions
    if not _decodes(container, stream, 1 if is_media else 3, named):
        if not is_media:
            return _without(path, "unknown", "is of no format that is known")
        codec = stream.codec_context.name if stream.codec_context else "of a kind unknown here"
        return _without(path, "damaged", f"holds no audio that can be decoded ({codec})")
    context = stream.codec_context
    seconds = None
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration:
        seconds = container.duration / 1e6
    return AudioProbe(
        path,
        True,
        "audio",
        format=container_name(name),
        subtype=coding_name(context),
        sample_rate=int(context.sample_rate),
        channels=len(layout_of(context).channels),
        seconds=seconds,
    )


def _without_stream(path: Path, container: Any, name: str) -> AudioProbe:
    videos = container.streams.video
    if not videos or name in ("tty", "bin", "xbin", "adf", "idf"):  # text, as FFmpeg draws it
        return _without(path, "unknown", "holds no audio")
    still = name.endswith("_pipe") or name in ("image2", "gif", "webp", "apng", "ico", "fits")
    pictures = all(v.disposition & av.stream.Disposition.attached_pic for v in videos)
    if still or pictures:
        return _without(path, "picture", "holds no audio: only a picture")
    return _without(path, "video", "holds no audio: only moving pictures")


def _decodes(container: Any, stream: Any, least: int, named: bool) -> bool:
    """Whether enough of the first packets of `stream` give audio.

    One is enough in a file that says what it is. Elsewhere it takes three, one behind the other, or
    packets that are most of a file with a fitting name (`named`): a few bytes that look like the
    beginning of an MP3 frame are in every large file.
    """
    tried = good = size = 0
    end = None
    try:
        for count, packet in enumerate(container.demux()):
            if count >= _PACKETS[1] or tried >= _PACKETS[0]:
                break
            if packet.stream.index != stream.index or not packet.size:
                continue
            tried += 1
            if end is not None and not 0 <= (packet.pos or 0) - end <= _HEADER:
                good = 0
            end = None if packet.pos is None else packet.pos + packet.size
            size += packet.size
            try:
                frames = packet.decode()
                for frame in frames:
                    layout_of(frame)
                good += bool(frames)
            except (av.FFmpegError, ValueError):
                good = 0
            if good >= least:
                return True
    except (av.FFmpegError, OSError, IndexError):  # the last of streams that turn up on the way
        pass
    return good > 0 and 2 * size > container.size and named
