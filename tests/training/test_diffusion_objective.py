"""Training of the offline network: it learns; what its settings and losses are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.training.material import rows

from uncodec.diffusion.level_stage import LevelStage
from uncodec.errors import InvalidValue
from uncodec.networks import DiffusionConfig, Generator, GeneratorConfig
from uncodec.networks.level_features import HOP
from uncodec.networks.levels import LevelConfig, LevelNetwork
from uncodec.networks.spectra import mid_side
from uncodec.training.diffusion_objective import (
    DiffusionObjective,
    DiffusionSettings,
    begin_diffusion,
    diffusion_scores,
    with_levels,
)
from uncodec.training.loop import begin, train
from uncodec.training.losses import level_error

SMALL = DiffusionConfig(window=512, hop=128, width=16, dilations=(1,), local=4)


def test_it_lowers_the_distance_within_a_few_steps(pairs, tmp_path):
    config = GeneratorConfig(window=256, hop=64, encoder=8, hidden=8, local=2)
    network = begin_diffusion(SMALL, begin(Generator, config, seed=1))
    settings = DiffusionSettings(batch=2, seconds=0.3, lead=0.1)
    run = replace(DiffusionObjective.RUN, steps=20, learning_rate=1e-2, average=0.9)
    trained = train(DiffusionObjective(network, pairs, settings), tmp_path, run)
    scores = diffusion_scores(trained, pairs, steps=(1, 3), every=1)
    damaged = scores["mp3-64"]
    assert damaged["lsd_1"] < 0.6 * damaged["lsd_in"]
    assert damaged["lsd_3"] < 0.6 * damaged["lsd_in"]
    assert {"null_db_1", "worst_null_db_3"} <= set(scores["clean"])


def levels():
    torch.manual_seed(1)
    return LevelNetwork(LevelConfig(width=16, inner=8, layers=1, both=True)).eval()


def test_levels_are_set_in_training_as_in_use():
    source = torch.Generator().manual_seed(0)
    spectrum = torch.fft.rfft(0.1 * torch.randn(2, 200 * HOP, generator=source))
    middle = spectrum.shape[1] // 2
    parts = [spectrum.clone(), spectrum.clone()]
    parts[0][:, middle:] = 0.0
    parts[1][:, :middle] = 0.0
    coded, change = (torch.fft.irfft(part, 200 * HOP)[None] for part in parts)
    with torch.no_grad():
        got = mid_side(with_levels(levels(), change, coded))[0].numpy()
    stage = LevelStage([levels()])
    room = ((0, 0), (stage.margin, stage.margin))
    wanted = np.empty((2, 200 * HOP), np.float32)
    padded = (np.pad(mid_side(x)[0].numpy(), room) for x in (coded, change))
    stage.step_into(*padded, wanted)
    inner = slice(20 * HOP, 180 * HOP)
    apart = np.abs(got[:, inner] - wanted[:, inner]).max()
    assert apart < 0.02 * np.abs(wanted).max()
    assert np.abs(mid_side(change)[0].numpy()[:, inner] - wanted[:, inner]).max() > 20 * apart


def test_it_learns_with_levels_that_stay_as_they_are(pairs, tmp_path):
    config = GeneratorConfig(window=256, hop=64, encoder=8, hidden=8, local=2)
    made = DiffusionObjective(
        begin_diffusion(SMALL, begin(Generator, config, seed=1)),
        pairs,
        DiffusionSettings(batch=2, seconds=0.3, lead=0.1),
    )
    network = levels()
    before = [value.clone() for value in network.state_dict().values()]
    made.set_levels(network)
    train(made, tmp_path, replace(DiffusionObjective.RUN, steps=3))
    assert all(map(torch.equal, network.state_dict().values(), before))
    assert all(np.isfinite(row["total"]) and np.isfinite(row["norm"]) for row in rows(tmp_path))


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
