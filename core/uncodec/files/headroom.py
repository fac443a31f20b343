"""Room below full scale: how much a result is turned down so that an integer format can hold it."""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from uncodec.errors import AudioFileError, InvalidType, InvalidValue
from uncodec.whole_files import reason_of

__all__ = [
    "HIGHEST_HEADROOM_DB",
    "Headroom",
    "Spool",
    "check_headroom",
    "db_below",
    "gain_to_fit",
    "turned",
]

Audio = NDArray[np.float32]


Headroom = float | Literal["auto"]
"""dB to turn a result down by, or "auto": as many as it takes for nothing to be clipped."""

HIGHEST_HEADROOM_DB = 40.0


def check_headroom(headroom: Headroom) -> Headroom:
    """Return `headroom` if it is "auto" or from 0 to 40 dB.

    Raises
    ------
    InvalidType, InvalidValue
        It is not.
    """
    rule = f"must be auto, or from 0 to {HIGHEST_HEADROOM_DB:g} dB"
    if headroom == "auto":
        return "auto"
    if isinstance(headroom, bool) or not isinstance(headroom, (int, float)):
        raise InvalidType(f"headroom={headroom!r}: {rule}")
    if not 0.0 <= headroom <= HIGHEST_HEADROOM_DB:
        raise InvalidValue(f"headroom={headroom!r}: {rule}")
    return float(headroom)


def gain_to_fit(peak: float, bits: int) -> float:
    """Gain, at most 1, that brings `peak` (1.0 is full scale) where `bits` with dither hold it."""
    full = 2.0 ** (bits - 1)
    # The highest code is one step below full scale, and dither and rounding move by one and a half.
    return min(1.0, (full - 2.5) / (full * peak)) if peak > 1.0 else 1.0


def turned(blocks: Iterable[Audio], gain: float) -> Iterator[Audio]:
    """Blocks times a gain; the blocks themselves where it is 1."""
    if gain == 1.0:
        yield from blocks
        return
    for block in blocks:
        yield block * np.float32(gain)


class Spool:
    """Holds a stream of unknown peak on disk until it can be written; a context manager.

    The file has no name and is gone with the process.

    Parameters
    ----------
    target : Path
        The file that the audio is for: the spool lies on the same disk.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        try:
            self._file: Any = tempfile.TemporaryFile(dir=target.resolve().parent)  # noqa: SIM115
        except OSError as error:
            raise self._told(error) from error
        self._shapes: list[tuple[int, ...]] = []

    def append(self, audio: Audio, exact: NDArray[np.bool_]) -> None:
        """Keep a piece, two arrays of the same shape."""
        try:
            self._file.write(audio.astype(np.float32, copy=False).tobytes())
            self._file.write(exact.tobytes())
        except OSError as error:
            raise self._told(error) from error
        self._shapes.append(audio.shape)

    def pieces(self) -> Iterator[tuple[Audio, NDArray[np.bool_]]]:
        """Give the pieces back, in their order."""
        try:
            self._file.seek(0)  # writes what is still in the buffer
            for shape in self._shapes:
                count = math.prod(shape)
                audio = np.frombuffer(self._file.read(4 * count), np.float32).reshape(shape)
                exact = np.frombuffer(self._file.read(count), np.bool_).reshape(shape)
                yield audio, exact
        except OSError as error:
            raise self._told(error) from error

    def _told(self, error: OSError) -> AudioFileError:
        return AudioFileError(f"{self._target}: cannot be written: {reason_of(error)}")

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        # What could not be written to a full disk is not needed any more.
        with contextlib.suppress(OSError):
            self._file.close()


def db_below(gain: float) -> float:
    """How far a gain turns down, dB."""
    return 0.0 if gain == 1.0 else -20.0 * math.log10(gain)
