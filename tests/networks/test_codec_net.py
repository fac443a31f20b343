"""The codec classifier: shapes, level independence, where it looks."""

import pytest
import torch

from uncodec.errors import InvalidValue
from uncodec.networks.codec_net import CODEC_NAMES, CodecNet, CodecNetConfig, codec_levels

SMALL = CodecNetConfig(widths=(4, 4, 8, 8), hidden=8)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return CodecNet(SMALL).eval()


def noise(seconds=1.0, batch=2, seed=1):
    source = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(batch, 2, round(44100 * seconds), generator=source)


@torch.inference_mode()
def test_it_answers_for_every_item_whatever_its_length(network):
    for seconds in (0.4, 1.0, 2.3):
        codec, octaves, cutoff = network(codec_levels(noise(seconds)))
        assert codec.shape == (2, len(CODEC_NAMES))
        assert octaves.shape == cutoff.shape == (2,)
        assert ((cutoff > 0) & (cutoff < 1)).all()


@torch.inference_mode()
def test_a_quiet_copy_gets_the_same_answer(network):
    loud = network(codec_levels(noise()))[0]
    quiet = network(codec_levels(noise() * 0.05))[0]
    assert torch.allclose(loud, quiet, atol=1e-2)


@torch.inference_mode()
def test_levels_show_where_the_spectrum_ends():
    spectrum = torch.fft.rfft(noise(1.0))
    spectrum[..., spectrum.shape[-1] // 2 :] = 0
    levels = codec_levels(torch.fft.irfft(spectrum, n=44100))
    assert levels[..., 270:].mean() < levels[..., :250].mean() - 0.8


@torch.inference_mode()
def test_scales_halve_in_time_and_frequency(network):
    maps = network.features(codec_levels(noise(1.0)))
    assert [m.shape[1] for m in maps] == [4, 4, 8, 8]
    assert [m.shape[3] for m in maps] == [128, 64, 32, 16]
    assert maps[0].shape[2] > maps[3].shape[2] >= 1


@torch.inference_mode()
def test_its_description_builds_it_again(network):
    twin = CodecNet(CodecNetConfig(**network.describe())).eval()
    twin.load_state_dict(network.state_dict())
    levels = codec_levels(noise(0.5))
    for answer, same in zip(network(levels), twin(levels), strict=True):
        assert torch.equal(answer, same)


def test_configurations_are_checked():
    with pytest.raises(InvalidValue, match="must be four positive integers"):
        CodecNetConfig(widths=(1, 2, 3))
