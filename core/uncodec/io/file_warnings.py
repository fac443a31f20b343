"""What a reader has to say about a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["FileWarning"]


@dataclass(frozen=True, slots=True)
class FileWarning:
    """One thing about a file that its owner should know.

    Attributes
    ----------
    what : str
        In words, without the file's name: "is cut off: ...".
    offset, length : int or None
        Where, and how much of it; None where that is not known.
    unit : {"bytes", "samples"}
        Of `offset` and `length`: bytes of the file, or samples per channel of the audio given out.
    lost : bool
        True where audio is missing or not what it was: such a file is damaged. False where
        everything that is audio was read.
    """

    what: str
    offset: int | None = None
    length: int | None = None
    unit: Literal["bytes", "samples"] = "samples"
    lost: bool = True

    def __str__(self) -> str:
        return self.what
