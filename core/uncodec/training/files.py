"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from uncodec.errors import UncodecError

__all__ = ["write_whole"]


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
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UncodecError(f"{path}: cannot be written ({error.strerror or error})") from error
