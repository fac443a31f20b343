"""The generator frame by frame: what `Generator.forward` says of a run, at far less cost."""

import dataclasses

import numpy as np
import pytest
import torch

from uncodec.errors import InvalidValue
from uncodec.live.engine import DeltaEngine
from uncodec.networks import CHANNELS, Generator, GeneratorConfig, load_model
from uncodec.networks.hop_step import HopStep

SMALL = GeneratorConfig(window=256, hop=128, encoder=16, hidden=16, local=8)
# Its last bins fill no group of the encoder gain.
ODD = GeneratorConfig(window=176, hop=44, encoder=16, hidden=12, context=7, local=8)
MINUS_100_DBFS = 1e-5


def made(config, *, damaged=2.0, turned_down=3.0):
    torch.manual_seed(0)
    generator = Generator(config).eval()
    with torch.no_grad():
        generator.gate.bias.fill_(damaged)
        generator.encoder_gain.judge.bias.fill_(turned_down)
        generator.encoder_gain.judge.weight.normal_(0, 0.3)
    return generator, HopStep(generator)


def frames(config, count, seed=1):
    """Spectra with an empty top, holes, silence and an attack."""
    rng = np.random.default_rng(seed)
    spectra = rng.normal(size=(count, CHANNELS, config.bins, 2)) @ [1, 1j]
    spectra *= 10 ** rng.uniform(-2, 2, (count, CHANNELS, 1))
    spectra[:, :2, 2 * config.bins // 3 :] = 0
    spectra[:, :2] *= rng.random((count, 2, config.bins)) > 0.2
    spectra[count // 2 : count // 2 + count // 8, :2] = 0
    return spectra.astype(np.complex64)


def forward(generator, spectra, state):
    run = torch.view_as_real(torch.from_numpy(spectra)).permute(1, 0, 2, 3)[None]
    delta, _, state = generator(run, state)
    return torch.view_as_complex(delta.contiguous())[0].permute(1, 0, 2).numpy(), state


def stepped(step, spectra, channels=2):
    delta = np.empty((len(spectra), channels, spectra.shape[2]), np.complex64)
    for heard, added in zip(spectra, delta, strict=True):
        step.step_into(heard, added)
    return delta


def close(one, other):
    return np.abs(one - other).max() <= 2e-5 * np.abs(other).max()


@torch.inference_mode()
@pytest.mark.parametrize("config", [SMALL, ODD], ids=["small", "odd"])
def test_frame_by_frame_equals_a_run_in_delta_and_state(config):
    generator, step = made(config)
    spectra = frames(config, 160)
    expected, state = forward(generator, spectra, generator.initial_state(1))
    assert np.abs(expected).max() > 1
    assert close(stepped(step, spectra), expected)
    for mine, theirs in zip(step.state(), state, strict=True):
        assert mine.shape == theirs.shape
        assert torch.allclose(mine, theirs, atol=1e-4)


@torch.inference_mode()
def test_it_goes_on_from_a_state_of_the_generator_and_leaves_it_alone():
    generator, step = made(SMALL)
    spectra = frames(SMALL, 60)
    _, state = forward(generator, spectra[:30], generator.initial_state(1))
    kept = [tensor.clone() for tensor in state]
    expected, _ = forward(generator, spectra[30:], state)
    step.load(state)
    assert close(stepped(step, spectra[30:]), expected)
    assert all(map(torch.equal, state, kept))
    # And the generator goes on from its state.
    step.load(state)
    stepped(step, spectra[30:40])
    assert close(forward(generator, spectra[40:], step.state())[0], expected[10:])


@torch.inference_mode()
def test_a_clone_goes_its_own_way():
    _, step = made(SMALL)
    spectra = frames(SMALL, 40)
    stepped(step, spectra[:20])
    twin = step.clone()
    expected = stepped(twin, spectra[20:])
    stepped(step.clone(), spectra[5:9])
    np.testing.assert_array_equal(stepped(step, spectra[20:]), expected)


@torch.inference_mode()
def test_mid_alone_is_the_mid_of_both():
    _, step = made(SMALL)
    spectra = frames(SMALL, 20)
    both = stepped(step.clone(), spectra)
    np.testing.assert_array_equal(stepped(step, spectra, channels=1), both[:, :1])


@torch.inference_mode()
def test_a_closed_gate_and_silence_give_exactly_nothing():
    _, shut = made(SMALL, damaged=-9.0)
    spectra = frames(SMALL, 24)
    assert not stepped(shut, spectra).any()
    _, step = made(SMALL)
    spectra[12:, :2] = 0
    delta = stepped(step, spectra)
    assert delta[:12].any(axis=(1, 2)).sum() > 6
    assert not delta[12:].any()


@torch.inference_mode()
@pytest.mark.parametrize("layer", ["gate", "layout", "decide"])
def test_weights_that_are_no_numbers_are_heard(layer):
    generator, _ = made(SMALL)
    with torch.no_grad():
        getattr(generator, layer).bias.fill_(float("nan"))
    step = HopStep(generator)
    assert np.isnan(stepped(step, frames(SMALL, 2))).any()


def test_wrong_shapes_are_refused_before_anything_is_done():
    _, step = made(SMALL)
    spectra, delta = frames(SMALL, 1)[0], np.zeros((2, SMALL.bins), np.complex64)
    with pytest.raises(InvalidValue, match=r"spectra: must have shape \(6, 129\), got \(2, 129\)"):
        step.step_into(spectra[:2], delta)
    with pytest.raises(InvalidValue, match=r"delta: must have shape \(1 or 2, 129\), got"):
        step.step_into(spectra, delta[:, 1:])
    assert all(map(torch.equal, step.state(), SMALL.initial_state(1)))


def coded(seconds, channels=2):
    rng = np.random.default_rng(3)
    samples = int(44100 * seconds) // 512 * 512
    spectrum = np.fft.rfft(rng.normal(0, 0.2, (channels, samples)))
    spectrum[:, samples // 5 :] = 0
    swell = 10 ** (1.5 * np.sin(np.arange(samples) / 4000) - 1.5)
    return (np.fft.irfft(spectrum, samples) * swell).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_released_model_sounds_the_same_in_runs(channels):
    model = load_model("live-gan")
    audio = coded(3, channels)
    runs = DeltaEngine(dataclasses.replace(model, hops=None), channels).push(audio)
    hops = DeltaEngine(model, channels).push(audio)
    assert np.abs(runs).max() > 1e-3
    assert np.abs(hops - runs).max() < MINUS_100_DBFS


def test_the_bits_do_not_depend_on_how_hops_are_cut_into_calls():
    model = load_model("live-gan")
    audio = coded(1)
    whole = DeltaEngine(model, 2).push(audio)
    engine, first, parts = DeltaEngine(model, 2), 0, []
    for hops in (1, 2, 40, 1, 3, 1000):
        parts.append(engine.push(np.ascontiguousarray(audio[:, first : first + 512 * hops])))
        first += 512 * hops
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_a_hop_starts_no_operation_of_torch():
    step = load_model("live-gan").hops.clone()
    spectra = frames(step.config, 1)[0]
    delta = np.empty((2, step.config.bins), np.complex64)
    with torch.profiler.profile() as profiled:
        torch.ones(1)
        step.step_into(spectra, delta)
    started = {event.name for event in profiled.events() if event.name.startswith("aten::")}
    assert "aten::ones" in started
    assert started <= {"aten::ones", "aten::empty", "aten::fill_"}
