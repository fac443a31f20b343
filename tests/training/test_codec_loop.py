"""Training of the codec classifier: labels, learning, exact resumption."""

import json

import numpy as np
import pytest
import torch

from uncodec.errors import ModelError
from uncodec.networks.codec_net import CodecNetConfig
from uncodec.training.codec_loop import (
    CodecLoopSettings,
    measured_cutoff,
    score_codec_net,
    train_codec_net,
)
from uncodec.training.pairs import PairSet

SMALL = CodecNetConfig(widths=(4, 4, 8, 8), hidden=16)


def low_passed(audio, share):
    spectrum = np.fft.rfft(audio)
    spectrum[:, round(share * spectrum.shape[1]) :] = 0
    return np.fft.irfft(spectrum, n=audio.shape[1]).astype(np.float32)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """White noise, whole as "clean", cut at a third as "mp3", at two thirds as "opus"."""
    root = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    kinds = [("clean", 0, 1.0), ("mp3", 32, 1 / 3), ("opus", 64, 2 / 3)]
    for index in range(6):
        clean = (0.1 * rng.standard_normal((2, 33075))).astype(np.float32)
        codec, kbps, share = kinds[index % 3]
        coded = clean if share == 1 else low_passed(clean, share)
        np.save(root / f"{index:06d}.npy", np.stack([clean, coded]))
        note = {"index": index, "rate": 44100, "codec": codec, "kbps": kbps}
        (root / f"{index:06d}.json").write_text(json.dumps(note))
    return PairSet(root)


def test_the_cut_off_is_measured_on_the_pair():
    rng = np.random.default_rng(1)
    clean = (0.1 * rng.standard_normal((2, 44100))).astype(np.float32)
    coded = np.stack([clean, low_passed(clean, 0.5), low_passed(clean, 0.8)])
    found = measured_cutoff(torch.from_numpy(np.stack([clean] * 3)), torch.from_numpy(coded))
    np.testing.assert_allclose(found, [1.0, 0.5, 0.8], atol=0.02)


def test_a_dull_recording_is_not_taken_for_a_cut_one():
    rng = np.random.default_rng(2)
    dull = low_passed((0.1 * rng.standard_normal((2, 44100))).astype(np.float32), 0.4)
    found = measured_cutoff(*(torch.from_numpy(dull)[None] for _ in range(2)))
    assert found.item() == 1.0


def test_rounding_to_16_bits_hides_no_cut():
    rng = np.random.default_rng(3)
    clean = (0.1 * rng.standard_normal((2, 44100))).astype(np.float32)
    coded = np.round(low_passed(clean, 0.5) * 32768).astype(np.float32) / 32768
    found = measured_cutoff(torch.from_numpy(clean)[None], torch.from_numpy(coded)[None])
    assert found.item() == pytest.approx(0.5, abs=0.02)


def test_it_learns_to_tell_codecs_apart(pairs, tmp_path):
    settings = CodecLoopSettings(steps=60, batch=6, seconds=0.5, learning_rate=1e-2)
    scores = score_codec_net(train_codec_net(pairs, tmp_path, settings, config=SMALL), pairs)
    assert scores["codec_accuracy"] == 1.0
    assert scores["rate_error_octaves"] < 0.3
    assert scores["cutoff_error"] < 0.1


def test_an_interrupted_run_ends_where_a_whole_one_does(pairs, tmp_path):
    settings = CodecLoopSettings(steps=6, batch=2, seconds=0.5)

    class Interrupted(PairSet):
        def batch(self, step, *rest):
            if step == 5:
                raise KeyboardInterrupt
            return super().batch(step, *rest)

    whole = train_codec_net(pairs, tmp_path / "whole", settings, config=SMALL, every=3)
    with pytest.raises(KeyboardInterrupt):
        train_codec_net(
            Interrupted(pairs.folder), tmp_path / "part", settings, config=SMALL, every=3
        )
    resumed = train_codec_net(pairs, tmp_path / "part", settings, config=SMALL, every=3)
    for key, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], value)
    other = CodecLoopSettings(steps=6, batch=3, seconds=0.5)
    with pytest.raises(ModelError, match="was begun with"):
        train_codec_net(pairs, tmp_path / "part", other, config=SMALL)
