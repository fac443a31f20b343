"""What a run over a Dask cluster costs beside the work, and what a million files come to on paper.

``python bench/cluster.py [--tasks 3000] [--workers 100] [--files 1000000] [--seconds 4.5]`` starts
a scheduler and two workers here, gives them tasks that do nothing, and measures the processor time
of scheduler, client and workers for each, and that of the receipts of a file. With these numbers it
then plays the run of ``--files`` files of ``--seconds`` of work each (a third of them apart) on
``--workers`` workers, the scheduler and the client handling one message at a time.
"""

from __future__ import annotations

import argparse
import heapq
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import distributed
import numpy as np
import psutil

from uncodec.catalogue.cluster import each_on_cluster
from uncodec.catalogue.receipts import ReceiptBook
from uncodec.catalogue.run import Foreseeing
from uncodec.catalogue.work import Restoring
from uncodec.files.planning import Job, Settings
from uncodec.files.restore import RestoreReport

LOCAL = ["--host", "127.0.0.1", "--no-dashboard"]


def unheard(name: str, *content: object) -> None:
    """Nothing is told."""


def start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def used(process: int) -> float:
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


def measure_tasks(count: int, folder: Path) -> tuple[float, float, float, float]:
    """Seconds for each task: by the clock, and of scheduler, client and workers."""
    place = folder / "scheduler.json"
    scheduler = start("scheduler", *LOCAL, "--port", "0", "--scheduler-file", str(place))
    workers = [
        start(
            *("worker", *LOCAL, "--no-nanny", "--nthreads", "1"),
            *("--scheduler-file", str(place), "--local-directory", str(folder / str(number))),
        )
        for number in range(2)
    ]
    try:
        while not place.exists() or not place.read_text().endswith("}"):
            time.sleep(0.1)
        address = json.loads(place.read_text())["address"]
        open_client: Any = distributed.Client
        with open_client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        # Jobs without a source: found so, and told.
        jobs = [
            Job(Path(f"/none/{n:07d}.mp3"), Path(f"/none/out/{n:07d}.flac"), name=f"{n:07d}.mp3")
            for n in range(count + 200)
        ]
        task = Foreseeing(Restoring(Settings()))
        for _ in each_on_cluster(jobs[:200], task, unheard, address):
            pass
        processes = [scheduler.pid, psutil.Process().pid, *(worker.pid for worker in workers)]
        before, begun = [used(each) for each in processes], time.perf_counter()
        for _ in each_on_cluster(jobs[200:], task, unheard, address):
            pass
        taken = time.perf_counter() - begun
        spent = [(used(p) - b) / count for p, b in zip(processes, before, strict=True)]
        return taken / count, spent[0], spent[1], spent[2] + spent[3]
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def measure_receipts(count: int, folder: Path) -> tuple[float, int]:
    """Seconds of processor time, and bytes, of the receipts of a file."""
    source, target = folder / "a.mp3", folder / "a.flac"
    source.write_bytes(bytes(100_000))
    target.write_bytes(bytes(100_000))
    book = ReceiptBook(folder / "receipts", skip_done=True)
    work = Restoring(Settings())
    report = RestoreReport(source, target, 44100, 44100, 2, 44100, 44100, 1.0, 0.5)
    begun = time.process_time()
    for number in range(count):
        job = Job(source, folder / f"{number}.flac", folder, name=f"{number}.mp3")
        attempt = book.attempt(job, work.made_with(job))
        attempt.begin()
        attempt.done(report)
    spent = (time.process_time() - begun) / count
    sizes = [path.stat().st_size for path in (folder / "receipts").rglob("*.json")]
    return spent, round(sum(sizes) / len(sizes))


def play(files: int, workers: int, seconds: float, serial: float) -> tuple[float, float]:
    """The run on paper: its length in seconds, and the share of it in which workers work.

    Each worker has one file in work and one waiting; what hands files out does one thing at a time
    and needs `serial` seconds for each.
    """
    rng = np.random.default_rng(0)
    work = rng.gamma(9.0, seconds / 9.0, files)  # a third apart
    hand = 0.0  # until when what hands out is busy
    free = [0.0] * workers  # when each worker is through with all it was given
    heap: list[tuple[float, int]] = []
    given = 0
    for _ in range(2):
        for worker in range(workers):
            hand += serial
            free[worker] = max(free[worker], hand) + work[given]
            heapq.heappush(heap, (free[worker], worker))
            given += 1
    end = 0.0
    while heap:
        now, worker = heapq.heappop(heap)
        end = max(end, now)
        if given < files:
            hand = max(hand, now) + serial
            free[worker] = max(free[worker], hand) + work[given]
            heapq.heappush(heap, (free[worker], worker))
            given += 1
    return end, float(work.sum()) / (end * workers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=3000)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=4.5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clock, scheduler, client, workers = measure_tasks(chosen.tasks, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        receipt, size = measure_receipts(500, Path(folder))
    load = psutil.getloadavg()[0]
    print(
        f"{chosen.tasks} empty tasks: {1000 * clock:.2f} ms each by the clock (load {load:.1f}); "
        f"processor time of the scheduler {1000 * scheduler:.2f} ms, "
        f"of the client {1000 * client:.2f} ms, of the workers {1000 * workers:.2f} ms"
    )
    print(f"receipts of a file: {1000 * receipt:.2f} ms of processor time, {size} bytes")
    serial = max(scheduler, client)
    for share in (chosen.seconds, chosen.seconds / 10):
        length, busy = play(chosen.files, chosen.workers, share + receipt + workers, serial)
        print(
            f"{chosen.files} files of {share:g} s of work on {chosen.workers} workers: "
            f"{length / 3600:.2f} h, workers busy {100 * busy:.1f} % of it; scheduler "
            f"{100 * chosen.files * scheduler / length:.0f} % of a core, receipts "
            f"{chosen.files * size / 1e9:.2f} GB"
        )


if __name__ == "__main__":
    main()
