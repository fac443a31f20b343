"""The core's worker killed again and again under a plugin that plays on."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from uncodec.bridge.bundle import find_library
from uncodec.bridge.latency import PlayedPlugin
from uncodec.bridge.launcher import PrivateCore

RATE, BLOCK = 48000, 128
# Each one costs the start of a process that loads PyTorch, and the supervisor's pause before it.
KILLS = int(os.environ.get("UNCODEC_TEST_KILLS", "30"))


def files(pid):
    """Targets of a process's descriptors."""
    targets = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        # The one that lists the folder is closed by now.
        with suppress(FileNotFoundError):
            targets.append(str(link.readlink()))
    return targets


def memories(pid):
    return sum("memfd:uncodec" in name for name in files(pid))


class Stage:
    """Plays numbered noise through the plugin and compares every sample that comes back."""

    def __init__(self, plugin):
        self.plugin = plugin
        self.rng = np.random.default_rng(0)
        self.sent = np.zeros((2, plugin.latency_samples), np.float32)
        self.out = np.zeros((2, BLOCK), np.float32)

    def play(self, blocks):
        for _ in range(blocks):
            block = (0.1 * self.rng.standard_normal((2, BLOCK))).astype(np.float32)
            self.plugin.call(block, self.out)
            self.sent = np.concatenate([self.sent, block], axis=1)
            np.testing.assert_array_equal(self.out, self.sent[:, :BLOCK])
            self.sent = self.sent[:, BLOCK:]
            time.sleep(BLOCK / RATE)


def worker_of(core):
    (worker,) = core.status()["workers"]
    return worker


def wait_for(condition, play, limit_s=60.0):
    """Seconds until something holds; the plugin plays meanwhile."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < limit_s, "it did not come about"
        play(20)
    return time.monotonic() - began


def storm(core):
    """Kill `KILLS` workers; seconds until wet again, and descriptors early on and at the end."""
    supervisor = core.status()["pid"]
    # Delayed input from the core and delayed input without one are the same samples then.
    plugin = PlayedPlugin(
        find_library(),
        core.path,
        sample_rate=RATE,
        channels=2,
        block=BLOCK,
        turnaround_s=0.05,
        amount=0.0,
    )
    plugin.wait_for_core()
    stage = Stage(plugin)
    stage.play(100)
    assert plugin.status.wet > 0
    times, counts = [], []
    for kill in range(KILLS):
        victim = worker_of(core)["pid"]
        os.kill(victim, signal.SIGKILL)
        stage.play(1)
        if kill % 3:
            # The next one is killed at another moment of its start.
            wait_for(lambda dead=victim: worker_of(core)["pid"] not in (None, dead), stage.play)
            stage.play(kill * 37 % 500)
            continue
        wet = plugin.status.wet
        times.append(wait_for(lambda had=wet: plugin.status.wet > had + 4096, stage.play))
        counts.append((len(files(supervisor)), len(files(os.getpid()))))
    wait_for(lambda: plugin.status.connected, stage.play)
    assert worker_of(core)["restarts"] == KILLS
    counts.append((len(files(supervisor)), len(files(os.getpid()))))
    assert memories(supervisor) == 0
    assert memories(os.getpid()) == 1
    return times, counts[0], counts[-1]


@pytest.mark.nightly
def test_workers_that_are_killed_cost_no_sample_and_leak_nothing():
    core = PrivateCore.acquire("live-gan", "cpu")
    try:
        times, early, late = storm(core)
    finally:
        core.release()
    # A connection that is just being answered may be among them.
    assert late[0] <= early[0] + 2
    assert late[1] <= early[1] + 2
    assert memories(os.getpid()) == 0
    print(f"{KILLS} kills; wet again after s: {np.percentile(times, [0, 50, 100]).round(2)}")
    print(f"descriptors of supervisor and host: {early} early, {late} at the end")
