"""The training loop, with every objective: resumed exactly, other runs refused, kept safe."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.training.material import rows, weights

from uncodec.errors import InvalidValue, ModelError
from uncodec.networks.codec_net import CodecNet, CodecNetConfig
from uncodec.networks.diffusion import DiffusionConfig
from uncodec.networks.generator import Generator, GeneratorConfig
from uncodec.networks.levels import LevelConfig, LevelNetwork
from uncodec.networks.study import StudyConfig, StudyNetwork
from uncodec.training.adversarial_objective import AdversarialObjective, AdversarySettings
from uncodec.training.checkpoints import Due
from uncodec.training.codec_objective import CodecObjective, CodecSettings
from uncodec.training.diffusion_objective import (
    DiffusionObjective,
    DiffusionSettings,
    begin_diffusion,
)
from uncodec.training.encoder_gain_objective import EncoderGainObjective, EncoderGainSettings
from uncodec.training.level_objective import LevelObjective, LevelSettings
from uncodec.training.loop import RunSettings, begin, train
from uncodec.training.study_objective import AutoencoderObjective, StudySettings, VelocityObjective
from uncodec.training.trainers import RESTORATIONS

GENERATOR = GeneratorConfig(window=512, hop=256, encoder=16, hidden=16, local=8)
CODEC = CodecNetConfig(widths=(4, 4, 8, 8), hidden=8)
QUICK = RunSettings(steps=6, learning_rate=3e-3, warm=2)


def restoration(name, seed=0, encoder=16, **more):
    def make(pairs, library):
        kind = RESTORATIONS[name]
        settings = kind.SETTINGS(batch=2, seconds=0.5, seed=seed, **more)
        return kind(begin(Generator, replace(GENERATOR, encoder=encoder)), pairs, settings)

    return make


def adversarial(seed=0, encoder=16):
    def make(pairs, library):
        base = restoration("distance", seed, encoder)(pairs, library)
        settings = AdversarySettings("both", adversary_after=1)
        return AdversarialObjective(base, settings, begin(CodecNet, CODEC))

    return make


def encoder_gain(seed=0, window=512):
    def make(pairs, library):
        generator = begin(Generator, replace(GENERATOR, window=window))
        return EncoderGainObjective(generator, pairs, EncoderGainSettings(seed, 0.3))

    return make


def diffusion(seed=0, width=16):
    def make(pairs, library):
        live = begin(Generator, GeneratorConfig(window=256, hop=64, encoder=8, hidden=8, local=2))
        config = DiffusionConfig(window=512, hop=128, width=width, dilations=(1,), local=4)
        settings = DiffusionSettings(batch=2, seconds=0.3, lead=0.1, seed=seed)
        return DiffusionObjective(begin_diffusion(config, live), pairs, settings)

    return make


def codec(seed=0, hidden=8):
    def make(pairs, library):
        network = begin(CodecNet, replace(CODEC, hidden=hidden))
        return CodecObjective(network, pairs, CodecSettings(2, 0.5, seed))

    return make


def study(kind, member, autoencoder=0, seed=0, width=8):
    def make(pairs, library):
        network = begin(StudyNetwork, StudyConfig(member, (width, 12)))
        return kind(network, pairs, StudySettings(1, 4096, seed, autoencoder))

    return make


def levels(seed=0, width=32):
    def make(pairs, library):
        network = begin(LevelNetwork, LevelConfig(width=width, inner=24, layers=1))
        return LevelObjective(network, library, LevelSettings(batch=2, frames=64, seed=seed))

    return make


# As it is, with another seed, with a network of another shape.
OBJECTIVES = {
    **{
        name: (restoration(name), restoration(name, seed=1), restoration(name, encoder=8))
        for name in ("distance", "mse")
    },
    "polish": (
        restoration("polish", neurogram=0.5, width=0.5),
        restoration("polish", seed=1, neurogram=0.5, width=0.5),
        restoration("polish", encoder=8),
    ),
    "adversarial": (adversarial(), adversarial(seed=1), adversarial(encoder=8)),
    "encoder gain": (encoder_gain(), encoder_gain(seed=1), encoder_gain(window=1024)),
    "diffusion": (diffusion(), diffusion(seed=1), diffusion(width=8)),
    "codec": (codec(), codec(seed=1), codec(hidden=4)),
    "levels": (levels(), levels(seed=1), levels(width=16)),
    **{
        f"{kind.__name__} {member}": (
            study(kind, member, steps),
            study(kind, member, steps, seed=1),
            study(kind, member, steps, width=4),
        )
        for kind, member, steps in (
            (AutoencoderObjective, "latent", 3),
            (VelocityObjective, "latent", 3),
            (VelocityObjective, "spectral", 0),
            (VelocityObjective, "vocoder", 0),
        )
    },
}


def interrupted(objective, at):
    """The same, but stopped with Ctrl-C before step `at`."""
    batches = objective.batches

    def until(first, stop):
        for step, batch in enumerate(batches(first, stop), first):
            if step == at:
                raise KeyboardInterrupt
            yield batch

    objective.batches = until
    return objective


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_interrupted_run_ends_where_a_whole_one_does(pairs, library, tmp_path, name):
    make = OBJECTIVES[name][0]
    whole = train(make(pairs, library), tmp_path / "whole", QUICK, every=3)
    with pytest.raises(KeyboardInterrupt):
        train(interrupted(make(pairs, library), 5), tmp_path / "part", QUICK, every=3)
    # Whatever random weights it is made with now.
    torch.manual_seed(9)
    resumed = train(make(pairs, library), tmp_path / "part", QUICK, every=3)
    assert torch.equal(weights(resumed), weights(whole))
    assert not torch.equal(weights(whole), weights(make(pairs, library).network))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_another_run_is_refused(pairs, library, tmp_path, name):
    own, seeded, shaped = (make(pairs, library) for make in OBJECTIVES[name])
    train(own, tmp_path, replace(QUICK, steps=1))
    with pytest.raises(ModelError, match="was begun with seed=0, must go on with it, got seed=1"):
        train(seeded, tmp_path, QUICK)
    with pytest.raises(ModelError, match="holds a network with"):
        train(shaped, tmp_path, QUICK)


def test_what_another_run_was_begun_with_is_told_and_nothing_else(pairs, library, tmp_path):
    make = OBJECTIVES["levels"][0]
    train(make(pairs, library), tmp_path, replace(QUICK, steps=1))
    with pytest.raises(ModelError) as caught:
        train(make(pairs, library), tmp_path, replace(QUICK, steps=9, seed=1, clip=None))
    told = "was begun with seed=0, clip=1.0, must go on with it, got seed=1, clip=None"
    assert str(caught.value).endswith(told)
    folder = tmp_path / "distance"
    train(restoration("distance")(pairs, library), folder, replace(QUICK, steps=1))
    with pytest.raises(ModelError, match=r"begun with objective='distance'.*got objective='mse'"):
        train(restoration("mse")(pairs, library), folder, QUICK)


def test_a_setting_that_came_later_has_its_default_in_older_runs(pairs, library, tmp_path):
    make = OBJECTIVES["levels"][0]
    train(make(pairs, library), tmp_path, replace(QUICK, steps=1))
    path = tmp_path / "checkpoint.pt"
    kept = torch.load(path, weights_only=True)
    older = kept["settings"] | {
        "run": kept["settings"]["run"].replace(", 'memory': 0.99", ""),
        "objective": kept["settings"]["objective"].replace(", 'half': False", ""),
    }
    assert older != kept["settings"]
    del kept["state"]
    torch.save(kept | {"settings": older}, path)
    with pytest.raises(ModelError, match=r"begun with memory=0\.99, must .* got memory=0\.9$"):
        train(make(pairs, library), tmp_path, replace(QUICK, memory=0.9))
    train(make(pairs, library), tmp_path, QUICK)
    assert rows(tmp_path)[-1]["step"] == 6


def test_checkpoints_that_are_none_are_refused(pairs, library, tmp_path):
    make = OBJECTIVES["levels"][0]
    train(make(pairs, library), tmp_path, replace(QUICK, steps=1))
    path = tmp_path / "checkpoint.pt"
    kept = torch.load(path, weights_only=True)
    for wrong, message in (
        (kept | {"version": 99}, "checkpoint of version 5, got 99"),
        ([1, 2], "checkpoint of version 5, got list"),
        (kept | {"settings": kept["settings"] | {"run": "("}}, "its settings are damaged"),
    ):
        torch.save(wrong, path)
        with pytest.raises(ModelError, match=message):
            train(make(pairs, library), tmp_path, QUICK)
    path.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="must be a checkpoint, cannot be read"):
        train(make(pairs, library), tmp_path, QUICK)


def test_an_interruption_costs_what_was_done_since_the_clock_last_struck(
    pairs, library, tmp_path, monkeypatch
):
    make = OBJECTIVES["distance"][0]
    whole = train(make(pairs, library), tmp_path / "whole", QUICK)
    monkeypatch.setattr(Due, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        train(interrupted(make(pairs, library), 5), tmp_path / "part", QUICK)
    assert torch.load(tmp_path / "part" / "checkpoint.pt", weights_only=True)["step"] == 5
    judged = make(pairs, library)
    judged.validation = pairs
    resumed = train(judged, tmp_path / "part", QUICK)
    assert torch.equal(weights(resumed), weights(whole))
    # A checkpoint by the clock is not judged, the last one is.
    assert sum("validation" in row for row in rows(tmp_path / "part")) == 1


def test_checkpoints_are_due_at_marks_at_the_end_and_by_the_clock(monkeypatch):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    due = Due(10, 25)
    assert [done for done in range(1, 26) if due.now(done)] == [10, 20, 25]
    now = 61.0
    assert [due.now(done) for done in (11, 12, 20)] == [True, False, True]
    assert not due.mark(11)


def test_a_run_that_was_told_to_stop_goes_on_as_though_it_had_not(pairs, library, tmp_path):
    make = OBJECTIVES["levels"][0]
    whole = train(make(pairs, library), tmp_path / "whole", QUICK)
    halfway = train(make(pairs, library), tmp_path / "cut", QUICK, stop_after_s=0.0)
    resumed = train(make(pairs, library), tmp_path / "cut", QUICK)
    assert torch.equal(weights(resumed), weights(whole))
    assert not torch.equal(weights(halfway), weights(whole))


def test_a_run_can_grow_and_at_its_end_is_left_as_it_is(pairs, library, tmp_path):
    make = OBJECTIVES["distance"][0]
    first = train(make(pairs, library), tmp_path, QUICK)
    stamp = (tmp_path / "checkpoint.pt").stat().st_mtime_ns
    again = train(make(pairs, library), tmp_path, QUICK)
    assert torch.equal(weights(again), weights(first))
    assert (tmp_path / "checkpoint.pt").stat().st_mtime_ns == stamp
    train(make(pairs, library), tmp_path, replace(QUICK, steps=8))
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 8


def test_a_step_that_is_not_finite_moves_nothing(pairs, library, tmp_path):
    objective = OBJECTIVES["levels"][0](pairs, library)
    losses = objective.losses
    objective.losses = lambda batch, step: {
        name: part * (np.nan if step == 1 else 1.0) for name, part in losses(batch, step).items()
    }
    trained = train(objective, tmp_path, replace(QUICK, steps=2))
    assert torch.isfinite(weights(trained)).all()


def test_parts_of_the_loss_that_come_later_are_logged_by_their_own_means(pairs, library, tmp_path):
    objective = OBJECTIVES["adversarial"][0](pairs, library)
    train(objective, tmp_path, replace(QUICK, steps=3))
    (row,) = rows(tmp_path)
    assert row["step"] == 3
    assert 0 < row["hinge"] < 4
    # What has no gradient is told and not lowered.
    parts = set(row) - {"step", "hinge", "total", "norm", "seconds_per_step"}
    assert row["total"] < sum(row[name] for name in parts) + 1e-3


def test_the_weights_of_every_mark_are_kept_of_a_diffusion_network(pairs, library, tmp_path):
    trained = train(OBJECTIVES["diffusion"][0](pairs, library), tmp_path, QUICK, every=3)
    kept = [torch.load(path, weights_only=True) for path in sorted(tmp_path.glob("average-*.pt"))]
    assert len(kept) == 2
    assert torch.equal(kept[1]["average"]["place"], trained.state_dict()["place"])


def test_settings_are_checked():
    with pytest.raises(InvalidValue, match="steps=0"):
        RunSettings(steps=0)
    with pytest.raises(InvalidValue, match="adversary='kind': must be one of none, spectral"):
        AdversarySettings("kind")
    for kind in (*[kind.SETTINGS for kind in RESTORATIONS.values()], CodecSettings):
        with pytest.raises(InvalidValue, match=r"seconds=0\.1: must be from 0\.\d+ to 60"):
            kind(seconds=0.1)
        with pytest.raises(InvalidValue, match="batch=0"):
            kind(batch=0)
