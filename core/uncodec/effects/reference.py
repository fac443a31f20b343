"""References: recordings whose tonal balance a restoration is to have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from uncodec.balance import Balance, BalanceMeter, mean_balance
from uncodec.effects.arrays import to_channels_first
from uncodec.errors import AudioFileError, InvalidType, InvalidValue
from uncodec.io import open_audio
from uncodec.parameters import check_number
from uncodec.rates import check_rate

__all__ = ["Reference", "as_balance", "check_like", "check_like_amount"]

Reference = Balance | str | os.PathLike[str] | tuple[ArrayLike, float]
"""What `as_balance` takes."""

_RULE = "must be a file, a folder, (audio, sample_rate) or a Balance"


def as_balance(like: Reference) -> Balance:
    """Measure the tonal balance of a reference.

    Parameters
    ----------
    like : path, tuple or Balance
        An audio file; a folder, for the mean of all audio files in it and below; or audio (as an
        effect takes it) and its sample rate in Hz. A balance is given back.

    Returns
    -------
    Balance

    Raises
    ------
    InvalidType
        It is nothing of this kind.
    InvalidValue
        There is no sound in it between 300 and 3000 Hz.
    AudioFileError
        The file, or every file in the folder, cannot be read.
    """
    if isinstance(like, Balance):
        return like
    if isinstance(like, (str, os.PathLike)):
        path = Path(like)
        return _of_folder(path) if path.is_dir() else _of_file(path)
    if isinstance(like, tuple) and len(like) == 2:
        return _of_array(*like)
    raise InvalidType(f"like: {_RULE}, got {type(like).__name__}")


def check_like(like: Reference | None) -> Balance | None:
    """`as_balance`; None stays None."""
    return None if like is None else as_balance(like)


def check_like_amount(value: float) -> float:
    """Return how far to go towards a reference, if it is a number from 0 to 1."""
    return check_number("like_amount", value, 0.0, 1.0)


def _of_array(audio: Any, sample_rate: float) -> Balance:
    check_rate(sample_rate)
    channels, _ = to_channels_first(np.asarray(audio))
    meter = BalanceMeter(sample_rate)
    meter.push(channels)
    return meter.result("array")


def _of_file(path: Path) -> Balance:
    with open_audio(path) as reader:
        meter = BalanceMeter(reader.sample_rate)
        for block in reader.blocks():
            meter.push(block)
    return meter.result(str(path))


def _of_folder(folder: Path) -> Balance:
    balances = []
    for path in _files(folder):
        try:
            balances.append(_of_file(path))
        except (AudioFileError, InvalidValue):
            # A picture, a text, silence: what the others say is enough.
            continue
    if not balances:
        raise AudioFileError(f"like={folder}: must hold audio files that can be read, has none")
    return mean_balance(str(folder), balances)


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root) / name for name in sorted(names) if not name.startswith("."))
