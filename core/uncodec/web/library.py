"""The files on the page: those below the folder that was opened, and those that were dropped."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import AsyncIterable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from uncodec.errors import AudioFileError, InvalidValue, UncodecError
from uncodec.files.sources import walk_sources
from uncodec.web.changes import Changes
from uncodec.web.names import check_inside, check_relative
from uncodec.whole_files import reason_of

__all__ = ["Entry", "Library", "Limits"]

_RESERVE = 500_000_000
"""Bytes of the disk that uploads leave free."""
_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be dropped.

    Attributes
    ----------
    files : int
        On the page at a time.
    file_bytes, all_bytes : int
        Of one file, and of all that were dropped.
    """

    files: int = 1000
    file_bytes: int = 2_000_000_000
    all_bytes: int = 20_000_000_000


@dataclass
class Entry:
    """A file on the page.

    Attributes
    ----------
    id : str
    name : str
        Below the folder, or as it was dropped, with slashes.
    path : Path
    dropped : bool
    size : int
        In bytes.
    state : {"arriving", "waiting", "probed", "inspecting", "ready", "broken"}
    header, found : dict
        What its header says, and what an inspection found.
    error : str
        Why it is broken, in a sentence.
    changed : int
        Number of the last change.
    """

    id: str
    name: str
    path: Path
    dropped: bool
    size: int
    state: Literal["arriving", "waiting", "probed", "inspecting", "ready", "broken"] = "waiting"
    header: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    changed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For the page: everything but where it lies."""
        return {
            "id": self.id,
            "name": _text(self.name),
            "dropped": self.dropped,
            "size": self.size,
            "state": self.state,
            "header": self.header,
            "found": self.found,
            "error": _text(self.error),
        }


class Library:
    """Holds the entries.

    Parameters
    ----------
    folder : Path or None
        The folder that was opened.
    uploads : Path
        Where dropped files go, each in a folder of its own.
    changes : Changes
    limits : Limits
    """

    def __init__(
        self, folder: Path | None, uploads: Path, changes: Changes, limits: Limits | None = None
    ) -> None:
        self.folder = folder
        self.limits = limits or Limits()
        self.entries: dict[str, Entry] = {}
        self.removed: list[tuple[int, str]] = []
        self.left_out = 0
        self._uploads = uploads
        self._changes = changes

    def open_folder(self, results: Iterable[Path] = ()) -> None:
        """Find the audio below the folder; what lies in `results` is none of it."""
        if self.folder is None:
            return
        closed = tuple(os.path.realpath(place) + os.sep for place in results)
        for part in walk_sources(self.folder):
            for path in part.files:
                try:
                    real = check_inside(path, self.folder)
                    size = path.stat().st_size
                except (InvalidValue, OSError):
                    self.left_out += 1
                    continue
                if str(real).startswith(closed):
                    continue
                if len(self.entries) >= self.limits.files:
                    self.left_out += 1
                    continue
                name = path.relative_to(self.folder).as_posix()
                self._add(Entry(secrets.token_hex(8), name, path, False, size))

    def adopt(self, wanted: set[Path]) -> None:
        """Take over dropped files that an earlier server left and that are wanted; sweep the rest.

        Raises
        ------
        UncodecError
            The folder of uploads cannot be made.
        """
        try:
            self._uploads.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UncodecError(f"{self._uploads}: {reason_of(error)}") from error
        for place in self._uploads.iterdir():
            kept = [path for path in wanted if place in path.parents and path.is_file()]
            if not kept:
                shutil.rmtree(place, ignore_errors=True)
                continue
            for path in kept:
                name = path.relative_to(place).as_posix()
                self._add(Entry(place.name, name, path, True, path.stat().st_size))

    def _add(self, entry: Entry) -> Entry:
        self.entries[entry.id] = entry
        self.touch(entry)
        return entry

    def touch(self, entry: Entry) -> None:
        """Note that an entry changed."""
        entry.changed = self._changes.bump()

    def get(self, key: object) -> Entry:
        """Give an entry by its id.

        Raises
        ------
        InvalidValue
            There is none.
        """
        entry = self.entries.get(key) if isinstance(key, str) else None
        if entry is None:
            raise InvalidValue("file: is not on this page any more")
        return entry

    def path_of(self, entry: Entry) -> Path:
        """Where an entry lies, looked at anew: a link may have come into its place.

        Raises
        ------
        InvalidValue
            It leads out of its folder, or has not arrived.
        """
        if entry.state == "arriving":
            raise InvalidValue(f"{entry.name}: has not arrived yet")
        root = self._uploads / entry.id if entry.dropped else self.folder
        if root is None:
            raise InvalidValue(f"{entry.name}: leads out of the folder that was opened")
        check_inside(entry.path, root)
        return entry.path

    @property
    def dropped_bytes(self) -> int:
        """Bytes of everything that was dropped."""
        return sum(entry.size for entry in self.entries.values() if entry.dropped)

    def room(self) -> int:
        """Bytes that may still be dropped."""
        free = shutil.disk_usage(self._uploads).free - _RESERVE
        return max(0, min(self.limits.all_bytes - self.dropped_bytes, free))

    def announce(self, name: object, size: object) -> Entry:
        """Make an entry for a file that is about to be uploaded.

        Raises
        ------
        InvalidValue
            Its name is refused, or it is too large, or one too many.
        """
        relative = check_relative(name)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise InvalidValue(f"{relative}: is empty")
        if size > self.limits.file_bytes:
            raise InvalidValue(
                f"{relative}: has {_megabytes(size)}, and a file may have "
                f"{_megabytes(self.limits.file_bytes)}"
            )
        if len(self.entries) >= self.limits.files:
            raise InvalidValue(
                f"{relative}: {self.limits.files} files are on the page, and no more fit"
            )
        if size > (room := self.room()):
            raise InvalidValue(
                f"{relative}: has {_megabytes(size)}, and there is room for {_megabytes(room)}"
            )
        key = secrets.token_hex(8)
        path = self._uploads / key / relative
        return self._add(Entry(key, str(relative), path, True, size, "arriving"))

    async def receive(self, entry: Entry, chunks: AsyncIterable[bytes]) -> None:
        """Write an announced file to the disk as it comes; of a broken upload nothing is left.

        Raises
        ------
        InvalidValue
            It is not awaited, or not as large as was announced.
        AudioFileError
            The disk is full, for instance.
        """
        from starlette.concurrency import run_in_threadpool

        if entry.state != "arriving" or entry.path.parent.exists():
            raise InvalidValue(f"{entry.name}: is not awaited")
        done = False
        try:
            entry.path.parent.mkdir(parents=True)
            taken, held = 0, bytearray()
            with entry.path.open("xb") as file:
                async for chunk in chunks:
                    taken += len(chunk)
                    if taken > entry.size:
                        raise InvalidValue(f"{entry.name}: is larger than was announced")
                    held += chunk
                    if len(held) >= _AT_ONCE:
                        await run_in_threadpool(file.write, bytes(held))
                        held.clear()
                await run_in_threadpool(file.write, bytes(held))
            if taken < entry.size:
                raise InvalidValue(f"{entry.name}: the upload broke off")
            done = True
        except OSError as error:
            raise AudioFileError(f"{entry.name}: cannot be kept: {reason_of(error)}") from error
        finally:
            if not done:
                self.remove(entry)
        entry.state = "waiting"
        self.touch(entry)

    def remove(self, entry: Entry) -> None:
        """Take an entry off the page; a dropped file is deleted, one of the folder stays."""
        if self.entries.pop(entry.id, None) is None:
            return
        if entry.dropped:
            shutil.rmtree(self._uploads / entry.id, ignore_errors=True)
        self.removed.append((self._changes.bump(), entry.id))

    def close(self) -> None:
        """Delete everything that was dropped."""
        with suppress(OSError):
            shutil.rmtree(self._uploads)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def _text(text: str) -> str:
    """Text without bytes of a name that are no text."""
    return text.encode("utf-8", "replace").decode("utf-8")
