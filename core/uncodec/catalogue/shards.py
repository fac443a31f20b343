"""A part of the files, the same on every machine, so that machines need not talk to each other."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd

from uncodec.errors import InvalidValue
from uncodec.files.planning import Job

__all__ = ["Shard"]


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` of `count` parts.

    A file belongs to the part that the SHA-256 of its name below the folder of the sources tells:
    where that folder is mounted makes no difference, nor do the other files.

    Attributes
    ----------
    number : int
        From 1 to `count`.
    count : int
    """

    number: int = 1
    count: int = 1

    @staticmethod
    def parse(text: str) -> Shard:
        """Read ``"3/20"``.

        Raises
        ------
        InvalidValue
            `text` is no pair of integers K/N with K from 1 to N.
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise InvalidValue(f"shard={text!r}: must be K/N with K from 1 to N, such as 3/20")
        return Shard(int(found[1]), int(found[2]))

    def takes(self, name: str) -> bool:
        """Whether a file of this name belongs to the part."""
        # Some systems write é as one character and some as two.
        key = unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")
        place = int.from_bytes(hashlib.sha256(key).digest()[:8], "big")
        return place % self.count == self.number - 1

    def of(self, jobs: Iterable[Job]) -> tuple[Job, ...]:
        """The jobs that belong to the part; all takes of a source belong to the same."""
        return tuple(job for job in jobs if self.takes(job.name))

    def overlaps(self, other: Shard) -> bool:
        """Whether some file could belong to both."""
        return (self.number - other.number) % gcd(self.count, other.count) == 0

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"
