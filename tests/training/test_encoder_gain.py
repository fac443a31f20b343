"""The encoder gain's training: who was turned down, and learning to tell."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from uncodec.networks import Generator, GeneratorConfig
from uncodec.networks.encoder_gain import TURNED_DOWN
from uncodec.training.encoder_gain_objective import (
    EncoderGainObjective,
    EncoderGainSettings,
    gather_holes,
)
from uncodec.training.loop import begin, train
from uncodec.training.losses import was_turned_down

SMALL = GeneratorConfig(window=256, hop=128, encoder=8, hidden=8, local=8)


def noise(count, seed=0):
    source = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(count, 2, 22050, generator=source)


def low_passed(audio, share):
    spectrum = torch.fft.rfft(audio)
    spectrum[..., int(share * spectrum.shape[-1]) :] = 0
    return torch.fft.irfft(spectrum, n=audio.shape[-1])


@pytest.mark.parametrize(("gain", "found"), [(1.0, 0), (0.95, 1), (0.9, 0), (0.98, 0), (1.05, 0)])
@pytest.mark.parametrize("share", [1.0, 0.3], ids=["full band", "low-passed"])
def test_a_twentieth_less_is_found_whatever_else_was_lost(gain, found, share):
    clean = noise(3)
    coded = gain * low_passed(clean, share) + 1e-3 * noise(3, seed=1)
    assert was_turned_down(clean, coded).tolist() == [found] * 3


def test_silence_was_not_turned_down():
    assert was_turned_down(torch.zeros(2, 2, 8192), torch.zeros(2, 2, 8192)).tolist() == [0, 0]


class Pairs:
    """Every other pair turned down, and those have another pattern of holes."""

    def __len__(self):
        return 40

    def batch(self, step, size, samples, seed):
        clean = noise(size, seed=1000 * seed + step)[..., :samples]
        coded = low_passed(clean, 0.6)
        coded[::2] = TURNED_DOWN * low_passed(clean[::2], 0.4)
        return clean.numpy(), coded.numpy(), np.zeros(size, np.float32)


def test_training_learns_to_tell_by_the_holes_and_touches_nothing_else(tmp_path):
    generator = begin(Generator, SMALL).eval()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    objective = EncoderGainObjective(generator, Pairs(), EncoderGainSettings(seconds=0.4))
    made = objective.fold(train(objective, tmp_path, objective.run()))
    assert all(torch.equal(v, before[n]) for n, v in generator.state_dict().items())
    holes, labels = gather_holes(generator, Pairs(), seed=7, seconds=0.4)
    odds = made.odds(holes)
    assert labels.mean() == 0.5
    assert ((odds > 0) == (labels > 0.5)).all()
    assert odds[labels > 0.5].min() > 1


def test_what_was_learned_does_not_depend_on_what_the_generator_is(tmp_path):
    results = []
    for seed in range(2):
        generator = begin(Generator, SMALL, seed=seed)
        objective = EncoderGainObjective(
            generator, Pairs(), EncoderGainSettings(seed=3, seconds=0.4)
        )
        results.append(train(objective, tmp_path / str(seed), replace(objective.run(), steps=5)))
    assert torch.equal(*(made.weigh.weight for made in results))
