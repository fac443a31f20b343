"""The worker: one process for one model on one device, with one busy thread for all sessions.

A second busy thread would take the interpreter away in the middle of a hop, for up to 5 ms at a
time. What can wait (listening, logs, other models) is the supervisor's, in a process of its own;
what cannot be done without this thread (opening a session, the status) is done between two hops.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import select
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from uncodec._native import PendingSession, receive_session
from uncodec.bridge.load import Times, has_room
from uncodec.bridge.packed_reference import unpack
from uncodec.bridge.plugin_session import PluginSession
from uncodec.bridge.worker_process import MESSAGE_BYTES, tell_doing
from uncodec.errors import UncodecError
from uncodec.live.hop_engine import restoring_engine
from uncodec.networks import LoadedModel, load_model
from uncodec.rates import network_rate

__all__ = ["ModelWorker", "main"]

_log = logging.getLogger("uncodec.bridge")

# While audio runs the worker looks for hops this often; a wake-up by the callback would cost the
# callback a system call and, when it is pre-empted, milliseconds.
POLL_S = 250e-6
# When none came for a second it looks less often.
IDLE_AFTER_S = 1.0
# Nothing is told when audio begins: the first hop waits until it is seen, for at most this share of
# its session's budget.
IDLE_POLL_S, IDLE_SHARE = 0.02, 0.25
# How often sockets are looked at and signs of life are given while audio runs.
CHORES_NS = 10_000_000
# The memory is on its way when the supervisor hands over a connection.
RECEIVE_TIMEOUT_S = 0.05
REHEARSAL_HOPS = 200
MOST_SESSIONS = 32


class ModelWorker:
    """Serves sessions until the supervisor is gone.

    Parameters
    ----------
    control : socket
        To the supervisor; keeps message boundaries.
    model : LoadedModel
    load_limit : float or None
        See `has_room`; None admits every session. One whose host renders is always admitted.
    """

    def __init__(
        self, control: socket.socket, model: LoadedModel, load_limit: float | None
    ) -> None:
        self._control = control
        self._model = model
        self._load_limit = load_limit
        self._sessions: dict[int, PluginSession] = {}
        self._poll = select.poll()
        self._poll.register(control.fileno(), select.POLLIN)
        # Sums over sessions that are over.
        self._ended = dict.fromkeys(("wet_samples", "dry_samples", "late_hops"), 0)
        self._refused, self._last_refusal = 0, ""
        self._stopping = False
        self._busy_ns = self._chores_ns = time.monotonic_ns()
        # Work of single hops at the network's own rate, for whoever has not worked yet.
        self._rehearsed = Times(REHEARSAL_HOPS)

    def rehearse(self) -> None:
        """Run the engine for itself, so that everything is compiled, and see how long it takes.

        On a processor only its own time counts: sessions come for hours, and what else the machine
        did in the second of the start says nothing about them.
        """
        clock = time.thread_time_ns if self._model.device == "cpu" else time.monotonic_ns
        hop = self._model.config.hop
        engine = restoring_engine(self._model, sample_rate=48000, hop=hop, channels=2)
        audio, out = np.zeros((2, 2, hop), np.float32)
        for number in range(8 + REHEARSAL_HOPS):
            began = clock()
            engine.push_into(audio, out)
            if number >= 8:
                self._rehearsed.add(clock() - began)

    def run(self) -> None:
        """Work until `stop` is said or the supervisor is gone."""
        gc.collect()
        gc.freeze()
        gc.disable()
        while not self._stopping:
            self.turn()

    def turn(self) -> None:
        """Do one hop, or look after the sockets, or wait a little."""
        now = time.monotonic_ns()
        worked = self._work(now)
        if worked:
            self._busy_ns = now
        idle = now - self._busy_ns > IDLE_AFTER_S * 1e9
        if idle or now - self._chores_ns >= CHORES_NS:
            self._chores_ns = now
            self._do_chores(self._patience_s() if idle and not worked else 0.0)
        elif not worked:
            time.sleep(POLL_S)

    def _patience_s(self) -> float:
        """How long to wait between two looks while no audio runs."""
        shares = [IDLE_SHARE * session.budget_s for session in self._sessions.values()]
        return max(POLL_S, min([IDLE_POLL_S, *shares]))

    def _work(self, now: int) -> bool:
        """Do the hop that is due first, if there is one; one of a render if there is no other."""
        urgent: PluginSession | None = None
        first = (False, 0)
        for session in self._sessions.values():
            if session.look(now):
                due = (session.may_wait, session.deadline_ns or 0)
                if urgent is None or due < first:
                    urgent, first = session, due
        if urgent is None:
            return False
        try:
            urgent.work(time.monotonic_ns)
        except Exception as error:
            _log.error("session %d ends: %r", urgent.number, error)
            self._close(urgent)
        return True

    def _do_chores(self, wait_s: float) -> None:
        now = time.monotonic_ns()
        for session in self._sessions.values():
            session.side.beat(now)
        ready = {number for number, _ in self._poll.poll(wait_s * 1000)}
        # Who is gone goes first: a host that sets up anew leaves one session and asks for the next
        # at the same moment, and must not be in its own way.
        for number in ready & self._sessions.keys():
            # Nothing is ever sent on it: it is closed, or not by our protocol.
            self._close(self._sessions[number])
            if not self._sessions:
                gc.collect()
        if self._control.fileno() in ready:
            self._obey()

    def _close(self, session: PluginSession) -> None:
        told = session.describe()
        for name in self._ended:
            self._ended[name] += told[name]
        number = session.side.fileno()
        self._poll.unregister(number)
        del self._sessions[number]
        session.side.close()

    def _obey(self) -> None:
        try:
            message, files, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 8)
        except OSError:
            message, files = b"", []
        if not message:
            self._stopping = True
            return
        try:
            order = json.loads(message)
            if order["do"] == "open" and len(files) == 1:
                self._open(files[0], order)
            elif order["do"] == "status":
                self._say({"is": "status", "id": order["id"], **self.describe()})
            elif order["do"] == "stop":
                self._stopping = True
        except (UncodecError, ValueError, TypeError, KeyError) as error:
            _log.warning("a session was not opened: %s", error)
        finally:
            for file in files:
                os.close(file)

    def _open(self, file: int, order: dict[str, Any]) -> None:
        pending = receive_session(
            file,
            model=order["model"],
            seed=order["seed"],
            host_pid=order["host_pid"],
            timeout_s=RECEIVE_TIMEOUT_S,
        )
        config = self._model.config
        may_wait = bool(order["may_wait"])
        full = len(self._sessions) >= MOST_SESSIONS
        if full and may_wait:
            pending.postpone(f"sessions={len(self._sessions)}: there can be no more at a time")
            return
        reason = self._reason_against(pending, may_wait)
        if reason:
            self._refused += 1
            self._last_refusal = reason
            _log.warning("a session of process %s was refused: %s", order["host_pid"], reason)
            pending.refuse(reason)
            return
        reference = unpack(order["reference"])
        side = pending.accept(
            session=order["session"],
            window=config.window,
            hop=config.hop,
            version=self._model.version,
            now_ns=time.monotonic_ns(),
            reference=reference is not None,
        )
        session = PluginSession(
            side,
            self._model,
            number=order["session"],
            seed=order["seed"],
            host_pid=order["host_pid"],
            may_wait=may_wait,
            reference=reference,
        )
        number = side.fileno()
        self._sessions[number] = session
        self._poll.register(number, select.POLLIN)

    def _reason_against(self, pending: PendingSession, may_wait: bool) -> str:
        """Why a session cannot be served; empty if it can."""
        config = self._model.config
        if not pending.fits(config.window, config.hop):
            return (
                f"model {self._model.name}: has window {config.window} and hop {config.hop}, the "
                "plugin was set up for other sizes"
            )
        if pending.channels not in (1, 2):
            return f"channels={pending.channels}: must be 1 or 2"
        if len(self._sessions) >= MOST_SESSIONS:
            return f"sessions={len(self._sessions)}: there can be no more"
        if may_wait or self._load_limit is None:
            return ""
        loads = [
            session.load_to_admit_by(self._expected_load(session.side.sample_rate))
            for session in self._sessions.values()
            if not session.may_wait
        ]
        newcomer = self._expected_load(pending.sample_rate)
        if has_room(loads, newcomer, self._load_limit):
            return ""
        return (
            f"load={sum(loads) + newcomer:.2f}: must be at most {self._load_limit:.2f} with "
            f"{len(loads) + 1} sessions"
        )

    def _expected_load(self, sample_rate: float) -> float:
        """Load of a session that has not worked yet: that of the network at its own rate."""
        period_s = self._model.config.hop / network_rate(sample_rate)
        # There are too few for a higher percentile; see `ENOUGH_HOPS`.
        return self._rehearsed.percentiles().p99 / period_s

    def describe(self) -> dict[str, Any]:
        """What the status tells."""
        sessions = [session.describe() for session in self._sessions.values()]
        return {
            "load": sum(session["load"] for session in sessions if not session["may_wait"]),
            "load_limit": self._load_limit,
            "rehearsal": self._rehearsed.percentiles().described(),
            "sessions": sessions,
            "ended": self._ended,
            "refused": {"count": self._refused, "last": self._last_refusal},
        }

    def _say(self, message: dict[str, Any]) -> None:
        # The supervisor's end being gone is noticed when the next order is read.
        with contextlib.suppress(OSError):
            self._control.send(json.dumps(message).encode())

    def introduce(self) -> None:
        """Tell the supervisor that sessions can come."""
        config = self._model.config
        self._say(
            {
                "is": "ready",
                "model": self._model.name,
                "version": self._model.version,
                "window": config.window,
                "hop": config.hop,
            }
        )


def main(control: socket.socket, model: str, device: str, load_limit: float | None) -> int:
    """Load a model and serve it; the exit code of the process."""
    # The steps are too small to share, and a fading signal must not turn slow on numbers close to
    # zero.
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        tell_doing(control, f"loading the model {Path(model).name}")
        worker = ModelWorker(control, load_model(model, device), load_limit)
    except UncodecError as error:
        with contextlib.suppress(OSError):
            control.send(json.dumps({"is": "failed", "reason": str(error)}).encode())
        return 1
    tell_doing(control, f"compiling the model {Path(model).name}")
    worker.rehearse()
    worker.introduce()
    worker.run()
    return 0
