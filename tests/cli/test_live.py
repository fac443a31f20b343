"""``uncodec live`` and ``uncodec latency``, with a small untrained model."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile


@pytest.fixture
def short(put, song):
    return put("short.wav", song[:, :9000], subtype="PCM_24")


def test_a_file_is_played_into_a_file_of_the_same_length_and_place(run_model, model, short):
    target = short.with_name("out.wav")
    options = ("--file", short, "--model", model, "-o", target, "--amount", 0, "--block", 100)
    outcome = run_model("live", *options)
    assert outcome.code == 0
    assert "0.2 s played with a delay of" in outcome.stdout
    source, _ = soundfile.read(short)
    result, rate = soundfile.read(target)
    assert rate == 44100
    # Equal but for the dither.
    assert result.shape == source.shape
    assert np.abs(result - source).max() < 2**-22


def test_it_does_restore(run_model, model, short):
    target = short.with_name("out.flac")
    # The largest budget, so that even a machine that is very busy has some hops in time.
    options = ("--file", short, "--model", model, "-o", target, "--turnaround", 1000, "--json")
    outcome = run_model("live", *options)
    told = json.loads(outcome.stdout)
    assert (outcome.code, told["failures"]) == (0, 0)
    assert told["late"] < told["hops"]
    assert told["latency_samples"] > 44100
    source, _ = soundfile.read(short)
    result, _ = soundfile.read(target)
    assert np.abs(result - source).max() > 1e-3


def test_without_sound_nothing_is_left(run_model, model, short, only_left):
    outcome = run_model("live", "--file", short, "--model", model, "--no-sound")
    assert (outcome.code, outcome.stderr) == (0, "")
    only_left(short)


def test_an_existing_file_is_kept(run_model, model, short):
    before = short.read_bytes()
    outcome = run_model("live", "--file", short, "--model", model, "-o", short)
    assert outcome.code == 1
    assert len(outcome.error_lines) == 1
    assert short.read_bytes() == before


def test_a_missing_sound_package_is_told_with_what_to_do(run_model, model, short, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "sounddevice" else real(name)
    )
    outcome = run_model("live", "--file", short, "--model", model)
    assert outcome.code == 1
    assert "pip install 'uncodec[sound]', or use --no-sound or -o OUT" in outcome.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--block", 0), "block=0: must be from 1 to 65536"),
        (("--amount", 2), "amount=2.0"),
        (("--brightness", 12.5), "brightness_db=12.5: must be from -12 to 12"),
        (("--turnaround", -1), "turnaround_s=-0.001"),
        (("--model", "nowhere"), "model='nowhere'"),
    ],
)
def test_wrong_use_of_live(run_model, model, short, only_left, options, message):
    target = short.with_name("out.wav")
    outcome = run_model("live", "--file", short, "--model", model, "-o", target, *options)
    assert outcome.code == 2
    assert message in outcome.stderr
    only_left(short)


def test_other_rates_and_bad_files(run_model, model, put, song, tmp_path):
    high = put("high.wav", song[:, :100], 96000)
    outcome = run_model("live", "--file", high, "--model", model, "--no-sound")
    assert outcome.code == 2
    assert "sample_rate=96000: a live session runs at 44100 or 48000 Hz" in outcome.stderr
    missing = run_model("live", "--file", tmp_path / "nope.wav", "--no-sound")
    assert missing.code == 1
    assert "nope.wav" in missing.stderr


def test_latency_in_a_table(run_model, model):
    outcome = run_model("latency", "--model", model, "--seconds", 0.2, "--block", 64)
    head, row, legend = outcome.stdout.splitlines()
    assert outcome.code == 0
    assert "impulse" in head
    # 192 of the model, nothing for hops of 64 in blocks of 64, 8 blocks for 10 ms.
    assert row.split()[:6] == ["64", "704", "192", "0", "512", "704"]
    assert "hops of 64" in legend


def test_the_plugin_is_not_measured_without_the_test_host(run_model, model, monkeypatch):
    monkeypatch.delattr("uncodec._native.PluginHost", raising=False)
    monkeypatch.setattr("uncodec.bridge.launcher.PrivateCore.acquire", None)
    outcome = run_model("latency", "--path", "plugin", "--model", model)
    assert (outcome.code, outcome.stdout) == (1, "")
    (line,) = outcome.stderr.splitlines()
    assert "the test host that loads the plugin is not in this installation" in line
    assert "`make setup`" in line


def test_latency_in_json_with_a_picture(run_model, model, tmp_path):
    options = ("--seconds", 0.1, "--rate", 44100, "--pattern", "random", "--channels", 1)
    picture = tmp_path / "latency.png"
    outcome = run_model("latency", "--model", model, *options, "--json", "--plot", picture)
    (report,) = json.loads(outcome.stdout)["runs"]
    assert report["impulse_samples"] == report["latency_samples"]
    assert (report["sample_rate"], report["pattern"], report["channels"]) == (44100, "random", 1)
    assert picture.stat().st_size > 1000


def test_a_sweep_has_a_row_for_each_size(run_model, model, monkeypatch):
    monkeypatch.setattr("uncodec.analysis.latency.SWEEP", (32, 256))
    outcome = run_model("latency", "--model", model, "--seconds", 0.1, "--sweep")
    rows = outcome.stdout.splitlines()[1:-1]
    assert [row.split()[0] for row in rows] == ["32", "256"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--pattern", "wild"), "pattern='wild': must be one of fixed, varying, random"),
        (("--seconds", 0), "seconds=0.0"),
        (("--rate", 96000), "sample_rate=96000"),
        (("--plot", "picture.txt"), "plot='picture.txt': must end in .png, .svg or .pdf"),
    ],
)
def test_wrong_use_of_latency(run_model, model, options, message):
    outcome = run_model("latency", "--model", model, *options)
    assert outcome.code == 2
    assert message in outcome.stderr


@pytest.mark.parametrize("command", ["live", "latency"])
def test_help_imports_nothing_heavy(command):
    script = f"""
import sys, contextlib, io
sys.argv[1:] = [{command!r}, "--help"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    from uncodec.cli import main
    main()
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & {"torch", "numba", "numpy", "av", "matplotlib"} == set()
