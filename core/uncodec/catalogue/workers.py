"""Several processes at one run: each loads the model once, works on one thread, and is replaced if
it dies."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NoReturn

from uncodec.catalogue.receipts import ReceiptBook
from uncodec.catalogue.run import Outcome, perform
from uncodec.catalogue.work import Work
from uncodec.errors import UncodecError
from uncodec.files.planning import Job
from uncodec.files.reporting import Reporter, describe
from uncodec.files.restore import RestoreReport

__all__ = ["perform_all"]

# A new interpreter for each: a copy of one that has run torch may hang.
_SPAWN = multiprocessing.get_context("spawn")
# Deaths of workers at the same file after which it is not tried again.
_MOST_DEATHS = 2
_PATIENCE_S = 10.0


def perform_all(
    jobs: Sequence[Job], work: Work, reporter: Reporter, book: ReceiptBook | None, processes: int
) -> Iterator[Outcome]:
    """Do jobs in several processes, one job at a time in each; yields how each ended.

    A process that dies, for want of memory for instance, is replaced, and its file tried once more.
    Whatever ends the iteration early ends the processes.

    Raises
    ------
    UncodecError
        The work cannot be begun in another process, or what `perform` raises there.
    """
    waiting = deque(jobs)
    deaths: dict[Job, int] = {}
    workers: list[_Worker] = []
    try:
        for _ in range(min(processes, len(jobs))):
            workers.append(_Worker(work, book))
        while workers:
            for worker in _with_news(workers):
                message = worker.receive()
                if message is None:
                    workers.remove(worker)
                    job = worker.gone()
                    if job is None:
                        continue
                    deaths[job] = deaths.get(job, 0) + 1
                    if deaths[job] < _MOST_DEATHS:
                        waiting.append(job)
                    else:
                        yield _given_up(job, work, reporter, book)
                    if waiting:
                        workers.append(_Worker(work, book))
                    continue
                kind, *content = message
                if kind == "broken":
                    raise content[0]
                if kind == "event":
                    getattr(reporter, content[0])(*content[1])
                    continue
                worker.job = waiting.popleft() if waiting else None
                worker.send(worker.job)
                if kind == "ended":
                    yield content[0]
    finally:
        for worker in workers:
            worker.end()


def _given_up(job: Job, work: Work, reporter: Reporter, book: ReceiptBook | None) -> Outcome:
    error = UncodecError(
        f"{job.source}: the process that worked on it died {_MOST_DEATHS} times "
        "(out of memory?); try fewer jobs side by side"
    )
    if book is not None:
        book.attempt(job, work.made_with(job)).failed(error, describe(error))
    reporter.failed(job.source, job.target, error)
    return Outcome("failed")


class _Worker:
    """A process, seen from the one that started it."""

    def __init__(self, work: Work, book: ReceiptBook | None) -> None:
        self.job: Job | None = None
        self._ready = False
        self.connection, other = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_serve, args=(other, work, book), daemon=True)
        with _one_thread():
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

    def send(self, job: Job | None) -> None:
        """Give it its next job; none means that there is nothing more to do."""
        with suppress(OSError):  # gone: seen when it is next listened to
            self.connection.send(job)

    def gone(self) -> Job | None:
        """The job that it died at, if it had one.

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
        return self.job

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
def _one_thread() -> Iterator[None]:
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


def _serve(connection: Connection, work: Work, book: ReceiptBook | None) -> None:
    """The life of a worker."""
    # Ctrl-C reaches all processes of a terminal at once; the first one says when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    told = _Told(connection)
    try:
        try:
            work.begin()
            connection.send(("ready",))
            while (job := connection.recv()) is not None:
                connection.send(("ended", perform(job, work, told, book)))
        except (EOFError, BrokenPipeError):
            return  # nobody listens any more
        except Exception as error:
            connection.send(("broken", _portable(error)))
    finally:
        connection.close()


def _leave(number: int, frame: object) -> NoReturn:
    sys.exit(128 + number)


def _leave_with_parent() -> None:
    """Nothing is to be written when the run itself was killed: another may have begun."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


class _Told:
    """`Events` that are sent to the reporter of the first process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def started(self, source: Path, target: Path) -> None:
        self._send("started", source, target)

    def progress(self, source: Path, frames_done: int, frames_total: int | None) -> None:
        self._send("progress", source, frames_done, frames_total)

    def notice(self, source: Path, text: str) -> None:
        self._send("notice", source, text)

    def finished(self, report: RestoreReport) -> None:
        self._send("finished", report)

    def skipped(self, source: Path, target: Path) -> None:
        self._send("skipped", source, target)

    def failed(self, source: Path, target: Path, error: BaseException) -> None:
        self._send("failed", source, target, _portable(error))

    def _send(self, name: str, *content: object) -> None:
        self._connection.send(("event", name, content))


def _portable(error: BaseException) -> BaseException:
    """An error as it can be sent, with where it came from as a note."""
    where = "".join(traceback.format_exception(error))
    try:
        copy: BaseException = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = UncodecError(describe(error))
    copy.add_note(where)
    return copy
