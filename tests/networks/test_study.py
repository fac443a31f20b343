"""The members of the diffusion study: shapes, and transforms that come back."""

import pytest
import torch

from uncodec.errors import InvalidValue, ModelError
from uncodec.networks import save_weights
from uncodec.networks.store import load_study
from uncodec.networks.study import MEMBERS, StudyConfig, StudyNetwork, mdct, mdct_inverse
from uncodec.networks.unet1d import UNet1d

SMALL = (8, 12)


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_the_mdct_comes_back_and_keeps_the_energy():
    audio = noise(2, 4096)
    spectra = mdct(audio)
    assert spectra.shape == (2, 256, 17)
    torch.testing.assert_close(mdct_inverse(spectra), audio, atol=2e-5, rtol=0)
    torch.testing.assert_close(spectra.square().sum(), audio.square().sum(), rtol=1e-4, atol=0)


@pytest.mark.parametrize("member", ["vocoder", "spectral"])
def test_representations_without_an_autoencoder_lose_nothing(member):
    shape = StudyNetwork(StudyConfig(member, SMALL)).representation
    audio = noise(2, 4096)
    torch.testing.assert_close(shape.to_audio(shape.to_state(audio)), audio, atol=1e-4, rtol=0)


@pytest.mark.parametrize("member", MEMBERS)
def test_the_prediction_has_the_shape_of_the_state(member):
    network = StudyNetwork(StudyConfig(member, SMALL))
    audio = noise(3, 5120)
    state = network.representation.to_state(audio)
    condition = network.representation.condition(audio)
    assert (
        condition.shape[-1]
        == state.shape[-1]
        == 5120 // (network.representation.samples_per_frame) + (member == "spectral")
    )
    assert network(state, condition, torch.rand(3)).shape == state.shape
    assert network.representation.to_audio(state).shape == audio.shape


def test_the_u_net_takes_any_length_and_hears_the_time():
    torch.manual_seed(0)
    network = UNet1d(3, 2, (8, 12, 16), patch=4)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    frames = noise(1, 3, 37)
    early, late = (network(frames, torch.tensor([at])) for at in (0.1, 0.9))
    assert early.shape == (1, 2, 37)
    assert not torch.allclose(early, late)


def test_the_latent_is_brought_to_power_one():
    shape = StudyNetwork(StudyConfig("latent", SMALL)).representation
    audio = noise(2, 8192)
    before = shape.to_audio(shape.to_state(audio))
    shape.fit_scale(audio)
    assert float(shape.to_state(audio).detach().square().mean()) == pytest.approx(1, rel=1e-4)
    torch.testing.assert_close(shape.to_audio(shape.to_state(audio)), before)


def test_weights_come_back(tmp_path):
    network = StudyNetwork(StudyConfig("latent", SMALL))
    save_weights(tmp_path, network, name="small", version="0.1")
    loaded = load_study(tmp_path)
    assert loaded.config == network.config
    for ours, theirs in zip(loaded.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


def test_other_kinds_are_refused(diffusion_folder):
    with pytest.raises(ModelError, match="kind study, got format 1, kind diffusion"):
        load_study(diffusion_folder)


@pytest.mark.parametrize("wrong", [{"member": "wavelet"}, {"widths": ()}, {"widths": (0,)}])
def test_shapes_out_of_range_are_refused(wrong):
    with pytest.raises(InvalidValue, match=r"must be"):
        StudyConfig(**wrong)
