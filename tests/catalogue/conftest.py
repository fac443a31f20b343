"""Folders of short sounds, and runs over them."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.catalogue.light_work import Halving

from uncodec.catalogue.receipts import ReceiptBook
from uncodec.catalogue.run import each_here, run
from uncodec.catalogue.workers import each_in_processes
from uncodec.files.planning import plan
from uncodec.files.reporting import Reporter


class Recorder(Reporter):
    """A reporter that remembers what it was told."""

    def __init__(self):
        super().__init__()
        self.events = []
        self.end = {}

    def started(self, source, target):
        self.events.append(("started", source.name))

    def progress(self, source, frames_done, frames_total):
        self.events.append(("progress", source.name))

    def notice(self, source, text):
        self.events.append(("notice", source.name))

    def finished(self, report):
        self.events.append(("finished", report.source.name))

    def skipped(self, source, target):
        self.events.append(("skipped", source.name))

    def left(self, source, target, reason):
        self.events.append(("left", source.name))

    def failed(self, source, target, error):
        self.events.append(("failed", source.name))
        self.errors = [*getattr(self, "errors", []), str(error)]

    def ended(self, counts):
        self.end = asdict(counts)

    def names(self, kind):
        return sorted(name for event, name in self.events if event == kind)


@pytest.fixture
def put(tmp_path):
    """Write a short sound below the folder of sources."""

    def put(name, seed=0, samples=3000) -> Path:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = 0.1 * np.random.default_rng(seed).standard_normal((samples, 2))
        soundfile.write(path, noise, 44100, subtype="PCM_16")
        return path

    return put


@pytest.fixture
def go(tmp_path):
    """Run over the folder of sources, with receipts in a folder; returns what was told."""

    def go(
        work=None,
        *,
        processes=1,
        skip_done=True,
        output=True,
        receipts=True,
        jobs=None,
        only_damaged=False,
        each=None,
    ):
        planned = plan([tmp_path / "in"], tmp_path / "out" if output else None)
        if jobs is not None:
            planned = jobs(planned)
        book = ReceiptBook(tmp_path / "receipts" if receipts else None, skip_done=skip_done)
        told = Recorder()
        if each is None:
            each = partial(each_in_processes, processes=processes) if processes > 1 else each_here
        told.failures = run(
            planned, work or Halving(), told, each=each, book=book, only_damaged=only_damaged
        )
        return told

    return go
