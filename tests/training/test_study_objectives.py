"""Training of the study's members: it learns, the autoencoder first where there is one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.training.material import rows, weights, write_pairs

from uncodec.diffusion.study import StudyRestorer
from uncodec.errors import InvalidValue, ModelError
from uncodec.networks.study import MEMBERS, StudyConfig, StudyNetwork
from uncodec.training.loop import begin, train
from uncodec.training.recipes import Run, find_recipe, run_recipe
from uncodec.training.study_objective import AutoencoderObjective, StudySettings, VelocityObjective
from uncodec.training.trainers import TRAINERS


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(
        tmp_path_factory.mktemp("work") / "pairs", [("mp3", 64, 0.5)] * 3, tones=True
    )


def test_the_velocity_loss_falls(pairs, tmp_path):
    network = begin(StudyNetwork, StudyConfig("spectral", (256,)))
    objective = VelocityObjective(network, pairs, StudySettings(batch=1, samples=4096))
    train(objective, tmp_path, replace(VelocityObjective.RUN, steps=100, learning_rate=3e-3))
    fallen = [row["velocity"] for row in rows(tmp_path)]
    assert fallen[-1] < 0.8 * fallen[0]


def test_the_autoencoder_is_held_once_it_is_trained(pairs, tmp_path):
    settings = StudySettings(batch=1, samples=4096, autoencoder=3)
    run = replace(VelocityObjective.RUN, steps=3)
    shape = StudyConfig("latent", (8, 12))
    network = begin(StudyNetwork, shape)
    first = train(AutoencoderObjective(network, pairs, settings), tmp_path / "first", run)
    assert not torch.equal(
        weights(first.representation), weights(begin(StudyNetwork, shape).representation)
    )
    network = begin(StudyNetwork, shape, start=first.state_dict())
    objective = VelocityObjective(network, pairs, settings)
    begun = weights(network.representation)
    clean, _, _ = next(objective.batches(0, 1))
    power = network.representation.to_state(clean).square().mean()
    assert power.item() == pytest.approx(1.0, abs=1e-3)
    last = train(objective, tmp_path / "last", run)
    assert torch.equal(weights(last.representation), begun)


def test_settings_out_of_range_are_refused(tmp_path):
    for wrong in ({"batch": 0}, {"autoencoder": -1}, {"samples": 5000}):
        with pytest.raises(InvalidValue, match="must"):
            StudySettings(**wrong)
    recipe = find_recipe("diffusion-latent")
    for steps, rule in ((0, "must be positive for the member 'latent'"), (1400, "must be less")):
        recipe.tables["training"]["autoencoder"] = steps
        with pytest.raises(ModelError, match=rule):
            TRAINERS["study"](recipe, Run(tmp_path, tmp_path))


@pytest.mark.parametrize("member", MEMBERS)
def test_the_recipe_ends_in_a_model_that_restores(pairs, tmp_path, member):
    recipe = find_recipe(f"diffusion-{member}")
    recipe.tables["study"]["widths"] = [8, 12]
    recipe.tables["training"].update(samples=4096, batch=1)
    recipe.tables["training"]["autoencoder"] = 1 if member == "latent" else 0
    own = tmp_path / "work"
    own.mkdir()
    (own / "pairs").symlink_to(pairs.folder)
    run = Run(own, tmp_path / "model", steps=2)
    run_recipe(recipe, None, run, only="train")
    run_recipe(recipe, None, run, only="release")
    restored = StudyRestorer(run.release, steps=2)(np.ones((2, 3000), np.float32), 44100)
    assert restored.shape == (2, 3000)
    assert np.isfinite(restored).all()
