"""Several files in one go: what is restored into what, and the loop that does it.

Everything that can be refused is refused before the first file is touched. After that a file that
fails is reported and the others are still done.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from uncodec.errors import AudioFileError, InvalidValue, ModelError
from uncodec.offline.reporting import Reporter
from uncodec.offline.restore import RestoreReport, StreamingEffect, check_format, restore_file

__all__ = [
    "AUDIO_SUFFIXES",
    "MARK",
    "RENDERED",
    "STANDARD",
    "Job",
    "Settings",
    "Work",
    "plan",
    "run",
    "run_each",
]

# fmt: off
AUDIO_SUFFIXES = frozenset((
    ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".flac", ".gsm", ".m4a", ".mka", ".mp2",
    ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".sbc", ".wav", ".webm", ".wma",
))
# fmt: on
"""What counts as audio inside a folder; a file that is named itself is always tried."""

MARK = ".restored"
"""Stands before the extension of a result that lies next to its source."""

RENDERED = ".rendered"
"""The same, of what the offline engine rendered."""

STANDARD = Path("-")
"""As a source standard input, as a target standard output."""


@dataclass(frozen=True, slots=True)
class Job:
    """One file to restore.

    Attributes
    ----------
    source, target : Path
        The files, or :data:`STANDARD`.
    folder : Path or None
        The output folder the target belongs to; it is created where it is missing.
    take : int
        Which of several results of one source, from 0 on.
    """

    source: Path
    target: Path
    folder: Path | None = None
    take: int = 0


Work = Callable[[Job, Callable[[int, int | None], None]], RestoreReport]
"""What is done for one job, told where to report ``(frames_done, frames_total)``."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How results are written: see :func:`uncodec.offline.restore.restore_file`."""

    bits: int = 24
    rate: int | None = None
    overwrite: bool = False
    salvage: bool = False

    @property
    def suffix(self) -> str:
        """Extension of results that are not named: FLAC, or WAV where the samples are floats."""
        return ".wav" if self.bits == 32 else ".flac"


def plan(
    inputs: Sequence[str | Path],
    output: str | Path | None = None,
    *,
    settings: Settings | None = None,
    mark: str = MARK,
    takes: int = 1,
) -> list[Job]:
    """Pair every source with its target.

    A folder stands for all audio files below it; hidden files and earlier results,
    ``*.restored.*`` and ``*.rendered.*``, are passed over. Without `output` a result lies next to
    its source as ``song.restored.flac``. With a folder as `output`, results go there as
    ``song.flac``, below the same sub-folders; it is taken as a folder when it is one, when it ends
    in a separator, when an input is a folder, or when there is more than one source. Otherwise
    `output` is the one file to write. ``-`` is standard input, which must be the only input, or
    standard output.

    Parameters
    ----------
    inputs : sequence of path
        Files and folders, in any mixture.
    output : path, optional
        A file, or a folder that need not exist yet.
    settings : Settings, optional
        How the results will be written; the sample format decides about their extension.
    mark : str
        Stands in the name of a result next to its source.
    takes : int
        Results of each source; of several each has its number in its name: ``song.take2.flac``.

    Returns
    -------
    list of Job
        In the order of `inputs`, folders in order of their names. A file that is named twice is
        done once.

    Raises
    ------
    InvalidValue
        A setting outside its rule, a folder without audio files, one output file for several
        sources, two sources with the same target, or a target that is itself a source.
    """
    settings = settings or Settings()
    check_format(settings.bits, settings.rate)
    if takes < 1:
        raise InvalidValue(f"takes={takes}: must be a positive integer")
    suffix = settings.suffix
    items = [Path(item) for item in inputs]
    sources = _unique(pair for item in items for pair in _expand(item))
    if takes > 1 and (output == str(STANDARD) or (STANDARD in items and output is None)):
        raise InvalidValue(f"output='-': standard output takes one file, not {takes} takes")
    if STANDARD in items:
        return _with_takes([_plan_pipe(items, output)], takes)
    if output is not None and Path(output) == STANDARD:
        if len(sources) > 1:
            raise InvalidValue("output='-': standard output takes one file, not several")
        return [Job(sources[0][0], STANDARD)]
    if output is None:
        jobs = [Job(source, source.with_name(source.stem + mark + suffix)) for source, _ in sources]
    elif _is_folder(output) or len(sources) > 1 or any(item.is_dir() for item in items):
        folder = Path(output)
        if folder.exists() and not folder.is_dir():
            raise InvalidValue(f"output={str(output)!r}: must be a folder for several sources")
        jobs = [
            Job(source, folder / source.relative_to(root).with_suffix(suffix), folder)
            for source, root in sources
        ]
    else:
        jobs = [Job(source, Path(output)) for source, _ in sources]
    jobs = _with_takes(jobs, takes)
    _check_apart(jobs)
    return jobs


def run(
    jobs: Sequence[Job], effect: StreamingEffect, settings: Settings, reporter: Reporter
) -> int:
    """Restore file after file with an effect; see `run_each`."""

    def work(job: Job, progress: Callable[[int, int | None], None]) -> RestoreReport:
        return restore_file(
            job.source,
            job.target,
            effect,
            bits=settings.bits,
            rate=settings.rate,
            overwrite=settings.overwrite,
            salvage=settings.salvage,
            progress=progress,
        )

    return run_each(jobs, work, reporter)


def run_each(jobs: Sequence[Job], work: Work, reporter: Reporter) -> int:
    """Do job after job, telling `reporter`; return how many failed.

    An exception that is no fault of the one file (Ctrl-C, a broken pipe, a model that cannot be
    used) ends the batch and is raised.
    """
    failures = 0
    for job in jobs:
        reporter.started(job.source, job.target)
        try:
            report = _run_one(job, work, reporter)
        except (BrokenPipeError, ModelError):
            raise
        except Exception as error:
            failures += 1
            reporter.failed(job.source, job.target, error)
        else:
            reporter.finished(report)
    reporter.ended(restored=len(jobs) - failures, failed=failures)
    return failures


def _run_one(job: Job, work: Work, reporter: Reporter) -> RestoreReport:
    if STANDARD in (job.source, job.target):
        return _run_piped(job, work, reporter)
    created = _create_folder(job)
    try:
        return work(job, reporter.progress)
    except BaseException:
        for folder in created:
            if not any(folder.iterdir()):
                folder.rmdir()
        raise


def _run_piped(job: Job, work: Work, reporter: Reporter) -> RestoreReport:
    """Go through files: many formats cannot be read, and WAV cannot be written, without seeking."""
    with tempfile.TemporaryDirectory(prefix="uncodec-") as folder:
        source, target = job.source, job.target
        if job.source == STANDARD:
            source = Path(folder, "input")
            with source.open("wb") as copy:
                shutil.copyfileobj(sys.stdin.buffer, copy)
        if job.target == STANDARD:
            target = Path(folder, "output.wav")
        try:
            report = _run_one(replace(job, source=source, target=target), work, reporter)
        except Exception as error:
            if str(source) in str(error) and job.source == STANDARD:
                # The user has never heard of the copy.
                raise AudioFileError(str(error).replace(str(source), "standard input")) from error
            raise
        if job.target == STANDARD:
            with target.open("rb") as result:
                shutil.copyfileobj(result, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    return replace(report, source=job.source, target=job.target)


def _plan_pipe(items: Sequence[Path], output: str | Path | None) -> Job:
    if len(items) > 1:
        raise InvalidValue("input='-': standard input must be the only input")
    if output is not None and _is_folder(output):
        raise InvalidValue(f"output={str(output)!r}: standard input has no name, give a file name")
    return Job(STANDARD, STANDARD if output is None else Path(output))


def _with_takes(jobs: Sequence[Job], takes: int) -> list[Job]:
    if takes == 1:
        return list(jobs)
    return [
        replace(
            job,
            target=job.target.with_name(f"{job.target.stem}.take{take + 1}{job.target.suffix}"),
            take=take,
        )
        for job in jobs
        for take in range(takes)
    ]


def _is_folder(output: str | Path) -> bool:
    return Path(output).is_dir() or str(output).endswith(("/", os.sep))


def _expand(item: Path) -> Iterable[tuple[Path, Path]]:
    """Give (file, the folder its relative name starts from) for a file or a folder."""
    if not item.is_dir():
        return [(item, item.parent)]

    def refuse(error: OSError) -> NoReturn:
        # Left to itself the walk would pass over the folder without a word.
        raise InvalidValue(f"input={str(item)!r}: {error.filename}: {error.strerror}")

    found = []
    for folder, subfolders, names in os.walk(item, onerror=refuse):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        found += [
            (Path(folder, name), item)
            for name in sorted(names)
            if Path(name).suffix.lower() in AUDIO_SUFFIXES
            and not name.startswith(".")
            and not {MARK, RENDERED} & set(Path(name).suffixes)
        ]
    if not found:
        raise InvalidValue(f"input={str(item)!r}: this folder holds no audio files")
    return found


def _unique(pairs: Iterable[tuple[Path, Path]]) -> list[tuple[Path, Path]]:
    seen: dict[Path, tuple[Path, Path]] = {}
    for pair in pairs:
        seen.setdefault(pair[0].resolve(), pair)
    return list(seen.values())


def _check_apart(jobs: Sequence[Job]) -> None:
    # Folded case, because song.flac and Song.flac are one file on some file systems.
    targets: dict[str, Path] = {}
    sources = {str(job.source.resolve()).casefold() for job in jobs}
    for job in jobs:
        key = str(job.target.resolve()).casefold()
        if key in targets:
            raise InvalidValue(
                f"output={str(job.target)!r}: {targets[key]} and {job.source} would both be "
                "written there; restore them separately"
            )
        if key in sources:
            raise InvalidValue(
                f"output={str(job.target)!r}: is one of the sources; choose another output"
            )
        targets[key] = job.source


def _create_folder(job: Job) -> list[Path]:
    """Create the target's folder; return the new ones, innermost first."""
    if job.folder is None:
        return []
    wanted = (job.target.parent, *job.target.parent.parents)
    missing = [folder for folder in wanted if not folder.exists()]
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioFileError(
            f"{job.target.parent}: cannot create this folder: {error.strerror}"
        ) from error
    return missing
