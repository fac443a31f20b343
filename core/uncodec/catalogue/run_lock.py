"""One run at a time for each part of a catalogue: a lock beside the receipts."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from uncodec.catalogue.shards import Shard
from uncodec.errors import UncodecError
from uncodec.whole_files import reason_of

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["locked"]

_NAME = ".run-{}-of-{}.lock"


@contextlib.contextmanager
def locked(folder: Path, shard: Shard) -> Iterator[None]:
    """Keep other runs from the same files while this one works.

    The system gives the lock back when the process ends, however it ends. Where the system or the
    file system knows no locks, none is taken.

    Parameters
    ----------
    folder : Path
        The one that the receipts or the results lie in; created where it is missing.
    shard : Shard
        Runs of parts that share no file do not disturb each other.

    Raises
    ------
    UncodecError
        Another run is at work on some of these files, or the folder cannot be written to.
    """
    if fcntl is None:
        yield
        return
    path = folder / _NAME.format(shard.number, shard.count)
    try:
        created = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        own = _taken(path)
        try:
            # After its own: of two runs that begin together, at least one sees the other.
            _refuse_others(folder, shard, path)
            own.write(f"process {os.getpid()} on {platform.node()}, shard {shard}")
            own.flush()
        except BaseException:
            own.close()
            raise
    except OSError as error:
        if isinstance(error, UncodecError):
            raise
        raise UncodecError(f"{folder}: cannot be written to: {reason_of(error)}") from error
    with own:
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink()
                if created:
                    folder.rmdir()  # unless something is in it


def _taken(path: Path) -> IO[str]:
    """The lock of this part, held."""
    while True:
        file = path.open("a+")
        try:
            if not _take(file):
                raise _refusal(path.parent, file)
            # The last run may have removed it in between: that file locks nothing any more.
            if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
                file.truncate(0)
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _refuse_others(folder: Path, shard: Shard, own: Path) -> None:
    for path in folder.glob(_NAME.format("*", "*")):
        numbers = re.fullmatch(r"\.run-(\d+)-of-(\d+)\.lock", path.name)
        if path == own or numbers is None:
            continue
        if shard.overlaps(Shard(int(numbers[1]), int(numbers[2]))):
            with contextlib.suppress(FileNotFoundError), path.open("r+") as file:
                if not _take(file):
                    raise _refusal(folder, file)


def _take(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _refusal(folder: Path, file: IO[str]) -> UncodecError:
    file.seek(0)
    who = file.read().strip() or "it has just begun"
    return UncodecError(
        f"{folder}: another run is at work on these files ({who}); wait for it, or take another "
        "shard"
    )
