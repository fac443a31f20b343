"""The noise: a function of (seed, hop), white, of unit variance."""

import numpy as np
import pytest

from uncodec.errors import InvalidType, InvalidValue
from uncodec.streams.noise import HopNoise


def noise(seed, first, hops, hop=256):
    out = np.empty((2, hops * hop), np.float32)
    HopNoise(seed, 2, hop).fill(first, out)
    return out


def test_a_hop_does_not_depend_on_what_came_before():
    whole = noise(7, 0, 12)
    np.testing.assert_array_equal(noise(7, 5, 3), whole[:, 5 * 256 : 8 * 256])


def test_seeds_hops_and_channels_differ():
    whole = noise(7, 0, 2)
    assert not np.array_equal(whole, noise(8, 0, 2))
    assert not np.array_equal(whole[:, :256], whole[:, 256:])
    assert abs(np.corrcoef(whole)[0, 1]) < 0.2


def test_unit_variance_and_flat_spectrum():
    x = noise(0, 0, 2000).astype(np.float64)
    assert x.var() == pytest.approx(1.0, abs=0.01)
    bands = (np.abs(np.fft.rfft(x[0])) ** 2)[: 256000 // 8 * 8].reshape(8, -1).mean(1) / x.shape[1]
    np.testing.assert_allclose(bands, 1.0, atol=0.03)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, True, "a"])
def test_a_seed_is_checked(seed):
    wrong = InvalidValue if type(seed) is int else InvalidType
    with pytest.raises(wrong, match=r"seed=.*: must be .*from 0 to 2"):
        HopNoise(seed, 2, 256)
