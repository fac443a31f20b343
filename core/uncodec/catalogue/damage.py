"""Whether a file has damage that is worth restoring: the inspector's word, kept in receipts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uncodec.inspection import Inspection

__all__ = ["Damage", "damage_of", "inspector"]


@dataclass(frozen=True, slots=True)
class Damage:
    """What the inspector says of a file.

    Attributes
    ----------
    worth : bool
        Restoring has something to give back.
    told : str
        Why not, or why: "lossless, 97 % sure".
    found : dict
        Of the inspection, for a receipt: verdict, confidence, codec, rate, cut-off, reasons.
    """

    worth: bool
    told: str
    found: dict[str, Any]


def damage_of(source: Path) -> Damage:
    """Inspect a file; of the one that was asked for last it is known.

    Raises
    ------
    AudioFileError
        It cannot be read.
    ModelError
        The inspector's model is missing.
    """
    try:
        status = source.stat()
    except OSError:
        return _inspected(source, 0, 0)  # which says what is wrong
    return _inspected(source, status.st_size, status.st_mtime_ns)


def inspector() -> dict[str, str]:
    """Name and version of the inspector's model."""
    from uncodec.inspection.trees import NAME, load_judge

    return {"name": NAME, "version": load_judge().version}


# Several takes of a source follow one another.
@lru_cache(maxsize=1)
def _inspected(source: Path, size: int, changed: int) -> Damage:
    from uncodec.inspection import inspect

    seen = inspect(source)
    kept = ("verdict", "sound", "confidence", "codec", "kbps", "cutoff_hz", "reasons")
    values = seen.as_dict()
    return Damage(seen.restore, _in_words(seen), {name: values[name] for name in kept})


def _in_words(seen: Inspection) -> str:
    parts: list[str] = [seen.verdict]
    if seen.verdict in ("lossy", "fake"):
        rate = f" {seen.file_kbps:.0f} kb/s" if seen.declared_lossy and seen.file_kbps else ""
        name = seen.codec or (seen.coding.lower() if seen.declared_lossy else "")
        if name or rate:
            parts.append(f"{name}{rate}".strip())
        if seen.cutoff_hz:
            parts.append(f"cut off at {seen.cutoff_hz / 1000:.1f} kHz")
    if not seen.declared_lossy:
        parts.append(f"{100 * seen.confidence:.0f} % sure")
    return ", ".join(parts)
