"""How a batch tells what it does: a bar for people, JSON lines for programs, or nothing."""

from __future__ import annotations

import json
import math
import sys
import time
import traceback
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from uncodec.errors import OutputExists, UncodecError

if TYPE_CHECKING:
    from uncodec.io import NotCarried
    from uncodec.offline.restore import RestoreReport

__all__ = ["JsonReporter", "ProgressReporter", "Reporter", "describe"]

_JSON_PROGRESS_INTERVAL_S = 0.5


def describe(error: BaseException) -> str:
    """Say in one line what went wrong."""
    text = " ".join(str(error).split())
    if isinstance(error, OutputExists):
        return f"{text}; --overwrite replaces it"
    if isinstance(error, UncodecError):
        return text
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"unexpected {type(error).__name__}: {text} (--debug shows where)"


class Reporter:
    """Reports errors on standard error and is silent otherwise."""

    def __init__(self, *, debug: bool = False) -> None:
        self._debug = debug

    def started(self, source: Path, target: Path) -> None:
        """A file is begun."""

    def progress(self, frames_done: int, frames_total: int | None) -> None:
        """Some of it is done."""

    def notice(self, text: str) -> None:
        """Something was done differently than asked for."""
        self._line(f"uncodec: warning: {text}")

    def finished(self, report: RestoreReport) -> None:
        """A file is complete."""

    def failed(self, source: Path, target: Path, error: BaseException) -> None:
        """A file could not be restored."""
        if self._debug:
            traceback.print_exception(error, file=sys.stderr)
        text = describe(error)
        # Most messages name the file they are about; the others are about the source.
        if str(target) not in text and _name(source) not in text:
            text = f"{_name(source)}: {text}"
        self._line(f"uncodec: error: {text}")

    def ended(self, *, restored: int, failed: int) -> None:
        """The batch is through."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was."""

    def _line(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class JsonReporter(Reporter):
    """One JSON object a line, its kind under ``event``.

    ``start`` (source, target), ``progress`` (source, frames, total_frames or null; at most two a
    second), ``done`` (source, target, sample_rate, target_rate, channels, frames, target_frames,
    duration_s, elapsed_s, times_real_time, peak, clipped, problems, not_carried: a list of field
    and reason), ``warning`` (source, message), ``error`` (source, type, message), ``end``
    (restored, failed).
    """

    def __init__(self, stream: TextIO, *, debug: bool = False) -> None:
        super().__init__(debug=debug)
        self._stream = stream
        self._source = ""
        self._next_progress = 0.0

    def started(self, source: Path, target: Path) -> None:
        self._source = str(source)
        self._next_progress = 0.0
        self._event("start", source=str(source), target=str(target))

    def progress(self, frames_done: int, frames_total: int | None) -> None:
        now = time.monotonic()
        if now >= self._next_progress:
            self._next_progress = now + _JSON_PROGRESS_INTERVAL_S
            self._event(
                "progress", source=self._source, frames=frames_done, total_frames=frames_total
            )

    def notice(self, text: str) -> None:
        if self._stream is not sys.stderr:
            super().notice(text)
        self._event("warning", source=self._source, message=text)

    def finished(self, report: RestoreReport) -> None:
        self._event(
            "done",
            source=str(report.source),
            target=str(report.target),
            sample_rate=report.sample_rate,
            target_rate=report.target_rate,
            channels=report.channels,
            frames=report.frames,
            target_frames=report.target_frames,
            duration_s=round(report.duration_s, 3),
            elapsed_s=round(report.elapsed_s, 3),
            times_real_time=round(report.times_real_time, 2),
            peak=round(report.peak, 6),
            clipped=report.clipped,
            problems=list(report.problems),
            not_carried=[asdict(item) for item in report.not_carried],
        )

    def failed(self, source: Path, target: Path, error: BaseException) -> None:
        if self._stream is not sys.stderr:
            super().failed(source, target, error)
        self._event("error", source=str(source), type=type(error).__name__, message=describe(error))

    def ended(self, *, restored: int, failed: int) -> None:
        self._event("end", restored=restored, failed=failed)

    def _event(self, event: str, **fields: Any) -> None:
        print(json.dumps({"event": event, **fields}), file=self._stream, flush=True)


class ProgressReporter(Reporter):
    """A bar for the file in work and a line for each one done, on standard error."""

    def __init__(self, *, debug: bool = False) -> None:
        super().__init__(debug=debug)
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True, highlight=False, markup=False)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %", markup=False),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task("", visible=False)

    def started(self, source: Path, target: Path) -> None:
        self._bar.reset(self._task, description=source.name, total=None, visible=True)

    def progress(self, frames_done: int, frames_total: int | None) -> None:
        self._bar.update(self._task, completed=frames_done, total=frames_total)

    def finished(self, report: RestoreReport) -> None:
        self._bar.update(self._task, visible=False)
        self._line(
            f"{report.source} -> {report.target} ({_clock(report.duration_s)} in "
            f"{_clock(report.elapsed_s)}, {report.times_real_time:.1f} x real time)"
        )
        for problem in report.problems:
            self._line(f"uncodec: warning: {report.source}: is damaged: {problem}")
        for reason, fields in _by_reason(report.not_carried).items():
            self._line(f"{report.target}: not carried over: {', '.join(fields)} ({reason})")
        if report.clipped:
            self._line(
                f"uncodec: warning: {report.target}: {report.clipped} samples were clipped (peak "
                f"{20 * math.log10(report.peak):+.1f} dBFS); --bits 32 keeps them"
            )

    def ended(self, *, restored: int, failed: int) -> None:
        self.close()
        if failed:
            self._line(f"{restored} restored, {failed} failed")

    def close(self) -> None:
        self._bar.stop()

    def _line(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def _by_reason(items: Iterable[NotCarried]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for item in items:
        reasons.setdefault(item.reason, []).append(item.field)
    return reasons


def _name(path: Path) -> str:
    return "standard input" if str(path) == "-" else str(path)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
