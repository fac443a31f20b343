"""The benchmark of live paths compares what it says: right output, right latency, right counts."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from uncodec.analysis.latency import Percentiles
from uncodec.live.hop_engine import PassingEngine

BENCH = Path(__file__).resolve().parents[2] / "bench"
HOP, DELAY = 96, 160


@pytest.fixture(scope="module")
def live_path():
    """The benchmark's own modules, which are scripts and not part of the package."""
    sys.path.insert(0, str(BENCH))
    try:
        yield import_module("live_path")
    finally:
        sys.path.remove(str(BENCH))


@pytest.fixture(scope="module")
def paths(live_path):
    return import_module("live_paths")


class SquaringEngine(PassingEngine):
    """A delta that is no multiple of the input, and remembers how many hops came."""

    count = 0

    def push_into(self, audio, out):
        super().push_into(audio, out)
        self.count += 1
        np.multiply(out, out * self.count, out=out)


class SlowEngine(PassingEngine):
    """Takes four hops' time for each."""

    def push_into(self, audio, out):
        time.sleep(4 * self.hop / 48_000)
        super().push_into(audio, out)


@pytest.mark.parametrize("block", [1, 64, 96, 100, 192, 500])
def test_the_fifo_gives_the_models_output_late_by_its_latency(paths, block):
    audio = np.random.default_rng(0).normal(0, 0.1, (2, 100 * block)).astype(np.float32)
    direct = paths.Restorer(SquaringEngine(2, HOP, DELAY))
    whole = audio.shape[1] // HOP * HOP
    wanted = np.zeros((2, whole), np.float32)
    for first in range(0, whole, HOP):
        direct.push_into(audio[:, first : first + HOP], wanted[:, first : first + HOP])

    fifo = paths.NumpyFifo(paths.Restorer(SquaringEngine(2, HOP, DELAY)), block)
    out = np.full_like(audio, np.nan)
    for first in range(0, audio.shape[1], block):
        fifo.call_into(audio[:, first : first + block], out[:, first : first + block])
    waiting = fifo.latency_samples - DELAY
    assert waiting == HOP - np.gcd(HOP, block)
    np.testing.assert_array_equal(out[:, :waiting], 0)
    length = min(whole, out.shape[1] - waiting)
    np.testing.assert_array_equal(out[:, waiting : waiting + length], wanted[:, :length])


def test_the_model_as_wrappers_see_it_is_delayed_input_plus_delta(paths):
    audio = np.random.default_rng(0).normal(0, 0.1, (2, 20 * HOP)).astype(np.float32)
    restorer = paths.Restorer(PassingEngine(2, HOP, DELAY))
    out = np.zeros_like(audio)
    for first in range(0, audio.shape[1], HOP):
        restorer.push_into(audio[:, first : first + HOP], out[:, first : first + HOP])
    np.testing.assert_array_equal(out[:, :DELAY], 0)
    np.testing.assert_array_equal(out[:, DELAY:], 2 * audio[:, :-DELAY])


def test_impulses_are_where_paths_report_them(live_path, paths):
    engine = PassingEngine(2, HOP, DELAY)
    fifo = paths.measure_path("fifo", paths.NumpyFifo, engine, block=64, seconds=0.1)
    session = live_path.measure_session(engine, block=64, seconds=0.1)
    assert fifo.impulse_samples == fifo.latency_samples == DELAY + HOP - 32
    assert session.impulse_samples == session.latency_samples
    assert fifo.blocks == session.blocks == 75
    assert fifo.hops == 50


def test_a_call_that_outlasts_its_block_is_late(paths):
    engine = SlowEngine(2, HOP, DELAY)
    slow = paths.measure_path("fifo", paths.NumpyFifo, engine, block=64, seconds=0.1)
    # Every call but one in three finishes a hop.
    assert slow.late_blocks >= slow.hops == 50
    assert slow.turnaround.p50 >= 4 * HOP / 48_000


def test_neutone_that_is_not_there_is_told(live_path, tmp_path):
    times = {"block": 64, "seconds": 0.1}
    missing = live_path.measure_neutone("live-gan", python=tmp_path / "python", **times)
    assert missing.startswith("not installed")
    failing = tmp_path / "failing"
    failing.write_text("#!/bin/sh\necho first >&2\necho 'no such thing' >&2\nexit 1\n")
    failing.chmod(0o755)
    told = live_path.measure_neutone("live-gan", python=failing, **times)
    assert told == "not measured: no such thing"


def test_neutones_impulse_is_where_it_reports_it(live_path):
    if not live_path.NEUTONE.exists():
        pytest.skip("neutone_sdk is not installed")
    found = live_path.measure_neutone("live-gan", block=128, seconds=0.2)
    assert found.impulse_samples == found.latency_samples
    assert found.blocks == 75


def test_rows_hold_what_was_measured(live_path, paths):
    times = Percentiles(0.001, 0.002, 0.003, 0.004)
    engine_fields = {"blocks": 100, "late_blocks": 7, "hops": 20, "late_hops": 3}
    report = paths.PathReport(
        "some path", 128, 1000, 1001, callback=times, turnaround=times, **engine_fields
    )
    row = live_path.as_row(report)
    assert row.what.split() == ["128", "some", "path"]
    numbers = ["1.00", "2.00", "3.00", "4.00"]
    assert row.measured.split() == [
        *("1000", "1001"),
        *numbers,
        *numbers,
        *("7", "of", "100", "3", "of", "20"),
    ]
