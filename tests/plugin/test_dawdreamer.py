"""The plugin in DawDreamer, which reports the latency and does not take it off."""

import dawdreamer
import numpy as np
import pytest

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
        ("Core", ""),
    ]
