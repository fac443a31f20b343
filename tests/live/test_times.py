"""Distribution of times over a whole run."""

import numpy as np
import pytest

from uncodec.live.times import Percentiles, TimeHistogram


def test_percentiles_are_of_all_times_and_within_one_bucket():
    times = np.random.default_rng(0).lognormal(10, 2, 200_000).astype(np.int64)
    histogram = TimeHistogram()
    for value in times.tolist():
        histogram.add(value)
    found, exact = histogram.percentiles(), Percentiles.of(times * 1e-9)
    for name in ("p50", "p99", "p999"):
        assert getattr(exact, name) * 0.999 <= getattr(found, name)
        assert getattr(found, name) <= getattr(exact, name) * (1 + 1 / 64) * 1.001
    assert found.max == exact.max
    assert histogram.count == 200_000


def test_an_early_outlier_is_not_forgotten():
    histogram = TimeHistogram()
    for _ in range(200):
        histogram.add(10_000_000)
    for _ in range(100_000):
        histogram.add(1000)
    assert histogram.percentiles().p999 == pytest.approx(0.01, rel=1 / 64)


def test_small_times_are_exact_and_extreme_ones_are_counted():
    histogram = TimeHistogram()
    assert histogram.percentiles() == Percentiles(0.0, 0.0, 0.0, 0.0)
    for value in range(1, 101):
        histogram.add(value)
    assert histogram.percentiles().p50 == pytest.approx(50e-9)
    histogram.clear()
    histogram.add(-5)
    assert histogram.percentiles().max == 0
    histogram.add(1 << 60)
    assert (histogram.count, histogram.max_ns) == (2, 1 << 60)
