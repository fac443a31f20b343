"""What the page can ask for: files, previews, the queue, presets, reports."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uncodec.errors import AudioFileError, InvalidType, InvalidValue
from uncodec.files.planning import Job, plan
from uncodec.web.changes import Changes
from uncodec.web.children import Child
from uncodec.web.examining import Examiner
from uncodec.web.excerpts import PREVIEW_S
from uncodec.web.knobs import Knobs
from uncodec.web.library import Entry, Library, Limits
from uncodec.web.names import check_inside, check_relative
from uncodec.web.presets import Presets
from uncodec.web.previews import Asked, Previews, Sent
from uncodec.web.queue import Queue, Ticket, new_id
from uncodec.web.reports import Report

__all__ = ["Desk", "Places", "seconds_of"]

_DOWNLOAD_S = 60.0
"""How long a link to a result may wait to be followed."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie.

    Attributes
    ----------
    state : Path
        Of this server: uploads, queue, receipts.
    presets : Path
        The file of the presets, of all servers.
    output : Path
        Where results of dropped files go.
    folder : Path or None
        The folder that was opened.
    """

    state: Path
    presets: Path
    output: Path
    folder: Path | None = None


class Desk:
    """Brings everything together; to be used in one event loop.

    Parameters
    ----------
    places : Places
    limits : Limits
    """

    def __init__(
        self, places: Places, limits: Limits | None = None, make: type[Child] = Child
    ) -> None:
        self.places = places
        self.changes = Changes()
        self.library = Library(places.folder, places.state / "uploads", self.changes, limits)
        self.presets = Presets(places.presets)
        self.presets_changed = self.changes.number
        self.queue = Queue(
            places.state / "queue.json",
            places.state / "receipts",
            self.changes,
            self._finished,
            make,
        )
        self.previews = Previews(self._engine_changed, make)
        self.engine_changed = self.changes.number
        self.examiner = Examiner(self.library, self.changes, make)
        self._downloads: dict[str, tuple[float, Path]] = {}

    def open(self) -> int:
        """Begin: look into the folder, take up what an earlier server left.

        Returns
        -------
        int
            How many files of an earlier queue go on.

        Raises
        ------
        UncodecError
            The folder for uploads cannot be made.
        """
        unfinished = self.queue.unfinished
        wanted = {ticket.job.source for ticket in unfinished if ticket.dropped}
        self.library.adopt(wanted | {ticket.like for ticket in unfinished if ticket.like})
        self.library.open_folder(map(Path, self.queue.places))
        by_path = {entry.path: entry.id for entry in self.library.entries.values()}
        for ticket in self.queue.tickets:
            ticket.file = by_path.get(ticket.job.source, "")
        self.queue.go_on()
        self.examiner.go_on()
        self.previews.warm_up()
        return len(unfinished)

    def close(self) -> list[str]:
        """End: stop the work, delete what was dropped.

        Returns
        -------
        list of str
            Names of dropped files that were still to be done, and are not.
        """
        self.changes.end()
        self.examiner.stop()
        self.previews.stop()
        dropped = {entry.path for entry in self.library.entries.values() if entry.dropped}
        lost = [ticket for ticket in self.queue.unfinished if dropped & _files(ticket)]
        self.queue.stop()
        self.queue.tickets = [each for each in self.queue.unfinished if each not in lost]
        self.queue.save()
        self.library.close()
        return [ticket.name for ticket in lost]

    def _engine_changed(self) -> None:
        self.engine_changed = self.changes.bump()

    def _finished(self, ticket: Ticket) -> None:
        self.examiner.go_on()

    # ---- What the page shows

    def state(self, since: int) -> dict[str, Any]:
        """What changed since a number; 0 for everything."""
        told: dict[str, Any] = {
            "now": self.changes.number,
            "files": [
                entry.as_dict() for entry in self.library.entries.values() if entry.changed > since
            ],
            "removed": [key for number, key in self.library.removed if number > since],
        }
        if self.queue.changed > since:
            told["queue"] = self.queue.as_dict()
        if self.presets_changed > since:
            told["presets"] = self.presets.as_dict()
        if self.engine_changed > since:
            told["engine"] = {"warm": self.previews.warm, "problem": self.previews.problem}
        if since == 0:
            limits = self.library.limits
            told["limits"] = {
                "files": limits.files,
                "file_bytes": limits.file_bytes,
                "all_bytes": limits.all_bytes,
                "room": self.library.room(),
            }
            folder = self.places.folder
            told["folder"] = None if folder is None else str(folder)
            told["output"] = str(self.places.output)
            told["left_out"] = self.library.left_out
            told["preview_s"] = PREVIEW_S
            told["defaults"] = Knobs().as_dict()
        return told

    # ---- Files

    def announce(self, files: object) -> dict[str, Any]:
        """Say which of some files may be uploaded, before a byte of them is sent."""
        if not isinstance(files, list):
            raise InvalidType("files: must be a list of name and size")
        accepted, refused = [], []
        for index, file in enumerate(files):
            name, size = (file.get("name"), file.get("size")) if isinstance(file, dict) else ("", 0)
            try:
                entry = self.library.announce(name, size)
            except InvalidValue as error:
                refused.append({"index": index, "name": str(name)[:200], "why": str(error)})
            else:
                accepted.append({"index": index, "id": entry.id})
        return {"accepted": accepted, "refused": refused, "room": self.library.room()}

    def look_first(self, key: object) -> None:
        """Have a file inspected before others."""
        self.examiner.first = self.library.get(key).id
        self.examiner.go_on()

    def remove(self, key: object) -> None:
        """Take a file off the page.

        Raises
        ------
        InvalidValue
            It is in the queue.
        """
        entry = self.library.get(key)
        if entry.dropped and any(entry.path in _files(t) for t in self.queue.unfinished):
            raise InvalidValue(f"{entry.name}: is in the queue; cancel it there first")
        self.library.remove(entry)

    # ---- Hearing

    def preview(self, asked: dict[str, Any]) -> AsyncIterator[Sent]:
        """Restore the sound around a place of a file."""
        entry = self.library.get(asked.get("file"))
        self.examiner.first = entry.id
        knobs, like = self._knobs(asked.get("knobs", {}))
        return self.previews.ask(
            Asked(
                "preview",
                _text(asked, "tab"),
                self.library.path_of(entry),
                seconds_of(asked, "start_s"),
                seconds_of(asked, "at_s"),
                knobs,
                _text(asked, "known"),
                entry.name,
                None if like is None else self.library.path_of(like),
            )
        )

    def _knobs(self, values: object) -> tuple[Knobs, Entry | None]:
        """Settings, and the file on the page that is their reference."""
        if not isinstance(values, dict) or "like" not in values:
            return Knobs.parse(values), None
        rest = {name: value for name, value in values.items() if name != "like"}
        like = values["like"]
        return Knobs.parse(rest), None if like in ("", None) else self.library.get(like)

    async def overview(self, key: object) -> dict[str, Any]:
        """The course of a whole file."""
        entry = self.library.get(key)
        asked = Asked("overview", "", self.library.path_of(entry), title=entry.name)
        return await self._result_of(asked, "overview")

    async def report(self, key: object, start_s: float) -> str:
        """Write the A/B report of a result; return where it lies."""
        ticket = self.queue.get(key)
        if ticket.state != "done":
            raise InvalidValue(f"{ticket.name}: is not done yet")
        if not ticket.job.source.is_file():
            raise InvalidValue(f"{ticket.name}: is not there any more; drop it again")
        report = Report(
            ticket.job.source,
            ticket.job.target,
            ticket.name,
            ticket.knobs.command(
                ticket.name, ticket.job.target.name, ticket.like and ticket.like.name
            ),
            start_s,
        )
        asked = Asked("report", "", ticket.job.source, title=ticket.name, report=report)
        return str((await self._result_of(asked, "report"))["path"])

    async def _result_of(self, asked: Asked, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        async for head, _ in self.previews.ask(asked):
            if head["kind"] == "failed":
                raise AudioFileError(head["message"])
            if head["kind"] == kind:
                found = head
        return found

    # ---- Keeping

    def keep(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Put files into the queue, each with its own settings.

        Returns
        -------
        dict
            ``added``: how many; ``refused``: name and why of the others.
        """
        wanted = asked.get("files")
        if not isinstance(wanted, list) or not wanted:
            raise InvalidValue("files: must be a list of files with their knobs")
        place = self._place(asked)
        overwrite = asked.get("overwrite") is True
        added, refused = 0, []
        for item in wanted:
            if not isinstance(item, dict):
                raise InvalidType("files: must be a list of files with their knobs")
            entry = self.library.get(item.get("file"))
            knobs, like = self._knobs(item.get("knobs", {}))
            try:
                job = self.job(entry, knobs, place)
                ticket = Ticket(
                    new_id(), entry.id, entry.name, job, knobs, overwrite, entry.dropped
                )
                ticket.like = None if like is None else self.library.path_of(like)
                ticket.seconds = float(entry.header.get("seconds") or 0.0)
                self.queue.add([ticket])
                added += 1
            except (InvalidValue, AudioFileError) as error:
                refused.append({"name": entry.name, "why": str(error)})
        return {"added": added, "refused": refused}

    def _place(self, asked: dict[str, Any]) -> Path | None:
        """The folder of the results, or None for beside the sources."""
        folder = asked.get("folder")
        if folder in (None, ""):
            return None
        root = self.places.folder or self.places.output
        place = root / check_relative(folder, "folder")
        # It may be there already, as a link to elsewhere.
        return check_inside(place, root)

    def job(self, entry: Entry, knobs: Knobs, place: Path | None) -> Job:
        """What keeping a file with some settings means."""
        path = self.library.path_of(entry)
        if place is None and entry.dropped:
            place = self.places.output
        output = None
        if place is not None:
            output = f"{place / Path(entry.name).parent}/"
        planned = plan([path], output, settings=knobs.settings(), mark=knobs.mark).jobs[0]
        target = planned.target
        twin = self._twin(entry)
        if twin:
            # As a folder is planned: song.mp3 and song.m4a keep their endings.
            target = target.with_name(target.name.replace(path.stem, path.name, 1))
        return Job(planned.source, target, place, name=entry.name)

    def _twin(self, entry: Entry) -> bool:
        stem = Path(entry.name).with_suffix("").as_posix().casefold()
        return any(
            other.id != entry.id
            and other.dropped == entry.dropped
            and other.name != entry.name
            and Path(other.name).with_suffix("").as_posix().casefold() == stem
            for other in self.library.entries.values()
        )

    def copied(self, asked: dict[str, Any]) -> dict[str, str]:
        """The command and the Python that make the same file."""
        entry = self.library.get(asked.get("file"))
        knobs, like = self._knobs(asked.get("knobs", {}))
        job = self.job(entry, knobs, self._place(asked))
        # Of a dropped file only its owner knows where it lies.
        source = entry.name if entry.dropped else str(job.source)
        name = None
        if like is not None:
            name = like.name if like.dropped else str(self.library.path_of(like))
        target = str(job.target)
        if job.folder is not None and job.target.stem == Path(entry.name).stem:
            # As a folder, which the command makes where it is missing.
            target = f"{job.target.parent}/"
        return {
            "command": knobs.command(source, target, name),
            "python": knobs.python(source, job.target, name, makes_folder=job.folder is not None),
        }

    # ---- Presets

    def save_preset(self, name: object, values: object) -> None:
        """Keep settings by name."""
        # A reference is a file on this page, and in no other one.
        self.presets.save(name, self._knobs(values)[0])
        self.presets_changed = self.changes.bump()

    def delete_preset(self, name: object) -> None:
        """Forget them."""
        self.presets.delete(name)
        self.presets_changed = self.changes.bump()

    # ---- Downloads

    def offer(self, key: object, what: object) -> str:
        """Make a link to a result, or to its report, that is good for one minute and one use."""
        from uncodec.web.reports import report_path

        ticket = self.queue.get(key)
        path = ticket.job.target
        if what == "report":
            path = report_path(path)
        if ticket.state != "done" or not path.is_file():
            raise InvalidValue(f"{path.name}: is not there")
        now = time.monotonic()
        self._downloads = {k: v for k, v in self._downloads.items() if v[0] > now}
        link = secrets.token_urlsafe(24)
        self._downloads[link] = (now + _DOWNLOAD_S, path)
        return link

    def follow(self, link: str) -> Path:
        """Give what a link leads to."""
        until, path = self._downloads.pop(link, (0.0, Path()))
        if until < time.monotonic():
            raise InvalidValue("this link was used already, or waited too long")
        return path


def _files(ticket: Ticket) -> set[Path]:
    """What a ticket needs."""
    return {ticket.job.source} | ({ticket.like} if ticket.like else set())


def seconds_of(asked: dict[str, Any], name: str) -> float:
    """A time that was asked for.

    Raises
    ------
    InvalidValue
        It is none.
    """
    value = asked.get(name, 0.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e6:
        raise InvalidValue(f"{name}={value!r}: must be a time in seconds")
    return float(value)


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name, "")
    if not isinstance(value, str) or len(value) > 4000:
        raise InvalidValue(f"{name}: must be a text")
    return value
