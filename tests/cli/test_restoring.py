"""What ``uncodec restore`` writes: where, how long, in which format."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from uncodec.codecs import encode


def test_result_lies_next_to_its_source_and_is_aligned(run, put, song, only_left):
    source = put("song.wav")
    outcome = run("restore", source)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")
    target = source.with_name("song.restored.flac")
    only_left(source, target)
    result, rate = soundfile.read(target, dtype="float32")
    assert rate == 44_100
    assert result.shape == song.T.shape
    assert soundfile.info(target).subtype == "PCM_24"
    np.testing.assert_allclose(result, 0.5 * song.T, atol=1e-4)


@pytest.mark.parametrize(
    ("bits", "name", "subtype"),
    [
        (16, "out.flac", "PCM_16"),
        (24, "out.wav", "PCM_24"),
        (16, "out.wav", "PCM_16"),
        (32, "out.wav", "FLOAT"),
    ],
)
def test_bits_choose_the_sample_format(run, put, tmp_path, song, bits, name, subtype):
    target = tmp_path / name
    assert run("restore", put("song.wav"), "-o", target, "--bits", str(bits)).code == 0
    assert soundfile.info(target).subtype == subtype
    result, _ = soundfile.read(target)
    np.testing.assert_allclose(result, 0.5 * song.T, atol=1e-4)


def test_float_results_are_wav_files(run, put, only_left):
    source = put("song.wav")
    assert run("restore", source, "--bits", "32").code == 0
    only_left(source, source.with_name("song.restored.wav"))


@pytest.mark.parametrize("rate", [48_000, 22_050, 96_000])
def test_rate_is_converted_without_moving_the_audio(run, put, tmp_path, make_tones, rate):
    target = tmp_path / "out.wav"
    source = put("song.wav", make_tones(2, 50_002, 44_100))
    assert run("restore", source, "-o", target, "--rate", str(rate), "--bits", "32").code == 0
    result, written_rate = soundfile.read(target)
    assert written_rate == rate
    frames = round(50_002 * rate / 44_100)
    assert result.shape == (frames, 2)
    # Away from the ends, where the tones are cut off, the result is the same tones at the new rate.
    expected = 0.5 * make_tones(2, frames, rate).T
    np.testing.assert_allclose(result[2000:-2000], expected[2000:-2000], atol=1e-3)


@pytest.mark.parametrize(
    ("rate", "full"), [(8_000, 48_000), (22_050, 44_100), (32_000, 48_000), (44_100, 44_100)]
)
def test_low_rates_become_full_band(run, put, tmp_path, make_tones, effect, rate, full):
    source = put("low.wav", make_tones(1, 20_001, rate), rate, subtype="FLOAT")
    assert run("restore", source, "--bits", "32").code == 0
    result, written_rate = soundfile.read(tmp_path / "low.restored.wav")
    assert written_rate == full
    assert abs(len(result) - 20_001 * full / rate) <= 0.5
    # The effect has seen the higher rate, and the audio is where it was.
    assert sum(width for _, width in effect.blocks) == len(result)
    expected = 0.5 * make_tones(1, len(result), full)[0]
    np.testing.assert_allclose(result[4000:-4000], expected[4000:-4000], atol=1e-3)


@pytest.mark.parametrize("frames", [1, 2, 3, 500, 1024, 65_536, 65_537, 131_072])
def test_every_length_is_kept(run, put, tmp_path, make_tones, effect, frames):
    target = tmp_path / "out.wav"
    audio = make_tones(2, frames, 44_100)
    source = put("in.wav", audio, subtype="FLOAT")
    assert run("restore", source, "-o", target, "--bits", "32").code == 0
    result, _ = soundfile.read(target, dtype="float32", always_2d=True)
    np.testing.assert_array_equal(result, 0.5 * audio.T)
    assert max(width for _, width in effect.blocks) <= 65_536


def test_tags_are_kept(run, tmp_path, song):
    source = tmp_path / "song.flac"
    with soundfile.SoundFile(source, "w", 44_100, 2) as file:
        file.title = "Étude"
        file.artist = "Nobody"
        file.write(song.T)
    assert run("restore", source).code == 0
    with soundfile.SoundFile(tmp_path / "song.restored.flac") as file:
        assert (file.title, file.artist) == ("Étude", "Nobody")


def test_folder_keeps_its_structure(run, put, tmp_path, only_left):
    sources = [put("in/a.wav"), put("in/sub/b.flac"), put("in/sub/deeper/c.ogg")]
    hidden = [put("in/.hidden.wav"), put("in/sub/a.restored.flac")]
    other = tmp_path / "in/notes.txt"
    other.write_text("no audio")
    outcome = run("restore", tmp_path / "in", "-o", tmp_path / "out")
    assert outcome.code == 0
    targets = [tmp_path / "out" / name for name in ("a.flac", "sub/b.flac", "sub/deeper/c.flac")]
    only_left(*sources, *hidden, other, *targets)


def test_folder_without_output_is_restored_in_place_and_only_once(run, put, tmp_path, only_left):
    sources = [put("in/a.wav"), put("in/sub/b.wav")]
    assert run("restore", tmp_path / "in").code == 0
    targets = [source.with_name(source.stem + ".restored.flac") for source in sources]
    only_left(*sources, *targets)
    assert run("restore", tmp_path / "in", "--overwrite").code == 0
    only_left(*sources, *targets)


def test_pipe_gives_wav(run, put, song):
    source = put("song.flac")
    outcome = run("restore", "-", stdin=source.read_bytes())
    assert outcome.code == 0
    result, rate = soundfile.read(io.BytesIO(outcome.stdout_bytes))
    assert rate == 44_100
    np.testing.assert_allclose(result, 0.5 * song.T, atol=1e-4)
    assert outcome.stdout_bytes.startswith(b"RIFF")


def test_pipe_into_a_file_and_file_into_a_pipe(run, put, song, tmp_path):
    source = put("song.flac")
    target = tmp_path / "out.flac"
    assert run("restore", "-", "-o", target, stdin=source.read_bytes()).code == 0
    np.testing.assert_allclose(soundfile.read(target)[0], 0.5 * song.T, atol=1e-4)
    outcome = run("restore", source, "-o", "-")
    assert outcome.code == 0
    result, _ = soundfile.read(io.BytesIO(outcome.stdout_bytes))
    np.testing.assert_allclose(result, 0.5 * song.T, atol=1e-4)


@pytest.mark.parametrize("codec", ["mp3", "aac", "opus"])
def test_coded_files_through_a_pipe_keep_length_and_place(run, codec):
    """Containers that need seeking, and codecs with a delay, come through a pipe unharmed too."""
    rate = 48_000
    audio = np.random.default_rng(5).uniform(-0.3, 0.3, (2, 100_003)).astype(np.float32)
    outcome = run("restore", "-", "--bits", "32", stdin=encode(audio, rate, codec, kbps=128))
    assert outcome.code == 0
    result, _ = soundfile.read(io.BytesIO(outcome.stdout_bytes), dtype="float32")
    assert result.shape == (100_003, 2)
    lags = range(-40, 41)
    likeness = [float(audio[0, 5000:90_000] @ result[5000 + k : 90_000 + k, 0]) for k in lags]
    assert lags[int(np.argmax(likeness))] == 0


def test_overwrite_replaces_the_whole_file(run, put, tmp_path, make_tones):
    source = put("song.wav", make_tones(1, 5000, 44_100))
    target = put("song.restored.flac", make_tones(2, 90_000, 48_000), 48_000)
    assert run("restore", source, "--overwrite").code == 0
    info = soundfile.info(target)
    assert (info.frames, info.channels, info.samplerate) == (5000, 1, 44_100)


def test_options_reach_the_effect(put, effect, monkeypatch, run):
    asked = []
    monkeypatch.setattr(
        "uncodec.catalogue.work.open_effect", lambda *options: asked.append(options) or effect
    )
    options = (
        "--model",
        "other",
        "--amount",
        "0.25",
        "--seed",
        "7",
        "--brightness",
        "-2",
        "--no-provenance",
    )
    assert run("restore", put("song.wav"), *options).code == 0
    assert asked == [("other", 0.25, 7, -2.0, None)]


def test_names_with_spaces_and_unicode(run, put, tmp_path, only_left):
    source = put("bär & söhne/ein lied [live].wav")
    assert run("restore", source).code == 0
    only_left(source, source.with_name("ein lied [live].restored.flac"))
    assert Path(source).exists()
