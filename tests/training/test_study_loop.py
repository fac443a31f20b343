"""Training of the study's members: it learns, it resumes exactly, it refuses other runs."""

import json

import numpy as np
import pytest
import torch

from uncodec.diffusion.study import StudyRestorer
from uncodec.errors import InvalidValue, ModelError
from uncodec.networks.study import MEMBERS, StudyConfig
from uncodec.training.pairs import PairSet
from uncodec.training.recipes import Run, find_recipe, run_recipe
from uncodec.training.study_loop import StudySettings, train_study

SMALL = (8, 12)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Noise with a tone, and its low-passed twin."""
    root = tmp_path_factory.mktemp("work")
    (root / "pairs").mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        tone = np.sin(np.arange(12000) * 0.05 * (index + 1))
        clean = (0.1 * rng.standard_normal((2, 12000)) + tone).astype(np.float32)
        spectrum = np.fft.rfft(clean)
        spectrum[:, 3000:] = 0
        coded = np.fft.irfft(spectrum, n=12000).astype(np.float32)
        np.save(root / f"pairs/{index:06d}.npy", np.stack([clean, coded]))
        note = {"index": index, "rate": 44100, "codec": "mp3", "kbps": 64}
        (root / f"pairs/{index:06d}.json").write_text(json.dumps(note))
    return root


@pytest.fixture(scope="module")
def pairs(work):
    return PairSet(work / "pairs")


def settings(member, **changed):
    own = {"autoencoder": 3 if member == "latent" else 0, "steps": 6}
    return StudySettings(**{"batch": 1, "samples": 4096, **own, **changed})


def weights(network):
    return torch.cat([p.flatten() for p in network.state_dict().values()])


def losses(folder, key):
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [row[key] for row in rows if key in row]


def test_the_velocity_loss_falls(pairs, tmp_path):
    shape = StudyConfig("spectral", (256,))
    wanted = settings("spectral", steps=200, learning_rate=3e-3)
    train_study(pairs, tmp_path, wanted, config=shape)
    fallen = losses(tmp_path, "velocity")
    assert fallen[-1] < 0.8 * fallen[0]


@pytest.mark.parametrize("member", MEMBERS)
def test_an_interrupted_run_ends_where_a_whole_one_does(pairs, tmp_path, member):
    shape, wanted = StudyConfig(member, SMALL), settings(member)
    whole = train_study(pairs, tmp_path / "whole", wanted, config=shape, every=2)

    class Interrupted(PairSet):
        def batch(self, step, *rest):
            if step == 5:
                raise KeyboardInterrupt
            return super().batch(step, *rest)

    part = tmp_path / "part"
    with pytest.raises(KeyboardInterrupt):
        train_study(Interrupted(pairs.folder), part, wanted, config=shape, every=2)
    resumed = train_study(pairs, part, wanted, config=shape, every=2)
    assert torch.equal(weights(resumed), weights(whole))


def test_the_autoencoder_is_held_once_it_is_trained(pairs, tmp_path):
    shape = StudyConfig("latent", SMALL)
    short = train_study(pairs, tmp_path, settings("latent", steps=4), config=shape)
    kept = weights(short.representation)
    longer = train_study(pairs, tmp_path, settings("latent", steps=6), config=shape)
    assert torch.equal(weights(longer.representation), kept)


def test_checkpoints_of_other_runs_are_refused(pairs, tmp_path):
    shape = StudyConfig("spectral", SMALL)
    train_study(pairs, tmp_path, settings("spectral", steps=1), config=shape)
    with pytest.raises(ModelError, match="was begun with"):
        train_study(pairs, tmp_path, settings("spectral", steps=1, seed=1), config=shape)
    other = StudyConfig("spectral", (8,))
    with pytest.raises(ModelError, match="holds a network"):
        train_study(pairs, tmp_path, settings("spectral", steps=1), config=other)


def test_settings_out_of_range_are_refused(pairs, tmp_path):
    for wrong in ({"steps": 0}, {"autoencoder": 6, "steps": 6}, {"samples": 5000}):
        with pytest.raises(InvalidValue, match="must be"):
            settings("spectral", **wrong)
    with pytest.raises(InvalidValue, match="must be positive for the member 'latent'"):
        train_study(
            pairs, tmp_path, settings("latent", autoencoder=0), config=StudyConfig("latent")
        )


@pytest.mark.parametrize("member", MEMBERS)
def test_the_recipe_ends_in_a_model_that_restores(work, tmp_path, member):
    recipe = find_recipe(f"diffusion-{member}")
    recipe.tables["study"]["widths"] = [8, 12]
    recipe.tables["training"].update(samples=4096, batch=1)
    recipe.tables["training"]["autoencoder"] = 1 if member == "latent" else 0
    own = tmp_path / "work"
    own.mkdir()
    (own / "pairs").symlink_to(work / "pairs")
    run = Run(own, tmp_path / "model", steps=2)
    run_recipe(recipe, None, run, only="train")
    run_recipe(recipe, None, run, only="release")
    restored = StudyRestorer(run.release, steps=2)(np.ones((2, 3000), np.float32), 44100)
    assert restored.shape == (2, 3000)
    assert np.isfinite(restored).all()
