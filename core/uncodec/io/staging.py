"""A file that appears under its name only when it is complete."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from uncodec.errors import AudioFileError, OutputExists
from uncodec.whole_files import reason_of

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["StagedFile", "remove_abandoned"]

_PREFIX, _ENDING = ".uncodec-", ".part"


class StagedFile:
    """A binary file object on a temporary file next to `path`.

    An error while writing is remembered and raised again by :meth:`check`, because libraries that
    write through a callback may lose it.

    Raises
    ------
    OutputExists
        If `path` exists and `overwrite` is False.
    AudioFileError
        If `path` is no regular file, or no file can be made in its folder.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self.shown = path
        self._overwrite = overwrite
        self._error: OSError | None = None
        # Behind a link: the link stays, what it points to is replaced.
        self._final = Path(os.path.realpath(path))
        self._check_target()
        while True:
            self._temporary = self._final.with_name(f"{_PREFIX}{secrets.token_hex(8)}{_ENDING}")
            try:
                descriptor = os.open(
                    self._temporary,
                    os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0),
                    0o666,
                )
            except OSError as error:
                raise AudioFileError(f"{path}: cannot be written: {reason_of(error)}") from error
            # Tells that the file is not abandoned. It is free, unless one who looks for such came
            # first and is about to remove it.
            if _lock(descriptor):
                break
            os.close(descriptor)
        self._file = os.fdopen(descriptor, "w+b")
        self.name = str(self._temporary)

    def _check_target(self) -> None:
        try:
            status = self._final.stat()
        except FileNotFoundError:
            return
        except OSError as error:
            raise AudioFileError(f"{self.shown}: cannot be written: {reason_of(error)}") from error
        if stat.S_ISDIR(status.st_mode):
            raise AudioFileError(f"{self.shown}: is a folder")
        if not self._overwrite:
            raise OutputExists(f"{self.shown}: exists already")
        if not stat.S_ISREG(status.st_mode):
            raise AudioFileError(f"{self.shown}: is not a regular file and will not be replaced")
        if not os.access(self._final, os.W_OK):
            raise AudioFileError(f"{self.shown}: cannot be written: the file is read-only")

    def write(self, data: Any) -> int:
        if self._error is not None or self._file.closed:
            return len(data)  # the file will be dropped: let the library come to its end quietly
        try:
            return self._file.write(data)
        except OSError as error:
            self._error = error
            return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        if self._error is not None or self._file.closed:
            return 0
        try:
            return self._file.seek(offset, whence)  # writes what is still in the buffer
        except OSError as error:
            self._error = error
            return 0

    def tell(self) -> int:
        return 0 if self._file.closed else self._file.tell()

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seekable(self) -> bool:
        return True

    def check(self) -> None:
        """Raise what went wrong while writing."""
        if self._error is not None:
            raise AudioFileError(
                f"{self.shown}: cannot be written: {reason_of(self._error)}"
            ) from self._error

    def commit(self) -> None:
        """Bring the content to the disk and give it its name."""
        try:
            self.check()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._place()
        except OSError as error:
            self.discard()
            if isinstance(error, AudioFileError):
                raise
            raise AudioFileError(f"{self.shown}: cannot be written: {reason_of(error)}") from error
        except BaseException:
            self.discard()
            raise
        self._sync_folder()

    def _place(self) -> None:
        if self._overwrite:
            with contextlib.suppress(OSError):
                self._temporary.chmod(stat.S_IMODE(self._final.stat().st_mode))
            self._temporary.replace(self._final)
            return
        try:
            # A hard link is refused if the name was taken meanwhile; a rename would replace it.
            os.link(self._temporary, self._final)
        except FileExistsError:
            raise OutputExists(f"{self.shown}: exists already") from None
        except OSError:  # a file system without hard links
            if self._final.exists():
                raise OutputExists(f"{self.shown}: exists already") from None
            self._temporary.replace(self._final)
        else:
            self._temporary.unlink()

    def _sync_folder(self) -> None:
        """Make the new name survive a power cut, where the system lets folders be synchronised."""
        with contextlib.suppress(OSError):
            descriptor = os.open(self._final.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def discard(self) -> None:
        """Remove the temporary file; safe to call twice."""
        self._error = None
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()


def remove_abandoned(folder: Path) -> int:
    """Remove the temporary files of processes that were killed; return how many there were.

    Those of processes that live stay, on other machines too where the file system has locks.
    """
    removed = 0
    if fcntl is None:
        return removed
    for path in folder.glob(f"{_PREFIX}*{_ENDING}"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            if _lock(file.fileno(), sure=True):
                path.unlink()
                removed += 1
    return removed


def _lock(descriptor: int, sure: bool = False) -> bool:
    """Whether a file is locked by this process now; `sure`: not where there are no locks."""
    if fcntl is None:
        return not sure
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return not sure
    return True
