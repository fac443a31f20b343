"""What a level network hears, and how it streams."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from uncodec.errors import InvalidValue
from uncodec.networks.level_errors import missing_errors
from uncodec.networks.level_features import (
    BANDS,
    FEATURES,
    FLOOR,
    band_levels,
    level_features,
    stream_frames,
)
from uncodec.networks.levels import LevelConfig, LevelNetwork

SMALL = {"width": 24, "inner": 16, "layers": 2}


def network(**more):
    torch.manual_seed(0)
    made = LevelNetwork(LevelConfig(**(SMALL | more))).eval()
    with torch.no_grad():
        made.leave.weight.mul_(10.0)
    return made


def features(frames=40, seed=0):
    rng = np.random.default_rng(seed)
    audio = rng.normal(0, 0.1, (2, 512 * frames)).astype(np.float32)
    return level_features(stream_frames(torch.from_numpy(audio))).transpose(0, 1)[None]


@torch.inference_mode()
def said(made, heard, cuts=()):
    state, parts = made.initial_state(len(heard)), []
    for part in torch.tensor_split(heard, cuts, dim=1):
        level, _, played, state = made(part, state)
        parts.append(torch.stack([level, played], dim=-1))
    return torch.cat(parts, dim=1)


def test_a_network_of_one_direction_streams():
    made, heard = network(), features()
    whole = said(made, heard)
    assert torch.allclose(whole, said(made, heard, (1, 2, 17)), atol=1e-4)


def test_a_network_of_one_direction_does_not_hear_what_comes():
    made, heard = network(), features()
    other = heard.clone()
    other[:, 30:, :, : FEATURES // 2] -= 1.0
    assert torch.equal(said(made, heard)[:, :30], said(made, other)[:, :30])
    assert not torch.allclose(said(made, heard)[:, 30:], said(made, other)[:, 30:], atol=1e-2)


def test_a_network_of_both_directions_hears_what_comes():
    made, heard = network(both=True), features()
    other = heard.clone()
    other[:, 30:, :, : FEATURES // 2] -= 1.0
    assert not torch.allclose(said(made, heard)[:, :30], said(made, other)[:, :30], atol=1e-3)


def test_a_level_is_the_mean_power_of_a_band():
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (2, 512 * 400)))
    levels = torch.pow(10.0, band_levels(stream_frames(noise.float()))[0, 2:]).mean(0).log10()
    # Mid of two noises of variance 0.01 has 0.005; times 512, the sum of the
    # squares of a square-root Hann window, that is 0.4082 decades.
    assert torch.allclose(levels, torch.full((BANDS,), 0.4082), atol=0.06)


def test_silence_has_the_floor():
    heard = level_features(stream_frames(torch.zeros(2, 2048)))
    assert heard.shape == (2, 4, FEATURES)
    assert torch.allclose(heard[..., :BANDS], torch.tensor(FLOOR))


def test_errors_tell_a_bias_from_a_movement():
    rng = np.random.default_rng(0)
    wanted = torch.from_numpy(rng.normal(0, 0.3, (200, 2, BANDS))).float()
    coded = wanted.clone()
    coded[..., 30:] = -8.0
    louder = missing_errors(coded, wanted, wanted + 0.2, None)
    assert louder.bias == pytest.approx(2.0, abs=1e-3)
    assert (louder.mean, louder.moving) == pytest.approx((2.0, 0.0), abs=1e-3)
    flat = missing_errors(coded, wanted, wanted.mean(0, keepdim=True).expand_as(wanted), None)
    assert flat.moving == pytest.approx(flat.movement, rel=1e-3)
    assert flat.mean == pytest.approx(0.0, abs=1e-3)


def test_nothing_is_judged_where_nothing_is_missing():
    wanted = torch.zeros(200, 2, BANDS)
    assert missing_errors(wanted, wanted, wanted + 1.0, None) is None


@pytest.mark.parametrize("name", ["width", "inner", "layers"])
def test_a_shape_that_cannot_be_is_refused(name):
    with pytest.raises(InvalidValue, match=f"{name}=0: must be a positive integer"):
        LevelConfig(**(SMALL | {name: 0}))
