"""Spectrograms of a page: eight bits a cell, all versions of a clip on one scale."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncodec.errors import InvalidValue

__all__ = ["STEP_DB", "Cells", "pack_cells", "unpack_cells"]

STEP_DB = 0.5
"""Half of the largest error is a quarter of a decibel; 255 steps reach over 127.5 dB."""


@dataclass(frozen=True)
class Cells:
    """Spectrograms as a page holds them.

    Attributes
    ----------
    packed : tuple of bytes
        For each version its cells, column after column from 0 Hz upwards, compressed with zlib.
    columns, bins : int
    floor_db, top_db, step_db : float
        Cell ``c`` stands for ``floor_db + c * step_db``; 0 also for all below. `top_db` is the
        highest of the scale, a multiple of 5.
    """

    packed: tuple[bytes, ...]
    columns: int
    bins: int
    floor_db: float
    top_db: float
    step_db: float = STEP_DB


def pack_cells(levels: Sequence[NDArray[np.floating[Any]]]) -> Cells:
    """Round the levels of some versions on one scale, which ends above the loudest cell.

    Parameters
    ----------
    levels : sequence of array, shape (bins, columns)
        In dB, all of one shape.

    Raises
    ------
    InvalidValue
        Shapes that differ.
    """
    shapes = {each.shape for each in levels}
    if len(shapes) != 1:
        raise InvalidValue(f"levels: must have one shape, got {sorted(shapes)}")
    bins, columns = next(iter(shapes))
    loudest = max(float(each.max()) for each in levels)
    top = 5.0 * float(np.ceil(max(loudest, -150.0) / 5.0))
    floor = top - 255 * STEP_DB
    packed = []
    for each in levels:
        cells = np.clip(np.rint((each.T - floor) / STEP_DB), 0, 255).astype(np.uint8)
        packed.append(zlib.compress(np.ascontiguousarray(cells).tobytes(), 9))
    return Cells(tuple(packed), columns, bins, floor, top)


def unpack_cells(cells: Cells, version: int) -> NDArray[np.float32]:
    """The levels of one version again, shape (bins, columns), to half a step."""
    flat = np.frombuffer(zlib.decompress(cells.packed[version]), np.uint8)
    levels = cells.floor_db + cells.step_db * flat.reshape(cells.columns, cells.bins).T
    return levels.astype(np.float32)
