"""Pictures without a screen: an empty figure, and the file it becomes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from uncodec.errors import AudioFileError, InvalidValue, UncodecError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["new_figure", "save_figure"]


def new_figure(width: float, height: float, dpi: int = 100) -> Figure:
    """An empty figure of so many inches.

    Raises
    ------
    UncodecError
        matplotlib is not installed: it comes with the extra "plots".
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UncodecError(
            "pictures need matplotlib, which is not installed: pip install 'uncodec[plots]'"
        ) from error
    # A Figure with its own canvas, not pyplot: no global state and no screen.
    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(
    figure: Figure,
    path: str | os.PathLike[str],
    save: Callable[[Figure, Path], object] | None = None,
) -> Path:
    """Write a figure in the format that the suffix names; folders are made.

    Parameters
    ----------
    figure : Figure
    path : path
        Ends in .png, .svg, .pdf, ...
    save : callable, optional
        Writes it instead of `Figure.savefig`.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    InvalidValue
        An unknown format.
    AudioFileError
        The picture cannot be written.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if save is None:
            figure.savefig(target)
        else:
            save(figure, target)
    except OSError as error:
        raise AudioFileError(f"{target}: cannot be written ({error.strerror})") from error
    except ValueError as error:
        raise InvalidValue(f"path={str(target)!r}: {error}") from error
    return target
