"""Several processes at one task: each works on one thread, and is replaced if it dies.

Where the system can, they are copies of a process that has imported everything and computed
nothing: imports cost a run their time and memory once, not once for each process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn

from uncodec.catalogue.tasks import Task, Tell, portable
from uncodec.errors import UncodecError

__all__ = ["each_in_processes", "leave_on_signal", "leave_with_parent", "one_thread", "warm_up"]

# Copies of this process would not do: one that has run torch may hang. On macOS not even those of
# one that has only loaded libraries are safe.
_COPIES = sys.platform == "linux"
_CONTEXT: Any = multiprocessing.get_context("forkserver" if _COPIES else "spawn")
# Deaths of workers at the same item after which it is not tried again.
_MOST_DEATHS = 2
_PATIENCE_S = 10.0


def warm_up(*modules: str) -> None:
    """Begin to import what processes will need, while this one does something else.

    It counts for the first processes of this one's life and for all that follow.
    """
    if _COPIES:
        from multiprocessing import forkserver

        _CONTEXT.set_forkserver_preload(list(modules))
        with _started():
            forkserver.ensure_running()


def each_in_processes(
    items: Sequence[Any], task: Task, heard: Tell, processes: int
) -> Iterator[tuple[Any, Any]]:
    """Do a task for each item in several processes, one item at a time in each.

    A process that dies, for want of memory for instance, is replaced, and its item tried once more.
    Whatever ends the iteration early ends the processes.

    Parameters
    ----------
    items : sequence
    task : Task
    heard : callable
        Gets what the task tells, in this process.
    processes : int

    Yields
    ------
    (item, result)
        In the order in which they are done.

    Raises
    ------
    UncodecError
        The task cannot be begun in another process, or what it raises there.
    """
    waiting = deque(enumerate(items))
    deaths: Counter[int] = Counter()
    workers: list[_Worker] = []
    try:
        for _ in range(min(processes, len(items))):
            workers.append(_Worker(task))
        while workers:
            for worker in _with_news(workers):
                message = worker.receive()
                if message is None:
                    workers.remove(worker)
                    held = worker.gone()
                    if held is None:
                        continue
                    number, item = held
                    deaths[number] += 1
                    if deaths[number] < _MOST_DEATHS:
                        waiting.append(held)
                    else:
                        yield item, task.lost(item, _lost(), heard)
                    if waiting:
                        workers.append(_Worker(task))
                    continue
                kind, *content = message
                if kind == "broken":
                    raise content[0]
                if kind == "event":
                    heard(content[0], *content[1])
                    continue
                ended, worker.held = worker.held, waiting.popleft() if waiting else None
                worker.send(worker.held)
                if kind == "ended" and ended is not None:
                    yield ended[1], content[0]
    finally:
        for worker in workers:
            worker.end()
        for worker in workers:
            if worker.held is not None:
                task.abandoned(worker.held[1])


def _lost() -> UncodecError:
    return UncodecError(
        f"the process that worked on it died {_MOST_DEATHS} times (out of memory?); try fewer "
        "jobs side by side"
    )


class _Worker:
    """A process, seen from the one that started it."""

    def __init__(self, task: Task) -> None:
        self.held: tuple[int, Any] | None = None
        self._ready = False
        self.connection, other = _CONTEXT.Pipe()
        with _started():
            # What the processes are copies of knows only what it was once started with.
            environment = dict(os.environ)
            self.process = _CONTEXT.Process(
                target=_serve, args=(other, task, environment), daemon=True
            )
            self.process.start()
        # Else the end of the process would not be seen as the end of what comes from it.
        other.close()

    def receive(self) -> tuple[Any, ...] | None:
        """What it says next; None if it is gone."""
        try:
            message: tuple[Any, ...] = self.connection.recv()
        except (EOFError, OSError):
            return None
        self._ready = True
        return message

    def send(self, held: tuple[int, Any] | None) -> None:
        """Give it its next item; none means that there is nothing more to do."""
        with suppress(OSError):  # gone: seen when it is next listened to
            self.connection.send(held)

    def gone(self) -> tuple[int, Any] | None:
        """The item that it died at, with its number, if it had one.

        Raises
        ------
        UncodecError
            It died before it could do anything.
        """
        self.process.join(_PATIENCE_S)
        self.connection.close()
        if not self._ready:
            raise UncodecError(
                f"a worker process cannot be started (it ended with {self.process.exitcode}); "
                "try --jobs 1"
            )
        return self.held

    def end(self) -> None:
        """Stop it; what it had begun leaves nothing behind."""
        self.process.terminate()
        self.process.join(_PATIENCE_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


def _with_news(workers: Sequence[_Worker]) -> list[_Worker]:
    ready = wait([worker.connection for worker in workers])
    return [worker for worker in workers if worker.connection in ready]


@contextmanager
def _started() -> Iterator[None]:
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


def _serve(connection: Connection, task: Task, environment: dict[str, str]) -> None:
    """The life of a worker."""
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, leave_on_signal)
    threading.Thread(target=leave_with_parent, daemon=True).start()

    def tell(name: str, *content: object) -> None:
        sent = [portable(one) if isinstance(one, BaseException) else one for one in content]
        connection.send(("event", name, sent))

    try:
        try:
            task.begin()
            connection.send(("ready",))
            while (held := connection.recv()) is not None:
                connection.send(("ended", task.do(held[1], tell)))
        except (EOFError, BrokenPipeError):
            return  # nobody listens any more
        except Exception as error:
            connection.send(("broken", portable(error)))
    finally:
        connection.close()


def leave_on_signal(number: int, frame: object) -> NoReturn:
    sys.exit(128 + number)


def leave_with_parent() -> None:
    """Nothing is to be written when the run itself was killed: another may have begun."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
