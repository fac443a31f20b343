"""The bridge: where it begins and ends, and what its samplers keep."""

import itertools

import pytest
import torch

from uncodec.diffusion.flow_path import advance, between, time_grid
from uncodec.networks.diffusion_scene import Scene, compand, look_at


@pytest.fixture(scope="module")
def ends():
    source = torch.Generator().manual_seed(0)

    def spectrum(level):
        parts = torch.randn(2, 1, 2, 30, 257, generator=source)
        return level * torch.complex(parts[0], parts[1])

    return look_at(spectrum(1.0)), spectrum(0.3), spectrum(0.5), spectrum(0.3)


def close(a, b, scene: Scene, tolerance=2e-3):
    return bool(((a - b).abs() <= tolerance * scene.scale).all())


def test_it_begins_at_the_start_and_ends_at_the_end(ends):
    scene, start, end, _ = ends
    assert close(between(scene, start, end, torch.tensor([0.0])), start, scene)
    assert close(between(scene, start, end, torch.tensor([1.0])), end, scene)


def test_steps_with_a_perfect_prediction_stay_on_the_way(ends):
    scene, start, end, _ = ends
    state = start
    grid = time_grid(4)
    for now, later in itertools.pairwise(grid):
        expected = between(scene, start, end, torch.tensor([now]))
        assert close(state, expected, scene, 1e-2)
        state = advance(scene, state, end, now, later)
    assert torch.equal(state, end)


def test_noise_turns_phases_and_keeps_the_power(ends):
    scene, start, end, other = ends
    plain = advance(scene, start, end, 0.25, 0.5)
    churned = advance(scene, start, end, 0.25, 0.5, other, 0.5)
    powers = [
        compand(scene.coded + state, scene.scale).abs().square().mean()
        for state in (plain, churned)
    ]
    assert not close(plain, churned, scene, 0.05)
    assert float(powers[1] / powers[0]) == pytest.approx(1.0, abs=0.15)
    assert torch.equal(advance(scene, start, end, 0.25, 0.5, other, 0.0), plain)


def test_the_times_divide_the_way():
    assert time_grid(4) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert time_grid(1) == [0.0, 1.0]
