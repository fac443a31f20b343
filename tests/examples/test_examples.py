"""The examples run as they stand, and do what they say."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from uncodec.codecs import encode, round_trip

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))
RATE = 44_100
FRAMES = 60_000


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder with 1.4 s of sound: lossless, as an MP3, and as a FLAC that was one."""
    folder = tmp_path_factory.mktemp("clips")
    t = np.arange(FRAMES) / RATE
    noise = np.random.default_rng(0).normal(0, 0.05, (2, FRAMES))
    tones = 0.2 * np.sin(2 * np.pi * 440 * t) + 0.1 * np.sin(2 * np.pi * 3000 * t)
    audio = (tones + noise).astype(np.float32)
    soundfile.write(folder / "song.flac", audio.T, RATE, subtype="PCM_24")
    (folder / "song.mp3").write_bytes(encode(audio, RATE, "mp3", kbps=128))
    music = folder / "music"
    music.mkdir()
    soundfile.write(music / "was_mp3.flac", round_trip(audio, RATE, "mp3", kbps=96).T, RATE)
    (music / "cover.txt").write_text("no sound")
    return folder


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run an example in a folder of its own; returns what it printed.

    In this process, because loading PyTorch takes longer than most of the examples.
    """

    def run(name: str, *arguments: str | Path) -> str:
        script = str(ROOT / "examples" / f"{name}.py")
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        monkeypatch.chdir(tmp_path)
        runpy.run_path(script, run_name="__main__")
        return capsys.readouterr().out

    return run


def read(path: Path):
    audio, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    return audio


def test_restore_file(run, clips, tmp_path):
    result, picture = tmp_path / "out.flac", tmp_path / "out.png"
    assert "times real time" in run("restore_file", clips / "song.mp3", result, picture)
    assert read(result).shape == (FRAMES, 2)
    assert picture.stat().st_size > 10_000


def test_chain_with_pedalboard(run, clips, tmp_path):
    result = tmp_path / "out.flac"
    assert "4 effects" in run("chain_with_pedalboard", clips / "song.mp3", result)
    assert read(result).shape == (FRAMES, 2)


def test_block_by_block_gives_what_a_whole_call_gives(run, clips, tmp_path):
    streamed, whole = tmp_path / "streamed.wav", tmp_path / "whole.wav"
    assert "latency 1023 samples" in run("block_by_block", clips / "song.mp3", streamed)
    run("restore_file", clips / "song.mp3", whole)
    assert read(streamed).shape == (FRAMES, 2)
    assert np.abs(read(streamed) - read(whole)).max() < 1e-5


def test_latency_against_buffer(run, tmp_path):
    picture = tmp_path / "latency.png"
    lines = run("latency_against_buffer", "0.3", picture).splitlines()
    assert [line.split()[0] for line in lines] == ["64", "256", "1024"]
    assert picture.stat().st_size > 10_000


def test_master_like_reference(run, clips, tmp_path):
    result = tmp_path / "master.flac"
    printed = run("master_like_reference", clips / "song.mp3", clips / "song.flac", result)
    assert "0 samples clipped" in printed
    audio = read(result)
    assert audio.shape == (FRAMES, 2)
    assert np.abs(audio).max() <= 10 ** (-1 / 20)


def test_inspect_folder_goes_on_after_a_file_without_sound(run, clips, tmp_path):
    picture = tmp_path / "evidence.png"
    printed = run("inspect_folder", clips / "music", picture)
    assert "cover.txt: " in printed
    assert "was_mp3.flac: " in printed
    assert picture.stat().st_size > 10_000


def test_listening_page(run, clips, tmp_path):
    run("listening_page", clips / "song.flac", tmp_path / "report", "1.2")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "exciter" in page


def test_repair_chain(run, clips, tmp_path):
    result = tmp_path / "repaired.flac"
    assert "delay 0.00 samples, gain " in run("repair_chain", clips / "song.mp3", result)
    assert read(result).shape == (FRAMES, 2)


def test_every_example_is_run_here():
    text = Path(__file__).read_text()
    named = set(re.findall(r'run\(\s*"(\w+)"', text))
    assert named == set(SCRIPTS)
    assert len(SCRIPTS) == 8


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_tells_how_it_is_called(name):
    text = (ROOT / "examples" / f"{name}.py").read_text()
    title, _, rest = text.removeprefix('"""').partition("\n")
    assert re.fullmatch(r"[A-Z][^.]+", title)
    assert f"    python examples/{name}.py " in rest
