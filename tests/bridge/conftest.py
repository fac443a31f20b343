"""Plugins that are none: hosts that speak the plugin's protocol, and the cores they talk to."""

from __future__ import annotations

import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

if sys.platform != "linux":
    pytest.skip("core and plugin run on Linux alone", allow_module_level=True)

from uncodec._native import HostPath, read_request, receive_session
from uncodec.bridge.sockets import ClaimedPath, listen
from uncodec.networks import Generator, GeneratorConfig, load_model, save_weights

WINDOW, HOP = 256, 64


def _wait(condition, limit_s=120.0):
    """Wait for another thread or process; the limit is only there so that a failing test ends."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.001)


class Host:
    """A plugin in a host that waits for the core, block after block.

    Parameters
    ----------
    answer : callable, optional
        Called while results are missing; without it another thread or process gives them.
    """

    def __init__(
        self,
        *,
        rate=48000,
        channels=2,
        block=HOP,
        window=WINDOW,
        hop=HOP,
        turnaround_s=0.0,
        answer=None,
    ):
        self.path = HostPath(
            sample_rate=rate,
            channels=channels,
            window=window,
            hop=hop,
            max_block=block,
            turnaround_s=turnaround_s,
        )
        self.late = self.path.latency_samples
        self.block = block
        self.answer = answer

    def push(self, audio):
        self.path.push(np.ascontiguousarray(audio))

    def pull(self, samples, channels):
        out = np.zeros((channels, samples), np.float32)
        self.path.pull_into(out)
        return out

    def run(self, audio, *, waits=True):
        """Feed audio in blocks; the output, `late` samples late."""
        parts = []
        for start in range(0, audio.shape[1], self.block):
            part = audio[:, start : start + self.block]
            self.push(part)
            if waits and self.answer is not None:
                while not self.path.is_complete:
                    self.answer()
            elif waits:
                _wait(lambda: self.path.is_complete)
            parts.append(self.pull(part.shape[1], part.shape[0]))
        return np.concatenate(parts, axis=1)


@pytest.fixture(scope="session")
def make_host():
    """The class of hosts."""
    return Host


@pytest.fixture(scope="session")
def wait():
    """Waits until something holds."""
    return _wait


@pytest.fixture(scope="session")
def is_alive():
    """Whether a process runs; one that only waits to be asked for its end does not."""

    def is_alive(pid):
        try:
            return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            return False

    return is_alive


@pytest.fixture(scope="session")
def later():
    """Delays audio, and cuts it to its length."""

    def later(audio, samples):
        return np.pad(audio, ((0, 0), (samples, 0)))[:, : audio.shape[1]]

    return later


@pytest.fixture(scope="session")
def small_model(tmp_path_factory):
    """Folder of a small untrained generator with an audible delta."""
    torch.manual_seed(3)
    config = GeneratorConfig(window=WINDOW, hop=HOP, encoder=16, hidden=16, local=4)
    folder = tmp_path_factory.mktemp("model")
    save_weights(folder, Generator(config), name="small", version="1")
    return str(folder)


@pytest.fixture(scope="session")
def loaded(small_model):
    return load_model(small_model)


@pytest.fixture
def short_path():
    """A path for a socket; those have to be short."""
    with tempfile.TemporaryDirectory(prefix="uncodec-test-") as folder:
        yield Path(folder) / "core.sock"


@pytest.fixture
def open_side(short_path):
    """Opens sessions in this process: gives a host's end and the core's."""
    claim = ClaimedPath(short_path)
    listener = listen(short_path)
    sides = []

    def open_side(host, *, seed=0, window=WINDOW, hop=HOP, reference=None):
        answered = []
        asking = threading.Thread(
            target=lambda: answered.append(
                host.path.open(
                    short_path, model="small", seed=seed, reference=reference, timeout_s=20
                )
            )
        )
        asking.start()
        connection, _ = listener.accept()
        with connection:
            model, asked, pid, _, brought = read_request(connection.fileno(), 5)
            assert brought == reference
            pending = receive_session(
                connection.fileno(), model=model, seed=asked, host_pid=pid, timeout_s=5
            )
        assert pending.fits(window, hop)
        side = pending.accept(
            session=7,
            window=window,
            hop=hop,
            version="1",
            now_ns=time.monotonic_ns(),
            reference=reference is not None,
        )
        asking.join()
        sides.append((answered[0], side))
        return answered[0], side

    yield open_side
    for session, _ in sides:
        session.close()
    listener.close()
    claim.close()


@pytest.fixture
def control():
    """Both ends of the connection between supervisor and worker."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs
