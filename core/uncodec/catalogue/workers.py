"""Several processes at one task: each works on one thread, and is replaced if it dies."""

from __future__ import annotations

import os
import signal
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from uncodec.catalogue.forkserver import CONTEXT, started
from uncodec.catalogue.tasks import Task, Tell, portable
from uncodec.errors import UncodecError
from uncodec.processes import leave_on_signal, leave_with_parent

__all__ = ["each_in_processes"]

# Deaths of workers at the same item after which it is not tried again.
_MOST_DEATHS = 2
_PATIENCE_S = 10.0


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
        self.connection, other = CONTEXT.Pipe()
        with started():
            # What the processes are copies of knows only what it was once started with.
            environment = dict(os.environ)
            self.process = CONTEXT.Process(
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


def _serve(connection: Connection, task: Task, environment: dict[str, str]) -> None:
    """The life of a worker."""
    leave_with_parent()  # another run may have begun
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, leave_on_signal)

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
