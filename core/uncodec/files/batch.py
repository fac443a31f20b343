"""Several files in one go: the loop that does them, and what a failure leaves.

A file that fails is reported and the others are still done.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from uncodec.errors import AudioFileError, ModelError, UncodecError
from uncodec.files.planning import STANDARD, Job, Plan, Settings
from uncodec.files.reporting import Reporter, ReportLost, abandon
from uncodec.files.restore import RestoreReport, StreamingEffect, restore_file
from uncodec.whole_files import reason_of

__all__ = ["Work", "run", "run_each"]

Work = Callable[[Job, Callable[[int, int | None], None]], RestoreReport]
"""What is done for one job, told where to report ``(frames_done, frames_total)``."""


def run(plan: Plan, effect: StreamingEffect, settings: Settings, reporter: Reporter) -> int:
    """Restore file after file with an effect; see `run_each`."""

    def work(job: Job, progress: Callable[[int, int | None], None]) -> RestoreReport:
        return restore_file(
            job.source,
            job.target,
            effect,
            bits=settings.bits,
            rate=settings.rate,
            headroom=settings.headroom,
            overwrite=settings.overwrite,
            salvage=settings.salvage,
            progress=progress,
        )

    return run_each(plan, work, reporter)


def run_each(plan: Plan, work: Work, reporter: Reporter) -> int:
    """Do job after job, telling `reporter`; return how many failed.

    Folders that could not be read count as failures. An exception that is no fault of the one file
    (Ctrl-C, a broken pipe, a report that nobody can be given, a model that cannot be used) ends the
    batch and is raised.
    """
    reporter.planned(plan)
    failures = len(plan.failures)
    restored = 0
    for job in plan.jobs:
        reporter.started(job.source, job.target)
        try:
            report = _run_one(job, work, reporter)
        except (BrokenPipeError, ReportLost, ModelError):
            raise
        except Exception as error:
            failures += 1
            reporter.failed(job.source, job.target, error)
        else:
            restored += 1
            reporter.finished(report)
    reporter.ended(restored=restored, failed=failures)
    return failures


def _run_one(job: Job, work: Work, reporter: Reporter) -> RestoreReport:
    if STANDARD in (job.source, job.target):
        return _run_piped(job, work, reporter)
    created = _create_folder(job)
    try:
        return work(job, reporter.progress)
    except BaseException:
        _remove_empty(created)
        raise


def _run_piped(job: Job, work: Work, reporter: Reporter) -> RestoreReport:
    """Go through files: many formats cannot be read, and WAV cannot be written, without seeking."""
    try:
        place = tempfile.TemporaryDirectory(prefix="uncodec-", ignore_cleanup_errors=True)
    except OSError as error:
        raise AudioFileError(f"no folder for temporary files: {reason_of(error)}") from error
    with place as folder:
        source, target = job.source, job.target
        if job.source == STANDARD:
            source = Path(folder, "input")
            _take_input(source)
        if job.target == STANDARD:
            target = Path(folder, "output.wav")
        try:
            report = _run_one(replace(job, source=source, target=target), work, reporter)
        except BrokenPipeError:
            raise
        except (UncodecError, OSError) as error:
            # The user has never heard of the copies.
            text = told = str(error)
            if job.source == STANDARD:
                told = told.replace(str(source), "standard input")
            if job.target == STANDARD:
                told = told.replace(str(target), "standard output")
            if told == text:
                raise
            raise AudioFileError(told) from error
        if job.target == STANDARD:
            _give_output(target)
    return replace(report, source=job.source, target=job.target)


def _take_input(copy: Path) -> None:
    if sys.stdin is None:
        raise AudioFileError("standard input: is closed")
    try:
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
    except OSError as error:
        # Of the input or of the copy.
        raise AudioFileError(f"standard input: cannot be read: {reason_of(error)}") from error


def _give_output(result: Path) -> None:
    if sys.stdout is None:
        raise AudioFileError("standard output: is closed")
    try:
        with result.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon(sys.stdout)
        raise AudioFileError(f"standard output: cannot be written: {reason_of(error)}") from error


def _create_folder(job: Job) -> list[Path]:
    """Create the target's folder; return the new ones, innermost first."""
    if job.folder is None:
        return []
    wanted = (job.target.parent, *job.target.parent.parents)
    missing: list[Path] = []
    try:
        missing += [folder for folder in wanted if not folder.exists()]
        job.target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _remove_empty(missing)
        raise AudioFileError(
            f"{job.target.parent}: cannot create this folder: {reason_of(error)}"
        ) from error
    return missing


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        # Not empty, or gone meanwhile.
        with contextlib.suppress(OSError):
            folder.rmdir()
