"""The A/B report of a result: a page of one file to listen to, beside the result."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uncodec.errors import AudioFileError
from uncodec.whole_files import reason_of, write_whole

__all__ = ["REPORT_S", "Report", "report_path", "write_report"]

REPORT_S = 60.0
"""Length of the excerpt that a report holds, in seconds."""


@dataclass(frozen=True, slots=True)
class Report:
    """What goes into a report.

    Attributes
    ----------
    source, result : Path
    name : str
        What the page calls the source.
    settings : str
        How the result was made, in a line.
    start_s : float
        Where the excerpt begins.
    """

    source: Path
    result: Path
    name: str
    settings: str
    start_s: float = 0.0


def report_path(result: Path) -> Path:
    """Where the report of a result lies."""
    return result.with_name(f"{result.name}.html")


def write_report(report: Report) -> Generator[None, None, Path]:
    """Write the report beside the result; yields while it works, and returns where it lies.

    Raises
    ------
    AudioFileError
        One of the files cannot be read, or the report cannot be written.
    """
    from uncodec.listening import Clip, Page, Version, write_page
    from uncodec.listening.levels import N_FFT, levels_db
    from uncodec.web.excerpts import Excerpt, loudness_of, read_excerpt

    excerpts: list[Excerpt] = []
    for path in (report.source, report.result):
        excerpts.append((yield from read_excerpt(path, report.start_s, REPORT_S)))
    coded, restored = (excerpt.body for excerpt in excerpts)
    rate = excerpts[0].sample_rate
    if rate != excerpts[1].sample_rate:
        raise AudioFileError(f"{report.result}: has another rate than the report needs")
    count = min(coded.shape[1], restored.shape[1])
    versions, hop_s = [], 1.0
    for name, role, audio in (("Source", "coded", coded), ("Restored", "restored", restored)):
        audio = np.ascontiguousarray(audio[:, :count])
        padded = np.pad(audio, ((0, 0), (0, max(0, N_FFT - count))))
        levels, hop_s = levels_db(padded, rate)
        loud = loudness_of(audio, rate)
        versions.append(
            Version(name, role, audio, levels, float("nan") if loud is None else loud)  # type: ignore[arg-type]
        )
        yield
    notes = [report.settings]
    if report.start_s or count >= REPORT_S * rate:
        notes.append(f"From {excerpts[0].start_s:.1f} s on, {count / rate:.1f} s of the file.")
    page = Page(
        f"{report.name}: before and after", [Clip(report.name, rate, hop_s, versions, notes)]
    )
    target = report_path(report.result)
    try:
        stage = Path(tempfile.mkdtemp(prefix="uncodec-"))
    except OSError as error:
        raise AudioFileError(f"no folder for temporary files: {reason_of(error)}") from error
    try:
        written = write_page(page, stage, embedded_mb=float("inf"))
        write_whole(target, written[-1].read_bytes())
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return target
