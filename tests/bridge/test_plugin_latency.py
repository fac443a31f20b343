"""Latency of the built plugin, played in real time with a core of its own."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from uncodec import cli
from uncodec._native import session_timing
from uncodec.analysis.latency import Host
from uncodec.analysis.plugin_latency import PlayedPlugin, measure_plugin_latency
from uncodec.bridge.bundle import find_bundle, find_library
from uncodec.bridge.launcher import PrivateCore
from uncodec.errors import CoreError, InvalidValue
from uncodec.networks import Generator, GeneratorConfig, load_model, save_weights


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Folder of a small untrained generator that fits the plugin's default model."""
    torch.manual_seed(3)
    released = load_model("live-gan").config
    sizes = {"window": released.window, "hop": released.hop}
    config = GeneratorConfig(**sizes, encoder=16, hidden=16, local=4)
    folder = tmp_path_factory.mktemp("model")
    save_weights(folder, Generator(config), name="small", version="1")
    return str(folder)


@pytest.fixture(scope="module", autouse=True)
def core(model):
    """Kept for all tests, so that it is started once."""
    core = PrivateCore.acquire(model, "cpu")
    yield core
    assert core.release()


@pytest.mark.parametrize(
    ("plugin_format", "rate", "pattern", "block"),
    [
        ("vst3", 48000, "varying", 256),
        ("vst3", 96000, "fixed", 100),
        ("vst3", 44100, "random", 333),
        ("clap", 48000, "varying", 256),
        ("clap", 44100, "random", 333),
    ],
)
def test_an_impulse_comes_out_at_the_latency_that_is_reported(
    model, core, plugin_format, rate, pattern, block
):
    host = Host(rate, block=block, pattern=pattern, seconds=0.7, turnaround_s=0.05)
    report = measure_plugin_latency(host, model, bundle=find_bundle(plugin_format))
    (worker,) = core.status()["workers"]
    hop, delay, _ = session_timing(worker["window"], worker["hop"], rate)
    assert report.impulse_samples == report.latency_samples
    assert report.algorithmic + report.buffering + report.turnaround == report.latency_samples
    assert (report.algorithmic, report.hop) == (delay, hop)
    # All hops whose first sample was due; a host may have called once more than it had to.
    due = 0.7 * rate - (report.latency_samples - delay)
    assert due / hop - 1 <= report.hops <= (due + block) / hop + 1
    assert 0 <= report.late <= report.hops
    assert 0 <= report.late_calls <= report.calls
    assert report.calls >= 0.7 * rate / block
    assert report.path == "plugin"
    assert 0 < report.callback.p50 <= report.callback.max


def test_more_latency_safety_is_more_latency(model):
    options = {"block": 64, "seconds": 0.1}
    little = measure_plugin_latency(Host(turnaround_s=0.005, **options), model)
    much = measure_plugin_latency(Host(turnaround_s=0.05, **options), model)
    assert much.latency_samples - little.latency_samples >= 0.04 * 48000
    assert much.impulse_samples == much.latency_samples


def test_the_command_reports_the_same_as_for_a_session(model):
    words = ["latency", "--path", "plugin", "--model", model, "--seconds", "0.1"]
    result = CliRunner().invoke(cli.app, [*words, "--turnaround", "50", "--json"])
    assert result.exit_code == 0, result.stderr
    (run,) = json.loads(result.stdout)["runs"]
    assert run["path"] == "plugin"
    assert run["impulse_samples"] == run["latency_samples"]
    refused = CliRunner().invoke(cli.app, ["latency", "--path", "tunnel"])
    assert refused.exit_code == 2
    assert "path='tunnel': must be session or plugin" in refused.stderr


def test_a_report_that_is_one_sample_off_is_noticed(model, monkeypatch):
    truth = PlayedPlugin.latency_samples.fget
    monkeypatch.setattr(PlayedPlugin, "latency_samples", property(lambda self: truth(self) + 1))
    words = ["latency", "--path", "plugin", "--model", model, "--seconds", "0.1"]
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 1
    assert "an impulse did not come out at the reported latency" in result.stderr


def test_without_a_core_the_plugin_is_dry_in_time_and_says_so(tmp_path, noise):
    plugin = PlayedPlugin(find_library(), tmp_path / "core.sock", Host(block=100))
    audio = noise(12_000)
    out = np.zeros_like(audio)
    for start in range(0, 12_000, 100):
        plugin.call(audio[:, start : start + 100], out[:, start : start + 100])
    late = plugin.latency_samples
    np.testing.assert_array_equal(out[:, :late], 0)
    np.testing.assert_array_equal(out[:, late:], audio[:, :-late])
    status = plugin.status
    assert not status.connected
    assert status.reason
    assert (status.wet, status.latency_samples) == (0, late)
    assert status.dry > 0
    with pytest.raises(CoreError, match="the plugin found no core: "):
        _impatient(plugin)


def _impatient(plugin):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uncodec.analysis.plugin_latency.CONNECTING_S", 0.05)
        plugin.wait_for_core()


def test_a_bundle_that_is_not_built_is_refused_with_the_way_to_build_it(model, tmp_path):
    with pytest.raises(CoreError, match="`make plugin`"):
        measure_plugin_latency(Host(), model, bundle=tmp_path / "Uncodec.vst3")


def test_a_library_that_is_no_plugin_is_refused(tmp_path):
    library = tmp_path / "Uncodec.so"
    library.write_bytes(b"no library")
    with pytest.raises(CoreError, match=r"Uncodec\.so: "):
        PlayedPlugin(library, tmp_path / "core.sock", Host(block=64))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 3}, "channels=3: must be 1 or 2"),
        ({"pattern": "odd"}, "pattern='odd'"),
        ({"turnaround_s": 2.0}, "turnaround_s=2.0"),
        ({"turnaround_s": 0.0105}, "turnaround_s=0.0105"),
        ({"seconds": 0.0}, "seconds=0.0"),
        ({"block": 0}, "block=0"),
        ({"sample_rate": 7999}, "sample_rate=7999"),
    ],
)
def test_what_cannot_be_measured_is_refused(model, options, message):
    with pytest.raises(InvalidValue, match=message):
        measure_plugin_latency(Host(**options), model)
