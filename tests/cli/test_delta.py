"""What was added, alone, in a file of its own."""

import numpy as np
import pytest
import soundfile

from uncodec.io import read_audio


def test_source_and_delta_are_the_result(run, put, tmp_path, song):
    source, result, delta = put("a.wav", subtype="PCM_24"), tmp_path / "b.wav", tmp_path / "d.wav"
    outcome = run("restore", source, "-o", result, "--bits", 32, "--delta", delta)
    assert outcome.code == 0
    before, after, added = (soundfile.read(path)[0] for path in (source, result, delta))
    assert added.shape == before.shape
    assert soundfile.info(delta).subtype == "FLOAT"
    np.testing.assert_allclose(before + added, after, atol=1e-7)
    np.testing.assert_allclose(added, -0.5 * before, atol=1e-7)


def test_deltas_of_several_go_into_a_folder(run, put, tmp_path):
    put("in/x/a.wav"), put("in/b.wav")
    command = ("restore", tmp_path / "in", "-o", tmp_path / "out", "--delta", tmp_path / "added")
    assert run(*command).code == 0
    found = sorted(str(p.relative_to(tmp_path)) for p in (tmp_path / "added").rglob("*.*"))
    assert found == ["added/b.flac", "added/x/a.flac"]
    audio, rate = read_audio(tmp_path / "added/b.flac")
    assert (audio.shape, rate) == ((2, 101_430), 44_100)
    # Nothing is replaced unasked.
    (tmp_path / "out/b.flac").unlink()
    assert run("restore", tmp_path / "in/b.wav", *command[2:]).code == 1


def test_what_adds_nothing_has_a_silent_delta(run, put, tmp_path, monkeypatch, effect):
    monkeypatch.setattr(type(effect), "push", lambda self, audio, *_, **__: audio)
    delta = tmp_path / "d.flac"
    assert run("restore", put("a.wav"), "--delta", delta).code == 0
    assert not read_audio(delta)[0].any()


def test_a_low_rate_is_widened_first(run, put, tmp_path, make_tones):
    source = put("a.wav", make_tones(1, 22_050, 22_050), 22_050)
    delta = tmp_path / "d.wav"
    assert run("restore", source, "--delta", delta).code == 0
    info = soundfile.info(delta)
    assert (info.samplerate, info.frames) == (44_100, 44_100)


def test_a_failure_leaves_neither(run, put, song, tmp_path, only_left):
    song[0, 80_000] = float("nan")
    source = put("a.wav", song, subtype="FLOAT")
    assert run("restore", source, "--delta", tmp_path / "new" / "d.wav").code == 1
    only_left(source)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("delta", "message"),
    [
        ("d.wav", "must be a folder for several results, and is a file"),
        ("", "must be the name of a file or a folder"),
        ("-", "must be the name of a file or a folder"),
    ],
)
def test_wrong_places_are_refused(run, put, delta, message):
    outcome = run("restore", put("a.wav"), put("b.wav"), "--delta", delta)
    assert (outcome.code, len(outcome.error_lines)) == (2, 1)
    assert message in outcome.error_lines[0]


def test_a_delta_never_replaces_source_or_result(run, put, tmp_path):
    source = put("a.wav")
    for place in (source, tmp_path / "b.wav"):
        outcome = run("restore", source, "-o", tmp_path / "b.wav", "--delta", place, "--overwrite")
        assert outcome.code == 2
        assert "would replace a source or a result" in outcome.error_lines[0]
