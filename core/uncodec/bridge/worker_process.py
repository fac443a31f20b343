"""Workers as the supervisor sees them: started, asked, started again."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from uncodec.errors import CoreError

__all__ = ["MESSAGE_BYTES", "NotReady", "WorkerProcess", "tell_doing"]

_log = logging.getLogger("uncodec.bridge")

# Longest message between supervisor and worker: the status of all sessions.
MESSAGE_BYTES = 1 << 16
ANSWER_S = 2.0
# Waits before a worker that died is started again: longer each time, until one has lived; and
# before one is that could not load its model.
FIRST_WAIT_S, LONGEST_WAIT_S, LIVED_S = 0.05, 5.0, 10.0
FAILED_WAIT_S = 30.0
STARTING = "starting a process"
# -P: modules come from the installation, not from where somebody happened to be.
PROGRAM = ["-P", "-m", "uncodec.bridge"]


class NotReady(CoreError):
    """A worker that is being started: it will be there in a while."""


def tell_doing(control: socket.socket, what: str) -> None:
    """In a worker: tell the supervisor what the start is busy with."""
    # That nobody is there is noticed when orders are read.
    with contextlib.suppress(OSError):
        control.send(json.dumps({"is": "doing", "what": what}).encode())


class WorkerProcess:
    """A worker process and its successors.

    Parameters
    ----------
    model, device : str
    load_limit : float or None
        None admits every session.

    Attributes
    ----------
    restarts : int
        Times that it was started again.
    """

    def __init__(self, model: str, device: str, load_limit: float | None) -> None:
        self.model = model
        self.device = device
        self.restarts = 0
        self._load_limit = load_limit
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._facts: dict[str, Any] | None = None
        self._failure: str | None = None
        self._doing = STARTING
        self._answers: dict[int, dict[str, Any]] = {}
        self._questions = itertools.count()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"worker {model}", daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        """Start the process, listen to it, and start it again when it has died."""
        wait = FIRST_WAIT_S
        while not self._stopping.is_set():
            began = time.monotonic()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with ours:
                with theirs:
                    process = self._spawn(theirs)
                with self._changed:
                    self._process, self._control = process, ours
                self._listen(ours)
                with self._changed:
                    self._control = self._facts = None
                    self._doing = STARTING
                    self._changed.notify_all()
            # It ends by itself when it sees its end of the connection closed; unless it hangs.
            try:
                process.wait(timeout=2.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            with self._changed:
                self._process = None
            if self._stopping.is_set():
                return
            if self._failure is None:
                _log.warning("worker of %s ended with %s", self.model, process.returncode)
            wait = (
                FIRST_WAIT_S
                if time.monotonic() - began > LIVED_S
                else min(2 * wait, LONGEST_WAIT_S)
            )
            self._stopping.wait(wait if self._failure is None else FAILED_WAIT_S)
            if not self._stopping.is_set():
                self.restarts += 1

    def _spawn(self, control: socket.socket) -> subprocess.Popen[bytes]:
        order = {
            "control": control.fileno(),
            "model": self.model,
            "device": self.device,
            "load_limit": self._load_limit,
        }
        return subprocess.Popen(
            [sys.executable, *PROGRAM, "worker", json.dumps(order)],
            pass_fds=[control.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

    def _listen(self, control: socket.socket) -> None:
        while True:
            try:
                message = control.recv(MESSAGE_BYTES)
            except OSError:
                return
            if not message:
                return
            said = json.loads(message)
            with self._changed:
                if said["is"] == "ready":
                    self._facts, self._failure = said, None
                elif said["is"] == "doing":
                    self._doing = said["what"]
                elif said["is"] == "failed":
                    self._failure = said["reason"]
                elif said["is"] == "status":
                    self._answers[said["id"]] = said
                self._changed.notify_all()

    @property
    def pid(self) -> int | None:
        """Its process, if there is one."""
        process = self._process
        return None if process is None else process.pid

    def wait_ready(self, timeout_s: float, tell: Callable[[str], None] | None = None) -> None:
        """Return when sessions can be handed over.

        Parameters
        ----------
        timeout_s : float
        tell : callable, optional
            Called with what is being done, whenever that changes.

        Raises
        ------
        CoreError
            It cannot serve its model.
        NotReady
            It takes longer to say so.
        """
        end = time.monotonic() + timeout_s
        told = ""
        with self._changed:
            while not (self._facts or self._failure):
                if tell is not None and told != self._doing:
                    told = self._doing
                    tell(told)
                if not self._changed.wait(max(0.0, end - time.monotonic())):
                    break
            if self._facts is None:
                if self._failure:
                    raise CoreError(self._failure)
                raise NotReady(f"model {self.model}: {self._doing}")

    def hand_over(self, connection: socket.socket, **order: str | int) -> None:
        """Give it the connection of a plugin that has asked for a session.

        Raises
        ------
        NotReady
            It is not there.
        """
        message = json.dumps({"do": "open", **order}).encode()
        with self._changed:
            if self._control is None or self._facts is None:
                raise NotReady(f"model {self.model}: {self._doing}")
            try:
                socket.send_fds(self._control, [message], [connection.fileno()])
            except OSError as error:
                raise NotReady(f"model {self.model}: its worker is gone ({error})") from error

    def describe(self) -> dict[str, Any]:
        """What the status tells about it."""
        number = next(self._questions)
        told: dict[str, Any] = {
            "model": self.model,
            "device": self.device,
            "pid": self.pid,
            "restarts": self.restarts,
            "sessions": [],
        }
        with self._changed:
            if self._facts is None or self._control is None:
                return (
                    told
                    | {"state": "failed" if self._failure else "starting"}
                    | ({"error": self._failure} if self._failure else {"doing": self._doing})
                )
            try:
                self._control.send(json.dumps({"do": "status", "id": number}).encode())
            except OSError:
                return told | {"state": "starting"}
            told |= {key: self._facts[key] for key in ("version", "window", "hop")}
            found = self._changed.wait_for(
                lambda: number in self._answers or self._facts is None, ANSWER_S
            )
            answer = self._answers.pop(number, None) if found else None
        if answer is None:
            return told | {"state": "hanging"}
        del answer["is"], answer["id"]
        return told | {"state": "ready"} | answer

    def stop(self) -> None:
        """End the process, sessions and all; returns when it has ended."""
        self._stopping.set()
        with self._changed:
            if self._control is not None:
                # Wakes both ends up.
                self._control.shutdown(socket.SHUT_RDWR)
        self._thread.join()
