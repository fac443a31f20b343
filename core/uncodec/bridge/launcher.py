"""Cores started, asked and stopped from other processes."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from uncodec._native import socket_path
from uncodec.bridge.load import LOAD_LIMIT
from uncodec.bridge.sockets import connect, control_path, prepare_folder
from uncodec.errors import CoreError

__all__ = [
    "PrivateCore",
    "ask",
    "default_path",
    "is_running",
    "launch",
    "stop",
    "wait_started",
    "wait_until",
]

ASK_S = 10.0
STARTING_S = 150.0
STOPPING_S = 20.0


def default_path() -> Path:
    """Where plugins look for a core: see `uncodec._native.socket_path`."""
    return socket_path().absolute()


def ask(path: Path, command: str) -> dict[str, Any]:
    """Give a running core a command.

    Parameters
    ----------
    path : Path
        Where it listens for plugins.
    command : {"status", "stop"}

    Raises
    ------
    CoreError
        There is none, or it does not answer.
    """
    with connect(control_path(path), ASK_S, shown=path) as connection:
        try:
            connection.sendall(json.dumps({"command": command}).encode() + b"\n")
            received = b""
            while not received.endswith(b"\n"):
                part = connection.recv(1 << 16)
                if not part:
                    raise CoreError(f"{path}: the core gave no answer")
                received += part
        except OSError as error:
            raise CoreError(f"{path}: the core does not answer ({error})") from error
    answer = json.loads(received)
    if "error" in answer:
        raise CoreError(f"{path}: {answer['error']}")
    return dict(answer)


def is_running(path: Path) -> bool:
    """Whether a core listens there."""
    try:
        connect(control_path(path), ASK_S).close()
    except CoreError:
        return False
    return True


def stop(path: Path) -> int:
    """Stop a core and return when its process has ended; its number.

    Raises
    ------
    CoreError
        There is none, or it does not end.
    """
    pid = int(ask(path, "stop")["pid"])
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return pid
    try:
        if not select.select([process], [], [], STOPPING_S)[0]:
            raise CoreError(f"process {pid}: was told to stop and did not in {STOPPING_S:.0f} s")
    finally:
        os.close(process)
    return pid


def launch(
    path: Path,
    *,
    model: str = "live-gan",
    device: str = "cpu",
    any_name: bool = False,
    load_limit: float | None = LOAD_LIMIT,
    reference: str = "",
    leased: bool = False,
    tell: Callable[[str], None] | None = None,
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a core that outlives the terminal, and return when it can serve.

    Parameters
    ----------
    path, model, device, any_name, load_limit, reference
        As of `uncodec.bridge.supervisor.Supervisor`.
    leased : bool
        Whether it ends when the connection that is returned is closed, however that comes about.
    tell : callable, optional
        Called with what the start is busy with, whenever that changes.

    Returns
    -------
    process : Popen
    connection : socket

    Raises
    ------
    CoreError
        It cannot be started.
    """
    prepare_folder(path)
    if is_running(path):
        raise CoreError(f"{path}: a core is already running there")
    ours, theirs = socket.socketpair()
    order = {
        "path": str(path.absolute()),
        "model": str(Path(model).absolute()) if Path(model).is_dir() else model,
        "device": device,
        "any_name": any_name,
        "load_limit": load_limit,
        "reference": reference,
        "leased": leased,
        "report": theirs.fileno(),
    }
    log = path.with_name(path.name + ".log")
    try:
        with theirs, log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "uncodec.bridge", "core", json.dumps(order)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                cwd="/",
                start_new_session=True,
            )
    except OSError as error:
        ours.close()
        raise CoreError(f"the core cannot be started ({error})") from error
    try:
        _wait_ready(ours, log, tell)
    except BaseException:
        ours.close()
        process.terminate()
        process.wait()
        raise
    return process, ours


def _wait_ready(
    connection: socket.socket, log: Path, tell: Callable[[str], None] | None = None
) -> None:
    end = time.monotonic() + STARTING_S
    received = b""
    while True:
        while b"\n" not in received:
            connection.settimeout(max(0.001, end - time.monotonic()))
            try:
                part = connection.recv(1 << 16)
            except TimeoutError:
                raise CoreError(f"the core did not get ready in {STARTING_S:.0f} s") from None
            except OSError:
                part = b""
            if not part:
                raise CoreError(f"the core ended at once: {_last_words(log)}")
            received += part
        line, received = received.split(b"\n", 1)
        said = json.loads(line)
        if "error" in said:
            raise CoreError(said["error"])
        if "ready" in said:
            return
        if tell is not None:
            tell(said["doing"])


def _last_words(log: Path) -> str:
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "without a word"


def wait_started(path: Path, tell: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Return when a core that somebody else started can serve; its status.

    Raises
    ------
    CoreError
        It ends, cannot serve its model, or takes too long.
    """
    told = ""
    end = time.monotonic() + STARTING_S
    while True:
        status = ask(path, "status")
        if not status["workers"]:
            raise CoreError(f"{path}: the core that was running there is about to end")
        first = status["workers"][0]
        if first["state"] == "failed":
            raise CoreError(first["error"])
        if first["state"] != "starting":
            return status
        if time.monotonic() > end:
            raise CoreError(f"the core did not get ready in {STARTING_S:.0f} s")
        if tell is not None and told != first.get("doing", told):
            told = first["doing"]
            tell(told)
        time.sleep(0.1)


class PrivateCore:
    """A core for this process alone, which ends with it.

    Made by `acquire` and given back by `release`; those who ask for the same model on the same
    device share one.

    Attributes
    ----------
    path : Path
        Where it listens.
    excused : int
        Samples among `dry_samples` that do not matter.
    """

    _lock = threading.RLock()
    _running: ClassVar[dict[tuple[str, str], PrivateCore]] = {}

    def __init__(self, model: str, device: str) -> None:
        self._key = (model, device)
        self._users = 0
        self.excused = 0
        folder = tempfile.mkdtemp(prefix="uncodec-")
        self.path = Path(folder) / "core.sock"
        try:
            process, lease = launch(
                self.path, model=model, device=device, any_name=True, load_limit=None, leased=True
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._end = weakref.finalize(self, _end, process, lease, folder, os.getpid())

    @classmethod
    def acquire(cls, model: str, device: str) -> PrivateCore:
        """The core for a model on a device, started if there is none.

        Raises
        ------
        CoreError
            It cannot be started.
        """
        with cls._lock:
            core = cls._running.get((model, device))
            if core is None or not core.alive:
                core = cls._running[model, device] = cls(model, device)
            core._users += 1
            return core

    def release(self) -> bool:
        """Give it back; the last one to do so ends it, and is told so."""
        with self._lock:
            self._users -= 1
            if self._users > 0:
                return False
            if self._running.get(self._key) is self:
                del self._running[self._key]
        self._end()
        return True

    @property
    def alive(self) -> bool:
        """Whether it listens."""
        return is_running(self.path)

    def status(self) -> dict[str, Any]:
        """What it tells about itself; see `Supervisor.describe`."""
        return ask(self.path, "status")

    def dry_samples(self) -> int:
        """Samples that its plugins gave out as they came, since it was started.

        Raises
        ------
        CoreError
            It cannot tell, because it died in between.
        """
        dry = 0
        for worker in self.status()["workers"]:
            if worker["restarts"] or worker["state"] != "ready":
                raise CoreError("the core ended while it was in use")
            dry += sum(session["dry_samples"] for session in worker["sessions"])
            dry += worker["ended"]["dry_samples"]
        return dry

    def last_refusal(self) -> str:
        """Why it did not want a session, the last time that it did not; empty if it never did."""
        return "".join(
            str(worker["refused"]["last"])
            for worker in self.status()["workers"]
            if worker["state"] == "ready"
        )


def _end(process: subprocess.Popen[bytes], lease: socket.socket, folder: str, owner: int) -> None:
    if os.getpid() != owner:
        # A fork of the owner has copies of all this, and no business with it.
        return
    lease.close()
    try:
        process.wait(timeout=STOPPING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _forget_leases() -> None:
    """In the child of a fork: it would keep the cores of its parent running otherwise."""
    for core in PrivateCore._running.values():
        lease = core._end.peek()
        if lease is not None:
            lease[2][1].close()
    PrivateCore._running.clear()


os.register_at_fork(after_in_child=_forget_leases)


def wait_until(condition: Any, timeout_s: float) -> bool:
    """Ask again and again, at most for so long, whether something holds."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True
