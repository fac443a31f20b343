"""Scores, soloists and rushing noise, rendered as teachers."""

import shutil
import subprocess

import numpy as np
import pytest
import soundfile as sf

from uncodec.errors import UncodecError
from uncodec.training import renderings
from uncodec.training.renderings import phrase, render_all, rushing


def events(track):
    """(time, status, data) of a track of a MIDI file."""
    place, now = 0, 0
    while place < len(track):
        delta = 0
        while True:
            byte = track[place]
            place += 1
            delta = delta << 7 | byte & 0x7F
            if byte < 0x80:
                break
        now += delta
        status = track[place]
        size = 2 if status >> 4 == 0xC else 3
        yield now, status, bytes(track[place + 1 : place + size])
        place += size


@pytest.mark.parametrize("program", [0, 73, 125])
def test_a_phrase_is_a_score_in_which_every_note_ends(program):
    score = phrase(np.random.default_rng(4), program, 8.0)
    assert score[:4] == b"MThd"
    assert int.from_bytes(score[18:22], "big") == len(score) - 22
    sounding, last = {}, 0
    for at, status, data in events(score[22:]):
        assert at >= last
        last = at
        if status >> 4 == 0x9:
            assert status & 15 == (9 if program >= 120 else 0)
            assert 0 < data[0] < 128
            sounding[data[0]] = sounding.get(data[0], 0) + 1
        if status >> 4 == 0x8:
            sounding[data[0]] -= 1
    assert sounding
    assert not any(sounding.values())
    # 480 ticks are half a second.
    assert 6.0 < last / 960 < 12.0


def test_what_rushes_fills_the_band_in_stereo():
    tilts = []
    for seed in range(6):
        audio = rushing(np.random.default_rng(seed), 2.0)
        assert audio.shape == (2, 88200)
        assert 0.09 < np.abs(audio).max() < 0.91
        power = np.square(np.abs(np.fft.rfft(audio[0])))
        assert power[-1000:].mean() > 0
        tilts.append(10 * np.log10(power[2000:4000].mean() / power[30000:40000].mean()))
    assert np.ptp(tilts) > 6


def test_rendering_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(renderings, "_RUSHES", 2)
    monkeypatch.setattr(renderings, "_RUSH_S", 1.0)
    assert list(render_all(tmp_path, [], [])) == ["rushing-000.flac", "rushing-001.flac"]
    assert list(render_all(tmp_path, [], [])) == []


def test_without_fluidsynth_scores_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(renderings, "_RUSHES", 0)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UncodecError, match="fluidsynth: must be there"):
        next(render_all(tmp_path, [tmp_path / "font.sf2"], [tmp_path / "tune.mid"]))


def test_a_tune_is_cut_and_normalised(tmp_path, monkeypatch):
    def play(command, **settings):
        audio = 0.2 * np.ones((5 * 44100, 2))
        sf.write(command[command.index("-F") + 1], audio, 44100, subtype="FLOAT")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(renderings, "_RUSHES", 0)
    monkeypatch.setattr(renderings, "_SOLOS", 1)
    monkeypatch.setattr(renderings, "_TUNE_S", 3.0)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(subprocess, "run", play)
    made = list(render_all(tmp_path, [tmp_path / "font.sf2"], [tmp_path / "march.mid"]))
    assert made == ["tune-000-march.flac", "solo-000.flac"]
    audio, rate = sf.read(tmp_path / made[0])
    assert (rate, len(audio)) == (44100, 3 * 44100)
    assert np.abs(audio).max() == pytest.approx(0.7, abs=0.01)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".flac", ".flac"]
