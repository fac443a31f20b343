"""Finished chunks of a render on disk, so that one that was stopped can go on."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from uncodec.errors import AudioFileError, InvalidValue
from uncodec.signals import Array
from uncodec.whole_files import reason_of, write_whole

__all__ = ["FolderStore", "GroupStore", "digest_file"]


_HEAD = "render.json"


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read: {reason_of(error)}") from error


class FolderStore:
    """Chunks in a hidden folder beside the file they will become.

    Parameters
    ----------
    target : Path
        The file to render.
    key : mapping
        What determines the chunks: source and settings.
    resume : bool
        Go on with the chunks that are there; otherwise they are removed.

    Raises
    ------
    InvalidValue
        To be resumed, but the chunks belong to another source or other settings.
    AudioFileError
        The folder cannot be written.
    """

    def __init__(self, target: Path, key: Mapping[str, Any], *, resume: bool) -> None:
        self.folder = target.with_name(f".{target.name}.uncodec")
        head = self.folder / _HEAD
        if not resume:
            self.remove()
        if head.is_file():
            try:
                begun = json.loads(head.read_text())
            except (OSError, ValueError):
                begun = {}
            other = sorted(name for name in {*key, *begun} if begun.get(name) != key.get(name))
            if other:
                raise InvalidValue(
                    f"resume: the chunks in {self.folder} were made with another "
                    f"{', '.join(other)}; render without resuming to begin again"
                )
        else:
            self.remove()
            self._create(head, key)
        self._groups: dict[int, GroupStore] = {}

    def group(self, number: int) -> GroupStore:
        """The chunks of a group of channels, which are a signal of their own; counted from 0."""
        if number not in self._groups:
            self._groups[number] = GroupStore(self.folder, f"{number}-" if number else "")
        return self._groups[number]

    def _create(self, head: Path, key: Mapping[str, Any]) -> None:
        try:
            self.folder.mkdir()
            head.write_text(json.dumps(dict(key)))
        except OSError as error:
            self.remove()
            raise AudioFileError(f"{self.folder}: cannot be written: {reason_of(error)}") from error

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def remove_if_empty(self) -> None:
        """Delete the folder unless there is something to go on with."""
        if not any(self.folder.glob("*.npy")):
            self.remove()


class GroupStore:
    """Chunks of one signal (an `uncodec.diffusion.source.ChunkStore`).

    Attributes
    ----------
    finished : int
        Chunks there, from the first on.
    """

    def __init__(self, folder: Path, prefix: str) -> None:
        self._folder = folder
        self._prefix = prefix
        self.finished = 0
        while self._path(self.finished).is_file():
            self.finished += 1

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._prefix}{number:06d}.npy"

    def load(self, number: int) -> Array:
        """Give chunk `number`, [shape=(2, samples)]."""
        path = self._path(number)
        try:
            chunk: Array = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise AudioFileError(f"{path}: cannot be read ({error})") from error
        return chunk

    def save(self, number: int, chunk: Array) -> None:
        """Keep chunk `number`; under its name it is there as a whole or not at all."""
        content = io.BytesIO()
        np.save(content, chunk)
        write_whole(self._path(number), content.getbuffer())
        self.finished = max(self.finished, number + 1)
