"""One job of a batch: through pipes where it is asked for, and without traces if it fails."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from uncodec.errors import AudioFileError, OutputExists, UncodecError
from uncodec.files.places import UrlPath
from uncodec.files.planning import STANDARD, Job
from uncodec.files.reporting import abandon
from uncodec.files.restore import RestoreReport
from uncodec.whole_files import reason_of

__all__ = ["do_job", "told_as"]

Make = Callable[[Job], RestoreReport]


def do_job(job: Job, make: Make, *, replaces: bool = False) -> RestoreReport:
    """Make the result of a job, with the folders it lies in.

    Parameters
    ----------
    job : Job
        Its files may be standard input and output.
    make : callable
        Makes the result of a job between two files. If it fails, the folders are removed again.
    replaces : bool
        Results that lie elsewhere may be replaced; of files `make` knows it.
    """
    if STANDARD in (job.source, job.target):
        return _do_piped(job, make, replaces)
    if isinstance(job.target, UrlPath) or isinstance(job.delta, UrlPath):
        return _do_far(job, make, replaces)
    created = _create_folders(job)
    try:
        return make(job)
    except BaseException:
        _remove_empty(created)
        raise


def _do_piped(job: Job, make: Make, replaces: bool) -> RestoreReport:
    """Go through files: many formats cannot be read, and WAV cannot be written, without seeking."""
    with _temporary() as folder:
        source, target = job.source, job.target
        told: dict[Path, str] = {}
        if job.source == STANDARD:
            source = Path(folder, "input")
            told[source] = "standard input"
            _take_input(source)
        if job.target == STANDARD:
            target = Path(folder, "output.wav")
            told[target] = "standard output"
        with told_as(told):
            near = replace(job, source=source, target=target)
            report = do_job(near, make, replaces=replaces)
        if job.target == STANDARD:
            _give_output(target)
    return replace(report, source=job.source, target=job.target)


def _do_far(job: Job, make: Make, replaces: bool) -> RestoreReport:
    """Make results in a temporary folder, and store them when they are whole."""
    far = [path for path in (job.target, job.delta) if isinstance(path, UrlPath)]
    with _temporary() as folder:
        copies = {path: Path(folder, str(number), path.name) for number, path in enumerate(far)}
        for path, copy in copies.items():
            try:
                if not replaces and path.exists():
                    raise OutputExists(f"{path}: exists already")
            except OSError as error:
                if isinstance(error, UncodecError):
                    raise
                raise AudioFileError(f"{path}: cannot be read: {reason_of(error)}") from error
            copy.parent.mkdir()
        target = copies.get(job.target, job.target)  # type: ignore[call-overload]
        delta = copies.get(job.delta, job.delta)  # type: ignore[call-overload]
        with told_as({copy: str(path) for path, copy in copies.items()}):
            near = replace(job, target=target, delta=delta)
            report = do_job(near, make, replaces=replaces)
        # The result last: it stands for all.
        for path, copy in reversed(copies.items()):
            try:
                path.store(copy)
            except OSError as error:
                raise AudioFileError(f"{path}: cannot be written: {reason_of(error)}") from error
    return replace(report, target=job.target)


@contextlib.contextmanager
def _temporary() -> Iterator[str]:
    try:
        place = tempfile.TemporaryDirectory(prefix="uncodec-", ignore_cleanup_errors=True)
    except OSError as error:
        raise AudioFileError(f"no folder for temporary files: {reason_of(error)}") from error
    with place as folder:
        yield folder


@contextlib.contextmanager
def told_as(copies: Mapping[Path, str]) -> Iterator[None]:
    """Name in errors what copies stand for: the user has never heard of them."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (UncodecError, OSError) as error:
        text = told = str(error)
        for copy, name in copies.items():
            told = told.replace(str(copy), name)
        if told == text:
            raise
        raise AudioFileError(told) from error


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


def _create_folders(job: Job) -> list[Path]:
    """Create the folders of the results; return the new ones, innermost first."""
    wanted = [] if job.folder is None else [job.target.parent]
    wanted += [] if job.delta is None else [job.delta.parent]
    missing: list[Path] = []
    for folder in wanted:
        try:
            missing += [one for one in (folder, *folder.parents) if not one.exists()]
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _remove_empty(missing)
            reason = reason_of(error)
            raise AudioFileError(f"{folder}: cannot create this folder: {reason}") from error
    return missing


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        # Not empty, or gone meanwhile.
        with contextlib.suppress(OSError):
            folder.rmdir()
