"""The core's processes killed again and again under a plugin that plays on."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from uncodec.analysis.latency import Host
from uncodec.analysis.plugin_latency import PlayedPlugin
from uncodec.bridge.bundle import FORMATS, find_bundle, find_library
from uncodec.bridge.launcher import ask
from uncodec.errors import CoreError

pytestmark = pytest.mark.nightly

RATE, BLOCK = 48000, 128
# A worker that is to be wet again costs the start of a process that loads PyTorch.
KILLS = int(os.environ.get("UNCODEC_TEST_KILLS", "30"))
LIGHT_KILLS = int(os.environ.get("UNCODEC_TEST_LIGHT_KILLS", "100"))
CORE = Path(__file__).with_name("impatient_core.py")
LIGHT_WORKER = Path(__file__).with_name("light_worker.py")


def read_links(pid):
    """Targets of a process's descriptors."""
    targets = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        # The one that lists the folder is closed by now.
        with suppress(FileNotFoundError):
            targets.append(str(link.readlink()))
    return targets


def holdings(pid):
    """Descriptors, threads, and the bridge's memory by descriptor and by mapping."""
    links = read_links(pid)
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {
        "descriptors": len(links),
        "threads": len(list(Path(f"/proc/{pid}/task").iterdir())),
        "memories": sum("memfd:uncodec" in link for link in links),
        "mappings": sum("memfd:uncodec" in line for line in maps),
    }


class Stage:
    """Plays noise through the plugin and compares every sample that comes back.

    Amount is 0: delayed input with results of a core and without are the same samples.
    """

    def __init__(self, path, plugin_format="vst3"):
        host = Host(RATE, block=BLOCK, turnaround_s=0.05)
        library = find_library(find_bundle(plugin_format))
        self.plugin = PlayedPlugin(library, path, host, amount=0.0)
        self.rng = np.random.default_rng(0)
        self.sent = np.zeros((2, self.plugin.latency_samples), np.float32)
        self.out = np.zeros((2, BLOCK), np.float32)

    def play(self, blocks):
        for _ in range(blocks):
            block = (0.1 * self.rng.standard_normal((2, BLOCK))).astype(np.float32)
            self.plugin.call(block, self.out)
            self.sent = np.concatenate([self.sent, block], axis=1)
            np.testing.assert_array_equal(self.out, self.sent[:, :BLOCK])
            self.sent = self.sent[:, BLOCK:]
            time.sleep(BLOCK / RATE)

    def play_until(self, condition, limit_s=60.0):
        """Seconds until something holds."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < limit_s, "it did not come about"
            self.play(20)
        return time.monotonic() - began

    def play_until_wet(self):
        """Seconds until the core has given something again."""
        had = self.plugin.status.wet
        return self.play_until(lambda: self.plugin.status.wet > had + 4096)


def worker_of(path):
    """The core's status of its worker; None while there is no core."""
    try:
        (worker,) = ask(path, "status")["workers"]
    except CoreError:
        return None
    return worker


@contextmanager
def running_core(path, *program):
    """A process that stops without complaint at the end."""
    core = subprocess.Popen([sys.executable, CORE, path, "live-gan", *program])
    try:
        yield core
        assert core.poll() is None, "it ended by itself"
        core.terminate()
        assert core.wait(20) == 0
    finally:
        core.kill()
        core.wait()


def shared_files():
    """Names of shared memory that has one."""
    return [file.name for file in Path("/dev/shm").iterdir()]


def kill_worker(path):
    victim = worker_of(path)["pid"]
    os.kill(victim, signal.SIGKILL)
    return victim


def tell(what, times):
    spread = np.percentile(times, [0, 50, 90, 100]).round(2)
    print(f"\n{what}; wet again after s (least, p50, p90, most): {spread}", flush=True)


def storm(path, kills, *, awaited, program=(), plugin_format="vst3"):
    """Kill workers; one in `awaited` is waited for, and the next one killed at its work."""
    there = set(shared_files())
    with running_core(path, *program) as core:
        stage = Stage(path, plugin_format)
        stage.play_until_wet()
        times, held, killed = [], [], []
        for kill in range(kills):
            victim = kill_worker(path)
            killed.append(str(victim))
            stage.play(1)
            if kill % awaited:
                # The next one is killed at another moment of its start.
                stage.play_until(lambda dead=victim: worker_of(path)["pid"] not in (None, dead))
                stage.play(kill * 37 % 500)
                continue
            times.append(stage.play_until_wet())
            held.append((holdings(core.pid), holdings(os.getpid())))
            if len(times) % 100 == 0:
                tell(f"{kill + 1} kills so far", times)
        stage.play_until_wet()
        held.append((holdings(core.pid), holdings(os.getpid())))
        assert worker_of(path)["restarts"] == kills
    tell(f"{kills} kills, {len(times)} of them waited for", times)
    print(f"supervisor and host at first: {held[0]}\nat the end: {held[-1]}")
    for now, then in zip(held[-1], held[0], strict=True):
        # A connection that is just being answered may be among them.
        assert now["descriptors"] <= then["descriptors"] + 2
        assert now["threads"] <= then["threads"] + 2
    assert held[-1][0]["memories"] == held[-1][0]["mappings"] == 0
    assert held[-1][1]["memories"] == held[0][1]["memories"]
    assert held[-1][1]["mappings"] == held[0][1]["mappings"] > 0
    # Sessions live in memory without a name; libraries are known to leave some that has one.
    left = set(shared_files()) - there
    assert not [
        name for name in left if "uncodec" in name or set(killed) & set(re.findall(r"\d+", name))
    ]
    del stage
    assert holdings(os.getpid())["memories"] == holdings(os.getpid())["mappings"] == 0


@pytest.mark.parametrize("plugin_format", FORMATS)
def test_workers_killed_at_work_and_while_they_start_cost_no_sample_and_leak_nothing(
    short_path, plugin_format
):
    storm(short_path, KILLS // len(FORMATS), awaited=3, plugin_format=plugin_format)


@pytest.mark.parametrize("plugin_format", FORMATS)
def test_light_workers_killed_at_work_cost_no_sample_and_leak_nothing(short_path, plugin_format):
    kills = LIGHT_KILLS // len(FORMATS)
    storm(short_path, kills, awaited=1, program=[LIGHT_WORKER], plugin_format=plugin_format)


@pytest.mark.parametrize("plugin_format", FORMATS)
def test_cores_that_are_killed_whole_cost_no_sample_and_leave_no_worker(
    short_path, is_alive, plugin_format
):
    times, workers = [], []
    core = subprocess.Popen([sys.executable, CORE, short_path, "live-gan"])
    try:
        stage = Stage(short_path, plugin_format)
        stage.play_until_wet()
        held = holdings(os.getpid())
        for _ in range(max(3, KILLS // 20)):
            workers.append(worker_of(short_path)["pid"])
            core.kill()
            core.wait()
            stage.play(50)
            core = subprocess.Popen([sys.executable, CORE, short_path, "live-gan"])
            times.append(stage.play_until_wet())
        stage.play_until(lambda: not any(is_alive(pid) for pid in workers))
        now = holdings(os.getpid())
    finally:
        core.terminate()
        core.wait()
    tell(f"{len(times)} kills of the supervisor", times)
    assert now["descriptors"] <= held["descriptors"] + 2
    assert now["threads"] == held["threads"]
    assert (now["memories"], now["mappings"]) == (held["memories"], held["mappings"])
