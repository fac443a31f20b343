"""The queue of files to keep: one after another, and on after a restart."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from uncodec.catalogue.receipts import ReceiptBook
from uncodec.catalogue.run import Performing
from uncodec.catalogue.tasks import portable
from uncodec.errors import InvalidValue, UncodecError
from uncodec.files.planning import Job
from uncodec.files.reporting import describe
from uncodec.web.changes import Changes
from uncodec.web.children import Child, Message
from uncodec.web.knobs import Knobs
from uncodec.web.references import Measured
from uncodec.whole_files import write_whole

__all__ = ["Queue", "Ticket", "serve"]

State = Literal["waiting", "working", "done", "failed", "cancelled"]
_FULL = 32_000_000
"""With fewer bytes free a disk counts as full."""
_MOST_DEATHS = 2
_FORMAT = 1


@dataclass
class Ticket:
    """A file in the queue.

    Attributes
    ----------
    id : str
    file : str
        Id of the entry on the page.
    name : str
    job : Job
    knobs : Knobs
    overwrite : bool
        A result of this name may be replaced.
    dropped : bool
    like : Path or None
        The reference.
    state : {"waiting", "working", "done", "failed", "cancelled"}
    share : float
        How much of it is done, 0 to 1.
    told : str
        Why it failed, or what there is to know, in a sentence.
    elapsed_s : float
    seconds : float
        Length of the file; 0 where it is not known.
    """

    id: str
    file: str
    name: str
    job: Job
    knobs: Knobs
    overwrite: bool = False
    dropped: bool = False
    like: Path | None = None
    state: State = "waiting"
    share: float = 0.0
    told: str = ""
    elapsed_s: float = 0.0
    seconds: float = 0.0
    deaths: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For the page."""
        return {
            "id": self.id,
            "file": self.file,
            "name": self.name,
            "target": self.job.target.name,
            "place": str(self.job.target.parent),
            "knobs": self.knobs.as_dict(),
            "like": "" if self.like is None else self.like.name,
            "state": self.state,
            "share": round(self.share, 4),
            "told": self.told,
            "elapsed_s": round(self.elapsed_s, 1),
            "left_s": self._left_s,
        }

    @property
    def _left_s(self) -> float | None:
        if self.state != "working" or self.share < 0.02:
            return None
        return round(self.elapsed_s * (1 / self.share - 1), 1)

    def as_record(self) -> dict[str, Any]:
        """For the file that outlives the server."""
        job = self.job
        return {
            "id": self.id,
            "file": self.file,
            "name": self.name,
            "source": str(job.source),
            "target": str(job.target),
            "folder": None if job.folder is None else str(job.folder),
            "below": job.name,
            "knobs": self.knobs.as_dict(),
            "overwrite": self.overwrite,
            "dropped": self.dropped,
            "like": None if self.like is None else str(self.like),
            "state": "waiting" if self.state == "working" else self.state,
            "told": self.told,
            "seconds": self.seconds,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Ticket:
        """Read it again."""
        folder = record["folder"]
        job = Job(
            Path(record["source"]),
            Path(record["target"]),
            None if folder is None else Path(folder),
            name=record["below"],
        )
        return cls(
            record["id"],
            record["file"],
            record["name"],
            job,
            Knobs.parse(record["knobs"]),
            record["overwrite"],
            record["dropped"],
            None if record["like"] is None else Path(record["like"]),
            record["state"],
            told=record["told"],
            seconds=record["seconds"],
        )


def serve(connection: Connection, receipts: Path) -> None:
    """The life of the process that works: a ticket in, events out."""
    measured = Measured()
    book = ReceiptBook(receipts, skip_done=True)

    def tell(name: str, *content: object) -> None:
        sent = [portable(one) if isinstance(one, BaseException) else one for one in content]
        connection.send(("event", name, sent))

    while True:
        ticket = connection.recv()
        job = ticket.job
        try:
            like = measured.like(ticket.like, ticket.knobs.like_amount)
            work = ticket.knobs.work(overwrite=ticket.overwrite, like=like)
            outcome = Performing(work, book).do(job, tell).state
        except Exception as error:  # a model that cannot be loaded, for instance
            tell("failed", job.source, job.target, error)
            outcome = "failed"
        connection.send(("ended", ticket.id, outcome))


class Queue:
    """Does one file at a time, in a process that may die without harm.

    Parameters
    ----------
    path : Path
        The file that holds the queue.
    receipts : Path
        Folder of the receipts.
    changes : Changes
    finished : callable
        Called with a ticket when it is through, whatever came of it.
    """

    def __init__(
        self,
        path: Path,
        receipts: Path,
        changes: Changes,
        finished: Callable[[Ticket], None] = lambda ticket: None,
        make: Callable[..., Child] = Child,
    ) -> None:
        self.tickets: list[Ticket] = []
        self.paused = ""
        self.places: list[str] = []
        self._path = path
        self._changes = changes
        self._finished = finished
        self._child = make(serve, (receipts,), self._heard, self._ended, niceness=5)
        self._at: Ticket | None = None
        self._began = 0.0
        self.changed = changes.number
        self._load()

    def _load(self) -> None:
        try:
            content = json.loads(self._path.read_bytes())
            if content["queue"] != _FORMAT:
                raise ValueError("of another release")
            self.tickets = [Ticket.from_record(record) for record in content["tickets"]]
            self.places = [str(place) for place in content["places"]]
            self.paused = str(content["paused"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # Damaged, or of another release: put aside, never a reason not to start.
            with suppress(OSError):
                self._path.replace(self._path.with_name(self._path.name + ".unread"))

    def save(self) -> None:
        """Write the queue down; a full disk costs no more than the memory of this change."""
        content = {
            "queue": _FORMAT,
            "tickets": [ticket.as_record() for ticket in self.tickets],
            "places": self.places,
            "paused": self.paused,
        }
        with suppress(UncodecError):
            write_whole(self._path, json.dumps(content).encode())

    @property
    def unfinished(self) -> list[Ticket]:
        """What is still to be done, in order."""
        return [ticket for ticket in self.tickets if ticket.state in ("waiting", "working")]

    def _touch(self) -> None:
        self.changed = self._changes.bump()

    def _changed(self) -> None:
        self.save()
        self._touch()

    def add(self, tickets: Sequence[Ticket]) -> None:
        """Put files at the end of the queue.

        One that waits already for the same result gets the new settings instead.

        Raises
        ------
        InvalidValue
            Two sources would become one file.
        """
        for ticket in tickets:
            for other in self.unfinished:
                if other.job.target == ticket.job.target and other.job.source != ticket.job.source:
                    raise InvalidValue(
                        f"{ticket.name}: {ticket.job.target.name} is what {other.name} becomes"
                    )
        for ticket in tickets:
            # Done before with other settings, or waiting: the last word counts.
            same = [
                other
                for other in self.tickets
                if other.job.target == ticket.job.target and other.state != "working"
            ]
            for other in same:
                self.tickets.remove(other)
            self.tickets.append(ticket)
            place = str(ticket.job.folder or "")
            if place and place not in self.places:
                self.places.append(place)
        self._changed()
        self.go_on()

    def get(self, key: object) -> Ticket:
        """Give a ticket by its id.

        Raises
        ------
        InvalidValue
            There is none.
        """
        for ticket in self.tickets:
            if ticket.id == key:
                return ticket
        raise InvalidValue("this is not in the queue any more")

    def cancel(self, ticket: Ticket) -> None:
        """Do not do it, or stop doing it: nothing half-written stays."""
        if ticket.state == "working":
            self._child.stop()
            self._at = None
        if ticket.state in ("waiting", "working"):
            ticket.state, ticket.share = "cancelled", 0.0
            self._changed()
            self._finished(ticket)
        self.go_on()

    def again(self, ticket: Ticket, *, overwrite: bool = False) -> None:
        """Do it once more."""
        if ticket.state in ("failed", "cancelled"):
            ticket.state, ticket.told, ticket.share, ticket.deaths = "waiting", "", 0.0, 0
            ticket.overwrite |= overwrite
            self._changed()
            self.go_on()

    def move(self, ticket: Ticket, by: int) -> None:
        """Let a waiting file come earlier (-1) or later (1)."""
        waiting = [index for index, each in enumerate(self.tickets) if each.state == "waiting"]
        if ticket.state != "waiting":
            return
        at = waiting.index(self.tickets.index(ticket))
        to = min(max(0, at + by), len(waiting) - 1)
        here, there = waiting[at], waiting[to]
        self.tickets[here], self.tickets[there] = self.tickets[there], self.tickets[here]
        self._changed()

    def forget(self, ticket: Ticket) -> None:
        """Take what is through off the list."""
        if ticket.state not in ("waiting", "working"):
            self.tickets.remove(ticket)
            self._changed()

    def forget_finished(self) -> None:
        """Take all that is through off the list."""
        self.tickets = self.unfinished
        self._changed()

    def pause(self, why: str) -> None:
        """Begin nothing new; what is in work is finished."""
        self.paused = why
        self._changed()

    def resume(self) -> None:
        """Go on."""
        self.paused = ""
        self._changed()
        self.go_on()

    def go_on(self) -> None:
        """Begin the next file, if none is in work."""
        if self._at is not None or self.paused:
            return
        waiting = [ticket for ticket in self.tickets if ticket.state == "waiting"]
        if not waiting:
            return
        ticket = waiting[0]
        if not ticket.job.source.is_file():
            what = "was dropped into a page that is gone; drop it again" if ticket.dropped else ""
            self._end(ticket, "failed", f"{ticket.name}: {what or 'is not there any more'}")
            return
        ticket.state, ticket.share, ticket.elapsed_s = "working", 0.0, 0.0
        self._at, self._began = ticket, time.monotonic()
        self._changed()
        self._child.send(ticket)

    def _heard(self, message: Message) -> None:
        ticket = self._at
        if ticket is None:
            return
        if message[0] == "ended":
            _, key, outcome = message
            if key == ticket.id:
                self._end(ticket, "failed" if outcome == "failed" else "done", ticket.told)
            return
        _, name, content = message
        ticket.elapsed_s = time.monotonic() - self._began
        if name == "started":
            # Loading the model is no part of it.
            self._began = time.monotonic()
        elif name == "progress":
            _, frames, total = content
            total = total or 0
            ticket.share = min(1.0, frames / total) if total else 0.0
        elif name == "notice":
            ticket.told = content[1]
        elif name == "finished":
            report = content[0]
            ticket.told = _told(report, ticket)
        elif name == "failed":
            ticket.told = describe(content[2]).replace("; --overwrite replaces it", "")
        self._touch()

    def _end(self, ticket: Ticket, state: State, told: str) -> None:
        self._at = None
        ticket.told = told.replace(str(ticket.job.source), ticket.name)
        if ticket.like is not None:
            ticket.told = ticket.told.replace(str(ticket.like), ticket.like.name)
        if state == "failed" and _is_full(ticket.job.target.parent):
            # Everything behind it would fail as well.
            ticket.state = "waiting"
            self.pause("The disk is full. Make room, then go on: nothing that is done is lost.")
            return
        ticket.state = state
        ticket.share = 1.0 if state == "done" else ticket.share
        self._changed()
        self._finished(ticket)
        self.go_on()

    def _ended(self) -> None:
        """The process died: out of memory, most likely."""
        ticket, self._at = self._at, None
        if ticket is None:
            return
        ticket.deaths += 1
        if ticket.deaths < _MOST_DEATHS:
            ticket.state = "waiting"
            self._changed()
            self.go_on()
            return
        told = f"the process that worked on it died {_MOST_DEATHS} times (out of memory?)"
        self._end(ticket, "failed", f"{ticket.name}: {told}")

    def stop(self) -> None:
        """End the process; the queue stays as it is."""
        self._child.stop()
        if self._at is not None:
            self._at.state = "waiting"
            self._at = None
        self.save()

    def as_dict(self) -> dict[str, Any]:
        """For the page."""
        return {
            "tickets": [ticket.as_dict() for ticket in self.tickets],
            "paused": self.paused,
            "left_s": self._left_s(),
        }

    def _left_s(self) -> float | None:
        """How long all of it will take, by the speed of the file in work."""
        ticket = self._at
        if ticket is None or ticket.share < 0.02 or not ticket.seconds:
            return None
        pace = ticket.elapsed_s / (ticket.share * ticket.seconds)
        left = [each for each in self.unfinished if each is not ticket]
        if any(each.knobs.engine != ticket.knobs.engine or not each.seconds for each in left):
            return None
        seconds = (1 - ticket.share) * ticket.seconds + sum(each.seconds for each in left)
        return round(pace * seconds, 1)


def new_id() -> str:
    """An id that no other has."""
    return secrets.token_hex(8)


def _is_full(folder: Path) -> bool:
    while not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises where a folder is closed
        if folder == folder.parent:
            return False
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free < _FULL
    except OSError:
        return False


def _told(report: Any, ticket: Ticket) -> str:
    told = [*report.problems, *(str(warning) for warning in report.warnings)]
    if report.clipped:
        told.append(
            f"{report.clipped} samples were clipped; with headroom 'as needed' none would be"
        )
    lost = [f"{item.field} ({item.reason})" for item in report.not_carried]
    if lost:
        told.append(f"not carried over: {', '.join(lost)}")
    return "; ".join(told) or ticket.told
