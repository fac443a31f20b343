"""Spectrograms: their levels, and the colours of their pictures."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from uncodec.analysis.pictures import new_figure
from uncodec.analysis.spectrogram import COLOURS, save_palette_png, spectrogram_db
from uncodec.errors import InvalidValue, UncodecError

RATE = 44100


def tone(hz=1000.0, seconds=1.0, level=1.0):
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype("f4")


def test_a_full_scale_sine_is_at_0_db_where_it_belongs():
    levels, hop_s = spectrogram_db(tone(RATE / 2048 * 100), RATE)
    column = levels[:, levels.shape[1] // 2]
    assert int(column.argmax()) == 100
    assert column.max() == pytest.approx(0.0, abs=0.02)
    assert hop_s == pytest.approx(256 / RATE)


def test_sound_out_of_phase_between_channels_stays_visible():
    x = tone()
    levels, _ = spectrogram_db(np.stack([x, -x]), RATE)
    assert levels.max() == pytest.approx(0.0, abs=1.5)


def test_silence_and_hours_are_no_problem():
    levels, _ = spectrogram_db(np.zeros(RATE, np.float32), RATE)
    assert (levels == -200.0).all()
    levels, hop_s = spectrogram_db(np.zeros(60 * RATE, np.float32), RATE)
    assert levels.shape[1] <= 1501
    assert levels.shape[1] * hop_s == pytest.approx(60.0, abs=0.1)


def test_sound_that_is_too_short_is_refused():
    with pytest.raises(InvalidValue, match="at least 2048"):
        spectrogram_db(np.zeros(100), RATE)


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UncodecError, match=r"uncodec\[plots\]"):
        new_figure(1.0, 1.0)


def test_the_palette_keeps_white_white_and_the_loudest_bright(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    figure, path = new_figure(4.0, 3.0), tmp_path / "picture.png"
    ramp = np.linspace(0.0, 1.0, 100)[:, np.newaxis]
    figure.subplots().imshow(ramp, aspect="auto", cmap=COLOURS)
    save_palette_png(figure, path, (COLOURS,))
    pixels = np.asarray(image.open(path).convert("RGB")).astype(int)
    assert pixels[1, 1].tolist() == [255, 255, 255]
    # The end of the colour map is a pale yellow.
    assert np.abs(pixels - [252, 253, 191]).sum(axis=-1).min() < 12
