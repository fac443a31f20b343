"""The command line with the released model in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from uncodec.codecs import encode

WEIGHTS = Path(__file__).parents[2] / "models/live-gan/weights.safetensors"

pytestmark = pytest.mark.skipif(not WEIGHTS.exists(), reason="the model is not released yet")


@pytest.fixture
def coded(tmp_path):
    """Half a second of decaying broadband strokes, as an MP3 at its full rate."""
    t = np.arange(24_000) / 44_100
    noise = np.random.default_rng(2).normal(0, 0.1, (2, t.size)) * np.exp(-12 * (t % 0.2))
    path = tmp_path / "song.mp3"
    path.write_bytes(encode(noise.astype(np.float32), 44_100, "mp3", kbps=128))
    return path


def read(path):
    audio, _ = soundfile.read(path, dtype="float32", always_2d=True)
    return audio


def high_band_energy(audio):
    spectrum = np.abs(np.fft.rfft(audio.mean(axis=1)))
    return float((spectrum[int(0.8 * len(spectrum)) :] ** 2).sum())


def test_a_real_process_restores_a_real_file(coded, tmp_path):
    command = [sys.executable, "-W", "error", "-m", "uncodec", "restore", str(coded)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    restored, source = read(tmp_path / "song.restored.flac"), read(coded)
    assert restored.shape == source.shape
    assert high_band_energy(restored) > 10 * high_band_energy(source)


def test_same_seed_same_bits(run_model, coded, tmp_path):
    for name, seed in (("a.wav", 3), ("b.wav", 3), ("c.wav", 4)):
        options = ("-o", tmp_path / name, "--seed", seed, "--bits", "32")
        assert run_model("restore", coded, *options).code == 0
    same, again, other = (read(tmp_path / name) for name in ("a.wav", "b.wav", "c.wav"))
    np.testing.assert_array_equal(same, again)
    assert np.abs(same - other).max() > 1e-5


def test_amount_zero_gives_the_source_back(run_model, coded, tmp_path):
    from uncodec.io import read_audio

    target = tmp_path / "dry.wav"
    assert run_model("restore", coded, "-o", target, "--amount", "0", "--bits", "32").code == 0
    np.testing.assert_array_equal(read(target).T, read_audio(coded)[0])


@pytest.mark.parametrize(
    ("channels", "frames", "rate", "out_rate"),
    [
        (1, 1, 44_100, 44_100),
        (2, 1, 48_000, 48_000),
        (1, 6000, 8_000, 48_000),
        (2, 9000, 22_050, 44_100),
        (2, 40_000, 192_000, 192_000),
    ],
)
def test_unusual_but_sound(run_model, put, make_tones, tmp_path, channels, frames, rate, out_rate):
    source = put("odd.wav", make_tones(channels, frames, rate), rate)
    assert run_model("restore", source, "-o", tmp_path / "out.wav").code == 0
    info = soundfile.info(tmp_path / "out.wav")
    assert (info.channels, info.samplerate) == (channels, out_rate)
    assert info.frames == frames * out_rate // rate
    assert np.isfinite(read(tmp_path / "out.wav")).all()


def test_silence_and_clipping(run_model, put, tmp_path):
    silent = put("silent.wav", np.zeros((2, 9000), dtype=np.float32))
    square = np.sign(np.sin(np.arange(9000) * 0.05))[None].astype(np.float32)
    clipped = put("clipped.wav", np.repeat(square, 2, axis=0))
    assert run_model("restore", silent, clipped, "--bits", "32").code == 0
    assert np.abs(read(tmp_path / "silent.restored.wav")).max() < 1e-4
    assert np.isfinite(read(tmp_path / "clipped.restored.wav")).all()


def test_six_channels_are_restored_but_for_the_lfe(run_model, put, make_tones, tmp_path):
    source = put("surround.wav", make_tones(6, 9000, 48_000), 48_000)
    assert run_model("restore", source, "--bits", "32").code == 0
    given, restored = read(source), read(tmp_path / "surround.restored.wav")
    assert restored.shape == given.shape
    changed = [not np.array_equal(*pair) for pair in zip(given.T, restored.T, strict=True)]
    assert changed == [True, True, True, False, True, True]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--amount", "1.5"], "amount=1.5"),
        (["--amount", "nan"], "amount=nan"),
        (["--seed", "-1"], "seed=-1"),
        (["--model", "no-such-model"], "no-such-model"),
    ],
)
def test_wrong_parameters(run_model, coded, only_left, options, word):
    outcome = run_model("restore", coded, *options)
    assert outcome.code == 2
    (line,) = outcome.error_lines
    assert word in line
    only_left(coded)
