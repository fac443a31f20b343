"""How a batch tells what it does: a bar for people, JSON lines for programs, or nothing."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO
from unicodedata import category

from uncodec.errors import OutputExists, UncodecError
from uncodec.whole_files import reason_of

if TYPE_CHECKING:
    from rich.progress import TaskID

    from uncodec.files.planning import Plan
    from uncodec.files.restore import RestoreReport

__all__ = [
    "Counts",
    "JsonReporter",
    "ProgressReporter",
    "ReportLost",
    "Reporter",
    "abandon",
    "describe",
    "one_line",
]

_JSON_PROGRESS_INTERVAL_S = 0.5
_NAMES_SHOWN = 5
# Control characters, separators of lines, and bytes of a name that are no text.
_UNPRINTED = ("Cc", "Cs", "Zl", "Zp")


class ReportLost(UncodecError):
    """What a program is to be told cannot be written: there is no point in going on."""


def abandon(stream: TextIO) -> None:
    """Let a stream that cannot be written to swallow the rest.

    Otherwise the interpreter complains once more when it flushes on its way out.
    """
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def one_line(text: str) -> str:
    """Text with what would break a line, or move a terminal's cursor, written as an escape.

    The name of a file may hold anything.
    """
    return "".join(
        char.encode("unicode_escape").decode() if category(char) in _UNPRINTED else char
        for char in text
    )


def describe(error: BaseException) -> str:
    """Say in one line what went wrong."""
    text = str(error)
    if isinstance(error, OutputExists):
        return f"{text}; --overwrite replaces it"
    if isinstance(error, UncodecError):
        return text
    text = " ".join(text.split())
    if isinstance(error, OSError) and error.strerror:
        reason = reason_of(error)
        return f"{error.filename}: {reason}" if error.filename else reason
    return f"unexpected {type(error).__name__}: {text} (--debug shows where)"


@dataclass
class Counts:
    """How many files ended in which way.

    Attributes
    ----------
    restored, failed : int
    skipped : int
        Done before.
    left : int
        Without damage, and left alone.
    again : dict of str to int
        Of those that were restored or failed: how many were done anew, by reason.
    """

    restored: int = 0
    failed: int = 0
    skipped: int = 0
    left: int = 0
    again: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        text = f"{self.restored} restored, {self.failed} failed"
        if self.again:
            reasons = "; ".join(f"{n}: {reason}" for reason, n in sorted(self.again.items()))
            text += f", {sum(self.again.values())} of these anew ({reasons})"
        if self.left:
            text += f", {self.left} left alone"
        return f"{text}, {self.skipped} done before" if self.skipped else text


class Reporter:
    """Tells errors and warnings on standard error and is silent otherwise.

    Parameters
    ----------
    quiet : bool
        Leave out the warnings that tell of no lost audio.
    debug : bool
        Show where in the program an error came from, too.
    """

    def __init__(self, *, quiet: bool = False, debug: bool = False) -> None:
        self._quiet = quiet
        self._debug = debug

    def planned(self, plan: Plan) -> None:
        """It is known what will be done."""
        for path, error in plan.failures:
            self.failed(path, path, error)

    def started(self, source: Path, target: Path) -> None:
        """A file is begun."""

    def progress(self, source: Path, frames_done: int, frames_total: int | None) -> None:
        """Some of it is done."""

    def notice(self, source: Path | None, text: str) -> None:
        """Something was done differently than asked for; None: it is about no file."""
        self._line(f"uncodec: warning: {text}")

    def skipped(self, source: Path, target: Path) -> None:
        """A file is done already."""

    def left(self, source: Path, target: Path, reason: str) -> None:
        """A file has nothing that could be given back."""

    def finished(self, report: RestoreReport) -> None:
        """A file is complete."""
        for text in self._warnings(report):
            self._line(f"uncodec: warning: {text}")

    def _warnings(self, report: RestoreReport) -> list[str]:
        source, target = _name(report.source), _name(report.target, "standard output")
        told = [f"{source}: {problem}" for problem in report.problems]
        if not self._quiet:
            told += [f"{source}: {warning}" for warning in report.warnings]
        if report.clipped:
            peak = f"{20 * math.log10(report.peak):+.1f} dBFS"
            count = "1 sample was" if report.clipped == 1 else f"{report.clipped} samples were"
            told.append(
                f"{target}: {count} clipped (peak {peak}); --headroom auto "
                "turns the result down, --bits 32 keeps them"
            )
        return told

    def failed(self, source: Path, target: Path, error: BaseException) -> None:
        """A file could not be restored."""
        if self._debug:
            traceback.print_exception(error, file=sys.stderr)
        text = describe(error)
        # Most messages name the file they are about; the others are about the source.
        if _name(target, "standard output") not in text and _name(source) not in text:
            text = f"{_name(source)}: {text}"
        self._line(f"uncodec: error: {text}")

    def ended(self, counts: Counts) -> None:
        """The batch is through."""
        if (counts.skipped or counts.left or counts.again) and not self._quiet:
            self._line(f"uncodec: {counts}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was."""

    def _line(self, text: str) -> None:
        if sys.stderr is not None:  # print would take standard output for it
            print(one_line(text), file=sys.stderr, flush=True)


class JsonReporter(Reporter):
    """One JSON object a line, its kind under ``event``.

    ``passed_over`` (path, reason), ``start`` (source, target), ``progress`` (source, frames,
    total_frames or null; at most two a second), ``done`` (source, target, sample_rate, target_rate,
    channels, frames, target_frames, duration_s, elapsed_s, times_real_time, peak, clipped,
    headroom_db, problems, warnings: a list of what, offset, length, unit and lost, not_carried: a
    list of field and reason), ``skipped`` (source, target), ``left`` (source, target, reason: no
    damage), ``warning`` (source, message), ``error`` (source, type, message), ``end`` (restored,
    failed, passed_over, skipped, left, again: how many were done anew, by reason).

    Errors and warnings stand on standard error as well, unless that is where the objects go.
    """

    def __init__(self, stream: TextIO, *, quiet: bool = False, debug: bool = False) -> None:
        super().__init__(quiet=quiet, debug=debug)
        self._stream = stream
        self._next_progress: dict[Path, float] = {}
        self._passed_over = 0

    def planned(self, plan: Plan) -> None:
        self._passed_over = len(plan.passed_over)
        for passed in plan.passed_over:
            self._event("passed_over", path=str(passed.path), reason=passed.reason)
        super().planned(plan)

    def started(self, source: Path, target: Path) -> None:
        self._event("start", source=str(source), target=str(target))

    def progress(self, source: Path, frames_done: int, frames_total: int | None) -> None:
        now = time.monotonic()
        if now >= self._next_progress.get(source, 0.0):
            self._next_progress[source] = now + _JSON_PROGRESS_INTERVAL_S
            self._event(
                "progress", source=str(source), frames=frames_done, total_frames=frames_total
            )

    def notice(self, source: Path | None, text: str) -> None:
        if self._stream is not sys.stderr:
            super().notice(source, text)
        name = None if source is None else str(source)
        self._event("warning", source=name, message=text)

    def skipped(self, source: Path, target: Path) -> None:
        self._event("skipped", source=str(source), target=str(target))

    def left(self, source: Path, target: Path, reason: str) -> None:
        self._next_progress.pop(source, None)
        self._event("left", source=str(source), target=str(target), reason=reason)

    def finished(self, report: RestoreReport) -> None:
        self._next_progress.pop(report.source, None)
        if self._stream is not sys.stderr:
            super().finished(report)
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
            headroom_db=round(report.headroom_db, 2),
            problems=list(report.problems),
            warnings=[asdict(warning) for warning in report.warnings],
            not_carried=[asdict(item) for item in report.not_carried],
        )

    def failed(self, source: Path, target: Path, error: BaseException) -> None:
        self._next_progress.pop(source, None)
        if self._stream is not sys.stderr:
            super().failed(source, target, error)
        self._event("error", source=str(source), type=type(error).__name__, message=describe(error))

    def ended(self, counts: Counts) -> None:
        self._event("end", passed_over=self._passed_over, **asdict(counts))

    def _event(self, event: str, **fields: Any) -> None:
        try:
            print(json.dumps({"event": event, **fields}), file=self._stream, flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            abandon(self._stream)
            raise ReportLost(f"the report cannot be written: {reason_of(error)}") from error


class ProgressReporter(Reporter):
    """A bar for each file in work and a line for each one done, on standard error."""

    def __init__(self, *, quiet: bool = False, debug: bool = False) -> None:
        super().__init__(quiet=quiet, debug=debug)
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
        self._tasks: dict[Path, TaskID] = {}

    def planned(self, plan: Plan) -> None:
        passed_over = ((passed.reason, str(passed.path)) for passed in plan.passed_over)
        for reason, names in _by_reason(passed_over).items():
            shown = ", ".join(names[:_NAMES_SHOWN])
            more = len(names) - _NAMES_SHOWN
            self._line(
                f"passed over, {reason}: {shown}" + (f" and {more} more" if more > 0 else "")
            )
        super().planned(plan)

    def started(self, source: Path, target: Path) -> None:
        self._over(source)  # tried once before
        self._tasks[source] = self._bar.add_task(source.name, total=None)

    def progress(self, source: Path, frames_done: int, frames_total: int | None) -> None:
        self._bar.update(self._tasks[source], completed=frames_done, total=frames_total)

    def _over(self, source: Path) -> None:
        if source in self._tasks:
            self._bar.remove_task(self._tasks.pop(source))

    def finished(self, report: RestoreReport) -> None:
        self._over(report.source)
        lower = f", turned down by {report.headroom_db:.1f} dB" if report.headroom_db else ""
        self._line(
            f"{report.source} -> {report.target} ({_clock(report.duration_s)} in "
            f"{_clock(report.elapsed_s)}, {report.times_real_time:.1f} x real time{lower})"
        )
        super().finished(report)
        not_carried = ((item.reason, item.field) for item in report.not_carried)
        for reason, fields in _by_reason(not_carried).items():
            target = _name(report.target, "standard output")
            self._line(f"{target}: not carried over: {', '.join(fields)} ({reason})")

    def left(self, source: Path, target: Path, reason: str) -> None:
        self._over(source)
        self._line(f"{_name(source)}: left alone ({reason})")

    def failed(self, source: Path, target: Path, error: BaseException) -> None:
        self._over(source)
        super().failed(source, target, error)

    def ended(self, counts: Counts) -> None:
        self.close()
        if counts.failed or counts.skipped or counts.left or counts.again:
            self._line(str(counts))

    def close(self) -> None:
        self._bar.stop()

    def _line(self, text: str) -> None:
        self._console.print(one_line(text), soft_wrap=True)


def _by_reason(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for reason, name in pairs:
        found[reason].append(name)
    return dict(found)


def _name(path: Path, standard: str = "standard input") -> str:
    return standard if str(path) == "-" else str(path)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
