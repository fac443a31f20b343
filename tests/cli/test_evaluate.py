"""``uncodec evaluate``."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import soundfile

from uncodec.analysis import perceptual
from uncodec.analysis.metrics import METRICS

RATE = 44100


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("evaluate") / "clean"
    rng = np.random.default_rng(0)
    for name in ("drums/a.flac", "drums/b.flac", "voice/c.flac"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / name, 0.1 * rng.standard_normal((RATE // 2, 2)), RATE)
    return root


def test_models_stand_beside_the_untouched_input_and_the_exciter(run, data, model, tmp_path):
    options = ("--data", data, "--codec", "mp3:64", "--codec", "clean", "--seconds", 0.4)
    files = ("--json", tmp_path / "s.json", "--markdown", tmp_path / "s.md")
    outcome = run("evaluate", model, f"again={model}", *options, "--by-material", *files)
    assert outcome.code == 0
    shown, further = (tmp_path / "s.md").read_text().split("\n\n")
    assert outcome.stdout == shown + "\n"
    columns = {word.strip() for word in (shown + further).split("|")}
    # Half a second of noise has neither onsets nor a loudness.
    assert columns >= set(METRICS.values()) - {"Level error LU", "Pre-echo dB"}
    assert "3/3  voice/c.flac" in outcome.stderr
    document = json.loads((tmp_path / "s.json").read_text())
    about, rows = document["about"], document["rows"]
    assert (about["data"], about["clips"], sorted(about["models"])) == (
        "clean",
        3,
        ["again", "small"],
    )
    assert str(tmp_path) not in json.dumps(document)
    names = ["untouched input", "DSP exciter", "small", "again"]
    assert [row["restorer"] for row in rows[:4]] == names
    assert rows[2]["scores"] == rows[3]["scores"]
    assert "si_sdr_db" in rows[2]["changes"]
    assert {row["material"] for row in rows} == {None, "drums", "voice"}


def test_baselines_can_be_left_out_and_scores_be_kept(run, data, tmp_path):
    kept = tmp_path / "kept.jsonl"
    options = ("--data", data, "--codec", "mp3:64", "--seconds", 0.4, "--scores", kept)
    first = run("evaluate", *options, "--no-baselines", "--quiet")
    assert (first.code, first.stderr) == (0, "")
    assert "exciter" not in first.stdout
    assert len(kept.read_text().splitlines()) == 4
    assert run("evaluate", *options, "--no-baselines", "-j", 2).stdout == first.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("no-such-model",), "model='no-such-model': must be a released model"),
        (("--codec", "mp4"), "codec='mp4': must be one of clean, mp3"),
        (("--codec", "mp3:fast"), "codec='mp3:fast': must be CODEC[@RATE] or CODEC[@RATE]:KBPS"),
        (("--seconds", 0), "seconds=0.0: must be positive"),
        (("--files", 0), "files=0: must be a positive integer"),
        (("--jobs", 0), "jobs=0: must be a positive integer"),
        (("--plot", "picture.txt"), "plot='picture.txt': must end in .png, .svg or .pdf"),
    ],
)
def test_wrong_use_is_told_in_one_line(run, data, options, message):
    outcome = run("evaluate", "--data", data, *options)
    assert outcome.code == 2
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_folders_that_cannot_be_used(run, tmp_path):
    outcome = run("evaluate", "--data", tmp_path / "nowhere")
    assert (outcome.code, "must be an existing folder" in outcome.stderr) == (2, True)
    outcome = run("evaluate", "--data", tmp_path)
    assert (outcome.code, "holds no" in outcome.stderr) == (1, True)
    (tmp_path / "x.flac").write_bytes(b"no audio at all")
    outcome = run("evaluate", "--data", tmp_path)
    assert (outcome.code, "x.flac: cannot be read" in outcome.stderr) == (1, True)
    assert "option '--data'" in run("evaluate").stderr.lower()


def test_visqol_that_is_not_installed_is_told_before_the_work(run, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "visqol", None)
    perceptual._judge.cache_clear()
    outcome = run("evaluate", "--data", data, "--visqol")
    assert outcome.code == 1
    assert "pip install 'uncodec[visqol]'" in outcome.stderr
    assert "1/3" not in outcome.stderr
