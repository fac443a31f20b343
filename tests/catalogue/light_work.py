"""A work that needs no network, and a run of it that other processes can be told to do."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from uncodec.catalogue.receipts import ReceiptBook
from uncodec.catalogue.run import run
from uncodec.catalogue.run_lock import locked
from uncodec.catalogue.shards import Shard
from uncodec.catalogue.workers import each_in_processes
from uncodec.errors import ModelError, UncodecError
from uncodec.files.planning import plan
from uncodec.files.reporting import Reporter
from uncodec.files.restore import RestoreReport
from uncodec.io import create_audio, open_audio


@dataclass
class Halving:
    """Halves the level, slowly where that is asked for.

    A source whose name begins with "dies" ends the process, one with "fails" fails.
    """

    factor: float = 0.5
    pause_s: float = 0.0
    model: str = "a"
    overwrite: bool = False
    begun: int = field(default=0, init=False)

    def begin(self):
        if self.model == "absent":
            raise ModelError("model='absent': must be one that is there")
        self.begun += 1

    def made_with(self, job):
        return {"command": "halve", "model": {"name": self.model}, "settings": [self.factor]}

    def do(self, job, *, ours, resume, progress, notice):
        if job.source.name.startswith("dies"):
            os._exit(3)
        if job.source.name.startswith("fails"):
            raise UncodecError(f"{job.source}: is not wanted")
        if job.source.name.startswith("told"):
            notice(f"{job.source}: was told")
        started = time.perf_counter()
        with (
            open_audio(job.source) as reader,
            create_audio(job.target, reader.sample_rate, reader.channels, overwrite=ours) as writer,
        ):
            for block in reader.blocks(512):
                time.sleep(self.pause_s)
                writer.write(self.factor * block)
                progress(reader.position, reader.frames)
        return RestoreReport(
            source=job.source,
            target=job.target,
            sample_rate=reader.sample_rate,
            target_rate=reader.sample_rate,
            channels=reader.channels,
            frames=reader.position,
            target_frames=writer.frames,
            elapsed_s=time.perf_counter() - started,
            peak=0.0,
        )


def main():
    """``light_work.py SOURCES RESULTS RECEIPTS``: go on with a run of two processes."""
    sources, results, receipts = map(Path, sys.argv[1:])
    book = ReceiptBook(receipts, skip_done=True)
    with locked(receipts, Shard()):
        sys.exit(
            run(
                plan([sources], results),
                Halving(pause_s=0.01),
                Reporter(),
                each=partial(each_in_processes, processes=2),
                book=book,
            )
        )


if __name__ == "__main__":
    main()
