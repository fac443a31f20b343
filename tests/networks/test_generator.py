"""The generator: explicit state, causality, exact silence of the gate."""

import pytest
import torch

from uncodec.errors import InvalidValue
from uncodec.networks import Generator, GeneratorConfig
from uncodec.networks.spectra import (
    audio_to_frames,
    frames_to_audio,
    left_right,
    mid_side,
    sqrt_hann,
)

SMALL = GeneratorConfig(window=256, hop=64, encoder=16, hidden=16, local=4)


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return Generator(SMALL).eval()


def spectra(frames, batch=1, seed=1):
    source = torch.Generator().manual_seed(seed)
    shape = (batch, 2, frames, SMALL.bins)
    return tuple(torch.randn(shape, generator=source) for _ in range(4))


@torch.inference_mode()
def test_frame_by_frame_equals_one_run(generator):
    inputs = spectra(20)
    whole, _, damage, _ = generator(*inputs, generator.initial_state(1))
    state = generator.initial_state(1)
    parts, odds = [], []
    for start, stop in ((0, 1), (1, 2), (2, 9), (9, 20)):
        real, _, part, state = generator(*(x[:, :, start:stop] for x in inputs), state)
        parts.append(real)
        odds.append(part)
    assert torch.allclose(torch.cat(parts, 2), whole, atol=1e-5)
    assert torch.allclose(torch.cat(odds, 1), damage, atol=1e-5)


@torch.inference_mode()
def test_no_frame_depends_on_later_ones(generator):
    inputs = spectra(12)
    changed = tuple(x.clone() for x in inputs)
    for x in changed:
        x[:, :, 8:] = 3.0
    first = generator(*inputs, generator.initial_state(1))[0]
    second = generator(*changed, generator.initial_state(1))[0]
    assert torch.equal(first[:, :, :8], second[:, :, :8])
    assert not torch.equal(first[:, :, 8:], second[:, :, 8:])


@torch.inference_mode()
def test_items_of_a_batch_do_not_mix(generator):
    inputs = spectra(6, batch=3)
    together = generator(*inputs, generator.initial_state(3))[0]
    alone = generator(*(x[1:2] for x in inputs), generator.initial_state(1))[0]
    assert torch.allclose(together[1:2], alone, atol=1e-5)


@torch.inference_mode()
def test_a_closed_gate_gives_exactly_nothing(generator):
    generator.gate.weight.zero_()
    generator.gate.bias.fill_(-4.5)
    real, imag, damage, _ = generator(*spectra(5), generator.initial_state(1))
    assert (damage < -4).all()
    assert not real.any()
    assert not imag.any()


@torch.inference_mode()
def test_level_is_relative(generator):
    # 40 dB quieter in, 40 dB quieter out, but for what is near the floor of a 16-bit file.
    inputs = spectra(10)
    quiet = (inputs[0] * 0.01, inputs[1] * 0.01, inputs[2], inputs[3])
    generator.encode.weight[:, -1].zero_()  # the one absolute input
    loud_out = generator(*inputs, generator.initial_state(1))[0]
    quiet_out = generator(*quiet, generator.initial_state(1))[0]
    assert torch.allclose(quiet_out * 100, loud_out, rtol=2e-2, atol=2e-2)


@torch.inference_mode()
def test_empty_bins_of_a_sounding_frame_are_filled(generator):
    real, imag, *noise = spectra(6)
    real[..., 70:] = 0
    imag[..., 70:] = 0
    filled = generator(real, imag, *noise, generator.initial_state(1))[0]
    assert filled[..., 70:].abs().mean() > 1e-3


@torch.inference_mode()
def test_noise_is_trimmed_in_decibels(generator):
    empty = [torch.zeros_like(x) for x in spectra(6)[:2]]
    empty[0][..., :40] = 5.0
    inputs = (*empty, *spectra(6)[2:])
    before = generator(*inputs, generator.initial_state(1))[0][..., 60:]
    generator.trim_noise(-20.0)
    after = generator(*inputs, generator.initial_state(1))[0][..., 60:]
    assert torch.allclose(after * 10, before, rtol=1e-3)


@torch.inference_mode()
def test_silence_stays_silence(generator):
    real, imag, *noise = spectra(8)
    real[:, :, 4:] = 0
    imag[:, :, 4:] = 0
    delta, _, _, _ = generator(real, imag, *noise, generator.initial_state(1))
    assert delta[:, :, :4].any()
    assert not delta[:, :, 4:].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hop": 0}, "hop=0: must be a positive integer"),
        ({"hidden": 1.5}, "hidden=1.5"),
        ({"window": 1000}, "window=1000: must be a multiple of 2 "),
    ],
)
def test_configurations_are_checked(change, message):
    with pytest.raises(InvalidValue, match=message):
        GeneratorConfig(**change)


def test_frames_and_mid_side_are_inverted_exactly():
    audio = torch.randn(2, 2, 256 * 12, generator=torch.Generator().manual_seed(0))
    frames = audio_to_frames(mid_side(audio), 256, 64)
    back = left_right(frames_to_audio(frames, 256, 64))
    assert back.shape == audio.shape
    inner = slice(192, -192)
    assert torch.allclose(back[..., inner], audio[..., inner], atol=1e-5)


def test_unit_noise_has_unit_amplitude_after_scaling():
    noise = torch.randn(1, 1, 256 * 2000, generator=torch.Generator().manual_seed(0))
    scaled = audio_to_frames(noise, 256, 64) * Generator(SMALL).noise_scale
    assert scaled.abs().square().mean().item() == pytest.approx(1.0, abs=0.02)
    assert sqrt_hann(256).square().sum().item() == pytest.approx(128.0, abs=1e-3)
