"""Throughput of ``uncodec restore --jobs 2`` against ``--jobs 1``: whole commands, in turns.

``python bench/catalogue.py [--clips 40] [--seconds 30] [--rounds 3]`` prints the median time of
each, their ratio, the processor time, and the peak memory of all processes together. The machine
should have nothing else to do; the processor time tells whether it had.
"""

from __future__ import annotations

import argparse
import os
import resource
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


def memory_of(process: int) -> int:
    """Resident bytes of a process and all below it, shared pages counted once."""
    total, todo = 0, [process]
    while todo:
        number = todo.pop()
        try:
            rollup = Path(f"/proc/{number}/smaps_rollup").read_text()
            total += next(int(x.split()[1]) for x in rollup.splitlines() if x.startswith("Pss:"))
            for task in Path(f"/proc/{number}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
        except (OSError, StopIteration):
            continue
    return total * 1024


def processor_time() -> float:
    """Seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(source: Path, jobs: int) -> tuple[float, int, float]:
    with tempfile.TemporaryDirectory() as results:
        command = [sys.executable, "-m", "uncodec", "restore", str(source), "-o", results]
        begun, used = time.perf_counter(), processor_time()
        process = subprocess.Popen(
            [*command, "--jobs", str(jobs), "--skip-done"],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        peak = 0

        def watch() -> None:
            nonlocal peak
            while process.poll() is None:
                peak = max(peak, memory_of(process.pid))
                time.sleep(0.5)

        watcher = threading.Thread(target=watch)
        watcher.start()
        if process.wait():
            raise SystemExit("a run failed")
        taken = time.perf_counter() - begun
        watcher.join()
        return taken, peak, processor_time() - used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        write_clips(source, chosen.clips, chosen.seconds)
        found: dict[int, list[tuple[float, int, float]]] = {1: [], 2: []}
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
            f"time, {max(memory for _, memory, _ in runs) / 2**20:.0f} MiB"
        )
    ratios = [a[0] / b[0] for a, b in zip(found[1], found[2], strict=True)]
    print(f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
