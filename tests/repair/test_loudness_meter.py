"""The running loudness is the loudness of the whole file."""

import numpy as np
import pytest

from uncodec.analysis.loudness import integrated_loudness
from uncodec.loudness import LoudnessMeter


def heard(audio, rate, seed=0):
    meter = LoudnessMeter(rate, audio.shape[0])
    rng = np.random.default_rng(seed)
    start = 0
    while start < audio.shape[1]:
        stop = start + min(meter.room, int(rng.integers(1, 3000)))
        meter.push(audio[:, start:stop])
        start = stop
    return meter.lufs


@pytest.mark.parametrize("rate", [8000, 44100, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_it_agrees_with_the_whole_file_measure(rate, channels):
    rng = np.random.default_rng(rate)
    steps = np.repeat(10 ** rng.uniform(-3, -0.7, 12), rate // 2)
    audio = (steps * rng.standard_normal((channels, steps.size))).astype(np.float32)
    assert heard(audio, rate) == pytest.approx(integrated_loudness(audio, rate), abs=0.05)
    assert heard(audio, rate, 1) == pytest.approx(heard(audio, rate), abs=1e-6)


def test_silence_and_what_is_below_the_gate_have_no_loudness():
    assert heard(np.zeros((2, 30_000), np.float32), 44100) == -np.inf
    assert heard(np.full((2, 30_000), 1e-5, np.float32), 44100) == -np.inf
