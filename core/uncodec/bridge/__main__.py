"""Entry of the core's processes: ``python -m uncodec.bridge core|worker ORDER``.

Not for people: ORDER is a JSON object from `uncodec.bridge.launcher` or the supervisor.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from uncodec.errors import CoreError


def run_core(order: dict[str, Any]) -> int:
    """Run a supervisor; the exit code of the process.

    It tells whoever started it, over the connection `report`, when it can serve or why it cannot;
    with `leased` it ends when that connection does.
    """
    from uncodec.bridge.supervisor import Supervisor

    report = socket.socket(fileno=order["report"])
    supervisor: Supervisor | None = None
    try:
        supervisor = Supervisor(
            Path(order["path"]),
            model=order["model"],
            device=order["device"],
            any_name=order["any_name"],
            load_limit=order["load_limit"],
            reference=order["reference"],
        )
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: supervisor.stop())
        threading.Thread(
            target=_report, args=(supervisor, report, order["leased"]), daemon=True
        ).start()
        supervisor.run()
    except CoreError as error:
        _tell(report, {"error": str(error)})
        return 1
    if order["leased"]:
        _clear(Path(order["path"]))
    return 0


def _clear(path: Path) -> None:
    """Remove what lies beside the socket, for an owner who may have died before he could."""
    for name in (path.name + ".lock", path.name + ".log"):
        path.with_name(name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.parent.rmdir()


def _report(supervisor: Any, report: socket.socket, leased: bool) -> None:
    try:
        supervisor.wait_ready(lambda what: _tell(report, {"doing": what}))
    except CoreError as error:
        _tell(report, {"error": str(error)})
        supervisor.stop()
        return
    _tell(report, {"ready": True})
    if leased:
        # Nothing is sent: it becomes readable when nobody holds the other end any more.
        select.select([report], [], [])
        supervisor.stop()
    report.close()


def _tell(report: socket.socket, message: dict[str, Any]) -> None:
    try:
        report.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        logging.getLogger("uncodec.bridge").warning("nobody waits for %s", message)


def run_worker(order: dict[str, Any]) -> int:
    """Run a worker; the exit code of the process."""
    # Ctrl-C reaches every process of a terminal. The supervisor takes it and closes the connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from uncodec.bridge.worker_process import tell_doing

    with socket.socket(fileno=order["control"]) as control:
        tell_doing(control, "loading PyTorch")
        from uncodec.bridge.model_worker import main

        return main(control, order["model"], order["device"], order["load_limit"])


if __name__ == "__main__":
    logging.basicConfig(
        format=f"%(asctime)s {sys.argv[1]} {os.getpid()}: %(message)s", level=logging.INFO
    )
    sys.exit({"core": run_core, "worker": run_worker}[sys.argv[1]](json.loads(sys.argv[2])))
