"""Training of the offline network: it learns, it resumes exactly, it refuses other runs."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from uncodec.errors import InvalidValue, ModelError
from uncodec.networks import DiffusionConfig, Generator, GeneratorConfig
from uncodec.training.diffusion_loop import DiffusionSettings, train_diffusion, validate
from uncodec.training.losses import level_error
from uncodec.training.pairs import PairSet

SMALL = DiffusionConfig(window=512, hop=128, width=16, dilations=(1,), local=4)
QUICK = DiffusionSettings(steps=6, batch=2, seconds=0.3, lead=0.1)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """White noise and its low-passed twin, plus one clean pair."""
    root = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    for index in range(4):
        clean = (0.1 * rng.standard_normal((2, 22050))).astype(np.float32)
        spectrum = np.fft.rfft(clean)
        spectrum[:, 5000:] = 0
        coded = np.fft.irfft(spectrum, n=22050).astype(np.float32) if index else clean
        np.save(root / f"{index:06d}.npy", np.stack([clean, coded]))
        codec, kbps = ("mp3", 64) if index else ("clean", 0)
        note = {"index": index, "rate": 44100, "codec": codec, "kbps": kbps}
        (root / f"{index:06d}.json").write_text(json.dumps(note))
    return PairSet(root)


@pytest.fixture(scope="module")
def live():
    torch.manual_seed(1)
    return Generator(GeneratorConfig(window=256, hop=64, encoder=8, hidden=8, local=2))


def weights(network):
    return torch.cat([p.flatten() for p in network.state_dict().values()])


def test_it_lowers_the_distance_within_a_few_steps(pairs, live, tmp_path):
    settings = DiffusionSettings(
        steps=40, batch=2, seconds=0.3, lead=0.1, learning_rate=1e-2, average=0.9
    )
    network = train_diffusion(pairs, tmp_path, settings, live=live, config=SMALL)
    scores = validate(network, pairs, steps=(1, 3), every=1)
    damaged = scores["mp3-64"]
    assert damaged["lsd_1"] < 0.6 * damaged["lsd_in"]
    assert damaged["lsd_3"] < 0.6 * damaged["lsd_in"]
    assert {"null_db_1", "worst_null_db_3"} <= set(scores["clean"])


def test_an_interrupted_run_ends_where_a_whole_one_does(pairs, live, tmp_path):
    whole = train_diffusion(pairs, tmp_path / "whole", QUICK, live=live, config=SMALL, every=3)

    class Interrupted(PairSet):
        def batch(self, step, *rest):
            if step == 5:
                raise KeyboardInterrupt
            return super().batch(step, *rest)

    part = tmp_path / "part"
    with pytest.raises(KeyboardInterrupt):
        train_diffusion(Interrupted(pairs.folder), part, QUICK, live=live, config=SMALL, every=3)
    resumed = train_diffusion(pairs, part, QUICK, live=live, config=SMALL, every=3)
    assert torch.equal(weights(resumed), weights(whole))


def test_checkpoints_of_other_runs_are_refused(pairs, live, tmp_path):
    short = dataclasses.replace(QUICK, steps=1, batch=1)
    train_diffusion(pairs, tmp_path, short, live=live, config=SMALL)
    other = dataclasses.replace(QUICK, steps=1)
    with pytest.raises(ModelError, match="was begun with"):
        train_diffusion(pairs, tmp_path, other, live=live, config=SMALL)
    with pytest.raises(ModelError, match="holds a network"):
        train_diffusion(
            pairs, tmp_path, short, live=live, config=DiffusionConfig(window=512, hop=128)
        )
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    torch.save(kept | {"version": 99}, tmp_path / "checkpoint.pt")
    with pytest.raises(ModelError, match="must be a checkpoint of version 2, got 99"):
        train_diffusion(pairs, tmp_path, short, live=live, config=SMALL)


def test_settings_are_checked():
    for wrong, rule in (
        ({"steps": 0}, "steps=0"),
        ({"seconds": 0.1}, r"seconds=0\.1"),
        ({"lead": 0.0}, r"lead=0\.0"),
        ({"begin": 0.7, "own": 0.4}, r"begin=0\.7, own=0\.4"),
    ):
        with pytest.raises(InvalidValue, match=rule):
            DiffusionSettings(**wrong)


def test_the_level_error_counts_decades():
    audio = torch.randn(2, 2, 20_000, generator=torch.Generator().manual_seed(0))
    assert level_error(audio, audio).abs().max() == 0
    assert level_error(audio, 10**0.5 * audio).tolist() == pytest.approx([1.0, 1.0], abs=1e-3)
