"""Reading tags: the right reader for each file, and no file that makes them fail."""

from __future__ import annotations

import stat
from collections.abc import Callable
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import mutagen
import mutagen.apev2
import mutagen.asf
import mutagen.flac
import mutagen.monkeysaudio
import mutagen.mp4
import mutagen.musepack
import mutagen.oggflac
import mutagen.oggopus
import mutagen.oggspeex
import mutagen.oggvorbis
import mutagen.optimfrog
import mutagen.tak
import mutagen.wavpack

from uncodec.errors import AudioFileError
from uncodec.io.id3_layout import tag_length
from uncodec.io.tags.fallback import read_chapters, read_with_ffmpeg
from uncodec.io.tags.foreign import read_ape, read_asf, read_mp4
from uncodec.io.tags.id3 import read_id3, read_old_id3
from uncodec.io.tags.model import Collector, Tags
from uncodec.io.tags.riff import read_aiff, read_wav
from uncodec.io.tags.vorbis import read_comments, read_flac_blocks
from uncodec.whole_files import reason_of

__all__ = ["open_regular", "read_tags"]

_mutagen: Any = mutagen
_ape: Any = mutagen.apev2

# Some programs put one before the other.
_MOST_ID3_TAGS = 8

# Files that begin with an ID3 tag are not left to the library: it would read any such tag.
_KINDS: list[Any] = [
    mutagen.flac.FLAC,
    mutagen.oggvorbis.OggVorbis,
    mutagen.oggopus.OggOpus,
    mutagen.oggspeex.OggSpeex,
    mutagen.oggflac.OggFLAC,
    mutagen.mp4.MP4,
    mutagen.asf.ASF,
    mutagen.monkeysaudio.MonkeysAudio,
    mutagen.musepack.Musepack,
    mutagen.wavpack.WavPack,
    mutagen.tak.TAK,
    mutagen.optimfrog.OptimFROG,
]


def read_tags(path: str | PathLike[str]) -> Tags:
    """Read what a file says about its music.

    Parameters
    ----------
    path : str or path-like
        A file of any kind; where it holds no tags, or is no audio, there are none.

    Returns
    -------
    Tags
        Broken tags are read as far as they go, and `unread` says what is missing.

    Raises
    ------
    AudioFileError
        If the file is missing, no regular file, or may not be read.
    """
    place = Path(path)
    with open_regular(place) as file:
        return _read(place, file).tags()


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read it, or raise AudioFileError with the reason."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise AudioFileError(f"{path}: is not a regular file")
        return path.open("rb")
    except AudioFileError:
        raise
    except FileNotFoundError:
        raise AudioFileError(f"{path}: does not exist") from None
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else str(error)
        raise AudioFileError(f"{path}: cannot be read: {reason}") from error


def _read(path: Path, file: BinaryIO) -> Collector:
    into = Collector()
    start = file.read(16)
    if start[8:12] == b"WAVE" and start[:4] in (b"RIFF", b"RF64", b"BW64"):
        _try(into, "tags", lambda: read_wav(file, into))
        return into
    if start[:4] == b"FORM":
        _try(into, "tags", lambda: read_aiff(file, into))
        _fill(into, "tags", lambda more: read_with_ffmpeg(path, more))
        return into
    found = 0
    for _ in range(_MOST_ID3_TAGS):
        length = tag_length(start)
        if not length:
            break
        file.seek(found)
        data = file.read(length)
        found += length
        _fill(into, "ID3 tag", partial(read_id3, data))
        start = file.read(16)
    if start.startswith(b"fLaC"):
        _fill(into, "tags", lambda more: _read_with_library(path, more, [mutagen.flac.FLAC]))
    elif not found:
        _fill(into, "tags", lambda more: _read_with_library(path, more))
    if not start.startswith((b"fLaC", b"OggS")):
        _fill(into, "APE tag", lambda more: _read_ape_tag(file, more))
        if not into.fields:
            _fill(into, "ID3v1 tag", lambda more: read_old_id3(file, more))
    if not into.fields and not into.pictures:
        _fill(into, "tags", lambda more: read_with_ffmpeg(path, more))
    return into


def _read_with_library(path: Path, into: Collector, kinds: list[Any] = _KINDS) -> None:
    file = kinds[0](path) if len(kinds) == 1 else _mutagen.File(path, options=kinds)
    if file is None:
        return
    tags = file.tags
    if tags is None:
        pass
    elif isinstance(tags, mutagen.apev2.APEv2):
        read_ape(tags, into)
    elif isinstance(tags, mutagen.mp4.MP4Tags):
        read_mp4(tags, into)
    elif isinstance(tags, mutagen.asf.ASFTags):
        read_asf(list(tags), into)
    else:
        read_comments(list(tags), into)
    if isinstance(file, mutagen.flac.FLAC):
        read_flac_blocks(file, into)
    if isinstance(file, mutagen.mp4.MP4 | mutagen.asf.ASF):
        read_chapters(path, into)


def _read_ape_tag(file: BinaryIO, into: Collector) -> None:
    file.seek(0)
    try:
        tags = _ape.APEv2(file)
    except _ape.APENoHeaderError:
        return
    read_ape(tags, into)


def _fill(into: Collector, what: str, read: Callable[[Collector], None]) -> None:
    """Read something that only adds what `into` does not have yet."""
    more = Collector()
    _try(more, what, lambda: read(more))
    into.fill(more)


def _try(into: Collector, what: str, read: Callable[[], None]) -> None:
    """Read something; whatever goes wrong is noted, because no tag is worth losing the audio."""
    try:
        read()
    except MemoryError:
        into.leave(what, "needs more memory than there is")
    except Exception as error:
        # What the system says, without the path: the file may be a copy of a pipe's content.
        said = str(getattr(error, "strerror", None) or error)
        text = " ".join(said.split())[:200] or type(error).__name__
        into.leave(what, f"cannot be read: {text}")
