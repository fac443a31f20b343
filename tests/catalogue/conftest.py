"""Folders of short sounds, runs over them, an object store and a cluster."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
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

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ("--host", "127.0.0.1", "--no-dashboard")


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


@pytest.fixture(scope="session")
def server():
    """URL of an S3 server of this machine."""
    moto_server = pytest.importorskip("moto.server")
    running = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield "http://{}:{}".format(*running.get_host_and_port())
    running.stop()


@pytest.fixture
def no_credentials(server, monkeypatch, tmp_path):
    """A server, and nothing that says who asks it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    s3fs = pytest.importorskip("s3fs")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(no_credentials, monkeypatch, request):
    """URL of an empty bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    store = pytest.importorskip("s3fs").S3FileSystem()
    name = f"bucket-{abs(hash(request.node.nodeid))}"
    store.mkdir(name)
    return f"s3://{name}"


def start(*words):
    command = [sys.executable, "-m", "dask", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers, which find an object store where this process does."""
    place = tmp_path / "scheduler.json"
    with contextlib.ExitStack() as stack:

        def running(*words):
            process = stack.enter_context(start(*words))
            stack.callback(process.kill)
            return process

        scheduler = running("scheduler", *LOCAL, "--port", 0, "--scheduler-file", place)
        workers = [
            running(
                *("worker", *LOCAL, "--no-nanny", "--nthreads", 1, "--scheduler-file", place),
                *("--local-directory", tmp_path / f"worker{number}"),
            )
            for number in range(2)
        ]
        wait_for(lambda: place.exists() and place.read_text().endswith("}"))
        address = json.loads(place.read_text())["address"]
        wait_for(lambda: threads_of(address) == 2)
        yield Cluster(address, scheduler, workers)


class Cluster:
    def __init__(self, address, scheduler, workers):
        self.address, self.scheduler, self.workers = address, scheduler, workers


def threads_of(address):
    import distributed

    with distributed.Client(address, timeout=30, set_as_default=False) as client:
        return sum(client.nthreads().values())


def wait_for(condition, patience_s=60.0):
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
