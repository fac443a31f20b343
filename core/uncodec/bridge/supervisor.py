"""The supervisor: listens for plugins and for commands, and keeps the workers running."""

from __future__ import annotations

import itertools
import json
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from uncodec._native import read_request, receive_session
from uncodec.bridge.load import LOAD_LIMIT
from uncodec.bridge.packed_reference import described, written
from uncodec.bridge.sockets import ClaimedPath, control_path, listen, peer_of
from uncodec.bridge.worker_process import NotReady, WorkerProcess
from uncodec.errors import CoreError, UncodecError
from uncodec.version import __version__

__all__ = ["Supervisor"]

_log = logging.getLogger("uncodec.bridge")

# A plugin says all it has to say at once.
REQUEST_S = 2.0
# Importing PyTorch and loading a model takes seconds. A plugin is not made to wait for it: it is
# told so, and asks again.
LOADING_S, PATIENCE_S = 120.0, 0.3
# Connections that are being answered, and workers: more of either are no audio host's.
MOST_CONNECTIONS = 32
MOST_WORKERS = 8
COMMAND_BYTES = 4096


class Supervisor:
    """Serves one socket.

    Parameters
    ----------
    path : Path
        Where plugins come to; commands go to `control_path` of it.
    model : str
        Loaded at once.
    device : str
        Where networks run.
    any_name : bool
        Serve that model whatever name a plugin asks for.
    load_limit : float or None
        Load of a core up to which sessions in real time are admitted; None admits all, for hosts
        that do not play in real time.
    reference : str, optional
        For sessions that bring no reference of their own, see `packed_reference.pack`.

    Raises
    ------
    CoreError
        The path cannot be had.
    """

    def __init__(
        self,
        path: Path,
        *,
        model: str = "live-gan",
        device: str = "cpu",
        any_name: bool = False,
        load_limit: float | None = LOAD_LIMIT,
        reference: str = "",
    ) -> None:
        self.path = path
        self._model = model
        self._device = device
        self._any_name = any_name
        self._reference = reference
        self._load_limit = load_limit
        self._claim = ClaimedPath(path)
        self._listeners: list[tuple[socket.socket, Callable[[socket.socket], None]]] = []
        try:
            self._listeners.append((listen(path), self._serve_plugin))
            self._listeners.append((listen(control_path(path)), self._serve_command))
        except CoreError:
            self._close_listeners()
            raise
        self._began = time.monotonic()
        self._sessions = itertools.count(1)
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._lock = threading.Lock()
        self._stop_reader, self._stop_writer = os.pipe()
        self._workers = {model: WorkerProcess(model, device, self._load_limit)}

    def wait_ready(self, tell: Callable[[str], None] | None = None) -> None:
        """Return when the model that is loaded at once can be served.

        Parameters
        ----------
        tell : callable, optional
            Called with what is being done, whenever that changes.

        Raises
        ------
        CoreError
            It cannot.
        """
        self._workers[self._model].wait_ready(LOADING_S, tell)

    def stop(self) -> None:
        """Let `run` return; from any thread, or from a signal's handler."""
        os.write(self._stop_writer, b"x")

    def run(self) -> None:
        """Serve until `stop`; then everything that was started has ended."""
        poll = select.poll()
        poll.register(self._stop_reader, select.POLLIN)
        serve = {}
        for listener, answer in self._listeners:
            listener.setblocking(False)
            poll.register(listener.fileno(), select.POLLIN)
            serve[listener.fileno()] = (listener, answer)
        try:
            while True:
                for number, _ in poll.poll():
                    if number == self._stop_reader:
                        return
                    self._accept(*serve[number])
        finally:
            self.close()

    def close(self) -> None:
        """End the workers and give the sockets up."""
        self._close_listeners()
        with self._lock:
            workers, self._workers = self._workers, {}
        for worker in workers.values():
            worker.stop()
        self._claim.close()

    def _close_listeners(self) -> None:
        for path, (listener, _) in zip(
            (self.path, control_path(self.path)), self._listeners, strict=False
        ):
            path.unlink(missing_ok=True)
            listener.close()
        self._listeners.clear()

    def _accept(self, listener: socket.socket, answer: Callable[[socket.socket], None]) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        if not self._places.acquire(blocking=False):
            connection.close()
            return

        def serve() -> None:
            try:
                with connection:
                    connection.settimeout(REQUEST_S)
                    _, user = peer_of(connection)
                    if user == os.geteuid():
                        answer(connection)
                    else:
                        _log.warning("a connection of user %d was refused", user)
            except (OSError, UncodecError) as error:
                _log.warning("a connection was given up: %s", error)
            finally:
                self._places.release()

        threading.Thread(target=serve, name="connection", daemon=True).start()

    def _serve_plugin(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        model, seed, host_pid, may_wait, brought = read_request(connection.fileno(), REQUEST_S)
        # The worker must not have to wait for what the plugin still has to send.
        if not select.select([connection], [], [], REQUEST_S)[0]:
            raise CoreError("a plugin sent no memory")
        try:
            worker = self._worker_for(model)
            worker.wait_ready(PATIENCE_S)
            worker.hand_over(
                connection,
                session=next(self._sessions),
                model=model,
                seed=seed,
                host_pid=host_pid,
                may_wait=may_wait,
                reference=self._reference if brought is None else written(brought),
            )
        except CoreError as error:
            pending = receive_session(
                connection.fileno(),
                model=model,
                seed=seed,
                host_pid=host_pid,
                timeout_s=REQUEST_S,
            )
            if isinstance(error, NotReady):
                pending.postpone(str(error))
            else:
                pending.refuse(str(error))

    def _worker_for(self, model: str) -> WorkerProcess:
        if self._any_name:
            model = self._model
        with self._lock:
            worker = self._workers.get(model)
            if worker is None:
                if len(self._workers) >= MOST_WORKERS or not self._workers:
                    raise CoreError(f"model={model!r}: {MOST_WORKERS} models at most at a time")
                worker = WorkerProcess(model, self._device, self._load_limit)
                self._workers[model] = worker
        return worker

    def _serve_command(self, connection: socket.socket) -> None:
        received = b""
        while not received.endswith(b"\n") and len(received) < COMMAND_BYTES:
            part = connection.recv(COMMAND_BYTES)
            if not part:
                return
            received += part
        try:
            command = json.loads(received)["command"]
        except (ValueError, KeyError, TypeError):
            command = None
        answer: dict[str, Any]
        if command == "status":
            answer = self.describe()
        elif command == "stop":
            answer = {"stopping": True, "pid": os.getpid()}
        else:
            answer = {"error": "command: must be status or stop"}
        connection.sendall(json.dumps(answer).encode() + b"\n")
        if command == "stop":
            self.stop()

    def describe(self) -> dict[str, Any]:
        """What the status tells."""
        with self._lock:
            workers = list(self._workers.values())
        return {
            "version": __version__,
            "pid": os.getpid(),
            "socket": str(self.path),
            "uptime_s": time.monotonic() - self._began,
            "reference": described(self._reference),
            "workers": [worker.describe() for worker in workers],
        }
