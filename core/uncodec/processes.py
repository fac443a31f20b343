"""What a process owes to those it comes from: it leaves with them, and shares the processors."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import NoReturn

__all__ = ["leave_on_ctrl_c", "leave_on_signal", "leave_with_parent", "one_thread"]


def leave_with_parent() -> None:
    """End this process soon after the one that started it, however that one ends.

    Without this a worker whose parent was killed goes on, and writes what nobody waits for while
    another run may have begun. Call it once, first thing in a process that `multiprocessing`
    started; elsewhere it does nothing.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_leave_after, args=(parent.sentinel,), daemon=True).start()


def _leave_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def leave_on_ctrl_c() -> None:
    """End this process at Ctrl-C without a word, which is left to the one that started it.

    Where that one was started to ignore Ctrl-C, as a script's background job is, so does this one.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def leave_on_signal(number: int, frame: object) -> NoReturn:
    """Handle a signal by an orderly exit with its code, 143 for SIGTERM."""
    sys.exit(128 + number)


@contextmanager
def one_thread() -> Iterator[None]:
    """Have libraries that a new process loads use one thread: the files share the processors."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
