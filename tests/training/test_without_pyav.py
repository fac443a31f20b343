"""Training where PyAV is not installed: libsndfile codes the pairs."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from uncodec.codecs import backends
from uncodec.errors import InvalidValue
from uncodec.training.codings import VALIDATION_MENU, Coding, draw_coding
from uncodec.training.pairs import PairSet, build_pairs, build_validation

# A module that is None cannot be imported, also not by the processes that build the pairs.
BLOCKED = """
import sys
sys.modules["av"] = None
import uncodec
from uncodec.cli import main
sys.argv = ["uncodec", *sys.argv[1:]]
main()
"""


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        (tmp_path / "data" / part / "solo").mkdir(parents=True)
        audio = 0.1 * rng.standard_normal((11 * 44100, 2))
        sf.write(tmp_path / "data" / part / "solo" / "a.wav", audio, 44100)
    return tmp_path / "data"


def test_the_command_builds_pairs_and_trains(data, tmp_path, tiny_recipe):
    (tmp_path / "recipe.toml").write_text(tiny_recipe(count=12, steps=2, batch=2))
    command = [sys.executable, "-c", BLOCKED, "train", str(tmp_path), "--data", str(data)]
    command += ["--work", str(tmp_path / "work"), "--workers", "2", "--json"]
    done = subprocess.run(
        command,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "with aac, mp3 without joint stereo left out (pip install av)" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["event"] == "release"
    assert (tmp_path / "work" / "model" / "weights.safetensors").is_file()
    head = json.loads((tmp_path / "work" / "pairs" / "pairs.json").read_text())
    assert head["left_out"] == ["aac", "mp3 without joint stereo"]
    notes = PairSet(tmp_path / "work" / "pairs").notes
    assert {note["codec"] for note in notes} >= {"mp3", "opus", "vorbis"}
    for note in notes:
        assert note["joint_stereo"]
        assert len(note["encoders"]) == (note["codec"] != "clean") + (note["before"] is not None)
        assert all("(libsndfile " in encoder for encoder in note["encoders"])
    judged = PairSet(tmp_path / "work" / "validation").notes
    wanted = [(codec, kbps) for codec, kbps in VALIDATION_MENU if codec != "aac"]
    assert [(note["codec"], note["kbps"]) for note in judged] == wanted
    # The same numbers as where all can be coded.
    assert [VALIDATION_MENU[note["index"]] for note in judged] == wanted


def test_the_menu_lacks_only_what_needs_it(monkeypatch):
    monkeypatch.setattr(backends, "has_pyav", lambda: False)
    rng = np.random.default_rng(0)
    drawn = [draw_coding(rng, 44100) for _ in range(800)]
    shares = {name: sum(c.codec == name for c in drawn) / 800 for name in ("clean", "mp3", "opus")}
    assert shares == pytest.approx({"clean": 0.122, "mp3": 0.561, "opus": 0.183}, abs=0.05)
    for coding in drawn:
        assert "aac" not in (coding.codec, coding.before and coding.before.codec)
        assert coding.joint_stereo
    audio = (0.1 * np.random.default_rng(1).standard_normal((2, 22050))).astype(np.float32)
    for coding in {Coding(c.codec, c.kbps, c.vbr_quality) for c in drawn}:
        for rate in (44100, 48000):
            assert coding.apply(audio, rate).shape == audio.shape


def test_a_set_is_finished_with_the_encoders_that_began_it(data, tmp_path, monkeypatch):
    whole = build_pairs(data, tmp_path / "pairs", count=2, seconds=0.5)
    judged = build_validation(data, tmp_path / "val", excerpts=1, seconds=0.5)
    assert "(PyAV " in judged.notes[0]["encoders"][0]
    monkeypatch.setattr(backends, "has_pyav", lambda: False)
    # What is whole is taken as it is, AAC included.
    assert build_pairs(data, tmp_path / "pairs", count=2, seconds=0.5).notes == whole.notes
    again = build_validation(data, tmp_path / "val", excerpts=1, seconds=0.5)
    assert again.notes == judged.notes
    with pytest.raises(InvalidValue, match="begun with nothing left out, now with aac, mp3"):
        build_pairs(data, tmp_path / "pairs", count=3, seconds=0.5)
    build_pairs(data, tmp_path / "alone", count=2, seconds=0.5)
    monkeypatch.undo()
    with pytest.raises(InvalidValue, match=r"begun with aac, mp3 .* left out, now with nothing"):
        build_pairs(data, tmp_path / "alone", count=3, seconds=0.5)
