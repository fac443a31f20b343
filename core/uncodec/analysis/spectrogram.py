"""Spectrograms as arrays, and pictures of them as files of 256 colours."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uncodec.analysis.checks import check_rate, check_signal
from uncodec.listening.levels import COLUMNS, N_FFT, levels_db

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["save_palette_png", "spectrogram_db"]

RANGE_DB = 100.0
COLOURS = "magma"


def spectrogram_db(
    audio: ArrayLike, sample_rate: float, *, columns: int = COLUMNS
) -> tuple[NDArray[np.float32], float]:
    """Level over time and frequency, in dB against a full-scale sine.

    The same as `uncodec.listening.levels_db`, with checks.

    Parameters
    ----------
    audio : array, shape (samples,) or (channels, samples)
        At least 2048 samples.
    sample_rate : float
        In Hz.
    columns : int
        About so many at most.

    Returns
    -------
    levels : array, shape (1025, columns), float32
        Not below -200 dB.
    hop_s : float
        Seconds from column to column.

    Raises
    ------
    InvalidType, InvalidValue
        See `uncodec.analysis.checks.check_signal`.
    """
    rate = check_rate(sample_rate)
    signal = check_signal(audio, "audio", at_least=N_FFT)
    return levels_db(signal, rate, columns)


def save_palette_png(figure: Figure, target: Path | BinaryIO, colour_maps: Sequence[str]) -> None:
    """Write a figure as a PNG of 256 colours: those of some colour maps, and greys.

    It halves the file. The palette is given, because one chosen from the picture leaves no colours
    for the rarely used top end.
    """
    from matplotlib import colormaps
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    share = np.linspace(0.0, 1.0, 240 // len(colour_maps))
    colours = [colormaps[name](share)[:, :3] for name in colour_maps]
    greys = np.repeat(np.linspace(0.0, 1.0, 16)[:, np.newaxis], 3, axis=1)
    table = np.concatenate([*colours, greys])
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.round(255.0 * table).astype("u1").tobytes())
    picture = Image.open(buffer).convert("RGB")
    flat = picture.quantize(palette=palette, dither=Image.Dither.NONE)
    flat.save(target, format="PNG", optimize=True)
