"""The before/after picture: spectrograms under each other, drawn without a screen."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uncodec.analysis.checks import check_rate, check_signal
from uncodec.analysis.pictures import new_figure, save_figure
from uncodec.errors import InvalidValue
from uncodec.listening.levels import COLUMNS, N_FFT, levels_db

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["save_palette_png", "spectrogram_db", "spectrogram_picture"]

RANGE_DB = 100.0
COLOURS = "magma"
_MAX_PANELS = 6


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


def spectrogram_picture(
    panels: Mapping[str, ArrayLike],
    sample_rate: float,
    path: str | Path,
    *,
    title: str = "",
    notes: Mapping[str, str] | None = None,
    dpi: int = 110,
) -> Path:
    """Draw one spectrogram per signal, under each other, on one time axis and one colour scale.

    Parameters
    ----------
    panels : mapping of str to array
        One to six signals by their titles, top to bottom: "Before", "After" and, where it is
        known, "Reference". Shapes as for `spectrogram_db`.
    sample_rate : float
        Of all of them, in Hz.
    path : path
        Of the picture; the suffix (.png, .svg, .pdf) chooses the format.
    title : str
        Above everything.
    notes : mapping of str to str, optional
        Per panel, a remark on the right of its title, for instance its scores.
    dpi : int
        Dots per inch; at 110 the picture is about 1200 dots wide.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    UncodecError
        matplotlib is not installed: it comes with the extra "plots".
    InvalidType, InvalidValue
        No panel, too many, a signal that cannot be shown, or an unknown format.
    AudioFileError
        The picture cannot be written.
    """
    if not 1 <= len(panels) <= _MAX_PANELS:
        raise InvalidValue(f"panels: must be 1 to {_MAX_PANELS} signals, got {len(panels)}")
    rate = check_rate(sample_rate)
    spectrograms = {name: spectrogram_db(audio, rate) for name, audio in panels.items()}
    figure = new_figure(11.0, 1.1 + 2.55 * len(panels), dpi)
    _draw(figure, spectrograms, rate, title, notes or {})
    return save_figure(figure, path, _save_png if Path(path).suffix.lower() == ".png" else None)


def _save_png(figure: Figure, target: Path) -> None:
    save_palette_png(figure, target, (COLOURS,))


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


def _draw(
    figure: Figure,
    spectrograms: Mapping[str, tuple[NDArray[np.float32], float]],
    rate: float,
    title: str,
    notes: Mapping[str, str],
) -> None:
    # The loudest cell of all panels ends the scale, so that panels can be compared by eye.
    top = max(float(levels.max()) for levels, _ in spectrograms.values())
    top = 5.0 * np.ceil(max(top, -150.0) / 5.0)
    axes = figure.subplots(len(spectrograms), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    image = None
    for axis, (name, (levels, hop_s)) in zip(axes, spectrograms.items(), strict=True):
        end = (levels.shape[1] - 1) * hop_s
        image = axis.imshow(
            levels,
            origin="lower",
            aspect="auto",
            interpolation="antialiased",
            extent=(-0.5 * hop_s, end + 0.5 * hop_s, 0.0, rate / 2000.0),
            vmin=top - RANGE_DB,
            vmax=top,
            cmap=COLOURS,
        )
        axis.set_xlim(0.0, end)
        axis.set_title(name, loc="left", fontsize=11, fontweight="bold")
        axis.set_title(notes.get(name, ""), loc="right", fontsize=9)
        axis.set_ylabel("Frequency (kHz)")
        axis.set_yticks(np.arange(0.0, rate / 2000.0, 4.0 if rate > 16000 else 1.0))
        axis.grid(axis="y", color="white", alpha=0.12, linewidth=0.6)
    axes[-1].set_xlabel("Time (s)")
    if title:
        figure.suptitle(title, fontsize=13)
    if image is not None:
        bar = figure.colorbar(image, ax=list(axes), pad=0.012, aspect=18 * len(axes))
        bar.set_label("Level (dB re full-scale sine)")
