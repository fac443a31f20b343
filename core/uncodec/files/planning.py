"""Which source becomes which file: everything that can be refused is refused before the work."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from uncodec.errors import AudioFileError, InvalidValue
from uncodec.files.headroom import Headroom, check_headroom
from uncodec.files.places import UrlPath, place
from uncodec.files.restore import check_format
from uncodec.files.sources import MARK, PROMISING, PassedOver, find_sources
from uncodec.whole_files import reason_of

__all__ = ["STANDARD", "Job", "Plan", "Settings", "plan", "with_deltas"]

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
    name : str
        The source below the folder in which it was found, with slashes: the same on every machine.
    delta : Path or None
        The file that gets what is added, alone.
    """

    source: Path
    target: Path
    folder: Path | None = None
    take: int = 0
    name: str = ""
    delta: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes
    ----------
    jobs : tuple of Job
    passed_over : tuple of PassedOver
        What was found in folders and is left alone, and why.
    failures : tuple of (Path, AudioFileError)
        Folders that could not be read.
    """

    jobs: tuple[Job, ...]
    passed_over: tuple[PassedOver, ...] = ()
    failures: tuple[tuple[Path, AudioFileError], ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """How results are written: see :func:`uncodec.files.restore.restore_file`.

    With `provenance` their tags say what they were made with.
    """

    bits: int = 24
    rate: int | None = None
    headroom: Headroom = 0.0
    overwrite: bool = False
    salvage: bool = False
    provenance: bool = True

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
) -> Plan:
    """Pair every source with its target.

    A folder stands for all audio below it, whatever it is called; hidden files, earlier results,
    ``*.restored.*`` and ``*.rendered.*``, and the folder of the results are passed over. Without
    `output` a result lies next to its source as ``song.restored.flac``. With a folder as `output`,
    results go there as ``song.flac``, below the same sub-folders; it is taken as a folder when it
    is one, when it ends in a separator, when an input is a folder, or when there is more than one
    source. Otherwise `output` is the one file to write. Sources that differ in their extension
    alone keep it: ``song.mp3.restored.flac``, ``song.m4a.restored.flac``. ``-`` is standard input,
    which must be the only input, or standard output.

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
    Plan
        Jobs in the order of `inputs`, folders in order of their names. A file that is named twice
        is done once.

    Raises
    ------
    InvalidValue
        A setting outside its rule, a folder without audio files, one output file for several
        sources, an output folder that is the folder of the sources, sources with the same target,
        or targets that are sources themselves.
    """
    settings = settings or Settings()
    check_format(settings.bits, settings.rate)
    check_headroom(settings.headroom)
    if takes < 1:
        raise InvalidValue(f"takes={takes}: must be a positive integer")
    for name, value in (("output", output), *(("input", item) for item in inputs)):
        if value == "":
            raise InvalidValue(f"{name}='': must be the name of a file or a folder")
    items = [place(item) for item in inputs]
    if takes > 1 and (output == str(STANDARD) or (STANDARD in items and output is None)):
        raise InvalidValue(f"output='-': standard output takes one file, not {takes} takes")
    if STANDARD in items:
        return Plan(_with_takes([_plan_pipe(items, output)], takes))
    to_stdout = output is not None and Path(output) == STANDARD
    found = _find(items, None if output is None or to_stdout else place(output))
    sources = found.sources
    if to_stdout:
        if len(sources) > 1:
            raise InvalidValue("output='-': standard output takes one file, not several")
        jobs = [Job(source, STANDARD, name=_name(source, root)) for source, root in sources]
    elif output is None:
        jobs = _named(sources, None, mark + settings.suffix)
    elif _is_folder(output) or len(sources) > 1 or any(_is_dir(item) for item in items):
        _check_folder(output)
        jobs = _named(sources, place(output), settings.suffix)
    else:
        target = place(output)
        jobs = [Job(source, target, name=_name(source, root)) for source, root in sources]
    jobs_of_takes = _with_takes(jobs, takes)
    _check_apart(jobs_of_takes)
    return Plan(jobs_of_takes, tuple(found.passed_over), tuple(found.failures))


@dataclass(slots=True)
class _Sources:
    sources: list[tuple[Path, Path]]  # each with the folder its relative name starts from
    passed_over: list[PassedOver]
    failures: list[tuple[Path, AudioFileError]]


def _find(items: Iterable[Path], output: Path | None) -> _Sources:
    pairs: list[tuple[Path, Path]] = []
    result = _Sources([], [], [])
    for item in items:
        if not _is_dir(item):
            pairs.append((item, item.parent))
            continue
        if output is not None and os.path.realpath(output) == os.path.realpath(item):
            raise InvalidValue(
                f"output={str(output)!r}: is the folder of the sources; choose another one, or "
                "leave the output out to have the results beside their sources"
            )
        found = find_sources(item, output)
        if not found.files and not found.failures:
            passed = f" ({len(found.passed_over)} passed over)" if found.passed_over else ""
            raise InvalidValue(f"input={str(item)!r}: this folder holds no audio files{passed}")
        pairs += [(file, item) for file in found.files]
        result.passed_over += found.passed_over
        result.failures += found.failures
    seen: dict[str, tuple[Path, Path]] = {}
    for pair in pairs:
        seen.setdefault(os.path.realpath(pair[0]), pair)
    result.sources = list(seen.values())
    named = {path for path, _ in result.sources}
    result.passed_over = [passed for passed in result.passed_over if passed.path not in named]
    return result


def _named(sources: Sequence[tuple[Path, Path]], folder: Path | None, ending: str) -> list[Job]:
    """Name every result by its source, with the source's extension where it takes that."""

    def target(number: int, whole: bool) -> Path:
        source, root = sources[number]
        place = source if folder is None else folder / source.relative_to(root)
        return place.with_name((source.name if whole else source.stem) + ending)

    whole: set[int] = set()
    while True:
        targets = [target(number, number in whole) for number in range(len(sources))]
        longer: set[int] = set()
        for numbers in _groups(targets):
            if len({sources[number][0].name.casefold() for number in numbers}) > 1:
                longer |= numbers - whole
        if not longer:
            break
        whole |= longer
    return [
        Job(source, path, folder, name=_name(source, root))
        for (source, root), path in zip(sources, targets, strict=True)
    ]


def _name(source: Path, root: Path) -> str:
    return source.relative_to(root).as_posix()


def _groups(paths: Sequence[Path]) -> list[set[int]]:
    """Which of the paths are one file, each two or more by their numbers."""
    groups: dict[str, set[int]] = defaultdict(set)
    for number, path in enumerate(paths):
        groups[_key(path)].add(number)
    return [numbers for numbers in groups.values() if len(numbers) > 1]


def _key(path: Path) -> str:
    # song.flac and Song.flac are one file on some file systems, and so are two ways to write é.
    return unicodedata.normalize("NFC", os.path.realpath(path)).casefold()


def _check_apart(jobs: Sequence[Job]) -> None:
    sources = {_key(job.source) for job in jobs}
    if taken := [job.target for job in jobs if _key(job.target) in sources]:
        names = _listed(map(str, taken))
        rule = "are sources themselves" if len(taken) > 1 else "is one of the sources"
        raise InvalidValue(f"output: {names} {rule}; choose another output")
    if groups := _groups([job.target for job in jobs]):
        told = [
            f"{jobs[min(numbers)].target} from "
            + _listed(str(jobs[number].source) for number in sorted(numbers))
            for numbers in groups
        ]
        raise InvalidValue(
            f"output: several sources would be written to one file: {'; '.join(told)}; "
            "restore them separately"
        )


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _check_folder(output: str | Path) -> None:
    folder = Path(output)
    if isinstance(place(output), UrlPath) or _is_dir(folder):
        return
    rule = "must be a folder for several sources"
    if os.path.lexists(folder):
        raise InvalidValue(f"output={str(output)!r}: {rule}, and is a file")
    ending = folder.suffix.lower()
    if ending in PROMISING and not _is_folder(output):
        raise InvalidValue(
            f"output={str(output)!r}: {rule}; a folder of this name is meant with a / at its end"
        )


def _plan_pipe(items: Collection[Path], output: str | Path | None) -> Job:
    if len(items) > 1:
        raise InvalidValue("input='-': standard input must be the only input")
    if output is not None and _is_folder(output):
        raise InvalidValue(f"output={str(output)!r}: standard input has no name, give a file name")
    return Job(STANDARD, STANDARD if output is None else place(output))


def _with_takes(jobs: Iterable[Job], takes: int) -> tuple[Job, ...]:
    if takes == 1:
        return tuple(jobs)
    return tuple(
        replace(
            job,
            target=job.target.with_name(f"{job.target.stem}.take{take + 1}{job.target.suffix}"),
            take=take,
        )
        for job in jobs
        for take in range(takes)
    )


def with_deltas(planned: Plan, where: str | Path, settings: Settings) -> Plan:
    """Give every job of a plan a file for what is added, alone.

    Parameters
    ----------
    planned : Plan
    where : path
        A .wav or .flac file for a single result; or a folder, where they are called as the results
        are and lie below the same sub-folders.
    settings : Settings

    Raises
    ------
    InvalidValue
        One file for several results, several results with the same name, or a delta that would be
        one of the sources or results.
    """
    if str(where) in ("", str(STANDARD)):
        raise InvalidValue(f"delta={str(where)!r}: must be the name of a file or a folder")
    jobs = planned.jobs
    if Path(where).suffix.lower() in (".wav", ".flac") and not _is_folder(where):
        if len(jobs) > 1:
            raise InvalidValue(
                f"delta={str(where)!r}: must be a folder for several results, and is a file"
            )
        paths = [place(where)] * len(jobs)
    else:
        paths = []
        for job in jobs:
            stem = "standard" if job.target == STANDARD else job.target.stem
            paths.append(place(where) / Path(job.name).parent / (stem + settings.suffix))
    if groups := _groups(paths):
        names = _listed(sorted({str(paths[min(numbers)]) for numbers in groups}))
        raise InvalidValue(f"delta: several would be written to {names}; restore them separately")
    files = {_key(path) for job in jobs for path in (job.source, job.target)}
    if taken := [str(path) for path in paths if _key(path) in files]:
        raise InvalidValue(f"delta: {_listed(taken)} would replace a source or a result")
    made = (replace(job, delta=path) for job, path in zip(jobs, paths, strict=True))
    return replace(planned, jobs=tuple(made))


def _is_folder(output: str | Path) -> bool:
    return _is_dir(output) or str(output).endswith(("/", os.sep))


def _is_dir(path: str | Path) -> bool:
    where = place(path)
    if isinstance(where, UrlPath):
        try:
            return where.is_dir()
        except OSError as error:
            raise AudioFileError(f"{where}: cannot be read: {reason_of(error)}") from error
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises for names that are too long
