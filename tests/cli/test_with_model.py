"""The command line with the released model in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from uncodec.codecs import encode
from uncodec.io import open_audio, read_audio, write_audio

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
    target = tmp_path / "dry.wav"
    assert run_model("restore", coded, "-o", target, "--amount", "0", "--bits", "32").code == 0
    np.testing.assert_array_equal(read(target).T, read_audio(coded)[0])


def test_brightness_turns_the_added_treble_up(run_model, coded, tmp_path):
    plain, bright = tmp_path / "plain.wav", tmp_path / "bright.wav"
    for target, options in ((plain, ()), (bright, ("--brightness", "6"))):
        assert run_model("restore", coded, "-o", target, "--bits", "32", *options).code == 0
    # 6 dB are four times the energy, unless the bound holds some of it.
    assert high_band_energy(read(bright)) > 2 * high_band_energy(read(plain))


def test_a_duller_reference_turns_the_added_treble_down(run_model, coded, tmp_path):
    t = np.arange(44_100) / 44_100
    dull = np.random.default_rng(3).normal(0, 0.1, t.size)
    dull = np.convolve(dull, np.full(12, 1 / 12), "same").astype(np.float32)
    reference = tmp_path / "dull.wav"
    write_audio(reference, dull[None], 44_100)
    plain, like = tmp_path / "plain.wav", tmp_path / "like.wav"
    for target, options in ((plain, ()), (like, ("--like", str(reference)))):
        assert run_model("restore", coded, "-o", target, "--bits", "32", *options).code == 0
    assert high_band_energy(read(like)) < 0.9 * high_band_energy(read(plain))
    with open_audio(like) as reader:
        (text,) = reader.all_tags.fields["restoration"]
    assert text.endswith(", amount 1, like dull.wav 1")


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


@pytest.mark.parametrize(
    ("layout", "lfe", "front"),
    [("5.1", 3, (0, 1)), ("5.1(side)", 3, (0, 1)), ("2.1", 2, (0, 1)), ("quad", None, (0, 1))],
)
@pytest.mark.parametrize("ending", ["flac", "wav"])
def test_surround_keeps_its_channels(run_model, tmp_path, layout, lfe, front, ending):
    """Each for its speaker, in pairs that come out as stereo does, the LFE bit for bit."""
    channels = {"5.1": 6, "5.1(side)": 6, "2.1": 3, "quad": 4}[layout]
    # Noise below 5 kHz, as a codec leaves it: noise of the whole band is left alone.
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(0.0, 4000.0, (channels, 24_000)))
    spectrum[:, 2500:] = 0
    audio = (np.round(np.fft.irfft(spectrum, 24_000)) / 2.0**15).astype(np.float32)
    source, pair = tmp_path / f"in.{ending}", tmp_path / "pair.wav"
    write_audio(source, audio, 48_000, subtype="PCM_16", dither=False, layout=layout)
    write_audio(pair, audio[list(front)], 48_000, subtype="PCM_16", dither=False)
    target, alone = tmp_path / f"out.{ending}", tmp_path / "alone.wav"
    assert run_model("restore", source, "-o", target).code == 0
    assert run_model("restore", pair, "-o", alone).code == 0
    with open_audio(source) as given, open_audio(target) as found:
        assert found.speakers == given.speakers
        result = found.read()
    changed = [not np.array_equal(*rows) for rows in zip(audio, result, strict=True)]
    assert changed == [channel != lfe for channel in range(channels)]
    # But for the dither, which differs from channel to channel of a file by its number alone.
    np.testing.assert_allclose(result[list(front)], read(alone).T, atol=2.5 / 2**23)


def test_the_layout_of_one_file_is_not_kept_for_the_next(run_model, tmp_path):
    audio = np.random.default_rng(0).normal(0, 0.1, (6, 9000)).astype(np.float32)
    write_audio(tmp_path / "a.wav", audio, 48_000, layout="5.1")
    write_audio(tmp_path / "b.wav", audio[:3], 48_000, layout="2.1")
    write_audio(tmp_path / "c.wav", audio[:1], 48_000)
    assert run_model("restore", *(tmp_path / f"{name}.wav" for name in "abc")).code == 0


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_very_short_stereo_file(run_model, put, make_tones, tmp_path, length):
    source = put("short.wav", make_tones(2, length, 44_100), subtype="PCM_16")
    assert run_model("restore", source, "--amount", 0).code == 0
    np.testing.assert_array_equal(read(tmp_path / "short.restored.flac"), read(source))
    assert run_model("restore", source, "-o", tmp_path / "out.wav", "--bits", 32).code == 0
    assert read(tmp_path / "out.wav").shape == (length, 2)


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("command", ["restore", "render"])
def test_amount_zero_gives_16_bits_back_bit_for_bit(run_model, tmp_path, bits, command):
    steps = np.random.default_rng(0).integers(-(2**15), 2**15, (40_001, 2)).astype(np.int16)
    soundfile.write(tmp_path / "in.wav", steps, 44_100)
    target = tmp_path / "out.flac"
    options = ("-o", target, "--amount", 0, "--bits", bits)
    assert run_model(command, tmp_path / "in.wav", *options).code == 0
    found, _ = soundfile.read(target, dtype="int32")
    np.testing.assert_array_equal(found, steps.astype(np.int32) << 16)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--amount", "1.5"], "amount=1.5"),
        (["--amount", "nan"], "amount=nan"),
        (["--brightness", "13"], "brightness_db=13.0: must be from -12 to 12"),
        (["--brightness", "nan"], "brightness_db=nan"),
        (["--like-amount", "1.5"], "like_amount=1.5: must be from 0 to 1"),
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
