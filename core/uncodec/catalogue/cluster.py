"""The same task on the workers of a Dask cluster: retries, a bound on what waits, one scheduler.

A task is sent with each item, a few hundred bytes, and begun once in each thread of a worker: the
model is loaded there and kept. What a task tells comes back with its result. Sources, results and
receipts are not sent: all machines reach them under the same names.
"""

from __future__ import annotations

import logging
import pickle
import platform
import queue
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from uncodec.catalogue.tasks import Task, Tell, portable
from uncodec.errors import UncodecError
from uncodec.version import __version__

__all__ = ["each_on_cluster"]

_CONNECT_S = 10.0
# So many wait on each thread of the workers beside the one in work, to have no thread wait.
_AHEAD = 1
# How often workers that have come or gone are counted.
_LOOK_S = 5.0
# Tasks that a thread of a worker remembers having begun.
_MOST_BEGUN = 4


def each_on_cluster(
    items: Sequence[Any], task: Task, heard: Tell, address: str
) -> Iterator[tuple[Any, Any]]:
    """Do a task for each item on the workers of a cluster.

    At most twice as many items as the workers have threads are in the scheduler's hands at any
    time. An item whose worker is lost is done by another one, as often as the scheduler allows
    (``distributed.scheduler.allowed-failures``, 3 as it comes).

    Parameters
    ----------
    items : sequence
        Of what can be pickled.
    task : Task
    heard : callable
        Gets what the task told, when it is through with an item.
    address : str
        Of the scheduler: ``tcp://host:8786``.

    Yields
    ------
    (item, result)
        In the order in which they are done.

    Raises
    ------
    UncodecError
        `distributed` is not installed; the scheduler cannot be reached or goes away; a worker has
        another version of Uncodec, or none; or what the task raises.
    """
    distributed = _distributed()
    with _quiet(), _client(distributed, address) as client:
        yield from _Run(distributed, client, items, task, heard, address).results()


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise UncodecError(
            "--scheduler needs distributed, which is not installed: pip install 'uncodec[cluster]'"
        ) from error
    return distributed


@contextmanager
def _client(distributed: Any, address: str) -> Iterator[Any]:
    try:
        client = distributed.Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        told = "no scheduler answers there" if isinstance(error, OSError) else str(error)
        raise UncodecError(f"scheduler={address!r}: {told}") from error
    try:
        yield client
    finally:
        with suppress(Exception):
            client.close(timeout=5)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the client logs about lost connections to itself: it is told in one line."""
    log = logging.getLogger("distributed")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)


class _Run:
    """One run over some items."""

    def __init__(
        self,
        distributed: Any,
        client: Any,
        items: Sequence[Any],
        task: Task,
        heard: Tell,
        address: str,
    ) -> None:
        self._distributed = distributed
        self._client = client
        self._waiting = iter(enumerate(items))
        self._task = task
        self._heard = heard
        self._address = address
        self._token = uuid.uuid4().hex
        self._sent = pickle.dumps(task)
        self._held: dict[str, tuple[Any, Any]] = {}
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._room = 0

    def results(self) -> Iterator[tuple[Any, Any]]:
        try:
            self._look()
            self._fill()
            while self._held:
                try:
                    future = self._done.get(timeout=_LOOK_S)
                except queue.Empty:
                    self._look()
                    self._fill()
                    continue
                item, _ = self._held.pop(future.key)
                found = self._result(item, future)
                future.release()
                self._fill()
                yield item, found
        finally:
            with suppress(Exception):
                self._client.cancel([future for _, future in self._held.values()], force=True)

    def _look(self) -> None:
        """Count the workers."""
        if self._client.status != "running":
            raise self._gone()
        try:
            threads = sum(self._client.nthreads().values())
        except Exception as error:
            raise self._gone() from error
        if not threads and not self._room:
            self._heard("notice", None, f"{self._address}: has no workers yet; waiting for them")
        self._room = max(1, threads * (1 + _AHEAD))

    def _fill(self) -> None:
        """Send items as long as there is room."""
        while len(self._held) < self._room:
            number, item = next(self._waiting, (-1, None))
            if number < 0:
                return
            try:
                future = self._client.submit(
                    _serve,
                    self._token,
                    __version__,
                    self._sent,
                    item,
                    key=f"uncodec-{self._token}-{number}",
                    pure=False,
                )
            except Exception as error:
                raise self._gone() from error
            self._held[future.key] = (item, future)
            future.add_done_callback(self._done.put)

    def _result(self, item: Any, future: Any) -> Any:
        if future.status == "cancelled":
            raise self._gone()
        try:
            kind, told, content = future.result()
        except self._distributed.scheduler.KilledWorker:
            error = UncodecError("the workers that had it were lost several times (out of memory?)")
            return self._task.lost(item, error, self._heard)
        except (OSError, self._distributed.CancelledError) as error:
            raise self._gone() from error
        except ImportError as error:
            raise UncodecError(
                f"scheduler={self._address!r}: its workers cannot import Uncodec ({error}); "
                f"install version {__version__} there"
            ) from error
        for name, *values in told:
            self._heard(name, *values)
        if kind == "broken":
            raise content
        return content

    def _gone(self) -> UncodecError:
        return UncodecError(
            f"scheduler={self._address!r}: went away; start it and run this again (with "
            "--skip-done it goes on where it was)"
        )


_begun = threading.local()


def _serve(token: str, release: str, sent: bytes, item: Any) -> tuple[str, list[Any], Any]:
    """Do a task for an item, on a worker."""
    told: list[Any] = []

    def tell(name: str, *content: Any) -> None:
        if name != "progress":
            values = [portable(one) if isinstance(one, BaseException) else one for one in content]
            told.append((name, *values))

    try:
        return "ended", told, _task(token, release, sent).do(item, tell)
    except Exception as error:
        return "broken", told, portable(error)


def _task(token: str, release: str, sent: bytes) -> Task:
    """The task, begun in this thread."""
    if release != __version__:
        raise UncodecError(
            f"worker {platform.node()}: has Uncodec {__version__}: must be {release}, as here"
        )
    tasks: dict[str, Task] = _begun.__dict__.setdefault("tasks", {})
    if token not in tasks:
        task: Task = pickle.loads(sent)
        task.begin()
        while len(tasks) >= _MOST_BEGUN:
            del tasks[next(iter(tasks))]
        tasks[token] = task
    return tasks[token]
