"""Receipts: a small file for each result, which tells what it was made of and with what.

They let a run go on where another one stopped, on whatever machine, without a database: a result is
passed over if its receipt says that it was made of the same source with the same model and settings
and if it is still what it was then. Each receipt is written as a whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from uncodec.catalogue.damage import Damage, inspector
from uncodec.errors import AudioFileError, UncodecError
from uncodec.files.places import UrlPath
from uncodec.files.planning import Job
from uncodec.files.restore import RestoreReport
from uncodec.files.sources import RECEIPT
from uncodec.io.staging import remove_abandoned
from uncodec.version import __version__
from uncodec.whole_files import reason_of, write_whole

__all__ = ["FORMAT", "Attempt", "Decision", "ReceiptBook", "identity_of", "read_receipt"]

FORMAT = 1
"""Of the receipts; those of another format are not read."""

_STATES = ("begun", "done", "failed", "left")

Receipt = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done for a job.

    Attributes
    ----------
    action : {"new", "again", "skip", "leave", "fail"}
        Leave: there is nothing to give back.
    reason : str
        Why it is done again, "the source changed"; or why it is left or cannot be done.
    ours : bool
        What is there under the name of the result comes from an earlier run and may be replaced.
    resume : bool
        An earlier run was stopped at the same work, which can go on.
    """

    action: Literal["new", "again", "skip", "leave", "fail"]
    reason: str = ""
    ours: bool = False
    resume: bool = False


@dataclass(frozen=True)
class ReceiptBook:
    """Where receipts lie, and what they are used for.

    Parameters
    ----------
    folder : Path or None
        Their folder; None for beside the results.
    skip_done : bool
        Pass over what is done already, and do again what has changed since.
    """

    folder: Path | None = None
    skip_done: bool = False

    def path(self, job: Job) -> Path:
        """Where the receipt of a job lies.

        In a folder of receipts its name is told by that of the result, below the output folder
        where there is one: machines that mount the folder elsewhere agree on it.
        """
        if self.folder is None:
            return job.target.with_name(job.target.name + RECEIPT)
        if isinstance(job.target, UrlPath) and job.folder is None:
            key = str(job.target)
        elif job.folder is None:
            key = os.path.realpath(job.target)
        else:
            key = job.target.relative_to(job.folder).as_posix()
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        # Names may have 255 bytes; folders of a million entries are slow.
        name = os.fsencode(job.target.name)[:160].decode("utf-8", "ignore")
        return self.folder / digest[:2] / f"{name}-{digest[:16]}{RECEIPT}"

    def attempt(
        self,
        job: Job,
        made_with: Mapping[str, Any],
        *,
        only_damaged: bool = False,
        copy: Path | None = None,
    ) -> Attempt:
        """Look at the source and at an earlier receipt.

        Parameters
        ----------
        job : Job
        made_with : mapping
            Command, model and settings: what determines the result apart from the source.
        only_damaged : bool
            What an earlier run found to have no damage is left alone again.
        copy : Path, optional
            Of the source, where that lies elsewhere.
        """
        return Attempt(self, job, made_with, only_damaged, copy)


class Attempt:
    """One job, from the decision about it to its receipt.

    Attributes
    ----------
    decision : Decision
    path : Path
        Of the receipt.
    unread : str
        Why an earlier receipt cannot be used; empty if it can, or if there is none.
    error : AudioFileError or None
        The source cannot be read.
    """

    def __init__(
        self,
        book: ReceiptBook,
        job: Job,
        made_with: Mapping[str, Any],
        only_damaged: bool = False,
        copy: Path | None = None,
    ) -> None:
        self._job = job
        self._only_damaged = only_damaged
        self.path = book.path(job)
        self._made_with = json.loads(json.dumps(dict(made_with)))  # as it will be read
        self._before = read_receipt(self.path) if book.skip_done else None
        self.unread = str((self._before or {}).get("unread", ""))
        self._source: Receipt = {"path": str(job.source), "name": job.name}
        self.error: AudioFileError | None = None
        try:
            self._source |= identity_of(copy or job.source)
        except AudioFileError as error:
            self.error = error
        self.decision = self._decide()
        self._ours = self.decision.ours

    def _decide(self) -> Decision:
        before = self._before
        if before is None:
            return Decision("new")
        if self.unread:
            return Decision("again", self.unread, ours=True)
        ours = bool(before.get("ours"))
        then, here = before["source"], self._source
        same_source = all(then.get(key) == here.get(key) for key in ("bytes", "sha256"))
        other = [key for key, value in self._made_with.items() if before.get(key) != value]
        if before["state"] == "begun":
            resume = same_source and not other
            return Decision("again", "it was stopped before", ours=ours, resume=resume)
        if before["state"] == "failed":
            return Decision("again", "it failed before", ours=ours)
        if before["state"] == "left":
            told = str(before["inspection"].get("told"))
            if not self._only_damaged:
                return Decision("again", "it was left alone before", ours=ours)
            if not same_source:
                return Decision("again", "the source changed", ours=ours)
            if before["inspection"].get("inspector") != inspector():
                return Decision("again", "another inspector", ours=ours)
            return Decision("leave", told, ours=ours)
        if not same_source:
            return Decision("again", "the source changed", ours=True)
        if other:
            return Decision("again", f"another {other[0]}", ours=True)
        try:
            now = identity_of(self._job.target)
        except AudioFileError:
            return Decision("again", "the result is missing", ours=True)
        if now != {key: before["result"].get(key) for key in ("bytes", "sha256")}:
            return Decision("again", "the result changed", ours=True)
        return Decision("skip", ours=True)

    def begin(self) -> None:
        """Note that the work begins: what appears under the result's name from now on is ours.

        Raises
        ------
        UncodecError
            The receipt cannot be written.
        """
        target = self._job.target
        far = isinstance(target, UrlPath)
        try:
            taken = target.exists() if far else os.path.lexists(target)
        except OSError as error:
            raise AudioFileError(f"{target}: cannot be read: {reason_of(error)}") from error
        self._ours = self._ours or not taken
        if self._ours:
            self._write("begun", {})
        if not far and self._before is not None and self._before.get("state") == "begun":
            remove_abandoned(self._job.target.parent)

    def done(self, report: RestoreReport, result: Receipt | None = None) -> None:
        """Note that the result is complete.

        Parameters
        ----------
        report : RestoreReport
        result : dict, optional
            Of `identity_of`, where it is known.

        Raises
        ------
        UncodecError
            The receipt cannot be written.
        """
        self._ours = True
        audio = {
            "sample_rate": report.sample_rate,
            "channels": report.channels,
            "seconds": round(report.duration_s, 3),
        }
        told = [*report.problems, *(str(warning) for warning in report.warnings)]
        self._write(
            "done",
            {
                "result": {
                    "path": str(report.target),
                    **(result or identity_of(report.target)),
                },
                "audio": audio,
                "elapsed_s": round(report.elapsed_s, 3),
                "clipped": report.clipped,
                "headroom_db": round(report.headroom_db, 2),
                "warnings": told,
                "not_carried": [asdict(item) for item in report.not_carried],
            },
        )

    def left(self, damage: Damage) -> None:
        """Note that the source is left alone, and what the inspector said.

        Raises
        ------
        UncodecError
            The receipt cannot be written.
        """
        found = {"told": damage.told, "inspector": inspector(), **damage.found}
        self._write("left", {"inspection": found})

    def failed(self, error: BaseException, told: str) -> None:
        """Note that it failed, as far as that can be noted."""
        with suppress(UncodecError):
            self._write("failed", {"error": {"type": type(error).__name__, "message": told}})

    def _write(self, state: str, more: Receipt) -> None:
        content = {
            "receipt": FORMAT,
            "state": state,
            "ours": self._ours,
            "source": self._source,
            "target": str(self._job.target),
            **self._made_with,
            "versions": _versions(),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            **more,
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = reason_of(error)
            raise AudioFileError(
                f"{self.path.parent}: cannot create this folder: {reason}"
            ) from error
        data = json.dumps(content, indent=1, ensure_ascii=True).encode()
        if not isinstance(self.path, UrlPath):
            write_whole(self.path, data)
            return
        try:
            self.path.write_bytes(data)
        except OSError as error:
            reason = reason_of(error)
            raise AudioFileError(f"{self.path}: cannot be written: {reason}") from error


def read_receipt(path: Path) -> Receipt | None:
    """Read a receipt.

    Returns
    -------
    dict or None
        None if there is none. Of one that cannot be used the only entry is ``"unread"``: why.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        return {"unread": f"this receipt cannot be read: {reason_of(error)}"}
    except ValueError:
        return {"unread": "this receipt is damaged"}
    if not isinstance(content, dict) or not isinstance(content.get("receipt"), int):
        return {"unread": "this receipt is damaged"}
    if content["receipt"] != FORMAT:
        return {"unread": f"this receipt is of another version (format {content['receipt']})"}
    whole = content.get("state") in _STATES and isinstance(content.get("source"), dict)
    needed = {"done": "result", "left": "inspection"}.get(content.get("state", ""), "source")
    if not whole or not isinstance(content.get(needed), dict):
        return {"unread": "this receipt is damaged"}
    return content


def identity_of(path: Path) -> Receipt:
    """Size and SHA-256 of a file."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return {"bytes": file.tell(), "sha256": digest}
    except FileNotFoundError:
        raise AudioFileError(f"{path}: does not exist") from None
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read: {reason_of(error)}") from error


@cache
def _versions() -> dict[str, str]:
    found = {"uncodec": __version__, "python": platform.python_version()}
    for package in ("numpy", "torch", "av"):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
