"""How far up music that was coded before can be trusted."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile as sf

from uncodec.cutoff import cut_off
from uncodec.errors import AudioFileError
from uncodec.training.music import list_music, read_manifest

RATE = 44100


def shaped(seconds, gains_db, seed=0):
    """Noise with a spectrum given in dB at frequencies in Hz, that swells twice a second."""
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0, 0.1, count))
    hz = np.fft.rfftfreq(count, 1 / RATE)
    spectrum *= 10 ** (np.interp(hz, *zip(*gains_db, strict=True)) / 20)
    swell = 0.3 + 0.7 * np.abs(np.sin(np.arange(count) * 2 * np.pi / RATE))
    return (np.fft.irfft(spectrum, count) * swell).astype(np.float32)


def test_the_wall_of_an_encoder_is_found():
    music = shaped(8, [(0, 0), (15900, -20), (16100, -120), (22050, -120)])
    assert cut_off(music, RATE) == pytest.approx(16000 * 0.96, rel=0.03)


def test_dark_music_is_not_taken_for_cut_music():
    music = shaped(8, [(0, 0), (4000, -30), (12000, -85), (22050, -120)])
    assert cut_off(music, RATE) == round(22050 * 0.96)


def test_silence_teaches_nothing():
    assert cut_off(np.zeros(RATE, np.float32), RATE) is None


def test_a_manifest_lists_what_was_unpacked(tmp_path):
    package = tmp_path / "some-music"
    package.mkdir()
    (package / ".unpacked").write_text("1.0-1\n")
    (package / "copyright").write_text("CC-BY-SA")
    wall = shaped(8, [(0, 0), (9900, -20), (10100, -120), (22050, -120)])
    sf.write(package / "song.flac", wall, RATE)
    sf.write(package / "low.flac", wall[::2], RATE // 2)
    (package / "noise.ogg").write_bytes(bytes(20000))
    listed = list_music(tmp_path)
    assert [entry.path for entry in listed] == ["some-music/song.flac"]
    assert read_manifest(tmp_path) == listed
    assert listed[0].version == "1.0-1"
    assert listed[0].licence == "some-music/copyright"
    assert listed[0].cutoff_hz == pytest.approx(10000 * 0.96, rel=0.03)


def test_what_no_codec_touched_teaches_all_of_its_bands(tmp_path):
    rendered = tmp_path / "renderings"
    rendered.mkdir()
    (rendered / ".unpacked").write_text("1\n")
    flute = shaped(8, [(0, 0), (9900, -20), (10100, -120), (22050, -120)])
    sf.write(rendered / "solo-0.flac", flute, RATE)
    assert [entry.cutoff_hz for entry in list_music(tmp_path)] == [RATE // 2]
    older = tmp_path / "manifest.csv"
    older.write_text(older.read_text().replace(f",{RATE // 2},", ",9600,"))
    assert [entry.cutoff_hz for entry in read_manifest(tmp_path)] == [9600]
    assert [entry.cutoff_hz for entry in list_music(tmp_path)] == [RATE // 2]


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(AudioFileError, match="must be a manifest of music"):
        read_manifest(tmp_path)
