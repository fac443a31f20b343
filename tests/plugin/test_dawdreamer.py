"""The plugin in DawDreamer, which reports the latency and does not take it off."""

import dawdreamer
import numpy as np
import pytest

from uncodec import GANRestorer
from uncodec.bridge.launcher import PrivateCore

pytestmark = pytest.mark.usefixtures("no_core")


@pytest.mark.parametrize(
    ("rate", "buffer_size"), [(44100, 512), (48000, 100), (96000, 512), (192000, 333)]
)
def test_an_impulse_comes_where_the_latency_says(bundle: str, rate: int, buffer_size: int) -> None:
    engine = dawdreamer.RenderEngine(rate, buffer_size)
    x = np.zeros((2, rate // 2), np.float32)
    x[0, 1000], x[1, 1234] = 1.0, -0.5
    source = engine.make_playback_processor("source", x)
    plugin = engine.make_plugin_processor("uncodec", bundle)
    engine.load_graph([(source, []), (plugin, ["source"])])
    engine.render(0.5)
    y = engine.get_audio()
    latency = plugin.get_latency_samples()
    expected = np.zeros_like(y)
    expected[0, 1000 + latency], expected[1, 1234 + latency] = 1.0, -0.5
    np.testing.assert_array_equal(y, expected)


def test_parameters_have_names_and_units(bundle: str) -> None:
    engine = dawdreamer.RenderEngine(48000, 512)
    plugin = engine.make_plugin_processor("uncodec", bundle)
    described = [(p["name"], p["label"]) for p in plugin.get_parameters_description()]
    assert described == [
        ("Amount", "%"),
        ("Bypass", ""),
        ("Latency safety", "ms"),
        ("Model", ""),
        ("Brightness", "dB"),
        ("Likeness", "%"),
        ("Reference", ""),
    ]


def test_a_render_with_a_core_is_that_of_the_effect(
    bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spectrum = np.fft.rfft(np.random.default_rng(2).normal(0, 0.1, (2, 22050)))
    # Nothing above 7 kHz, as a codec would leave it, so that there is something to restore.
    spectrum[:, 3500:] = 0
    audio = np.fft.irfft(spectrum).astype(np.float32)
    expected = GANRestorer()(audio, 44100)
    core = PrivateCore.acquire("live-gan", "cpu")
    try:
        monkeypatch.setenv("UNCODEC_CORE_SOCKET", str(core.path))
        engine = dawdreamer.RenderEngine(44100, 512)
        source = engine.make_playback_processor("source", audio)
        plugin = engine.make_plugin_processor("uncodec", bundle)
        engine.load_graph([(source, []), (plugin, ["source"])])
        engine.render(0.5)
        y = engine.get_audio()
        latency = plugin.get_latency_samples()
        del source, plugin, engine
    finally:
        core.release()
    length = audio.shape[1] - latency
    assert length > 10_000
    # -100 dBFS
    np.testing.assert_allclose(y[:, latency:][:, :length], expected[:, :length], rtol=0, atol=1e-5)
    assert np.abs(expected - audio).max() > 1e-3, "the delta is to be heard"
