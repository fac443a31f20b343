"""Reads and restores malformed files in a process of its own, so that a crash takes no test along.

Called as ``python -m tests.corpus.worker FOLDER FIRST STOP STEP``. A line of JSON on standard
output says which seed begins, and another one what was wrong with it; a worker that dies or hangs
is told by the last line that it wrote.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from tests.corpus.mutations import Mutant, mutant

from uncodec.errors import AudioFileError, UncodecError
from uncodec.files.restore import restore_file
from uncodec.io import open_audio

# A file is read within a hundredth of this; what takes longer hangs.
LONGEST_S = 60
# Of the process, above what its libraries and the sound files take.
MOST_MEMORY = 400 << 20
# The files here hold 9000 samples; what gives more than this makes something out of nothing.
MOST_SAMPLES = 6_000_000
RESTORED_SHARE = 3


class Through:
    """An effect that changes nothing."""

    def open_stream(self, sample_rate: float, channels: int, channel_layout: Any = None) -> Through:
        self.channels = channels
        return self

    def push(self, audio: Any) -> Any:
        return audio

    def finish(self) -> Any:
        return np.zeros((self.channels, 0), np.float32)

    def reset(self) -> None: ...


def check_message(error: UncodecError, path: Path) -> None:
    """A clear error is one line, and names the file that it is about."""
    text = str(error)
    if "\n" in text or "\x1b" in text:
        raise ValueError(f"the error is more than one plain line: {text!r}")
    if isinstance(error, AudioFileError) and str(path.parent) not in text:
        raise ValueError(f"the error names no file: {text!r}")


def check_reading(path: Path) -> None:
    """Read to the end, with tags: audio, or a clear error."""
    try:
        with open_audio(path) as reader:
            samples = 0
            for block in reader.blocks(4096):
                samples += block.shape[1]
                if samples > MOST_SAMPLES:
                    raise ValueError(f"{path.stat().st_size} bytes give {samples} samples")
            if samples != reader.position:
                raise ValueError(f"position is {reader.position} after {samples} samples")
            for warning in reader.warnings:
                if "\n" in str(warning) or not str(warning):
                    raise ValueError(f"a warning is no line: {str(warning)!r}")
            _ = reader.all_tags
    except UncodecError as error:
        check_message(error, path)


def check_restoring(path: Path, target: Path) -> None:
    """Restore: a complete file, or a clear error and no file."""
    kept = {path.name}
    try:
        report = restore_file(path, target, Through(), salvage=True)
    except UncodecError as error:
        check_message(error, path)
    else:
        kept.add(target.name)
        info = soundfile.info(target)
        if info.frames != report.target_frames:
            raise ValueError(f"{info.frames} samples written, {report.target_frames} reported")
        if info.channels != report.channels:
            raise ValueError(f"{info.channels} channels written, {report.channels} reported")
    left = {found.name for found in path.parent.iterdir()} - kept
    if left:
        raise ValueError(f"files are left behind: {sorted(left)}")


def fault_of(made: Mutant, folder: Path, log: Path) -> str | None:
    """What is wrong with how a malformed file was taken; None if nothing is."""
    path = folder / f"{made.seed}.{made.ending}"
    target = folder / f"{made.seed}.out.{'flac' if made.seed % 2 else 'wav'}"
    path.write_bytes(made.data)
    said = log.stat().st_size
    try:
        check_reading(path)
        if made.seed % RESTORED_SHARE == 0:
            check_restoring(path, target)
    except Exception as error:  # whatever it is, the seed has to be told with it
        return f"{type(error).__name__}: {error}"
    finally:
        path.unlink()
        target.unlink(missing_ok=True)
    sys.stderr.flush()
    if log.stat().st_size > said:
        return f"says on standard error: {log.read_bytes()[said:][:200]!r}"
    if _peak() > MOST_MEMORY:
        return "takes too much memory"
    return None


def _peak() -> int:
    """Most memory that this program took, in bytes.

    `getrusage` would count what the process had before it became this program: a large parent's.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


@contextlib.contextmanager
def _quiet(log: Path) -> Iterator[Any]:
    """Standard error into a file; what it was before is for the last words of a dying process."""
    kept = os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
    with os.fdopen(kept, "w") as before:
        yield before


def main(folder: Path, first: int, stop: int, step: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
    log = folder.with_suffix(".log")
    log.touch()
    with _quiet(log) as before:
        faulthandler.enable(before)
        for seed in range(first, stop, step):
            print(json.dumps({"seed": seed}), flush=True)
            faulthandler.dump_traceback_later(LONGEST_S, exit=True, file=before)
            made = mutant(seed)
            fault = fault_of(made, folder, log)
            faulthandler.cancel_dump_traceback_later()
            if fault:
                what = f"{made.kind}, {made.change}: {fault}"
                print(json.dumps({"seed": seed, "fault": what}), flush=True)
                if fault == "takes too much memory":
                    return
        print(json.dumps({"done": True}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
