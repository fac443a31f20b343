"""What was added gets the levels that a level network says, whatever a file comes in."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from uncodec import DiffusionRestorer
from uncodec.diffusion.level_stage import LevelStage
from uncodec.diffusion.stream import open_diffusion
from uncodec.errors import ModelError
from uncodec.model_folders import weight_files
from uncodec.networks import load_diffusion, save_weights
from uncodec.networks.diffusion import DiffusionConfig, DiffusionNetwork
from uncodec.networks.gate import GateConfig, GateNetwork
from uncodec.networks.level_features import HOP, band_levels, stream_frames
from uncodec.networks.levels import LevelConfig, LevelNetwork

RATE = 44100


def network(both=True, seed=2):
    torch.manual_seed(seed)
    return LevelNetwork(LevelConfig(width=16, inner=8, layers=1, both=both)).eval()


def noise(seconds, above=0.0, seed=0):
    """Noise of two channels from a share of half the rate upwards, or up to there if negative."""
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0, 0.1, (2, count)))
    edge = int(abs(above) * spectrum.shape[1])
    spectrum[:, edge:] *= above >= 0
    spectrum[:, :edge] *= above <= 0
    return np.fft.irfft(spectrum, count).astype(np.float32)


def stage_of(coded, missing, both=True):
    stage = LevelStage([network(both)])
    count = coded.shape[1] // HOP * HOP
    room = ((0, 0), (stage.margin, stage.margin))
    out = np.empty((2, count), np.float32)
    stage.step_into(np.pad(coded[:, :count], room), np.pad(missing[:, :count], room), out)
    return out


def levels_of(image):
    """Levels of mid and side, [shape=(frames, 2, 64)]."""
    left_right = np.stack([image[0] + image[1], image[0] - image[1]])
    return band_levels(stream_frames(torch.from_numpy(left_right))).transpose(0, 1)


def test_levels_are_those_that_were_said():
    coded, missing = noise(3, -0.5), noise(3, 0.5, seed=1)
    louder = stage_of(coded, 3.0 * missing)
    softer = stage_of(coded, missing)
    top = levels_of(softer)[20:-20, :, 40:]
    assert torch.allclose(levels_of(louder)[20:-20, :, 40:].mean(0), top.mean(0), atol=0.02)
    assert not torch.allclose(levels_of(missing)[20:-20, :, 40:].mean(0), top.mean(0), atol=0.1)


@pytest.mark.parametrize("both", [False, True])
def test_silence_before_and_behind_a_recording_makes_no_difference(both):
    coded, missing = noise(2, -0.5)[:, : 160 * HOP], noise(2, 0.5, seed=1)[:, : 160 * HOP]
    alone = stage_of(coded, missing, both)
    room = ((0, 0), (50 * HOP, 70 * HOP))
    among = stage_of(np.pad(coded, room), np.pad(missing, room), both)
    np.testing.assert_allclose(among[:, 50 * HOP : -70 * HOP], alone, atol=1e-6)


def test_nothing_comes_of_nothing():
    coded = noise(1, -0.5)
    assert not stage_of(coded, np.zeros_like(coded)).any()
    assert not stage_of(np.zeros_like(coded), noise(1, 0.5)).any()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    torch.manual_seed(0)
    config = DiffusionConfig(window=2048, hop=512, width=8, dilations=(1,), local=2)
    made = DiffusionNetwork(config)
    save_weights(folder, made, name="small", version="1")
    return folder


@pytest.fixture(scope="module")
def levelled(plain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("levelled") / "model"
    shutil.copytree(plain, folder)
    save_weights(folder, network(), name="levels", version="1")
    return folder


def test_a_model_with_levels_renders_aligned_and_in_blocks_alike(levelled, plain):
    coded = noise(2, -0.4)
    whole = DiffusionRestorer(model=levelled, steps=2)(coded, RATE)
    assert whole.shape == coded.shape
    own = DiffusionRestorer(model=plain, steps=2)(coded, RATE)
    assert not np.allclose(whole, own, atol=1e-4)
    stream = open_diffusion(levelled, sample_rate=RATE, channels=2, steps=2)
    silence = np.zeros((2, stream.latency_samples), np.float32)
    padded = np.concatenate([coded, silence], axis=1)
    cut = [padded[:, i : i + 90_001] for i in range(0, padded.shape[1], 90_001)]
    joined = np.concatenate([stream.process(part) for part in cut], axis=1)
    assert np.allclose(joined[:, stream.latency_samples :], whole, atol=1e-6)


def test_the_digest_tells_levels_apart(levelled, plain):
    with_levels, without = load_diffusion(levelled), load_diffusion(plain)
    assert with_levels.digest != without.digest
    assert without.levels == ()


def test_levels_of_another_hop_are_refused(levelled, monkeypatch):
    monkeypatch.setattr("uncodec.networks.store.HOP", 256)
    (levelled / "levels.safetensors").touch()  # Not to get what was loaded before.
    with pytest.raises(ModelError, match="levels: must go with a hop of 256, got"):
        load_diffusion(levelled)


def test_the_mean_of_what_two_networks_say_is_played(levelled, tmp_path):
    both = tmp_path / "model"
    shutil.copytree(levelled, both)
    other = tmp_path / "other"
    louder = network(both=False, seed=7)
    torch.nn.init.constant_(louder.leave.bias, 0.1)
    save_weights(other, louder, name="levels", version="1")
    shutil.copy(other / "levels.safetensors", both / "second-levels.safetensors")
    one, two = load_diffusion(levelled), load_diffusion(both)
    assert len(one.levels) == 1
    assert len(two.levels) == 2
    assert two.digest.startswith(one.digest)
    assert weight_files(both)[-1].name == "second-levels.safetensors"

    coded, missing = noise(3, -0.5), noise(3, 0.5, seed=1)
    room = ((0, 0), (LevelStage.margin, LevelStage.margin))
    count = coded.shape[1] // HOP * HOP
    padded = [np.pad(x[:, :count], room) for x in (coded, missing)]
    loud = []
    for networks in (two.levels[:1], two.levels[1:], two.levels):
        out = np.empty((2, count), np.float32)
        LevelStage(networks).step_into(*padded, out)
        loud.append(levels_of(out)[20:-20, :, 40:].mean())
    assert abs(loud[0] - loud[1]) > 0.1
    assert abs(loud[2] - (loud[0] + loud[1]) / 2) < 0.02


def gate_of(odds):
    """A gate that is as sure of everything."""
    made = GateNetwork(GateConfig(width=8, inner=4, layers=1)).eval()
    torch.nn.init.zeros_(made.leave.weight)
    torch.nn.init.constant_(made.leave.bias, odds)
    return made


def gated(coded, missing, gate):
    count = coded.shape[1] // HOP * HOP
    room = ((0, 0), (LevelStage.margin, LevelStage.margin))
    out = np.empty((2, count), np.float32)
    padded = [np.pad(x[:, :count], room) for x in (coded, missing)]
    LevelStage([network()], gate=gate).step_into(*padded, out)
    return out


def test_where_nothing_was_coded_nothing_is_added():
    coded, missing = noise(2, -0.5), noise(2, 0.5, seed=1)
    whole = gated(coded, missing, None)
    np.testing.assert_array_equal(gated(coded, missing, gate_of(3.0)), whole)
    assert not gated(coded, missing, gate_of(-3.0)).any()
    half = gated(coded, missing, gate_of(-0.5))
    np.testing.assert_allclose(half[:, 4096:-4096], 0.5 * whole[:, 4096:-4096], atol=1e-4)


def test_a_gate_goes_with_a_model_and_its_verdict_is_heard(levelled, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(levelled, folder)
    save_weights(folder, gate_of(-3.0), name="gate", version="1")
    loaded, without = load_diffusion(folder), load_diffusion(levelled)
    assert isinstance(loaded.gate, GateNetwork)
    assert without.gate is None
    assert loaded.digest != without.digest
    assert weight_files(folder)[-1].name == "gate.safetensors"
    coded = noise(2, -0.4)
    assert not np.array_equal(DiffusionRestorer(model=levelled)(coded, RATE), coded)
    np.testing.assert_array_equal(DiffusionRestorer(model=folder)(coded, RATE), coded)


def test_no_verdict_before_that_of_a_gate_counts(levelled, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(levelled, folder)
    shut = load_diffusion(levelled).network
    made = DiffusionNetwork(shut.config)
    made.load_state_dict(shut.state_dict())
    for gate in (made.gate, made.live.gate):
        torch.nn.init.zeros_(gate.weight)
        torch.nn.init.constant_(gate.bias, -9.0)
    save_weights(folder, made, name="small", version="1")
    coded = noise(2, -0.4)
    np.testing.assert_array_equal(DiffusionRestorer(model=folder)(coded, RATE), coded)
    save_weights(folder, gate_of(3.0), name="gate", version="1")
    assert not np.array_equal(DiffusionRestorer(model=folder)(coded, RATE), coded)


def test_a_gate_without_level_networks_is_refused(plain, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(plain, folder)
    save_weights(folder, gate_of(0.0), name="gate", version="1")
    with pytest.raises(ModelError, match=r"gate: must go with level networks, got no levels\.saf"):
        load_diffusion(folder)
