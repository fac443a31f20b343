"""The picture of a score table: scores over bit rate, a panel per codec, a curve per restorer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from uncodec.analysis.pictures import new_figure, save_figure
from uncodec.analysis.report import CHANGE, UNTOUCHED, Interval, Row, heading
from uncodec.errors import InvalidValue

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DEFAULT_CURVES", "draw_scores"]

DEFAULT_CURVES = ("lsd", "visqol", "si_sdr_db" + CHANGE)


def draw_scores(
    rows: Sequence[Row],
    path: str | Path,
    *,
    curves: Sequence[str] = DEFAULT_CURVES,
    material: str = "",
) -> Path:
    """Draw scores over bit rate with their 95 % intervals.

    Parameters
    ----------
    rows : sequence of Row
        Those of `material` that have a bit rate are drawn.
    path : path
        Of the picture; the suffix (.png, .svg, .pdf) chooses the format.
    curves : sequence of str
        A row of panels each: keys of `uncodec.analysis.report.HEADINGS`, also with ``_change``
        behind. Those without any value are left out.
    material : str
        Kind of material; empty for the rows over all of it.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    UncodecError
        matplotlib is not installed: it comes with the extra "plots".
    InvalidValue
        Nothing to draw, or an unknown format.
    AudioFileError
        The picture cannot be written.
    """
    drawn = [row for row in rows if row.kbps is not None and row.material == material]
    shown = [key for key in curves if any(not math.isnan(_value(r, key).mean) for r in drawn)]
    if not shown:
        raise InvalidValue("rows: must hold scores of codecs with a bit rate, got none")
    codecs = list(dict.fromkeys(row.codec for row in drawn))
    names = list(dict.fromkeys(row.restorer for row in drawn))
    # Wide enough for the legend as well; codecs with many rates get more of the width.
    rates = [len({row.kbps for row in drawn if row.codec == codec}) for codec in codecs]
    width = max(6.5, 1.6 + sum(1.2 + 0.5 * n for n in rates))
    figure = new_figure(width, 1.3 + 2.6 * len(shown), dpi=110)
    grid = figure.subplots(
        len(shown),
        len(codecs),
        sharex="col",
        sharey="row",
        squeeze=False,
        width_ratios=[1.2 + 0.5 * n for n in rates],
    )
    for line, key in zip(grid, shown, strict=True):
        for axes, codec in zip(line, codecs, strict=True):
            _draw(axes, [row for row in drawn if row.codec == codec], key, names)
        line[0].set_ylabel(heading(key))
    for axes, codec in zip(grid[0], codecs, strict=True):
        axes.set_title(codec, fontweight="bold")
    for axes in grid[-1]:
        axes.set_xlabel("kb/s")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(names)))
    if material:
        figure.supxlabel(material)
    return save_figure(figure, path)


def _value(row: Row, key: str) -> Interval:
    source = row.changes if key.endswith(CHANGE) else row.scores
    nothing = Interval(math.nan, math.nan, math.nan, 0, math.nan, math.nan)
    return source.get(key.removesuffix(CHANGE), nothing)


def _draw(axes: Axes, rows: Sequence[Row], key: str, names: Sequence[str]) -> None:
    rates = sorted({row.kbps for row in rows if row.kbps is not None})
    for number, name in enumerate(names):
        # Named in every panel, so that the legend is whole whichever one it is taken from.
        style = {"color": "0.4", "linestyle": "--"} if name == UNTOUCHED else {}
        if name != UNTOUCHED:
            style = {"color": f"C{number - (UNTOUCHED in names[:number])}"}
        found = [row for row in rows if row.restorer == name]
        found = [row for row in found if not math.isnan(_value(row, key).mean)]
        if name == UNTOUCHED and key.endswith(CHANGE):
            axes.axhline(0.0, **style)  # type: ignore[arg-type]  # no change, by definition
        # Side by side, or the bars of close scores would hide each other.
        places = [
            rates.index(row.kbps) + 0.06 * (number - (len(names) - 1) / 2)
            for row in found
            if row.kbps is not None
        ]
        values = [_value(row, key) for row in found]
        axes.errorbar(
            places,
            [value.mean for value in values],
            yerr=[
                [0.0 if math.isnan(v.low) else v.mean - v.low for v in values],
                [0.0 if math.isnan(v.high) else v.high - v.mean for v in values],
            ],
            marker="o",
            markersize=4,
            capsize=2,
            linewidth=1.3,
            label=name,
            **style,  # type: ignore[arg-type]
        )
    axes.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    axes.set_xlim(-0.5, len(rates) - 0.5)
    axes.grid(alpha=0.3)
