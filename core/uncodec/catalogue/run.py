"""The loop of a catalogue run: job after job, by this process or by several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from uncodec.catalogue.damage import damage_of
from uncodec.catalogue.receipts import Attempt, Decision, ReceiptBook, identity_of
from uncodec.catalogue.tasks import Task, Tell
from uncodec.catalogue.work import Work
from uncodec.errors import AudioFileError, ModelError, UncodecError
from uncodec.files.batch import do_job, told_as
from uncodec.files.places import UrlPath, nearby
from uncodec.files.planning import STANDARD, Job, Plan
from uncodec.files.reporting import Counts, Reporter, ReportLost, describe
from uncodec.files.restore import RestoreReport
from uncodec.io.staging import remove_abandoned

__all__ = ["Events", "Foreseeing", "Outcome", "Performing", "each_here", "perform", "run"]

Each = Callable[[Sequence[Any], Task, Tell], Iterator[tuple[Any, Any]]]
"""A way to do a task for each of some items: yields pairs of item and result."""


class Events(Protocol):
    """Who is told what happens to a job: a `Reporter`, or the way to one in another process."""

    def started(self, source: Path, target: Path) -> None: ...
    def progress(self, source: Path, frames_done: int, frames_total: int | None) -> None: ...
    def notice(self, source: Path, text: str) -> None: ...
    def finished(self, report: RestoreReport) -> None: ...
    def skipped(self, source: Path, target: Path) -> None: ...
    def left(self, source: Path, target: Path, reason: str) -> None: ...
    def failed(self, source: Path, target: Path, error: BaseException) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended.

    Attributes
    ----------
    state : {"restored", "failed", "skipped", "left"}
        Skipped: done before. Left: nothing to give back.
    again : str
        Why it was done anew; empty if it was not.
    """

    state: Literal["restored", "failed", "skipped", "left"]
    again: str = ""


@dataclass
class Performing:
    """The task of a run: one job each. See `perform`."""

    work: Work
    book: ReceiptBook | None = None
    only_damaged: bool = False

    def begin(self) -> None:
        """Load the model."""
        self.work.begin()

    def do(self, job: Job, tell: Tell) -> Outcome:
        """Do a job."""
        return perform(job, self.work, _Told(tell), self.book, only_damaged=self.only_damaged)

    def lost(self, job: Job, error: UncodecError, tell: Tell) -> Outcome:
        """Note that its processes died."""
        error = UncodecError(f"{job.source}: {error}")
        if self.book is not None:
            self.book.attempt(job, self.work.made_with(job)).failed(error, describe(error))
        tell("failed", job.source, job.target, error)
        return Outcome("failed")

    def abandoned(self, job: Job) -> None:
        """Remove half of a result: a process that is ended inside a library cannot do it itself."""
        if not isinstance(job.target, UrlPath):
            with suppress(OSError):
                remove_abandoned(job.target.parent)


@dataclass
class Foreseeing:
    """The task of a plan: what `perform` would do for each job, without doing anything."""

    work: Work
    book: ReceiptBook | None = None
    only_damaged: bool = False

    def begin(self) -> None:
        """Nothing is needed."""

    def do(self, job: Job, tell: Tell) -> Decision:
        """Tell what would be done; the action "fail" comes with the reason."""
        try:
            with nearby(job.source) as source, told_as({source: str(job.source)}):
                return self._decision(job, source)
        except (AudioFileError, OSError) as error:
            return Decision("fail", describe(error))

    def _decision(self, job: Job, source: Path) -> Decision:
        if self.book is None:
            decision = Decision("new")
            if not job.source.exists():
                return Decision("fail", f"{job.source}: does not exist")
        else:
            made_with = self.work.made_with(job)
            attempt = self.book.attempt(job, made_with, only_damaged=self.only_damaged, copy=source)
            if attempt.error is not None:
                return Decision("fail", str(attempt.error))
            decision = attempt.decision
        if decision.action in ("skip", "leave"):
            return decision
        if self.only_damaged:
            damage = damage_of(source)
            if not damage.worth:
                return Decision("leave", damage.told)
            if not decision.reason:
                decision = replace(decision, reason=damage.told)
        taken = job.target.exists()
        if taken and not (decision.ours or self.work.overwrite or job.target == STANDARD):
            return Decision("fail", f"{job.target}: exists already; --overwrite replaces it")
        return decision

    def lost(self, job: Job, error: UncodecError, tell: Tell) -> Decision:
        """Its processes died."""
        return Decision("fail", str(error))

    def abandoned(self, job: Job) -> None:
        """It leaves nothing."""


def each_here(items: Sequence[Any], task: Task, heard: Tell) -> Iterator[tuple[Any, Any]]:
    """Do a task for each item in this process, in their order."""
    if items:
        task.begin()
    for item in items:
        yield item, task.do(item, heard)


def run(
    plan: Plan,
    work: Work,
    reporter: Reporter,
    *,
    each: Each = each_here,
    book: ReceiptBook | None = None,
    only_damaged: bool = False,
) -> int:
    """Do all jobs of a plan; return how many failed.

    A file that fails is reported and the others are still done. Folders that could not be read
    count as failures. An exception that is no fault of one file (Ctrl-C, a broken pipe, a report
    that nobody can be given, a model that cannot be used) ends the run and is raised.

    Parameters
    ----------
    plan : Plan
    work : Work
    reporter : Reporter
    each : callable
        Where jobs are done: here, or in several processes, each of which loads the model once
        (`uncodec.catalogue.workers`). The results are the same to the bit.
    book : ReceiptBook, optional
        Leave receipts there, and pass over what they show as done if the book says so.
    only_damaged : bool
        Inspect each source first, and leave those alone that restoring gives nothing back to.
    """
    reporter.planned(plan)
    counts = Counts(failed=len(plan.failures))

    def heard(name: str, *content: Any) -> None:
        getattr(reporter, name)(*content)

    for _, outcome in each(plan.jobs, Performing(work, book, only_damaged), heard):
        setattr(counts, outcome.state, getattr(counts, outcome.state) + 1)
        if outcome.again:
            counts.again[outcome.again] = counts.again.get(outcome.again, 0) + 1
    reporter.ended(counts)
    return counts.failed


def perform(
    job: Job, work: Work, events: Events, book: ReceiptBook | None, *, only_damaged: bool = False
) -> Outcome:
    """Do one job, or find that it is done, or that there is nothing to do."""
    try:
        with nearby(job.source) as source:
            return _perform(job, source, work, events, book, only_damaged)
    except AudioFileError as error:  # no room for a copy of the source
        events.failed(job.source, job.target, error)
        return Outcome("failed")


def _perform(
    job: Job,
    source: Path,
    work: Work,
    events: Events,
    book: ReceiptBook | None,
    only_damaged: bool,
) -> Outcome:
    """Do one job, its source being at hand."""
    attempt: Attempt | None = None
    again = ""
    try:
        if book is not None:
            made_with = work.made_with(job)
            attempt = book.attempt(job, made_with, only_damaged=only_damaged, copy=source)
            if attempt.decision.action == "skip":
                events.skipped(job.source, job.target)
                return Outcome("skipped")
            if attempt.decision.action == "leave":
                events.left(job.source, job.target, attempt.decision.reason)
                return Outcome("left")
            again = attempt.decision.reason
            if attempt.unread:
                events.notice(job.source, f"{attempt.path}: {attempt.unread}; done again")
        events.started(job.source, job.target)
        with told_as({source: str(job.source)}):
            _check_there(source, attempt)
            if only_damaged and not (damage := damage_of(source)).worth:
                if attempt is not None:
                    attempt.left(damage)
                events.left(job.source, job.target, damage.told)
                return Outcome("left", again)
            report = _done(job, source, work, events, attempt)
    except (BrokenPipeError, ReportLost, ModelError):
        raise
    except Exception as error:
        if attempt is not None:
            attempt.failed(error, describe(error))
        events.failed(job.source, job.target, error)
        return Outcome("failed", again)
    events.finished(report)
    return Outcome("restored", again)


def _check_there(source: Path, attempt: Attempt | None) -> None:
    if attempt is not None and attempt.error is not None:
        raise attempt.error
    if isinstance(source, UrlPath):
        identity_of(source)  # it could not be fetched: says why
        raise AudioFileError(f"{source}: cannot be fetched")


def _done(
    job: Job, source: Path, work: Work, events: Events, attempt: Attempt | None
) -> RestoreReport:
    ours = resume = False
    if attempt is not None:
        attempt.begin()
        ours, resume = attempt.decision.ours, attempt.decision.resume
    result: dict[str, Any] | None = None

    def make(files: Job) -> RestoreReport:
        nonlocal result
        report = work.do(
            files,
            ours=ours,
            resume=resume,
            progress=partial(events.progress, job.source),
            notice=partial(events.notice, job.source),
        )
        if attempt is not None and isinstance(job.target, UrlPath):
            result = identity_of(files.target)  # before it is far away
        return report

    report = do_job(replace(job, source=source), make, replaces=ours or work.overwrite)
    report = replace(report, source=job.source)
    if attempt is not None:
        attempt.done(report, result)
    return report


class _Told:
    """`Events` by their names."""

    def __init__(self, tell: Tell) -> None:
        self.started = partial(tell, "started")
        self.progress = partial(tell, "progress")
        self.notice = partial(tell, "notice")
        self.finished = partial(tell, "finished")
        self.skipped = partial(tell, "skipped")
        self.left = partial(tell, "left")
        self.failed = partial(tell, "failed")
