"""What the receipts of a catalogue say, summed up."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from uncodec.catalogue.receipts import read_receipt
from uncodec.errors import AudioFileError, InvalidValue
from uncodec.files.places import UrlPath, place
from uncodec.files.sources import RECEIPT, find_sources
from uncodec.whole_files import reason_of

__all__ = ["Status", "sum_up"]


@dataclass
class Status:
    """How far a catalogue is.

    Attributes
    ----------
    done : int
        Results with a receipt that are there and as large as it says.
    left : int
        Sources that were left alone, having no damage.
    missing : list of str
        Results with a receipt that are not there, or of another size.
    failed : list of (str, str)
        Sources that could not be done, each with the reason.
    stopped : list of str
        Sources whose work was begun and not ended: it goes on now, or its run was killed.
    unread : list of (str, str)
        Receipts that cannot be used, each with the reason.
    untouched : list of str or None
        Sources without a receipt; None where the sources were not told.
    audio_s, work_s : float
        Playing time of what is done, and the time that processes have worked on it.
    """

    done: int = 0
    left: int = 0
    missing: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    untouched: list[str] | None = None
    audio_s: float = 0.0
    work_s: float = 0.0

    @property
    def times_real_time(self) -> float:
        """Seconds of audio done in a second by one process; 0 if nothing was done."""
        return self.audio_s / self.work_s if self.work_s else 0.0

    def reasons(self) -> Counter[str]:
        """How many failed for which reason, without the names of the files."""
        return Counter(reason.removeprefix(f"{source}: ") for source, reason in self.failed)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain numbers and text, for JSON."""
        return {
            **asdict(self),
            "failed": [{"source": source, "reason": reason} for source, reason in self.failed],
            "unread": [{"receipt": path, "reason": reason} for path, reason in self.unread],
            "times_real_time": round(self.times_real_time, 2),
        }


def sum_up(folder: Path, sources: Sequence[Path] = ()) -> Status:
    """Sum up the receipts below a folder.

    Parameters
    ----------
    folder : Path
        That of the receipts, or of the results with receipts beside them.
    sources : sequence of Path, optional
        The folders that were given to the run: what has no receipt yet is told then.

    Raises
    ------
    InvalidValue
        `folder` holds no receipt.
    AudioFileError
        It cannot be read, or a folder of sources cannot.
    """
    status = Status()
    names = set()
    found = False
    for path in _receipts(folder):
        found = True
        receipt = read_receipt(path)
        if receipt is None:  # removed meanwhile
            continue
        if "unread" in receipt:
            status.unread.append((str(path), str(receipt["unread"])))
            continue
        source = str(receipt["source"].get("path"))
        names.add(receipt["source"].get("name"))
        if receipt["state"] == "failed":
            error = receipt.get("error")
            told = error.get("message") if isinstance(error, dict) else None
            status.failed.append((source, str(told)))
        elif receipt["state"] == "begun":
            status.stopped.append(source)
        elif receipt["state"] == "left":
            status.left += 1
        elif _is_there(receipt["result"]):
            status.done += 1
            audio = receipt.get("audio")
            status.audio_s += _number(audio.get("seconds")) if isinstance(audio, dict) else 0.0
            status.work_s += _number(receipt.get("elapsed_s"))
        else:
            status.missing.append(str(receipt["result"].get("path")))
    if sources:
        status.untouched = sorted(str(path) for path, name in _named(sources) if name not in names)
    if not found:
        raise InvalidValue(f"folder={str(folder)!r}: must hold receipts, and holds none")
    # Folders of receipts are in no order that means anything.
    for rows in (status.missing, status.failed, status.stopped, status.unread):
        rows.sort()
    return status


def _receipts(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise AudioFileError(f"{error.filename}: cannot be read: {reason_of(error)}") from error

    if isinstance(folder, UrlPath):
        try:
            yield from (path for path in folder.below() if path.name.endswith(RECEIPT))
        except OSError as error:
            refuse(error)
        return
    if not folder.exists():
        raise AudioFileError(f"{folder}: does not exist")
    for where, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        for name in sorted(names):
            if name.endswith(RECEIPT):
                yield Path(where, name)


def _named(folders: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Audio files below folders, each with its name there."""
    for folder in folders:
        if not folder.is_dir():
            raise InvalidValue(f"sources={str(folder)!r}: must be a folder that is there")
        found = find_sources(folder)
        for _, error in found.failures:
            raise error
        for path in found.files:
            yield path, path.relative_to(folder).as_posix()


def _is_there(result: dict[str, Any]) -> bool:
    try:
        return place(str(result.get("path"))).stat().st_size == result.get("bytes")
    except OSError:
        return False


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
