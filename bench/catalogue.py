"""Throughput of ``uncodec restore --jobs 2`` against ``--jobs 1``: whole commands, in turns.

``python bench/catalogue.py [--clips 40] [--seconds 30] [--rounds 3] [--jobs 1 2]`` prints the
median time of each, their ratio, the processor time, and the peak memory of all processes
together, which one more run of each is watched for. The machine should have nothing else to do;
the processor time tells whether it had.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from uncodec.codecs import encode


def write_clips(folder: Path, clips: int, seconds: float) -> None:
    rng = np.random.default_rng(0)
    for number in range(clips):
        slope = np.cumsum(rng.standard_normal((2, round(44100 * seconds))), axis=1)
        audio = 0.2 * slope / np.abs(slope).max() + 0.02 * rng.standard_normal(slope.shape)
        (folder / f"{number:03d}.mp3").write_bytes(
            encode(audio.astype(np.float32), 44100, "mp3", kbps=128)
        )


def processes_of(process: int) -> list[int]:
    """A process and all below it."""
    found, todo = [], [process]
    while todo:
        number = todo.pop()
        found.append(number)
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{number}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
    return found


def memory_of(process: int) -> int:
    """Resident bytes, shared pages counted once for all that share them."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        return 1024 * next(int(x.split()[1]) for x in rollup.splitlines() if x.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def processor_time(process: int) -> float:
    """Seconds used so far; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(source: Path, jobs: int, watch_memory: bool = False) -> tuple[float, int, float]:
    """Seconds, peak bytes (0 where they are not watched) and processor time of a command."""
    with tempfile.TemporaryDirectory() as results:
        command = [sys.executable, "-m", "uncodec", "restore", str(source), "-o", results]
        begun = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--jobs", str(jobs), "--skip-done"],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        peak = 0
        used: dict[int, float] = {}

        def watch() -> None:
            nonlocal peak
            while process.poll() is None:
                numbers = processes_of(process.pid)
                # Counting pages stops a process, and keeps a processor busy that it would use.
                if watch_memory:
                    peak = max(peak, sum(map(memory_of, numbers)))
                for number in numbers:
                    used[number] = max(used.get(number, 0.0), processor_time(number))
                time.sleep(0.2)

        watcher = threading.Thread(target=watch)
        watcher.start()
        if process.wait():
            raise SystemExit("a run failed")
        taken = time.perf_counter() - begun
        watcher.join()
        return taken, peak, sum(used.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        write_clips(source, chosen.clips, chosen.seconds)
        found: dict[int, list[tuple[float, int, float]]] = {n: [] for n in chosen.jobs}
        memory = {jobs: run(source, jobs, watch_memory=True)[1] for jobs in chosen.jobs}
        for _ in range(chosen.rounds):
            for jobs, runs in found.items():
                runs.append(run(source, jobs))
    middle = {jobs: statistics.median(t for t, *_ in runs) for jobs, runs in found.items()}
    for jobs, runs in found.items():
        files = 3600 * chosen.clips / middle[jobs]
        print(
            f"{jobs} process{'es' if jobs > 1 else ''}: {middle[jobs]:.1f} s "
            f"({min(t for t, *_ in runs):.1f} to {max(t for t, *_ in runs):.1f}), "
            f"{statistics.median(used for *_, used in runs):.1f} s of processor time, "
            f"{files:.0f} files an hour, {chosen.clips * chosen.seconds / middle[jobs]:.1f} x real "
            f"time, {memory[jobs] / 2**20:.0f} MiB"
        )
    first, *others = found
    for jobs in others:
        ratios = [a[0] / b[0] for a, b in zip(found[first], found[jobs], strict=True)]
        print(
            f"{jobs} against {first}: ratio {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
