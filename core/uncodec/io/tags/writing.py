"""Writing tags into FLAC and WAV files."""

from __future__ import annotations

import shutil
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Protocol

import mutagen

from uncodec.errors import AudioFileError, InvalidType, InvalidValue
from uncodec.io.staging import StagedFile
from uncodec.io.tags.model import NotCarried, Tags
from uncodec.io.tags.reading import open_regular
from uncodec.io.tags.riff import BrokenChunks, WavTags
from uncodec.io.tags.vorbis import FlacTags
from uncodec.whole_files import reason_of

__all__ = ["TagsToWrite", "form_tags", "write_tags"]


class TagsToWrite(Protocol):
    """Tags in the form that a file takes."""

    left: list[NotCarried]
    room: int

    def put(self, file: BinaryIO) -> None:
        """Replace the tags of a complete file."""
        ...


def form_tags(container: str, tags: Tags) -> TagsToWrite:
    """Bring tags into the form of a container, before there is a file to write them to.

    Parameters
    ----------
    container : {"flac", "wav"}
    tags : Tags
    """
    return FlacTags(tags) if container == "flac" else WavTags(tags)


def write_tags(path: str | PathLike[str], tags: Tags) -> list[NotCarried]:
    """Replace the tags of a FLAC or WAV file.

    The audio stays as it is, bit for bit. The file is replaced by one that is complete.

    Parameters
    ----------
    path : str or path-like
        A FLAC, WAV or RF64 file.
    tags : Tags
        Written as they are; :func:`uncodec.io.without_stale` takes out what does not fit a restored
        copy. FLAC takes them as a Vorbis comment and pictures; WAV as an ID3 chunk, and the simple
        ones as an INFO list too.

    Returns
    -------
    list of NotCarried
        What the file cannot hold.

    Raises
    ------
    AudioFileError
        If the file is missing, damaged, no FLAC or WAV file, or cannot be replaced. It stays as it
        was.
    InvalidType, InvalidValue
        If `tags` are none, or a field holds no text.
    """
    check_tags(tags)
    place = Path(path)
    try:
        with open_regular(place) as source:
            container = "flac" if source.read(4) == b"fLaC" else "wav"
            form = form_tags(container, tags)
            source.seek(0)
            staged = StagedFile(place, overwrite=True)
            try:
                shutil.copyfileobj(source, staged)
                put_tags(form, staged)
                staged.commit()
            except BaseException:
                staged.discard()
                raise
    except AudioFileError:
        raise
    except (mutagen.MutagenError, BrokenChunks) as error:
        raise AudioFileError(f"{place}: takes no tags: {error}") from error
    except OSError as error:
        raise AudioFileError(f"{place}: cannot be written: {reason_of(error)}") from error
    return form.left


def put_tags(form: TagsToWrite, staged: StagedFile) -> None:
    """Put tags into a file that is complete and does not have its name yet."""
    staged.seek(0)  # brings what is still in its buffer into the file
    staged.check()
    with Path(staged.name).open("r+b") as file:
        form.put(file)


def check_tags(tags: object) -> None:
    """Raise InvalidType or InvalidValue unless `tags` can be written."""
    if not isinstance(tags, Tags):
        raise InvalidType(f"tags={tags!r}: must be Tags")
    for name, values in tags.fields.items():
        if not isinstance(name, str) or not name.strip():
            raise InvalidValue(f"field {name!r}: must have a name")
        if isinstance(values, str) or not all(isinstance(value, str) for value in values):
            raise InvalidType(f"field {name!r}: must be a tuple of texts, not {values!r}")
    for picture in tags.pictures:
        if not 0 <= picture.kind <= 20:
            raise InvalidValue(f"kind={picture.kind} of a picture: must be from 0 to 20")
