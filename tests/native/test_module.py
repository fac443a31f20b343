"""The native module as a module: its stub, its threads, and what importing it brings along."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import numpy as np

from uncodec import _native
from uncodec._native import StreamingStft


def test_import_brings_nothing_heavy() -> None:
    code = "import sys, uncodec._native; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(found.stdout.split())
    assert "uncodec._native" in loaded
    assert loaded.isdisjoint({"torch", "pedalboard", "numba", "av", "scipy"})


def test_public_names_are_documented() -> None:
    for name in _native.__all__:
        assert getattr(_native, name).__doc__, name


def test_the_interpreter_is_released_while_working() -> None:
    """Another thread gets on while one long transform runs."""
    stft = StreamingStft(1, np.ones(1 << 16, np.float32), 1 << 10)
    x = np.zeros((1, 1 << 20), np.float32)
    out = np.empty((1 << 10, 1, stft.bins), np.complex64)
    done = threading.Event()
    progress = []

    def count() -> None:
        while not done.is_set():
            progress.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    start = time.perf_counter()
    stft.push_into(x, out)
    end = time.perf_counter()
    done.set()
    thread.join()
    during = [moment for moment in progress if start < moment < end]
    assert end - start > 0.05, "too short to tell"
    assert len(during) >= 5
