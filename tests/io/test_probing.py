"""A file holds audio if the demuxer finds some in it, whatever its name says."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
import soundfile

from uncodec.errors import InvalidType
from uncodec.io import open_audio, probe_audio

RATE = 48000


@pytest.mark.parametrize(
    ("ending", "container", "codec", "shown"),
    [
        (".m4b", "ipod", "aac", "M4A/AAC"),
        (".3gp", "3gp", "aac", "M4A/AAC"),
        (".mov", "mov", "aac", "M4A/AAC"),
        (".mkv", "matroska", "libopus", "MATROSKA/OPUS"),
        (".mka", "matroska", "flac", "MATROSKA/PCM_16"),
        (".webm", "webm", "libopus", "MATROSKA/OPUS"),
        (".wv", "wv", "wavpack", "WV/WAVPACK"),
        (".tta", "tta", "tta", "TTA/TTA"),
        (".wma", "asf", "wmav2", "WMA/WMAV2"),
        (".mp2", "mp2", "mp2", "MP3/MP2"),
        (".aac", "adts", "aac", "AAC/AAC"),
    ],
)
@pytest.mark.parametrize("name", ["right", "none"])
def test_audio_is_found_under_any_name(ending, container, codec, shown, name, noise, tmp_path, mux):
    path = tmp_path / f"x{ending if name == 'right' else '.bin'}"
    mux(path, container, codec, noise(30000, 2, RATE))
    probe = probe_audio(path)
    assert probe
    assert (probe.kind, probe.reason) == ("audio", "")
    assert f"{probe.format}/{probe.subtype}" == shown
    with open_audio(path) as reader:
        assert (reader.format, reader.subtype) == (probe.format, probe.subtype)
        assert (reader.channels, reader.sample_rate) == (probe.channels, probe.sample_rate)
        assert reader.read().shape[1] > 20000


@pytest.mark.parametrize("ending", [".wav", ".aiff", ".caf", ".au", ".w64", ".rf64", ".flac"])
def test_uncompressed_audio_is_found(ending, noise, tmp_path):
    path = tmp_path / f"x{ending}"
    soundfile.write(path, noise(5000, 2, RATE).T, RATE)
    probe = probe_audio(path)
    assert probe.found
    assert (probe.sample_rate, probe.channels) == (RATE, 2)
    assert probe.seconds == pytest.approx(5000 / RATE)


def test_sound_beside_pictures_is_found(noise, jpeg, tmp_path, mux):
    mux(tmp_path / "film.mkv", "matroska", "libopus", noise(30000, 2, RATE), video=True)
    mux(tmp_path / "covered.mp3", "mp3", "libmp3lame", noise(30000, 2, RATE), picture=jpeg)
    assert probe_audio(tmp_path / "film.mkv")
    assert probe_audio(tmp_path / "covered.mp3")


@pytest.mark.parametrize("frames", [1, 2000])
def test_the_shortest_files_are_found_by_their_names(frames, noise, tmp_path, mux):
    mux(tmp_path / "x.mp3", "mp3", "libmp3lame", noise(frames, 1, RATE))
    assert probe_audio(tmp_path / "x.mp3")


def test_what_is_no_audio_says_why(jpeg, tmp_path, capfd, mux):
    mux(tmp_path / "mute.mp4", "mp4", "", None, video=True)
    (tmp_path / "cover.mp3").write_bytes(jpeg)
    (tmp_path / "list.m3u").write_bytes(b"#EXTM3U\nother.wav\n")
    (tmp_path / "notes.txt").write_bytes(b"The quick brown fox.\n" * 500)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "short.flac").write_bytes(b"fLaC\0\0\0\x22")
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 2)), RATE)
    (tmp_path / "samples.sw").write_bytes(random.Random(1).randbytes(20000))
    wanted = {
        "mute.mp4": ("video", "only moving pictures"),
        "cover.mp3": ("picture", "only a picture"),
        "list.m3u": ("playlist", "is a playlist"),
        "notes.txt": ("unknown", ""),
        "empty.wav": ("unreadable", "is empty"),
        "missing.wav": ("unreadable", "does not exist"),
        ".": ("unreadable", "is a folder"),
        "short.flac": ("damaged", ""),
        "none.wav": ("damaged", "0 samples"),
        "samples.sw": ("unknown", "without a header"),
    }
    for name, (kind, reason) in wanted.items():
        probe = probe_audio(tmp_path / name)
        assert not probe, name
        assert probe.kind == kind, name
        assert probe.reason, name
        assert reason in probe.reason
    assert capfd.readouterr() == ("", "")
    with pytest.raises(InvalidType, match="path=7"):
        probe_audio(7)


@pytest.mark.parametrize("seed", range(20))
def test_chance_is_no_audio(seed, tmp_path):
    path = tmp_path / "x"
    draw = random.Random(seed)
    data = bytearray(draw.randbytes(1000) + bytes(1000) + draw.randbytes(60000))
    # The beginning of an MP3 frame here and there, as in any large file.
    for _ in range(20):
        place = draw.randrange(len(data) - 4)
        data[place : place + 4] = b"\xff\xfb\x90\x04"
    path.write_bytes(data)
    assert not probe_audio(path)


def test_a_file_cut_at_its_start_is_not_passed_over(noise, tmp_path, mux):
    path = tmp_path / "x.m4a"
    mux(path, "ipod", "aac", noise(60000, 2, RATE))
    os.truncate(path, 3000)
    assert probe_audio(path).kind == "damaged"
