"""The command ``uncodec inspect``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uncodec.cli.common import (
    FAILED,
    check_plot,
    loading,
    orderly_exit,
    process_count,
    told_errors,
    told_files,
)
from uncodec.cli.options import Jobs
from uncodec.errors import InvalidValue, UncodecError

if TYPE_CHECKING:
    from uncodec.cli.inspecting import Inspecting
    from uncodec.inspection.results import Inspection

__all__ = ["register"]

FOUND = 3
_VERDICTS = ("lossless", "lossy", "fake", "unknown")
_HEADER = (
    f"{'verdict':<9}{'sure':>5}  {'codec':<15}{'cut-off':>9}  {'stereo':<10}{'bits':>6}"
    f"{'LUFS':>7}{'LU':>6}{'dBTP':>7}  file"
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(inspect)


def inspect(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="IN...",
            help="Audio files, and folders (all audio below them, links included).",
            show_default=False,
        ),
    ],
    json: Annotated[
        bool, typer.Option("--json", help="All that was found in JSON, one object a line.")
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="The same as a table for programs.")] = False,
    picture: Annotated[
        str | None,
        typer.Option(
            metavar="OUT",
            help="Draw spectrogram, cut-off and evidence: a .png, .svg or .pdf for one file; a "
            "folder, that gets a .png for each, for more.",
            show_default=False,
        ),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="VERDICTS",
            help="Leave with exit code 3 where a file has one of these verdicts: lossless, lossy, "
            "fake, unknown; several with commas.",
            show_default=False,
        ),
    ] = None,
    restore_suggested: Annotated[
        bool,
        typer.Option(
            "--restore-suggested",
            help="Print the names of those files alone that 'uncodec restore' has something to "
            "give back to.",
        ),
    ] = False,
    reasons: Annotated[
        bool, typer.Option("--reasons", help="Say below each file why; of one file always.")
    ] = False,
    jobs: Jobs = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace pictures.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in the program an error came from.")
    ] = False,
) -> None:
    """Find out whether files were coded lossily, how, and how loud they are.

    A verdict is lossless, lossy (the file says so itself), fake (lossy sound in a lossless file) or
    unknown, with how sure it is. Exit code: 0 whatever the verdicts, 1 some files could not be
    read, 2 wrong use of the command, 3 a verdict of --fail-on, 130 stopped with Ctrl-C.
    """
    with told_errors(debug), told_files(), orderly_exit():
        if json + csv + restore_suggested > 1:
            raise InvalidValue(
                "--json, --csv, --restore-suggested: only one of them can be asked for"
            )
        failing = _parse_verdicts(fail_on)
        processes = process_count(1 if jobs is None else jobs)
        alone = len(inputs) == 1 and not Path(inputs[0]).is_dir()
        if picture is not None:
            check_plot(picture if alone else "one.png")
            if not alone and Path(picture).exists() and not Path(picture).is_dir():
                raise InvalidValue(f"picture={picture!r}: must be a folder for more than one file")
        with loading():
            from uncodec.cli.inspecting import Inspecting
            from uncodec.files.reporting import describe, one_line
        work = Inspecting(None if picture is None else Path(picture), alone, overwrite)
        if csv:
            _print_row(_columns())
        elif not json and not restore_suggested:
            _print(_HEADER)
        failed = any_found = False
        with _Watch(quiet or not _on_terminal(sys.stderr)) as watch:
            for path, found in _results(inputs, work, processes, watch):
                if isinstance(found, BaseException):
                    failed = True
                    text = describe(found)
                    watch.tell(f"uncodec: error: {one_line(text)}")
                    if json:
                        _print_json({"path": None if path is None else str(path), "error": text})
                    continue
                any_found |= found.verdict in failing
                with watch.aside():
                    if json:
                        _print_json(found.as_dict())
                    elif csv:
                        _print_row(found.as_row())
                    elif restore_suggested:
                        if found.restore:
                            _print(str(path))
                    else:
                        _print(one_line(line_of(found)))
                        for reason in found.reasons if reasons or alone else ():
                            _print(f"          {one_line(reason)}")
    if failed:
        raise typer.Exit(FAILED)
    if any_found:
        raise typer.Exit(FOUND)


def line_of(found: Inspection) -> str:
    """One line of the table on the terminal."""
    codec = found.codec
    if found.kbps:
        codec = f"{codec or 'some'} {found.kbps[0]}-{found.kbps[1]}"
    if len(found.codings) > 1:
        codec += "+" + "+".join(found.codings[1:])
    cutoff = f"{found.cutoff_hz / 1000:.1f} kHz" if found.cutoff_hz else "-"
    bits = "float" if found.bits is None else str(found.bits)
    if found.padded:
        bits += f"/{found.declared_bits}"
    clipped = "!" if found.clipped_runs else ""
    numbers = ["-" if value is None else f"{value:.1f}" for value in (found.lufs, found.range_lu)]
    peak = "-" if found.true_peak_db is None else f"{found.true_peak_db:+.1f}"
    # Rounded down: nothing is certain.
    return (
        f"{found.verdict:<9}{int(100 * found.confidence):>4}%  {codec or '-':<15}{cutoff:>9}  "
        f"{found.stereo:<10}{bits:>6}{numbers[0]:>7}{numbers[1]:>6}{peak + clipped:>7}"
        f"  {found.path}"
    )


def _parse_verdicts(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in _VERDICTS:
            raise InvalidValue(f"--fail-on {name!r}: must be one of {', '.join(_VERDICTS)}")
    return names


def _results(
    inputs: list[str], work: Inspecting, processes: int, watch: _Watch
) -> Iterator[tuple[Path | None, Inspection | BaseException]]:
    """Files with what was found, or why nothing could be; None for a folder that cannot be read."""
    from uncodec.cli.inspecting import side_by_side

    def progress(_: str, done: int, total: int | None) -> None:
        watch.progress(done, total)

    if processes == 1:
        for path in _files(inputs, watch):
            if isinstance(path, UncodecError):
                yield None, path
            else:
                watch.begin(path)
                yield path, work.do(path, progress)
        return
    paths = []
    for path in _files(inputs, watch):
        if isinstance(path, UncodecError):
            yield None, path
        else:
            paths.append(path)
    for number, (path, found) in enumerate(side_by_side(paths, work, processes), start=1):
        watch.begin(path)
        watch.progress(number, len(paths))
        yield path, found


def _files(inputs: list[str], watch: _Watch) -> Iterator[Path | UncodecError]:
    """Files as they are named and found; folders are read one by one, as they come."""
    from uncodec.files.sources import walk_sources

    for text in inputs:
        place = Path(text)
        if text == "-":
            yield UncodecError("-: standard input cannot be inspected; name a file")
            continue
        if not place.is_dir():
            yield place
            continue
        any_there = False
        for part in walk_sources(place, results=True):
            for _, error in part.failures:
                yield error
            watch.expect(len(part.files))
            any_there |= bool(part.files or part.failures)
            yield from part.files
        if not any_there:
            yield UncodecError(f"{place}: no audio in this folder")


def _columns() -> list[str]:
    from uncodec.inspection.results import COLUMNS

    return list(COLUMNS)


def _print(text: str) -> None:
    # A name may hold bytes that are no text.
    sys.stdout.write(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") + "\n")
    sys.stdout.flush()


def _print_json(values: dict[str, object]) -> None:
    from json import dumps

    _print(dumps(values))


def _print_row(values: list[str]) -> None:
    import csv
    import io

    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    _print(line.getvalue())


def _on_terminal(stream: object) -> bool:
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty())


class _Watch:
    """The bar for the file in work, on a terminal; nothing elsewhere."""

    def __init__(self, silent: bool) -> None:
        self._bar = None
        self._done, self._expected = -1, 0
        if not silent:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            self._bar = Progress(
                TextColumn("{task.fields[count]} {task.description}", markup=False),
                BarColumn(),
                console=Console(stderr=True, highlight=False, markup=False),
                transient=True,
            )

    def __enter__(self) -> _Watch:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=None, count="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def expect(self, files: int) -> None:
        """So many more are known of."""
        self._expected += files

    def begin(self, path: Path | UncodecError) -> None:
        """A file is begun."""
        self._done += 1
        if self._bar is not None and isinstance(path, Path):
            from uncodec.files.reporting import one_line

            count = f"{self._done + 1}/{max(self._expected, self._done + 1)}"
            self._bar.reset(self._task, description=one_line(path.name), total=None, count=count)

    def progress(self, frames: int, total: int | None) -> None:
        """Some of it is read."""
        if self._bar is not None:
            self._bar.update(self._task, completed=frames, total=total)

    def tell(self, text: str) -> None:
        """A line for people."""
        if self._bar is not None:
            self._bar.console.print(text, soft_wrap=True)
        elif sys.stderr is not None:
            print(text, file=sys.stderr, flush=True)

    def aside(self) -> _Aside:
        """Take the bar away while something is written to standard output."""
        return _Aside(self)


class _Aside:
    def __init__(self, watch: _Watch) -> None:
        self._bar = watch._bar

    def __enter__(self) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.start()
