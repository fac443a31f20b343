"""Training of the offline network: it learns; what its settings and losses are."""

from dataclasses import replace

import pytest
import torch

from uncodec.errors import InvalidValue
from uncodec.networks import DiffusionConfig, Generator, GeneratorConfig
from uncodec.training.diffusion_objective import (
    DiffusionObjective,
    DiffusionSettings,
    begin_diffusion,
    diffusion_scores,
)
from uncodec.training.loop import begin, train
from uncodec.training.losses import level_error

SMALL = DiffusionConfig(window=512, hop=128, width=16, dilations=(1,), local=4)


def test_it_lowers_the_distance_within_a_few_steps(pairs, tmp_path):
    config = GeneratorConfig(window=256, hop=64, encoder=8, hidden=8, local=2)
    network = begin_diffusion(SMALL, begin(Generator, config, seed=1))
    settings = DiffusionSettings(batch=2, seconds=0.3, lead=0.1)
    run = replace(DiffusionObjective.RUN, steps=40, learning_rate=1e-2, average=0.9)
    trained = train(DiffusionObjective(network, pairs, settings), tmp_path, run)
    scores = diffusion_scores(trained, pairs, steps=(1, 3), every=1)
    damaged = scores["mp3-64"]
    assert damaged["lsd_1"] < 0.6 * damaged["lsd_in"]
    assert damaged["lsd_3"] < 0.6 * damaged["lsd_in"]
    assert {"null_db_1", "worst_null_db_3"} <= set(scores["clean"])


def test_settings_are_checked():
    for wrong, rule in (
        ({"batch": 0}, "batch=0"),
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
