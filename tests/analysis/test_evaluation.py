"""Evaluation of restorers on a folder."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from uncodec.analysis.evaluation import read_clips, score_clip
from uncodec.analysis.report import UNTOUCHED, aggregate
from uncodec.errors import AudioFileError, InvalidValue

RATE = 44100


@pytest.fixture
def folder(tmp_path):
    """Two kinds of material, a silent file, a surround file, a text file."""
    rng = np.random.default_rng(0)
    for name, seconds, channels in (
        ("drums/a.flac", 2.0, 2),
        ("drums/b.wav", 0.7, 1),
        ("voice/deep/c.flac", 1.0, 2),
    ):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.standard_normal((round(seconds * RATE), channels)), RATE)
    soundfile.write(tmp_path / "data" / "silent.wav", np.zeros((RATE, 2)), RATE)
    soundfile.write(tmp_path / "data" / "surround.wav", rng.uniform(-1, 1, (RATE, 6)), RATE)
    (tmp_path / "data" / "notes.txt").write_text("not audio")
    return tmp_path / "data"


def test_clips_are_excerpts_of_usable_files_by_name(folder, caplog):
    clips = list(read_clips(folder, seconds=1.0))
    assert [(c.name, c.material, c.audio.shape) for c in clips] == [
        ("drums/a.flac", "drums", (2, RATE)),
        ("drums/b.wav", "drums", (1, round(0.7 * RATE))),
        ("voice/deep/c.flac", "voice", (2, RATE)),
    ]
    assert "silent.wav" in caplog.text
    assert "surround.wav" in caplog.text


def test_excerpts_depend_on_the_seed_and_not_on_the_other_files(folder):
    first = next(read_clips(folder, seconds=0.5, seed=1)).audio
    assert not np.array_equal(first, next(read_clips(folder, seconds=0.5, seed=2)).audio)
    soundfile.write(folder / "drums" / "0.wav", np.ones((RATE, 1)) * 0.5, RATE)
    again = [c for c in read_clips(folder, seconds=0.5, seed=1) if c.name == "drums/a.flac"]
    assert np.array_equal(first, again[0].audio)


def test_fewer_files_are_spread_over_the_folder(folder):
    (folder / "silent.wav").unlink()
    (folder / "surround.wav").unlink()
    names = [c.name for c in read_clips(folder, seconds=0.5, files=2)]
    assert names == ["drums/a.flac", "voice/deep/c.flac"]


def evaluate(effects, folder, codecs, seconds):
    clips = read_clips(folder, seconds=seconds)
    return aggregate([s for clip in clips for s in score_clip(effects, clip, codecs)])


def test_rows_of_a_perfect_and_of_a_deaf_restorer(folder):
    originals = {c.audio.shape: c.audio for c in read_clips(folder / "drums", seconds=1.0)}
    seen = []

    def deaf(audio, sample_rate):
        seen.append(sample_rate)
        return 0.0 * audio

    rows = evaluate(
        {"perfect": lambda audio, rate: originals[audio.shape], "deaf": deaf},
        folder / "drums",
        [("mp3", 64), ("clean", None)],
        1.0,
    )
    names = [UNTOUCHED, "perfect", "deaf"]
    assert [(r.codec, r.restorer) for r in rows] == [("mp3", n) for n in names] + [
        ("clean", n) for n in names
    ]
    lsd = [r.scores["lsd"].mean for r in rows]
    assert lsd[0] > 1.0
    assert lsd[1] == lsd[3] == lsd[4] == 0.0
    assert lsd[2] > lsd[0]
    null = [r.scores["null_depth_db"].mean for r in rows[3:]]
    assert null == [-200.0, -200.0, 0.0]
    assert "null_depth_db" not in rows[0].scores
    assert seen == [RATE] * 4


def test_codecs_that_refuse_a_clip_are_left_out_with_a_warning(folder, caplog):
    rows = evaluate({}, folder / "drums", [("mp3", 7), ("clean", None)], 0.5)
    assert [r.codec for r in rows] == ["clean"]
    assert "mp3 7" in caplog.text


def test_a_restorer_that_changes_the_length_is_named(folder):
    with pytest.raises(InvalidValue, match=r"short on drums/a.flac, clean: estimate: .*shape"):
        evaluate({"short": lambda audio, rate: audio[:, 1:]}, folder, [("clean", None)], 0.5)


def test_bad_folders_and_settings_are_refused_in_words(folder, tmp_path):
    with pytest.raises(InvalidValue, match="existing folder"):
        next(read_clips(tmp_path / "nowhere"))
    with pytest.raises(InvalidValue, match="seconds=0"):
        next(read_clips(folder, seconds=0))
    with pytest.raises(InvalidValue, match="files=0"):
        next(read_clips(folder, files=0))
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioFileError, match="holds no"):
        next(read_clips(tmp_path / "empty"))
    (tmp_path / "empty" / "x.flac").write_bytes(b"no audio at all")
    with pytest.raises(AudioFileError, match="cannot be read"):
        next(read_clips(tmp_path / "empty"))
