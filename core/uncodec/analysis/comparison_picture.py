"""The figure of a comparison: spectrograms on one scale, and what each is louder or quieter by."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from uncodec.analysis.comparison import ComparedClip
from uncodec.analysis.pictures import new_figure, save_figure
from uncodec.analysis.spectrogram import COLOURS, RANGE_DB, save_palette_png, spectrogram_db
from uncodec.errors import InvalidValue
from uncodec.signals import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_comparison", "picture_png"]

DIFFERENCE_COLOURS = "RdBu_r"
_DIFFERENCE_DB = 40.0
# What is drawn sharper than the page shows it only makes the file larger.
_COLUMNS = 700


def draw_comparison(clip: ComparedClip, path: str | Path, *, title: str = "") -> Path:
    """Draw the versions of a clip under each other, their differences beside them.

    Left the spectrograms of the original, of the coded version and of what every engine made of it,
    on one colour scale. Right, for all but the first, by how many dB each cell is louder (red) or
    quieter (blue) than the original, or than the coded version where there is no original.

    Parameters
    ----------
    clip : ComparedClip
    path : path
        Of the picture; the suffix (.png, .svg, .pdf) chooses the format.
    title : str

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    UncodecError
        matplotlib is not installed: it comes with the extra "plots".
    InvalidValue
        An unknown format.
    AudioFileError
        The picture cannot be written.
    """
    figure = _figure(clip, title, 100)
    png = Path(path).suffix.lower() == ".png"
    return save_figure(figure, path, _save_png if png else None)


def picture_png(clip: ComparedClip) -> bytes:
    """The same picture as the bytes of a PNG."""
    target = io.BytesIO()
    save_palette_png(_figure(clip, "", 80), target, (COLOURS, DIFFERENCE_COLOURS))
    return target.getvalue()


def _save_png(figure: Figure, target: Path) -> None:
    save_palette_png(figure, target, (COLOURS, DIFFERENCE_COLOURS))


def versions_of(clip: ComparedClip) -> dict[str, Array]:
    """All versions by what they are called, the original first where there is one."""
    source = clip.source
    first = {} if source.original is None else {"Original": source.original}
    versions = {**first, source.coded_name: source.coded}
    for label, audio in clip.restored.items():
        versions[label if label not in versions else f"{label} (restored)"] = audio
    return versions


def _figure(clip: ComparedClip, title: str, dpi: int) -> Figure:
    rate = clip.source.sample_rate
    found = {n: spectrogram_db(x, rate, columns=_COLUMNS) for n, x in versions_of(clip).items()}
    if not found:
        raise InvalidValue("clip: must have a version, has none")
    hop_s = next(iter(found.values()))[1]
    levels = {name: each for name, (each, _) in found.items()}
    top = 5.0 * np.ceil(max(max(float(x.max()) for x in levels.values()), -150.0) / 5.0)
    first = next(iter(levels))
    figure = new_figure(12.0, 0.9 + 1.85 * len(levels), dpi)
    axes = figure.subplots(len(levels), 2, sharex=True, sharey=True, squeeze=False)
    end = (levels[first].shape[1] - 1) * hop_s
    extent = (-0.5 * hop_s, end + 0.5 * hop_s, 0.0, rate / 2000.0)
    heat = difference = None
    for row, (name, each) in enumerate(levels.items()):
        left, right = axes[row]
        heat = left.imshow(
            each,
            origin="lower",
            aspect="auto",
            extent=extent,
            vmin=top - RANGE_DB,
            vmax=top,
            cmap=COLOURS,
        )
        left.set_title(_plain(name), loc="left", fontsize=10, fontweight="bold")
        left.set_ylabel("kHz")
        left.set_yticks(np.arange(0.0, rate / 2000.0, 4.0 if rate > 16000 else 1.0))
        if row == 0:
            right.set_axis_off()
            continue
        # What lies below the scale in both is no difference that anybody sees.
        floor = top - RANGE_DB
        difference = right.imshow(
            np.maximum(each, floor) - np.maximum(levels[first], floor),
            origin="lower",
            aspect="auto",
            extent=extent,
            vmin=-_DIFFERENCE_DB,
            vmax=_DIFFERENCE_DB,
            cmap=DIFFERENCE_COLOURS,
        )
        right.set_title(_plain(f"{name} against {first}"), loc="left", fontsize=10)
    for axis in axes[-1]:
        axis.set_xlim(0.0, end)
        axis.set_xlabel("Time (s)")
    if heat is not None:
        bar = figure.colorbar(heat, ax=list(axes[:, 0]), pad=0.01, aspect=15 * len(levels))
        bar.set_label("dB re full-scale sine")
    if difference is not None:
        bar = figure.colorbar(difference, ax=list(axes[:, 1]), pad=0.01, aspect=15 * len(levels))
        bar.set_label("louder or quieter by, dB")
    if title:
        figure.suptitle(_plain(title), fontsize=12)
    return figure


def _plain(text: str) -> str:
    """A name as it is: matplotlib would take what stands between dollars for a formula."""
    return text.replace("$", r"\$") if len(text) < 80 else text[:79].replace("$", r"\$") + "…"
