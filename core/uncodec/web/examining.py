"""What a file says and what its samples show: a process that looks at one file after another."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from uncodec.files.reporting import describe
from uncodec.web.changes import Changes
from uncodec.web.children import Child, Message
from uncodec.web.library import Entry, Library

__all__ = ["Examiner", "serve"]


def serve(connection: Connection) -> None:
    """The life of the process: ``(what, id, path)`` in, ``(what, id, found, error)`` out."""
    while True:
        what, key, path = connection.recv()
        try:
            found = _probe(path) if what == "probe" else _inspect(path)
        except Exception as error:
            connection.send((what, key, {}, describe(error)))
        else:
            connection.send((what, key, found, ""))


def _probe(path: Path) -> dict[str, Any]:
    from uncodec.io import open_audio

    with open_audio(path) as reader:
        seconds = reader.seconds
        if reader.frames is not None:
            seconds = reader.frames / reader.sample_rate
        return {
            "format": reader.format,
            "coding": reader.subtype,
            "sample_rate": reader.sample_rate,
            "channels": reader.channels,
            "seconds": seconds,
            "title": " / ".join(reader.tags.get("title", ())),
            "artist": " / ".join(reader.tags.get("artist", ())),
        }


def _inspect(path: Path) -> dict[str, Any]:
    from uncodec.inspection import inspect

    found = inspect(path).as_dict()
    del found["path"], found["spans"]
    return found


class Examiner:
    """Has every file of a library looked at: headers first, then the samples, one by one.

    Parameters
    ----------
    library : Library
    changes : Changes
    """

    def __init__(
        self,
        library: Library,
        changes: Changes,
        make: Callable[..., Child] = Child,
    ) -> None:
        self._library, self._changes = library, changes
        self._child = make(serve, (), self._heard, self._ended, niceness=10)
        self._at: tuple[str, Entry] | None = None
        self.first: str | None = None

    def go_on(self) -> None:
        """Look at the next file, if there is one and none is being looked at."""
        if self._at is not None:
            return
        entries = list(self._library.entries.values())
        waiting = [entry for entry in entries if entry.state == "waiting"]
        probed = [entry for entry in entries if entry.state == "probed"]
        # The one that somebody looks at comes first.
        probed.sort(key=lambda entry: entry.id != self.first)
        if not waiting and not probed:
            return
        what, entry = ("probe", waiting[0]) if waiting else ("inspect", probed[0])
        self._at = (what, entry)
        if what == "inspect":
            entry.state = "inspecting"
            self._library.touch(entry)
        try:
            path = self._library.path_of(entry)
        except Exception as error:
            self._heard((what, entry.id, {}, describe(error)))
            return
        self._child.send((what, entry.id, path))

    def _heard(self, message: Message) -> None:
        what, key, found, error = message
        self._at = None
        entry = self._library.entries.get(key)
        if entry is not None:
            if error:
                entry.state, entry.error = "broken", _without_place(error, entry)
            elif what == "probe":
                entry.state, entry.header = "probed", found
            else:
                entry.state, entry.found = "ready", found
            self._library.touch(entry)
        self.go_on()

    def _ended(self) -> None:
        if self._at is not None:
            what, entry = self._at
            error = "the process that looked at it died; it can be restored nevertheless"
            self._heard((what, entry.id, {}, error))

    def stop(self) -> None:
        """End the process."""
        self._child.stop()


def _without_place(text: str, entry: Entry) -> str:
    """A message as it concerns somebody who never heard of the folder of uploads."""
    return text.replace(str(entry.path), entry.name)
