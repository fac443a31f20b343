"""Renders in pedalboard with a core that has admission control: none is dry without being told."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pedalboard
import pytest

from uncodec import plugin_status, rendering
from uncodec._native import HostPath
from uncodec.bridge.bundle import find_bundle
from uncodec.bridge.launcher import ask, launch, stop
from uncodec.bridge.load import LOAD_LIMIT
from uncodec.bridge.model_worker import MOST_SESSIONS
from uncodec.bridge.plugin import core_at
from uncodec.errors import CoreError, DryRender

# Of the released model, which is the one that the plugin asks for.
WINDOW, HOP = 1024, 512
RATES = (48000, 44100, 96000)


class Core:
    """A core as `uncodec core start` starts it, and plugins that look for it."""

    def __init__(self, path):
        self.path = path
        self._process = None

    def start(self, load_limit=LOAD_LIMIT):
        self._process, connection = launch(self.path, load_limit=load_limit)
        connection.close()

    def stop(self):
        stop(self.path)
        self._process.wait(timeout=20)

    @property
    def worker(self):
        (worker,) = ask(self.path, "status")["workers"]
        return worker

    def load(self):
        with core_at(self.path):
            return pedalboard.load_plugin(os.fspath(find_bundle()))


@pytest.fixture(scope="module")
def core():
    with tempfile.TemporaryDirectory(prefix="uncodec-test-") as folder:
        core = Core(Path(folder) / "core.sock")
        core.start()
        yield core
        core.stop()


@pytest.fixture(scope="module")
def audio():
    """Makes (channels, samples) that a codec might have left: nothing above 7 kHz."""

    def make(rate, seconds=0.5, channels=2):
        samples = round(rate * seconds)
        spectrum = np.fft.rfft(np.random.default_rng(rate).normal(0, 0.1, (channels, samples)))
        spectrum[:, round(7000 * seconds) :] = 0
        return np.fft.irfft(spectrum, samples).astype(np.float32)

    return make


def check_wet(plugin, before, x, y):
    """Every sample came from the core, and that is to be heard."""
    after = plugin_status(plugin)
    assert after.dry == before.dry, after.reason
    assert after.wet >= before.wet + x.shape[1]
    assert y.shape == x.shape
    assert np.abs(y - x).max() > 1e-3


def render(plugin, x, rate, **options):
    before = plugin_status(plugin)
    with rendering(plugin):
        y = plugin(x, rate, **options)
    check_wet(plugin, before, x, y)
    return y


def test_a_lone_plugin_is_restored_at_every_rate_in_turn(core, audio):
    plugin = core.load()
    for _ in range(4):
        for rate in RATES:
            render(plugin, audio(rate), rate)
    assert core.worker["refused"]["count"] == 0


def test_short_renders_one_after_another_are_restored(core, audio):
    # So few hops that the worst of them is the 99.9th percentile.
    plugin = core.load()
    for round_ in range(12):
        rate = RATES[round_ % 3]
        render(plugin, audio(rate, 0.1), rate)


def test_buffer_sizes_may_change_from_call_to_call(core, audio):
    plugin = core.load()
    x = audio(44100)
    first = render(plugin, x, 44100, buffer_size=512)
    for buffer_size in (64, 8192, 333, 20000):
        y = render(plugin, x, 44100, buffer_size=buffer_size)
        np.testing.assert_allclose(y, first, atol=1e-5)


def test_channels_may_change_from_call_to_call(core, audio):
    plugin = core.load()
    for channels in (2, 1, 2, 1):
        render(plugin, audio(48000, channels=channels), 48000)


def test_latency_safety_may_change_from_call_to_call(core, audio):
    plugin = core.load()
    for milliseconds in (10, 50, 1):
        plugin.latency_safety_ms = milliseconds
        render(plugin, audio(48000), 48000)


def test_two_plugins_in_turn_are_restored(core, audio):
    plugins = [core.load(), core.load()]
    for rate in (*RATES, *RATES):
        for plugin in plugins:
            render(plugin, audio(rate), rate)


def test_two_plugins_in_a_board_are_restored(core, audio):
    plugins = [core.load(), core.load()]
    board = pedalboard.Pedalboard(plugins)
    for rate in RATES:
        before = [plugin_status(plugin) for plugin in plugins]
        x = audio(rate)
        with rendering(*plugins):
            y = board(x, rate)
        for plugin, earlier in zip(plugins, before, strict=True):
            check_wet(plugin, earlier, x, y)


def test_plugins_that_render_at_once_are_restored(core, audio):
    plugins = [core.load() for _ in range(4)]
    failures = []

    def work(plugin):
        try:
            for rate in RATES:
                before = plugin_status(plugin)
                x = audio(rate)
                check_wet(plugin, before, x, plugin(x, rate))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(plugin,)) for plugin in plugins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_streaming_after_another_rate_is_restored(core, audio):
    plugin = core.load()
    render(plugin, audio(96000), 96000)
    x = audio(44100, 1.0)
    before = plugin_status(plugin)
    plugin.reset()
    for start in range(0, x.shape[1], 1000):
        plugin.process(x[:, start : start + 1000], 44100, buffer_size=1000, reset=False)
    after = plugin_status(plugin)
    assert after.dry == before.dry
    assert after.wet > before.wet


@contextmanager
def pauses(pid):
    """Takes the processor from a process again and again, as a busy machine does."""
    over = threading.Event()

    def interrupt():
        while not over.wait(0.05):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.1)
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_on_a_busy_machine_plugins_are_restored(core, audio):
    plugins = [core.load(), core.load()]
    with pauses(core.worker["pid"]):
        for rate in RATES:
            for plugin in plugins:
                render(plugin, audio(rate), rate)


@pytest.fixture
def full_core(tmp_path):
    """A core with as many real-time sessions as it has room for, which is few on any machine."""
    core = Core(tmp_path / "core.sock")
    core.start(load_limit=0.2)
    paths, sessions = [], []

    def fill():
        while len(sessions) < MOST_SESSIONS - 2:
            path = HostPath(sample_rate=48000, channels=2, window=WINDOW, hop=HOP, max_block=256)
            paths.append(path)
            sessions.append(path.open(core.path, model="live-gan", timeout_s=10))

    try:
        with pytest.raises(CoreError, match=r"load=.*: must be at most 0\.20 with"):
            fill()
        assert sessions
        assert core.worker["refused"]["count"] == 1
        assert "must be at most 0.20" in core.worker["refused"]["last"]
        yield core
    finally:
        for session in sessions:
            session.close()
        core.stop()


def test_a_render_is_admitted_where_there_is_no_room_for_real_time(full_core, audio, capfd):
    plugin = full_core.load()
    render(plugin, audio(48000), 48000)
    assert capfd.readouterr().err == ""


def test_a_host_that_says_only_with_its_blocks_that_it_renders_is_admitted(full_core, audio):
    dawdreamer = pytest.importorskip("dawdreamer")
    x = audio(48000)
    engine = dawdreamer.RenderEngine(48000, 512)
    source = engine.make_playback_processor("source", x)
    with core_at(full_core.path):
        plugin = engine.make_plugin_processor("uncodec", os.fspath(find_bundle()))
    engine.load_graph([(source, []), (plugin, ["source"])])
    engine.render(0.5)
    late = plugin.get_latency_samples()
    y = engine.get_audio()[:, late:]
    session = max(full_core.worker["sessions"], key=lambda entry: entry["session"])
    assert session["wet_samples"] >= x.shape[1] - late
    assert session["dry_samples"] == 0
    assert session["may_wait"]
    assert np.abs(y - x[:, : y.shape[1]]).max() > 1e-3


def test_a_core_that_was_restarted_in_between_restores(core, audio, wait):
    plugin = core.load()
    render(plugin, audio(48000), 48000)
    core.stop()
    wait(lambda: not plugin_status(plugin).connected)
    with pytest.raises(DryRender, match="no core is running"), rendering(plugin):
        plugin(audio(48000), 48000)
    core.start()
    for rate in RATES:
        render(plugin, audio(rate), rate)


def test_a_render_waits_for_a_worker_that_is_started_again(core, audio, wait):
    plugin = core.load()
    render(plugin, audio(48000), 48000)
    os.kill(core.worker["pid"], signal.SIGKILL)
    wait(lambda: not plugin_status(plugin).connected)
    render(plugin, audio(48000), 48000)
    render(plugin, audio(44100), 44100)


def test_a_render_waits_for_a_core_that_loads_its_model(audio, wait):
    with tempfile.TemporaryDirectory(prefix="uncodec-test-") as folder:
        core = Core(Path(folder) / "core.sock")
        starting = threading.Thread(target=core.start)
        starting.start()
        try:
            wait(core.path.exists)
            plugin = core.load()
            render(plugin, audio(48000), 48000)
        finally:
            starting.join()
            core.stop()


def test_a_render_that_ends_dry_is_an_error_and_is_counted(core, audio):
    plugin = core.load()
    x = audio(48000)
    # A rate that has nothing in common with the network's: there is no way to restore it.
    with pytest.raises(DryRender, match="sample_rate=47999"), rendering(plugin):
        y = plugin(x, 47999)
    np.testing.assert_array_equal(y, x)
    assert plugin_status(plugin).dry >= x.shape[1]
    render(plugin, x, 48000)
    plugin.bypass = True
    with pytest.raises(DryRender), rendering(plugin):
        plugin(x, 48000)
    sessions = core.worker["sessions"]
    assert max(session["dry_samples"] for session in sessions) >= x.shape[1]


DRY = """
import sys
import numpy as np, pedalboard
plugin = pedalboard.load_plugin(sys.argv[1])
print("loaded", file=sys.stderr, flush=True)
for _ in range(3):
    plugin(np.zeros((2, 20000), np.float32), 48000)
"""


def test_without_a_core_a_render_tells_on_standard_error_and_loading_does_not(tmp_path):
    socket = tmp_path / "core.sock"
    done = subprocess.run(
        [sys.executable, "-c", DRY, os.fspath(find_bundle())],
        env=os.environ | {"UNCODEC_CORE_SOCKET": os.fspath(socket)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr.splitlines() == [
        "loaded",
        f"uncodec: {socket}: no core is running; the render is not restored, or not all of it",
    ]
