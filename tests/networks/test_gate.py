"""The gate of the offline engine: what it hears, and what becomes of its verdict."""

import numpy as np
import pytest
import torch

from uncodec.errors import InvalidValue
from uncodec.networks.gate import GateConfig, GateNetwork, gate_opening, trace_features

HOP, BANDS = 512, 64


def image(seed=0, hops=40):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(0.1 * rng.standard_normal((1, 2, hops * HOP)).astype(np.float32))


def small(seed=0):
    torch.manual_seed(seed)
    return GateNetwork(GateConfig(width=16, inner=8, layers=1)).eval()


def test_traces_lie_as_the_frames_of_a_level_network_do():
    silent = torch.zeros(1, 2, 40 * HOP)
    silent[:, :, 20 * HOP] = 1.0
    traces = trace_features(silent)
    assert traces.shape == (1, 39, 2, 3 * BANDS)
    # Frames of 2,048 samples around frames of 1,024, which begin at multiples of a hop.
    heard = torch.nonzero(traces[0, :, 0, 10] > -7.9).flatten()
    assert heard.tolist() == [18, 19, 20]


def test_a_hole_between_tones_shows_and_noise_has_none():
    audio = image()
    spectrum = torch.fft.rfft(audio)
    hz = torch.fft.rfftfreq(audio.shape[2], 1 / 44100)
    holed = torch.fft.irfft(spectrum * ~((hz > 5000) & (hz < 5080)), n=audio.shape[2])
    band = int(5040 / 22050 * BANDS)
    whole, torn = (trace_features(x)[0, 5:-5, 0].mean(0) for x in (audio, holed))
    deepest = slice(2 * BANDS, 3 * BANDS)
    fall = (whole - torn)[deepest]
    assert fall[band] > 1.0
    assert fall[[band - 3, band + 3]].abs().max() < 0.2
    # Of noise the mean of logarithms is a quarter of a decade below the logarithm of the mean, a
    # little less over 16 bins.
    assert torch.allclose(whole[BANDS : 2 * BANDS], torch.tensor(-0.23), atol=0.06)


def test_what_comes_later_is_heard_too():
    network, traces = small(), trace_features(image())
    changed = traces.clone()
    changed[:, 30:] = trace_features(image(1))[:, 30:]
    with torch.inference_mode():
        odds, others = network(traces), network(changed)
    assert odds.shape == (1, 39)
    assert not torch.equal(odds[:, :10], others[:, :10])


def test_a_quieter_recording_is_judged_alike():
    network, audio = small(), image()
    with torch.inference_mode():
        loud, soft = (network(trace_features(gain * audio)) for gain in (1.0, 0.1))
        assert (loud - soft).abs().max() < 0.3 * loud.std() + 0.1


def test_the_gate_is_open_from_even_odds_upwards():
    odds = torch.tensor([-9.0, -1.0, -0.5, 0.0, 9.0])[:, None].expand(5, 30)
    assert gate_opening(odds)[:, 7].tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_what_lies_seconds_away_counts_and_what_lies_further_does_not():
    odds = torch.full((1, 4000), -3.0)
    odds[:, 2000:] = 3.0
    opening = gate_opening(odds)[0]
    assert not opening[:1850].any()
    assert (opening[2010:] == 1.0).all()
    lone = torch.full((1, 4000), -3.0)
    lone[:, 2000] = 9.0
    assert not gate_opening(lone).any()


@pytest.mark.parametrize("name", ["width", "inner", "layers"])
@pytest.mark.parametrize("value", [0, 1.5, True])
def test_shapes_out_of_range_are_refused(name, value):
    with pytest.raises(InvalidValue, match=f"{name}={value}: must be a positive integer"):
        GateConfig(**{name: value})
