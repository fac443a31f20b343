"""The latency measurement: hosts, bounds, and impulses that must be where the report says."""

import itertools

import numpy as np
import pytest
from scipy.stats import beta

from uncodec.analysis import latency
from uncodec.analysis.latency import (
    Host,
    Percentiles,
    late_rate_bound,
    measure_impulse,
    measure_latency,
)
from uncodec.analysis.latency_picture import draw_latency
from uncodec.errors import InvalidValue, ModelError, UncodecError
from uncodec.live.hop_engine import PassingEngine
from uncodec.streams.line import Line

HOP, DELAY = 64, 192


@pytest.fixture(scope="module")
def report():
    return measure_latency(Host(block=128, seconds=0.3), engine=PassingEngine(2, HOP, DELAY))


def calls_of(pattern, block, count, seed=0):
    host = Host(pattern=pattern, block=block, seed=seed)
    return list(itertools.islice(host.calls(), count))


def test_a_fixed_host_calls_with_whole_blocks():
    calls = calls_of("fixed", 100, 50)
    assert calls == [(100, 100 * (i + 1)) for i in range(50)]


def test_a_varying_host_cuts_some_blocks_but_keeps_their_times():
    calls = calls_of("varying", 100, 400, seed=1)
    sizes, due = np.array(calls).T
    assert {0} == set(due % 100)
    # All of a block has been called for by the time the next one is due.
    last_of_block = np.append(np.diff(due) > 0, True)
    np.testing.assert_array_equal(np.cumsum(sizes)[last_of_block], due[last_of_block])
    assert 0.3 < np.mean(sizes < 100) < 0.9


def test_a_random_host_calls_when_it_likes():
    calls = calls_of("random", 100, 400, seed=1)
    sizes, due = np.array(calls).T
    assert sizes.min() >= 1
    assert sizes.max() <= 100
    np.testing.assert_array_equal(np.cumsum(sizes), due)
    assert calls == calls_of("random", 100, 400, seed=1)
    assert calls != calls_of("random", 100, 400, seed=2)


@pytest.mark.parametrize("block", [1, 2])
@pytest.mark.parametrize("pattern", ["fixed", "varying", "random"])
def test_the_smallest_blocks(pattern, block):
    sizes = [size for size, _ in calls_of(pattern, block, 50)]
    assert set(sizes) <= {1, block}


@pytest.mark.parametrize(("late", "hops"), [(1, 10), (1, 5000), (7, 100), (300, 1000), (99, 100)])
def test_the_bound_is_that_of_clopper_and_pearson(late, hops):
    expected = beta.ppf(0.95, late + 1, hops - late)
    assert late_rate_bound(late, hops) == pytest.approx(expected, rel=1e-9)


def test_the_bound_without_late_hops_is_the_rule_of_three():
    assert late_rate_bound(0, 1000) == 0.003
    assert [late_rate_bound(0, 0), late_rate_bound(0, 2), late_rate_bound(5, 5)] == [1, 1, 1]


def test_percentiles_by_hand():
    found = Percentiles.of(np.arange(1001.0))
    assert (found.p50, found.p99, found.max) == (500, 990, 1000)
    assert found.p999 == pytest.approx(999)
    assert Percentiles.of(np.zeros(0)) == Percentiles(0, 0, 0, 0)


@pytest.mark.parametrize("block", [16, 17, 441, 4096])
@pytest.mark.parametrize("pattern", ["fixed", "varying", "random"])
def test_an_impulse_in_real_time_is_where_it_is_said_to_be(pattern, block):
    engine = PassingEngine(1, HOP, DELAY)
    host = Host(44100, 1, block, pattern, turnaround_s=0.005, seconds=0.1)
    report = measure_latency(host, engine=engine)
    assert report.impulse_samples == report.latency_samples


def test_a_path_that_is_off_by_one_is_found(monkeypatch):
    class OffByOne(PassingEngine):
        """Says one sample less than it delays."""

        def __init__(self, channels, hop, delay):
            super().__init__(channels, hop, delay)
            self._past = Line(channels, delay + 1)

        def tail_into(self, out):
            out.fill(0)

    monkeypatch.setattr(latency, "PassingEngine", OffByOne)
    # Long enough for any machine to have the hop in time.
    host = Host(channels=1, block=256, turnaround_s=1.0)
    with pytest.raises(UncodecError, match="one sample went in, 2 came out"):
        measure_impulse(OffByOne(1, HOP, DELAY), host)


def test_a_report_adds_up(report):
    parts = report.algorithmic + report.buffering + report.turnaround
    assert report.latency_samples == parts == report.impulse_samples
    assert (report.hop, report.algorithmic, report.turnaround) == (HOP, DELAY, 512)
    played = 0.3 * 48000 - (report.latency_samples - DELAY)
    assert report.hops == pytest.approx(played / HOP, abs=4)
    assert report.late_rate == report.late / report.hops
    assert report.late_rate <= report.late_rate_bound
    assert 0 < report.callback.p50 <= report.callback.p99 <= report.callback.max
    assert report.as_dict()["callback"]["max"] == report.callback.max
    assert report.as_dict()["block"] == 128
    assert report.as_dict()["turnaround_budget_s"] == report.host.turnaround_s == 0.01
    assert report.host.period_s == 128 / 48000


def test_a_picture_is_drawn(report, tmp_path):
    target = draw_latency([report, report], tmp_path / "new" / "latency.png")
    assert target.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(InvalidValue, match="one or more"):
        draw_latency([], tmp_path / "none.png")
    with pytest.raises(InvalidValue, match=r"latency\.xyz"):
        draw_latency([report], tmp_path / "latency.xyz")
    with pytest.raises(UncodecError, match="cannot be written"):
        draw_latency([report], tmp_path / "new" / "latency.png" / "below.png")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"pattern": "wild"}, InvalidValue, "pattern='wild': must be one of fixed, varying, rand"),
        ({"seconds": 0}, InvalidValue, "seconds=0: must be from 0.1"),
        ({"seconds": float("nan")}, InvalidValue, "seconds=nan"),
        ({"block": 0}, InvalidValue, "block=0"),
        ({"sample_rate": 96000}, InvalidValue, "sample_rate=96000"),
        ({"channels": 3}, InvalidValue, "channels=3"),
    ],
)
def test_settings_are_checked(change, error, message):
    with pytest.raises(error, match=message):
        measure_latency(Host(**change))


def test_an_unknown_model_is_told():
    with pytest.raises(ModelError, match="model='nowhere'"):
        measure_latency(Host(), "nowhere")
