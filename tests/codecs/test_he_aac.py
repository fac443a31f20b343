"""HE-AAC goes through a program: what it makes, and what is said where it is missing or fails."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from uncodec.analysis.evaluation import Clip, score_clip
from uncodec.cli.evaluate import parse_codec
from uncodec.codecs import CODECS, available, decode, encode, encoder_of, programs, round_trip
from uncodec.codecs.rules import make_plan
from uncodec.errors import CodecError
from uncodec.training.codings import draw_coding, left_out
from uncodec.training.level_codings import draw_level_coding

RATE = 44100
needs_program = pytest.mark.skipif(
    programs.find_fdkaac() is None, reason="the program fdkaac is not on PATH"
)
scripts = pytest.mark.skipif(sys.platform == "win32", reason="stand-ins are scripts with a #!")

# Codes AAC-LC, so much later that it lies where HE-AAC would, and notes how it was called.
CODER = """
import io, json, os, sys
import av, numpy as np, soundfile
with open(os.environ["NOTE"], "w") as note:
    json.dump(sys.argv[1:], note)
audio, rate = soundfile.read(io.BytesIO(sys.stdin.buffer.read()), dtype="float32", always_2d=True)
audio = np.pad(audio.T, ((0, 0), (5057 - 1024, 2048)))
layout = {1: "mono", 2: "stereo"}[len(audio)]
out = io.BytesIO()
with av.open(out, "w", format="adts") as container:
    stream = container.add_stream("aac", rate=rate, layout=layout)
    stream.bit_rate = 128000
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio), format="fltp", layout=layout)
    frame.sample_rate, frame.pts = rate, 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
sys.stdout.buffer.write(out.getvalue())
"""


@pytest.fixture
def without_program(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """Puts a script in the program's place; whatever runs then finds an empty folder and TMPDIR."""

    def put(script: str, interpreter: str = "/bin/sh") -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        path = folder / programs.FDKAAC
        path.write_text(f"#!{interpreter}\n{script}" if interpreter else script)
        path.chmod(0o755)
        for name in ("here", "temporary"):
            (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / "here")
        monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        monkeypatch.setenv("NOTE", str(tmp_path / "note.json"))
        return path

    return put


def adts(audio, rate):
    """AAC-LC without a container."""
    out = io.BytesIO()
    with av.open(out, "w", format="adts") as container:
        stream = container.add_stream("aac", rate=rate, layout="stereo")
        frame = av.AudioFrame.from_ndarray(audio, format="fltp", layout="stereo")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def test_where_the_program_is_missing_the_codec_is_left_out(without_program):
    assert "he-aac" not in available()
    assert "he-aac" in CODECS


@pytest.mark.parametrize("call", [round_trip, encode])
def test_where_the_program_is_missing_one_line_says_so(call, without_program):
    with pytest.raises(CodecError) as caught:
        call(np.zeros((2, 1000), np.float32), RATE, "he-aac", kbps=48)
    told = str(caught.value)
    assert told.startswith("codec='he-aac': HE-AAC")
    assert "the program fdkaac must be on PATH" in told
    assert told.endswith("got none")
    assert "\n" not in told
    with pytest.raises(CodecError, match="fdkaac must be on PATH"):
        encoder_of("he-aac")


def test_where_pyav_is_missing_the_program_is_no_help(without_pyav, stand_in):
    stand_in("exit 0")
    assert "he-aac" not in available()
    with pytest.raises(CodecError, match=r"where PyAV is not installed \(pip install av\)"):
        round_trip(np.zeros((2, 1000), np.float32), RATE, "he-aac")


def test_decoding_needs_no_program(without_program, noise):
    decoded, rate = decode(adts(noise(20000, 2, RATE, 3500.0), RATE), "he-aac")
    assert rate == RATE
    assert decoded.shape[0] == 2


@pytest.mark.parametrize(
    ("channels", "settings", "words"),
    [
        (1, {"kbps": 8}, "kbps=8: he-aac takes 12 to 128"),
        (2, {"kbps": 12}, "kbps=12: he-aac with 2 channels takes at least 16"),
        (1, {"kbps": 96}, "kbps=96: he-aac at 44100 Hz, 1 channels takes at most 64"),
        (2, {"kbps": 160}, "kbps=160: he-aac takes 12 to 128"),
        (6, {}, "channels=6: he-aac takes 1, 2"),
        (2, {"vbr_quality": 3}, "he-aac has no variable bit rate"),
        (2, {"codec_rate": 96000}, "codec_rate=96000: he-aac takes 22050, 24000"),
    ],
)
def test_what_the_encoder_would_not_keep_is_refused(channels, settings, words):
    asked = {"kbps": None, "vbr_quality": None, "joint_stereo": True, "cutoff_hz": None}
    with pytest.raises(CodecError) as caught:
        make_plan(CODECS["he-aac"], RATE, channels, **(asked | settings))
    assert words in str(caught.value)


def test_the_command_line_reads_its_name():
    assert parse_codec("he-aac:48") == ("he-aac", 48.0)
    assert parse_codec("he-aac@32000:32") == ("he-aac@32000", 32.0)
    assert parse_codec("he-aac") == ("he-aac", None)


def test_an_evaluation_goes_on_without_it(without_program, noise, caplog):
    clip = Clip("a.flac", "", noise(RATE, 2, RATE, 3500.0), RATE)
    with caplog.at_level(logging.WARNING):
        scores = list(score_clip({}, clip, [("he-aac", 48.0), ("mp3", 128.0)]))
    assert [score.codec for score in scores] == ["mp3"]
    assert "left out (codec='he-aac'" in caplog.text
    assert "fdkaac must be on PATH" in caplog.text


def draws():
    codings = [draw_coding(np.random.default_rng(seed), 44100) for seed in range(40)]
    return codings, [draw_level_coding(np.random.default_rng(seed), RATE) for seed in range(40)]


@scripts
def test_training_draws_the_same_with_and_without_the_program(stand_in, monkeypatch):
    stand_in("exit 0")
    assert "he-aac" in available()
    with_it = draws(), left_out()
    monkeypatch.setenv("PATH", "")
    assert "he-aac" not in available()
    assert (draws(), left_out()) == with_it


@scripts
@pytest.mark.parametrize("channels", [1, 2])
def test_what_comes_out_of_the_program_is_put_in_its_place(channels, stand_in, noise, lag):
    stand_in(CODER, sys.executable)
    audio = noise(30011, channels, RATE, 3500.0)
    coded = round_trip(audio, RATE, "he-aac", kbps=48)
    assert coded.shape == audio.shape
    assert lag(audio, coded) == 0
    assert np.corrcoef(audio[0], coded[0])[0, 1] > 0.95


@scripts
def test_the_program_is_asked_for_he_aac_at_the_rate_and_for_no_file(stand_in, tmp_path, noise):
    stand_in(CODER, sys.executable)
    round_trip(noise(9000, 2, RATE, 3500.0), RATE, "he-aac", kbps=32)
    note = (tmp_path / "note.json").read_text()
    for words in ('"-p", "5"', '"-b", "32000"', '"-f", "2"', '"-o", "-", "-"'):
        assert words in note
    assert list((tmp_path / "here").iterdir()) == []
    assert list((tmp_path / "temporary").iterdir()) == []


@scripts
@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            "cat >/dev/null; echo first >&2; echo 'ERROR: unsupported sample rate' >&2; exit 3",
            "must end with the exit code 0, got 3 (ERROR: unsupported sample rate)",
        ),
        ("exit 3", "must end with the exit code 0, got 3"),
        ("kill -9 $$", "must end with the exit code 0, got -9"),
        ("cat >/dev/null; exit 0", "must write ADTS, got 0 bytes that are none"),
        ("exit 0", "must write ADTS, got 0 bytes that are none"),
        ("cat", "bytes that are none"),
        ("cat >/dev/null; printf 'rubbish'; echo oops >&2", "got 7 bytes that are none (oops)"),
        (
            r"cat >/dev/null; printf '\377\361\120\200\013\237\374rubbish of some length'",
            "data: ",
        ),
        (
            r"cat >/dev/null; printf 'a\033[2Jb\007' >&2; exit 1",
            "got 1 (a[2Jb)",
        ),
    ],
)
def test_a_program_that_fails_is_told_in_one_line(script, words, stand_in, tmp_path, noise):
    stand_in(script)
    with pytest.raises(CodecError) as caught:
        round_trip(noise(RATE, 2, RATE, 3500.0), RATE, "he-aac", kbps=48)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "here").iterdir()) == []
    assert list((tmp_path / "temporary").iterdir()) == []


@scripts
def test_a_program_that_cannot_be_started_is_told(stand_in, noise):
    stand_in("no interpreter is named here", interpreter="")
    with pytest.raises(CodecError, match="cannot be started"):
        round_trip(noise(9000, 2, RATE, 3500.0), RATE, "he-aac", kbps=48)


@scripts
def test_a_program_that_hangs_is_ended(stand_in, monkeypatch, noise):
    stand_in("exec sleep 600")
    monkeypatch.setattr(programs, "_PATIENCE_S", 0.2)
    with pytest.raises(CodecError, match="must be done within"):
        round_trip(noise(9000, 2, RATE, 3500.0), RATE, "he-aac", kbps=48)


@scripts
def test_a_program_that_stops_early_gives_no_silence(stand_in, noise):
    stand_in(CODER.replace("audio.T,", "audio[:9000].T,"), sys.executable)
    with pytest.raises(CodecError, match=r"he-aac: came back as .* samples, must be at least"):
        round_trip(noise(RATE, 2, RATE, 3500.0), RATE, "he-aac", kbps=48)


@scripts
def test_a_program_that_codes_at_another_rate_is_told(stand_in, noise):
    stand_in(
        CODER.replace("rate=rate", "rate=32000").replace("= rate, 0", "= 32000, 0"), sys.executable
    )
    with pytest.raises(CodecError, match="2 channels at 32000 Hz, not 2 at 44100"):
        round_trip(noise(RATE, 2, RATE, 3500.0), RATE, "he-aac", kbps=48)


@scripts
@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'fdkaac 1.0.5'; exit 1", "libfdk_aac (fdkaac 1.0.5)"),
        ("echo 'something else'", "libfdk_aac (fdkaac)"),
        ("exit 7", "libfdk_aac (fdkaac)"),
    ],
)
def test_the_encoder_is_told_with_its_version(script, told, stand_in):
    stand_in(script)
    assert encoder_of("he-aac") == told


@needs_program
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kbps", [32, 48, 64])
def test_the_treble_is_a_copy_of_the_right_strength(kbps, channels, noise):
    audio = noise(2 * RATE, channels, RATE, 20000.0)
    coded = round_trip(audio, RATE, "he-aac", kbps=kbps)
    frequency = np.fft.rfftfreq(audio.shape[1], 1 / RATE)
    likeness = {}
    for low, high in ((300, 3000), (11000, 13000)):
        band = (frequency > low) & (frequency < high)
        x, y = (np.fft.rfft(signal)[:, band] for signal in (audio, coded))
        before, after = np.sum(np.abs(x) ** 2), np.sum(np.abs(y) ** 2)
        assert abs(10 * np.log10(after / before)) < 4.0
        likeness[low] = float(np.abs(np.sum(np.conj(x) * y)) / np.sqrt(before * after))
    assert likeness[300] > 0.8
    assert likeness[11000] < 0.3


@needs_program
@pytest.mark.parametrize(("kbps", "channels"), [(16, 1), (24, 2), (48, 2), (64, 1), (128, 2)])
def test_the_bit_rate_is_kept(kbps, channels, noise):
    audio = noise(RATE * 4, channels, RATE, 16000.0)
    measured = len(encode(audio, RATE, "he-aac", kbps=kbps)) * 8 / 4000
    assert measured == pytest.approx(kbps, rel=0.12)


@needs_program
@pytest.mark.parametrize("rate", CODECS["he-aac"].rates)
@pytest.mark.parametrize("kbps", [24, 32, 48, 64])
def test_every_rate_comes_back_in_place(rate, kbps, noise, lag, delay):
    audio = noise(rate + 4801, 2, rate, 3500.0)
    coded = round_trip(audio, rate, "he-aac", kbps=kbps)
    assert lag(audio, coded) == 0
    shift, level = delay(audio, coded, rate, 300.0, 3000.0)
    # The encoder halves the rate with a filter that turns the phase a little.
    assert abs(shift) < 0.3
    assert abs(level) < 0.6


@needs_program
def test_the_end_is_in_place_as_well(noise, lag):
    for frames in (2048 * 20, 2048 * 20 + 30, 2048 * 20 - 30, 50021):
        audio = noise(frames, 2, RATE, 3500.0)
        coded = round_trip(audio, RATE, "he-aac", kbps=48)
        for part in (slice(0, 8000), slice(frames - 8000, frames)):
            assert lag(audio[:, part], coded[:, part]) == 0
