"""Pairs: codings over the whole menu, crops varied alike, folders that keep to their recordings."""

import json
import signal
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest
import soundfile as sf

from uncodec.errors import InvalidValue, UncodecError
from uncodec.training import item_folders
from uncodec.training.codings import Coding, draw_coding
from uncodec.training.pairs import PairSet, build_pairs


def test_some_codings_come_twice_and_the_first_has_the_higher_rate():
    rng = np.random.default_rng(0)
    drawn = [draw_coding(rng, 44100) for _ in range(600)]
    twice = [coding for coding in drawn if coding.before is not None]
    assert 0.04 < len(twice) / len(drawn) < 0.12
    assert all(coding.codec != "clean" and coding.before.kbps >= 96 for coding in twice)
    assert any(coding.codec == "aac" and not coding.joint_stereo for coding in drawn)


def test_a_second_coding_adds_to_the_first():
    audio = (0.1 * np.random.default_rng(0).standard_normal((2, 22050))).astype(np.float32)
    once, first = Coding("mp3", 160), Coding("mp3", 128, cutoff_hz=8000)
    coded = Coding("mp3", 160, before=first).apply(audio, 44100)
    np.testing.assert_array_equal(coded, once.apply(first.apply(audio, 44100), 44100))
    tops = [
        np.abs(np.fft.rfft(signal))[:, 5000:7500].mean()
        for signal in (once.apply(audio, 44100), coded)
    ]
    assert tops[1] < 0.01 * tops[0]


def test_crops_are_varied_alike_and_without_a_leaning(tmp_path):
    rng = np.random.default_rng(0)
    clean = (0.1 * rng.standard_normal((2, 22050))).astype(np.float32)
    np.save(tmp_path / "000000.npy", np.stack([clean, clean]))
    (tmp_path / "000000.json").write_text(json.dumps({"index": 0, "codec": "clean", "kbps": 0}))
    pairs = PairSet(tmp_path)
    slopes = []
    for step in range(300):
        clean, coded, _ = pairs.batch(step, 2, 8192)
        np.testing.assert_array_equal(clean, coded)
        assert np.abs(clean).max() <= 1.42  # 3 dB above full scale
        power = np.abs(np.fft.rfft(clean[:, 0])) ** 2
        slopes += list(10 * np.log10(power[:, 3500:].mean(1) / power[:, 50:300].mean(1)))
    assert abs(np.mean(slopes)) < 0.7
    assert np.std(slopes) > 2.0


def test_a_folder_of_pairs_stays_with_its_recordings(tmp_path):
    data = tmp_path / "data" / "solo"
    data.mkdir(parents=True)
    rng = np.random.default_rng(0)
    sf.write(data / "a.wav", 0.1 * rng.standard_normal((11 * 44100, 2)), 44100)
    build_pairs(data, tmp_path / "pairs", count=1, seconds=0.5)
    sf.write(data / "a.wav", 0.1 * rng.standard_normal((12 * 44100, 2)), 44100)
    with pytest.raises(InvalidValue, match="was begun with"):
        build_pairs(data, tmp_path / "pairs", count=2, seconds=0.5)


def test_workers_ignore_ctrl_c_where_the_first_process_does():
    kept = signal.getsignal(signal.SIGINT)
    try:
        for handler, wanted in (
            (signal.SIG_IGN, signal.SIG_IGN),
            (signal.default_int_handler, signal.SIG_DFL),
        ):
            signal.signal(signal.SIGINT, handler)
            item_folders._begin_worker()
            assert signal.getsignal(signal.SIGINT) is wanted
    finally:
        signal.signal(signal.SIGINT, kept)


def test_a_process_that_dies_is_told(tmp_path, monkeypatch):
    def die(futures):
        raise BrokenProcessPool

    data = tmp_path / "data" / "solo"
    data.mkdir(parents=True)
    audio = 0.1 * np.random.default_rng(0).standard_normal((11 * 44100, 2))
    sf.write(data / "a.wav", audio, 44100)
    monkeypatch.setattr(item_folders, "as_completed", die)
    with pytest.raises(UncodecError, match="a process that builds items died"):
        build_pairs(data, tmp_path / "pairs", count=17, seconds=0.5, workers=2)
