"""Where worker processes come from.

On Linux they are copies of a process that has imported everything and computed nothing: imports
cost a run their time and memory once, not once for each process. Elsewhere each is started anew.

This module imports next to nothing, so that the imports that take long can begin at once.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

from uncodec.processes import one_thread

__all__ = ["CONTEXT", "started", "warm_up"]

# Copies of this process would not do: one that has run torch may hang. On macOS not even those of
# one that has only loaded libraries are safe.
_COPIES = sys.platform == "linux"
CONTEXT: Any = multiprocessing.get_context("forkserver" if _COPIES else "spawn")


def warm_up(module: str) -> None:
    """Begin to import what processes will need, while this one does something else.

    It counts for the first processes of this one's life and for all that follow.
    """
    if _COPIES:
        from multiprocessing import forkserver

        CONTEXT.set_forkserver_preload([module, "uncodec.catalogue.frozen"])
        with started():
            forkserver.ensure_running()


@contextmanager
def started() -> Iterator[None]:
    """Start processes that Ctrl-C leaves alone and whose libraries use one thread.

    Ctrl-C reaches all processes of a terminal at once; the first one says when to stop.
    """
    masked = hasattr(signal, "pthread_sigmask")
    if _COPIES:
        # It is started with the first process, and lets Ctrl-C through again when it is.
        resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masked else set()
    try:
        with one_thread():
            yield
    finally:
        if masked:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
