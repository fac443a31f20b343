"""Places of files that no path leads to: ``s3://bucket/song.mp3`` and what else fsspec knows.

Such files are fetched to a temporary one, and results are stored when they are whole: an object
appears with all of its content or not at all.
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PosixPath
from typing import Any

from uncodec.errors import AudioFileError, InvalidValue
from uncodec.whole_files import reason_of

__all__ = ["UrlPath", "nearby", "place"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?=[^/])")
_JOINED = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):/(?=[^/])")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Packages that bring what fsspec has not itself, by our extras.
_EXTRAS = {"s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3")}


def place(text: str | os.PathLike[str]) -> Path:
    """A path, or a URL as one.

    Raises
    ------
    InvalidValue
        A URL whose protocol nothing here knows.
    """
    if isinstance(text, Path):
        return text
    name = os.fspath(text)
    if name.startswith("file://"):
        return Path(name.removeprefix("file://"))
    if not _URL.match(name):
        return Path(name)
    if os.name != "posix":
        raise InvalidValue(f"{name}: URLs can be used on Linux and macOS alone")
    path = UrlPath(name)
    path.check()
    return path


class UrlPath(PosixPath):
    """A URL that is named, joined and taken apart like a path, and opened by fsspec.

    Whatever goes wrong is an `OSError`.
    """

    __slots__ = ()

    def __str__(self) -> str:
        # A path has no empty parts, so the second slash is put back.
        return _JOINED.sub(r"\1://", super().__str__())

    def __fspath__(self) -> str:
        return str(self)

    def check(self) -> None:
        """Raise `InvalidValue` unless there is something that opens such URLs."""
        protocol = str(self).partition("://")[0]
        try:
            import fsspec

            fsspec.get_filesystem_class(protocol)
        except ImportError as error:
            package, extra = _EXTRAS.get(protocol, ("", ""))
            needs = f"{package}, which is not installed: pip install 'uncodec[{extra}]'"
            raise InvalidValue(f"{self}: needs {needs if package else error}") from error
        except ValueError as error:
            raise InvalidValue(f"{self}: must be a path or a URL; {error}") from error

    def absolute(self) -> UrlPath:
        return self

    def exists(self, **_: Any) -> bool:
        with _as_os_errors(self) as system:
            return bool(system.exists(str(self)))

    def is_dir(self, **_: Any) -> bool:
        with _as_os_errors(self) as system:
            return bool(system.isdir(str(self)))

    def mkdir(self, *_: Any, **__: Any) -> None:
        """Object stores have no folders."""

    def stat(self, **_: Any) -> os.stat_result:
        with _as_os_errors(self) as system:
            size = int(system.size(str(self)))
        return os.stat_result((0o100644, 0, 0, 1, 0, 0, size, 0, 0, 0))

    def open(self, mode: str = "r", *_: Any, **__: Any) -> Any:
        with _as_os_errors(self) as system:
            return system.open(str(self), mode)

    def read_bytes(self) -> bytes:
        with _as_os_errors(self) as system:
            return bytes(system.cat_file(str(self)))

    def write_bytes(self, data: Any) -> int:
        """Store an object; it is there as a whole or not at all."""
        with _as_os_errors(self) as system:
            system.pipe_file(str(self), bytes(data))
        return len(data)

    def fetch(self, copy: Path) -> None:
        """Copy the object into a file."""
        with _as_os_errors(self) as system:
            system.get_file(str(self), str(copy))

    def store(self, copy: Path) -> None:
        """Copy a file into the object."""
        with _as_os_errors(self) as system:
            system.put_file(str(copy), str(self))

    def below(self) -> list[UrlPath]:
        """All objects below this one, in the order of their names.

        Those whose names a path cannot hold (empty parts) are left out.
        """
        with _as_os_errors(self) as system:
            found = system.find(str(self))
            urls = [str(system.unstrip_protocol(name)) for name in found]
        whole = [url for url in urls if "//" not in url.partition("://")[2]]
        return [UrlPath(url) for url in sorted(whole)]


@contextmanager
def _as_os_errors(path: UrlPath) -> Iterator[Any]:
    """The file system of a URL; what its library raises comes out as an `OSError`."""
    import fsspec

    try:
        # Other machines write there as well: no listing is remembered.
        system, _ = fsspec.core.url_to_fs(str(path), use_listings_cache=False)
        yield system
    except OSError:
        raise
    except Exception as error:
        told = " ".join(str(error).split()) or type(error).__name__
        raise OSError(errno.EIO, told, str(path)) from error


@contextmanager
def nearby(path: Path) -> Iterator[Path]:
    """A file as one that can be read here; a copy of what a URL leads to.

    What cannot be fetched is given as it is: opening it says why.

    Raises
    ------
    AudioFileError
        There is no room for the copy.
    """
    if not isinstance(path, UrlPath):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="uncodec-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder, path.name)
        fetched = True
        try:
            path.fetch(copy)
        except OSError as error:
            if error.errno in _FULL:
                raise AudioFileError(f"{path}: cannot be fetched: {reason_of(error)}") from error
            fetched = False
        yield copy if fetched else path
