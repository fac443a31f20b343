"""Where worker processes come from.

On Linux they are copies of a process that has imported everything, has loaded the model, and has
started no thread: both cost a run their time and memory once, not once for each process. Elsewhere
each is started anew.

This module imports next to nothing, so that the imports that take long can begin at once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from typing import Any

from uncodec.processes import one_thread

__all__ = ["CONTEXT", "load_wanted", "started", "warm_up"]

# Copies of this process would not do: one that has run torch may hang. On macOS not even those of
# one that has only loaded libraries are safe.
_COPIES = sys.platform == "linux"
CONTEXT: Any = multiprocessing.get_context("forkserver" if _COPIES else "spawn")


# How the process that others are copies of is told what to load.
_WANTED = "UNCODEC_WANTED_MODEL"


def warm_up(module: str, model: str = "") -> None:
    """Begin to import what processes will need, while this one does something else.

    It counts for the first processes of this one's life and for all that follow.

    Parameters
    ----------
    module : str
        Imports it all, and may call `load_wanted`.
    model : str
        What `load_wanted` is to load.
    """
    if _COPIES:
        from multiprocessing import forkserver

        CONTEXT.set_forkserver_preload([module, "uncodec.catalogue.frozen"])
        with started():
            os.environ[_WANTED] = model
            try:
                forkserver.ensure_running()
            finally:
                del os.environ[_WANTED]


def load_wanted(load: Callable[[str], object]) -> None:
    """Load the model that `warm_up` was told, if this is the process that it has started.

    `load` must not start threads: they would be missing in copies. What goes wrong is left to the
    copies, which find the same and have somebody to tell it to.
    """
    if model := os.environ.pop(_WANTED, ""):
        with suppress(Exception):
            load(model)


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
