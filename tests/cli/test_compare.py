"""``uncodec compare``: what it leaves, and how it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from uncodec.codecs import encode

RATE = 44100
QUICK = ("--engines", "exciter", "--no-visqol", "--no-cost", "--no-noise", "--seeds", "1")


@pytest.fixture
def original(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.05, (RATE, 2))
    soundfile.write(tmp_path / "song.wav", noise, RATE, "PCM_24")
    return tmp_path / "song.wav"


@pytest.fixture
def coded(tmp_path, original):
    audio, _ = soundfile.read(original, dtype="float32")
    path = tmp_path / "song.mp3"
    path.write_bytes(encode(audio.T, RATE, "mp3", kbps=64))
    return path


def test_it_leaves_page_figure_and_tables(run, original, tmp_path):
    done = run("compare", original, "--codec", "aac", "--kbps", "48", *QUICK, "-o", tmp_path / "r")
    assert done.code == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == [
        "figure.png",
        "figure.svg",
        "index.html",
        "report.json",
        "report.md",
    ]
    assert "## Quality" in done.stdout
    assert "| aac   |   48 | untouched input |" in done.stdout
    assert str(tmp_path / "r/index.html") in done.stderr


def test_a_coded_file_and_no_reference(run, original, coded, tmp_path):
    done = run("compare", original, "--coded", coded, *QUICK, "-o", tmp_path / "a")
    assert done.code == 0, done.stderr
    assert "| MP3 " in done.stdout
    done = run("compare", coded, "--no-reference", *QUICK, "-o", tmp_path / "b")
    assert done.code == 0, done.stderr
    assert "## What was added" in done.stdout
    assert "## Quality" not in done.stdout


def test_a_report_that_exists_is_kept(run, original, tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r/index.html").write_text("mine")
    done = run("compare", original, *QUICK, "-o", tmp_path / "r")
    assert done.code == 1
    assert done.stderr == (
        f"uncodec: error: {tmp_path / 'r'}: exists already; --overwrite replaces it\n"
    )
    assert (tmp_path / "r/index.html").read_text() == "mine"
    done = run("compare", original, *QUICK, "-q", "-o", tmp_path / "r", "--overwrite")
    assert (done.code, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["none.wav"], 1, "none.wav: does not exist"),
        (["song.wav", "--coded", "a", "--coded", "b"], 2, "once for each original, got 2 for 1"),
        (["song.mp3", "--no-reference", "--coded", "song.mp3"], 2, "not with --no-reference"),
        (["song.wav", "--engines", ""], 2, "engines: must be 1 to 7 names, got 0"),
        (["song.wav", "--engines", "gan,nonsense"], 2, "model='nonsense': must be"),
        (["song.wav", "--codec", "zip"], 2, "codec='zip'"),
        (["song.wav", "--kbps", "4"], 1, "kbps"),
        (["song.wav", "--start", "5"], 2, "start=5"),
        (["song.wav", "--seconds", "3600"], 2, "seconds=3600"),
        (["song.wav", "--steps", "0"], 2, "steps=0"),
        (["song.wav", "--embed", "-1"], 2, "embed=-1"),
        (["one.wav"], 2, "at least 2048 samples, has 1"),
        (["six.wav"], 2, "one or two channels, has 6"),
        (["song.wav", "--coded", "other.wav"], 2, "correlate by"),
    ],
)
def test_what_cannot_be_compared_is_told_in_a_line(
    run, original, coded, tmp_path, monkeypatch, arguments, code, told
):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    soundfile.write("one.wav", np.zeros((1, 2)), RATE)
    soundfile.write("six.wav", np.zeros((RATE, 6)), RATE)
    soundfile.write("other.wav", rng.normal(0, 0.05, (RATE, 2)), RATE)
    quick = [word for word in QUICK if "--engines" not in arguments or word != "exciter"]
    if "--engines" in arguments:
        quick.remove("--engines")
    done = run("compare", *arguments, *quick, "-q", "-o", "report")
    assert done.code == code, done.stderr
    assert told in done.stderr
    assert done.stderr.startswith("uncodec: error: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "report").exists()
    assert not list(tmp_path.glob(".*"))
