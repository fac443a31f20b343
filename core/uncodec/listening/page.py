"""From versions of a recording to a page that needs nothing but a browser."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from uncodec.errors import InvalidValue
from uncodec.listening.cells import Cells, pack_cells
from uncodec.listening.sounds import encode_flac
from uncodec.signals import Array
from uncodec.version import __version__
from uncodec.whole_files import write_whole

__all__ = [
    "EMBEDDED_MB",
    "MOST_VERSIONS",
    "SOUNDS",
    "Clip",
    "Page",
    "Table",
    "Version",
    "write_page",
]

EMBEDDED_MB = 40.0
"""Up to this size, in millions of bytes, sounds and pictures lie inside the page."""
MOST_VERSIONS = 9
"""As there are keys for; an anchor comes on top. A browser's buffer has 32 channels."""
SOUNDS = "sounds"
"""Folder beside a page that does not hold its sounds."""

Role = Literal["original", "coded", "restored", "anchor"]
_SCRIPTS = ("player.js", "abx.js", "blind.js", "picture.js", "main.js")
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Version:
    """One version of a clip.

    Attributes
    ----------
    name : str
        What buttons and results call it.
    role : {"original", "coded", "restored", "anchor"}
        An anchor is heard in the rating alone.
    audio : array, shape (channels, samples)
        One or two channels.
    levels : array, shape (bins, columns)
        The spectrogram in dB, from 0 Hz to half the rate.
    loudness_lufs : float
        Integrated loudness; NaN or infinite where there is none, which is then not matched.
    detail : str
        A few words beside the name.
    """

    name: str
    role: Role
    audio: Array
    levels: NDArray[np.floating[Any]]
    loudness_lufs: float = math.nan
    detail: str = ""


@dataclass(frozen=True)
class Clip:
    """Versions of one recording, of one shape and rate.

    Attributes
    ----------
    name : str
    sample_rate : int
        In Hz.
    hop_s : float
        Seconds from column to column of the spectrograms.
    versions : sequence of Version
        In the order of the keys.
    notes : sequence of str
        What a listener should know, for instance how the versions were aligned.
    """

    name: str
    sample_rate: int
    hop_s: float
    versions: Sequence[Version]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    """A table of texts; `words` says which columns are none of numbers."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[bool]
    note: str = ""


@dataclass(frozen=True)
class Page:
    """What a page holds: clips to choose from, tables, and facts about how it was made."""

    title: str
    clips: Sequence[Clip]
    tables: Sequence[Table] = ()
    facts: Sequence[str] = ()


def write_page(page: Page, folder: Path, *, embedded_mb: float = EMBEDDED_MB) -> list[Path]:
    """Write ``index.html`` into a folder that exists.

    Sounds are FLAC of 16 bits, which every browser with Web Audio decodes to the sample; what is
    not 16 bits wide already is dithered. All versions of a clip are turned down alike where one
    would clip.

    Parameters
    ----------
    page : Page
    folder : Path
    embedded_mb : float
        Up to so many millions of bytes everything is in the one file. Above that sounds and
        pictures lie in the folder ``sounds`` beside it, as scripts: nothing else may be loaded by a
        page that is opened from a disk. They are then loaded clip by clip.

    Returns
    -------
    list of Path
        What was written, the page last.

    Raises
    ------
    InvalidValue
        No clip, no version or too many, versions of different shapes, more than two channels.
    UncodecError
        A file cannot be written.
    """
    if not page.clips:
        raise InvalidValue("page: must have at least one clip, got none")
    parts: dict[str, bytes] = {}
    clips = [_clip(clip, number, parts) for number, clip in enumerate(page.clips)]
    beside = sum(map(len, parts.values())) * 4 / 3 > embedded_mb * 1e6
    data = {
        "title": _shown(page.title),
        "generator": f"uncodec {__version__}",
        "clips": clips,
        "tables": [
            {
                "title": table.title,
                "header": list(table.header),
                "rows": [[_shown(cell) for cell in row] for row in table.rows],
                "words": list(table.words),
                "note": table.note,
            }
            for table in page.tables
        ],
        "facts": [_shown(fact) for fact in page.facts],
    }
    written: list[Path] = []
    if beside:
        (folder / SOUNDS).mkdir(exist_ok=True)
        for name, content in parts.items():
            written.append(folder / SOUNDS / f"{name}.js")
            # The name is one of ours, and base64 needs no escape.
            text = f'uncodecFile("{name}", "{base64.b64encode(content).decode("ascii")}");\n'
            write_whole(written[-1], text.encode("ascii"))
    written.append(folder / "index.html")
    write_whole(written[-1], _html(data, {} if beside else parts).encode("utf-8"))
    return written


def _shown(text: str) -> str:
    """Text without what UTF-8 cannot say (bytes of a name that are no text), and not endless."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= _LONGEST_NAME else clean[: _LONGEST_NAME - 1] + "…"


def _clip(clip: Clip, number: int, parts: dict[str, bytes]) -> dict[str, Any]:
    shapes = {version.audio.shape for version in clip.versions}
    open_ones = [version for version in clip.versions if version.role != "anchor"]
    if not 1 <= len(open_ones) <= MOST_VERSIONS or len(clip.versions) > MOST_VERSIONS + 1:
        raise InvalidValue(
            f"clip {clip.name!r}: must have 1 to {MOST_VERSIONS} versions, got {len(open_ones)}"
        )
    if len(shapes) != 1:
        raise InvalidValue(f"clip {clip.name!r}: versions must have one shape, got {shapes}")
    channels, samples = clip.versions[0].audio.shape
    if channels > 2 or samples < 1:
        raise InvalidValue(
            f"clip {clip.name!r}: must have one or two channels and a sample, got shape "
            f"({channels}, {samples})"
        )
    peak = max(float(np.abs(version.audio).max()) for version in clip.versions)
    gain = 1.0 if peak <= 1.0 else 1.0 / peak
    cells = pack_cells([version.levels for version in clip.versions])
    quietest = min(
        (v.loudness_lufs for v in open_ones if math.isfinite(v.loudness_lufs)), default=math.nan
    )
    versions = []
    for place, (version, packed) in enumerate(zip(clip.versions, cells.packed, strict=True)):
        sound, picture = f"sound-{number + 1}-{place + 1}", f"cells-{number + 1}-{place + 1}"
        parts[sound] = encode_flac(version.audio * np.float32(gain), clip.sample_rate)
        parts[picture] = packed
        loudness = version.loudness_lufs + 20.0 * math.log10(gain)
        known = math.isfinite(loudness)
        versions.append(
            {
                "name": _shown(version.name),
                "role": version.role,
                "detail": _shown(version.detail),
                "lufs": round(loudness, 2) if known else None,
                # Downwards alone: nothing is clipped by it. An anchor is as loud as it came out.
                "match_db": round(min(0.0, quietest - version.loudness_lufs), 2) if known else 0.0,
                "sha256": hashlib.sha256(parts[sound]).hexdigest(),
                "sound": sound,
                "cells": picture,
            }
        )
    return {
        "name": _shown(clip.name),
        "rate": clip.sample_rate,
        "seconds": samples / clip.sample_rate,
        "channels": channels,
        "gain_db": round(20.0 * math.log10(gain), 2),
        "notes": [_shown(note) for note in clip.notes],
        "spectrogram": _described(cells, clip.hop_s),
        "versions": versions,
    }


def _described(cells: Cells, hop_s: float) -> dict[str, float | int]:
    return {
        "columns": cells.columns,
        "bins": cells.bins,
        "hop_s": hop_s,
        "floor_db": cells.floor_db,
        "step_db": cells.step_db,
        "top_db": cells.top_db,
    }


def _html(data: dict[str, Any], parts: dict[str, bytes]) -> str:
    web = files("uncodec.listening") / "web"
    script = "".join((web / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    style = (web / "page.css").read_text(encoding="utf-8")
    # Nothing but what stands in this file may run, and nothing may be fetched: a name in a tag
    # cannot become a script even if it got out of its text.
    code = f"'{_hash(script)}'" if parts else f"'{_hash(script)}' 'self' file:"
    policy = (
        f"default-src 'none'; script-src {code}; style-src '{_hash(style)}'; "
        "media-src blob: data:; img-src blob: data:; base-uri 'none'; form-action 'none'"
    )
    return Template((web / "page.html").read_text(encoding="utf-8")).substitute(
        policy=policy,
        title=html.escape(data["title"]),
        deck=(web / "deck.html").read_text(encoding="utf-8"),
        style=style,
        data=_as_json(data),
        sounds="\n".join(_embedded(parts)),
        script=script,
    )


def _embedded(parts: dict[str, bytes]) -> Iterator[str]:
    for name, content in parts.items():
        text = base64.b64encode(content).decode("ascii")
        yield f'<script type="text/plain" id="{name}">{text}</script>'


def _as_json(data: dict[str, Any]) -> str:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
