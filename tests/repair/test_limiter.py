"""The limiter: peaks between the samples count, and what is below the ceiling is not touched."""

import numpy as np
import pytest

from uncodec.errors import InvalidValue
from uncodec.repair.limiter import PeakLimiter, true_peak
from uncodec.streams.aligned import AlignedStream, through

RATE = 44100


def in_blocks(audio, sizes):
    start = 0
    while start < audio.shape[1]:
        size = next(sizes)
        yield audio[:, start : start + size]
        start += size


def limit(audio, ceiling_db, seed=0):
    rng = np.random.default_rng(seed)
    sizes = iter(lambda: int(rng.integers(1, 5_000)), None)
    limiter = AlignedStream(PeakLimiter(RATE, audio.shape[0], ceiling_db))
    return np.concatenate(list(through(in_blocks(audio, sizes), limiter)), axis=1)


def test_the_peak_between_two_samples_is_seen():
    # A sine of a quarter of the rate, sampled beside its peaks: 3 dB are between the samples.
    n = np.arange(4_000)
    tone = np.sin(np.pi / 2 * n + np.pi / 4) * np.hanning(n.size)
    audio = tone[None].astype(np.float32)
    assert np.abs(audio).max() == pytest.approx(np.sqrt(0.5), abs=1e-3)
    assert true_peak(audio) == pytest.approx(1.0, abs=2e-3)
    assert true_peak(np.zeros((2, 100), np.float32)) == 0.0


@pytest.mark.parametrize("ceiling_db", [-0.1, -1.0, -6.0])
def test_true_peaks_stay_below_the_ceiling(ceiling_db):
    rng = np.random.default_rng(1)
    audio = (0.4 * rng.standard_normal((2, 30_000))).astype(np.float32)
    result = limit(audio, ceiling_db)
    assert result.shape == audio.shape
    assert 20 * np.log10(true_peak(audio)) > 0
    assert 20 * np.log10(true_peak(result)) <= ceiling_db


def test_what_is_below_the_ceiling_passes_bit_for_bit():
    rng = np.random.default_rng(2)
    audio = (0.05 * rng.standard_normal((2, 40_000))).astype(np.float32)
    np.testing.assert_array_equal(limit(audio, -1.0), audio)
    audio[:, 20_000] = 1.5
    result = limit(audio, -1.0)
    np.testing.assert_array_equal(result[:, :19_000], audio[:, :19_000])
    np.testing.assert_array_equal(result[:, 21_000:], audio[:, 21_000:])
    assert np.abs(result[:, 20_000]).max() < 0.9


def test_blocks_change_nothing():
    audio = (0.4 * np.random.default_rng(3).standard_normal((2, 30_000))).astype(np.float32)
    np.testing.assert_allclose(limit(audio, -1.0, 0), limit(audio, -1.0, 1), atol=1e-6)


def test_the_stereo_image_stays():
    audio = np.random.default_rng(4).standard_normal((1, 20_000)).astype(np.float32)
    result = limit(np.concatenate([audio, 0.5 * audio]), -3.0)
    np.testing.assert_allclose(result[1], 0.5 * result[0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("ceiling_db", [0.1, -20.5, float("nan")])
def test_the_ceiling_is_checked(ceiling_db):
    with pytest.raises(InvalidValue, match="must be from -20 to 0 dB"):
        limit(np.zeros((1, 100), np.float32), ceiling_db)
