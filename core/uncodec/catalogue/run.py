"""The loop of a catalogue run: job after job, by this process or by several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from uncodec.catalogue.receipts import Attempt, Decision, ReceiptBook
from uncodec.catalogue.work import Work
from uncodec.errors import ModelError
from uncodec.files.batch import do_job
from uncodec.files.planning import STANDARD, Job, Plan
from uncodec.files.reporting import Counts, Reporter, ReportLost, describe
from uncodec.files.restore import RestoreReport

__all__ = ["Events", "Outcome", "foresee", "perform", "run"]


class Events(Protocol):
    """Who is told what happens to a job: a `Reporter`, or the way to one in another process."""

    def started(self, source: Path, target: Path) -> None: ...
    def progress(self, source: Path, frames_done: int, frames_total: int | None) -> None: ...
    def notice(self, source: Path, text: str) -> None: ...
    def finished(self, report: RestoreReport) -> None: ...
    def skipped(self, source: Path, target: Path) -> None: ...
    def failed(self, source: Path, target: Path, error: BaseException) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended.

    Attributes
    ----------
    state : {"restored", "failed", "skipped"}
    again : str
        Why it was done anew; empty if it was not.
    """

    state: Literal["restored", "failed", "skipped"]
    again: str = ""


def run(
    plan: Plan,
    work: Work,
    reporter: Reporter,
    *,
    processes: int = 1,
    book: ReceiptBook | None = None,
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
    processes : int
        How many files are done side by side. With more than one, each is done in a process of its
        own kind that loads the model once; the result is the same to the bit.
    book : ReceiptBook, optional
        Leave receipts there, and pass over what they show as done if the book says so.
    """
    reporter.planned(plan)
    counts = Counts(failed=len(plan.failures))
    if min(processes, len(plan.jobs)) > 1:
        from uncodec.catalogue.workers import perform_all

        outcomes: Iterable[Outcome] = perform_all(plan.jobs, work, reporter, book, processes)
    else:
        if plan.jobs:
            work.begin()
        outcomes = (perform(job, work, reporter, book) for job in plan.jobs)
    for outcome in outcomes:
        setattr(counts, outcome.state, getattr(counts, outcome.state) + 1)
        if outcome.again:
            counts.again[outcome.again] = counts.again.get(outcome.again, 0) + 1
    reporter.ended(counts)
    return counts.failed


def perform(job: Job, work: Work, events: Events, book: ReceiptBook | None) -> Outcome:
    """Do one job, or find that it is done."""
    attempt: Attempt | None = None
    again = ""
    try:
        if book is not None:
            attempt = book.attempt(job, work.made_with(job))
            if attempt.decision.action == "skip":
                events.skipped(job.source, job.target)
                return Outcome("skipped")
            again = attempt.decision.reason
            if attempt.unread:
                events.notice(job.source, f"{attempt.path}: {attempt.unread}; done again")
        events.started(job.source, job.target)
        report = _done(job, work, events, attempt)
    except (BrokenPipeError, ReportLost, ModelError):
        raise
    except Exception as error:
        if attempt is not None:
            attempt.failed(error, describe(error))
        events.failed(job.source, job.target, error)
        return Outcome("failed", again)
    events.finished(report)
    return Outcome("restored", again)


def foresee(job: Job, work: Work, book: ReceiptBook | None, *, overwrite: bool) -> Decision:
    """What `perform` would do for a job, without doing anything.

    The action "fail" comes with the reason; `overwrite` says that any result may be replaced.
    """
    try:
        if book is None:
            decision = Decision("new")
            if not job.source.exists():
                return Decision("fail", f"{job.source}: does not exist")
        else:
            attempt = book.attempt(job, work.made_with(job))
            if attempt.error is not None:
                return Decision("fail", str(attempt.error))
            decision = attempt.decision
        taken = job.target.exists()
    except OSError as error:
        return Decision("fail", describe(error))
    if taken and not (decision.ours or overwrite or job.target == STANDARD):
        return Decision("fail", f"{job.target}: exists already; --overwrite replaces it")
    return decision


def _done(job: Job, work: Work, events: Events, attempt: Attempt | None) -> RestoreReport:
    ours = resume = False
    if attempt is not None:
        if attempt.error is not None:
            raise attempt.error
        attempt.begin()
        ours, resume = attempt.decision.ours, attempt.decision.resume

    def make(files: Job) -> RestoreReport:
        return work.do(
            files,
            ours=ours,
            resume=resume,
            progress=partial(events.progress, job.source),
            notice=partial(events.notice, job.source),
        )

    report = do_job(job, make)
    if attempt is not None:
        attempt.done(report)
    return report
