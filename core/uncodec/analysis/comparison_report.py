"""A comparison as a folder: the listening page, the figure, the tables."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from uncodec.analysis.comparison import ComparedClip, Comparison, loudness_of
from uncodec.analysis.comparison_picture import draw_comparison, versions_of
from uncodec.analysis.comparison_tables import tables_of
from uncodec.analysis.report import to_json, write_text
from uncodec.analysis.spectrogram import spectrogram_db
from uncodec.errors import AudioFileError, OutputExists
from uncodec.listening import Clip, Page, Table, Version, write_page
from uncodec.listening.page import EMBEDDED_MB, SOUNDS
from uncodec.whole_files import reason_of

__all__ = ["ANCHOR_HZ", "check_folder", "page_of", "report_markdown", "save_report"]

ANCHOR_HZ = 3500.0
"""Low-pass of the anchor in a rating (ITU-R BS.1534-3, 5.1)."""
PAGE, MARKDOWN, DATA, FIGURE = "index.html", "report.md", "report.json", "figure"


def check_folder(folder: str | Path, *, overwrite: bool = False) -> Path:
    """See to it that a report can be written there, before the work for it is done.

    Raises
    ------
    OutputExists
        There is something, and it may not be replaced.
    AudioFileError
        It is a file, or nothing can be written there.
    """
    target = Path(folder)
    try:
        if target.exists() and not target.is_dir():
            raise AudioFileError(f"{target}: must be a folder, is a file")
        if target.is_dir() and any(target.iterdir()) and not overwrite:
            raise OutputExists(f"{target}: exists already")
        with _staged(target):
            pass
    except OSError as error:
        if isinstance(error, AudioFileError):
            raise
        raise AudioFileError(f"{target}: cannot be written: {reason_of(error)}") from error
    return target


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """A folder of another name beside the target, which is gone at the end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Inside a folder that exists: the one above it may not be ours to write to.
    place = target if target.is_dir() else target.parent
    stage = place / f".{target.name}.part-{os.getpid()}"
    stage.mkdir()
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def save_report(
    comparison: Comparison,
    folder: str | Path,
    *,
    overwrite: bool = False,
    embedded_mb: float | None = None,
) -> list[Path]:
    """Write the report into a folder.

    ``index.html`` (see `uncodec.listening.write_page`), ``figure.png`` and ``figure.svg`` of the
    first clip, ``report.md`` and ``report.json``. Everything is made under another name first: an
    error leaves what was there. Other files in the folder stay.

    Parameters
    ----------
    comparison : Comparison
    folder : path
    overwrite : bool
        Replace a report that is there.
    embedded_mb : float, optional
        How large the page may be with its sounds inside, in millions of bytes.

    Returns
    -------
    list of Path

    Raises
    ------
    OutputExists
        There is something, and `overwrite` is False.
    AudioFileError
        It cannot be written.
    UncodecError
        matplotlib is not installed: it comes with the extra "plots".
    """
    target = check_folder(folder, overwrite=overwrite)
    limit = EMBEDDED_MB if embedded_mb is None else embedded_mb
    try:
        with _staged(target) as stage:
            for suffix in (".png", ".svg"):
                draw_comparison(comparison.clips[0], stage / f"{FIGURE}{suffix}")
            write_text(stage / MARKDOWN, report_markdown(comparison))
            write_text(stage / DATA, _data(comparison))
            write_page(page_of(comparison), stage, embedded_mb=limit)
            return _put(stage, target)
    except OSError as error:
        if isinstance(error, AudioFileError):
            raise
        raise AudioFileError(f"{target}: cannot be written: {reason_of(error)}") from error


def _put(stage: Path, target: Path) -> list[Path]:
    target.mkdir(exist_ok=True)
    # Sounds of an earlier page belong to nothing any more; the page itself comes last.
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(target / SOUNDS)
    names = sorted((path.name for path in stage.iterdir()), key=lambda name: (name == PAGE, name))
    for name in names:
        (stage / name).replace(target / name)
    return [target / name for name in names]


def report_markdown(comparison: Comparison) -> str:
    """All tables with their headings and notes."""
    parts = [f"# {_title(comparison)}\n"]
    for clip in comparison.clips:
        for note in clip.source.notes:
            parts.append(f"{clip.source.name}: {note}\n")
    for table in tables_of(comparison):
        parts.append(f"## {table.title}\n\n{table.cells.to_markdown()}")
        if table.note:
            parts.append(f"{table.note}\n")
    return "\n".join(parts)


def _title(comparison: Comparison) -> str:
    first = comparison.clips[0].source.name
    more = comparison.clip_count - 1
    return f"Compared: {first}" + (f" and {more} more" if more else "")


def _data(comparison: Comparison) -> str:
    about: dict[str, Any] = {
        "clips": comparison.clip_count,
        "engines": {r.label: r.fingerprint for r in comparison.restorers},
        "settings": asdict(comparison.settings) | {"engines": list(comparison.settings.engines)},
        "stability": [_finite(asdict(each)) for each in comparison.stability],
        "trained": {name: asdict(each) for name, each in comparison.trained.items()},
        "costs": {name: asdict(each) for name, each in comparison.costs.items()},
        "added": [_finite(asdict(each)) for each in comparison.added],
    }
    return to_json([*comparison.rows, *comparison.noisy], about=about)


def _finite(value: Any) -> Any:
    """Numbers that JSON does not have become null."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    if isinstance(value, float):
        return round(value, 4) if abs(value) < float("inf") else None
    return value


def page_of(comparison: Comparison) -> Page:
    """The listening page of a comparison."""
    tables = [
        Table(t.title, t.cells.header, t.cells.rows, [not n for n in t.cells.numbers], t.note)
        for t in tables_of(comparison)
    ]
    facts = [
        f"Engines: {', '.join(restorer.label for restorer in comparison.restorers)}; "
        f"steps {comparison.settings.steps}, seed {comparison.settings.seed}."
    ]
    if comparison.clip_count > len(comparison.clips):
        facts.append(
            f"Here are the first {len(comparison.clips)} of the {comparison.clip_count} clips "
            "in the tables."
        )
    clips = [_page_clip(clip) for clip in comparison.clips]
    return Page(_title(comparison), clips, tables, facts)


def _page_clip(clip: ComparedClip) -> Clip:
    from uncodec.codecs.resampling import low_pass

    source = clip.source
    rate = source.sample_rate
    versions, hop_s = [], 0.0
    sounds = versions_of(clip)
    roles = ["original"] * (source.original is not None) + ["coded"]
    roles += ["restored"] * (len(sounds) - len(roles))
    named = list(zip(sounds.items(), roles, strict=True))
    if source.original is not None and rate > 2 * ANCHOR_HZ:
        anchor = low_pass(source.original, rate, ANCHOR_HZ)
        named.append((("Anchor, 3.5 kHz", anchor), "anchor"))
    for (name, audio), role in named:
        levels, hop_s = spectrogram_db(audio, rate)
        loudness = loudness_of(audio, rate)
        versions.append(Version(name, role, audio, levels, loudness))  # type: ignore[arg-type]
    return Clip(source.name, rate, hop_s, versions, source.notes)
