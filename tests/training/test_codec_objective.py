"""Training of the codec classifier: labels and learning."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.training.material import low_passed, rows, write_pairs

from uncodec.networks.codec_net import CodecNet, CodecNetConfig
from uncodec.training.codec_objective import CodecObjective, CodecSettings, measured_cutoff
from uncodec.training.loop import begin, train


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


def test_it_learns_to_tell_codecs_apart(tmp_path):
    codings = [("clean", 0, 1), ("mp3", 32, 1 / 3), ("opus", 64, 2 / 3)] * 2
    pairs = write_pairs(tmp_path / "pairs", codings)
    network = begin(CodecNet, CodecNetConfig(widths=(4, 4, 8, 8), hidden=16))
    objective = CodecObjective(network, pairs, CodecSettings(batch=6, seconds=0.5), pairs)
    train(objective, tmp_path, replace(CodecObjective.RUN, steps=60, learning_rate=1e-2))
    scores = rows(tmp_path)[-1]["validation"]["all"]
    assert scores["codec_accuracy"] == 1.0
    assert scores["rate_error_octaves"] < 0.3
    assert scores["cutoff_error"] < 0.1
