"""ViSQOL: sensible opinions where it is installed, a clear word where it is not."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from uncodec.analysis import perceptual
from uncodec.analysis.perceptual import require_visqol, visqol
from uncodec.errors import InvalidValue, UncodecError


@pytest.fixture
def music():
    rng = np.random.default_rng(0)
    time = np.arange(3 * 44100) / 44100
    chord = sum(np.sin(2 * np.pi * hz * time) * np.exp(-2 * (time % 0.5)) for hz in (220, 277, 330))
    return (0.1 * chord + 0.02 * rng.standard_normal((2, time.size))).astype(np.float32)


def test_a_missing_package_is_named(music, monkeypatch):
    monkeypatch.setitem(sys.modules, "visqol", None)
    perceptual._judge.cache_clear()
    for call in (require_visqol, lambda: visqol(music, music, 44100)):
        with pytest.raises(UncodecError, match=r"pip install 'uncodec\[visqol\]'"):
            call()


def test_what_cannot_be_judged_has_no_score():
    short, silent = np.ones((1, 20000)), np.zeros((2, 60000))
    assert np.isnan(visqol(short, short, 44100))
    assert np.isnan(visqol(silent, silent, 44100))


def test_torch_keeps_its_threads(music):
    pytest.importorskip("visqol")
    import torch

    before = torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        visqol(music, music, 44100)
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)


def test_wrong_shapes_are_refused(music):
    with pytest.raises(InvalidValue, match="shape"):
        visqol(music, music[:, 1:], 44100)


# The package compiles its loops on first use, which takes some seconds.
@pytest.mark.nightly
def test_more_damage_is_judged_worse(music):
    pytest.importorskip("visqol")
    spectrum = np.fft.rfft(music)
    scores = []
    for keep_hz in (22050, 12000, 3000):
        cut = spectrum.copy()
        cut[:, int(3 * keep_hz) :] = 0
        scores.append(visqol(music, np.fft.irfft(cut, n=music.shape[1]), 44100))
    assert scores[0] > 4.6
    assert scores[0] > scores[1] > scores[2]
