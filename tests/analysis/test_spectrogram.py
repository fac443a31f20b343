"""The picture: its levels, its panels, its errors."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from uncodec.analysis.spectrogram import spectrogram_db, spectrogram_picture
from uncodec.errors import AudioFileError, InvalidValue, UncodecError

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


def test_a_picture_with_three_panels_is_written(tmp_path):
    pytest.importorskip("matplotlib")
    panels = {"Before": tone(), "After": tone(8000.0), "Reference": tone(level=0.0)}
    path = tmp_path / "new" / "picture.png"
    assert spectrogram_picture(panels, RATE, path, title="T", notes={"After": "LSD 1"}) == path
    assert path.read_bytes().startswith(b"\x89PNG")
    height = int.from_bytes(path.read_bytes()[20:24], "big")
    spectrogram_picture({"Before": tone()}, RATE, path)
    assert int.from_bytes(path.read_bytes()[20:24], "big") < 0.6 * height


def test_the_axes_name_khz_seconds_and_db(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "picture.svg"
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        spectrogram_picture({"Before": tone(), "After": tone()}, RATE, path)
    text = path.read_text()
    for words in ("Frequency (kHz)", "Time (s)", "Level (dB", "Before", "After"):
        assert words in text


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UncodecError, match=r"uncodec\[plots\]"):
        spectrogram_picture({"Before": tone()}, RATE, tmp_path / "picture.png")


def test_wrong_panels_are_refused(tmp_path):
    with pytest.raises(InvalidValue, match="panels"):
        spectrogram_picture({}, RATE, tmp_path / "picture.png")
    with pytest.raises(InvalidValue, match="at least 2048"):
        spectrogram_picture({"Before": np.zeros(100)}, RATE, tmp_path / "picture.png")
    with pytest.raises(InvalidValue, match=r"picture\.txt"):
        spectrogram_picture({"Before": tone()}, RATE, tmp_path / "picture.txt")


def test_a_picture_that_cannot_be_written_says_so(tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "file").write_text("")
    with pytest.raises(AudioFileError, match="cannot be written"):
        spectrogram_picture({"Before": tone()}, RATE, tmp_path / "file" / "picture.png")


def test_the_palette_keeps_white_white_and_the_loudest_bright(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    path = spectrogram_picture({"Before": tone()}, RATE, tmp_path / "picture.png")
    pixels = np.asarray(image.open(path).convert("RGB")).astype(int)
    assert pixels[1, 1].tolist() == [255, 255, 255]
    # The top of the colour bar is the pale yellow end of the map.
    assert np.abs(pixels - [252, 253, 191]).sum(axis=-1).min() < 12
