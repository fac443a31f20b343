"""The diffusion network: what it depends on, what it leaves alone, what it starts from."""

import dataclasses

import pytest
import torch

from uncodec.errors import InvalidValue, ModelError
from uncodec.networks import (
    DiffusionConfig,
    DiffusionNetwork,
    Generator,
    GeneratorConfig,
    load_diffusion,
    load_model,
    save_weights,
)
from uncodec.networks.diffusion_scene import compand, expand, look_at
from uncodec.networks.spectra import audio_to_frames

LIVE = GeneratorConfig(window=256, hop=64, encoder=8, hidden=8, local=2)
SMALL = DiffusionConfig(window=512, hop=128, width=16, dilations=(1, 2), local=4, live=LIVE)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return DiffusionNetwork(SMALL).eval()


def noise(samples, seed=0, level=0.1):
    source = torch.Generator().manual_seed(seed)
    return level * torch.randn(1, 2, samples, generator=source)


def low_passed(audio, share):
    spectrum = torch.fft.rfft(audio)
    spectrum[..., round(share * spectrum.shape[-1]) :] = 0
    return torch.fft.irfft(spectrum, n=audio.shape[-1])


def frames_of(audio):
    return audio_to_frames(audio, SMALL.window, SMALL.hop)


@torch.inference_mode()
def predict(network, audio, missing=None, time=0.0):
    scene = look_at(frames_of(audio))
    if missing is None:
        missing = 0.3 * frames_of(noise(audio.shape[-1], 7))
    return network(scene, missing, torch.tensor([time]))


def test_a_frame_depends_on_frames_within_its_reach_and_on_no_other(network):
    count = 2 * SMALL.reach + 40
    audio = noise(count * SMALL.hop + SMALL.window)
    changed = audio.clone()
    middle = count // 2 * SMALL.hop
    changed[..., middle : middle + SMALL.hop] += 0.3 * noise(SMALL.hop, 1)
    before, after = predict(network, audio)[0], predict(network, changed)[0]
    differs = (before != after).any(dim=3).any(dim=1)[0].nonzero().flatten()
    # The samples lie in the frames from `middle - 3` to `middle`.
    first, last = count // 2 - 3 - SMALL.reach, count // 2 + SMALL.reach
    assert first <= int(differs.min()) < count // 2 - 3
    assert count // 2 < int(differs.max()) <= last


def test_silence_gets_nothing(network):
    audio = noise(20_000)
    audio[..., 8_000:] = 0
    delta, _ = predict(network, audio)
    assert delta[:, :, :40].abs().max() > 0
    assert delta[:, :, 8_000 // SMALL.hop + 1 :].abs().max() == 0


def test_a_shut_gate_leaves_the_signal_alone(network):
    with torch.no_grad():
        network.gate.bias.fill_(-100.0)
    delta, damage = predict(network, noise(20_000))
    assert damage.max() < -1
    assert delta.abs().max() == 0


@torch.inference_mode()
def test_where_a_gate_network_decides_its_own_verdict_does_not_count(network):
    torch.nn.init.zeros_(network.gate.weight)
    scene = look_at(frames_of(noise(20_000)))
    missing = 0.3 * frames_of(noise(20_000, 7))
    made = []
    for odds in (-2.0, 5.0):
        torch.nn.init.constant_(network.gate.bias, odds)
        made.append(network(scene, missing, torch.tensor([0.0]), gated=False)[0])
    gated, _ = network(scene, missing, torch.tensor([0.0]))
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[1], gated)


def test_trusted_bins_stay(network):
    with torch.no_grad():
        network.decide.bias[:2] = 1e4
    audio = noise(20_000)
    assert predict(network, audio, missing=-0.3 * frames_of(audio))[0].abs().max() == 0


def test_what_was_kept_is_not_turned_down_on_the_whole(network):
    audio = noise(60_000)
    coded = frames_of(audio)

    def level_of_the_change(bias):
        with torch.no_grad():
            network.decide.bias[2:4] = torch.tensor([bias, 2 * bias])
        delta, _ = predict(network, audio, missing=torch.zeros_like(coded))
        assert delta.abs().max() > 0.01 * coded.abs().max()  # between bins it still chooses
        return ((delta * coded.conj()).real.sum() / coded.abs().square().sum()).item()

    assert level_of_the_change(-1.0) == pytest.approx(0.0, abs=2e-3)
    assert level_of_the_change(1.0) > 0.02


def test_time_makes_a_difference(network):
    with torch.no_grad():
        for layer in network.layers:
            layer.tell.weight.normal_()
    audio = noise(20_000)
    early, late = (predict(network, audio, time=t)[0] for t in (0.0, 0.9))
    assert (early - late).abs().max() > 1e-3 * early.abs().max()


def test_companding_can_be_undone():
    spectrum = frames_of(noise(20_000))
    scale = torch.full(spectrum.shape, 0.5)
    assert torch.allclose(expand(compand(spectrum, scale), scale), spectrum, atol=1e-4)
    magnitudes = compand(spectrum, scale).abs()
    assert torch.allclose(magnitudes, (spectrum.abs() / 0.5).sqrt(), atol=2e-2)


def test_the_outline_runs_on_beyond_the_cut_off():
    whole = noise(90_000)
    frames = [audio_to_frames(audio, 2048, 512) for audio in (whole, low_passed(whole, 0.5))]
    scene = look_at(frames[1])
    middle = slice(20, -20)
    below, above = slice(10, 480), slice(560, 1025)
    assert scene.content[:, :, middle, below].mean() > 0.99
    assert scene.content[:, :, middle, above].mean() < 0.01
    error = (scene.outline - look_at(frames[0]).outline)[:, :, middle, above]
    # White noise is flat; the outline falls by 0.024 decades a cell, from a cell that may hold no
    # more than the skirt of the edge.
    assert -2.0 < error.mean() < 0.0


def test_configurations_are_checked():
    for wrong, rule in (
        ({"window": 600}, "window=600: must be a power of two, 256 or more"),
        ({"window": 512, "hop": 200}, r"window=512: must be a multiple of 2 \* hop=400"),
        ({"width": 0}, "width=0: must be a positive integer"),
        ({"dilations": ()}, "must be positive integers"),
        ({"dilations": (1, 0)}, "must be positive integers"),
    ):
        with pytest.raises(InvalidValue, match=rule):
            dataclasses.replace(SMALL, **wrong)


def test_weights_come_back_as_they_were_saved(network, tmp_path):
    network.half().float()  # what the file keeps
    save_weights(tmp_path, network, name="small", version="2")
    model = load_diffusion(tmp_path)
    assert (model.name, model.version, model.config) == ("small", "2", SMALL)
    assert len(model.digest) == 64
    audio = noise(10_000)
    assert torch.equal(predict(network, audio)[0], predict(model.network, audio)[0])


def test_the_live_generator_is_part_of_the_model_and_is_not_trained(network, tmp_path):
    assert not any(p.requires_grad for p in network.live.parameters())
    assert not network.train().live.training
    save_weights(tmp_path, network, name="small", version="2")
    live = load_diffusion(tmp_path).live
    assert live.config == LIVE
    spectra = torch.randn(1, 6, 5, LIVE.bins, 2, generator=torch.Generator().manual_seed(0))
    kept = network.live.half().float()
    mine, _, _ = kept(spectra, kept.initial_state(1))
    theirs, _, _ = live.step(spectra, live.initial_state(1))
    assert mine.abs().max() > 0
    assert torch.allclose(mine, theirs, atol=1e-5)


def test_kinds_are_not_mixed_up(network, tmp_path):
    save_weights(tmp_path / "offline", network, name="a", version="1")
    save_weights(tmp_path / "live", Generator(LIVE), name="b", version="1")
    with pytest.raises(ModelError, match=r"must be format 1, kind generator, got .*diffusion"):
        load_model(tmp_path / "offline")
    with pytest.raises(ModelError, match=r"must be format 1, kind diffusion, got .*generator"):
        load_diffusion(tmp_path / "live")
    with pytest.raises(ModelError, match="no-such-device"):
        load_diffusion(tmp_path / "offline", "no-such-device")


def test_what_the_live_generator_turned_up_stays_turned_up(network):
    with torch.no_grad():
        network.decide.bias[:2] = 1e4  # all bins are trusted
        network.gate.bias.fill_(100.0)
    coded = frames_of(low_passed(noise(40_000), 0.5))
    scene = look_at(coded)
    for gain, kept in ((0.05, 0.05), (-0.05, 0.0), (0.5, 0.06)):
        with torch.inference_mode():
            delta, _ = network(scene, gain * coded, torch.tensor([0.0]))
        below = (slice(None), slice(None), slice(10, -10), slice(5, 120))
        assert torch.allclose(delta[below], kept * coded[below], atol=1e-3 * coded.abs().max())
