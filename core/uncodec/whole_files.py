"""Files that are there as a whole or not at all, and what the system says where they cannot be."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from uncodec.errors import UncodecError

__all__ = ["reason_of", "write_whole"]

_REASONS = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file grew beyond the largest size allowed",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.ENOENT: "the folder does not exist",
    errno.ENOTDIR: "the folder does not exist (a part of the path is a file)",
    errno.ENAMETOOLONG: "the name is too long",
}


def reason_of(error: OSError) -> str:
    """What the system refused, in words."""
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file under another name first, and give it its own when it is complete.

    Parameters
    ----------
    path : Path
        What is there already stays as it is until then.
    content : bytes or memoryview

    Raises
    ------
    UncodecError
        It cannot be written, on a full disk for instance. Nothing of it is left there.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            # Else a name may outlive a power failure that its content did not.
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):
            raise UncodecError(f"{path}: cannot be written: {reason_of(error)}") from error
        raise
