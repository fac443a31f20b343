"""``uncodec train``."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
import torch

from uncodec.training.pairs import PairSet


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("clean")
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        audio = 0.1 * rng.standard_normal((4 * 44100, 2))
        soundfile.write(root / f"{name}.flac", audio, 44100)
    return root


@pytest.fixture
def recipe(tmp_path, tiny_recipe):
    (tmp_path / "recipe.toml").write_text(tiny_recipe())
    return tmp_path


def test_a_folder_of_recordings_becomes_a_model(run, recipe, data, tmp_path):
    work = tmp_path / "work"
    options = ("--data", data, "--work", work, "--workers", 1)
    outcome = run("train", recipe, *options, "--steps", 20, "--json")
    assert outcome.code == 0
    rows = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [row["event"] for row in rows] == [
        "data",
        "validation",
        "pairs",
        "step",
        "step",
        "release",
    ]
    assert rows[3]["step"] == 20
    assert rows[3]["lsd"] > 0
    assert (work / "model" / "weights.safetensors").is_file()
    # Once more: all is there, and nothing is done again.
    stamp = (work / "checkpoints" / "checkpoint.pt").stat().st_mtime_ns
    again = run("train", recipe, *options)
    assert again.code == 0
    assert "pairs 2 of 2" not in again.stderr
    assert (work / "checkpoints" / "checkpoint.pt").stat().st_mtime_ns == stamp


def test_scores_are_told_in_a_line(run, data, tmp_path, tiny_recipe):
    text = tiny_recipe().replace("[generator]", "[codec-net]\nwidths = [4, 4, 4, 4]\n[unused]")
    text = 'kind = "codec-net"\n' + text.replace("seconds = 0.3", "seconds = 0.5")
    (tmp_path / "recipe.toml").write_text(text)
    outcome = run("train", tmp_path, "--data", data, "--work", tmp_path / "work", "--steps", 1)
    assert outcome.code == 0
    assert "step 1: validation all " in outcome.stderr


def test_parts_can_be_done_alone(run, recipe, data, tmp_path):
    work = tmp_path / "work"
    outcome = run("train", recipe, "--data", data, "--work", work, "--only", "pairs", "--quiet")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")
    assert len(PairSet(work / "pairs")) == 2
    assert not (work / "checkpoints").exists()


def test_checkpoints_of_another_version_are_refused(run, recipe, data, tmp_path):
    work = tmp_path / "work"
    options = ("--data", data, "--work", work, "--steps", 1)
    assert run("train", recipe, *options).code == 0
    path = work / "checkpoints" / "checkpoint.pt"
    torch.save(torch.load(path, weights_only=True) | {"version": 99}, path)
    kept = path.read_bytes()
    outcome = run("train", recipe, *options)
    assert outcome.code == 2
    assert "must be a checkpoint of version" in outcome.stderr.splitlines()[-1]
    assert path.read_bytes() == kept


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("no-such-model",), "model='no-such-model': must be one with a recipe"),
        (("live-gan",), "data: must be given to build the pairs"),
        (("live-gan", "--only", "all"), "only='all': must be one of pairs, train, release"),
        (("live-gan", "--steps", 0), "steps=0: must be a positive integer"),
        (("live-gan", "--threads", 0), "threads=0: must be a positive integer"),
        (("live-gan", "--device", "abacus"), "device='abacus': must be a device of this machine"),
        (("codec-net", "--start", "codec-net"), "start='codec-net': must not be given"),
        (("live-mse", "--music", "songs"), "music='songs': must not be given for a generator"),
        (("live-gan", "--start", "no-such-model"), "no-such-model"),
        (("live-gan", "--only", "release"), "holds no checkpoint to release"),
    ],
)
def test_wrong_use_is_told_in_one_line(run, tmp_path, options, message):
    outcome = run("train", *options, "--work", tmp_path / "work")
    assert outcome.code == 2
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_folders_that_cannot_be_used_are_told_in_one_line(run, data, tmp_path):
    def train(folder, *options):
        outcome = run("train", "live-gan", "--data", folder, "--work", tmp_path / "work", *options)
        assert outcome.code == 1
        assert outcome.stderr.count("\n") == 1
        return outcome.stderr

    folder = tmp_path / "data"
    assert "must be a folder of clean recordings" in train(folder)
    folder.mkdir()
    assert "must hold at least 10 s" in train(folder)
    soundfile.write(folder / "low.wav", np.zeros((22050, 1)), 22050)
    assert "low.wav (22050 Hz: must be 44100 or more)" in train(folder)
    (folder / "low.wav").write_bytes(b"nothing")
    assert "low.wav (cannot be read" in train(folder)
    assert not (tmp_path / "work").exists()


def test_a_work_folder_that_cannot_be_written_is_told_in_one_line(run, recipe, data, tmp_path):
    (tmp_path / "file").write_text("")
    outcome = run("train", recipe, "--data", data, "--work", tmp_path / "file" / "work")
    assert outcome.code == 1
    assert "Not a directory" in outcome.stderr.splitlines()[-1]
