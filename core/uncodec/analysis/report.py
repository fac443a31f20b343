"""Score tables: rows with confidence intervals from the scores of clips, as Markdown and JSON.

The untouched coded input is the first row of every table, and of every group within it: a
restorer is judged by what it adds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from uncodec.analysis.dullness import DULLNESS_METRICS
from uncodec.analysis.levels import LEVEL_METRICS
from uncodec.analysis.metrics import METRICS
from uncodec.errors import AudioFileError, InvalidValue

__all__ = [
    "CHANGE",
    "CLEAN",
    "DEFAULT_COLUMNS",
    "FURTHER_COLUMNS",
    "HEADINGS",
    "UNTOUCHED",
    "Cells",
    "ClipScore",
    "Interval",
    "Row",
    "aggregate",
    "bootstrap_mean",
    "from_json",
    "heading",
    "to_cells",
    "to_json",
    "to_markdown",
    "write_text",
]

UNTOUCHED = "untouched input"
"""What the rows of the coded input itself are called."""
CLEAN = "clean"
"""The name of "no codec at all": what must come through unchanged."""

HEADINGS: dict[str, str] = {
    **METRICS,
    **LEVEL_METRICS,
    **DULLNESS_METRICS,
    "stereo_kept_db": "Stereo error, kept bands dB",
    "visqol": "ViSQOL",
    "null_depth_db": "Worst change of clean dB",
}
CHANGE = "_change"
"""Behind a key of `HEADINGS`: by how much the restorer changed that score of the coded input."""

DEFAULT_COLUMNS: tuple[str, ...] = (
    "lsd",
    "lsd_high",
    "visqol",
    "level_mean_db",
    "level_moving_db",
    "level_bias_db",
    "si_sdr_kept_db",
    "si_sdr_kept_db_change",
    "si_sdr_db",
    "si_sdr_db_change",
    "mr_stft",
    "band_error_db",
    "stereo_error_db",
    "stereo_kept_db",
    "pre_echo_db",
    "loudness_error_lu",
    "null_depth_db",
)
FURTHER_COLUMNS: tuple[str, ...] = tuple(key for key in HEADINGS if key not in DEFAULT_COLUMNS)
"""The metrics that `DEFAULT_COLUMNS` leaves out."""
_DECIMALS = {
    "lsd": 2,
    "lsd_low": 2,
    "lsd_mid": 2,
    "lsd_high": 2,
    "mr_stft": 2,
    "visqol": 2,
    "coherence_error": 3,
    "loudness_error_lu": 2,
}
# A promise for every clip: a mean would hide the one that breaks it.
_WORST = frozenset({"null_depth_db"})


@dataclass(frozen=True)
class ClipScore:
    """The scores of one clip.

    Attributes
    ----------
    clip : str
        Which one; rows are means over clips.
    codec : str
        Name of the codec, or `CLEAN`.
    kbps : float or None
        Bit rate in kb/s.
    restorer : str
        What was done with it; `UNTOUCHED` for nothing.
    material : str
        Kind of material ("drums"), empty where unknown.
    scores : mapping of str to float
        As given by `uncodec.analysis.metrics.score`; NaN where undefined.
    """

    clip: str
    codec: str
    kbps: float | None
    restorer: str
    material: str
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Interval:
    """A mean over clips with its confidence interval; `low` and `high` are NaN for one clip.

    `least` and `most` are the extremes over the clips.
    """

    mean: float
    low: float
    high: float
    clips: int
    least: float
    most: float

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return 0.5 * (self.high - self.low)


@dataclass(frozen=True)
class Row:
    """One row of a table: the means of one restorer over the clips of one codec and rate.

    `changes` are the differences to the untouched input, clip by clip: their intervals are much
    narrower than those of the scores, which vary with the clips. Empty for the untouched input and
    for clean material.
    """

    codec: str
    kbps: float | None
    restorer: str
    material: str
    clips: int
    scores: Mapping[str, Interval]
    changes: Mapping[str, Interval] = field(default_factory=dict)


def bootstrap_mean(
    values: Sequence[float], *, seed: int = 0, confidence: float = 0.95, resamples: int = 2000
) -> Interval:
    """Mean with a percentile bootstrap interval (Efron and Tibshirani, 1993, chapter 13).

    Parameters
    ----------
    values : sequence of float
        One per clip; NaN is left out.
    seed : int
        Of the resampling; the same seed gives the same interval.
    confidence : float
        Share covered, in (0, 1).
    resamples : int
        How often to draw, at least 1.

    Returns
    -------
    Interval
        Everything NaN where no value is known; the bounds NaN where one is.

    Raises
    ------
    InvalidValue
        `confidence` or `resamples` outside their rule.
    """
    if not 0.0 < confidence < 1.0:
        raise InvalidValue(f"confidence={confidence}: must be between 0 and 1")
    if resamples < 1:
        raise InvalidValue(f"resamples={resamples}: must be a positive integer")
    array = np.asarray(values, dtype=np.float64)
    known = array[~np.isnan(array)]
    if known.size == 0:
        return Interval(math.nan, math.nan, math.nan, 0, math.nan, math.nan)
    mean = float(known.mean())
    if known.size == 1:
        return Interval(mean, math.nan, math.nan, 1, mean, mean)
    draws = np.random.default_rng(seed).integers(0, known.size, (resamples, known.size))
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(known[draws].mean(axis=1), [tail, 100.0 - tail])
    least, most = float(known.min()), float(known.max())
    return Interval(mean, float(low), float(high), int(known.size), least, most)


def aggregate(clips: Iterable[ClipScore], *, by_material: bool = False, seed: int = 0) -> list[Row]:
    """Means and 95 % intervals per codec, rate and restorer.

    Parameters
    ----------
    clips : iterable of ClipScore
        In any order; codecs, rates and restorers keep the order of their first appearance, with
        `UNTOUCHED` first in each group.
    by_material : bool
        Also by kind of material: the rows over everything come first, then kind after kind.
    seed : int
        Of the bootstrap.

    Returns
    -------
    list of Row
    """
    found = list(clips)
    kinds = list(dict.fromkeys(c.material for c in found)) if by_material else []
    rows: list[Row] = []
    for kind in [None, *sorted(kinds)]:
        chosen = found if kind is None else [c for c in found if c.material == kind]
        groups: dict[tuple[str, float | None], dict[str, list[ClipScore]]] = {}
        for clip in chosen:
            group = groups.setdefault((clip.codec, clip.kbps), {})
            group.setdefault(clip.restorer, []).append(clip)
        for (codec, kbps), restorers in groups.items():
            untouched = {clip.clip: clip.scores for clip in restorers.get(UNTOUCHED, [])}
            for name in sorted(restorers, key=lambda n: n != UNTOUCHED):
                row = _row(codec, kbps, name, kind or "", restorers[name], seed)
                # Where nothing was lost there is nothing to change: SI-SDR begins at its limit.
                if name != UNTOUCHED and codec != CLEAN:
                    row = replace(row, changes=_changes(restorers[name], untouched, seed))
                rows.append(row)
    return rows


def _changes(
    clips: list[ClipScore], untouched: Mapping[str, Mapping[str, float]], seed: int
) -> dict[str, Interval]:
    pairs = [(clip.scores, untouched[clip.clip]) for clip in clips if clip.clip in untouched]
    keys = dict.fromkeys(key for scores, _ in pairs for key in scores)
    return {
        key: bootstrap_mean(
            [after.get(key, math.nan) - before.get(key, math.nan) for after, before in pairs],
            seed=seed,
        )
        for key in keys
    }


def _row(
    codec: str, kbps: float | None, name: str, kind: str, clips: list[ClipScore], seed: int
) -> Row:
    keys = dict.fromkeys(key for clip in clips for key in clip.scores)
    scores = {
        key: bootstrap_mean([c.scores.get(key, math.nan) for c in clips], seed=seed) for key in keys
    }
    return Row(codec, kbps, name, kind, len(clips), scores)


def _value(row: Row, key: str) -> Interval | None:
    if key.endswith(CHANGE):
        return row.changes.get(key.removesuffix(CHANGE))
    return row.scores.get(key)


def heading(key: str) -> str:
    """What a key of `HEADINGS`, possibly with `CHANGE` behind, is called."""
    name = HEADINGS[key.removesuffix(CHANGE)]
    if not key.endswith(CHANGE):
        return name
    words, _, unit = name.rpartition(" ")
    return f"{words} change {unit}" if unit in ("dB", "LU") else f"{name} change"


def _cell(key: str, value: Interval | None) -> str:
    if value is None or math.isnan(value.mean):
        return "-"
    change = key.endswith(CHANGE)
    places = 2 if change else _DECIMALS.get(key, 1)
    if key in _WORST:
        return f"{value.most:.{places}f}"
    text = f"{value.mean:{'+' if change else ''}.{places}f}"
    if text.strip("+-0.") == "":
        text = text.lstrip("+-")
    if not math.isnan(value.low):
        text += f" ± {value.half_width:.{places}f}"
    return text


@dataclass(frozen=True)
class Cells:
    """A table as texts: the header, the rows, and for each column whether it holds numbers."""

    header: list[str]
    rows: list[list[str]]
    numbers: list[bool]

    def to_markdown(self) -> str:
        """A Markdown table, aligned so that it also reads well as plain text."""
        lines = [self.header, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.header))]
        rule = [
            "-" * (width - 1) + ":" if right else "-" * width
            for width, right in zip(widths, self.numbers, strict=True)
        ]
        out = []
        for line in [self.header, rule, *self.rows]:
            cells = [
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, self.numbers, strict=True)
            ]
            out.append("| " + " | ".join(cells) + " |")
        return "\n".join(out) + "\n"


def to_cells(rows: Sequence[Row], *, columns: Sequence[str] | None = None) -> Cells:
    """A table of scores as texts.

    Parameters
    ----------
    rows : sequence of Row
        In this order. Columns for codec, rate, material and clips appear where they say
        something.
    columns : sequence of str, optional
        Keys of `HEADINGS`, also with `CHANGE` behind; `DEFAULT_COLUMNS` by default. Those without
        any value are left out.

    Raises
    ------
    InvalidValue
        An unknown column.
    """
    wanted = DEFAULT_COLUMNS if columns is None else tuple(columns)
    for key in wanted:
        if key.removesuffix(CHANGE) not in HEADINGS:
            raise InvalidValue(f"columns: {key!r} must be one of {', '.join(HEADINGS)}")
    keys = [
        key
        for key in wanted
        if any((value := _value(row, key)) and not math.isnan(value.mean) for row in rows)
    ]
    labels: list[tuple[str, Callable[[Row], str]]] = [
        ("Codec", lambda row: row.codec),
        ("kb/s", lambda row: "" if row.kbps is None else f"{row.kbps:g}"),
        ("Restorer", lambda row: row.restorer),
    ]
    if any(row.material for row in rows):
        labels.insert(0, ("Material", lambda row: row.material or "all"))
    if any(row.clips > 1 for row in rows):
        labels.append(("Clips", lambda row: str(row.clips)))
    return Cells(
        [name for name, _ in labels] + [heading(key) for key in keys],
        [
            [text(row) for _, text in labels] + [_cell(key, _value(row, key)) for key in keys]
            for row in rows
        ],
        [name in ("kb/s", "Clips") for name, _ in labels] + [True] * len(keys),
    )


def to_markdown(rows: Sequence[Row], *, columns: Sequence[str] | None = None) -> str:
    """A Markdown table, aligned so that it also reads well as plain text; see `to_cells`.

    Returns
    -------
    str
        Ends in a newline. "0.86 ± 0.03" is the mean and half of the 95 % interval; the null
        depth is that of the worst clip.

    Raises
    ------
    InvalidValue
        An unknown column.
    """
    return to_cells(rows, columns=columns).to_markdown()


def _number(value: float) -> float | None:
    return None if not math.isfinite(value) else round(value, 4)


def _as_dict(value: Interval) -> dict[str, float | int | None]:
    return {
        "mean": _number(value.mean),
        "low": _number(value.low),
        "high": _number(value.high),
        "least": _number(value.least),
        "most": _number(value.most),
        "clips": value.clips,
    }


def to_json(rows: Sequence[Row], *, about: Mapping[str, Any] | None = None) -> str:
    """The same rows for programs.

    Returns
    -------
    str
        An object with ``about`` (as given), ``headings`` and ``rows``; each score, and each change
        against the untouched input, has ``mean``, ``low`` and ``high`` (95 % interval), ``least``,
        ``most`` and ``clips``, to four decimals; null where a value is not
        defined. Each row is a line.
    """
    lines = [
        json.dumps(
            {
                "codec": row.codec,
                "kbps": row.kbps,
                "restorer": row.restorer,
                "material": row.material or None,
                "clips": row.clips,
                "scores": {key: _as_dict(value) for key, value in row.scores.items()},
                "changes": {key: _as_dict(value) for key, value in row.changes.items()},
            },
            allow_nan=False,
            separators=(",", ":"),
        )
        for row in rows
    ]
    head = {"about": dict(about or {}), "headings": HEADINGS}
    # A row a line: such files are kept with models, and their changes can be read.
    opening = json.dumps(head, indent=1, allow_nan=False).removesuffix("\n}")
    return opening + ',\n "rows": [\n' + ",\n".join(lines) + "\n ]\n}\n"


def from_json(text: str) -> list[Row]:
    """The rows that `to_json` wrote, to four decimals; what was null is NaN.

    Raises
    ------
    InvalidValue
        Not such a text.
    """

    def interval(value: Mapping[str, Any]) -> Interval:
        keys = ("mean", "low", "high", "least", "most")
        numbers = {key: math.nan if value[key] is None else float(value[key]) for key in keys}
        return Interval(**numbers, clips=int(value["clips"]))

    try:
        return [
            Row(
                row["codec"],
                row["kbps"],
                row["restorer"],
                row["material"] or "",
                int(row["clips"]),
                {key: interval(value) for key, value in row["scores"].items()},
                {key: interval(value) for key, value in row["changes"].items()},
            )
            for row in json.loads(text)["rows"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidValue(f"text: must be a table that was written as JSON ({error!r})") from error


def write_text(path: str | Path, text: str) -> Path:
    """Write a table to a file, making its folder.

    Raises
    ------
    AudioFileError
        The file cannot be written.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise AudioFileError(f"{target}: cannot be written ({error.strerror})") from error
    return target
