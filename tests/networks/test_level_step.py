"""A level network frame by frame: the same levels as in runs, with the state inside."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from uncodec.errors import InvalidValue
from uncodec.networks.level_features import band_levels, level_features
from uncodec.networks.level_step import LevelStep
from uncodec.networks.levelled import set_levels
from uncodec.networks.levels import LevelConfig, LevelNetwork

FRAMES = 50


@pytest.fixture(params=[(16, 8, 2), (24, 40, 1)])
def network(request):
    width, inner, layers = request.param
    torch.manual_seed(3)
    made = LevelNetwork(LevelConfig(width=width, inner=inner, layers=layers)).eval()
    with torch.no_grad():
        # Norms and memories that tell whether they were taken into account.
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    # Weights as they are on disk.
    return made.half().float()


def spectra(seed=0, channels=2):
    rng = np.random.default_rng(seed)
    made = rng.normal(size=(FRAMES, channels, 513)) + 1j * rng.normal(size=(FRAMES, channels, 513))
    made *= np.linspace(1.0, 0.0, 513) ** 3 * rng.uniform(0.0, 2.0, (FRAMES, 1, 1))
    made[20:24] = 0.0
    made[:, :, 300:] = 0.0
    return made.astype(np.complex64)


@torch.inference_mode()
def whole(network, frames):
    heard = level_features(torch.from_numpy(frames[:, :2].transpose(1, 0, 2).copy()))
    level, spread, played, state = network(heard.transpose(0, 1)[None], network.initial_state(1))
    return played[0].numpy(), network.loudest(level, spread)[0].numpy(), state


def heard(step, frames):
    said = []
    for frame in frames:
        step.hear(frame)
        said.append(step.played.copy())
    return np.array(said)


def test_frames_give_the_levels_of_a_run(network):
    frames, step = spectra(channels=6), LevelStep(network)
    played, _, state = whole(network, frames)
    assert np.allclose(heard(step, frames), played, atol=1e-4)
    for got, wanted in zip(step.state(), state, strict=True):
        assert torch.allclose(got, wanted, atol=1e-4)


def test_a_clone_goes_on_alone(network):
    frames, step = spectra(), LevelStep(network)
    heard(step, frames[:20])
    twin = step.clone()
    wanted = heard(step, frames[20:])
    heard(step, spectra(1))
    assert np.array_equal(heard(twin, frames[20:]), wanted)


def test_a_state_is_taken_over(network):
    frames, step, other = spectra(), LevelStep(network), LevelStep(network)
    heard(step, frames[:20])
    other.load(step.state())
    assert np.array_equal(heard(other, frames[20:]), heard(step, frames[20:]))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("amount", "gain"), [(1.0, 0.0), (0.5, 0.05)])
@torch.inference_mode()
def test_a_delta_is_filled_as_in_runs(network, channels, amount, gain):
    frames, step = spectra(), LevelStep(network)
    delta = spectra(7)[:, :channels]
    delta[:, :, 300:] = delta[:, :, 200:413]
    coded = torch.view_as_real(torch.from_numpy(frames)).transpose(0, 1)[None, :channels]
    said, loudest = (
        torch.from_numpy(levels)[None, :, :channels] for levels in whole(network, frames)[:2]
    )
    there = band_levels(torch.from_numpy(frames))[None, :, :channels]
    own = torch.view_as_real(torch.from_numpy(delta)).transpose(0, 1)[None]
    wanted = set_levels(own, there, said, loudest, torch.full((1, FRAMES), amount))
    wanted = wanted + gain * (wanted + coded)
    wanted[:, :, :, 0] = own[:, :, :, 0]
    got = (delta + gain * (delta + frames[:, :channels])).astype(np.complex64)
    got[:, :, 0] = delta[:, :, 0]
    for frame, added in zip(frames, got, strict=True):
        step.hear(frame)
        step.fill_into(frame, added, amount, gain)
    found = torch.view_as_real(torch.from_numpy(got)).transpose(0, 1)[None]
    assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))


def test_both_directions_cannot_go_frame_by_frame():
    both = LevelNetwork(LevelConfig(width=16, inner=8, layers=1, both=True))
    with pytest.raises(InvalidValue, match="must be of one direction"):
        LevelStep(both)
