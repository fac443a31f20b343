"""The generator: explicit state, causality, exact silence of the gate."""

import itertools
import math
import warnings

import pytest
import torch

from uncodec.errors import InvalidValue
from uncodec.networks import CHANNELS, Generator, GeneratorConfig
from uncodec.networks.spectra import (
    audio_to_frames,
    frames_to_audio,
    left_right,
    mid_side,
    overtones,
    swell,
)

SMALL = GeneratorConfig(window=256, hop=128, encoder=16, hidden=16, local=8)


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return Generator(SMALL).eval()


def spectra(frames, batch=1, seed=1):
    source = torch.Generator().manual_seed(seed)
    return torch.randn(batch, CHANNELS, frames, SMALL.bins, 2, generator=source)


def run(generator, inputs):
    return generator(inputs, generator.initial_state(len(inputs)))[0]


@torch.inference_mode()
def test_frame_by_frame_equals_one_run(generator):
    inputs = spectra(200)
    sure_of(generator, damaged=2.0, turned_down=3.0)
    whole, damage, _ = generator(inputs, generator.initial_state(1))
    state = generator.initial_state(1)
    parts, odds = [], []
    for start, stop in ((0, 1), (1, 2), (2, 60), (60, 200)):
        delta, part, state = generator(inputs[:, :, start:stop], state)
        parts.append(delta)
        odds.append(part)
    assert torch.allclose(torch.cat(parts, 2), whole, atol=1e-5)
    assert torch.allclose(torch.cat(odds, 1), damage, atol=1e-5)


@torch.inference_mode()
def test_no_frame_depends_on_later_ones(generator):
    inputs = spectra(12)
    changed = inputs.clone()
    changed[:, :, 8:] = 3.0
    first, second = run(generator, inputs), run(generator, changed)
    assert torch.equal(first[:, :, :8], second[:, :, :8])
    assert not torch.equal(first[:, :, 8:], second[:, :, 8:])


@torch.inference_mode()
def test_items_of_a_batch_do_not_mix(generator):
    inputs = spectra(6, batch=3)
    assert torch.allclose(
        run(generator, inputs)[1:2], run(generator, inputs[1:2].clone()), atol=1e-5
    )


@torch.inference_mode()
def test_a_closed_gate_gives_exactly_nothing(generator):
    generator.gate.weight.zero_()
    generator.gate.bias.fill_(-4.5)
    delta, damage, _ = generator(spectra(5), generator.initial_state(1))
    assert (damage < -4).all()
    assert not delta.any()


@torch.inference_mode()
def test_level_is_relative(generator):
    # 40 dB quieter in, 40 dB quieter out, but for what is near the floor of a 16-bit file.
    inputs = spectra(10)
    quiet = inputs.clone()
    quiet[:, [0, 1, 4, 5]] *= 0.01
    generator.encode.weight[:, -1].zero_()  # the one absolute input
    assert torch.allclose(run(generator, quiet) * 100, run(generator, inputs), rtol=2e-2, atol=2e-2)


def cut_off(inputs, above):
    inputs[:, :2, :, above:] = 0
    return inputs


@torch.inference_mode()
@pytest.mark.parametrize("silent", [(4, 5), (2, 3)], ids=["noise alone", "overtones alone"])
def test_either_excitation_fills_the_empty_bins_of_a_sounding_frame(generator, silent):
    inputs = cut_off(spectra(6), 70)
    inputs[:, silent] = 0
    filled = run(generator, inputs)
    assert filled[:, :, :, 70:].abs().mean() > 1e-4


@torch.inference_mode()
def test_the_level_of_overtones_does_not_matter_only_their_shape(generator):
    inputs = cut_off(spectra(6), 70)
    quiet = inputs.clone()
    quiet[:, 4:] *= 0.03
    assert torch.allclose(run(generator, quiet), run(generator, inputs), rtol=1e-3, atol=1e-5)


@torch.inference_mode()
def test_what_is_filled_in_is_trimmed_in_decibels(generator):
    inputs = cut_off(spectra(6) * 5, 40)
    before = run(generator, inputs)[:, :, :, 60:]
    generator.trim_excitation(-20.0)
    after = run(generator, inputs)[:, :, :, 60:]
    assert torch.allclose(after * 10, before, rtol=1e-3)


@torch.inference_mode()
def test_silence_stays_silence(generator):
    inputs = spectra(8)
    inputs[:, :2, 4:] = 0
    delta = run(generator, inputs)
    assert delta[:, :, :4].any()
    assert not delta[:, :, 4:].any()


@torch.inference_mode()
def test_the_bin_at_0_hz_is_left_alone(generator):
    assert not run(generator, spectra(5))[:, :, :, 0].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hop": 0}, "hop=0: must be a positive integer"),
        ({"hidden": 1.5}, "hidden=1.5"),
        ({"window": 1000}, "window=1000: must be a multiple of 2 "),
        ({"window": 1000, "hop": 500}, "and of 16"),
        ({"context": 5}, "context=5: must be 6 or more"),
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


def test_overtones_of_a_tone_are_its_even_harmonics():
    time = torch.arange(44100, dtype=torch.float64) / 44100
    power = torch.fft.rfft(overtones(torch.sin(2 * math.pi * 3000 * time)[None])[0]).abs().square()
    found = {int(k) for k in torch.nonzero(power > 1e-4 * power.max()).flatten()}
    assert {6000, 12000, 18000} <= found
    assert not found & {0, 3000, 9000}


def test_overtones_begin_with_the_attack():
    click = torch.zeros(1, 100)
    click[0, 40] = 1.0
    assert torch.nonzero(overtones(click)[0]).flatten().tolist() == [40, 42]


def test_noise_swells_with_an_attack_and_not_before_it():
    image = torch.zeros(1, 2, 400)
    image[0, 0, 100:200] = torch.randn(100, generator=torch.Generator().manual_seed(0))
    shape = swell(image)
    assert shape.shape == (1, 1, 400)
    assert not shape[..., :100].any()
    assert (shape[..., 100:200] > 0).all()
    assert not shape[..., 201 + 48 :].any()


def test_noise_swells_with_either_channel():
    image = torch.randn(1, 2, 300, generator=torch.Generator().manual_seed(0))
    only = torch.stack([image[:, 0], torch.zeros(1, 300)], 1)
    other = torch.stack([torch.zeros(1, 300), image[:, 1]], 1)
    assert torch.allclose(swell(only) + swell(other), swell(image), atol=1e-5)


def sure_of(generator, *, damaged, turned_down):
    with torch.no_grad():
        for layer, odds in ((generator.gate, damaged), (generator.encoder_gain.judge, turned_down)):
            layer.weight.zero_()
            layer.bias.fill_(odds)


def gain_found(generator, inputs):
    """Whole change made, less what `repair` made of it, as a gain on the sum of input and that."""
    state = generator.initial_state(1)
    whole, bare = generator(inputs, state)[0], generator.repair(inputs, state)[0]
    base, added = (inputs[:, :2] + bare)[:, :, :, 1:], (whole - bare)[:, :, :, 1:]
    return ((added * base).sum((0, 1, 3, 4)) / base.square().sum((0, 1, 3, 4))).tolist()


@torch.inference_mode()
def test_makeup_gain_undoes_what_the_encoder_took_off_once_it_is_sure(generator):
    sure_of(generator, damaged=5.0, turned_down=5.0)
    gains = gain_found(generator, spectra(400))
    assert 0 < gains[0] < 0.001
    assert all(b - a > -1e-5 for a, b in itertools.pairwise(gains))
    assert gains[-1] == pytest.approx(1 / 0.95 - 1, rel=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize(
    ("damaged", "turned_down"), [(5.0, -1.0), (5.0, 0.9), (-1.0, 5.0)], ids=str
)
def test_there_is_no_makeup_gain_where_it_is_doubtful(generator, damaged, turned_down):
    sure_of(generator, damaged=damaged, turned_down=turned_down)
    assert max(map(abs, gain_found(generator, spectra(400)))) < 1e-6


@torch.inference_mode()
def test_untrained_there_is_no_makeup_gain(generator):
    assert not any(gain_found(generator, spectra(400)))


@torch.inference_mode()
def test_silence_says_nothing_about_the_makeup_gain(generator):
    sure_of(generator, damaged=5.0, turned_down=5.0)
    inputs = spectra(400)
    paused = torch.cat([inputs[:, :, :200], torch.zeros_like(inputs), inputs[:, :, 200:]], 2)
    paused[:, :2, 200:600] = 0
    resumed = gain_found(generator, paused)[600:]
    assert resumed[0] > 0.03
    assert resumed[-1] == pytest.approx(1 / 0.95 - 1, rel=1e-4)


@torch.inference_mode()
def test_a_compiled_generator_can_be_asked_for_its_features_and_verdict_alone(generator):
    inputs = spectra(6)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit\..*", category=Warning)
        compiled = torch.jit.script(generator)
    state = generator.initial_state(1)
    power = inputs[:, :2, :, 1:].square().sum(-1)
    made, wanted = (net.frame_features(power, state[1], state[3]) for net in (compiled, generator))
    assert all(torch.equal(*both) for both in zip(made, wanted, strict=True))
    judged, told = (net.judge(wanted[0], state[0]) for net in (compiled, generator))
    assert all(torch.equal(*both) for both in zip(judged, told, strict=True))
    _, damage, after = generator.repair(inputs, state)
    assert torch.allclose(damage, told[1], atol=1e-6)
    assert torch.allclose(after[0], told[2], atol=1e-6)
