"""Synthetic layers: pure functions of the generator, of every brightness, without clicks or NaN."""

import numpy as np
import pytest

from uncodec.training.synthesis import smooth_gains, synthesize


@pytest.mark.parametrize("rate", [44100, 48000])
def test_layers_depend_on_the_generator_only(rate):
    first, again, other = (synthesize(np.random.default_rng(s), rate // 2, rate) for s in (3, 3, 4))
    assert first.shape == (2, rate // 2)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("samples", [1, 300, 22050])
def test_every_layer_sounds_and_is_finite(samples):
    for seed in range(30):
        layer = synthesize(np.random.default_rng(seed), samples, 44100)
        assert layer.shape == (2, samples)
        assert np.isfinite(layer).all()
        assert np.abs(layer).max() > 0.0


def test_brightness_spreads_over_tens_of_decibels():
    def brightness(seed):
        power = (
            np.abs(np.fft.rfft(synthesize(np.random.default_rng(seed), 44100, 44100).sum(0))) ** 2
        )
        return 10 * np.log10(power[10000:20000].mean() / power[1000:5000].mean())

    drawn = [brightness(seed) for seed in range(40)]
    assert np.std(drawn) > 10.0
    assert max(drawn) > 0.0


def test_gains_go_up_as_often_as_down_within_their_limit():
    rng = np.random.default_rng(0)
    drawn = 20 * np.log10([smooth_gains(rng, 257, 5.0, 12.0) for _ in range(2000)])
    assert np.abs(drawn.mean(axis=0)).max() < 0.4
    assert np.abs(drawn).max() <= 12.0 + 1e-4
    assert drawn[:, -1].std() == pytest.approx(5.0, abs=0.4)
    assert np.all(drawn[:, 0] == 0.0)
