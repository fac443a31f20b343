"""The plugin in pedalboard, without a core: the delayed input, and honest about it."""

import contextlib
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pedalboard
import pytest

pytestmark = pytest.mark.usefixtures("no_core")


def noise(channels: int, samples: int) -> np.ndarray:
    return np.random.default_rng(5).uniform(-1, 1, (channels, samples)).astype(np.float32)


def state_of(plugin: pedalboard.VST3Plugin) -> bytes:
    preset = plugin.preset_data
    return preset[preset.index(b"UNCODECS") :]


def number(state: bytes, at: int, kind: str = "<Q") -> int:
    return struct.unpack_from(kind, state, at)[0]


@pytest.fixture
def plugin(bundle: str) -> pedalboard.VST3Plugin:
    return pedalboard.load_plugin(bundle)


def test_it_is_an_effect_with_named_parameters(plugin: pedalboard.VST3Plugin) -> None:
    assert plugin.name == "Uncodec"
    assert plugin.is_effect
    assert not plugin.is_instrument
    assert list(plugin.parameters) == [
        "amount",
        "bypass",
        "latency_safety_ms",
        "model",
        "brightness_db",
        "likeness",
        "reference",
    ]
    assert plugin.amount == 100.0
    assert not plugin.bypass
    assert plugin.latency_safety_ms == 10.0
    assert plugin.model == "live-gan"
    assert plugin.brightness_db == 0.0
    assert plugin.likeness == 100.0
    assert plugin.reference == "none (Likeness is off)"


def test_parameters_take_every_value_they_name(plugin: pedalboard.VST3Plugin) -> None:
    for amount in (0.0, 0.1, 12.5, 99.9, 100.0):
        plugin.amount = amount
        assert plugin.amount == amount
        plugin.likeness = amount
        assert plugin.likeness == amount
    for brightness_db in (-12.0, -0.1, 0.0, 0.1, 3.5, 12.0):
        plugin.brightness_db = brightness_db
        assert plugin.brightness_db == pytest.approx(brightness_db, abs=1e-6)
    for milliseconds in range(1, 51):
        plugin.latency_safety_ms = milliseconds
        assert plugin.latency_safety_ms == milliseconds
    for bypass in (True, False):
        plugin.bypass = bypass
        assert bool(plugin.bypass) is bypass
    with pytest.raises(ValueError, match="model"):
        plugin.model = "no-such-model"


@pytest.mark.parametrize("rate", [44100, 48000, 88200, 96000, 192000])
@pytest.mark.parametrize("channels", [1, 2])
def test_without_a_core_the_input_comes_back_aligned_and_whole(
    plugin: pedalboard.VST3Plugin, rate: int, channels: int
) -> None:
    # pedalboard takes off the latency that the plugin reports: one sample more or less would show.
    x = noise(channels, 30_000)
    for buffer_size in (64, 441, 8192):
        y = plugin.process(x, rate, buffer_size=buffer_size)
        np.testing.assert_array_equal(y, x)


def test_a_difference_of_one_sample_would_be_found() -> None:
    x = noise(2, 1000)
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(np.roll(x, 1, axis=1), x)


def test_streaming_gives_the_same_samples(plugin: pedalboard.VST3Plugin) -> None:
    x = noise(2, 20_000)
    plugin.reset()
    parts = [
        plugin.process(x[:, start : start + 1000], 48000, buffer_size=1000, reset=False)
        for start in range(0, x.shape[1], 1000)
    ]
    y = np.concatenate(parts, axis=1)
    assert y.shape[1] > 10_000
    np.testing.assert_array_equal(y, x[:, : y.shape[1]])


def test_it_works_in_a_board(plugin: pedalboard.VST3Plugin) -> None:
    board = pedalboard.Pedalboard([pedalboard.Gain(6.0), plugin, pedalboard.Gain(-6.0)])
    x = noise(2, 20_000)
    np.testing.assert_allclose(board(x, 44100), x, atol=1e-6)


def test_an_amount_of_nothing_and_bypass_change_nothing_without_a_core(
    plugin: pedalboard.VST3Plugin,
) -> None:
    x = noise(2, 10_000)
    plugin.amount = 0.0
    np.testing.assert_array_equal(plugin(x, 44100), x)
    plugin.bypass = True
    np.testing.assert_array_equal(plugin(x, 44100), x)


@pytest.mark.parametrize("rate", [8000, 22050, 384000])
def test_rates_from_8_to_384_khz_run(plugin: pedalboard.VST3Plugin, rate: int) -> None:
    x = noise(2, 20_000)
    np.testing.assert_array_equal(plugin(x, rate), x)
    assert plugin.reported_latency_samples > 0


@pytest.mark.parametrize("rate", [4000, 44100.5, 400_000, 47_999])
def test_at_another_rate_the_input_counts_as_dry_and_the_state_says_why(
    plugin: pedalboard.VST3Plugin, rate: float
) -> None:
    x = noise(2, 20_000)
    plugin.process(x, 44100)
    before = number(state_of(plugin), 216)
    np.testing.assert_array_equal(plugin(x, rate), x)
    state = state_of(plugin)
    assert number(state, 216) - before >= x.shape[1]
    length = number(state, 248, "<I")
    assert state[256 : 256 + length].startswith(b"sample_rate=")


@pytest.mark.parametrize("bypass", [False, True])
@pytest.mark.parametrize("rate", [44100, 4000])
def test_samples_that_are_not_finite_count_as_zeros(
    plugin: pedalboard.VST3Plugin, rate: int, bypass: bool
) -> None:
    x = noise(2, 20_000)
    plugin.bypass = bypass
    expected = x.copy()
    for place, value in [(100, np.nan), (5000, np.inf), (5001, -np.inf)]:
        x[0, place], expected[0, place] = value, 0.0
    np.testing.assert_array_equal(plugin(x, rate), expected)


def test_dry_samples_are_counted_in_the_state(plugin: pedalboard.VST3Plugin) -> None:
    before = number(state_of(plugin), 216)
    x = noise(2, 40_000)
    plugin.process(x, 44100)
    state = state_of(plugin)
    assert number(state, 192, "<I") == 0, "no core"
    assert number(state, 208) == 0, "nothing came from one"
    # All but the wait for the first hop, which is neither.
    assert number(state, 216) - before >= 30_000
    length = number(state, 248, "<I")
    assert b"no core is running" in state[256 : 256 + length]


def test_the_state_carries_parameters_and_seed(bundle: str) -> None:
    one, two = pedalboard.load_plugin(bundle), pedalboard.load_plugin(bundle)
    one.amount, one.latency_safety_ms = 25.0, 20.0
    one.process(noise(2, 1000), 44100)
    preset = bytearray(one.preset_data)
    at = preset.index(b"UNCODECS")
    struct.pack_into("<Q", preset, at + 32, 0x0123456789ABCDEF)
    two.preset_data = bytes(preset)
    two.process(noise(2, 1000), 44100)
    state = state_of(two)
    assert struct.unpack_from("<dd", state, 16) == (0.25, 20.0)
    assert number(state, 32) == 0x0123456789ABCDEF


def test_parameters_read_what_a_state_brought(bundle: str) -> None:
    one, two = pedalboard.load_plugin(bundle), pedalboard.load_plugin(bundle)
    one.amount, one.bypass, one.latency_safety_ms, one.brightness_db = 25.0, True, 20.0, -3.0
    one.likeness = 40.0
    one.process(noise(2, 1000), 44100)
    two.preset_data = one.preset_data
    assert (two.amount, two.bypass, two.latency_safety_ms) == (25.0, True, 20.0)
    assert (two.brightness_db, two.likeness) == (-3.0, 40.0)


@pytest.mark.parametrize(("version", "brightness_db"), [(1, 0.0), (2, -3.0)])
def test_states_of_earlier_releases_are_read(
    bundle: str, version: int, brightness_db: float
) -> None:
    one, two = pedalboard.load_plugin(bundle), pedalboard.load_plugin(bundle)
    one.amount, one.brightness_db = 25.0, -3.0
    one.process(noise(2, 1000), 44100)
    preset = bytearray(one.preset_data)
    at = preset.index(b"UNCODECS")
    struct.pack_into("<I", preset, at + 8, version)
    # What such a release leaves empty.
    start = at + (176 if version == 1 else 184)
    preset[start : at + 192] = bytes(at + 192 - start)
    two.brightness_db, two.likeness = 6.0, 50.0
    two.preset_data = bytes(preset)
    assert (two.amount, two.likeness) == (25.0, 100.0)
    assert two.brightness_db == pytest.approx(brightness_db)


def test_many_instances_live_side_by_side(bundle: str) -> None:
    plugins = [pedalboard.load_plugin(bundle) for _ in range(8)]
    x = noise(2, 5000)
    for plugin in plugins:
        np.testing.assert_array_equal(plugin(x, 48000), x)


LOGGING = """
import sys, time
import numpy as np, pedalboard
plugin = pedalboard.load_plugin(sys.argv[1])
plugin(np.zeros((2, 48000), np.float32), 48000)
time.sleep(3)  # it looks for a core about once a second
"""


def test_a_core_that_is_none_is_logged_once(bundle: str, tmp_path: Path) -> None:
    path = tmp_path / "core.sock"
    asked = 0

    def serve() -> None:
        nonlocal asked
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                asked += 1
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n" + bytes(300))
                connection.settimeout(1)
                with contextlib.suppress(OSError):
                    connection.recv(4096)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        server = threading.Thread(target=serve)
        server.start()
        done = subprocess.run(
            [sys.executable, "-c", LOGGING, bundle],
            env=os.environ | {"UNCODEC_CORE_SOCKET": str(path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        listener.shutdown(socket.SHUT_RDWR)
        server.join()
    assert done.returncode == 0, done.stderr
    assert asked >= 2, "it was tried again"
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("uncodec: ")]
    assert line.endswith("; the audio goes on dry")
