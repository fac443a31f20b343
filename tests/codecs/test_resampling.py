"""Whole-signal resampling: no delay, flat, no aliases."""

from __future__ import annotations

import numpy as np
import pytest

from uncodec.codecs.resampling import low_pass, output_length, resample

PAIRS = [
    (44100, 48000),
    (48000, 44100),
    (44100, 22050),
    (44100, 16000),
    (96000, 8000),
    (8000, 48000),
]


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_a_tone_keeps_its_phase_and_level(rate_in, rate_out):
    hertz = 0.4 * min(rate_in, rate_out)
    seconds = 0.5
    tone = np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate_in)) / rate_in + 0.3)
    got = resample(tone[None].astype(np.float32), rate_in, rate_out)
    assert got.shape == (1, output_length(tone.size, rate_in, rate_out))
    wanted = np.sin(2 * np.pi * hertz * np.arange(got.shape[1]) / rate_out + 0.3)
    middle = slice(got.shape[1] // 4, -(got.shape[1] // 4))
    assert np.max(np.abs(got[0, middle] - wanted[middle])) < 1e-3


def test_what_lies_above_is_gone():
    tone = np.sin(2 * np.pi * 15000 * np.arange(44100) / 44100)[None].astype(np.float32)
    got = resample(tone, 44100, 22050)
    assert np.max(np.abs(got[:, 4000:-4000])) < 1e-4


def test_nothing_wraps_around_the_ends():
    step = np.ones((1, 5000), np.float32)
    step[:, :2500] = 0
    assert np.max(np.abs(resample(step, 44100, 48000)[:, :100])) < 1e-3


def test_low_pass_keeps_the_rest():
    t = np.arange(48000) / 48000
    low, high = np.sin(2 * np.pi * 1000 * t), np.sin(2 * np.pi * 9000 * t)
    got = low_pass((low + high)[None].astype(np.float32), 48000, 6000.0)
    assert np.max(np.abs(got[0, 8000:-8000] - low[8000:-8000])) < 1e-3
