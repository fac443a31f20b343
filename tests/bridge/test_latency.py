"""Latency of the plugin's path, measured in real time with a core of its own."""

import json

import pytest
from typer.testing import CliRunner

from uncodec import cli
from uncodec._native import HostPath
from uncodec.bridge.latency import measure_plugin_latency
from uncodec.bridge.launcher import PrivateCore
from uncodec.errors import InvalidValue

HOP, WINDOW = 64, 256


@pytest.fixture(scope="module", autouse=True)
def core(small_model):
    """Kept for all tests, so that it is started once."""
    core = PrivateCore.acquire(small_model, "cpu")
    yield core
    assert core.release()


@pytest.mark.parametrize(
    ("rate", "pattern", "block"), [(48000, "varying", 256), (96000, "fixed", 100)]
)
def test_an_impulse_comes_out_at_the_latency_that_is_reported(small_model, rate, pattern, block):
    report = measure_plugin_latency(
        small_model,
        sample_rate=rate,
        block=block,
        pattern=pattern,
        seconds=0.7,
        turnaround_s=0.5,
    )
    path = HostPath(
        sample_rate=rate, channels=2, window=WINDOW, hop=HOP, max_block=block, turnaround_s=0.5
    )
    assert report.impulse_samples == report.latency_samples == path.latency_samples
    assert report.algorithmic + report.buffering + report.turnaround == report.latency_samples
    assert (report.algorithmic, report.hop) == (path.model_delay, path.hop)
    # All hops whose first sample was due; a host may have called once more than it had to.
    due = 0.7 * rate - (path.latency_samples - path.model_delay)
    assert due / path.hop - 1 <= report.hops <= (due + block) / path.hop + 1
    assert 0 <= report.late <= report.hops
    assert report.path == "plugin"
    assert 0 < report.callback.p50 <= report.callback.max


def test_calls_of_any_size_get_a_block_more(small_model):
    options = {"sample_rate": 48000, "block": 480, "seconds": 0.1, "turnaround_s": 0.01}
    fixed = measure_plugin_latency(small_model, pattern="fixed", **options)
    random = measure_plugin_latency(small_model, pattern="random", **options)
    assert random.latency_samples == fixed.latency_samples + 480


def test_the_command_reports_the_same_as_for_a_session(small_model):
    words = ["latency", "--path", "plugin", "--model", small_model, "--seconds", "0.1"]
    result = CliRunner().invoke(cli.app, [*words, "--turnaround", "200", "--json"])
    assert result.exit_code == 0, result.stderr
    (run,) = json.loads(result.stdout)["runs"]
    assert run["path"] == "plugin"
    assert run["impulse_samples"] == run["latency_samples"]
    refused = CliRunner().invoke(cli.app, ["latency", "--path", "tunnel"])
    assert refused.exit_code == 2
    assert "path='tunnel': must be session or plugin" in refused.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 3}, "channels=3: must be 1 or 2"),
        ({"pattern": "odd"}, "pattern='odd'"),
        ({"turnaround_s": 2.0}, "turnaround_s=2.0"),
        ({"seconds": 0.0}, "seconds=0.0"),
        ({"block": 0}, "max_block=0"),
        ({"sample_rate": 7999}, "sample_rate=7999"),
    ],
)
def test_what_cannot_be_measured_is_refused(small_model, options, message):
    with pytest.raises(InvalidValue, match=message):
        measure_plugin_latency(small_model, **options)
