"""A picture of an inspection: spectrogram, cut-off, and where frames of a codec show."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uncodec.cutoff import FRAME
from uncodec.errors import AudioFileError, UncodecError
from uncodec.inspection.excerpts import Excerpt
from uncodec.inspection.inspector import Examined
from uncodec.inspection.lattice import SHOWS
from uncodec.inspection.spectrum import power_of
from uncodec.whole_files import write_whole

__all__ = ["draw"]

_RANGE_DB = 100.0
# Power of a sine of amplitude 1 in its bin of a Hann window.
_FULL_SCALE = (FRAME / 4) ** 2
_WIDTH = 96


def draw(examined: Examined, path: Path) -> None:
    """Draw an inspection into a .png, .svg or .pdf.

    Excerpts are drawn where they lie in time, each as wide as the way to the next.

    Raises
    ------
    UncodecError
        matplotlib is not installed, or the file cannot be written.
    AudioFileError
        The sound is too short for a picture.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UncodecError(
            "pictures need matplotlib, which is not installed: pip install 'uncodec[plots]'"
        ) from error
    found = examined.inspection
    long = [e for e in examined.excerpts if e.audio.shape[1] >= FRAME]
    if not long:
        raise AudioFileError(f"{found.path}: is too short for a picture: {found.frames} samples")
    levels, edges = _columns(long, found.sample_rate, found.seconds)
    figure = Figure(figsize=(10.0, 6.0), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    kilohertz = np.linspace(0.0, found.sample_rate / 2000.0, levels.shape[0] + 1)
    top = float(levels.max())
    mesh = upper.pcolormesh(
        edges, kilohertz, levels, cmap="magma", vmin=top - _RANGE_DB, vmax=top, rasterized=True
    )
    figure.colorbar(mesh, ax=[upper, lower], label="dB re full-scale sine")
    if found.cutoff_hz:
        upper.axhline(found.cutoff_hz / 1000.0, color="white", linestyle="--", linewidth=1.0)
        upper.text(
            edges[0], found.cutoff_hz / 1000.0, f" cut-off {found.cutoff_hz / 1000.0:.1f} kHz",
            color="white", verticalalignment="bottom",
        )  # fmt: skip
    upper.set_ylabel("kHz")
    # A name may hold what matplotlib would take for mathematics.
    name = "" if found.path is None else found.path.name.replace("$", r"\$")
    # Rounded down: nothing is certain.
    upper.set_title(f"{name}\n{found.verdict} ({int(100 * found.confidence)} %)", loc="left")
    best = examined.evidence.best
    if best is not None:
        starts = [span[0] for span in best.spans]
        scores = [max(0.0, span[2]) for span in best.spans]
        widths = [span[1] - span[0] for span in best.spans]
        lower.bar(starts, scores, width=widths, align="edge", color="tab:orange")
        lower.set_ylabel(f"{best.family.codec} frames")
    lower.axhline(SHOWS, color="grey", linestyle=":", linewidth=1.0)
    reasons = "\n".join(found.reasons).replace("$", r"\$")
    lower.set_xlabel(f"s\n{_wrapped(reasons)}")
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.lower().lstrip("."), dpi=_WIDTH)
    write_whole(path, buffer.getvalue())


def _wrapped(text: str) -> str:
    import textwrap

    return "\n".join(
        line for paragraph in text.splitlines() for line in textwrap.wrap(paragraph, 110)
    )


def _columns(
    excerpts: list[Excerpt], rate: int, seconds: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Levels, [shape=(bins, columns)], in dB re a full-scale sine; beginnings of columns in s."""
    parts, edges = [], []
    starts = [e.start / rate for e in excerpts] + [seconds]
    for number, excerpt in enumerate(excerpts):
        power = power_of(excerpt.audio).mean(axis=0).T / _FULL_SCALE
        parts.append(10.0 * np.log10(power + 1e-15))
        places = np.linspace(starts[number], starts[number + 1], power.shape[1] + 1)
        edges.append(places[:-1])
    return np.concatenate(parts, axis=1), np.concatenate([*edges, [seconds]])
