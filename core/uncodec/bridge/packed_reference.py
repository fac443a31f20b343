"""References as they travel: in a plugin's state, to the core, and from there to its workers."""

from __future__ import annotations

import base64
from pathlib import PurePath

import numpy as np

from uncodec._native import pack_reference, unpack_reference
from uncodec.balance import Balance
from uncodec.errors import InvalidValue

__all__ = ["described", "pack", "read", "unpack", "written"]

_MOST_BANDS = 128
# Networks hear nothing above it.
_HIGHEST_HZ = 24_000.0
# Of a balance on some other grid: as at 48 kHz.
_WIDTH_HZ = 46.875


def _centres(count: int, width_hz: float) -> np.ndarray:
    return (8.0 * (np.arange(count) + 0.5) + 0.5) * width_hz


def pack(balance: Balance) -> bytes:
    """A balance as bytes.

    Parameters
    ----------
    balance : Balance
        A measured one loses nothing that is heard; one on another grid is interpolated.

    Returns
    -------
    bytes

    Raises
    ------
    InvalidValue
        It has no bands, or numbers that are no frequencies or no levels.
    """
    frequencies = np.array(balance.frequencies, np.float64)
    levels = np.array(balance.levels_db, np.float64)
    if not len(levels) or len(levels) != len(frequencies):
        raise InvalidValue(
            f"reference={balance.name}: must have as many levels as frequencies, got "
            f"{len(levels)} and {len(frequencies)}"
        )
    cutoff_hz = balance.cutoff_hz
    count, width_hz = min(len(levels), _MOST_BANDS), float(frequencies[0] / 4.5)
    whole = count == len(levels) or frequencies[count - 1] >= _HIGHEST_HZ
    if not whole or not np.allclose(frequencies[:count], _centres(count, width_hz), 1e-9, 0.0):
        cutoff_hz = min(cutoff_hz, float(frequencies[-1]))
        count, width_hz = 64, _WIDTH_HZ
        levels = np.interp(_centres(count, width_hz), frequencies, levels)
    return pack_reference(
        # A path says little where it is cut.
        PurePath(balance.name).name or balance.name,
        width_hz=width_hz,
        cutoff_hz=cutoff_hz,
        levels_db=levels[:count].tolist(),
    )


def read(reference: bytes) -> Balance | None:
    """The balance in bytes; None if they hold none.

    Raises
    ------
    InvalidValue
        They are no reference.
    """
    found = unpack_reference(reference)
    if found is None:
        return None
    name, width_hz, cutoff_hz, levels_db = found
    centres = _centres(len(levels_db), width_hz)
    return Balance(name, tuple(centres.tolist()), tuple(levels_db), cutoff_hz)


def written(reference: bytes) -> str:
    """Bytes as a text for a message between processes."""
    return base64.b64encode(reference).decode()


def unpack(text: str) -> Balance | None:
    """The balance in a text; None if it is empty."""
    return read(base64.b64decode(text)) if text else None


def described(text: str) -> dict[str, str] | None:
    """What a status tells of the balance in a text."""
    balance = unpack(text)
    return None if balance is None else {"name": balance.name, "digest": balance.digest}
