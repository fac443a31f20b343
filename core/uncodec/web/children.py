"""Processes that do the heavy work, so that the page answers while they compute."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from uncodec.processes import leave_on_signal, leave_with_parent, one_thread

__all__ = ["Child", "Message"]

Message = tuple[Any, ...]

# A copy of a process that has threads may hang: each is a new interpreter.
_SPAWN = multiprocessing.get_context("spawn")
_PATIENCE_S = 5.0


class Child:
    """A process that is started when it is first needed, and again when it died.

    Parameters
    ----------
    serve : callable
        A function of a module: ``serve(connection, *arguments)``, run by the process.
    arguments : tuple
    heard : callable
        Called in the event loop with each message of the process.
    ended : callable
        Called in the event loop when it is gone without having been stopped.
    niceness : int
        How far it stands back for others.
    """

    def __init__(
        self,
        serve: Callable[..., None],
        arguments: tuple[Any, ...],
        heard: Callable[[Message], None],
        ended: Callable[[], None],
        niceness: int = 0,
    ) -> None:
        self._serve, self._arguments, self._niceness = serve, arguments, niceness
        self._heard, self._ended = heard, ended
        self._process: Any = None
        self._connection: Connection | None = None

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._connection is not None

    def send(self, message: object) -> None:
        """Say something to it; it is started if it is not there."""
        if self._connection is None:
            self._start()
        with suppress(OSError):  # gone: seen by who listens to it
            self._connection.send(message)  # type: ignore[union-attr]

    def _start(self) -> None:
        connection, other = _SPAWN.Pipe()
        process = _SPAWN.Process(
            target=_run, args=(self._serve, other, self._niceness, self._arguments), daemon=True
        )
        with one_thread():
            process.start()
        other.close()
        self._connection, self._process = connection, process
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(connection, loop), daemon=True).start()

    def _listen(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            try:
                message = connection.recv()
            except (EOFError, OSError):
                break
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._pass_on, connection, message)
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._gone, connection)

    def _pass_on(self, connection: Connection, message: Message) -> None:
        if connection is self._connection:
            self._heard(message)

    def _gone(self, connection: Connection) -> None:
        connection.close()
        if connection is self._connection:
            self._connection = self._process = None
            self._ended()

    def stop(self) -> None:
        """End it; what it had begun leaves nothing half-written. Returns when it is gone."""
        process, self._process, self._connection = self._process, None, None
        if process is None:
            return
        process.terminate()
        process.join(_PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()


def _run(
    serve: Callable[..., None], connection: Connection, niceness: int, arguments: tuple[Any, ...]
) -> None:
    leave_with_parent()
    # Ctrl-C reaches all processes of a terminal; the server says when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, leave_on_signal)
    if niceness and hasattr(os, "nice"):
        os.nice(niceness)
    try:
        serve(connection, *arguments)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # nobody listens any more
    finally:
        connection.close()
