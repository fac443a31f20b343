"""A generator whose delta is given the levels that a level network says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from uncodec.analysis.cost import count_parameters
from uncodec.analysis.restorers import find_restorers
from uncodec.errors import ModelError
from uncodec.networks import CHANNELS, Generator, GeneratorConfig, load_model, save_weights
from uncodec.networks.generator import exchanged
from uncodec.networks.level_features import BAND, BANDS, band_levels, level_features
from uncodec.networks.levelled import LevelledGenerator, set_levels
from uncodec.networks.levels import LevelConfig, LevelNetwork
from uncodec.networks.store import weight_files

SMALL = GeneratorConfig(encoder=16, hidden=16, local=8)
FEW = LevelConfig(width=16, inner=8, layers=2)


def spectra(frames=12, seed=1, last=40):
    """Coded frames without anything above a band, and excitations with everything."""
    made = torch.randn(
        1, CHANNELS, frames, SMALL.bins, 2, generator=torch.Generator().manual_seed(seed)
    )
    made[:, :2, :, 1 + BAND * last :] = 0.0
    return made


@pytest.fixture
def generator():
    torch.manual_seed(0)
    made = Generator(SMALL).eval()
    with torch.no_grad():
        made.gate.bias.fill_(8.0)
        made.gate.weight.zero_()
    return made


@pytest.fixture
def levels():
    torch.manual_seed(1)
    return LevelNetwork(FEW).eval()


@pytest.fixture
def levelled(generator, levels):
    return LevelledGenerator(generator, levels).eval()


def start(network):
    return (*network.config.initial_state(1), *network.levels.initial_state(1))


def power_levels(delta):
    return band_levels(torch.view_as_complex(delta.contiguous()))


@torch.inference_mode()
def test_what_sounds_in_an_empty_band_has_the_level_that_was_said(levelled, generator):
    inputs = spectra()
    delta, _, _ = levelled(inputs, start(levelled))
    features = level_features(torch.view_as_complex(inputs[:, :2].contiguous())).transpose(1, 2)
    _, _, played, _ = levelled.levels(features, levelled.levels.initial_state(1))
    said = played.transpose(1, 2)[..., 41:]
    assert torch.allclose(power_levels(delta)[..., 41:], said, atol=1e-3)
    own = generator(inputs, generator.initial_state(1))[0]
    assert not torch.allclose(power_levels(own)[..., 41:], said, atol=0.1)


@torch.inference_mode()
def test_what_the_codec_kept_keeps_the_generators_delta(generator):
    delta = generator(spectra(), generator.initial_state(1))[0]
    coded = torch.zeros(1, 12, 2, BANDS)
    same = set_levels(delta, coded, coded, coded + 9.0, torch.ones(1, 12))
    assert torch.allclose(same, delta, rtol=0.02, atol=1e-6)


@torch.inference_mode()
def test_what_is_not_missing_is_not_filled_louder_than_is_likely():
    delta = torch.randn(1, 2, 3, SMALL.bins, 2)
    coded = torch.full((1, 3, 2, BANDS), -4.0)
    loudest = coded + torch.linspace(-2.0, 2.0, BANDS)
    held = power_levels(set_levels(delta, coded, coded, loudest, torch.ones(1, 3)))
    lacking = torch.log10((torch.pow(10.0, loudest) - 1e-4).clamp_min(1e-4)).transpose(1, 2)
    own = power_levels(delta)
    assert torch.allclose(held, torch.minimum(own, lacking), atol=1e-2)
    assert torch.allclose(held[..., :32], torch.tensor(-4.0), atol=1e-2)
    as_it_was = set_levels(delta, coded, coded, torch.full_like(coded, 9.0), torch.ones(1, 3))
    assert torch.allclose(as_it_was, delta, rtol=1e-3)


@torch.inference_mode()
def test_an_undamaged_signal_gets_nothing(levelled):
    with torch.no_grad():
        levelled.generator.gate.bias.fill_(-8.0)
    delta, _, _ = levelled(spectra(), start(levelled))
    assert torch.count_nonzero(delta) == 0


@torch.inference_mode()
def test_a_band_without_texture_is_not_raised_without_end():
    delta = torch.full((1, 2, 3, SMALL.bins, 2), 1e-4)
    coded = torch.full((1, 3, 2, BANDS), -8.0)
    wanted = torch.full_like(coded, 3.0)
    loud = set_levels(delta, coded, wanted, wanted, torch.ones(1, 3))
    assert torch.allclose(loud[:, :, :, 1:], delta[:, :, :, 1:] * 30.0, rtol=1e-3)


def test_texture_is_learned_also_beside_bands_that_lack_nothing():
    delta = torch.randn(1, 2, 3, SMALL.bins, 2, requires_grad=True)
    coded = torch.zeros(1, 3, 2, BANDS)
    played = coded.clone()
    played[..., 40:] += 2.0
    set_levels(delta, coded, played, played, torch.ones(1, 3)).square().log1p().sum().backward()
    assert delta.grad is not None
    assert torch.isfinite(delta.grad).all()
    assert delta.grad[:, :, :, 400:].abs().sum() > 0


@torch.inference_mode()
def test_frame_by_frame_equals_one_run(levelled):
    inputs = spectra(60)
    whole, _, _ = levelled(inputs, start(levelled))
    state, parts = start(levelled), []
    for part in inputs.split([1, 2, 37, 20], dim=2):
        delta, _, state = levelled(part, state)
        parts.append(delta)
    assert torch.allclose(torch.cat(parts, dim=2), whole, atol=1e-4)


def test_an_exchange_of_mid_and_side_leaves_what_levels_remember(levelled):
    state = start(levelled)
    assert len(exchanged(state)) == 7
    assert exchanged(state)[5:] == state[5:]


@torch.inference_mode()
def test_levels_lie_beside_the_weights(generator, levels, levelled, tmp_path):
    save_weights(tmp_path, generator, name="small", version="1")
    save_weights(tmp_path, levels, name="levels", version="1")
    model = load_model(tmp_path)
    inputs = spectra()
    got, _, state = model.step(inputs, model.initial_state())
    assert len(state) == len(model.initial_state()) == 7
    # Levels are kept in half precision.
    wanted = levelled(inputs, start(levelled))[0]
    assert torch.allclose(power_levels(got), power_levels(wanted), atol=0.02)


def test_levels_make_another_model_of_it(generator, levels, tmp_path):
    save_weights(tmp_path, generator, name="small", version="1")
    (alone,) = find_restorers([str(tmp_path)])
    own = count_parameters(alone)
    assert [path.name for path in weight_files(tmp_path)] == ["weights.safetensors"]
    save_weights(tmp_path, levels, name="levels", version="1")
    (both,) = find_restorers([str(tmp_path)])
    assert alone.fingerprint != both.fingerprint
    assert count_parameters(both) == own + sum(
        value.numel() for value in levels.state_dict().values()
    )
    assert len(weight_files(tmp_path)) == 2


@torch.inference_mode()
def test_a_hop_is_levelled_as_in_runs(generator, levels, tmp_path):
    save_weights(tmp_path, generator, name="small", version="1")
    save_weights(tmp_path, levels, name="levels", version="1")
    model = load_model(tmp_path)
    inputs = spectra(40)
    wanted, _, state = model.step(inputs, model.initial_state())
    hops, got = model.hops.clone(), torch.zeros(40, 2, SMALL.bins, dtype=torch.complex64)
    frames = torch.view_as_complex(inputs)[0].transpose(0, 1).contiguous().numpy()
    for heard, added in zip(frames, got.numpy(), strict=True):
        hops.step_into(heard, added)
    found = torch.view_as_real(got).transpose(0, 1)[None]
    assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))
    for one, other in zip(hops.state(), state, strict=True):
        assert torch.allclose(one, other, atol=1e-3)
    twin = model.hops.clone()
    twin.load(hops.state())
    again, other = np.zeros((2, 2, SMALL.bins), np.complex64)
    twin.step_into(frames[0], again)
    hops.step_into(frames[0], other)
    assert np.array_equal(again, other)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"window": 512, "hop": 256}, "levels: must go with a window of 1024 and a hop of 512"),
        ({}, "levels: must be of one direction"),
    ],
)
def test_levels_that_do_not_fit_are_refused(shape, said, tmp_path):
    made = Generator(GeneratorConfig(encoder=16, hidden=16, local=8, **shape))
    save_weights(tmp_path, made, name="small", version="1")
    both = LevelNetwork(LevelConfig(width=16, inner=8, layers=2, both=not shape))
    save_weights(tmp_path, both, name="levels", version="1")
    with pytest.raises(ModelError, match=said):
        load_model(tmp_path)
